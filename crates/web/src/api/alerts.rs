//! Alerts: current and past, and saying that someone knows.

use saldo_domain::alert::{AlertKind, AlertStatus};
use saldo_domain::ids::AlertId;
use saldo_store::alerts::AlertFilter;
use saldo_store::query::PageRequest;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, note};
use crate::problem::Problem;
use crate::query::Parameters;
use crate::wire::words::{AlertKindWord, AlertStatusWord};
use crate::wire::{AlertBody, PageBody, page};

/// Which alerts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlertsQuery {
    /// Those that have not ended, or those that have.
    pub open: Option<bool>,
    /// Where they stand.
    #[param(inline)]
    pub status: Option<AlertStatusWord>,
    /// Of one kind.
    #[param(inline)]
    pub kind: Option<AlertKindWord>,
    /// About one account.
    pub token_id: Option<Uuid>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
}

/// Lists alerts
///
/// Current and past, newest first.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/alerts", tag = "alerts", params(AlertsQuery),
    responses((status = 200, description = "A page of alerts.", body = PageBody<AlertBody>))
)]
pub(crate) async fn list_alerts(app: App, call: Call) -> Result<Answer, Problem> {
    let (filter, request) = read_query(&call)?;
    let alerts = app.service.store().alerts(&filter, request).await?;
    let now = app.service.now();
    Answer::ok(&page(&alerts, |alert| AlertBody::new(alert, now)))
}

fn read_query(call: &Call) -> Result<(AlertFilter, PageRequest), Problem> {
    let problems = Problems::default();
    let known = ["open", "status", "kind", "token_id", "cursor", "limit"];
    let parameters = Parameters::new(&call.uri, &known, &problems);
    let statuses = [AlertStatus::Begun, AlertStatus::Acknowledged, AlertStatus::Ended];
    let filter = AlertFilter {
        open: parameters.boolean("open"),
        status: parameters.parsed(
            "status",
            &format!("one of {}", statuses.map(AlertStatus::as_str).join(", ")),
        ),
        kind: parameters.parsed(
            "kind",
            &format!("one of {}", AlertKind::ALL.map(AlertKind::as_str).join(", ")),
        ),
        account: parameters.parsed("token_id", "a UUID"),
    };
    let request = parameters.page();
    drop(parameters);
    problems.finish(Some((filter, request)))
}

/// Tells one alert
#[utoipa::path(
    get, path = "/api/v1/stock-sync/alerts/{alert_id}", tag = "alerts",
    params(("alert_id" = Uuid, Path, description = "Which alert.")),
    responses(
        (status = 200, description = "The alert.", body = AlertBody, links(
            ("acknowledge" = (operation_id = "acknowledge_alert",
                parameters(("alert_id" = "$response.body#/id")))))),
        (status = 404, description = "There is no such alert."),
    )
)]
pub(crate) async fn get_alert(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    let id = named(&call)?;
    let alert = app.service.store().alert(id).await?;
    let alert = alert.ok_or_else(|| unknown(id))?;
    Answer::ok(&AlertBody::new(&alert, app.service.now()))
}

/// What to remember with it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AcknowledgeRequest, example = json!({ "note": "calling the provider" }))]
pub struct AcknowledgeRequest {
    /// For those who look later.
    #[schema(min_length = 1, max_length = 2000)]
    pub note: Option<String>,
}

/// Says that someone knows of an alert
///
/// It reminds no more, until it ends or doubles. Twice is the same as once, and one that has ended stays as it is.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/alerts/{alert_id}/acknowledge", tag = "alerts",
    params(("alert_id" = Uuid, Path, description = "Which alert.")),
    request_body = AcknowledgeRequest,
    responses(
        (status = 200, description = "The alert as it stands now.", body = AlertBody),
        (status = 404, description = "There is no such alert."),
    )
)]
pub(crate) async fn acknowledge_alert(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    let id = named(&call)?;
    let note = read(&call.json_or_nothing()?, problems)?;
    let alert = app
        .service
        .acknowledge_alert(id, note, &call.caller(false))
        .await?;
    let alert = alert.ok_or_else(|| unknown(id))?;
    Answer::ok(&AlertBody::new(&alert, app.service.now()))
}

fn read(body: &Value, problems: Problems) -> Result<Option<String>, Problem> {
    let fields = problems.body(body, &["note"]);
    let note = fields.optional("note", note);
    drop(fields);
    problems.finish(Some(note))
}

/// The alert that the path names.
fn named(call: &Call) -> Result<AlertId, Problem> {
    call.segment("alert_id").parse().map_err(|_| {
        Problem::new(
            "alert_unknown",
            "the id of an alert is a UUID; there is none of that name",
        )
    })
}

fn unknown(id: AlertId) -> Problem {
    Problem::new("alert_unknown", format!("there is no alert {id}"))
}
