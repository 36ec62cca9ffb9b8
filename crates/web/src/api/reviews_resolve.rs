//! Answering reviews: one, or all that match a filter.

use saldo_domain::decide::Resolve;
use saldo_domain::ids::{OrderId, ReviewId};
use saldo_domain::limits::{COMPONENTS_MAX, QUANTITY_MAX};
use saldo_domain::review::Resolution;
use saldo_domain::stock::{Component, check_components};
use saldo_domain::text::Sku;
use saldo_engine::Caller;
use saldo_store::query::{PAGE_ROWS_MAX, PageRequest, ReviewFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::Answer;
use crate::api::retry::reasons;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Fields, Problems, checked, note, quantity, uuid, word};
use crate::limits::{IDS_MAX, RESOLVED_TOGETHER_MAX};
use crate::problem::{Problem, ProblemBody};
use crate::wire::words::{ResolutionWord, ReviewReasonWord};
use crate::wire::{ResolveBody, ReviewBody, SyncBody};

/// An answer to a review.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResolveRequest,
    example = json!({ "resolution": "retry", "note": "counted again" }))]
pub struct ResolveRequest {
    /// The answer.
    pub resolution: ResolutionWord,
    /// What led to it.
    #[schema(min_length = 1, max_length = 2000)]
    pub note: Option<String>,
    /// For `map_sku`: the SKU that one sold unit of the offer takes one of.
    #[schema(min_length = 1, max_length = 200)]
    pub sku: Option<String>,
    /// For `map_sku`, instead of `sku`: what one sold unit of the offer takes.
    #[schema(min_items = 1, max_items = 100)]
    pub components: Option<Vec<ComponentRequest>>,
}

/// A SKU that a sold unit of an offer takes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ComponentRequest)]
pub struct ComponentRequest {
    /// The SKU.
    #[schema(min_length = 1, max_length = 200)]
    pub sku: String,
    /// Units of it per sold unit.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub units: i64,
}

/// An answer to all open reviews that match. At least one of `reason`, `token_id`, `order_id` and `ids` is needed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ResolveManyRequest,
    example = json!({ "reason": "insufficient_stock", "resolution": "retry", "note": "the delivery came" }))]
pub struct ResolveManyRequest {
    /// Of this reason.
    #[schema(inline)]
    pub reason: Option<ReviewReasonWord>,
    /// Of one account.
    pub token_id: Option<Uuid>,
    /// Of one order.
    #[schema(min_length = 1, max_length = 128)]
    pub order_id: Option<String>,
    /// Of these.
    #[schema(min_items = 1, max_items = 1000)]
    pub ids: Option<Vec<Uuid>>,
    /// The answer; `map_sku` is for one review at a time.
    pub resolution: ResolutionWord,
    /// What led to it.
    #[schema(min_length = 1, max_length = 2000)]
    pub note: Option<String>,
}

/// What became of the reviews that matched.
#[derive(Serialize, ToSchema)]
#[schema(as = ResolveManyResult)]
pub struct ResolvedManyBody {
    /// Reviews that matched, at most 1,000.
    pub matched: usize,
    /// Those that have the answer now.
    pub resolved: usize,
    /// Those that do not, and why.
    pub refused: Vec<RefusedReviewBody>,
    /// Whether there may be more: ask again.
    pub more: bool,
}

/// A review that could not be given the answer.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedReview)]
pub struct RefusedReviewBody {
    /// Which review.
    #[schema(value_type = Uuid)]
    pub review_id: ReviewId,
    /// Why.
    #[schema(value_type = ProblemBody)]
    pub(crate) problem: Problem,
}

/// Answers a review
///
/// The review as it stands now, with what its answer led to. `map_sku` tries again every open review of that offer.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/reviews/{review_id}/resolve", tag = "reviews",
    params(
        ("review_id" = Uuid, Path, description = "Which review."),
        ("wait" = Option<bool>, Query, description = "Whether to wait for the immediate attempt."),
    ),
    request_body = ResolveRequest,
    responses(
        (status = 200, description = "The review as it stands now.", body = ResolveBody),
        (status = 404, description = "There is no such review."),
        (status = 409, description = "It has another answer already, or this one does not fit its reason."),
    )
)]
pub(crate) async fn resolve_review(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let wait = call.wait(&problems);
    let review = call.review()?;
    let resolve = read(review, &call.json()?, problems)?;
    let result = app.service.resolve_review(resolve, &call.caller(wait)).await?;
    let names = app.names().await.unwrap_or_default();
    Answer::ok(&ResolveBody {
        review: ReviewBody::new(&result.review),
        order: result.order.as_ref().map(|order| SyncBody::new(order, &names)),
        tried_again: result.tried_again,
    })
}

fn read(review: ReviewId, body: &Value, problems: Problems) -> Result<Resolve, Problem> {
    let fields = problems.body(body, &["resolution", "note", "sku", "components"]);
    let resolution = fields.required("resolution", word(resolutions));
    let note = fields.optional("note", note);
    let sku = fields.optional("sku", checked(Sku::parse));
    let listed = fields.get("components").is_some();
    let components = if listed {
        components(&fields).unwrap_or_default()
    } else {
        Vec::new()
    };
    let maps = resolution == Some(Resolution::MapSku);
    let components = match (sku, listed) {
        _ if !maps && (fields.get("sku").is_some() || listed) => {
            let name = if listed { "components" } else { "sku" };
            fields.problem(name, "belongs to the resolution map_sku");
            components
        }
        (Some(_), true) => {
            fields.problem("sku", "give either sku or components");
            components
        }
        (Some(sku), false) => vec![Component { sku, units: 1 }],
        (None, false) if maps && fields.get("sku").is_none() => {
            fields.problem("components", "map_sku needs a sku, or components");
            components
        }
        (None, _) => components,
    };
    problems.finish(resolution.map(|resolution| Resolve {
        review,
        resolution,
        note,
        components,
    }))
}

/// What an offer stands for.
pub(crate) fn components(fields: &Fields<'_>) -> Option<Vec<Component>> {
    let components = fields.list("components", COMPONENTS_MAX, &["sku", "units"], |component| {
        let sku = component.required("sku", checked(Sku::parse));
        let units = component.required("units", |units| {
            quantity(units).map_err(|_| format!("must be a whole number from 1 to {QUANTITY_MAX}"))
        });
        sku.zip(units).map(|(sku, units)| Component { sku, units })
    })?;
    if let Err(message) = check_components(&components) {
        // Of those that could not be read, what is wrong was told already.
        if !components.is_empty() {
            fields.problem("components", message);
        }
    }
    Some(components)
}

fn resolutions() -> String {
    Resolution::ALL.map(Resolution::as_str).join(", ")
}

/// Which reviews, and what to answer.
struct Many {
    filter: ReviewFilter,
    ids: Vec<ReviewId>,
    resolution: Resolution,
    note: Option<String>,
}

/// Answers all open reviews that match
///
/// Each on its own: one that cannot be given the answer spoils no other. At most 1,000 at a time.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/reviews/resolve", tag = "reviews",
    request_body = ResolveManyRequest,
    responses((status = 200, description = "What became of them.", body = ResolvedManyBody))
)]
pub(crate) async fn resolve_many(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    let many = read_many(&call.json()?, problems)?;
    app.service.remember(&call.caller(false)).await?;
    let (reviews, more) = matching(&app, &many).await?;
    // Waiting for one delivery after the other would take minutes: the workers do it.
    let caller = Caller {
        answer_key: None,
        ..call.caller(false)
    };
    let matched = reviews.len();
    let mut refused = Vec::new();
    for review in reviews {
        let resolve = Resolve {
            review,
            resolution: many.resolution,
            note: many.note.clone(),
            components: Vec::new(),
        };
        if let Err(error) = app.service.resolve_review(resolve, &caller).await {
            refused.push(RefusedReviewBody {
                review_id: review,
                problem: error.into(),
            });
        }
    }
    Answer::ok(&ResolvedManyBody {
        matched,
        resolved: matched - refused.len(),
        refused,
        more,
    })
}

fn read_many(body: &Value, problems: Problems) -> Result<Many, Problem> {
    let fields = problems.body(
        body,
        &["reason", "token_id", "order_id", "ids", "resolution", "note"],
    );
    let filter = ReviewFilter {
        open: Some(true),
        reason: fields.optional("reason", word(reasons)),
        account: fields.optional("token_id", uuid),
        order: fields.optional("order_id", checked(OrderId::parse)),
    };
    let ids = fields.values("ids", IDS_MAX, uuid);
    if ["reason", "token_id", "order_id", "ids"]
        .iter()
        .all(|name| fields.get(name).is_none())
    {
        problems.add("", "say which reviews: by reason, token_id, order_id or ids");
    }
    let resolution = fields.required("resolution", |value| match word(resolutions)(value)? {
        Resolution::MapSku => Err("map_sku is for one review at a time".to_owned()),
        resolution => Ok(resolution),
    });
    let note = fields.optional("note", note);
    problems.finish(resolution.map(|resolution| Many {
        filter,
        ids,
        resolution,
        note,
    }))
}

/// The open reviews that match, and whether there may be more. They are found before the first is answered, since
/// an answer may close others.
async fn matching(app: &App, many: &Many) -> Result<(Vec<ReviewId>, bool), Problem> {
    let mut found = Vec::new();
    let mut request = PageRequest::first(PAGE_ROWS_MAX);
    loop {
        let page = app.service.store().reviews(&many.filter, request).await?;
        let ids = page.items.iter().map(|review| review.id);
        found.extend(ids.filter(|id| many.ids.is_empty() || many.ids.contains(id)));
        if found.len() >= RESOLVED_TOGETHER_MAX {
            let more = page.next_cursor.is_some() || found.len() > RESOLVED_TOGETHER_MAX;
            found.truncate(RESOLVED_TOGETHER_MAX);
            return Ok((found, more));
        }
        match page.next_cursor {
            Some(cursor) => {
                request = PageRequest {
                    after: Some(cursor),
                    limit: PAGE_ROWS_MAX,
                }
            }
            None => return Ok((found, false)),
        }
    }
}
