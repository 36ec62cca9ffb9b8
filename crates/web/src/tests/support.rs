//! A whole server without a socket, and asking it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use saldo_domain::ids::CountedIds;
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::text::Warehouse;
use saldo_engine::clock::VirtualClock;
use saldo_engine::settings::{Settings, lease_seconds};
use saldo_engine::{Engine, EngineOptions, StockSynchronizationService};
use saldo_store::memory::MemoryStore;
use saldo_store::query::{ApiKey, Role};
use saldo_store::{Rules, Store};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::orders_service::FakeOrdersService;
use crate::{WebOptions, api_key_hash, router};

pub(super) const ACCOUNT: &str = "6f652857-8798-5791-b345-f84d5a9ec333";
const FORM: &str = include_str!("../../../domain/tests/forms/one_line.json");

pub(super) struct World {
    pub(super) router: Router,
    pub(super) store: Arc<MemoryStore>,
    pub(super) remote: Arc<FakeOrdersService>,
    pub(super) service: StockSynchronizationService,
    _engine: Engine,
}

/// An answer.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answered {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(super) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or("").to_owned()
    }

    pub(super) fn pointers(&self) -> Vec<String> {
        let json = self.json();
        let errors = json["errors"].as_array().cloned().unwrap_or_default();
        errors
            .iter()
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Status and body, without what is another on every run.
    pub(super) fn shown(&self) -> String {
        let mut json = self.json();
        hide(&mut json);
        format!(
            "{}\n{}",
            self.status,
            serde_json::to_string_pretty(&json).unwrap()
        )
    }
}

/// Replaces moments and our own ids.
fn hide(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(hide),
        Value::Object(members) => members.values_mut().for_each(hide),
        Value::String(text) => {
            if text.parse::<Timestamp>().is_ok() {
                *text = "[moment]".to_owned();
            } else if uuid::Uuid::parse_str(text).is_ok_and(|id| id.get_version_num() == 7) {
                *text = "[id]".to_owned();
            }
        }
        _ => {}
    }
}

impl World {
    /// A server that needs no keys.
    pub(super) fn open() -> Self {
        Self::new(WebOptions {
            open: true,
            version: "1.2.3".to_owned(),
            ..WebOptions::default()
        })
    }

    /// A server with a key of each role: `saldo_viewer`, `saldo_operator`, `saldo_admin`.
    pub(super) async fn with_keys() -> Self {
        let world = Self::open();
        for (name, role) in [
            ("viewer", Role::Viewer),
            ("operator", Role::Operator),
            ("admin", Role::Admin),
        ] {
            world.put_key(name, role).await;
        }
        world
    }

    pub(super) async fn put_key(&self, name: &str, role: Role) {
        let hash = api_key_hash(&format!("saldo_{name}"));
        let key = ApiKey {
            name: name.to_owned(),
            role,
            hash,
            created_at: self.service.now(),
        };
        self.store.put_api_key(key).await.unwrap();
    }

    pub(super) fn new(options: WebOptions) -> Self {
        let settings = Settings::default();
        let default_warehouse = Warehouse::parse("Ирина").unwrap();
        let policy = Policy {
            default_warehouse: default_warehouse.clone(),
            deduct_when_bought: false,
            allow_negative: false,
            retry: RetryPolicy {
                jitter: false,
                ..RetryPolicy::default()
            },
            circuit_enabled: true,
            lease_seconds: lease_seconds(settings.call_timeout_ms),
            verify_after_seconds: 60,
            give_up_hours: 24,
            initial_mode: saldo_domain::rollout::Mode::On,
            start_from: None,
        };
        let rules = Rules {
            policy,
            ids: Box::new(CountedIds::default()),
        };
        let store = Arc::new(MemoryStore::new(rules));
        let remote = Arc::new(FakeOrdersService::default());
        let engine = Engine::start(EngineOptions {
            store: store.clone(),
            orders_service: remote.clone(),
            clock: Arc::new(VirtualClock::starting_at("2026-07-14T12:00:00Z".parse().unwrap())),
            seed: 1,
            default_warehouse,
            settings,
        });
        let service = engine.service();
        Self {
            router: router(service.clone(), options),
            store,
            remote,
            service,
            _engine: engine,
        }
    }

    pub(super) fn refuse_flags(&self) {
        self.remote.refuses_flags.store(true, Ordering::SeqCst);
    }

    pub(super) fn accept_flags(&self) {
        self.remote.refuses_flags.store(false, Ordering::SeqCst);
    }

    pub(super) fn stop_remote(&self) {
        self.remote.down.store(true, Ordering::SeqCst);
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        Answered {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    pub(super) async fn get(&self, path: &str) -> Answered {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answered {
        self.post_text(path, body.to_string()).await
    }

    pub(super) async fn post_text(&self, path: &str, body: impl Into<Body>) -> Answered {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Books ten of the SKU of [`order`].
    pub(super) async fn receive(&self) {
        let body = json!({ "lines": [{ "sku": "KUB-330-GRA", "warehouse": "Ирина", "quantity": 10 }] });
        let answer = self.post("/api/v1/stock/receipts", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }

    /// Posts [`order`], and answers with its operation's id.
    pub(super) async fn take_in(&self) -> String {
        let answer = self.post("/api/v1/stock-sync/orders", &order()).await;
        answer.json()["operation"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", answer.text))
            .to_owned()
    }
}

/// A whole checkout form of two of one SKU.
pub(super) fn form() -> Value {
    serde_json::from_str(FORM).unwrap()
}

/// An order to post.
pub(super) fn order() -> Value {
    json!({ "token_id": ACCOUNT, "order": form() })
}

/// An order of another id and line.
pub(super) fn order_number(number: usize) -> Value {
    let mut order = order();
    order["order"]["id"] = json!(format!("order-{number}"));
    order["order"]["lineItems"][0]["id"] = json!(format!("line-{number}"));
    order
}
