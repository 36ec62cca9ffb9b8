//! Callers that keep three instances busy, and what they know of each order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{form, http_client};

/// Few, so that orders collide on their rows.
pub(crate) const SKUS: [&str; 3] = ["SKU-A", "SKU-B", "SKU-C"];
pub(crate) const STOCK: i64 = 1_000_000;
const CALLERS: usize = 6;
/// A caller waits this long for an answer, and then asks another instance.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two orders of a caller, so that the machine has time for what it is tested for.
const PAUSE: Duration = Duration::from_millis(40);

/// An order of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    pub(crate) account: Uuid,
    pub(crate) id: Uuid,
}

/// What was ordered, and what must be taken of it in the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) sku: &'static str,
    pub(crate) quantity: i64,
    /// Known once every step of its story was acknowledged. Of one that was asked for once and not acknowledged it is
    /// not known: it is there whole, or not at all.
    pub(crate) taken: Option<i64>,
}

/// The callers of one fleet.
pub(crate) struct Load {
    apis: Mutex<Vec<String>>,
    known: Mutex<BTreeMap<Order, Known>>,
    acknowledged: AtomicUsize,
    /// Requests that were not acknowledged, whether they were asked again or not.
    unanswered: AtomicUsize,
    stopping: AtomicBool,
    accounts: Vec<Uuid>,
    callers: tokio::sync::Mutex<JoinSet<()>>,
}

impl Load {
    /// Orders of these accounts, before any is posted.
    pub(crate) fn of(accounts: Vec<Uuid>) -> Arc<Self> {
        Arc::new(Self {
            apis: Mutex::default(),
            known: Mutex::default(),
            acknowledged: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            accounts,
            callers: tokio::sync::Mutex::default(),
        })
    }

    /// Begins to post to the instances at these addresses.
    pub(crate) async fn begin(self: &Arc<Self>, apis: Vec<String>) {
        *self.apis.lock().unwrap() = apis;
        let mut callers = self.callers.lock().await;
        for number in 0..CALLERS {
            let caller = Caller {
                load: Arc::clone(self),
                http: http_client(),
                number,
            };
            callers.spawn(caller.run());
        }
    }

    /// An instance answers at another address now.
    pub(crate) fn moved(&self, instance: usize, api: String) {
        self.apis.lock().unwrap()[instance] = api;
    }

    /// Waits until so many more orders went their whole way.
    pub(crate) async fn goes_on_for(&self, orders: usize) {
        let wanted = self.acknowledged.load(Ordering::SeqCst) + orders;
        crate::until("the instances take orders", || async {
            if let Some(caller) = self.callers.lock().await.try_join_next() {
                caller.expect("a caller was answered as it must not be");
            }
            self.acknowledged.load(Ordering::SeqCst) >= wanted
        })
        .await;
    }

    /// No new orders; those that were begun are acknowledged to their end. Tells what is known of all of them.
    pub(crate) async fn end(&self) -> BTreeMap<Order, Known> {
        self.stopping.store(true, Ordering::SeqCst);
        let mut callers = self.callers.lock().await;
        let ended = async {
            while let Some(caller) = callers.join_next().await {
                caller.unwrap()
            }
        };
        tokio::time::timeout(crate::HEALED_WITHIN, ended)
            .await
            .expect("an order is still not acknowledged");
        std::mem::take(&mut *self.known.lock().unwrap())
    }

    /// How many requests were not acknowledged.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::SeqCst)
    }

    fn api(&self, instance: usize) -> String {
        let apis = self.apis.lock().unwrap();
        apis[instance % apis.len()].clone()
    }
}

struct Caller {
    load: Arc<Load>,
    http: reqwest::Client,
    number: usize,
}

impl Caller {
    async fn run(self) {
        for step in 0_usize.. {
            if self.load.stopping.load(Ordering::SeqCst) {
                return;
            }
            self.story(step).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One order, from its first post to what becomes of it.
    async fn story(&self, step: usize) {
        let accounts = &self.load.accounts;
        let account = accounts[step % accounts.len()];
        let order = Order {
            account,
            id: Uuid::new_v5(&account, format!("{}-{step}", self.number).as_bytes()),
        };
        let mut known = Known {
            sku: SKUS[(step + self.number) % SKUS.len()],
            quantity: 1 + i64::try_from(step % 3).unwrap(),
            taken: None,
        };
        self.load.known.lock().unwrap().insert(order, known);
        known.taken = match step % 8 {
            3 => self.rolled_back(order, known).await,
            5 => self.refunded(order, known).await,
            6 => self.single_line(order, known).await,
            7 => self.asked_for_once(order, known).await,
            _ => self.kept(order, known).await,
        };
        if known.taken.is_some() {
            self.load.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
        self.load.known.lock().unwrap().insert(order, known);
    }

    async fn kept(&self, order: Order, known: Known) -> Option<i64> {
        self.posted(order, known).await;
        Some(known.quantity)
    }

    async fn rolled_back(&self, order: Order, known: Known) -> Option<i64> {
        let answer = self.posted(order, known).await;
        let operation = answer["operation"]["id"].as_str().unwrap().to_owned();
        let path = format!("rollback/{operation}");
        self.insist(&path, &json!({ "reason": "a mistake" }), &operation)
            .await;
        Some(0)
    }

    async fn refunded(&self, order: Order, known: Known) -> Option<i64> {
        self.posted(order, known).await;
        let body = json!({
            "token_id": order.account, "order_id": order.id, "reason": "sent back",
            "lines": [{ "sku": known.sku, "quantity": known.quantity }],
        });
        self.insist("refunds", &body, &format!("refund-{}", order.id))
            .await;
        Some(0)
    }

    async fn single_line(&self, order: Order, known: Known) -> Option<i64> {
        let body = json!({
            "token_id": order.account, "order_id": order.id, "sku": known.sku, "quantity": known.quantity,
        });
        self.insist("deductions?wait=false", &body, &format!("line-{}", order.id))
            .await;
        Some(known.quantity)
    }

    /// Nobody asks again: what was not acknowledged is there, or is not.
    async fn asked_for_once(&self, order: Order, known: Known) -> Option<i64> {
        let answer = self
            .ask(self.number, "orders?wait=true", &form_of(order, known), None)
            .await;
        answer.map(|_| known.quantity)
    }

    /// Posts an order at two instances at once, and again until it is acknowledged.
    async fn posted(&self, order: Order, known: Known) -> Value {
        let body = form_of(order, known);
        let (one, other) = tokio::join!(
            self.ask(self.number, "orders?wait=false", &body, None),
            self.ask(self.number + 1, "orders?wait=true", &body, None)
        );
        match one.or(other) {
            Some(answer) => answer,
            None => self.insist_without_key("orders?wait=false", &body).await,
        }
    }

    async fn insist(&self, path: &str, body: &Value, key: &str) -> Value {
        for instance in self.number.. {
            if let Some(answer) = self.ask(instance, path, body, Some(key)).await {
                return answer;
            }
        }
        unreachable!("there is always a next instance")
    }

    async fn insist_without_key(&self, path: &str, body: &Value) -> Value {
        for instance in self.number.. {
            if let Some(answer) = self.ask(instance, path, body, None).await {
                return answer;
            }
        }
        unreachable!("there is always a next instance")
    }

    /// Asks one instance; none when it did not acknowledge.
    async fn ask(&self, instance: usize, path: &str, body: &Value, key: Option<&str>) -> Option<Value> {
        let url = format!("{}/api/v1/stock-sync/{path}", self.load.api(instance));
        let mut request = self.http.post(url).json(body).timeout(PATIENCE);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let acknowledged = async {
            let answer = request.send().await.ok()?;
            let status = answer.status();
            let body: Value = answer.json().await.ok()?;
            let may_pass = status.is_server_error() || status == 408;
            assert!(
                status.is_success() || may_pass,
                "{path} was answered {status} {body}"
            );
            status.is_success().then_some(body)
        }
        .await;
        if acknowledged.is_none() {
            self.load.unanswered.fetch_add(1, Ordering::SeqCst);
            // An instance that is down refuses at once.
            tokio::time::sleep(PAUSE).await;
        }
        acknowledged
    }
}

fn form_of(order: Order, known: Known) -> Value {
    json!({ "token_id": order.account, "order": form(order.id, known.sku, known.quantity) })
}
