//! A webhook: JSON to another program, signed as the Standard Webhooks specification says, so that the libraries for
//! it verify ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue};
use saldo_domain::alert::{Alert, Message, Occasion};
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;

use crate::compose::Composed;
use crate::failure::{OptionsError, SendError};
use crate::http::Http;
use crate::text::{Secret, unmarked};

/// Before a secret that is written in base64.
const SECRET_PREFIX: &str = "whsec_";

/// `[channels.webhook]`
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// Where it is sent.
    pub url: String,
    /// What it is signed with: any text, or `whsec_` and base64.
    pub secret: Secret,
}

/// A program that messages go to.
pub(crate) struct Webhook {
    http: Http,
    key: Option<Vec<u8>>,
}

#[derive(Serialize)]
struct Body<'m> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    created_at: Timestamp,
    language: &'static str,
    subject: String,
    alerts: Vec<AlertBody<'m>>,
}

#[derive(Serialize)]
struct AlertBody<'m> {
    occasion: Occasion,
    #[serde(flatten)]
    facts: Value,
    headline: String,
    lines: Vec<String>,
    what_to_do: Option<String>,
    url: Option<&'m str>,
}

impl Webhook {
    pub(crate) fn new(options: &WebhookOptions) -> Result<Self, OptionsError> {
        Ok(Self {
            http: Http::new("channels.webhook.url", &options.url)?,
            key: key_of(&options.secret)?,
        })
    }

    /// Sends a message once. `now` is what the receiver compares its clock with.
    pub(crate) async fn send(&self, id: &str, body: Vec<u8>, now: Timestamp) -> Result<(), SendError> {
        let timestamp = now.as_second();
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: String| {
            HeaderValue::from_str(&value)
                .map(|value| headers.insert(name, value))
                .map_err(|_| SendError::refused(format!("{name} cannot be sent as a header")))
        };
        put("webhook-id", id.to_owned())?;
        put("webhook-timestamp", timestamp.to_string())?;
        if let Some(key) = &self.key {
            put("webhook-signature", signature(key, id, timestamp, &body))?;
        }
        let answer = self.http.post(self.http.url().clone(), headers, body).await?;
        let status = answer.status;
        if status.is_success() {
            return Ok(());
        }
        let reason = format!("the receiver answered {}", status.as_u16());
        if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
            Err(SendError::passing(reason).not_before(answer.retry_after_seconds))
        } else {
            Err(SendError::refused(reason))
        }
    }
}

fn key_of(secret: &Secret) -> Result<Option<Vec<u8>>, OptionsError> {
    let secret = secret.expose();
    match secret.strip_prefix(SECRET_PREFIX) {
        _ if secret.is_empty() => Ok(None),
        Some(encoded) => STANDARD.decode(encoded).map(Some).map_err(|_| {
            OptionsError(format!(
                "channels.webhook.secret must be base64 behind {SECRET_PREFIX}"
            ))
        }),
        None => Ok(Some(secret.as_bytes().to_vec())),
    }
}

/// The value of `webhook-signature`: `v1,` and the HMAC-SHA256 of id, timestamp and body, joined by dots, in base64.
#[must_use]
pub fn signature(key: &[u8], id: &str, timestamp: i64, body: &[u8]) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// A message about alerts as JSON: the facts for a program, the sentences for whoever it tells.
pub(crate) fn body(
    message: &Message,
    composed: &Composed,
    language: &'static str,
) -> Result<Vec<u8>, SendError> {
    let alerts = message
        .entries
        .iter()
        .zip(&composed.items)
        .map(|(entry, item)| AlertBody {
            occasion: entry.occasion,
            facts: facts(&entry.alert),
            headline: unmarked(&item.headline),
            lines: item.lines.iter().map(|line| unmarked(line)).collect(),
            what_to_do: item.todo.as_deref().map(unmarked),
            url: item.link.as_ref().map(|(_, address)| address.as_str()),
        })
        .collect();
    let body = Body {
        id: message.id.to_string(),
        kind: "alert",
        created_at: message.created_at,
        language,
        subject: unmarked(&composed.subject),
        alerts,
    };
    serde_json::to_vec(&body).map_err(|error| SendError::refused(error.to_string()))
}

/// The body of a message that only proves that the channel works.
pub(crate) fn test_body(id: &str, composed: &Composed, language: &'static str, now: Timestamp) -> Vec<u8> {
    let body = serde_json::json!({
        "id": id,
        "type": "test",
        "created_at": now,
        "language": language,
        "subject": unmarked(&composed.subject),
        "alerts": [],
    });
    body.to_string().into_bytes()
}

fn facts(alert: &Alert) -> Value {
    serde_json::json!({
        "alert_id": alert.id,
        "kind": alert.kind,
        "severity": alert.severity,
        "status": alert.status(),
        "token_id": alert.subject.account(),
        "task": alert.subject.task(),
        "begun_at": alert.begun_at,
        "ended_at": alert.ended_at,
        "count": alert.facts.count,
        "peak": alert.peak,
        "delivered": alert.delivered,
        "details": alert.facts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let key = key_of(&secret).unwrap().unwrap();
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_may_be_any_text_or_base64_or_none() {
        assert_eq!(key_of(&Secret::new("")).unwrap(), None);
        assert_eq!(key_of(&Secret::new("hush")).unwrap().unwrap(), b"hush");
        assert!(key_of(&Secret::new("whsec_%%")).is_err());
    }
}
