//! No secret ever comes into the log, whatever is logged and whatever fails; with the real program.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

#[path = "../../notify/tests/servers/bot_api.rs"]
mod bot_api;
#[path = "../../store-postgres/tests/support/cluster.rs"]
mod cluster;
#[path = "../../notify/tests/servers/marks.rs"]
mod marks;
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use cluster::Cluster;
use saldo_simulator::{Fault, FaultRule, Faults};
use serde_json::{Value, json};
use support::mail::{MailServer, SENDER};
use support::{Server, Simulated, form, saldo};
use uuid::Uuid;

const MAIL_PASSWORD: &str = "mail-password-of-the-test-Zq7";
const HOOK_SECRET: &str = "webhook-secret-of-the-test-Zq7";
/// Addresses of webhooks are often secrets themselves.
const HOOK_PATH: &str = "webhook-path-of-the-test-Zq7";
const COLLECTOR_KEY: &str = "collector-key-of-the-test-Zq7";
const DATABASE_PASSWORD: &str = "database-password-of-the-test-Zq7";
const WRONG_KEY: &str = "wrong-api-key-of-the-test-Zq7";
/// How every JSON Web Token begins.
const TOKEN_START: &str = "eyJ";
/// More than any disk has: an alert begins at the first look.
const ALERT: (&str, &str) = ("SALDO_ALERTS__LOW_DISK_SPACE__FREE_MIB", "9000000000000");
const WITHIN: Duration = Duration::from_secs(90);

/// What must stand nowhere, in any way that it may be written.
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn new(secrets: &[(&str, &str)]) -> Self {
        let mut written = vec![("a minted token".to_owned(), TOKEN_START.to_owned())];
        for (name, secret) in secrets {
            assert!(secret.len() > 15, "{name} is too short to be recognised");
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            written.push(((*name).to_owned(), (*secret).to_owned()));
            written.push((format!("{name} in hex"), hex));
            // As it stands within whatever is written in Base64, wherever in it: the letters that only it decides.
            for before in 0..3 {
                let encoded = BASE64_STANDARD_NO_PAD.encode([&[0; 2][..before], secret.as_bytes()].concat());
                let inner = &encoded[(before * 8).div_ceil(6)..encoded.len() - 2];
                written.push((format!("{name} in Base64"), inner.to_owned()));
            }
        }
        Self(written)
    }

    fn assert_absent(&self, place: &str, text: &str) {
        for (name, secret) in &self.0 {
            if let Some(position) = text.find(secret.as_str()) {
                let line = text[..position].rfind('\n').map_or(0, |end| end + 1);
                panic!(
                    "{name} stands in {place}: {}",
                    text[line..].lines().next().unwrap()
                );
            }
        }
    }
}

/// What a server does that answers nobody as it should.
#[derive(Clone, Copy)]
enum Manner {
    /// It quotes everything that it was told, with this status.
    Quotes(u16),
    /// It speaks another language.
    Babbles,
}

/// Such a server for HTTP; its port.
fn http_server(manner: Manner) -> u16 {
    serve(move |connection| {
        let mut reader = BufReader::new(connection.try_clone()?);
        let (mut told, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            told.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let Manner::Quotes(status) = manner else {
            return connection.write_all(b"220 \xff\x00 what is a POST?\r\n\r\n");
        };
        let path = told.split(' ').nth(1).unwrap_or_default().to_owned();
        let quoted = json!({ "detail": told, "description": told, "ok": false }).to_string();
        let length = quoted.len();
        let answer = format!(
            "HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:9{path}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{quoted}"
        );
        connection.write_all(answer.as_bytes())
    })
}

/// Such a server for mail, which offers one way to say who one is.
fn mail_server(mechanism: &'static str, manner: Manner) -> u16 {
    serve(move |connection| {
        if matches!(manner, Manner::Babbles) {
            return connection.write_all(b"HTTP/1.1 400 \xff\x00\r\n\r\n");
        }
        let mut reader = BufReader::new(connection.try_clone()?);
        connection.write_all(b"220 mail.example ESMTP\r\n")?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let answer = if line.starts_with("EHLO") {
                format!("250-mail.example\r\n250 AUTH {mechanism}\r\n")
            } else if line.starts_with("AUTH LOGIN") {
                "334 VXNlcm5hbWU6\r\n".to_owned()
            } else if line.trim() == BASE64_STANDARD_NO_PAD.encode("saldo@mail.example") {
                "334 UGFzc3dvcmQ6\r\n".to_owned()
            } else {
                format!("535 5.7.8 not understood: {}\r\n", line.trim())
            };
            connection.write_all(answer.as_bytes())?;
        }
    })
}

fn serve(talk: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let talk = Arc::new(talk);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let talk = Arc::clone(&talk);
            // A caller that hangs up early is one of the cases.
            std::thread::spawn(move || connection.and_then(|mut connection| talk(&mut connection)));
        }
    });
    port
}

/// Where the channels are, in one of their bad hours.
struct Channels {
    telegram: String,
    mail: String,
    webhook: String,
}

impl Channels {
    fn at(telegram: u16, mail: u16, webhook: u16) -> Self {
        Self {
            telegram: format!("http://127.0.0.1:{telegram}"),
            mail: format!("smtp://{SENDER}:{MAIL_PASSWORD}@127.0.0.1:{mail}?tls=none"),
            webhook: format!("http://127.0.0.1:{webhook}/{HOOK_PATH}"),
        }
    }

    fn settings(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("SALDO_LOG__FILTER", "trace"),
            ("SALDO_LOG__FORMAT", "json"),
            ("SALDO_CHANNELS__TELEGRAM__BOT_TOKEN", bot_api::TOKEN),
            ("SALDO_CHANNELS__TELEGRAM__CHAT_ID", bot_api::CHAT),
            ("SALDO_CHANNELS__TELEGRAM__API_URL", &self.telegram),
            ("SALDO_CHANNELS__EMAIL__SMTP_URL", &self.mail),
            ("SALDO_CHANNELS__EMAIL__FROM", "Saldo <saldo@mail.example>"),
            ("SALDO_CHANNELS__EMAIL__TO", "anna@firma.example"),
            ("SALDO_CHANNELS__WEBHOOK__URL", &self.webhook),
            ("SALDO_CHANNELS__WEBHOOK__SECRET", HOOK_SECRET),
        ]
    }
}

fn secrets(jwt_secret: &str, keys: &[&str]) -> Secrets {
    let (_, bot_key) = bot_api::TOKEN.split_once(':').unwrap();
    let mut secrets = vec![
        ("the secret of the orders service", jwt_secret),
        ("the token of the bot", bot_key),
        ("the password of mail", MAIL_PASSWORD),
        ("the secret of the webhook", HOOK_SECRET),
        ("the address of the webhook", HOOK_PATH),
        ("the key of the collector", COLLECTOR_KEY),
        ("the password of the database", DATABASE_PASSWORD),
        ("a wrong API key", WRONG_KEY),
    ];
    secrets.extend(keys.iter().map(|key| ("an API key", *key)));
    Secrets::new(&secrets)
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let secrets = Secrets::new(&[("the password", MAIL_PASSWORD)]);
    let plain = BASE64_STANDARD_NO_PAD.encode(format!("\0saldo@mail.example\0{MAIL_PASSWORD}"));
    let basic = BASE64_STANDARD_NO_PAD.encode(format!("saldo:{MAIL_PASSWORD}"));
    let alone = BASE64_STANDARD_NO_PAD.encode(MAIL_PASSWORD);
    let quoted = format!("smtp://x:{MAIL_PASSWORD}@y");
    for text in [plain, basic, alone, quoted, "Bearer eyJhbGciOi".to_owned()] {
        let told = std::panic::catch_unwind(|| secrets.assert_absent("a text", &format!("a\nb {text} c\nd")));
        assert!(told.is_err(), "{text}");
    }
    secrets.assert_absent("a text", "mail-password and Zq7");
}

/// An hour in which nothing works.
struct Hour {
    name: &'static str,
    orders_service: u16,
    channels: Channels,
    /// What is told of it, without what is secret in it.
    told: &'static str,
}

fn bad_hours(wrong_password: &MailServer) -> Vec<Hour> {
    const NOBODY: u16 = 9;
    let mut wrong = Channels::at(NOBODY, NOBODY, NOBODY);
    wrong.mail = wrong_password.url_with(MAIL_PASSWORD);
    let quoting = |status| http_server(Manner::Quotes(status));
    let quoting_mail = |mechanism| mail_server(mechanism, Manner::Quotes(535));
    let babbling = http_server(Manner::Babbles);
    let babbling_mail = mail_server("", Manner::Babbles);
    let hour = |name, orders_service, channels, told| Hour {
        name,
        orders_service,
        channels,
        told,
    };
    let refused = Channels::at(quoting(401), quoting_mail("PLAIN"), quoting(401));
    let failed = Channels::at(quoting(500), quoting_mail("LOGIN"), quoting(500));
    let moved = Channels::at(quoting(302), NOBODY, quoting(302));
    let strange = Channels::at(babbling, babbling_mail, babbling);
    vec![
        hour(
            "a wrong password, and nobody there",
            NOBODY,
            wrong,
            "no connection",
        ),
        hour(
            "refusals that quote the call",
            quoting(401),
            refused,
            "AUTH PLAIN [hidden]",
        ),
        hour(
            "failures that quote the call",
            quoting(500),
            failed,
            "understood: [hidden]",
        ),
        hour("redirections", quoting(302), moved, "302"),
        hour("another language", babbling, strange, "the connection was lost"),
    ]
}

async fn spend(hour: &Hour, simulated: &Simulated, secrets: &Secrets) {
    let (name, folder) = (hour.name, tempfile::tempdir().unwrap());
    let orders_service = format!("http://127.0.0.1:{}", hour.orders_service);
    let mut settings = hour.channels.settings();
    settings.push(("SALDO_ORDERS_SERVICE__BASE_URL", &orders_service));
    let mut doctor = saldo(folder.path());
    doctor
        .args(["--json", "doctor", "--send-test"])
        .envs(simulated.settings())
        .envs(settings.iter().copied());
    let output = tokio::process::Command::from(doctor).output().await.unwrap();
    let (told, log) = (text(&output.stdout), text(&output.stderr));
    let report: Value =
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{name}: {error}: {told}{log}"));
    let findings = report["findings"].as_array().unwrap().iter();
    let wrong = findings.filter(|finding| finding["area"] == "channels" && finding["result"] == "wrong");
    assert_eq!(wrong.count(), 3, "{name}: every channel fails: {told}");
    assert!(told.contains(hour.told), "{name}: {told}");
    secrets.assert_absent(&format!("what doctor says ({name})"), &told);
    secrets.assert_absent(&format!("what doctor says besides ({name})"), &log);

    settings.push(ALERT);
    let server = Server::start_with(folder.path(), simulated, &settings).await;
    server.receive("KUB-330", 10).await;
    let order = json!({ "token_id": simulated.account, "order": form(Uuid::from_u128(7), "KUB-330", 1) });
    let (status, answer) = server.post("/api/v1/stock-sync/orders", &order).await;
    assert_eq!(status, 202, "{name}: {answer}");
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    until(name, async || events(&log(), "not told yet").len() >= 3).await;
    let (_, status) = server.get("/api/v1/stock-sync/status").await;
    server.stop().await;
    let log = log();
    assert!(
        log.contains(hour.told) && log.contains("\"TRACE\""),
        "{name}: {log}"
    );
    secrets.assert_absent(&format!("the log ({name})"), &log);
    secrets.assert_absent(&format!("the status ({name})"), &status.to_string());
}

/// The events of a log that say something, each with the id of what it is about.
fn events(log: &str, said: &str) -> Vec<Value> {
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["message"] == said).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a receiver of webhooks got, and what it answers first.
#[derive(Default)]
struct Receiver {
    refusals: Vec<u16>,
    got: Vec<(HeaderMap, Bytes)>,
}

async fn start_receiver(receiver: &Arc<Mutex<Receiver>>) -> u16 {
    let receive = |State(receiver): State<Arc<Mutex<Receiver>>>, headers: HeaderMap, body: Bytes| async move {
        let mut receiver = receiver.lock().unwrap();
        receiver.got.push((headers, body));
        StatusCode::from_u16(receiver.refusals.pop().unwrap_or(204)).unwrap()
    };
    let router = axum::Router::new()
        .route(&format!("/{HOOK_PATH}"), axum::routing::post(receive))
        .with_state(Arc::clone(receiver));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

/// Waits for what must come.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let came = tokio::time::timeout(WITHIN, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(came.await.is_ok(), "{what}");
}

/// Makes an API key, and prints it nowhere but here.
fn key(folder: &Path, simulated: &Simulated) -> String {
    let output = saldo(folder)
        .args(["--json", "keys", "add", "anna", "--role", "admin"])
        .envs(simulated.settings())
        .output()
        .unwrap();
    let made: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    made["key"].as_str().unwrap().to_owned()
}

/// Asks a server with a key.
async fn ask(server: &Server, key: &str, method: reqwest::Method, path: &str, body: &Value) -> (u16, Value) {
    let request = support::http_client().request(method, format!("{}/api/v1{path}", server.api()));
    let answer = request.bearer_auth(key).json(body).send().await.unwrap();
    (
        answer.status().as_u16(),
        answer.json().await.unwrap_or(Value::Null),
    )
}

/// Posts orders while the service works, fails in every way, and is gone.
async fn orders(server: &Server, key: &str, simulated: Simulated) {
    let account = simulated.account;
    let post = async |number: u128| {
        let order = json!({ "token_id": account, "order": form(Uuid::from_u128(number), "KUB-330", 1) });
        let (status, told) = ask(server, key, reqwest::Method::POST, "/stock-sync/orders", &order).await;
        assert!(status < 300, "{status} {told}");
    };
    let line = json!({ "sku": "KUB-330", "warehouse": "Ирина", "quantity": 100 });
    let receipt = json!({ "lines": [line] });
    let (status, told) = ask(server, key, reqwest::Method::POST, "/stock/receipts", &receipt).await;
    assert!(status < 300, "{status} {told}");
    post(1).await;
    let faults = [
        Fault::InternalError,
        Fault::Unauthorized,
        Fault::GarbageBody,
        Fault::ConnectionClosed,
        Fault::AnswerCut,
    ];
    for (fault, number) in faults.into_iter().zip(2..) {
        let faults = Faults {
            rules: vec![FaultRule::always(fault)],
            ..Faults::default()
        };
        simulated.handle.control().set_faults(faults).unwrap();
        post(number).await;
    }
    drop(simulated);
    post(100).await;
}

/// The repeat of what was refused is the same message, and the example of the documentation verifies it.
fn assert_alert_arrived(receiver: &Arc<Mutex<Receiver>>, letters: &[Value]) {
    let got = receiver.lock().unwrap().got.clone();
    let header = |number: usize, name: &str| -> String {
        let headers: &HeaderMap = &got[number].0;
        headers[name].to_str().unwrap().to_owned()
    };
    assert_eq!(header(0, "webhook-id"), header(1, "webhook-id"));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/verify_webhook.py");
    let mut verification = std::process::Command::new("python3")
        .arg(example)
        .arg(HOOK_SECRET)
        .args(["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| header(1, name)))
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    verification.stdin.take().unwrap().write_all(&got[1].1).unwrap();
    assert!(verification.wait().unwrap().success());
    let subject = |letter: &Value| letter["headers"]["subject"].as_str().unwrap().to_owned();
    assert!(
        letters
            .iter()
            .any(|letter| subject(letter).contains("disk is nearly full")),
        "{letters:?}"
    );
    assert!(
        letters.iter().any(|letter| subject(letter).contains("report")),
        "{letters:?}"
    );
}

/// A server on PostgreSQL that wants a password, at trace level; and one that refuses it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_a_database_comes_into_no_log() {
    let hba = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let cluster = Cluster::start_listening(&[("hba.conf", hba)], &["hba_file = 'hba.conf'"]);
    let database = cluster.database().await;
    let change = format!("ALTER USER saldo PASSWORD '{DATABASE_PASSWORD}'");
    cluster
        .connect(&database)
        .await
        .batch_execute(&change)
        .await
        .unwrap();
    let simulated = Simulated::start().await;
    let secrets = secrets(&simulated.options.jwt_secret, &[]);
    let folder = tempfile::tempdir().unwrap();
    let url = |password: &str| {
        format!(
            "postgres://saldo:{password}@127.0.0.1:{}/{database}",
            cluster.port()
        )
    };
    let right = url(DATABASE_PASSWORD);
    let settings = [("SALDO_DATABASE", right.as_str()), ("SALDO_LOG__FILTER", "trace")];
    let server = Server::start_with(folder.path(), &simulated, &settings).await;
    server.receive("KUB-330", 10).await;
    let order = json!({ "token_id": simulated.account, "order": form(Uuid::from_u128(7), "KUB-330", 1) });
    let (status, told) = server.post("/api/v1/stock-sync/orders", &order).await;
    assert_eq!(status, 200, "{told}");
    server.stop().await;
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("TRACE") && log.contains("tokio_postgres"), "{log}");
    secrets.assert_absent("the log of the server", &log);

    // Refused: a wrong password, which is a part of the right one and more.
    let wrong = url(&format!("{DATABASE_PASSWORD}-and-more"));
    for (url, arguments) in [
        (&wrong, ["doctor", "--json"]),
        (&wrong, ["status", "--json"]),
        (&right, ["doctor", "--json"]),
    ] {
        let output = saldo(folder.path())
            .args(arguments)
            .envs(simulated.settings())
            .envs([("SALDO_DATABASE", url.as_str()), ("SALDO_LOG__FILTER", "trace")])
            .output()
            .unwrap();
        secrets.assert_absent("what the program prints", &text(&output.stdout));
        secrets.assert_absent("its log", &text(&output.stderr));
        assert_eq!(output.status.success(), *url == right, "{output:?}");
    }
}

/// They mostly wait, for answers that never come and until a refused message is tried again, so `scripts/test` runs them
/// beside the others.
mod waits {
    use super::*;

    /// With the orders service and every channel in a bad hour: `saldo doctor --send-test`, and a server at trace level that
    /// has an order to deliver and an alert to tell.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_channels_and_the_orders_service_answer_brings_no_secret_into_the_log() {
        let simulated = Simulated::start().await;
        let secrets = secrets(&simulated.options.jwt_secret, &[]);
        let wrong_password = MailServer::start("another-password", 0);
        let hours = bad_hours(&wrong_password);
        // A server looks for alerts once a minute: all of them wait for it together.
        futures::future::join_all(hours.iter().map(|hour| spend(hour, &simulated, &secrets))).await;
    }

    /// A server at trace level: orders, keys, a report by mail, and an alert that each channel refuses before it takes it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_that_does_everything_and_fails_at_it_logs_no_secret() {
        let simulated = Simulated::start().await;
        let folder = tempfile::tempdir().unwrap();
        let key = key(folder.path(), &simulated);
        let secrets = secrets(&simulated.options.jwt_secret, &[&key]);
        let bot = bot_api::Shared::default();
        bot.lock().unwrap().quoting = Some(502);
        let receiver = Arc::new(Mutex::new(Receiver {
            refusals: vec![503],
            ..Receiver::default()
        }));
        let mail = MailServer::start(MAIL_PASSWORD, 1);
        let channels = Channels {
            telegram: bot_api::start(&bot).await,
            mail: mail.url(),
            webhook: format!("http://127.0.0.1:{}/{HOOK_PATH}", start_receiver(&receiver).await),
        };
        let headers = format!("authorization=Bearer {COLLECTOR_KEY}");
        let mut settings = channels.settings();
        settings.extend([
            ALERT,
            ("SALDO_TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:9"),
            ("OTEL_EXPORTER_OTLP_HEADERS", &headers),
        ]);
        let server = Server::start_with(folder.path(), &simulated, &settings).await;
        let (status, _) = ask(
            &server,
            WRONG_KEY,
            reqwest::Method::GET,
            "/stock-sync/status",
            &json!({}),
        )
        .await;
        assert_eq!(status, 401);
        let letters = mail.letters(2);
        orders(&server, &key, simulated).await;
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
        let is_told = async || events(&log(), "told").len() >= 3;
        until("the alert does not arrive on each channel", is_told).await;
        let report = "/stock-sync/tasks/report/run";
        let (status, told) = ask(&server, &key, reqwest::Method::POST, report, &json!({})).await;
        assert_eq!(
            (status, &told["last_outcome"]),
            (200, &json!("succeeded")),
            "{told}"
        );
        let (letters, _mail) = tokio::time::timeout(WITHIN, letters).await.unwrap().unwrap();
        let (_, status) = ask(
            &server,
            &key,
            reqwest::Method::GET,
            "/stock-sync/status",
            &json!({}),
        )
        .await;
        let (_, alerts) = ask(
            &server,
            &key,
            reqwest::Method::GET,
            "/stock-sync/alerts",
            &json!({}),
        )
        .await;
        server.stop().await;

        let log = log();
        secrets.assert_absent("the log", &log);
        secrets.assert_absent("the status", &status.to_string());
        secrets.assert_absent("the alerts", &alerts.to_string());
        // The log tells everything, each failure among it: what is searched is not an empty file.
        for told in [
            "\"TRACE\"",
            "cannot POST /bot[hidden]/sendMessage",
            "451",
            "the receiver answered 503",
            "a report was made",
        ] {
            assert!(log.contains(told), "the log does not tell {told}");
        }
        assert_alert_arrived(&receiver, &letters);
        for said in ["not told yet", "told"] {
            let events = events(&log, said);
            let channels: BTreeSet<&str> = events
                .iter()
                .filter_map(|event| event["channel"].as_str())
                .collect();
            assert_eq!(
                channels,
                BTreeSet::from(["email", "telegram", "webhook"]),
                "{said}"
            );
            assert!(
                events.iter().all(|event| event["message_id"].is_string()),
                "{events:?}"
            );
        }
    }
}
