//! Who is calling: the bearer token, checked the way the service checks it.

use hyper::StatusCode;
use hyper::header::{HeaderMap, WWW_AUTHENTICATE};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};

use crate::answer::Answer;

const MISSING: &str = "Not authenticated";
const INVALID: &str = "Invalid authentication credentials";
const NOT_A_STRING: &str = "Could not validate credentials";

/// A bearer token that never expires, as the service accepts it.
///
/// # Errors
///
/// When the token cannot be signed with this secret.
pub fn bearer_token(jwt_secret: &str, user_id: &str) -> Result<String, jsonwebtoken::errors::Error> {
    jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &json!({"user_id": user_id}),
        &EncodingKey::from_secret(jwt_secret.as_bytes()),
    )
}

/// Checks bearer tokens against one secret.
pub(crate) struct Authentication {
    key: DecodingKey,
    validation: Validation,
}

impl Authentication {
    pub(crate) fn new(jwt_secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would read the clock of the computer; the times are compared below instead.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self {
            key: DecodingKey::from_secret(jwt_secret.as_bytes()),
            validation,
        }
    }

    /// The caller's `user_id`, or the answer that turns the caller away.
    pub(crate) fn user_id(&self, headers: &HeaderMap, now: Timestamp) -> Result<String, Answer> {
        let token = bearer(headers)?;
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &self.key, &self.validation)
            .map_err(|_| unauthorized(INVALID))?
            .claims;
        check_times(&claims, now)?;
        match claims.get("username") {
            None | Some(Value::Null | Value::String(_)) => {}
            Some(_) => return Err(unauthorized(NOT_A_STRING)),
        }
        match claims.get("user_id") {
            Some(Value::String(user_id)) if !user_id.is_empty() => Ok(user_id.clone()),
            None | Some(Value::Null | Value::String(_)) => Err(unauthorized(INVALID)),
            Some(_) => Err(unauthorized(NOT_A_STRING)),
        }
    }
}

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), Answer> {
    let now_s = now.as_second() as f64;
    let seconds = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| unauthorized(INVALID)),
    };
    let is_expired = seconds("exp")?.is_some_and(|expires_s| expires_s <= now_s);
    let is_early = seconds("nbf")?.is_some_and(|not_before_s| not_before_s > now_s);
    if is_expired || is_early {
        Err(unauthorized(INVALID))
    } else {
        Ok(())
    }
}

/// The token after the scheme. Missing credentials are 403, and so is another scheme.
fn bearer(headers: &HeaderMap) -> Result<&str, Answer> {
    let header = headers
        .get(hyper::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if scheme.is_empty() || token.is_empty() {
        return Err(Answer::detail(StatusCode::FORBIDDEN, MISSING));
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Answer::detail(StatusCode::FORBIDDEN, INVALID));
    }
    Ok(token.trim())
}

fn unauthorized(text: &str) -> Answer {
    Answer::detail(StatusCode::UNAUTHORIZED, text).with_header(WWW_AUTHENTICATE, "Bearer")
}
