//! The original's scenarios, end to end: a real server on a real port, a real SQLite file, and the simulated
//! orders service on another port.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::time::Duration;

use saldo_simulator::{Fault, FaultRule, Faults};
use serde_json::{Value, json};
use support::{Server, Simulated, form};
use uuid::Uuid;

/// The form of section 10.1 of the facts on Allegro: one line of two mugs.
const REAL_FORM: &str = include_str!("../../domain/tests/forms/one_line.json");

async fn post_order(server: &Server, simulated: &Simulated, order: &Value) -> (u16, Value) {
    let body = json!({ "token_id": simulated.account, "order": order });
    server.post("/api/v1/stock-sync/orders", &body).await
}

fn faults(simulated: &Simulated, fault: Fault) {
    let faults = Faults {
        rules: vec![FaultRule::always(fault)],
        ..Faults::default()
    };
    simulated.handle.control().set_faults(faults).unwrap();
}

async fn wait_for_status(server: &Server, operation: &str, wanted: &str) -> Value {
    for _ in 0..600 {
        let (_, found) = server
            .get(&format!("/api/v1/stock-sync/operations/{operation}"))
            .await;
        if found["status"] == wanted {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("operation {operation} did not become {wanted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_form_is_deducted_once_and_stays_so_after_a_kill() {
    let simulated = Simulated::start().await;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &simulated).await;
    server.receive("KUB-330-GRA", 10).await;
    let order: Value = serde_json::from_str(REAL_FORM).unwrap();
    let id: Uuid = order["id"].as_str().unwrap().parse().unwrap();

    let (status, first) = post_order(&server, &simulated, &order).await;
    assert_eq!(
        (status, &first["status"], &first["success"]),
        (200, &json!("completed"), &json!(true)),
        "{first}"
    );
    assert_eq!(first["duplicate"], json!(false));
    assert_eq!(server.balance("KUB-330-GRA").await, 8);
    assert!(simulated.flag(id));

    server.kill_nine();
    let server = Server::start(folder.path(), &simulated).await;
    let (status, repeat) = post_order(&server, &simulated, &order).await;
    assert_eq!((status, &repeat["duplicate"]), (200, &json!(true)), "{repeat}");
    assert_eq!(repeat["operation"]["id"], first["operation"]["id"]);
    assert_eq!(server.balance("KUB-330-GRA").await, 8);
    assert!(simulated.flag(id));
    server.stop().await;
    support::assert_doctor_finds_nothing(folder.path(), &simulated);
}

/// `saldo init`, with the orders service and a port put into the file that it writes. Answers with the port and the key.
fn set_up(folder: &std::path::Path, simulated: &Simulated) -> (u16, String) {
    let ran = support::saldo(folder)
        .env_remove("SALDO_DATABASE")
        .args(["--json", "init"])
        .output()
        .unwrap();
    let made: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let port = support::free_port();
    let file = folder.join("saldo.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    let [base_url, secret, user] = simulated.settings().map(|(_, value)| value);
    for (default, own) in [
        (
            "listen = \"127.0.0.1:8080\"",
            format!("listen = \"127.0.0.1:{port}\""),
        ),
        (
            "base_url = \"http://127.0.0.1:8000\"",
            format!("base_url = \"{base_url}\""),
        ),
        ("jwt_secret = \"\"", format!("jwt_secret = \"{secret}\"")),
        ("user_id = \"saldo\"", format!("user_id = \"{user}\"")),
    ] {
        assert!(text.contains(default), "{default} is not in {text}");
        text = text.replacen(default, &own, 1);
    }
    std::fs::write(file, text).unwrap();
    (port, made["key"].as_str().unwrap().to_owned())
}

/// As a new user would, with the file that `saldo init` wrote and the key that it printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_init_set_up_deducts_a_real_form_once_and_outlives_a_kill() {
    let simulated = Simulated::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (port, key) = set_up(folder.path(), &simulated);
    let order: Value = serde_json::from_str(REAL_FORM).unwrap();
    let id: Uuid = order["id"].as_str().unwrap().parse().unwrap();
    let mut first = None;
    for is_repeat in [false, true, true] {
        // Each server is killed at the end, and the next one finds what it left.
        let server = Server::start_as_set_up(folder.path(), port, &key).await;
        if !is_repeat {
            server.receive("KUB-330-GRA", 10).await;
        }
        let (status, answer) = post_order(&server, &simulated, &order).await;
        assert_eq!(
            (status, &answer["status"], &answer["duplicate"]),
            (200, &json!("completed"), &json!(is_repeat)),
            "{answer}"
        );
        let operation = answer["operation"]["id"].clone();
        assert_eq!(*first.get_or_insert(operation.clone()), operation);
        assert_eq!(server.balance("KUB-330-GRA").await, 8);
        assert!(simulated.flag(id));
        server.kill_nine();
    }
    support::assert_doctor_finds_nothing(folder.path(), &simulated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_temporary_failure_is_retried_until_the_service_confirms() {
    let simulated = Simulated::start().await;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &simulated).await;
    server.receive("SKU-A", 10).await;
    faults(&simulated, Fault::Unavailable);
    let order = Uuid::new_v5(&simulated.account, b"temporary");
    let (status, answer) = post_order(&server, &simulated, &form(order, "SKU-A", 3)).await;
    assert_eq!((status, &answer["status"]), (202, &json!("pending")), "{answer}");
    assert_eq!(answer["operation"]["waiting_for"], json!("delivery"));
    assert_eq!(
        server.balance("SKU-A").await,
        7,
        "the stock is deducted although the service is away"
    );
    assert!(!simulated.flag(order));
    simulated.handle.control().clear_faults();
    let operation = answer["operation"]["id"].as_str().unwrap();
    wait_for_status(&server, operation, "completed").await;
    assert!(simulated.flag(order));
    let (_, log) = server
        .get(&format!("/api/v1/stock-sync/operations/{operation}/log"))
        .await;
    let actions: Vec<&str> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions.first(), Some(&"created"));
    assert!(actions.contains(&"retry"));
    assert_eq!(actions.last(), Some(&"completed"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_failure_ends_before_a_person_who_can_retry_it() {
    let simulated = Simulated::start().await;
    let folder = tempfile::tempdir().unwrap();
    // Without the circuit breaker every operation uses its own retries, as in the original.
    let settings = [
        ("SALDO_CIRCUIT__ENABLED", "false"),
        ("SALDO_RETRY__MAX_RETRIES", "2"),
    ];
    let server = Server::start_with(folder.path(), &simulated, &settings).await;
    server.receive("SKU-A", 10).await;
    faults(&simulated, Fault::Unavailable);
    let order = Uuid::new_v5(&simulated.account, b"long");
    let (_, answer) = post_order(&server, &simulated, &form(order, "SKU-A", 1)).await;
    let operation = answer["operation"]["id"].as_str().unwrap().to_owned();
    let failed = wait_for_status(&server, &operation, "failed").await;
    assert_eq!(failed["retry_count"], json!(2));
    let (_, reviews) = server.get("/api/v1/stock-sync/reviews?status=open").await;
    let review = &reviews["items"][0];
    assert_eq!(
        (&review["reason"], &review["operation_id"]),
        (&json!("delivery_failed"), &json!(operation))
    );
    simulated.handle.control().clear_faults();
    let path = format!(
        "/api/v1/stock-sync/reviews/{}/resolve",
        review["id"].as_str().unwrap()
    );
    let (status, body) = server
        .post(&path, &json!({ "resolution": "retry", "note": "it is back" }))
        .await;
    assert!(status < 300, "{body}");
    wait_for_status(&server, &operation, "completed").await;
    assert!(simulated.flag(order));
    server.stop().await;
    support::assert_doctor_finds_nothing(folder.path(), &simulated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_lost_is_not_taken_for_a_failure_of_the_deduction() {
    let simulated = Simulated::start().await;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &simulated).await;
    server.receive("SKU-A", 10).await;
    let lost = FaultRule {
        calls: Some(1),
        ..FaultRule::always(Fault::AnswerLost)
    };
    simulated
        .handle
        .control()
        .set_faults(Faults {
            rules: vec![lost],
            ..Faults::default()
        })
        .unwrap();
    let order = Uuid::new_v5(&simulated.account, b"lost");
    let (_, answer) = post_order(&server, &simulated, &form(order, "SKU-A", 1)).await;
    wait_for_status(&server, answer["operation"]["id"].as_str().unwrap(), "completed").await;
    assert!(simulated.flag(order));
    assert_eq!(server.balance("SKU-A").await, 9);
    assert!(simulated.overlapping_flag_calls() <= 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_restores_the_stock_and_clears_the_flag() {
    let simulated = Simulated::start().await;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &simulated).await;
    server.receive("SKU-A", 10).await;
    let order = Uuid::new_v5(&simulated.account, b"rollback");
    let (_, answer) = post_order(&server, &simulated, &form(order, "SKU-A", 4)).await;
    let operation = answer["operation"]["id"].as_str().unwrap();
    let path = format!("/api/v1/stock-sync/rollback/{operation}");
    let (status, rolled_back) = server.post(&path, &json!({ "reason": "a test" })).await;
    assert_eq!(
        (status, &rolled_back["success"]),
        (200, &json!(true)),
        "{rolled_back}"
    );
    assert_eq!(rolled_back["remote_flag"], json!("cleared"));
    assert_eq!(
        rolled_back["restored"],
        json!([{ "sku": "SKU-A", "warehouse": "Ирина", "quantity": 4 }])
    );
    assert_eq!(server.balance("SKU-A").await, 10);
    assert!(!simulated.flag(order));
    let (_, twice) = server.post(&path, &json!({ "reason": "again" })).await;
    assert_eq!(twice["refund_operation_id"], rolled_back["refund_operation_id"]);
    assert_eq!(server.balance("SKU-A").await, 10, "twice is the same as once");
    let (_, repeat) = post_order(&server, &simulated, &form(order, "SKU-A", 4)).await;
    assert_eq!(repeat["duplicate"], json!(true));
    assert_eq!(
        server.balance("SKU-A").await,
        10,
        "what was rolled back is known, and not deducted again"
    );
    server.stop().await;
    support::assert_doctor_finds_nothing(folder.path(), &simulated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_order_is_deducted_once_and_told() {
    const ORDERS: u32 = 3_000;
    let simulated = Simulated::start().await;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &simulated).await;
    server.receive("SKU-A", i64::from(ORDERS) * 2).await;
    let mut lines = String::new();
    for number in 0..ORDERS {
        let order = Uuid::new_v5(&simulated.account, &number.to_be_bytes());
        let body = json!({ "token_id": simulated.account, "order": form(order, "SKU-A", 1) });
        // Every order stands in it twice.
        lines.push_str(&format!("{body}\n{body}\n"));
    }
    let answer = support::http_client()
        .post(format!("{}/api/v1/stock-sync/orders/batch", server.api()))
        .header("content-type", "application/x-ndjson")
        .body(lines)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    let results: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(results.len(), ORDERS as usize * 2);
    let duplicates = results
        .iter()
        .filter(|result| result["result"]["duplicate"] == json!(true))
        .count();
    assert_eq!(duplicates, ORDERS as usize);
    server.drain().await;
    assert_eq!(server.balance("SKU-A").await, i64::from(ORDERS));
    let flags = simulated.handle.control().flags();
    let told = flags
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["is_stock_updated"] == json!(true))
        .count();
    assert_eq!(told, ORDERS as usize);
    assert!(simulated.overlapping_flag_calls() <= 1);
    server.stop().await;
    support::assert_doctor_finds_nothing(folder.path(), &simulated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_finishes_what_is_in_flight_and_loses_nothing() {
    let simulated = Simulated::start().await;
    simulated.delay_flag_calls_ms(300);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &simulated).await;
    server.receive("SKU-A", 1_000).await;
    for number in 0_u32..100 {
        let order = Uuid::new_v5(&simulated.account, &number.to_be_bytes());
        let body = json!({ "token_id": simulated.account, "order": form(order, "SKU-A", 1) });
        let (status, body) = server.post("/api/v1/stock-sync/orders?wait=false", &body).await;
        assert_eq!(status, 202, "{body}");
    }
    assert!(simulated.flag_calls_under_way() > 0);
    server.stop().await;
    assert_eq!(simulated.flag_calls_under_way(), 0, "a call was cut off");
    simulated.delay_flag_calls_ms(0);
    let server = Server::start(folder.path(), &simulated).await;
    server.drain().await;
    let (_, operations) = server.get("/api/v1/stock-sync/operations?limit=500").await;
    let retried = operations["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["retry_count"] != json!(0))
        .count();
    assert_eq!(retried, 0, "what was returned keeps its retries");
    let flags = simulated.handle.control().flags();
    assert!(
        flags
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["is_stock_updated"] == json!(true))
    );
    server.stop().await;
}
