//! `POST /reconcile`: comparing both sides now; and the runs there were.

use saldo_domain::ids::RunId;
use saldo_engine::ReconciliationRequest;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, boolean, moment, uuid, whole};
use crate::problem::Problem;
use crate::wire::{PageBody, ReconciliationBody, RunBody, page};

/// Orders of an account that a run can be limited to.
const LIMIT_MAX: u64 = 100_000_000;

/// What to reconcile. Without bounds, every order of every account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReconcileRequest, example = json!({ "limit": 100, "auto_fix": false }))]
pub struct ReconcileRequest {
    /// One account.
    pub token_id: Option<Uuid>,
    /// Bought at or after this moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<String>,
    /// Bought at or before this moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<String>,
    /// At most so many orders an account, the newest first.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub limit: Option<u64>,
    /// Whether fixes are made; as the configuration says when it is not given.
    pub auto_fix: Option<bool>,
    /// Only from where the last pass ended, with overlap, as the scheduled task does.
    pub since_watermark: Option<bool>,
}

/// Compares both sides now
///
/// Answers when the run has ended; while another one goes on, it waits for that first. `GET /reconciliations` tells how
/// far it has come. A caller that goes away leaves it to run on.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/reconcile", tag = "reconciliation",
    request_body = Option<ReconcileRequest>,
    responses((status = 200, description = "What it did.", body = ReconciliationBody, links(
        ("reconciliation" = (operation_id = "get_reconciliation",
            parameters(("run_id" = "$response.body#/run_id")))),
    )))
)]
pub(crate) async fn reconcile(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    let request = read(&call.json_or_nothing()?, problems)?;
    let result = app
        .service
        .reconcile_stock_status(request, &call.caller(true))
        .await?;
    Answer::ok(&ReconciliationBody::new(&result))
}

fn read(body: &Value, problems: Problems) -> Result<ReconciliationRequest, Problem> {
    let known = ["token_id", "from", "to", "limit", "auto_fix", "since_watermark"];
    let fields = problems.body(body, &known);
    let request = ReconciliationRequest {
        account: fields.optional("token_id", uuid),
        from: fields.optional("from", moment),
        to: fields.optional("to", moment),
        limit: fields.optional("limit", whole(1..=LIMIT_MAX)),
        auto_fix: fields.optional("auto_fix", boolean),
        since_watermark: fields.optional("since_watermark", boolean).unwrap_or(false),
        is_waited_for: true,
    };
    problems.finish(Some(request))
}

/// Which runs.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReconciliationsQuery {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
}

/// Lists the runs of reconciliation
///
/// Newest first. One that goes on tells how far it has come.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/reconciliations", tag = "reconciliation", params(ReconciliationsQuery),
    responses((status = 200, description = "A page of runs.", body = PageBody<RunBody>))
)]
pub(crate) async fn list_reconciliations(app: App, call: Call) -> Result<Answer, Problem> {
    let request = call.page()?;
    let runs = app.service.store().runs(request).await?;
    Answer::ok(&page(&runs, RunBody::new))
}

/// Tells one run of reconciliation
#[utoipa::path(
    get, path = "/api/v1/stock-sync/reconciliations/{run_id}", tag = "reconciliation",
    params(("run_id" = Uuid, Path, description = "Which run.")),
    responses(
        (status = 200, description = "The run.", body = RunBody),
        (status = 404, description = "There is no such run, or it was cleaned up."),
    )
)]
pub(crate) async fn get_reconciliation(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    let unknown = || Problem::new("run_unknown", "there is no run of that id, or it was cleaned up");
    let id: RunId = call.segment("run_id").parse().map_err(|_| unknown())?;
    let run = app.service.store().run(id).await?.ok_or_else(unknown)?;
    Answer::ok(&RunBody::new(&run))
}
