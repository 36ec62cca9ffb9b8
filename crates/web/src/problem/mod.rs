//! Everything that goes wrong, as RFC 9457 tells it.

mod codes;
mod store;

use axum::http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use saldo_domain::limits::PROBLEMS_MAX;
use serde::Serialize;
use utoipa::ToSchema;

pub use codes::{PROBLEM_CODES, ProblemCode};

use crate::answer::with_headers;
use crate::limits::RETRY_AFTER_SECONDS;

/// Why a request was not done. Boxed: nearly every function may fail, and nearly none does.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Problem(Box<ProblemBody>);

/// An error, as RFC 9457 tells it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// A page about errors of this kind.
    #[serde(rename = "type")]
    #[schema(example = "/docs/problems#operation_unknown")]
    kind: String,
    /// The kind of error, in words.
    title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "number")]
    #[schema(value_type = u16, example = 404)]
    status: StatusCode,
    /// What happened, to what, and what to do.
    detail: String,
    /// A stable word for the kind of error.
    #[schema(example = "operation_unknown")]
    code: &'static str,
    /// Everything that is wrong with the input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<InputError>,
    #[serde(skip)]
    header: Option<(HeaderName, HeaderValue)>,
}

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct InputError {
    /// Where: a JSON pointer (RFC 6901) into the body; `/query/…` and `/path/…` for the other parts of a request.
    #[schema(example = "/order/lineItems/0/quantity")]
    pub(crate) pointer: String,
    /// What, for the person who sent it.
    pub(crate) message: String,
}

fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem of a documented code.
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        match PROBLEM_CODES.iter().find(|known| known.code == code) {
            Some(known) => Self::of(known.status(), code, known.title, detail.into()),
            None => Self::internal(format!("the undocumented problem {code}: {}", detail.into())),
        }
    }

    fn of(status: StatusCode, code: &'static str, title: &'static str, detail: String) -> Self {
        let kind = format!("/docs/problems#{code}");
        let body = ProblemBody {
            kind,
            title,
            status,
            detail,
            code,
            errors: Vec::new(),
            header: None,
        };
        Self(Box::new(body))
    }

    /// A mistake of ours. The detail is for our log, not for the caller.
    pub(crate) fn internal(detail: impl std::fmt::Display) -> Self {
        tracing::error!(%detail, "a request ended in a defect");
        let told = "a mistake in Saldo; nothing was changed, and its log says more";
        Self::of(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "A mistake in Saldo",
            told.to_owned(),
        )
    }

    /// Everything that is wrong with an input, at once.
    pub(crate) fn invalid_input(mut errors: Vec<InputError>) -> Self {
        if errors.len() > PROBLEMS_MAX {
            let unlisted = errors.len() - (PROBLEMS_MAX - 1);
            errors.truncate(PROBLEMS_MAX - 1);
            let message = format!("there are {unlisted} more problems");
            errors.push(InputError {
                pointer: String::new(),
                message,
            });
        }
        let detail = match errors.as_slice() {
            [one] if one.pointer.is_empty() => format!("the body {}", one.message),
            [one] => format!("{}: {}", one.pointer, one.message),
            several => format!("{} things are wrong with the request", several.len()),
        };
        let mut problem = Self::new("invalid_input", detail);
        problem.0.errors = errors;
        problem
    }

    /// There is nothing at this path.
    pub(crate) fn no_such_path(path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        Self::new(
            "not_found",
            format!("there is nothing at {path}; /docs lists what there is"),
        )
    }

    /// Adds `Retry-After`.
    pub(crate) fn retry_later(self) -> Self {
        self.with_header(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS))
    }

    /// Adds `WWW-Authenticate`.
    pub(crate) fn challenge(self, challenge: &'static str) -> Self {
        self.with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// Adds `Connection: close`: the rest of the body will not be read.
    pub(crate) fn closing(self) -> Self {
        self.with_header(CONNECTION, HeaderValue::from_static("close"))
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Text, numbers and lists of them can always be written.
        let text = serde_json::to_vec(&self).unwrap_or_default();
        let content_type = HeaderValue::from_static("application/problem+json");
        let mut response = with_headers(self.0.status, content_type, text.into());
        if let Some((name, value)) = self.0.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
