//! Telegram: what is sent to a stand-in that keeps the rules of the Bot API.

use axum::http::StatusCode;
use jiff::SignedDuration;
use proptest::prelude::*;
use saldo_domain::alert::{Channel, Occasion};
use saldo_notify::{NotifierOptions, Secret, SendFailure, TelegramOptions};
use serde_json::{Value, json};

use crate::bot_api::{BLOCKED_CHAT, CHAT, MIGRATED_CHAT, Shared, TOKEN, start};
use crate::support::{failed, message, notifier, now};

fn texts(api: &Shared) -> Vec<String> {
    let got = api.lock().unwrap().got.clone();
    got.into_iter().map(|got| got.text).collect()
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
    let texts = texts(&api);
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
    let texts = texts(&api);
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
    api.lock().unwrap().too_many = Some(37);
    let notifier = notifier(&options(&start(&api).await, TOKEN, CHAT));
    let alert = message(Channel::Telegram, "KUB-330", 1);
    let error = failed(notifier.send(&alert, now()).await, TOKEN);
    let retry_after = Some(SignedDuration::from_secs(37));
    assert_eq!(error.failure, SendFailure::Passing { retry_after });
    assert!(error.reason.contains("429"), "{error}");
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(37)).await;
    tokio::time::resume();
    notifier.send(&alert, now()).await.unwrap();
    assert_eq!(api.lock().unwrap().impatient, 0);
}

#[tokio::test]
async fn what_telegram_refuses_is_told_without_the_token() {
    let api = Shared::default();
    let address = start(&api).await;
    let alert = message(Channel::Telegram, "KUB-330", 1);
    for (token, chat, expected) in [
        ("99:wrong", CHAT, "404: Not Found"),
        (
            "99:wrong-but-as-long-as-a-token-has-to-be",
            CHAT,
            "401: Unauthorized",
        ),
        (TOKEN, "-7", "400: Bad Request: chat not found"),
        (TOKEN, BLOCKED_CHAT, "403: Forbidden: bot was blocked by the user"),
        (
            TOKEN,
            MIGRATED_CHAT,
            "set channels.telegram.chat_id to -1001234567890",
        ),
    ] {
        let notifier = notifier(&options(&address, token, chat));
        let error = failed(notifier.send(&alert, now()).await, token);
        assert_eq!(error.failure, SendFailure::Refused);
        assert!(error.reason.contains(expected), "{error}");
    }
    for (status, failure) in [
        (404, SendFailure::Refused),
        (502, SendFailure::Passing { retry_after: None }),
    ] {
        api.lock().unwrap().quoting = Some(status);
        let error = failed(
            notifier(&options(&address, TOKEN, CHAT))
                .send(&alert, now())
                .await,
            TOKEN,
        );
        assert_eq!(error.failure, failure);
        assert!(error.reason.contains("cannot POST /bot"), "{error}");
    }
    let nobody = notifier(&options("http://127.0.0.1:9", TOKEN, CHAT));
    let error = failed(nobody.send(&alert, now()).await, TOKEN);
    assert_eq!(error.failure, SendFailure::Passing { retry_after: None });
}

/// What the stand-in answers to a call as it is.
async fn call(address: &str, token: &str, body: &Value) -> (StatusCode, String) {
    let answer = reqwest::Client::new()
        .post(format!("{address}/bot{token}/sendMessage"))
        .json(body)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["ok"] == true, status.is_success());
    assert!(status.is_success() || body["error_code"] == status.as_u16());
    (
        status,
        body["description"].as_str().unwrap_or_default().to_owned(),
    )
}

/// Without this, a stand-in that takes everything would make every other test here pass.
#[tokio::test]
async fn the_stand_in_keeps_telegram_s_rules() {
    let api = Shared::default();
    let address = start(&api).await;
    // Readies the cryptography that any client wants to be there.
    drop(notifier(&options(&address, TOKEN, CHAT)));
    let long = |letter: &str, count: usize| letter.repeat(count);
    for (text, mode, refusal) in [
        ("plain <b> & _".to_owned(), Value::Null, ""),
        ("<b>bold &lt;&amp;&gt; &#60;</b>".to_owned(), json!("HTML"), ""),
        ("<b>bold</i>".to_owned(), json!("HTML"), "Unexpected end tag"),
        ("<b>bold".to_owned(), json!("HTML"), "Can't find end tag"),
        (
            "<font>x</font>".to_owned(),
            json!("HTML"),
            "Unsupported start tag",
        ),
        ("a < b".to_owned(), json!("HTML"), "Unclosed start tag"),
        ("a &copy; b".to_owned(), json!("HTML"), "Unknown entity"),
        ("*bold* \\. `a.b`".to_owned(), json!("MarkdownV2"), ""),
        ("1.5".to_owned(), json!("MarkdownV2"), "'.' is reserved"),
        ("KUB-330".to_owned(), json!("MarkdownV2"), "'-' is reserved"),
        ("*bold".to_owned(), json!("MarkdownV2"), "Can't find end"),
        ("x".to_owned(), json!("BBCode"), "unsupported parse_mode"),
        ("  ".to_owned(), Value::Null, "message text is empty"),
        ("<b></b>".to_owned(), json!("HTML"), "message text is empty"),
        (long("я", 4_096), Value::Null, ""),
        (long("я", 4_097), Value::Null, "message is too long"),
        (long("🔴", 2_049), Value::Null, "message is too long"),
        (long("&lt;", 4_096), json!("HTML"), ""),
    ] {
        let body = json!({"chat_id": CHAT, "text": text, "parse_mode": mode});
        let (status, description) = call(&address, TOKEN, &body).await;
        if refusal.is_empty() {
            assert_eq!((status, description.as_str()), (StatusCode::OK, ""), "{text}");
        } else {
            assert_eq!(status, StatusCode::BAD_REQUEST, "{text}");
            assert!(description.contains(refusal), "{text}: {description}");
        }
    }
    assert_eq!(texts(&api).len(), 5, "what was refused reached nobody");
    let text = |chat: Value| json!({"chat_id": chat, "text": "x"});
    let unknown = "1:000000000000000000000000000000";
    for (token, chat, status) in [
        (TOKEN, json!(-1_001_234_567_890_i64), 200),
        (TOKEN, json!("-7"), 400),
        (TOKEN, Value::Null, 400),
        (TOKEN, json!(BLOCKED_CHAT), 403),
        (unknown, json!(CHAT), 401),
        ("no-token", json!(CHAT), 404),
    ] {
        assert_eq!(call(&address, token, &text(chat)).await.0.as_u16(), status);
    }
    api.lock().unwrap().too_many = Some(30);
    for _ in 0..2 {
        let (status, description) = call(&address, TOKEN, &text(json!(CHAT))).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert!(description.contains("retry after 30"), "{description}");
    }
    assert_eq!(
        api.lock().unwrap().impatient,
        1,
        "who does not wait is told again"
    );
}

/// Relief makes no sound, and trouble does.
#[tokio::test]
async fn a_message_rings_unless_it_brings_nothing_but_relief() {
    let api = Shared::default();
    let notifier = notifier(&options(&start(&api).await, TOKEN, CHAT));
    let mut alert = message(Channel::Telegram, "KUB-330", 1);
    notifier.send(&alert, now()).await.unwrap();
    alert.entries[0].occasion = Occasion::Ended;
    notifier.send(&alert, now()).await.unwrap();
    let silent: Vec<bool> = api.lock().unwrap().got.iter().map(|got| got.is_silent).collect();
    assert_eq!(silent, [false, true]);
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
