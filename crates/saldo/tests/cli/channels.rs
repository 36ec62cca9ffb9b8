//! `saldo doctor --send-test`: every channel that is set up is tried over a real connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::support::Folder;

/// A server that answers every request with these lines; what it was asked comes out of the channel.
fn server(status: &'static str, body: &'static str) -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, received) = channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
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
            if asked
                .send((first, serde_json::from_slice(&bytes).unwrap()))
                .is_err()
            {
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

#[test]
fn a_test_message_goes_out_on_every_channel_that_is_set_up() {
    let folder = Folder::new();
    let (telegram, told) = server("200 OK", r#"{"ok": true, "result": {}}"#);
    let (webhook, posted) = server("204 No Content", "");
    let settings = [
        ("SALDO_LANGUAGE", "pl"),
        ("SALDO_CHANNELS__TELEGRAM__BOT_TOKEN", "123:hush"),
        ("SALDO_CHANNELS__TELEGRAM__CHAT_ID", "-100"),
        ("SALDO_CHANNELS__TELEGRAM__API_URL", telegram.as_str()),
        ("SALDO_CHANNELS__WEBHOOK__URL", webhook.as_str()),
        ("SALDO_CHANNELS__WEBHOOK__SECRET", "hush-hush"),
    ];
    let quiet = channels(&doctor(&folder, &[], &settings));
    assert_eq!(quiet.len(), 2, "{quiet:?}");
    assert!(
        quiet
            .iter()
            .all(|(result, what)| result == "note" && what.contains("not tried"))
    );

    let report = doctor(&folder, &["--send-test"], &settings);
    let expected = ["telegram", "webhook"]
        .map(|channel| ("fine".to_owned(), format!("{channel} has taken a test message")));
    assert_eq!(channels(&report), expected);
    let (line, message) = told.recv().unwrap();
    assert!(line.starts_with("POST /bot123:hush/sendMessage"), "{line}");
    assert!(
        message["text"].as_str().unwrap().contains("wiadomość testowa"),
        "{message}"
    );
    assert_eq!(posted.recv().unwrap().1["type"], "test");
    assert!(!report.to_string().contains("hush"), "no secret is ever shown");
}

#[test]
fn what_a_channel_refuses_is_wrong_and_no_channel_is_worth_knowing() {
    let folder = Folder::new();
    let none = channels(&doctor(&folder, &[], &[]));
    assert_eq!(none.len(), 1);
    assert!(none[0].1.contains("nobody is told"), "{none:?}");
    let answer = r#"{"ok": false, "error_code": 401, "description": "Unauthorized"}"#;
    let (telegram, _told) = server("401 Unauthorized", answer);
    let settings = [
        ("SALDO_CHANNELS__TELEGRAM__BOT_TOKEN", "123:hush"),
        ("SALDO_CHANNELS__TELEGRAM__CHAT_ID", "-100"),
        ("SALDO_CHANNELS__TELEGRAM__API_URL", telegram.as_str()),
    ];
    let refused = channels(&doctor(&folder, &["--send-test"], &settings));
    assert_eq!(refused[0].0, "wrong");
    assert!(refused[0].1.contains("401: Unauthorized"), "{refused:?}");
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
