//! A real mail server of this computer, and what it took.
#![allow(dead_code, reason = "each user of it uses a part")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// Who may send letters, as it stands in an address.
pub(crate) const SENDER: &str = "saldo%40mail.example";

pub(crate) struct MailServer {
    process: Child,
    lines: BufReader<ChildStdout>,
    port: u64,
    password: String,
}

impl MailServer {
    /// Starts one without encryption that wants a password, and refuses the first letters for the time being.
    pub(crate) fn start(password: &str, refusals: u32) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python: PathBuf = root.join(".venv/bin/python");
        assert!(
            python.exists(),
            "run scripts/setup first: it installs the mail server"
        );
        let mut process = Command::new(python)
            .arg(root.join("crates/notify/tests/servers/mail_server.py"))
            .args(["--encryption", "none", "--password", password])
            .args(["--refusals", &refusals.to_string(), "--until-input-ends"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        let mut server = Self {
            process,
            lines,
            port: 0,
            password: password.to_owned(),
        };
        server.port = server.next()["port"].as_u64().unwrap();
        server
    }

    /// Its address, with the password that it wants.
    pub(crate) fn url(&self) -> String {
        self.url_with(&self.password)
    }

    /// Its address with another password, which must need no escape.
    pub(crate) fn url_with(&self, password: &str) -> String {
        format!("smtp://{SENDER}:{password}@127.0.0.1:{}?tls=none", self.port)
    }

    /// The letters that it takes next, read by a thread of their own: a letter is longer than a pipe.
    pub(crate) fn letters(mut self, count: usize) -> tokio::sync::oneshot::Receiver<(Vec<Value>, Self)> {
        let (read, letters) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let letters = (0..count).map(|_| self.next()).collect();
            // It still has to say that it took the last one.
            read.send((letters, self)).is_ok()
        });
        letters
    }

    /// The next letter that it takes.
    pub(crate) fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
