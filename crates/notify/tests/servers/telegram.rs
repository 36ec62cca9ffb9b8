//! A stand-in for Telegram's Bot API that keeps the rules of `sendMessage`: tokens, chats, marks, length, pace.

use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Json, Router};
use jiff::SignedDuration;
use proptest::prelude::*;
use saldo_domain::alert::Channel;
use saldo_notify::{NotifierOptions, Secret, SendFailure, TelegramOptions};
use serde_json::{Value, json};

use crate::support::{failed, message, notifier, now};

const TOKEN: &str = "123456:AAE-hush_hush";
const CHAT: &str = "-1001234567890";
/// What Telegram takes after it has read the marks, in units of UTF-16.
const UNITS_MAX: usize = 4_096;

#[derive(Default)]
struct Api {
    /// How many of the next calls are too many, and how long to wait.
    too_many: u32,
    retry_after: u64,
    /// Texts that a chat got, as a person sees them.
    texts: Vec<String>,
}

type Shared = Arc<Mutex<Api>>;

/// Starts the stand-in; answers with its address.
async fn start(api: &Shared) -> String {
    let router = Router::new()
        .route("/{bot}/sendMessage", axum::routing::post(send_message))
        .with_state(Arc::clone(api));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn send_message(
    State(api): State<Shared>,
    Path(bot): Path<String>,
    Json(call): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let refuse = |status: u16, description: String, parameters: Value| {
        let body =
            json!({"ok": false, "error_code": status, "description": description, "parameters": parameters});
        (StatusCode::from_u16(status).unwrap(), Json(body))
    };
    if bot != format!("bot{TOKEN}") {
        return refuse(401, "Unauthorized".to_owned(), Value::Null);
    }
    let mut api = api.lock().unwrap();
    if api.too_many > 0 {
        api.too_many -= 1;
        let wait = api.retry_after;
        let description = format!("Too Many Requests: retry after {wait}");
        return refuse(429, description, json!({ "retry_after": wait }));
    }
    if call["chat_id"] == "-42" {
        let description = "Bad Request: group chat was upgraded to a supergroup chat".to_owned();
        return refuse(
            400,
            description,
            json!({ "migrate_to_chat_id": -1_001_234_567_890_i64 }),
        );
    }
    if call["chat_id"] != CHAT {
        return refuse(400, "Bad Request: chat not found".to_owned(), Value::Null);
    }
    let text = call["text"].as_str().unwrap_or_default();
    let read = if call["parse_mode"] == "HTML" {
        read_html(text)
    } else {
        Ok(text.to_owned())
    };
    match read {
        Err(why) => refuse(
            400,
            format!("Bad Request: can't parse entities: {why}"),
            Value::Null,
        ),
        Ok(text) if text.trim().is_empty() => {
            refuse(400, "Bad Request: message text is empty".to_owned(), Value::Null)
        }
        Ok(text) if text.encode_utf16().count() > UNITS_MAX => {
            refuse(400, "Bad Request: message is too long".to_owned(), Value::Null)
        }
        Ok(text) => {
            api.texts.push(text);
            let number = api.texts.len();
            (
                StatusCode::OK,
                Json(json!({"ok": true, "result": {"message_id": number}})),
            )
        }
    }
}

/// Reads Telegram's HTML: only known tags, properly nested, nothing within code, only known entities.
fn read_html(html: &str) -> Result<String, String> {
    let (mut text, mut open, mut rest) = (String::new(), Vec::new(), html);
    while let Some(position) = rest.find(['<', '>', '&']) {
        text.push_str(&rest[..position]);
        let tail = &rest[position..];
        let (end, length) = match tail.as_bytes()[0] {
            b'<' => (tail.find('>'), 1),
            b'&' => (tail.find(';'), 1),
            _ => return Err("unexpected >".to_owned()),
        };
        let end = end.ok_or("unclosed mark")?;
        let name = &tail[length..end];
        if tail.starts_with('&') {
            text.push(match name {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                other => return Err(format!("unknown entity {other}")),
            });
        } else if let Some(closed) = name.strip_prefix('/') {
            if open.pop() != Some(closed) {
                return Err(format!("unexpected end tag {closed}"));
            }
        } else if ["b", "i", "u", "s", "code", "pre"].contains(&name) && open.last() != Some(&"code") {
            open.push(name);
        } else {
            return Err(format!("unsupported start tag {name}"));
        }
        rest = &tail[end + 1..];
    }
    text.push_str(rest);
    if open.is_empty() {
        Ok(text)
    } else {
        Err("unclosed tag".to_owned())
    }
}

fn options(api_url: &str, token: &str, chat_id: &str) -> NotifierOptions {
    NotifierOptions {
        telegram: Some(TelegramOptions {
            bot_token: Secret::new(token),
            chat_id: chat_id.to_owned(),
            api_url: api_url.to_owned(),
        }),
        ..NotifierOptions::default()
    }
}

#[tokio::test]
async fn a_message_arrives_as_it_was_written_whatever_stands_in_it() {
    let api = Shared::default();
    let notifier = notifier(&options(&start(&api).await, TOKEN, CHAT));
    let sku = "<b>x</b> & </code> &lt; @everyone /start";
    notifier
        .send(&message(Channel::Telegram, sku, 1), now())
        .await
        .unwrap();
    notifier
        .send_test(Channel::Telegram, "test", now())
        .await
        .unwrap();
    let texts = api.lock().unwrap().texts.clone();
    assert!(texts[0].contains(sku), "{}", texts[0]);
    assert!(texts[0].contains("Sklep <i>„Łódź”</i> & @syn"), "{}", texts[0]);
    assert!(
        texts[0].starts_with("🟠 Warning: The stock does not suffice\n"),
        "{}",
        texts[0]
    );
    assert!(texts[1].contains("Łódź, Ирина, <b>&amp;."), "{}", texts[1]);
}

#[tokio::test]
async fn a_message_of_very_many_alerts_fits_and_says_what_it_leaves_off() {
    let api = Shared::default();
    let notifier = notifier(&options(&start(&api).await, TOKEN, CHAT));
    for alerts in [1, 2, 7, 8, 9, 500] {
        notifier
            .send(&message(Channel::Telegram, &"&".repeat(200), alerts), now())
            .await
            .unwrap();
    }
    let texts = api.lock().unwrap().texts.clone();
    let told = texts[5].matches("Warning: The stock does not suffice").count();
    assert!(
        texts[5].ends_with(&format!("{} more alerts are left off here.", 500 - told)),
        "{}",
        texts[5]
    );
}

#[tokio::test]
async fn the_wait_that_telegram_asks_for_is_told() {
    let api = Shared::default();
    *api.lock().unwrap() = Api {
        too_many: 1,
        retry_after: 37,
        ..Api::default()
    };
    let notifier = notifier(&options(&start(&api).await, TOKEN, CHAT));
    let alert = message(Channel::Telegram, "KUB-330", 1);
    let error = failed(notifier.send(&alert, now()).await, TOKEN);
    let retry_after = Some(SignedDuration::from_secs(37));
    assert_eq!(error.failure, SendFailure::Passing { retry_after });
    notifier.send(&alert, now()).await.unwrap();
}

#[tokio::test]
async fn what_telegram_refuses_is_told_without_the_token() {
    let api = Shared::default();
    let address = start(&api).await;
    let alert = message(Channel::Telegram, "KUB-330", 1);
    for (token, chat, expected) in [
        ("99:wrong", CHAT, "401: Unauthorized"),
        (TOKEN, "-7", "400: Bad Request: chat not found"),
        (TOKEN, "-42", "set channels.telegram.chat_id to -1001234567890"),
    ] {
        let notifier = notifier(&options(&address, token, chat));
        let error = failed(notifier.send(&alert, now()).await, token);
        assert_eq!(error.failure, SendFailure::Refused);
        assert!(error.reason.contains(expected), "{error}");
    }
    let nobody = notifier(&options("http://127.0.0.1:9", TOKEN, CHAT));
    let error = failed(nobody.send(&alert, now()).await, TOKEN);
    assert_eq!(error.failure, SendFailure::Passing { retry_after: None });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_text_is_ever_refused(sku in "[^\\p{C}]{1,200}", alerts in 1_usize..12) {
        prop_assume!(!sku.trim().is_empty());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let api = Shared::default();
            let notifier = notifier(&options(&start(&api).await, TOKEN, CHAT));
            notifier.send(&message(Channel::Telegram, &sku, alerts), now()).await.unwrap();
        });
    }
}
