//! `POST /validate`: whether stock would be enough.

use std::collections::HashMap;

use saldo_domain::decide::StockLine;
use saldo_domain::stock::StockKey;
use saldo_domain::text::Warehouse;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::lines;
use super::receipts::StockLineRequest;
use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, quantity};
use crate::problem::Problem;
use crate::wire::{ValidatedBody, ValidatedLineBody};

/// Lines to look for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ValidateRequest, example = json!({
    "lines": [{ "sku": "KUB-330-GRA", "quantity": 2 }]
}))]
pub struct ValidateRequest {
    /// What, where, how many.
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<StockLineRequest>,
}

/// Tells whether stock is enough
///
/// Changes and reserves nothing. Of a SKU on several lines, each line sees what those before it leave.
#[utoipa::path(
    post, path = "/api/v1/stock/validate", tag = "stock",
    request_body = ValidateRequest,
    responses((status = 200, description = "What is there and what is lacking, by line.", body = ValidatedBody))
)]
pub(crate) async fn validate(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    let lines = read(&call.json()?, problems, &app.service.default_warehouse())?;
    app.service.remember(&call.caller(false)).await?;
    let mut keys: Vec<StockKey> = lines.iter().map(|line| line.key.clone()).collect();
    keys.sort();
    keys.dedup();
    let balances = app.service.store().balances_of(&keys).await?;
    let mut left: HashMap<StockKey, i64> = balances
        .into_iter()
        .map(|balance| (balance.key, balance.quantity.max(0)))
        .collect();
    let lines: Vec<ValidatedLineBody> = lines.into_iter().map(|line| validated(line, &mut left)).collect();
    Answer::ok(&ValidatedBody {
        sufficient: lines.iter().all(|line| line.short == 0),
        lines,
    })
}

fn validated(line: StockLine, left: &mut HashMap<StockKey, i64>) -> ValidatedLineBody {
    let available = left.get(&line.key).copied().unwrap_or(0);
    let sku = line.key.sku.as_str().to_owned();
    let warehouse = line.key.warehouse.as_str().to_owned();
    left.insert(line.key, (available - line.quantity).max(0));
    let short = (line.quantity - available).max(0);
    ValidatedLineBody {
        sku,
        warehouse,
        required: line.quantity,
        available,
        short,
    }
}

fn read(body: &Value, problems: Problems, default: &Warehouse) -> Result<Vec<StockLine>, Problem> {
    let fields = problems.body(body, &["lines"]);
    let lines = lines(&fields, "quantity", quantity, default);
    problems.finish(lines)
}
