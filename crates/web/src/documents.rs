//! The API's description, for machines and for people.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use bytes::Bytes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::answer::with_headers;
use crate::app::App;
use crate::openapi::openapi;
use crate::problem::{PROBLEM_CODES, ProblemCode};

/// `/openapi.json`, `/docs` and `/docs/problems`.
pub(crate) fn router() -> Router<App> {
    let pages = SwaggerUi::new("/docs").config(Config::from("/openapi.json"));
    Router::new()
        .merge(pages)
        .route("/openapi.json", get(description))
        .route("/docs/problems", get(async || Html(problems_page())))
}

/// The description as it goes over the wire and into the repository.
pub(crate) fn description_text() -> String {
    // A description is text, numbers and lists of them, which can always be written.
    let mut text = openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

async fn description() -> impl IntoResponse {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| description_text().into());
    with_headers(
        StatusCode::OK,
        HeaderValue::from_static("application/json"),
        TEXT.clone(),
    )
}

/// Where `type` of a problem points to.
fn problems_page() -> String {
    let rows: String = PROBLEM_CODES
        .iter()
        .map(|ProblemCode { code, status, title, meaning }| {
            format!(
                "<tr id=\"{code}\"><td><code>{code}</code></td><td>{status}</td><td>{}</td><td>{}</td></tr>\n",
                escaped(title),
                escaped(meaning)
            )
        })
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Problems of Saldo</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <style>body{{font-family:sans-serif;margin:2rem;max-width:60rem}}td,th{{padding:.4rem;text-align:left;\
         vertical-align:top}}tr:target{{background:#fe9}}</style></head>\n<body><h1>Problems</h1>\n\
         <p>Every error is an <a href=\"https://www.rfc-editor.org/rfc/rfc9457\">RFC 9457</a> problem; its \
         <code>code</code> is one of these.</p>\n<table><tr><th>code</th><th>status</th><th>title</th>\
         <th>meaning</th></tr>\n{rows}</table></body></html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// `docs/problems.md`.
#[cfg(test)]
pub(crate) fn problems_markdown() -> String {
    let mut text = "# Problems\n\n\
        Every error of the API is an [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem:\n\
        `application/problem+json` with `type`, `title`, `status`, `detail` and `code`. The code is stable. For bad\n\
        input, `errors` lists everything that is wrong at once, each with a JSON pointer into the body; `/query/…` and\n\
        `/path/…` point to the other parts of a request. Nothing was changed, unless the meaning says otherwise.\n\n\
        This table is written from the code: `SALDO_UPDATE=1 cargo test -p saldo-web`.\n\n\
        | status | code | title | meaning |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for ProblemCode {
        code,
        status,
        title,
        meaning,
    } in PROBLEM_CODES
    {
        text.push_str(&format!("| {status} | `{code}` | {title} | {meaning} |\n"));
    }
    text
}
