//! `POST /deductions`: taking the stock of a single line.

use saldo_domain::decide::Deduct;
use saldo_domain::ids::{LineItemId, OrderId, OrderKey};
use saldo_domain::text::{Sku, Warehouse};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::Answer;
use crate::api::sync_answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, checked, quantity, uuid};
use crate::problem::Problem;
use crate::wire::SyncBody;

/// A single line to deduct.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeductionRequest, example = json!({
    "token_id": "6f652857-8798-5791-b345-f84d5a9ec333", "order_id": "29738e61-7f6a-11f1-ac45-09db60ede9d6",
    "sku": "KUB-330-GRA", "quantity": 2
}))]
pub struct DeductionRequest {
    /// The account.
    pub token_id: Uuid,
    /// The order.
    #[schema(min_length = 1, max_length = 128)]
    pub order_id: String,
    /// The SKU.
    #[schema(min_length = 1, max_length = 200)]
    pub sku: String,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: i64,
    /// Where to take it from; the default warehouse when not given.
    #[schema(min_length = 1, max_length = 100)]
    pub warehouse: Option<String>,
    /// The line item, where it is known.
    #[schema(min_length = 1, max_length = 128)]
    pub line_item_id: Option<String>,
}

/// Deducts a single line
///
/// Without a `line_item_id` the same order, SKU and quantity again is a duplicate. When the order's form arrives
/// later, only the difference moves.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/deductions", tag = "orders",
    params(("wait" = Option<bool>, Query, description = "Whether to wait for the immediate attempt.")),
    request_body = DeductionRequest,
    responses(
        (status = 200, description = "Settled.", body = SyncBody, links(
            ("rollback" = (operation_id = "rollback_operation",
                parameters(("operation_id" = "$response.body#/operation/id")))))),
        (status = 202, description = "Recorded; it waits for what the operation names.", body = SyncBody, links(
            ("operation" = (operation_id = "get_operation",
                parameters(("operation_id" = "$response.body#/operation/id")))))),
        (status = 409, description = "At odds with what is known of the order."),
    )
)]
pub(crate) async fn post_deduction(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let wait = call.wait(&problems);
    let line = read(&call.json()?, problems)?;
    let result = app.service.sync_stock_deduction(line, &call.caller(wait)).await?;
    sync_answer(&app, &result).await
}

fn read(body: &Value, problems: Problems) -> Result<Deduct, Problem> {
    let fields = problems.body(
        body,
        &[
            "token_id",
            "order_id",
            "sku",
            "quantity",
            "warehouse",
            "line_item_id",
        ],
    );
    let account = fields.required("token_id", uuid);
    let order = fields.required("order_id", checked(OrderId::parse));
    let sku = fields.required("sku", checked(Sku::parse));
    let quantity = fields.required("quantity", quantity);
    let warehouse = fields.optional("warehouse", checked(Warehouse::parse));
    let line = fields.optional("line_item_id", checked(LineItemId::parse));
    let key = account
        .zip(order)
        .map(|(account, order)| OrderKey { account, order });
    let deduct = key.zip(sku.zip(quantity)).map(|(key, (sku, quantity))| Deduct {
        key,
        line,
        sku,
        quantity,
        warehouse,
    });
    problems.finish(deduct)
}
