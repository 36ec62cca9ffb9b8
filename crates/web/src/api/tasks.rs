//! `POST /tasks/{task}/run`: running a scheduled task by hand.

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::Problems;
use crate::problem::Problem;
use crate::wire::TaskBody;

/// Runs a task now
///
/// Whenever it is due, and answers when it has ended; `GET /status` lists the tasks. A caller that goes away leaves it to
/// run on.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/tasks/{task}/run", tag = "status",
    params(("task" = String, Path, description = "Its name, such as `reconcile`.")),
    responses(
        (status = 200, description = "How it ended.", body = TaskBody),
        (status = 404, description = "There is no such task."),
        (status = 409, description = "It runs already."),
    )
)]
pub(crate) async fn run_task(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.body(&call.json_or_nothing()?, &[]);
    problems.finish(Some(()))?;
    let task = app
        .service
        .run_task(call.segment("task"), &call.caller(true))
        .await?;
    Answer::ok(&TaskBody::new(&task))
}
