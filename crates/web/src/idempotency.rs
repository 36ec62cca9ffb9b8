//! Idempotency keys: the same key and request give the same answer.
//!
//! The decision records its outcome under the key in the same transaction, so a repeat never acts twice. What was
//! finally answered is kept beside it, so that a repeat also reads the same.

use axum::http::{HeaderMap, Method, StatusCode, Uri};
use bytes::Bytes;
use saldo_domain::decide::AnswerKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::answer::Answer;
use crate::app::App;
use crate::authentication::Identity;
use crate::limits::IDEMPOTENCY_KEY_CHARACTERS_MAX;
use crate::problem::Problem;

/// The key of a request, as its sender chose it.
pub(crate) fn given_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|key| {
        (1..=IDEMPOTENCY_KEY_CHARACTERS_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    match key {
        Some(key) if values.next().is_none() => Ok(Some(key)),
        _ => {
            let detail = format!(
                "give it once, with 1 to {IDEMPOTENCY_KEY_CHARACTERS_MAX} visible ASCII characters and no spaces"
            );
            Err(Problem::new("idempotency_key_invalid", detail))
        }
    }
}

/// The key within the scope of its owner and path, with a hash of the request.
pub(crate) fn answer_key(key: &str, owner: &Identity, method: &Method, uri: &Uri, body: &[u8]) -> AnswerKey {
    let path = uri.path().trim_end_matches('/');
    let mut hash = Sha256::new();
    // Lengths keep what belongs to one part from being taken for the other.
    for part in [
        method.as_str().as_bytes(),
        path.as_bytes(),
        query_that_matters(uri).as_bytes(),
        body,
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let fingerprint = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    AnswerKey {
        key: format!("{}\n{method} {path}\n{key}", owner.name),
        fingerprint,
    }
}

/// The query without what only says how long to wait for the same answer.
fn query_that_matters(uri: &Uri) -> String {
    let parameters = uri.query().unwrap_or("").split('&');
    let kept: Vec<&str> = parameters
        .filter(|parameter| !parameter.starts_with("wait="))
        .collect();
    kept.join("&")
}

/// What was finally answered under a key before.
pub(crate) async fn kept_answer(app: &App, key: &AnswerKey) -> Result<Option<Answer>, Problem> {
    let Some((fingerprint, kept)) = app.service.store().final_answer(&key.key).await? else {
        return Ok(None);
    };
    if fingerprint != key.fingerprint {
        let detail = "this Idempotency-Key was used for another request; use a new key";
        return Err(Problem::new("idempotency_key_reused", detail));
    }
    let status = kept
        .get("status")
        .and_then(Value::as_u64)
        .and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    match (status, kept.get("body").and_then(Value::as_str)) {
        (Some(status), Some(body)) => Ok(Some(Answer::Json(
            status,
            Bytes::copy_from_slice(body.as_bytes()),
        ))),
        _ => Err(Problem::internal(
            "the answer kept under an idempotency key cannot be read",
        )),
    }
}

/// Keeps what was finally answered under a key. That this fails spoils nothing: the recorded outcome still keeps a
/// repeat from acting twice.
pub(crate) async fn keep(app: &App, key: &AnswerKey, status: StatusCode, body: &Bytes) {
    let kept = json!({ "status": status.as_u16(), "body": String::from_utf8_lossy(body) });
    if let Err(error) = app.service.store().put_final_answer(&key.key, kept).await {
        tracing::warn!(%error, "the answer under an idempotency key was not kept");
    }
}
