//! A stand-in for Telegram's Bot API that keeps the rules of `sendMessage`: tokens, chats, marks, length, pace. Where
//! Telegram lets something pass that its documentation does not promise, it refuses. Other tests have it, too.
#![allow(dead_code, reason = "each user of it uses a part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::marks;

pub(crate) const TOKEN: &str = "123456:AAE-hush_hush-0123456789abcdefghijk";
pub(crate) const CHAT: &str = "-1001234567890";
/// A group that became a supergroup, with another number.
pub(crate) const MIGRATED_CHAT: &str = "-42";
/// A person who blocked the bot.
pub(crate) const BLOCKED_CHAT: &str = "43";
/// What Telegram takes after it has read the marks, in units of UTF-16.
pub(crate) const UNITS_MAX: usize = 4_096;

/// A message that a chat got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Got {
    /// As a person sees it.
    pub(crate) text: String,
    pub(crate) is_silent: bool,
}

#[derive(Default)]
pub(crate) struct Api {
    /// How long callers are to wait after the next call, in seconds; whoever calls earlier is told so again.
    pub(crate) too_many: Option<u64>,
    free_at: Option<tokio::time::Instant>,
    /// The next call is answered with this status, in words that quote what was called, as some proxies do.
    pub(crate) quoting: Option<u16>,
    /// Calls that came too early.
    pub(crate) impatient: u32,
    pub(crate) got: Vec<Got>,
}

pub(crate) type Shared = Arc<Mutex<Api>>;

type Answered = (StatusCode, Json<Value>);

/// Starts the stand-in; answers with its address.
pub(crate) async fn start(api: &Shared) -> String {
    let router = Router::new()
        .route("/{bot}/sendMessage", axum::routing::post(send_message))
        .fallback(async || refused(404, "Not Found", Value::Null))
        .with_state(Arc::clone(api));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn refused(status: u16, description: &str, parameters: Value) -> Answered {
    let mut body = json!({"ok": false, "error_code": status, "description": description});
    if !parameters.is_null() {
        body["parameters"] = parameters;
    }
    (StatusCode::from_u16(status).unwrap(), Json(body))
}

/// Whether a token looks like one: a number, a colon, and at least 30 letters, digits, dashes or underlines.
fn is_token(token: &str) -> bool {
    token.split_once(':').is_some_and(|(number, rest)| {
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && rest.len() >= 30
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    })
}

async fn send_message(
    State(api): State<Shared>,
    Path(bot): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Answered {
    match bot.strip_prefix("bot") {
        Some(token) if token == TOKEN => {}
        Some(token) if is_token(token) => return refused(401, "Unauthorized", Value::Null),
        _ => return refused(404, "Not Found", Value::Null),
    }
    let mut api = api.lock().unwrap();
    if let Some(status) = api.quoting.take() {
        return refused(status, &format!("cannot POST {uri}"), Value::Null);
    }
    if let Some(answer) = too_early(&mut api) {
        return answer;
    }
    let is_json = headers
        .get("content-type")
        .is_some_and(|kind| kind == "application/json");
    let call = if is_json {
        serde_json::from_str(&body).unwrap_or_default()
    } else {
        Value::Null
    };
    match read(&call) {
        Ok(text) => {
            api.got.push(Got {
                text,
                is_silent: call["disable_notification"] == true,
            });
            let number = api.got.len();
            let result = json!({"message_id": number, "chat": {"id": call["chat_id"]}});
            (StatusCode::OK, Json(json!({"ok": true, "result": result})))
        }
        Err(answer) => answer,
    }
}

fn too_early(api: &mut Api) -> Option<Answered> {
    let now = tokio::time::Instant::now();
    if let Some(seconds) = api.too_many.take() {
        api.free_at = Some(now + Duration::from_secs(seconds));
    } else if api.free_at.is_some_and(|free_at| now < free_at) {
        api.impatient += 1;
    }
    let wait = api.free_at?.saturating_duration_since(now);
    if wait.is_zero() {
        return None;
    }
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let description = format!("Too Many Requests: retry after {seconds}");
    Some(refused(429, &description, json!({ "retry_after": seconds })))
}

/// What the chat gets, or the refusal.
fn read(call: &Value) -> Result<String, Answered> {
    let bad = |what: &str| Err(refused(400, &format!("Bad Request: {what}"), Value::Null));
    let chat = match &call["chat_id"] {
        Value::String(chat) => chat.clone(),
        Value::Number(chat) => chat.to_string(),
        _ => return bad("chat_id is empty"),
    };
    match chat.as_str() {
        CHAT => {}
        MIGRATED_CHAT => {
            let what = "Bad Request: group chat was upgraded to a supergroup chat";
            let parameters = json!({ "migrate_to_chat_id": -1_001_234_567_890_i64 });
            return Err(refused(400, what, parameters));
        }
        BLOCKED_CHAT => {
            return Err(refused(
                403,
                "Forbidden: bot was blocked by the user",
                Value::Null,
            ));
        }
        _ => return bad("chat not found"),
    }
    let text = call["text"].as_str().unwrap_or_default();
    let read = match call["parse_mode"].as_str() {
        None => Ok(text.to_owned()),
        Some("HTML") => marks::read_html(text),
        Some("MarkdownV2") => marks::read_markdown(text),
        Some(_) => return bad("unsupported parse_mode"),
    };
    match read {
        Err(why) => bad(&format!("can't parse entities: {why}")),
        Ok(text) if text.trim().is_empty() => bad("message text is empty"),
        Ok(text) if text.encode_utf16().count() > UNITS_MAX => bad("message is too long"),
        Ok(text) => Ok(text),
    }
}
