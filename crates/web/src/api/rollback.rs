//! `POST /rollback`: undoing an operation.

use saldo_domain::decide::RollBack;
use saldo_domain::ids::OperationId;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, boolean, note};
use crate::problem::Problem;
use crate::wire::RollbackBody;

/// Why, and how firmly.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RollbackRequest, example = json!({ "reason": "typed in twice" }))]
pub struct RollbackRequest {
    /// Why.
    #[schema(min_length = 1, max_length = 2000)]
    pub reason: String,
    /// Even when the goods were sent, or the order was cancelled.
    pub force: Option<bool>,
}

/// Undoes an operation
///
/// Restores what is still taken of its lines. Twice is the same as once.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/rollback/{operation_id}", tag = "operations",
    params(
        ("operation_id" = Uuid, Path, description = "Which operation."),
        ("wait" = Option<bool>, Query, description = "Whether to wait for the orders service to be told."),
    ),
    request_body = RollbackRequest,
    responses(
        (status = 200, description = "Undone; `remote_flag` tells whether the orders service knows.",
            body = RollbackBody, links(
                ("operation" = (operation_id = "get_operation",
                    parameters(("operation_id" = "$response.body#/operation_id")))))),
        (status = 404, description = "There is no such operation."),
        (status = 409, description = "The goods were sent, or the order was cancelled or merged."),
    )
)]
pub(crate) async fn rollback_operation(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let wait = call.wait(&problems);
    let operation = call.operation()?;
    let request = read(operation, &call.json()?, problems)?;
    let result = app
        .service
        .rollback_operation(request, &call.caller(wait))
        .await?;
    Answer::ok(&RollbackBody::new(&result))
}

fn read(operation: OperationId, body: &Value, problems: Problems) -> Result<RollBack, Problem> {
    let fields = problems.body(body, &["reason", "force"]);
    let reason = fields.required("reason", note);
    let force = fields.optional("force", boolean).unwrap_or(false);
    problems.finish(reason.map(|reason| RollBack {
        operation,
        reason,
        force,
    }))
}
