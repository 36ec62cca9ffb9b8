//! Each fault, seen from a caller.

#![expect(
    clippy::unwrap_used,
    reason = "these are helpers of tests, and a failed one is a failed test"
)]

mod support;

use std::time::Duration;

use reqwest::{Client, Method, Response};
use saldo_simulator::{Faults, SimulatorHandle, SimulatorOptions};
use serde_json::{Value, json};
use support::{bearer, client, install_tls, start};
use tokio::time::Instant;
use uuid::Uuid;

/// A simulator, one of its orders, and a caller.
struct Bench {
    handle: SimulatorHandle,
    client: Client,
    bearer: String,
    token_id: Uuid,
    order_id: String,
}

impl Bench {
    fn new() -> Self {
        Self::with(SimulatorOptions {
            accounts: 2,
            orders_per_account: 30,
            ..SimulatorOptions::default()
        })
    }

    fn with(options: SimulatorOptions) -> Self {
        install_tls();
        let bearer = bearer(&options);
        let handle = start(options);
        let token_id = handle.control().token_ids()[0];
        let state = handle.control().state(Some(token_id), false);
        let order_id = state["accounts"][0]["orders"][0]["order_id"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        Self {
            handle,
            client: client(),
            bearer,
            token_id,
            order_id,
        }
    }

    fn faults(&self, toml: &str) {
        self.handle
            .control()
            .set_faults(Faults::from_toml(toml).unwrap())
            .unwrap();
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let separator = if path.contains('?') { '&' } else { '?' };
        let url = format!(
            "{}{path}{separator}token_id={}",
            self.handle.base_url(),
            self.token_id
        );
        self.client
            .request(method, url)
            .header("authorization", &self.bearer)
    }

    async fn list(&self) -> Response {
        self.request(Method::GET, "/api/v1/orders/?limit=5")
            .send()
            .await
            .unwrap()
    }

    async fn patch(&self) -> Result<Response, reqwest::Error> {
        let path = format!("/api/v1/orders/{}/stock-status", self.order_id);
        self.request(Method::PATCH, &path)
            .json(&json!({"is_stock_updated": true}))
            .send()
            .await
    }

    fn is_stock_updated(&self) -> bool {
        self.handle
            .control()
            .is_stock_updated(self.token_id, &self.order_id)
            .unwrap_or(false)
    }

    async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}/_simulator/{path}", self.handle.base_url());
        self.client
            .request(method, url)
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_status_fault_strikes_as_often_as_it_says_and_without_effect() {
    for (fault, status) in [
        ("internal_error", 500),
        ("bad_gateway", 502),
        ("unavailable", 503),
        ("unauthorized", 401),
        ("forbidden", 403),
        ("not_found", 404),
        ("too_many_requests", 429),
    ] {
        let bench = Bench::new();
        bench.faults(&format!(
            "[[rule]]\nendpoint = \"stock_status\"\nfault = \"{fault}\"\ncalls = 2\nafter_calls = 1"
        ));
        assert_eq!(bench.list().await.status(), 200);
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(bench.patch().await.unwrap().status().as_u16());
        }
        assert_eq!(statuses, [200, status, status, 200], "{fault}");
    }
}

#[tokio::test]
async fn an_applied_failure_and_a_lost_answer_leave_the_flag_set() {
    for fault in [
        "fault = \"internal_error\"\napplied = true",
        "fault = \"answer_lost\"",
        "fault = \"answer_cut\"",
    ] {
        let bench = Bench::new();
        bench.faults(&format!("[[rule]]\n{fault}"));
        if let Ok(response) = bench.patch().await {
            assert!(
                response.status() == 500 || response.text().await.is_err(),
                "{fault}"
            );
        }
        assert!(bench.is_stock_updated(), "{fault}");
    }
}

#[tokio::test]
async fn a_closed_connection_and_a_false_success_leave_the_flag_alone() {
    let bench = Bench::new();
    bench.faults("[[rule]]\nfault = \"connection_closed\"\ncalls = 1\n[[rule]]\nfault = \"success_false\"");
    assert!(bench.patch().await.is_err());
    let body: Value = bench.patch().await.unwrap().json().await.unwrap();
    assert_eq!(body["success"], false);
    assert!(!bench.is_stock_updated());
}

#[tokio::test]
async fn answers_can_be_wrong_in_what_they_say() {
    let bench = Bench::new();
    bench.faults(
        "[[rule]]\nfault = \"wrong_flag\"\ncalls = 1\n[[rule]]\nfault = \"wrong_order_id\"\ncalls = 1",
    );
    let body: Value = bench.patch().await.unwrap().json().await.unwrap();
    assert_eq!(body["is_stock_updated"], false);
    let body: Value = bench.patch().await.unwrap().json().await.unwrap();
    assert_ne!(body["order_id"], bench.order_id.as_str());
    bench.faults("[[rule]]\nfault = \"truncated_body\"\ncalls = 1\n[[rule]]\nfault = \"garbage_body\"");
    assert!(bench.list().await.json::<Value>().await.is_err());
    assert!(bench.list().await.json::<Value>().await.is_err());
    bench.faults(
        "lists_say_false = true\n[[rule]]\nfault = \"flag_flipped\"\nendpoint = \"stock_status\"\ncalls = 1",
    );
    assert_eq!(bench.patch().await.unwrap().status(), 200);
    assert!(!bench.is_stock_updated());
    assert_eq!(bench.patch().await.unwrap().status(), 200);
    let body: Value = bench.list().await.json().await.unwrap();
    let flags = body["orders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|order| &order["technical_flags"]["is_stock_updated"]);
    assert!(flags.into_iter().all(|flag| flag == false));
}

#[tokio::test]
async fn a_call_given_up_by_its_caller_is_applied_afterwards() {
    let bench = Bench::new();
    bench.faults("[[rule]]\nfault = \"latency\"\nfixed_ms = 150");
    let gave_up = tokio::time::timeout(Duration::from_millis(50), bench.patch()).await;
    assert!(gave_up.is_err());
    assert!(!bench.is_stock_updated());
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(bench.is_stock_updated());
}

#[tokio::test]
async fn a_frozen_database_applies_after_the_thaw_and_a_stopped_one_looks_like_unknown_accounts() {
    let bench = Bench::new();
    bench.faults("[database]\nstate = \"frozen\"");
    let gave_up = tokio::time::timeout(Duration::from_millis(50), bench.patch()).await;
    assert!(gave_up.is_err() && !bench.is_stock_updated());
    bench.handle.control().clear_faults();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(bench.is_stock_updated());
    bench.faults("[database]\nstate = \"down\"\nuntil_ms = 150");
    assert_eq!(bench.patch().await.unwrap().status(), 404);
    assert_eq!(bench.list().await.status(), 500);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bench.list().await.status(), 200);
}

#[tokio::test]
async fn the_connection_leak_hangs_then_reports_false_flags_then_fails_until_a_token_list() {
    let bench = Bench::new();
    assert_eq!(bench.patch().await.unwrap().status(), 200);
    bench.faults("[connection_leak]\nstuck_at_call = 3\nhang_ms = 60\nhanging_calls = 10");
    for _ in 0..2 {
        assert_eq!(bench.list().await.status(), 200);
    }
    let began = Instant::now();
    let body: Value = bench.list().await.json().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(60));
    assert!(!body.to_string().contains("\"is_stock_updated\":true"));
    assert_eq!(bench.list().await.status(), 500);
    assert_eq!(bench.patch().await.unwrap().status(), 404);
    assert_eq!(
        bench
            .request(Method::GET, "/api/v1/tokens/")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(bench.list().await.status(), 200);
}

#[tokio::test]
async fn bodies_can_drip_and_never_end_and_calls_can_be_sent_elsewhere() {
    let bench = Bench::new();
    bench.faults("[[rule]]\nfault = \"slow_body\"\nchunk_bytes = 64\nwait_ms = 20");
    let began = Instant::now();
    assert!(bench.patch().await.unwrap().json::<Value>().await.is_ok());
    assert!(began.elapsed() >= Duration::from_millis(40));
    bench.faults("[[rule]]\nfault = \"redirect\"\nlocation = \"http://127.0.0.1:1/\"");
    let response = bench.list().await;
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["location"].to_str().unwrap()
        ),
        (307, "http://127.0.0.1:1/")
    );
    bench.faults("[[rule]]\nfault = \"endless_body\"");
    let mut response = bench.list().await;
    let mut length = 0;
    while length < 4_000_000 {
        length += response.chunk().await.unwrap().expect("more to come").len();
    }
}

#[tokio::test]
async fn overlapping_calls_for_one_order_are_noticed_and_every_applied_value_is_remembered() {
    let bench = Bench::new();
    assert_eq!(bench.patch().await.unwrap().status(), 200);
    assert_eq!(bench.handle.control().overlapping_patches_max(), 1);
    bench.faults("[[rule]]\nfault = \"answer_delayed\"\nfixed_ms = 60");
    let (one, other) = tokio::join!(bench.patch(), bench.patch());
    assert!(one.is_ok() && other.is_ok());
    let calls = bench.control(Method::GET, "calls", Value::Null).await;
    assert_eq!(
        (
            calls["overlapping_patches_max"].as_u64(),
            calls["calls"]["stock_status"].as_u64()
        ),
        (Some(2), Some(3))
    );
    let state = bench
        .control(
            Method::GET,
            &format!("state?token_id={}", bench.token_id),
            Value::Null,
        )
        .await;
    let patches = state["accounts"][0]["flags"][0]["patches"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(patches.len(), 3);
    let times = |patch: &Value| {
        [
            &patch["received_at_us"],
            &patch["applied_at_us"],
            &patch["ended_at_us"],
        ]
        .map(|at| at.as_i64().unwrap())
    };
    assert!(
        patches
            .iter()
            .map(times)
            .all(|[received, applied, ended]| received <= applied && applied <= ended)
    );
    assert!(
        times(&patches[2])[0] < times(&patches[1])[2],
        "the second and third overlap"
    );
}

#[tokio::test]
async fn the_control_interface_changes_orders_accounts_flags_and_faults() {
    let bench = Bench::with(SimulatorOptions {
        accounts: 1,
        orders_per_account: 0,
        mended: true,
        ..SimulatorOptions::default()
    });
    let form = |status: &str| json!({"id": "order-1", "status": status, "lineItems": [{"boughtAt": "2026-01-01T00:00:00Z"}]});
    bench
        .control(
            Method::POST,
            "orders",
            json!({"token_id": bench.token_id, "order": form("BOUGHT")}),
        )
        .await;
    let moved_on =
        json!({"token_id": bench.token_id, "order": form("READY_FOR_PROCESSING"), "live_only": true});
    bench.control(Method::POST, "orders", moved_on).await;
    let listed: Value = bench.list().await.json().await.unwrap();
    assert_eq!(listed["orders"][0]["status"], "BOUGHT");
    let by_id = bench
        .request(Method::GET, "/api/v1/orders/order-1")
        .send()
        .await
        .unwrap();
    assert_eq!(
        by_id.json::<Value>().await.unwrap()["order"]["status"],
        "READY_FOR_PROCESSING"
    );
    bench
        .control(Method::PUT, "mended", json!({"mended": false}))
        .await;
    let by_id = bench
        .request(Method::GET, "/api/v1/orders/order-1")
        .send()
        .await
        .unwrap();
    assert_eq!(by_id.json::<Value>().await.unwrap()["success"], false);
    bench
        .control(
            Method::POST,
            "flags",
            json!({"token_id": bench.token_id, "order_id": "order-1", "is_stock_updated": true}),
        )
        .await;
    let flags = bench.control(Method::GET, "flags", Value::Null).await;
    assert_eq!(
        flags,
        json!([{"token_id": bench.token_id, "order_id": "order-1", "is_stock_updated": true, "patches": 0}])
    );
    let rule = json!({"rule": [{"fault": "too_many_requests", "retry_after_s": 7}]});
    bench.control(Method::PUT, "faults", rule.clone()).await;
    assert_eq!(bench.list().await.headers()["retry-after"], "7");
    assert_eq!(
        bench.control(Method::GET, "faults", Value::Null).await["rule"][0]["fault"],
        "too_many_requests"
    );
    bench.control(Method::DELETE, "faults", Value::Null).await;
    bench
        .control(
            Method::DELETE,
            &format!("accounts/{}", bench.token_id),
            Value::Null,
        )
        .await;
    assert_eq!(bench.list().await.status(), 500);
}

#[tokio::test]
async fn equal_seeds_make_equal_worlds() {
    let newest_order_at = Some("2026-01-01T00:00:00Z".parse().unwrap());
    let options = |seed| SimulatorOptions {
        seed,
        newest_order_at,
        ..SimulatorOptions::default()
    };
    let state = |seed| Bench::with(options(seed)).handle.control().state(None, true);
    assert_eq!(state(7), state(7));
    assert_ne!(state(7), state(8));
}

#[tokio::test]
async fn a_graceful_stop_finishes_a_call_and_an_abrupt_one_cuts_it() {
    for (is_graceful, is_answered) in [(true, true), (false, false)] {
        let bench = Bench::new();
        bench.faults("[[rule]]\nfault = \"answer_delayed\"\nfixed_ms = 200");
        let request = bench.request(Method::GET, "/health");
        let call = tokio::spawn(request.send());
        tokio::time::sleep(Duration::from_millis(80)).await;
        if is_graceful {
            bench.handle.stop_gracefully().await;
        } else {
            bench.handle.stop_abruptly().await;
        }
        assert_eq!(call.await.unwrap().is_ok(), is_answered);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_by_the_service() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let bench = Bench::with(SimulatorOptions {
        accounts: 1,
        keep_alive_idle_ms: 100,
        ..SimulatorOptions::default()
    });
    let mut stream = tokio::net::TcpStream::connect(bench.handle.local_address())
        .await
        .unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    assert!(closed.expect("the connection is closed in time").is_ok());
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_large_account_is_seeded_and_listed_in_reasonable_time() {
    let began = Instant::now();
    let bench = Bench::with(SimulatorOptions {
        accounts: 1,
        orders_per_account: 100_000,
        ..SimulatorOptions::default()
    });
    let body: Value = bench.list().await.json().await.unwrap();
    assert_eq!(body["pagination"]["total"], 100_000);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_page_can_slip_and_an_order_can_be_taken_away() {
    let bench = Bench::new();
    let ids = async || -> Vec<String> {
        let body: Value = bench.list().await.json().await.unwrap();
        let orders = body["orders"].as_array().unwrap().iter();
        orders
            .map(|order| order["allegro_order_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = ids().await;
    bench.faults("[[rule]]\nfault = \"page_slipped\"\nrows = 3\nendpoint = \"orders_list\"\ncalls = 1");
    assert_eq!(ids().await[..2], all[3..]);
    assert_eq!(ids().await, all);
    let control = bench.handle.control();
    control.remove_order(bench.token_id, &all[2]).unwrap();
    assert!(!ids().await.contains(&all[2]));
    assert!(control.remove_order(bench.token_id, &all[2]).is_err());
}
