//! Letters over SMTP, to a real mail server.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use saldo_domain::alert::Channel;
use saldo_notify::{Attachment, EmailOptions, Letter, NotifierOptions, Secret, SendFailure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::{at, failed, message, notifier, now};

const PASSWORD: &str = "p@ss/ł";

/// A running mail server, and who vouches for it.
struct MailServer {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u64,
    authority: Vec<u8>,
    _folder: tempfile::TempDir,
}

/// The Python of the tests: made by `scripts/setup`.
fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/python");
    assert!(
        python.exists(),
        "run scripts/setup first: it installs the mail server of this test"
    );
    python
}

impl MailServer {
    async fn start(encryption: &str, refusals: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let paths = [
            folder.path().join("certificate.pem"),
            folder.path().join("key.pem"),
        ];
        std::fs::write(&paths[0], certificate.pem()).unwrap();
        std::fs::write(&paths[1], key.serialize_pem()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/mail_server.py");
        let mut process = Command::new(python())
            .arg(script)
            .arg("--certificate")
            .arg(&paths[0])
            .arg("--key")
            .arg(&paths[1])
            .args(["--encryption", encryption, "--refusals", &refusals.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next_line().await.unwrap().unwrap();
        let first: Value = serde_json::from_str(&first).unwrap();
        Self {
            _process: process,
            lines,
            port: first["port"].as_u64().unwrap(),
            authority: authority.pem().into_bytes(),
            _folder: folder,
        }
    }

    fn options(&self, scheme: &str, password: &str, tail: &str) -> NotifierOptions {
        let port = self.port;
        NotifierOptions {
            email: Some(EmailOptions {
                smtp_url: Secret::new(format!(
                    "{scheme}://saldo%40mail.example:{password}@localhost:{port}{tail}"
                )),
                from: "Saldo <saldo@mail.example>".to_owned(),
                to: vec![
                    "anna@firma.example".to_owned(),
                    "Борис <boris@firma.example>".to_owned(),
                ],
                root_certificate_pem: self.authority.clone(),
            }),
            ..NotifierOptions::default()
        }
    }

    async fn letter(&mut self) -> Value {
        let line = self.lines.next_line().await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

#[tokio::test]
async fn a_letter_arrives_over_starttls_with_text_and_html() {
    let mut server = MailServer::start("starttls", 0).await;
    let notifier = notifier(&server.options("smtp", "p%40ss%2F%C5%82", ""));
    notifier
        .send(&message(Channel::Email, "KUB-330", 2), now())
        .await
        .unwrap();
    let letter = server.letter().await;
    assert_eq!(letter["user"], "saldo@mail.example");
    assert_eq!(letter["sender"], "saldo@mail.example");
    assert_eq!(
        letter["recipients"],
        serde_json::json!(["anna@firma.example", "boris@firma.example"])
    );
    assert_eq!(letter["defects"], serde_json::json!([]));
    assert_eq!(letter["type"], "multipart/alternative");
    let headers = &letter["headers"];
    assert_eq!(
        headers["subject"],
        "Saldo: Warning: The stock does not suffice (and one more)"
    );
    assert_eq!(
        headers["message-id"],
        "<00000000-0000-0000-0000-000003e55a6e@mail.example>"
    );
    assert_eq!(headers["auto-submitted"], "auto-generated");
    assert_eq!(headers["date"], "Fri, 15 Jan 2027 08:02:00 +0000");
    assert!(headers["to"].as_str().unwrap().contains("Борис"));
    let parts = letter["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 2);
    let text = parts[0]["text"].as_str().unwrap();
    assert_eq!(parts[0]["type"], "text/plain");
    assert!(
        text.contains("SKU KUB-330, warehouse Ирина: required 5, available 2, short 3"),
        "{text}"
    );
    assert!(text.contains("Sklep <i>„Łódź”</i> & @syn"), "{text}");
    let html = parts[1]["text"].as_str().unwrap();
    assert_eq!(parts[1]["type"], "text/html");
    assert!(
        html.contains("<code>Sklep &lt;i&gt;„Łódź”&lt;/i&gt; &amp; @syn</code>"),
        "{html}"
    );
}

#[tokio::test]
async fn a_letter_arrives_over_tls_from_the_start_with_what_is_attached() {
    let mut server = MailServer::start("tls", 0).await;
    let notifier = notifier(&server.options("smtps", "p%40ss%2F%C5%82", ""));
    let letter = Letter {
        id: "report-2027-02".to_owned(),
        written_at: at(0),
        subject: "Tygodniowy raport — Łódź".to_owned(),
        text: "Patrz załącznik.".to_owned(),
        html: "<p>Patrz załącznik.</p>".to_owned(),
        attachments: vec![Attachment {
            name: "raport Łódź.csv".to_owned(),
            content_type: "text/csv".to_owned(),
            bytes: b"a,b\r\n1,2\r\n".to_vec(),
        }],
    };
    notifier.send_letter(&letter).await.unwrap();
    let letter = server.letter().await;
    assert_eq!(letter["type"], "multipart/mixed");
    assert_eq!(letter["headers"]["subject"], "Tygodniowy raport — Łódź");
    let attached = &letter["parts"][2];
    assert_eq!(
        (&attached["type"], &attached["name"], &attached["bytes"]),
        (&"text/csv".into(), &"raport Łódź.csv".into(), &10.into())
    );
}

#[tokio::test]
async fn a_server_that_is_busy_is_tried_again_and_a_wrong_password_is_told() {
    let mut server = MailServer::start("starttls", 1).await;
    let letter = message(Channel::Email, "KUB-330", 1);
    let wrong = notifier(&server.options("smtp", "hush-hush", ""));
    let error = failed(wrong.send(&letter, now()).await, "hush-hush");
    assert_eq!(error.failure, SendFailure::Refused);
    assert!(error.reason.contains("535"), "{error}");
    let right = notifier(&server.options("smtp", "p%40ss%2F%C5%82", ""));
    let error = failed(right.send(&letter, now()).await, PASSWORD);
    assert_eq!(error.failure, SendFailure::Passing { retry_after: None });
    assert!(
        error.reason.contains("451") || error.reason.contains("Try again later"),
        "{error}"
    );
    right.send(&letter, now()).await.unwrap();
    assert_eq!(server.letter().await["user"], "saldo@mail.example");
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_nobody_vouches_for_or_that_does_not_encrypt() {
    let letter = message(Channel::Email, "KUB-330", 1);
    let server = MailServer::start("starttls", 0).await;
    let mut options = server.options("smtp", "p%40ss%2F%C5%82", "");
    if let Some(email) = &mut options.email {
        email.root_certificate_pem = MailServer::start("none", 0).await.authority;
    }
    failed(notifier(&options).send(&letter, now()).await, PASSWORD);

    let mut plain = MailServer::start("none", 0).await;
    let encrypted = notifier(&plain.options("smtp", "p%40ss%2F%C5%82", ""));
    failed(encrypted.send(&letter, now()).await, PASSWORD);
    // It takes letters when it is told that this is meant.
    let unencrypted = notifier(&plain.options("smtp", "p%40ss%2F%C5%82", "?tls=none"));
    unencrypted.send(&letter, now()).await.unwrap();
    assert_eq!(plain.letter().await["sender"], "saldo@mail.example");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let options = NotifierOptions {
        email: Some(EmailOptions {
            smtp_url: Secret::new(format!("smtp://u:hush@127.0.0.1:{port}?tls=none")),
            from: "saldo@mail.example".to_owned(),
            to: vec!["anna@firma.example".to_owned()],
            root_certificate_pem: Vec::new(),
        }),
        ..NotifierOptions::default()
    };
    let sent = notifier(&options)
        .send_test(Channel::Email, "test-1", now())
        .await;
    let error = failed(sent, "hush");
    assert_eq!(
        error.failure,
        SendFailure::Passing { retry_after: None },
        "{error}"
    );
}
