//! `GET|PUT /mode`: switching Saldo on step by step, and off again.

use saldo_domain::decide::SetMode;
use saldo_domain::rollout::Mode;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, boolean, uuid, whole, word};
use crate::limits::IDS_MAX;
use crate::problem::Problem;
use crate::wire::words::ModeWord;
use crate::wire::{ModeBody, PageBody, page};

/// The mode to switch to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ModeRequest, example = json!({ "mode": "shadow" }))]
pub struct ModeRequest {
    /// The mode.
    pub mode: ModeWord,
    /// For `partial`, and refused with any other mode: accounts that are on.
    #[schema(max_items = 1000)]
    pub accounts: Option<Vec<Uuid>>,
    /// For `partial`, and refused with any other mode unless 0: the share of the other accounts' orders that is on.
    #[schema(minimum = 0, maximum = 100)]
    pub percent: Option<u8>,
    /// A person's word that the stock here is right: without a count or an import since the mode was last changed,
    /// switching on from off or shadow needs it.
    pub stock_is_right: Option<bool>,
}

/// Tells the mode
#[utoipa::path(
    get, path = "/api/v1/stock-sync/mode", tag = "rollout",
    responses((status = 200, description = "The mode in force.", body = ModeBody))
)]
pub(crate) async fn get_mode(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    Answer::ok(&ModeBody::new(&app.service.mode().await?))
}

/// Switches the mode
///
/// From the next decision on, without a restart. What was taken in before is finished in every mode. The same mode
/// again changes nothing.
#[utoipa::path(
    put, path = "/api/v1/stock-sync/mode", tag = "rollout",
    request_body = ModeRequest,
    responses(
        (status = 200, description = "The mode in force now.", body = ModeBody),
        (status = 409, description = "Stock was not counted since the mode was last changed."),
    )
)]
pub(crate) async fn put_mode(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    let wanted = read(&call.json()?, problems)?;
    let rollout = app.service.set_mode(wanted, &call.caller(false)).await?;
    Answer::ok(&ModeBody::new(&rollout))
}

fn read(body: &Value, problems: Problems) -> Result<SetMode, Problem> {
    let fields = problems.body(body, &["mode", "accounts", "percent", "stock_is_right"]);
    let modes = || "off, shadow, partial, on".to_owned();
    let mode: Option<Mode> = fields.required("mode", word(modes));
    let percent = fields.optional("percent", whole(0..=100));
    // An empty list says as much as none.
    let is_listed = fields
        .get("accounts")
        .is_some_and(|accounts| *accounts != Value::Array(Vec::new()));
    let accounts = if is_listed {
        fields.values("accounts", IDS_MAX, uuid)
    } else {
        Vec::new()
    };
    if mode.is_some_and(|mode| mode != Mode::Partial) {
        let message = "is for the mode partial alone: leave it out, or set partial";
        if is_listed {
            fields.problem("accounts", message);
        }
        if percent.is_some_and(|percent| percent > 0) {
            fields.problem("percent", message);
        }
    }
    let stock_is_right = fields.optional("stock_is_right", boolean).unwrap_or(false);
    let wanted = mode.map(|mode| SetMode {
        mode,
        accounts: accounts.into_iter().collect(),
        // Within 0 to 100, or there is a problem noted.
        percent: percent
            .and_then(|percent| u8::try_from(percent).ok())
            .unwrap_or(0),
        stock_is_right,
    });
    problems.finish(wanted)
}

/// Which changes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ModeHistoryQuery {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
}

/// Lists every mode that was ever set
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/mode/history", tag = "rollout", params(ModeHistoryQuery),
    responses((status = 200, description = "A page of modes.", body = PageBody<ModeBody>))
)]
pub(crate) async fn list_modes(app: App, call: Call) -> Result<Answer, Problem> {
    let request = call.page()?;
    let rollouts = app.service.store().rollout_changes(request).await?;
    Answer::ok(&page(&rollouts, ModeBody::new))
}
