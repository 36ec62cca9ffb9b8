//! `POST /retry`: trying again now, one operation or many.

use saldo_domain::review::ReviewReason;
use saldo_engine::RetryFilter;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::Answer;
use crate::api::sync_answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, text, uuid, word};
use crate::limits::IDS_MAX;
use crate::problem::Problem;
use crate::wire::SyncBody;
use crate::wire::words::ReviewReasonWord;

/// Which failed operations to try again. Fields that are absent do not filter.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RetryRequest, example = json!({ "reason": "delivery_failed" }))]
pub struct RetryRequest {
    /// Only `failed` can be tried again in bulk: what is pending is tried by itself.
    #[schema(pattern = "^failed$")]
    pub status: Option<String>,
    /// With an open review of this reason.
    #[schema(inline)]
    pub reason: Option<ReviewReasonWord>,
    /// Of one account.
    pub token_id: Option<Uuid>,
    /// Of these.
    #[schema(min_items = 1, max_items = 1000)]
    pub ids: Option<Vec<Uuid>>,
}

/// How many were tried again.
#[derive(Serialize, ToSchema)]
#[schema(as = RetryResult)]
pub struct RetriedBody {
    /// How many.
    pub retried: u64,
}

/// Tries failed operations again
#[utoipa::path(
    post, path = "/api/v1/stock-sync/retry", tag = "operations",
    request_body = Option<RetryRequest>,
    responses((status = 200, description = "How many were tried again.", body = RetriedBody))
)]
pub(crate) async fn retry_many(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    let filter = read(&call.json_or_nothing()?, problems)?;
    let retried = app.service.retry_failed(filter, &call.caller(false)).await?;
    Answer::ok(&RetriedBody { retried })
}

fn read(body: &Value, problems: Problems) -> Result<RetryFilter, Problem> {
    let fields = problems.body(body, &["status", "reason", "token_id", "ids"]);
    fields.optional("status", |status| match text(status)? {
        "failed" => Ok(()),
        _ => Err("must be failed: what is pending is tried by itself".to_owned()),
    });
    let filter = RetryFilter {
        reason: fields.optional("reason", word(reasons)),
        account: fields.optional("token_id", uuid),
        ids: fields.values("ids", IDS_MAX, uuid),
    };
    problems.finish(Some(filter))
}

/// The reasons of reviews, for messages.
pub(crate) fn reasons() -> String {
    ReviewReason::ALL.map(ReviewReason::as_str).join(", ")
}

/// Tries an operation again now
///
/// A failed one gets fresh retries.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/retry/{operation_id}", tag = "operations",
    params(
        ("operation_id" = Uuid, Path, description = "Which operation."),
        ("wait" = Option<bool>, Query, description = "Whether to wait for the immediate attempt."),
    ),
    responses(
        (status = 200, description = "Settled.", body = SyncBody),
        (status = 202, description = "It still waits.", body = SyncBody),
        (status = 404, description = "There is no such operation."),
        (status = 409, description = "It was rolled back, or is a stock document."),
    )
)]
pub(crate) async fn retry_operation(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let wait = call.wait(&problems);
    problems.body(&call.json_or_nothing()?, &[]);
    problems.finish(Some(()))?;
    let result = app
        .service
        .retry_operation(call.operation()?, &call.caller(wait))
        .await?;
    sync_answer(&app, &result).await
}
