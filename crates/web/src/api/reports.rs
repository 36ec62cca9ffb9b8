//! Reports: making one, those that were made, and one in a format for people or machines.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, VARY};
use axum::http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use saldo_domain::ids::{AccountId, ReportId};
use saldo_domain::report::{Period, Report};
use saldo_report::{Format, Language, file_name, render};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::answer::{Answer, with_headers};
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, moment, uuid};
use crate::problem::Problem;
use crate::query::Parameters;
use crate::wire::{PageBody, ReportBody, ReportHeadBody, page};

/// A page runs nothing and reaches nothing, whatever stands in it.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'";

/// The period to report on. Without one, the last whole week, from Monday to Monday, UTC.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ReportRequest, example = json!({
    "from": "2026-11-16T00:00:00Z", "to": "2026-11-23T00:00:00Z"
}))]
pub struct ReportRequest {
    /// The first moment; required with `to`.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<String>,
    /// The first moment after it; required with `from`.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<String>,
    /// One account; all without it.
    pub token_id: Option<Uuid>,
}

/// Makes a report
///
/// Of any period of at most ten years. It is kept, and told at once; `GET /reports/{report_id}` writes it in other
/// formats.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/reports", tag = "reports",
    request_body = Option<ReportRequest>,
    responses((status = 200, description = "The report.", body = ReportBody, links(
        ("report" = (operation_id = "get_report", parameters(("report_id" = "$response.body#/id")))),
    )))
)]
pub(crate) async fn post_report(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    let (period, account) = read(&call.json_or_nothing()?, app.service.now(), problems)?;
    let report = app
        .service
        .make_report(period, account, &call.caller(true))
        .await?;
    Answer::ok(&ReportBody::new(&report))
}

fn read(body: &Value, now: Timestamp, problems: Problems) -> Result<(Period, Option<AccountId>), Problem> {
    let fields = problems.body(body, &["from", "to", "token_id"]);
    let from = fields.optional("from", moment);
    let to = fields.optional("to", moment);
    let account = fields.optional("token_id", uuid);
    for (one, other) in [("from", "to"), ("to", "from")] {
        if fields.get(one).is_some() && fields.get(other).is_none() {
            fields.problem(other, format!("is required with `{one}`"));
        }
    }
    let period = match from.zip(to) {
        Some((from, to)) => Period::new(from, to),
        None => Period::last_week(now),
    };
    if let Err(error) = &period {
        fields.problem("to", error.to_string());
    }
    problems.finish(period.ok().map(|period| (period, account)))
}

/// Which reports.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportsQuery {
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
}

/// Lists the reports that were made
///
/// Newest first; the last 1,000 are kept.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/reports", tag = "reports", params(ReportsQuery),
    responses((status = 200, description = "A page of reports.", body = PageBody<ReportHeadBody>))
)]
pub(crate) async fn list_reports(app: App, call: Call) -> Result<Answer, Problem> {
    let request = call.page()?;
    let heads = app.service.store().reports(request).await?;
    Answer::ok(&page(&heads, ReportHeadBody::new))
}

/// How to write a report.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// Goes before `Accept`.
    #[param(inline)]
    pub format: Option<ReportFormatWord>,
    /// The language of its words; that of the configuration without it.
    #[param(inline)]
    pub language: Option<ReportLanguageWord>,
}

/// A format.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportFormatWord {
    /// As `POST /reports` tells it.
    Json,
    /// One page that needs nothing else.
    Html,
    /// A figure a line.
    Csv,
    /// A workbook.
    Xlsx,
}

/// A language.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportLanguageWord {
    /// English.
    En,
    /// Polish.
    Pl,
    /// Russian.
    Ru,
}

/// Tells one report
///
/// As JSON, a page, a table or a workbook, as `format` or `Accept` asks for it.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/reports/{report_id}", tag = "reports",
    params(("report_id" = Uuid, Path, description = "Which report."), ReportQuery),
    responses(
        (status = 200, description = "The report.", content(
            (ReportBody = "application/json"),
            (String = "text/html"),
            (String = "text/csv"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        )),
        (status = 404, description = "There is no such report, or it was one of the oldest and went."),
    )
)]
pub(crate) async fn get_report(app: App, call: Call) -> Result<Answer, Problem> {
    let (format, language) = wanted(&call)?;
    let unknown = || Problem::new("report_unknown", "there is no report of that id");
    let id: ReportId = call.segment("report_id").parse().map_err(|_| unknown())?;
    let report = app.service.store().report(id).await?.ok_or_else(unknown)?;
    if format == Format::Json {
        return Answer::ok(&ReportBody::new(&report));
    }
    written(report, format, language.unwrap_or(app.options.language)).await
}

fn wanted(call: &Call) -> Result<(Format, Option<Language>), Problem> {
    let problems = Problems::default();
    let parameters = Parameters::new(&call.uri, &["format", "language"], &problems);
    let format: Option<Format> = parameters.parsed("format", "one of json, html, csv, xlsx");
    let language = parameters.parsed("language", "one of en, pl, ru");
    drop(parameters);
    problems.finish(Some(()))?;
    Ok((format.unwrap_or_else(|| accepted(call.accept.as_ref())), language))
}

/// Writing takes long enough to be kept off the threads that serve.
async fn written(report: Report, format: Format, language: Language) -> Result<Answer, Problem> {
    let name = file_name(&report, format, language);
    let bytes = tokio::task::spawn_blocking(move || render(&report, format, language)).await;
    let bytes = match bytes {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(Problem::internal(format!("a report cannot be written: {error}"))),
        Err(error) => return Err(Problem::internal(format!("a report was lost: {error}"))),
    };
    let kind = HeaderValue::from_static(format.content_type());
    let mut response = with_headers(StatusCode::OK, kind, bytes.into());
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    if format == Format::Html {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    } else if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(Answer::Other(response))
}

/// The format that `Accept` asks for before the others; JSON when it asks for none of ours.
fn accepted(accept: Option<&HeaderValue>) -> Format {
    let ranges = accept.and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let mut best = (0.0, Format::Json);
    for range in ranges.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |quality| quality.parse::<f32>().unwrap_or(0.0));
        let mut formats = Format::ALL.into_iter();
        let format = formats.find(|format| kind.eq_ignore_ascii_case(format.media_type()));
        if let Some(format) = format.filter(|_| quality > best.0) {
            best = (quality, format);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &'static str) -> Format {
        accepted(Some(&HeaderValue::from_static(value)))
    }

    #[test]
    fn the_format_is_the_one_that_is_asked_for_first() {
        assert_eq!(accepted(None), Format::Json);
        assert_eq!(accepting("*/*"), Format::Json);
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert_eq!(accepting(browser), Format::Html);
        assert_eq!(accepting("text/html;q=0.5, text/csv"), Format::Csv);
        assert_eq!(accepting("TEXT/CSV; charset=utf-8; q=0.1"), Format::Csv);
        assert_eq!(accepting("application/json, text/html"), Format::Json);
        assert_eq!(accepting("text/html; q=junk"), Format::Json);
    }
}
