//! `saldo doctor --send-test`: every channel that is set up is tried over a real connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::bot_api;
use crate::mail::MailServer;
use crate::support::Folder;

/// A request: its headers, and its body.
type Asked = (String, Vec<u8>);

/// A server that answers every request with these lines; what it was asked comes out of the channel.
fn server(status: &'static str, body: &'static str) -> (String, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, received) = channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut bytes = vec![0; length];
            reader.read_exact(&mut bytes).unwrap();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            connection.write_all(answer.as_bytes()).unwrap();
            if asked.send((head, bytes)).is_err() {
                return;
            }
        }
    });
    (address, received)
}

fn channels(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["area"] == "channels")
        .map(|finding| {
            let text = |field: &str| finding[field].as_str().unwrap().to_owned();
            (text("result"), text("what"))
        })
        .collect()
}

fn doctor(folder: &Folder, arguments: &[&str], settings: &[(&str, &str)]) -> Value {
    let mut command = folder.command(&[&["--json", "doctor"], arguments].concat());
    let output = command.envs(settings.iter().copied()).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The stand-in for Telegram, which runs as long as the first value.
fn telegram() -> (tokio::runtime::Runtime, bot_api::Shared, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let api = bot_api::Shared::default();
    let address = runtime.block_on(bot_api::start(&api));
    (runtime, api, address)
}

/// Asks the documented example whether a request is Saldo's.
fn verifies(secret: &str, (head, body): &Asked) -> bool {
    let header = |name: &str| -> String {
        let line = head
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name}: {head}")).to_owned()
    };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/verify_webhook.py");
    let mut process = Command::new("python3")
        .arg(example)
        .arg(secret)
        .args(["webhook-id", "webhook-timestamp", "webhook-signature"].map(header))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(body).unwrap();
    process.wait().unwrap().success()
}

#[test]
fn a_test_message_goes_out_on_every_channel_that_is_set_up() {
    let folder = Folder::new();
    let (_runtime, api, telegram) = telegram();
    let (webhook, posted) = server("204 No Content", "");
    let mut mail = MailServer::start("open-sesame", 0);
    let smtp_url = mail.url();
    let settings = [
        ("SALDO_LANGUAGE", "pl"),
        ("SALDO_CHANNELS__TELEGRAM__BOT_TOKEN", bot_api::TOKEN),
        ("SALDO_CHANNELS__TELEGRAM__CHAT_ID", bot_api::CHAT),
        ("SALDO_CHANNELS__TELEGRAM__API_URL", telegram.as_str()),
        ("SALDO_CHANNELS__EMAIL__SMTP_URL", smtp_url.as_str()),
        ("SALDO_CHANNELS__EMAIL__FROM", "Saldo <saldo@mail.example>"),
        ("SALDO_CHANNELS__EMAIL__TO", "anna@firma.example"),
        ("SALDO_CHANNELS__WEBHOOK__URL", webhook.as_str()),
        ("SALDO_CHANNELS__WEBHOOK__SECRET", "hush-hush"),
    ];
    let quiet = channels(&doctor(&folder, &[], &settings));
    assert_eq!(quiet.len(), 3, "{quiet:?}");
    assert!(
        quiet
            .iter()
            .all(|(result, what)| result == "note" && what.contains("not tried"))
    );
    assert!(api.lock().unwrap().got.is_empty(), "nothing is sent unasked");

    let report = doctor(&folder, &["--send-test"], &settings);
    let expected = ["telegram", "email", "webhook"]
        .map(|channel| ("fine".to_owned(), format!("{channel} has taken a test message")));
    assert_eq!(channels(&report), expected);
    let got = api.lock().unwrap().got.clone();
    assert!(got[0].text.contains("wiadomość testowa"), "{got:?}");
    let letter = mail.next();
    assert_eq!(letter["recipients"], serde_json::json!(["anna@firma.example"]));
    assert!(
        letter["parts"][0]["text"]
            .as_str()
            .unwrap()
            .contains("wiadomość testowa"),
        "{letter}"
    );
    let posted = posted.recv().unwrap();
    assert!(verifies("hush-hush", &posted) && !verifies("hush", &posted));
    let body: Value = serde_json::from_slice(&posted.1).unwrap();
    assert_eq!(body["type"], "test");
    for secret in [bot_api::TOKEN, "open-sesame", "hush-hush"] {
        assert!(!report.to_string().contains(secret), "no secret is ever shown");
    }
}

#[test]
fn what_a_channel_refuses_is_wrong_and_no_channel_is_worth_knowing() {
    let folder = Folder::new();
    let none = channels(&doctor(&folder, &[], &[]));
    assert_eq!(none.len(), 1);
    assert!(none[0].1.contains("nobody is told"), "{none:?}");
    let (_runtime, _api, telegram) = telegram();
    let settings = |token, chat| {
        [
            ("SALDO_CHANNELS__TELEGRAM__BOT_TOKEN", token),
            ("SALDO_CHANNELS__TELEGRAM__CHAT_ID", chat),
            ("SALDO_CHANNELS__TELEGRAM__API_URL", telegram.as_str()),
        ]
    };
    for (token, chat, expected) in [
        (
            "99:wrong-but-as-long-as-a-token-has-to-be",
            bot_api::CHAT,
            "401: Unauthorized",
        ),
        (bot_api::TOKEN, "-7", "400: Bad Request: chat not found"),
        (
            bot_api::TOKEN,
            bot_api::BLOCKED_CHAT,
            "403: Forbidden: bot was blocked by the user",
        ),
    ] {
        let refused = channels(&doctor(&folder, &["--send-test"], &settings(token, chat)));
        assert_eq!(refused[0].0, "wrong");
        assert!(refused[0].1.contains(expected), "{refused:?}");
    }
}

#[test]
fn a_channel_that_cannot_be_used_keeps_the_server_from_starting() {
    let folder = Folder::new();
    folder.write("saldo.toml", "[channels.email]\nsmtp_url = \"mail.example\"\n");
    let ran = folder.run(&["serve"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("channels.email"), "{ran:?}");
}

#[test]
fn a_disk_with_less_room_than_there_should_be_is_found() {
    let folder = Folder::new();
    let findings = |free_mib: &str| -> Vec<(String, String)> {
        let report = doctor(
            &folder,
            &[],
            &[("SALDO_ALERTS__LOW_DISK_SPACE__FREE_MIB", free_mib)],
        );
        let told = report["findings"].as_array().unwrap().iter().map(|finding| {
            let word = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
            (word("result"), word("what"))
        });
        told.filter(|(_, what)| what.contains("free on its disk"))
            .collect()
    };
    folder.json(&["accounts", "add", crate::support::ACCOUNT, "--name", "shop"]);
    assert_eq!(findings("1")[0].0, "fine");
    let found = findings("9000000000000");
    assert_eq!(found[0].0, "wrong", "{found:?}");
    assert!(found[0].1.contains("at least 9000000000000 MiB"), "{found:?}");
}
