//! A receiver of webhooks. What it gets is verified by the example of the documentation.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use jiff::{SignedDuration, Timestamp};
use saldo_domain::alert::Channel;
use saldo_notify::{NotifierOptions, Secret, SendFailure, WebhookOptions};
use serde_json::Value;

use crate::support::{failed, message, notifier, now};

#[derive(Default)]
struct Receiver {
    /// What the next calls are answered with; then 204.
    answers: Vec<(u16, Option<&'static str>)>,
    got: Vec<(HeaderMap, Bytes)>,
}

type Shared = Arc<Mutex<Receiver>>;

async fn receive(State(receiver): State<Shared>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let mut receiver = receiver.lock().unwrap();
    receiver.got.push((headers, body));
    let (status, wait) = receiver.answers.pop().unwrap_or((204, None));
    let mut headers = HeaderMap::new();
    if let Some(wait) = wait {
        headers.insert("retry-after", wait.parse().unwrap());
        headers.insert("location", "http://127.0.0.1:9/".parse().unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), headers)
}

async fn start(receiver: &Shared, secret: &str) -> NotifierOptions {
    let router = Router::new()
        .route("/saldo", axum::routing::post(receive))
        .with_state(Arc::clone(receiver));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    NotifierOptions {
        webhook: Some(WebhookOptions {
            url: format!("http://{address}/saldo"),
            secret: Secret::new(secret),
        }),
        ..NotifierOptions::default()
    }
}

/// Asks the documented example.
fn verifies(secret: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/verify_webhook.py");
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let mut process = Command::new("python3")
        .arg(example)
        .args([
            secret,
            &header("webhook-id"),
            &header("webhook-timestamp"),
            &header("webhook-signature"),
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(body).unwrap();
    process.wait().unwrap().success()
}

#[tokio::test]
async fn the_documented_example_verifies_what_arrives_and_nothing_else() {
    for secret in ["any text – Łódź", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
        let receiver = Shared::default();
        let notifier = notifier(&start(&receiver, secret).await);
        notifier
            .send(&message(Channel::Webhook, "KUB-330", 2), now())
            .await
            .unwrap();
        let long_ago: Timestamp = now() - SignedDuration::from_mins(6);
        notifier
            .send(&message(Channel::Webhook, "KUB-330", 2), long_ago)
            .await
            .unwrap();
        let got = receiver.lock().unwrap().got.clone();
        let (headers, body) = &got[0];
        assert!(verifies(secret, headers, body));
        assert!(!verifies("another", headers, body));
        assert!(!verifies(secret, headers, &[body, &b" "[..]].concat()));
        assert!(!verifies(secret, &got[1].0, &got[1].1), "too old");
        assert_eq!(
            headers["webhook-id"], got[1].0["webhook-id"],
            "a repeat is known by its id"
        );
        assert_eq!(headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn a_program_is_told_the_facts_and_the_sentences() {
    let receiver = Shared::default();
    let notifier = notifier(&start(&receiver, "hush").await);
    notifier
        .send(&message(Channel::Webhook, "<b>", 1), now())
        .await
        .unwrap();
    notifier
        .send_test(Channel::Webhook, "test-1", now())
        .await
        .unwrap();
    let got = receiver.lock().unwrap().got.clone();
    let body: Value = serde_json::from_slice(&got[0].1).unwrap();
    insta::assert_json_snapshot!(body);
    let test: Value = serde_json::from_slice(&got[1].1).unwrap();
    assert_eq!((&test["type"], &test["id"]), (&"test".into(), &"test-1".into()));
}

#[tokio::test]
async fn what_a_receiver_answers_says_whether_to_try_again() {
    let alert = message(Channel::Webhook, "KUB-330", 1);
    let wait = |seconds: Option<i64>| SendFailure::Passing {
        retry_after: seconds.map(SignedDuration::from_secs),
    };
    for (answer, expected) in [
        ((503, None), wait(None)),
        ((429, Some("90")), wait(Some(90))),
        ((500, Some("tomorrow")), wait(None)),
        ((302, Some("1")), SendFailure::Refused),
        ((410, None), SendFailure::Refused),
        ((401, None), SendFailure::Refused),
    ] {
        let receiver = Shared::default();
        receiver.lock().unwrap().answers = vec![answer];
        let notifier = notifier(&start(&receiver, "hush").await);
        let error = failed(notifier.send(&alert, now()).await, "hush");
        assert_eq!(error.failure, expected, "{answer:?}");
        assert_eq!(
            receiver.lock().unwrap().got.len(),
            1,
            "never redirected, never repeated here"
        );
    }
}
