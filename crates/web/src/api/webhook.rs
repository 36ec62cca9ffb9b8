//! `POST /webhook`: an order changed; fetch it and take it in.

use axum::http::StatusCode;
use saldo_domain::decide::SyncStatus;
use saldo_domain::ids::{OrderId, OrderKey};
use saldo_engine::SyncResult;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::Answer;
use crate::api::sync_answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, checked, uuid};
use crate::problem::Problem;
use crate::wire::SyncBody;

/// An order to fetch.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookRequest, example = json!({
    "token_id": "6f652857-8798-5791-b345-f84d5a9ec333", "order_id": "29738e61-7f6a-11f1-ac45-09db60ede9d6"
}))]
pub struct WebhookRequest {
    /// The account.
    pub token_id: Uuid,
    /// The order.
    #[schema(min_length = 1, max_length = 128)]
    pub order_id: String,
}

/// Fetches an order and takes it in
///
/// When the order cannot be fetched now, the wish is stored: 202 with `operation: null`.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/webhook", tag = "orders",
    params(("wait" = Option<bool>, Query, description = "Whether to wait for the immediate attempt.")),
    request_body = WebhookRequest,
    responses(
        (status = 200, description = "Settled.", body = SyncBody),
        (status = 202, description = "Recorded; it waits for what the operation names, or to be fetched.",
            body = SyncBody),
        (status = 404, description = "The orders service has no such order."),
        (status = 409, description = "At odds with what is known, or not readable."),
    )
)]
pub(crate) async fn post_webhook(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let wait = call.wait(&problems);
    let key = read(&call.json()?, problems)?;
    match app.service.take_in_by_id(key, &call.caller(wait)).await? {
        Some(result) => sync_answer(&app, &result).await,
        None => {
            let result = wished();
            let names = app.names().await.unwrap_or_default();
            Answer::json(StatusCode::ACCEPTED, &SyncBody::new(&result, &names))
        }
    }
}

fn wished() -> SyncResult {
    SyncResult {
        success: false,
        status: SyncStatus::Pending,
        duplicate: false,
        operation: None,
        error: Some(
            "the order cannot be fetched from the orders service now; it will be tried again".to_owned(),
        ),
        review_id: None,
    }
}

fn read(body: &Value, problems: Problems) -> Result<OrderKey, Problem> {
    let fields = problems.body(body, &["token_id", "order_id"]);
    let account = fields.required("token_id", uuid);
    let order = fields.required("order_id", checked(OrderId::parse));
    problems.finish(
        account
            .zip(order)
            .map(|(account, order)| OrderKey { account, order }),
    )
}
