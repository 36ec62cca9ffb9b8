//! Running the program in a folder of its own.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// An account that no service knows.
pub(crate) const ACCOUNT: &str = "6f652857-8798-5791-b345-f84d5a9ec333";

/// A folder in which the program runs. Its orders service is a port where nobody listens.
pub(crate) struct Folder(pub(crate) TempDir);

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    /// An empty folder, with an empty configuration where a user's own is looked for: so that the one of a Saldo that is
    /// installed on this machine, and its database, are out of reach.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("saldo")).unwrap();
        std::fs::write(folder.path().join("saldo/saldo.toml"), "").unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes a ledger in which nothing has happened.
    pub(crate) fn begin_ledger(&self) {
        self.json(&["accounts", "add", ACCOUNT, "--name", "shop"]);
    }

    /// The names of the database, and of the files beside it, that are there.
    pub(crate) fn databases(&self) -> Vec<String> {
        std::fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("saldo.db"))
            .collect()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// The program with its arguments, in an environment without settings.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saldo"));
        let strangers = std::env::vars()
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("SALDO_"));
        for name in strangers.chain(["RUST_LOG".to_owned(), "NOTIFY_SOCKET".to_owned()]) {
            command.env_remove(name);
        }
        command
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.path())
            .env("SALDO_ORDERS_SERVICE__BASE_URL", "http://127.0.0.1:9")
            .env(
                "SALDO_ORDERS_SERVICE__JWT_SECRET",
                "a-secret-of-32-bytes-or-a-bit-more",
            )
            .args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        ran(child.wait_with_output().unwrap())
    }

    /// The same, which must end well, with its JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[&["--json"], arguments].concat());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {ran:?}"))
    }
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A `saldo serve` that is stopped when it is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts one and waits until it says where it listens.
    pub(crate) fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let log = std::fs::File::create(folder.path().join("server.log")).unwrap();
        let announced = std::fs::File::create(folder.path().join("server.out")).unwrap();
        let mut all = [&["serve"], arguments].concat();
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        let mut child = folder
            .command(&all)
            .stdout(announced)
            .stderr(log)
            .spawn()
            .unwrap();
        let began = Instant::now();
        loop {
            let text = std::fs::read_to_string(folder.path().join("server.out")).unwrap();
            if let Some(address) = text.trim().strip_prefix("saldo listens on ") {
                return Self {
                    child,
                    address: address.to_owned(),
                };
            }
            let log = || std::fs::read_to_string(folder.path().join("server.log")).unwrap();
            assert!(child.try_wait().unwrap().is_none(), "the server ended: {}", log());
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "the server does not start: {}",
                log()
            );
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been stopped by the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A checkout form of one line.
pub(crate) fn form(order: &str, sku: &str, quantity: u32) -> Value {
    json!({
        "id": order,
        "status": "READY_FOR_PROCESSING",
        "updatedAt": "2026-01-31T10:00:00Z",
        "revision": "1",
        "lineItems": [{
            "id": format!("line-{order}"),
            "offer": { "id": "15234567890", "external": { "id": sku } },
            "quantity": quantity,
        }],
    })
}
