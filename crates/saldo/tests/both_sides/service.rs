//! The simulated orders service in a process of its own, and what happens there behind Saldo's back.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support;

/// A `saldo simulate orders-service` process.
pub(crate) struct Service {
    process: Child,
    started: Value,
    http: reqwest::Client,
}

impl Service {
    /// With three accounts, and no orders.
    pub(crate) fn start(folder: &Path) -> Self {
        let arguments = [
            "--json",
            "simulate",
            "orders-service",
            "--listen",
            "127.0.0.1:0",
            "--accounts",
            "3",
            "--orders",
            "0",
        ];
        let mut process = support::saldo(folder)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        let started = serde_json::Deserializer::from_reader(stdout)
            .into_iter()
            .next()
            .unwrap()
            .unwrap();
        Self {
            process,
            started,
            http: support::http_client(),
        }
    }

    /// How a `saldo` process reaches it.
    pub(crate) fn settings(&self) -> [(&'static str, String); 3] {
        let text = |name: &str| self.started[name].as_str().unwrap().to_owned();
        [
            ("SALDO_ORDERS_SERVICE__BASE_URL", text("base_url")),
            ("SALDO_ORDERS_SERVICE__JWT_SECRET", text("jwt_secret")),
            ("SALDO_ORDERS_SERVICE__USER_ID", text("user_id")),
        ]
    }

    pub(crate) fn account(&self, number: usize) -> Uuid {
        self.started["token_ids"][number]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    async fn control(&self, method: reqwest::Method, path: &str, body: &Value) -> Value {
        let base = self.started["base_url"].as_str().unwrap();
        let answer = self
            .http
            .request(method, format!("{base}/_simulator/{path}"))
            .json(body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn put_order(&self, account: Uuid, form: &Value) {
        let body = json!({ "token_id": account, "order": form });
        self.control(reqwest::Method::POST, "orders", &body).await;
    }

    /// Allegro alone has it so: the service's stored copy stays as it was.
    pub(crate) async fn put_live_order(&self, account: Uuid, form: &Value) {
        let body = json!({ "token_id": account, "order": form, "live_only": true });
        self.control(reqwest::Method::POST, "orders", &body).await;
    }

    pub(crate) async fn remove_order(&self, account: Uuid, order: Uuid) {
        let path = format!("orders/{account}/{order}");
        self.control(reqwest::Method::DELETE, &path, &Value::Null).await;
    }

    pub(crate) async fn set_flag(&self, account: Uuid, order: Uuid, flag: bool) {
        let body = json!({ "token_id": account, "order_id": order, "is_stock_updated": flag });
        self.control(reqwest::Method::POST, "flags", &body).await;
    }

    pub(crate) async fn set_faults(&self, faults: &Value) {
        self.control(reqwest::Method::PUT, "faults", faults).await;
    }

    pub(crate) async fn mend_single_orders(&self) {
        let body = json!({ "mended": true });
        self.control(reqwest::Method::PUT, "mended", &body).await;
    }

    /// Calls of an endpoint so far.
    pub(crate) async fn calls(&self, endpoint: &str) -> u64 {
        let calls = self.control(reqwest::Method::GET, "calls", &Value::Null).await;
        calls["calls"][endpoint].as_u64().unwrap()
    }

    /// Every order's flag.
    pub(crate) async fn flags(&self) -> BTreeMap<(Uuid, Uuid), bool> {
        let flags = self.control(reqwest::Method::GET, "flags", &Value::Null).await;
        let id = |value: &Value| value.as_str().unwrap().parse().unwrap();
        let rows = flags.as_array().unwrap().iter();
        rows.map(|row| {
            let key = (id(&row["token_id"]), id(&row["order_id"]));
            (key, row["is_stock_updated"].as_bool().unwrap())
        })
        .collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // A test that failed leaves no process behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
