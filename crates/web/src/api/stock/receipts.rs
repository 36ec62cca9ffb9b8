//! `POST /receipts`: goods came in.

use saldo_domain::decide::Receipt;
use saldo_domain::text::Warehouse;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{document_answer, lines};
use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, note, quantity};
use crate::problem::Problem;
use crate::wire::DocumentBody;

/// Goods that came in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReceiptRequest, example = json!({
    "lines": [{ "sku": "KUB-330-GRA", "warehouse": "Ирина", "quantity": 100 }], "reference": "WZ 12/2026"
}))]
pub struct ReceiptRequest {
    /// What, where, how many.
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<StockLineRequest>,
    /// The delivery note, or the like.
    #[schema(min_length = 1, max_length = 2000)]
    pub reference: Option<String>,
}

/// A quantity of a SKU in a warehouse.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StockLineRequest)]
pub struct StockLineRequest {
    /// The SKU.
    #[schema(min_length = 1, max_length = 200)]
    pub sku: String,
    /// The warehouse; the default one when not given.
    #[schema(min_length = 1, max_length = 100)]
    pub warehouse: Option<String>,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: i64,
}

/// Books goods that came in
///
/// Orders that wait for them are tried again. Send an `Idempotency-Key`: without one, the same receipt again books
/// the goods once more.
#[utoipa::path(
    post, path = "/api/v1/stock/receipts", tag = "stock",
    request_body = ReceiptRequest,
    responses((status = 200, description = "Booked.", body = DocumentBody, links(
        ("rollback" = (operation_id = "rollback_operation",
            parameters(("operation_id" = "$response.body#/operation/id")))))))
)]
pub(crate) async fn post_receipt(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let wait = call.wait(&problems);
    let receipt = read(&call.json()?, problems, &app.service.default_warehouse())?;
    let operation = app.service.receive(receipt, &call.caller(wait)).await?;
    document_answer(&app, operation).await
}

fn read(body: &Value, problems: Problems, default: &Warehouse) -> Result<Receipt, Problem> {
    let fields = problems.body(body, &["lines", "reference"]);
    let lines = lines(&fields, "quantity", quantity, default);
    let reference = fields.optional("reference", note);
    problems.finish(lines.map(|lines| Receipt { lines, reference }))
}
