//! Reconciliation, the mode and scheduled tasks over HTTP.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::support::{ACCOUNT, Answered, World, order, order_number};

const MODE: &str = "/api/v1/stock-sync/mode";

impl World {
    async fn put(&self, path: &str, body: &Value) -> Answered {
        let request = Request::put(path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }
}

fn code(answer: &Answered) -> String {
    answer.json()["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_reconciliation_is_run_told_and_listed() {
    let world = World::open();
    let ran = world.post("/api/v1/stock-sync/reconcile", &json!({})).await;
    assert_eq!(ran.status, StatusCode::OK, "{}", ran.text);
    for field in [
        "run_id",
        "total_checked",
        "discrepancies_found",
        "auto_fixed",
        "requires_manual_review",
        "calls",
        "duration_ms",
        "discrepancies",
    ] {
        assert!(ran.json().get(field).is_some(), "{field}: {}", ran.text);
    }
    let id = ran.json()["run_id"].as_str().unwrap().to_owned();
    let one = world
        .get(&format!("/api/v1/stock-sync/reconciliations/{id}"))
        .await;
    assert_eq!(one.json()["run_id"], id.as_str(), "{}", one.text);
    assert_eq!(one.json()["scope"]["since_watermark"], false);
    let all = world.get("/api/v1/stock-sync/reconciliations").await.json();
    assert_eq!(all["items"][0], one.json());
    let status = world.get("/api/v1/stock-sync/status").await.json();
    assert_eq!(status["last_reconciliation"], one.json());
    let found = world
        .get(&format!(
            "/api/v1/stock-sync/discrepancies?run_id={id}&status=open&kind=missed_order"
        ))
        .await;
    assert_eq!(
        (found.status, &found.json()["items"]),
        (StatusCode::OK, &json!([]))
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_reconciled_is_refused_with_everything_that_is_wrong() {
    let world = World::open();
    let bad = json!({ "token_id": 1, "from": "yesterday", "limit": 0, "auto_fix": "yes", "page": 3 });
    let answer = world.post("/api/v1/stock-sync/reconcile", &bad).await;
    assert_eq!(
        (answer.status.as_u16(), code(&answer).as_str()),
        (422, "invalid_input")
    );
    assert_eq!(
        answer.json()["errors"].as_array().unwrap().len(),
        5,
        "{}",
        answer.text
    );
    let inverted = json!({ "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z" });
    let answer = world.post("/api/v1/stock-sync/reconcile", &inverted).await;
    assert_eq!(
        (answer.status.as_u16(), code(&answer).as_str()),
        (422, "range_inverted")
    );
    for unknown in ["x", "00000000-0000-7000-8000-000000000000"] {
        let answer = world
            .get(&format!("/api/v1/stock-sync/reconciliations/{unknown}"))
            .await;
        assert_eq!(
            (answer.status.as_u16(), code(&answer).as_str()),
            (404, "run_unknown")
        );
    }
    let answer = world
        .get("/api/v1/stock-sync/discrepancies?kind=odd&status=new&resolution=none")
        .await;
    assert_eq!(
        answer.json()["errors"].as_array().unwrap().len(),
        3,
        "{}",
        answer.text
    );
}

#[tokio::test(start_paused = true)]
async fn a_posted_order_is_409_while_saldo_is_off_and_skipped_afterwards() {
    let world = World::open();
    world.receive().await;
    let off = world.put(MODE, &json!({ "mode": "off" })).await;
    assert_eq!((off.status, &off.json()["mode"]), (StatusCode::OK, &json!("off")));
    let refused = world.post("/api/v1/stock-sync/orders", &order()).await;
    assert_eq!(
        (refused.status.as_u16(), code(&refused).as_str()),
        (409, "mode_off")
    );
    let line = json!({ "token_id": ACCOUNT, "order_id": "single", "sku": "KUB-330-GRA", "quantity": 1 });
    let refused = world.post("/api/v1/stock-sync/deductions", &line).await;
    assert_eq!(
        (refused.status.as_u16(), code(&refused).as_str()),
        (409, "mode_off")
    );
    assert_eq!(world.get("/api/v1/stock-sync/status").await.json()["mode"], "off");
    let on = world
        .put(MODE, &json!({ "mode": "on", "stock_is_right": true }))
        .await;
    assert!(on.json()["start_from"].is_string(), "{}", on.text);
    let skipped = world.post("/api/v1/stock-sync/orders", &order()).await;
    assert_eq!(skipped.status, StatusCode::OK);
    assert_eq!(skipped.json()["status"], "skipped");
    assert_eq!(skipped.json()["error"], "old_way");
    // A person hands it over.
    let mut forced = order();
    forced["force"] = json!(true);
    let taken = world.post("/api/v1/stock-sync/orders", &forced).await;
    assert_eq!(taken.json()["status"], "completed", "{}", taken.text);
    let stock = world.get("/api/v1/stock/KUB-330-GRA").await.json();
    assert_eq!(stock["quantity"], 8, "{stock}");
}

#[tokio::test(start_paused = true)]
async fn the_mode_is_told_switched_and_remembered() {
    let world = World::open();
    let before = world.get(MODE).await.json();
    assert_eq!(before["mode"], "on");
    assert_eq!(
        (&before["changed_at"], &before["changed_by"]),
        (&json!(null), &json!("configuration"))
    );
    world.put(MODE, &json!({ "mode": "shadow" })).await;
    let refused = world.put(MODE, &json!({ "mode": "on" })).await;
    assert_eq!(
        (refused.status.as_u16(), code(&refused).as_str()),
        (409, "stock_not_counted")
    );
    let partial = json!({ "mode": "partial", "accounts": [ACCOUNT], "percent": 20, "stock_is_right": true });
    let set = world.put(MODE, &partial).await.json();
    assert_eq!(
        (&set["accounts"], &set["percent"]),
        (&json!([ACCOUNT]), &json!(20))
    );
    assert_eq!(world.get(MODE).await.json(), set);
    let history = world.get("/api/v1/stock-sync/mode/history").await.json();
    let modes: Vec<&Value> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["mode"])
        .collect();
    assert_eq!(modes, [&json!("partial"), &json!("shadow")]);
    for (bad, expected) in [
        (json!({ "mode": "partial" }), "partial_of_nothing"),
        (
            json!({ "mode": "partial", "accounts": [], "percent": 0 }),
            "partial_of_nothing",
        ),
        (json!({ "mode": "partial", "percent": 101 }), "invalid_input"),
        // Whoever names a part means a part: all or nothing instead would be a nasty surprise.
        (
            json!({ "mode": "on", "percent": 10, "stock_is_right": true }),
            "invalid_input",
        ),
        (
            json!({ "mode": "shadow", "accounts": [ACCOUNT] }),
            "invalid_input",
        ),
        (json!({ "mode": "half" }), "invalid_input"),
        (json!({}), "invalid_input"),
    ] {
        let answer = world.put(MODE, &bad).await;
        assert_eq!(
            (answer.status.as_u16(), code(&answer).as_str()),
            (422, expected),
            "{bad}"
        );
    }
    assert_eq!(
        world.get(MODE).await.json(),
        set,
        "what was refused changed nothing"
    );
    // What the mode is told with may be sent back.
    let off = json!({ "mode": "off", "accounts": [], "percent": 0 });
    assert_eq!(world.put(MODE, &off).await.json()["mode"], "off");
}

#[tokio::test(start_paused = true)]
async fn shadow_reports_what_would_have_been_done() {
    let world = World::open();
    world.receive().await;
    world.put(MODE, &json!({ "mode": "shadow" })).await;
    let answer = world.post("/api/v1/stock-sync/orders", &order()).await;
    assert_eq!(
        (&answer.json()["status"], &answer.json()["error"]),
        (&json!("skipped"), &json!("shadow"))
    );
    world.post("/api/v1/stock-sync/orders", &order_number(1)).await;
    let report = world
        .get("/api/v1/stock-sync/shadow?verdict=undecided")
        .await
        .json();
    assert_eq!((&report["orders"], &report["undecided"]), (&json!(2), &json!(2)));
    assert_eq!(report["items"][0]["would"], "deduct");
    assert_eq!(report["items"][0]["details"]["lines"][0]["quantity"], 2);
    let differing = world.get("/api/v1/stock-sync/shadow?days=30").await.json();
    assert_eq!(differing["items"], json!([]));
    assert_eq!(
        differing["summary"],
        "In 30 days Saldo would have acted as the old way in 0 of 0 orders. Of 2 more it is too early to tell."
    );
    assert!(world.remote.flags.lock().unwrap().is_empty(), "nothing is sent");
    let bad = world.get("/api/v1/stock-sync/shadow?days=0&verdict=maybe").await;
    assert_eq!(bad.json()["errors"].as_array().unwrap().len(), 2, "{}", bad.text);
}

#[tokio::test(start_paused = true)]
async fn tasks_are_run_by_hand_and_told_in_the_status() {
    let world = World::open();
    let ran = world
        .post("/api/v1/stock-sync/tasks/process_pending/run", &json!({}))
        .await;
    assert_eq!(ran.status, StatusCode::OK, "{}", ran.text);
    assert_eq!(ran.json()["last_outcome"], "succeeded", "{}", ran.text);
    let status = world.get("/api/v1/stock-sync/status").await.json();
    let tasks = status["tasks"].as_array().unwrap();
    let task = tasks
        .iter()
        .find(|task| task["name"] == "process_pending")
        .unwrap();
    assert_eq!(*task, ran.json());
    let unknown = world.post("/api/v1/stock-sync/tasks/dust/run", &json!({})).await;
    assert_eq!(
        (unknown.status.as_u16(), code(&unknown).as_str()),
        (404, "task_unknown")
    );
}
