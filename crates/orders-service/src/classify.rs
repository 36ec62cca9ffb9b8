//! What an answer's status means, and what the service says about it.

use reqwest::StatusCode;
use saldo_domain::strict_json;
use serde_json::Value;

use crate::error::ErrorClass;
use crate::failure::Failure;
use crate::transport::Answer;

/// The most values in one answer, or in one row of a list: an order of 100 lines has about 2,000.
const VALUES_MAX: u32 = 200_000;
/// How many complaints of a validation error are told.
const COMPLAINTS_MAX: usize = 3;

/// The body of an answer that succeeded, as JSON.
pub(crate) fn json_of_success(answer: &Answer) -> Result<Value, Failure> {
    check_status(answer)?;
    json(&answer.body).map_err(|words| not_the_contract(answer, words))
}

/// Whether the status says that it succeeded.
pub(crate) fn check_status(answer: &Answer) -> Result<(), Failure> {
    if answer.status.is_success() {
        return Ok(());
    }
    Err(failure_of_status(answer))
}

/// One JSON text of the service: a whole body, or a row of a list.
pub(crate) fn json(text: &[u8]) -> Result<Value, String> {
    strict_json::parse(text, VALUES_MAX).map_err(|error| format!("it is not JSON as agreed: {error}"))
}

/// For an answer with a good status and a body that does not confirm.
pub(crate) fn not_the_contract(answer: &Answer, words: impl std::fmt::Display) -> Failure {
    let words = format!("unexpected answer of the orders service: {words}");
    Failure::new(answer.effect.class_after_sending(), words).with_status(answer.status)
}

/// For an answer with any other status.
fn failure_of_status(answer: &Answer) -> Failure {
    let detail = detail_of(&answer.body);
    let class = class_of(answer.status, detail.as_deref());
    let words = match detail {
        Some(detail) => format!("the orders service answered {}: {detail}", answer.status.as_u16()),
        None => format!("the orders service answered {}", answer.status.as_u16()),
    };
    let mut failure = Failure::new(class, words).with_status(answer.status);
    if may_name_a_wait(answer.status) {
        failure.retry_after_seconds = answer.retry_after_seconds;
    }
    failure
}

/// Redirects, and statuses that the service was never seen to send, come from something between it and us, so they
/// are taken to pass.
fn class_of(status: StatusCode, detail: Option<&str>) -> ErrorClass {
    match status.as_u16() {
        401 | 403 => ErrorClass::Credentials,
        400 | 409 | 422 => ErrorClass::Permanent,
        404 if detail.is_some_and(says_account_not_found) => ErrorClass::AccountNotFound,
        _ => ErrorClass::Transient,
    }
}

/// «Токен … не найден или не принадлежит пользователю». A path that does not exist is a 404 too, without it.
fn says_account_not_found(detail: &str) -> bool {
    detail.starts_with("Токен ") && detail.contains("не найден")
}

fn may_name_a_wait(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error()
}

/// `detail` is a text when the service's own code refuses, and a list of complaints when its framework does.
fn detail_of(body: &[u8]) -> Option<String> {
    match strict_json::parse(body, VALUES_MAX)
        .ok()?
        .get_mut("detail")?
        .take()
    {
        Value::String(text) => Some(text),
        Value::Array(complaints) => Some(complaints_in_words(&complaints)),
        _ => None,
    }
}

fn complaints_in_words(complaints: &[Value]) -> String {
    let told: Vec<String> = complaints
        .iter()
        .take(COMPLAINTS_MAX)
        .map(complaint_in_words)
        .collect();
    told.join("; ")
}

fn complaint_in_words(complaint: &Value) -> String {
    let place: Vec<String> = complaint
        .get("loc")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
        .collect();
    let message = complaint
        .get("msg")
        .and_then(Value::as_str)
        .unwrap_or("not accepted");
    format!("{}: {message}", place.join("."))
}
