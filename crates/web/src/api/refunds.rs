//! `POST /refunds`: bringing some of an order's stock back.

use std::collections::BTreeSet;

use saldo_domain::decide::{Refund, RefundLine};
use saldo_domain::ids::{OrderId, OrderKey};
use saldo_domain::limits::LINES_MAX;
use saldo_domain::text::{Sku, Warehouse};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::Answer;
use crate::api::sync_answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, checked, note, quantity, uuid};
use crate::problem::Problem;
use crate::wire::SyncBody;

/// Stock of an order to bring back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefundRequest, example = json!({
    "token_id": "6f652857-8798-5791-b345-f84d5a9ec333", "order_id": "29738e61-7f6a-11f1-ac45-09db60ede9d6",
    "lines": [{ "sku": "KUB-330-GRA", "quantity": 1 }], "reason": "one came back"
}))]
pub struct RefundRequest {
    /// The account.
    pub token_id: Uuid,
    /// The order.
    #[schema(min_length = 1, max_length = 128)]
    pub order_id: String,
    /// What came back.
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Vec<RefundLineRequest>,
    /// Why.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
}

/// One SKU that came back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefundLineRequest)]
pub struct RefundLineRequest {
    /// The SKU.
    #[schema(min_length = 1, max_length = 200)]
    pub sku: String,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: i64,
    /// To which warehouse; where it was taken from when not given.
    #[schema(min_length = 1, max_length = 100)]
    pub warehouse: Option<String>,
}

/// Brings stock of an order back
///
/// Never more than is still taken. The orders service's flag turns false only when nothing of the order is taken
/// any more. Send an `Idempotency-Key`: without one, the same refund again brings back once more.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/refunds", tag = "orders",
    params(("wait" = Option<bool>, Query, description = "Whether to wait for the immediate attempt.")),
    request_body = RefundRequest,
    responses(
        (status = 200, description = "Settled.", body = SyncBody),
        (status = 202, description = "Recorded; the orders service is told later.", body = SyncBody),
        (status = 404, description = "The order is not known."),
        (status = 409, description = "More than is still taken, or the order was merged."),
    )
)]
pub(crate) async fn post_refund(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let wait = call.wait(&problems);
    let refund = read(&call.json()?, problems)?;
    let result = app.service.refund(refund, &call.caller(wait)).await?;
    sync_answer(&app, &result).await
}

fn read(body: &Value, problems: Problems) -> Result<Refund, Problem> {
    let fields = problems.body(body, &["token_id", "order_id", "lines", "reason"]);
    let account = fields.required("token_id", uuid);
    let order = fields.required("order_id", checked(OrderId::parse));
    let reason = fields.required("reason", note);
    let mut seen = BTreeSet::new();
    let lines = fields.list("lines", LINES_MAX, &["sku", "quantity", "warehouse"], |line| {
        let sku = line.required("sku", checked(Sku::parse));
        let quantity = line.required("quantity", quantity);
        let warehouse = line.optional("warehouse", checked(Warehouse::parse));
        let (sku, quantity) = sku.zip(quantity)?;
        if !seen.insert((sku.clone(), warehouse.clone())) {
            line.problem("sku", "stands on two lines; add them up");
        }
        Some(RefundLine {
            sku,
            quantity,
            warehouse,
        })
    });
    let key = account
        .zip(order)
        .map(|(account, order)| OrderKey { account, order });
    let refund = key
        .zip(lines.zip(reason))
        .map(|(key, (lines, reason))| Refund { key, lines, reason });
    problems.finish(refund)
}
