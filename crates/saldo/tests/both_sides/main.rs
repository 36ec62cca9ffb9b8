//! Whatever goes wrong, in the end both sides agree about every order, or a person is asked the right question about
//! it; and no stock moved twice. With the real program, its database and the simulated service in processes of
//! their own, and `kill -9` in the midst of it.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod fates;
mod service;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use std::time::Duration;

use fates::{Fate, ORDERS, SKUS};
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use service::Service;
use support::Server;
use uuid::Uuid;

const RECEIVED: i64 = 1_000_000;
/// Calls under way at once, of the test.
const TOGETHER: usize = 8;
/// Saldo is killed after so many deliveries, of about 4,800.
const DELIVERIES_BEFORE_KILL: u64 = 1_500;
const SETTLED_WITHIN: Duration = Duration::from_secs(120);

/// An order of the plan.
#[derive(Clone)]
struct Planned {
    number: u64,
    fate: Fate,
    account: Uuid,
    order: Uuid,
    form: Value,
}

impl Planned {
    fn merged_order(&self) -> Uuid {
        Uuid::new_v5(&self.order, b"merged")
    }

    const fn is_posted(&self) -> bool {
        self.number.is_multiple_of(2)
    }
}

struct Town {
    folder: tempfile::TempDir,
    service: Service,
    orders: Vec<Planned>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_end_both_sides_agree_on_every_order_or_a_person_is_asked_and_no_stock_moved_twice() {
    let town = Town::build().await;
    let server = town.start_saldo().await;
    for number in 0..SKUS {
        server.receive(&fates::sku_of(number), RECEIVED).await;
    }
    let server = town.orders_are_taken_in(server).await;
    town.a_list_that_lies_changes_nothing(&server).await;
    town.some_are_rolled_back(&server).await;
    let server = town.trouble(server).await;
    let server = town.single_orders_can_be_asked_for(server).await;
    town.settle(&server).await;
    town.assert_end(&server).await;
    server.stop().await;
    support::assert_doctor_is_content(town.folder.path(), town.service.settings());
}

impl Town {
    async fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start(folder.path());
        let now = now();
        let planned = |number: u64| {
            let account = service.account(fates::account_of(number));
            let order = Uuid::new_v5(&account, &number.to_be_bytes());
            Planned {
                number,
                fate: Fate::of(number),
                account,
                order,
                form: fates::form(number, order, now),
            }
        };
        let orders = (0..ORDERS).map(planned).collect();
        let town = Self {
            folder,
            service,
            orders,
        };
        town.each(
            |one| one.fate != Fate::Late,
            async |town, one| {
                town.service.put_order(one.account, &one.form).await;
                if one.fate == Fate::DeductedElsewhere {
                    town.service.set_flag(one.account, one.order, true).await;
                }
            },
        )
        .await;
        town
    }

    /// Does something with some of the orders, several at once.
    async fn each(&self, wanted: impl Fn(&Planned) -> bool, act: impl AsyncFn(&Self, &Planned)) {
        let some = self.orders.iter().filter(|one| wanted(one));
        futures::stream::iter(some)
            .for_each_concurrent(TOGETHER, |one| act(self, one))
            .await;
    }

    async fn start_saldo(&self) -> Server {
        let settings = [
            ("SALDO_INTAKE__POLL_SECONDS", "1"),
            ("SALDO_RECONCILIATION__MISSING_AFTER_HOURS", "0"),
        ];
        Server::start_against(self.folder.path(), self.service.settings(), &settings).await
    }

    /// Half of the orders are posted, the other half is pulled, while the service is unreliable and Saldo is killed.
    async fn orders_are_taken_in(&self, server: Server) -> Server {
        self.service.set_faults(&unreliable()).await;
        self.post(&server).await;
        while self.service.calls("stock_status").await < DELIVERIES_BEFORE_KILL {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.kill_nine();
        let server = self.start_saldo().await;
        // What was posted once is posted again: its sender cannot know what became of it.
        self.post(&server).await;
        self.service.set_faults(&json!({})).await;
        // What slipped through between two pages is found by comparing.
        reconcile(&server).await;
        server.drain().await;
        let flags = self.service.flags().await;
        for one in &self.orders {
            let expected = one.fate.is_deducted_first() || one.fate == Fate::DeductedElsewhere;
            let flag = flags.get(&(one.account, one.order)).copied().unwrap_or(false);
            assert_eq!(flag, expected, "order {} ({:?})", one.number, one.fate);
        }
        server
    }

    async fn post(&self, server: &Server) {
        let posted = self.orders.iter().filter(|one| one.is_posted());
        let lines: Vec<String> = posted
            .map(|one| json!({ "token_id": one.account, "order": one.form }).to_string())
            .collect();
        let answer = support::http_client()
            .post(format!("{}/api/v1/stock-sync/orders/batch", server.api()))
            .header("content-type", "application/x-ndjson")
            .body(lines.join("\n"))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        let results = answer.text().await.unwrap();
        assert_eq!(results.lines().count(), lines.len());
        assert!(!results.contains("\"problem\""));
    }

    async fn a_list_that_lies_changes_nothing(&self, server: &Server) {
        let (flags, sent) = (
            self.service.flags().await,
            self.service.calls("stock_status").await,
        );
        let balances = balances(server).await;
        self.service.set_faults(&json!({ "lists_say_false": true })).await;
        let result = reconcile(server).await;
        assert_eq!(result["auto_fixed"], 0, "{result}");
        let error = result["error"].as_str().unwrap();
        assert!(error.contains("did not look right"), "{error}");
        self.service.set_faults(&json!({})).await;
        assert_eq!(self.service.calls("stock_status").await, sent);
        assert_eq!(
            (self.service.flags().await, crate::balances(server).await),
            (flags, balances)
        );
    }

    async fn some_are_rolled_back(&self, server: &Server) {
        self.each(
            |one| one.fate == Fate::FlagSet,
            async |_, one| {
                let known = server.order(one.account, one.order).await.unwrap();
                let operation = known["operations"][0]["id"].as_str().unwrap();
                let path = format!("/api/v1/stock-sync/rollback/{operation}");
                let (status, answer) = server
                    .post(&path, &json!({ "reason": "the buyer changed his mind" }))
                    .await;
                assert!(status < 300, "{status} {answer}");
            },
        )
        .await;
        server.drain().await;
    }

    /// Everything happens at once at the service, which fails at that; Saldo is killed while it compares.
    async fn trouble(&self, server: Server) -> Server {
        self.service.set_faults(&unreliable()).await;
        self.each(|_| true, async |town, one| town.disturb(one).await)
            .await;
        let begun = runs(&server).await.len();
        let asked = tokio::spawn({
            let url = format!("{}/api/v1/stock-sync/reconcile", server.api());
            async move {
                let request = support::http_client().post(url).json(&json!({}));
                request.send().await.map(|answer| answer.status())
            }
        });
        let run = loop {
            let runs = runs(&server).await;
            let checked = runs[0]["total_checked"].as_u64().unwrap();
            if runs.len() > begun && (100..ORDERS).contains(&checked) {
                break runs[0]["run_id"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        server.kill_nine();
        assert!(
            asked.await.unwrap().is_err(),
            "the run had ended before Saldo was killed"
        );
        let server = self.start_saldo().await;
        self.ended(&server, &run).await;
        self.service.set_faults(&outage()).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        self.service.set_faults(&json!({})).await;
        server
    }

    async fn ended(&self, server: &Server, run: &str) {
        let began = tokio::time::Instant::now();
        loop {
            let (_, told) = server
                .get(&format!("/api/v1/stock-sync/reconciliations/{run}"))
                .await;
            if told["outcome"] != "running" {
                assert!(told["total_checked"].as_u64() > Some(1_000), "{told}");
                return;
            }
            assert!(
                began.elapsed() < SETTLED_WITHIN,
                "the run is not taken up: {told}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn disturb(&self, one: &Planned) {
        let (service, account) = (&self.service, one.account);
        let (form, now) = (one.form.clone(), now());
        match one.fate {
            Fate::FlagCleared => service.set_flag(account, one.order, false).await,
            Fate::FlagSet => service.set_flag(account, one.order, true).await,
            Fate::Cancelled => service.put_order(account, &fates::cancelled(form, now)).await,
            Fate::CancelledAfterShipment => {
                let form = fates::cancelled(fates::sent(form), now);
                service.put_order(account, &form).await;
            }
            Fate::Revised => service.put_order(account, &fates::revised(form, now)).await,
            Fate::MergedInto => {
                let away = &self.orders[usize::try_from(one.number).unwrap() - 1];
                service.remove_order(account, away.order).await;
                service.remove_order(account, one.order).await;
                let form = fates::merged(&away.form, &form, one.merged_order(), now);
                service.put_order(account, &form).await;
            }
            Fate::Vanished => service.remove_order(account, one.order).await,
            Fate::Late => service.put_order(account, &form).await,
            Fate::Ordinary
            | Fate::DeductedElsewhere
            | Fate::Unreadable
            | Fate::CancelledAtAllegro
            | Fate::RevisedLater
            | Fate::MergedAway => {}
        }
    }

    /// The service is mended: what Allegro says now can be had.
    async fn single_orders_can_be_asked_for(&self, server: Server) -> Server {
        server.stop().await;
        self.service.mend_single_orders().await;
        let server = self.start_saldo().await;
        let began = tokio::time::Instant::now();
        loop {
            let (_, status) = server.get("/api/v1/stock-sync/status").await;
            if status["orders_service"]["live_orders"] == json!(true) {
                break;
            }
            assert!(began.elapsed() < SETTLED_WITHIN, "{status}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let wanted = |one: &Planned| matches!(one.fate, Fate::RevisedLater | Fate::CancelledAtAllegro);
        self.each(wanted, async |town, one| {
            let (form, now) = (one.form.clone(), now());
            if one.fate == Fate::RevisedLater {
                let form = fates::revised(form, now);
                return town.service.put_order(one.account, &form).await;
            }
            let form = fates::cancelled(form, now);
            town.service.put_live_order(one.account, &form).await;
            let body = json!({ "token_id": one.account, "order_id": one.order });
            // Circuits outlive a restart: while one is open the wish is kept, and fulfilled within minutes. Who asks
            // again is answered sooner.
            let began = tokio::time::Instant::now();
            loop {
                let (status, answer) = server.post("/api/v1/stock-sync/webhook", &body).await;
                assert!(status < 300, "{status} {answer}");
                if !answer["operation"].is_null() {
                    break;
                }
                assert!(began.elapsed() < SETTLED_WITHIN, "{answer}");
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        })
        .await;
        server
    }

    /// Until a run finds nothing that it could mend.
    async fn settle(&self, server: &Server) {
        // In two complete runs what vanished is missing.
        for _ in 0..2 {
            reconcile(server).await;
            server.drain().await;
        }
        let result = reconcile(server).await;
        assert_eq!(result["error"], Value::Null);
        assert_eq!(result["auto_fixed"], 0, "{}", result["discrepancies"]);
        server.drain().await;
    }

    async fn assert_end(&self, server: &Server) {
        let flags = self.service.flags().await;
        let mut asked = open_reviews(server).await;
        let ends: Vec<(Planned, Option<Value>)> = futures::stream::iter(self.orders.clone())
            .map(async |one| {
                let known = server.order(one.account, one.order).await;
                (one, known)
            })
            .buffered(TOGETHER)
            .collect()
            .await;
        let mut taken: BTreeMap<String, i64> = BTreeMap::new();
        for (one, known) in ends {
            let told = format!("order {} ({:?}): {known:?}", one.number, one.fate);
            let own = asked.remove(&(one.account, one.order)).unwrap_or_default();
            assert!(own.len() <= 1, "{own:?}: {told}");
            let flag = flags.get(&(one.account, one.order)).copied().unwrap_or(false);
            let units = known.as_ref().map_or(0, units_of);
            let end = (units, flag, own.first().map(String::as_str));
            assert!(one.fate.ends().contains(&end), "{end:?}: {told}");
            *taken.entry(fates::sku_of(one.number)).or_default() += units;
            if one.fate == Fate::Ordinary {
                let operations = known.as_ref().unwrap()["operations"].as_array().unwrap();
                assert_eq!(operations.len(), 1, "it moved stock more than once: {told}");
            }
            if one.fate == Fate::MergedInto {
                let merged = server.order(one.account, one.merged_order()).await.unwrap();
                assert_eq!(units_of(&merged), 2, "{merged}");
                assert!(flags[&(one.account, one.merged_order())], "{merged}");
                *taken.entry(fates::sku_of(one.number)).or_default() += 1;
                *taken.entry(fates::sku_of(one.number - 1)).or_default() += 1;
            }
        }
        assert!(asked.is_empty(), "{asked:?}");
        let expected: BTreeMap<String, i64> = taken
            .into_iter()
            .map(|(sku, taken)| (sku, RECEIVED - taken))
            .collect();
        assert_eq!(balances(server).await, expected);
    }
}

fn units_of(order: &Value) -> i64 {
    let lines = order["lines"].as_array().unwrap().iter();
    lines.map(|line| line["taken"].as_i64().unwrap()).sum()
}

/// Calls fail, are lost or lie, here and there; pages slip.
fn unreliable() -> Value {
    let rule = |endpoint: &str, fault: &str, probability: f64| json!({ "endpoint": endpoint, "fault": fault, "probability": probability });
    let slip = |rows: i64| json!({ "endpoint": "orders_list", "fault": "page_slipped", "rows": rows, "probability": 0.1 });
    json!({ "rule": [
        rule("stock_status", "unavailable", 0.02),
        rule("stock_status", "answer_lost", 0.02),
        rule("stock_status", "success_false", 0.02),
        rule("technical_flags", "internal_error", 0.02),
        json!({ "endpoint": "orders_list", "fault": "success_false", "after_calls": 9, "calls": 4 }),
        slip(3),
        slip(-3),
    ] })
}

fn outage() -> Value {
    json!({ "rule": [{ "fault": "unavailable" }] })
}

/// Reconciles as a person would: who is told that the service cannot be used now asks again a little later.
async fn reconcile(server: &Server) -> Value {
    let began = tokio::time::Instant::now();
    loop {
        let (status, result) = server.post("/api/v1/stock-sync/reconcile", &json!({})).await;
        assert_eq!(status, 200, "{result}");
        let error = result["error"].as_str().unwrap_or_default();
        let is_out = result["outcome"] == "failed" && error.contains("cannot be used now");
        if !is_out || began.elapsed() > Duration::from_secs(60) {
            assert_eq!(result["outcome"], "completed", "{result}");
            return result;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn runs(server: &Server) -> Vec<Value> {
    let (_, body) = server.get("/api/v1/stock-sync/reconciliations").await;
    body["items"].as_array().unwrap().clone()
}

async fn balances(server: &Server) -> BTreeMap<String, i64> {
    let (_, body) = server.get("/api/v1/stock/?limit=500").await;
    let balances = body["items"].as_array().unwrap().iter();
    balances
        .map(|balance| {
            let sku = balance["sku"].as_str().unwrap().to_owned();
            (sku, balance["quantity"].as_i64().unwrap())
        })
        .collect()
}

/// The reasons of the open reviews of each order.
async fn open_reviews(server: &Server) -> BTreeMap<(Uuid, Uuid), BTreeSet<String>> {
    let mut reviews: BTreeMap<(Uuid, Uuid), BTreeSet<String>> = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/stock-sync/reviews?status=open&limit=500{cursor}");
        let (_, body) = server.get(&path).await;
        for review in body["items"].as_array().unwrap() {
            let id = |name: &str| review[name].as_str().unwrap().parse().unwrap();
            let reason = review["reason"].as_str().unwrap().to_owned();
            let key = (id("token_id"), id("order_id"));
            reviews.entry(key).or_default().insert(reason);
        }
        match body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return reviews,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the program that is tested has the real clock as well"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
