//! Answers that are no problems.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::problem::Problem;

/// What an endpoint answers.
pub(crate) enum Answer {
    /// JSON, written in full: it can be kept under an idempotency key.
    Json(StatusCode, Bytes),
    /// Anything else: a stream, a page.
    Other(Response),
}

impl Answer {
    /// A status with a body.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let mut text = Vec::with_capacity(1024);
        serde_json::to_writer(&mut text, body)
            .map_err(|error| Problem::internal(format!("an answer cannot be written: {error}")))?;
        Ok(Self::Json(status, text.into()))
    }

    /// 200 with a body.
    pub(crate) fn ok(body: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::OK, body)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Json(status, text) => (status, text),
            Self::Other(response) => return response,
        };
        with_headers(status, HeaderValue::from_static("application/json"), text)
    }
}

/// A response of the API: never cached, never taken for another type than it has.
pub(crate) fn with_headers(status: StatusCode, content_type: HeaderValue, text: Bytes) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
