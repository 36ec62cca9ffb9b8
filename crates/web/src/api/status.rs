//! `GET /status`: the overall state.

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::Problems;
use crate::problem::Problem;
use crate::wire::StatusBody;

/// Tells the overall state
#[utoipa::path(
    get, path = "/api/v1/stock-sync/status", tag = "status",
    responses((status = 200, description = "The overall state.", body = StatusBody))
)]
pub(crate) async fn get_status(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    let status = app.service.status().await?;
    Answer::ok(&StatusBody::new(&status, &app.options.version))
}
