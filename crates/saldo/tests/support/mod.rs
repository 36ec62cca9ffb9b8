//! A real server process and a simulated orders service, for tests from outside.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod mail;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use saldo_simulator::{Fault, FaultRule, Faults, Simulator, SimulatorHandle, SimulatorOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

const READY_WITHIN: Duration = Duration::from_secs(30);
const DRAINED_WITHIN: Duration = Duration::from_secs(120);

/// A simulated orders service with one account and no orders.
pub(crate) struct Simulated {
    pub(crate) account: Uuid,
    pub(crate) handle: SimulatorHandle,
    pub(crate) options: SimulatorOptions,
}

impl Simulated {
    pub(crate) async fn start() -> Self {
        Self::start_with_accounts(1).await
    }

    /// The same with several accounts; `account` is the first.
    pub(crate) async fn start_with_accounts(accounts: u32) -> Self {
        let options = SimulatorOptions {
            accounts,
            orders_per_account: 0,
            ..SimulatorOptions::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let handle = Simulator::start(options.clone(), listener).unwrap();
        Self {
            account: handle.control().token_ids()[0],
            handle,
            options,
        }
    }

    /// How a `saldo` process reaches it.
    pub(crate) fn settings(&self) -> [(&'static str, String); 3] {
        [
            ("SALDO_ORDERS_SERVICE__BASE_URL", self.handle.base_url()),
            (
                "SALDO_ORDERS_SERVICE__JWT_SECRET",
                self.options.jwt_secret.clone(),
            ),
            ("SALDO_ORDERS_SERVICE__USER_ID", self.options.user_id.clone()),
        ]
    }

    pub(crate) fn delay_flag_calls_ms(&self, milliseconds: u64) {
        let mut faults = Faults::default();
        if milliseconds > 0 {
            faults.rules.push(FaultRule::always(Fault::Latency {
                fixed_ms: milliseconds,
                jitter_ms: 0,
            }));
        }
        self.handle.control().set_faults(faults).unwrap();
    }

    pub(crate) fn flag_calls_under_way(&self) -> u32 {
        self.handle.control().patches_under_way()
    }

    pub(crate) fn overlapping_flag_calls(&self) -> u32 {
        self.handle.control().overlapping_patches_max()
    }

    pub(crate) fn flag(&self, order: Uuid) -> bool {
        self.handle
            .control()
            .is_stock_updated(self.account, &order.to_string())
            .unwrap_or(false)
    }
}

/// A `saldo serve` process of its own.
pub(crate) struct Server {
    process: Child,
    api: String,
    http: reqwest::Client,
}

impl Server {
    /// Starts it on a folder's database, and waits until it is ready.
    pub(crate) async fn start(folder: &Path, simulated: &Simulated) -> Self {
        Self::start_with(folder, simulated, &[]).await
    }

    /// The same with further settings, as environment variables.
    pub(crate) async fn start_with(folder: &Path, simulated: &Simulated, settings: &[(&str, &str)]) -> Self {
        Self::start_against(folder, simulated.settings(), settings).await
    }

    /// The same against an orders service that runs wherever.
    pub(crate) async fn start_against(
        folder: &Path,
        orders_service: [(&str, String); 3],
        settings: &[(&str, &str)],
    ) -> Self {
        Self::start_program(Path::new(SALDO), folder, orders_service, settings).await
    }

    /// The same of whichever program, such as another version.
    pub(crate) async fn start_program(
        program: &Path,
        folder: &Path,
        orders_service: [(&str, String); 3],
        settings: &[(&str, &str)],
    ) -> Self {
        let named = settings.iter().find(|(name, _)| *name == "SALDO_LISTEN");
        let port = named.map_or_else(free_port, |(_, listen)| {
            listen.rsplit(':').next().unwrap().parse().unwrap()
        });
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        let process = command(program, folder)
            .arg("serve")
            .env("SALDO_LISTEN", format!("127.0.0.1:{port}"))
            .envs(orders_service)
            .env("SALDO_ORDERS_SERVICE__REQUESTS_PER_SECOND", "100000")
            .env("SALDO_RETRY__INITIAL_DELAY", "1")
            .env("SALDO_RETRY__MAX_DELAY", "2")
            .envs(settings.iter().copied())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self {
            process,
            api: format!("http://127.0.0.1:{port}"),
            http: http_client(),
        };
        server.wait_until_ready(folder).await;
        server
    }

    /// Starts it as a folder's own `saldo.toml` says, which listens on `port`; everything is asked with `key`.
    pub(crate) async fn start_as_set_up(folder: &Path, port: u16, key: &str) -> Self {
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let process = saldo(folder)
            .env_remove("SALDO_DATABASE")
            .arg("serve")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut bearer = reqwest::header::HeaderMap::new();
        bearer.insert("authorization", format!("Bearer {key}").parse().unwrap());
        drop(http_client());
        let mut server = Self {
            process,
            api: format!("http://127.0.0.1:{port}"),
            http: reqwest::Client::builder()
                .default_headers(bearer)
                .build()
                .unwrap(),
        };
        server.wait_until_ready(folder).await;
        server
    }

    async fn wait_until_ready(&mut self, folder: &Path) {
        let began = tokio::time::Instant::now();
        loop {
            let answer = self.http.get(format!("{}/readyz", self.api)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let ended = self.process.try_wait().unwrap();
            let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(ended.is_none(), "the server ended at start: {}", log());
            assert!(
                began.elapsed() < READY_WITHIN,
                "the server is not ready: {}",
                log()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn api(&self) -> String {
        self.api.clone()
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL: the process has no chance to do anything about it.
    pub(crate) fn kill_nine(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// SIGTERM, and waits for the graceful end.
    pub(crate) async fn stop(mut self) {
        let ended = Command::new("kill")
            .arg("-TERM")
            .arg(self.process.id().to_string())
            .status()
            .unwrap();
        assert!(ended.success());
        let status = tokio::task::spawn_blocking(move || self.process.wait().unwrap())
            .await
            .unwrap();
        assert!(status.success(), "the server did not stop cleanly: {status}");
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.http.get(format!("{}{path}", self.api)).send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json().await.unwrap_or(Value::Null),
        )
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self
            .http
            .post(format!("{}{path}", self.api))
            .json(body)
            .send()
            .await
            .unwrap();
        (
            answer.status().as_u16(),
            answer.json().await.unwrap_or(Value::Null),
        )
    }

    pub(crate) async fn receive(&self, sku: &str, quantity: i64) {
        let line = json!({ "sku": sku, "warehouse": "Ирина", "quantity": quantity });
        let (status, body) = self
            .post("/api/v1/stock/receipts", &json!({ "lines": [line] }))
            .await;
        assert!(status < 300, "{status} {body}");
    }

    pub(crate) async fn balance(&self, sku: &str) -> i64 {
        let (_, body) = self.get(&format!("/api/v1/stock/{sku}")).await;
        body["quantity"]
            .as_i64()
            .unwrap_or_else(|| panic!("no balance of {sku}: {body}"))
    }

    pub(crate) async fn order(&self, account: Uuid, order: Uuid) -> Option<Value> {
        let (status, body) = self
            .get(&format!("/api/v1/stock-sync/orders/{account}/{order}"))
            .await;
        (status == 200).then_some(body)
    }

    /// Waits until nothing waits for delivery.
    pub(crate) async fn drain(&self) {
        let began = tokio::time::Instant::now();
        loop {
            let (_, status) = self.get("/api/v1/stock-sync/status").await;
            let count = |name: &str| status["operations"][name].as_u64().unwrap();
            if count("pending") + count("processing") == 0 {
                return;
            }
            assert!(
                began.elapsed() < DRAINED_WITHIN,
                "the queue does not drain: {status}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that failed leaves no process behind; one that ended it already has nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The `saldo` binary.
pub(crate) const SALDO: &str = env!("CARGO_BIN_EXE_saldo");

/// It, with a folder's database and nothing of this machine's configuration.
pub(crate) fn saldo(folder: &Path) -> Command {
    command(Path::new(SALDO), folder)
}

fn command(program: &Path, folder: &Path) -> Command {
    // A user's own configuration, empty: the one of a Saldo that is installed on this machine is not looked for.
    let configuration = folder.join(".config/saldo");
    std::fs::create_dir_all(&configuration).unwrap();
    std::fs::write(configuration.join("saldo.toml"), "").unwrap();
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env(
            "SALDO_DATABASE",
            format!("sqlite://{}", folder.join("saldo.db").display()),
        )
        .stdin(Stdio::null());
    command
}

/// `saldo doctor` finds nothing wrong: every invariant holds on the database that was left behind.
pub(crate) fn assert_doctor_finds_nothing(folder: &Path, simulated: &Simulated) {
    assert_doctor_is_content(folder, simulated.settings());
}

/// The same against an orders service that runs wherever.
pub(crate) fn assert_doctor_is_content(folder: &Path, orders_service: [(&str, String); 3]) {
    let output = saldo(folder)
        .args(["doctor", "--json"])
        .envs(orders_service)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A client for plain HTTP on this machine.
pub(crate) fn http_client() -> reqwest::Client {
    // Another test of this process may have installed it already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// A ready form of one line.
pub(crate) fn form(order: Uuid, sku: &str, quantity: i64) -> Value {
    json!({
        "id": order,
        "status": "READY_FOR_PROCESSING",
        "lineItems": [{
            "id": Uuid::new_v5(&order, b"line"),
            "offer": { "id": "13445358955", "external": { "id": sku } },
            "quantity": quantity,
            "boughtAt": "2026-07-14T09:20:58.402Z",
        }],
        "updatedAt": "2026-07-14T09:21:43.118Z",
        "revision": "819b5836",
    })
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
