//! `POST /transfers`: goods went from one warehouse to another.

use saldo_domain::decide::Transfer;
use saldo_domain::text::{Sku, Warehouse};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::document_answer;
use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, checked, quantity};
use crate::problem::Problem;
use crate::wire::DocumentBody;

/// Goods that went from one warehouse to another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TransferRequest, example = json!({
    "sku": "KUB-330-GRA", "from": "Ирина", "to": "Łódź", "quantity": 10
}))]
pub struct TransferRequest {
    /// The SKU.
    #[schema(min_length = 1, max_length = 200)]
    pub sku: String,
    /// From where.
    #[schema(min_length = 1, max_length = 100)]
    pub from: String,
    /// To where.
    #[schema(min_length = 1, max_length = 100)]
    pub to: String,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: i64,
}

/// Moves goods from one warehouse to another
///
/// Send an `Idempotency-Key`: without one, the same transfer again moves the goods once more.
#[utoipa::path(
    post, path = "/api/v1/stock/transfers", tag = "stock",
    request_body = TransferRequest,
    responses(
        (status = 200, description = "Booked.", body = DocumentBody),
        (status = 409, description = "Too little stock."),
    )
)]
pub(crate) async fn post_transfer(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let wait = call.wait(&problems);
    let transfer = read(&call.json()?, problems)?;
    let operation = app.service.transfer(transfer, &call.caller(wait)).await?;
    document_answer(&app, operation).await
}

fn read(body: &Value, problems: Problems) -> Result<Transfer, Problem> {
    let fields = problems.body(body, &["sku", "from", "to", "quantity"]);
    let sku = fields.required("sku", checked(Sku::parse));
    let from = fields.required("from", checked(Warehouse::parse));
    let to = fields.required("to", checked(Warehouse::parse));
    let quantity = fields.required("quantity", quantity);
    let transfer = sku
        .zip(quantity)
        .zip(from.zip(to))
        .map(|((sku, quantity), (from, to))| Transfer {
            sku,
            from,
            to,
            quantity,
        });
    problems.finish(transfer)
}
