//! `/healthz` and `/readyz`: for what starts and watches the process.

use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::problem::Problem;

/// All is well.
#[derive(Serialize, ToSchema)]
#[schema(as = Well)]
pub struct WellBody {
    /// Always `ok`.
    pub status: &'static str,
}

/// Tells that the process lives
#[utoipa::path(
    get, path = "/healthz", tag = "status",
    responses((status = 200, description = "The process lives.", body = WellBody))
)]
pub(crate) async fn healthz(_: App, _: Call) -> Result<Answer, Problem> {
    Answer::ok(&WellBody { status: "ok" })
}

/// Tells whether requests can be answered
#[utoipa::path(
    get, path = "/readyz", tag = "status",
    responses(
        (status = 200, description = "The database answers.", body = WellBody),
        (status = 503, description = "The database does not answer, or Saldo is about to stop."),
    )
)]
pub(crate) async fn readyz(app: App, _: Call) -> Result<Answer, Problem> {
    if app.service.is_leaving() {
        return Err(Problem::new("closing", "this instance is about to stop").retry_later());
    }
    app.service.store().next_due(&[]).await?;
    Answer::ok(&WellBody { status: "ok" })
}
