//! `POST /orders`: taking an order in.

use saldo_domain::decide::TakeIn;
use saldo_domain::form::{Source, parse_form};
use saldo_domain::text::Warehouse;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::Answer;
use crate::api::sync_answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, boolean, checked, uuid};
use crate::problem::Problem;
use crate::wire::SyncBody;

/// An order to take in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderRequest, example = json!({
    "token_id": "6f652857-8798-5791-b345-f84d5a9ec333",
    "order": {
        "id": "29738e61-7f6a-11f1-ac45-09db60ede9d6",
        "status": "READY_FOR_PROCESSING",
        "lineItems": [{
            "id": "62ae358b-8f65-11f1-9c77-bedf604a2e2b",
            "offer": { "id": "13445358955", "external": { "id": "KUB-330-GRA" } },
            "quantity": 2
        }]
    }
}))]
pub struct OrderRequest {
    /// The account.
    pub token_id: Uuid,
    /// An Allegro checkout form as it is. Fields that are not needed here are ignored.
    pub order: CheckoutForm,
    /// Where to take the stock from; the default warehouse when not given.
    #[schema(min_length = 1, max_length = 100)]
    pub warehouse: Option<String>,
    /// A person's word: deduct it although it was given back, settled, or belongs to the old way.
    pub force: Option<bool>,
}

/// What is read of an Allegro checkout form.
#[derive(Deserialize, ToSchema)]
pub struct CheckoutForm {
    /// The order's id.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[A-Za-z0-9._:@-]*[A-Za-z0-9_:@-][A-Za-z0-9._:@-]*$"
    )]
    pub id: String,
    /// `BOUGHT`, `FILLED_IN`, `READY_FOR_PROCESSING` or `CANCELLED`; ready when not given.
    #[schema(pattern = "^(BOUGHT|FILLED_IN|READY_FOR_PROCESSING|CANCELLED)$")]
    pub status: Option<String>,
    /// Allegro's mark of this state of the form.
    #[schema(max_length = 64, pattern = "^[ -~]*$")]
    pub revision: Option<String>,
    /// When the buyer last changed it.
    #[serde(rename = "updatedAt")]
    #[schema(format = DateTime)]
    pub updated_at: Option<String>,
    /// The lines, at least one.
    #[serde(rename = "lineItems")]
    #[schema(min_items = 1, max_items = 1000)]
    pub line_items: Vec<CheckoutLine>,
}

/// What is read of one line of a checkout form.
#[derive(Deserialize, ToSchema)]
pub struct CheckoutLine {
    /// The line item's id: what a deduction is remembered by.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[A-Za-z0-9._:@-]*[A-Za-z0-9_:@-][A-Za-z0-9._:@-]*$"
    )]
    pub id: Option<String>,
    /// The offer.
    pub offer: Option<CheckoutOffer>,
    /// Units sold.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: i64,
}

/// What is read of an offer.
#[derive(Deserialize, ToSchema)]
pub struct CheckoutOffer {
    /// The offer's id.
    #[schema(min_length = 1, max_length = 128, pattern = "^[0-9]+$")]
    pub id: Option<String>,
    /// Holds the seller's own key as `id`: the SKU.
    pub external: Option<CheckoutExternal>,
}

/// The seller's own key of an offer.
#[derive(Deserialize, ToSchema)]
pub struct CheckoutExternal {
    /// The SKU.
    #[schema(min_length = 1, max_length = 200, pattern = "^[!-~]+$")]
    pub id: Option<String>,
}

/// Takes an order in
///
/// Deducts the order's lines, whole or not at all, and tells the orders service. The account and order ids are the
/// key: the same order again changes nothing and says so. Answers once everything is on disk, and waits for the
/// first attempt to tell the orders service unless `wait=false`.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/orders", tag = "orders",
    params(("wait" = Option<bool>, Query, description = "Whether to wait for the immediate attempt.")),
    request_body = OrderRequest,
    responses(
        (status = 200, description = "Settled: nothing more is to be done.", body = SyncBody, links(
            ("operation" = (operation_id = "get_operation",
                parameters(("operation_id" = "$response.body#/operation/id")))),
            ("log" = (operation_id = "get_operation_log",
                parameters(("operation_id" = "$response.body#/operation/id")))),
            ("retry" = (operation_id = "retry_operation",
                parameters(("operation_id" = "$response.body#/operation/id")))),
            ("rollback" = (operation_id = "rollback_operation",
                parameters(("operation_id" = "$response.body#/operation/id")))),
        )),
        (status = 202, description = "Recorded; it waits for what the operation names.", body = SyncBody, links(
            ("operation" = (operation_id = "get_operation",
                parameters(("operation_id" = "$response.body#/operation/id")))),
            ("log" = (operation_id = "get_operation_log",
                parameters(("operation_id" = "$response.body#/operation/id")))),
            ("retry" = (operation_id = "retry_operation",
                parameters(("operation_id" = "$response.body#/operation/id")))),
            ("rollback" = (operation_id = "rollback_operation",
                parameters(("operation_id" = "$response.body#/operation/id")))),
            ("review" = (operation_id = "get_review",
                parameters(("review_id" = "$response.body#/review_id")))),
        )),
        (status = 409, description = "At odds with what is known."),
    )
)]
pub(crate) async fn post_order(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let wait = call.wait(&problems);
    let order = read(&call.json()?, problems)?;
    let result = app
        .service
        .process_order_with_sync(order, &call.caller(wait))
        .await?;
    sync_answer(&app, &result).await
}

/// Reads an order to take in; a line of a batch is the same.
pub(crate) fn read(body: &Value, problems: Problems) -> Result<TakeIn, Problem> {
    let fields = problems.body(body, &["token_id", "order", "warehouse", "force"]);
    let account = fields.required("token_id", uuid);
    let warehouse = fields.optional("warehouse", checked(Warehouse::parse));
    let force = fields.optional("force", boolean).unwrap_or(false);
    let form = fields.required("order", Ok);
    let copy = form.and_then(|form| match parse_form(form, Source::Posted) {
        Ok(copy) => Some(copy),
        Err(found) => {
            problems.add_form(found);
            None
        }
    });
    let order = account.zip(copy).map(|(account, copy)| TakeIn {
        account,
        copy,
        warehouse,
        force,
        remote_flag: None,
    });
    problems.finish(order)
}
