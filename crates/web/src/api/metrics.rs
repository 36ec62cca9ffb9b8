//! `GET /metrics`: for Prometheus.

use axum::http::{HeaderValue, StatusCode};
use bytes::Bytes;

use crate::answer::{Answer, with_headers};
use crate::app::App;
use crate::call::Call;
use crate::problem::Problem;

/// Shows the metrics in Prometheus's text format
#[utoipa::path(
    get, path = "/metrics", tag = "status",
    responses((status = 200, description = "The metrics; docs/monitoring.md says what each means.",
        body = String, content_type = "text/plain"))
)]
pub(crate) async fn get_metrics(app: App, _: Call) -> Result<Answer, Problem> {
    let text = app.service.metrics(&app.options.version).await?;
    Ok(Answer::Other(with_headers(
        StatusCode::OK,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
        Bytes::from(text),
    )))
}
