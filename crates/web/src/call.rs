//! One request, once it may be answered.

use axum::body::Body;
use axum::http::{Extensions, HeaderValue, Uri};
use bytes::Bytes;
use saldo_domain::decide::AnswerKey;
use saldo_domain::ids::{AccountId, OperationId, OrderId, OrderKey, ReviewId};
use saldo_domain::text::Sku;
use saldo_engine::Caller;
use saldo_store::query::PageRequest;
use serde_json::Value;

use crate::authentication::Identity;
use crate::fields::Problems;
use crate::problem::Problem;
use crate::query::Parameters;
use crate::strict_json;

/// A request that may be answered.
pub(crate) struct Call {
    pub(crate) uri: Uri,
    pub(crate) extensions: Extensions,
    /// What the caller wants to read.
    pub(crate) accept: Option<HeaderValue>,
    /// What stands for the names in the route's path, decoded.
    pub(crate) path: Vec<(String, String)>,
    /// The body, where it was read already.
    pub(crate) body: Bytes,
    /// The body, where the endpoint reads it itself.
    pub(crate) stream: Body,
    pub(crate) identity: Identity,
    pub(crate) answer_key: Option<AnswerKey>,
}

impl Call {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value, Problem> {
        strict_json::parse(&self.body)
    }

    /// The body as JSON; an empty one is an empty object.
    pub(crate) fn json_or_nothing(&self) -> Result<Value, Problem> {
        if self.body.is_empty() {
            Ok(Value::Object(serde_json::Map::new()))
        } else {
            self.json()
        }
    }

    /// The only parameter that most acting calls have: whether to wait for the immediate attempt.
    pub(crate) fn wait(&self, problems: &Problems) -> bool {
        // Nearly no request has a query: nothing is read then.
        self.uri.query().is_none()
            || Parameters::new(&self.uri, &["wait"], problems)
                .boolean("wait")
                .unwrap_or(true)
    }

    /// Refuses any query.
    pub(crate) fn no_query(&self, problems: &Problems) {
        Parameters::new(&self.uri, &[], problems);
    }

    /// Which page, of a list that has nothing else to ask for.
    pub(crate) fn page(&self) -> Result<PageRequest, Problem> {
        let problems = Problems::default();
        let parameters = Parameters::new(&self.uri, &["cursor", "limit"], &problems);
        let request = parameters.page();
        drop(parameters);
        problems.finish(Some(request))
    }

    /// Who asks, for the engine.
    pub(crate) fn caller(&self, wait: bool) -> Caller {
        Caller {
            by: self.identity.name.as_ref().to_owned(),
            answer_key: self.answer_key.clone(),
            wait,
        }
    }

    /// What stands for a name in the path.
    pub(crate) fn segment(&self, name: &str) -> &str {
        self.path
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }

    /// The operation that the path names.
    pub(crate) fn operation(&self) -> Result<OperationId, Problem> {
        self.segment("operation_id").parse().map_err(|_| {
            Problem::new(
                "operation_unknown",
                "the id of an operation is a UUID; there is none of that name",
            )
        })
    }

    /// The review that the path names.
    pub(crate) fn review(&self) -> Result<ReviewId, Problem> {
        self.segment("review_id").parse().map_err(|_| {
            Problem::new(
                "review_unknown",
                "the id of a review is a UUID; there is none of that name",
            )
        })
    }

    /// The order that the path names.
    pub(crate) fn order(&self) -> Result<OrderKey, Problem> {
        let account = self.segment("token_id").parse::<AccountId>().ok();
        let order = OrderId::parse(self.segment("order_id")).ok();
        match (account, order) {
            (Some(account), Some(order)) => Ok(OrderKey { account, order }),
            _ => Err(Problem::new(
                "order_unknown",
                "an order is named by a UUID and an id of Allegro's",
            )),
        }
    }

    /// The SKU that the path names.
    pub(crate) fn sku(&self) -> Result<Sku, Problem> {
        Sku::parse(self.segment("sku")).map_err(|error| Problem::new("sku_unknown", error.0))
    }
}
