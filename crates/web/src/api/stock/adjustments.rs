//! `POST /adjustments`: goods were counted.

use std::collections::BTreeSet;

use saldo_domain::decide::Count;
use saldo_domain::text::Warehouse;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{document_answer, lines};
use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, counted, note};
use crate::problem::Problem;
use crate::wire::DocumentBody;

/// Goods that were counted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdjustmentRequest, example = json!({
    "lines": [{ "sku": "KUB-330-GRA", "warehouse": "Ирина", "counted": 97 }], "reason": "yearly count"
}))]
pub struct AdjustmentRequest {
    /// What, where, and how many there are. Each SKU stands once in a warehouse.
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<CountedLineRequest>,
    /// Why.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// What was counted of a SKU in a warehouse.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CountedLineRequest)]
pub struct CountedLineRequest {
    /// The SKU.
    #[schema(min_length = 1, max_length = 200)]
    pub sku: String,
    /// The warehouse; the default one when not given.
    #[schema(min_length = 1, max_length = 100)]
    pub warehouse: Option<String>,
    /// Units found.
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub counted: i64,
}

/// Sets balances to what was counted
///
/// A count that agrees with what is known changes nothing: `operation` is null.
#[utoipa::path(
    post, path = "/api/v1/stock/adjustments", tag = "stock",
    request_body = AdjustmentRequest,
    responses((status = 200, description = "Booked, where anything differed.", body = DocumentBody))
)]
pub(crate) async fn post_adjustment(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let wait = call.wait(&problems);
    let count = read(&call.json()?, problems, &app.service.default_warehouse())?;
    let operation = app.service.count(count, &call.caller(wait)).await?;
    document_answer(&app, operation).await
}

fn read(body: &Value, problems: Problems, default: &Warehouse) -> Result<Count, Problem> {
    let fields = problems.body(body, &["lines", "reason"]);
    let lines = lines(&fields, "counted", counted, default);
    let mut seen = BTreeSet::new();
    if let Some(twice) = lines.iter().flatten().find(|line| !seen.insert(&line.key)) {
        let message = format!("{} in {} stands on two lines", twice.key.sku, twice.key.warehouse);
        fields.problem("lines", message);
    }
    let reason = fields.required("reason", note);
    problems.finish(
        lines
            .clone()
            .zip(reason)
            .map(|(lines, reason)| Count { lines, reason }),
    )
}
