//! Bringing one's data: stock lists, and orders of the old way.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use saldo_domain::limits::IMPORT_LINES_MAX;
use serde_json::{Value, json};

use super::support::{ACCOUNT, Answered, World, order, order_number};

async fn import(world: &World, query: &str, body: impl Into<Body>) -> Answered {
    let request = Request::post(format!("/api/v1/stock/imports{query}"))
        .header("content-type", "application/x-ndjson")
        .body(body.into());
    world.send(request.unwrap()).await
}

fn counts(answer: &Answered) -> Vec<u64> {
    let json = answer.json();
    ["lines", "new", "raised", "lowered", "same"]
        .map(|name| json[name].as_u64().unwrap())
        .to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_stock_list_is_previewed_booked_and_harmless_to_repeat() {
    let world = World::open();
    let list =
        "{\"sku\": \"A\", \"counted\": 3}\n\n{\"sku\": \"B\", \"warehouse\": \"Shop\", \"counted\": 0}";
    let preview = import(&world, "?dry_run=true", list).await;
    assert_eq!(preview.status, StatusCode::OK, "{}", preview.text);
    assert_eq!(counts(&preview), [2, 2, 0, 0, 0]);
    let changes = &preview.json()["changes"];
    assert_eq!(
        changes[1],
        json!({ "line": 3, "sku": "B", "warehouse": "Shop", "known": null, "counted": 0, "difference": "new" })
    );
    assert_eq!(world.get("/api/v1/stock").await.json()["items"], json!([]));
    let booked = import(&world, "?reason=yearly%20count", list).await;
    assert_eq!(booked.json()["operation_ids"].as_array().unwrap().len(), 1);
    let again = import(&world, "", list).await;
    assert_eq!(counts(&again), [2, 0, 0, 0, 2]);
    assert_eq!(again.json()["operation_ids"], json!([]));
    let other = import(&world, "", "{\"sku\": \"A\", \"counted\": 2}\n").await;
    assert_eq!(counts(&other), [1, 0, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_stock_list_with_mistakes_changes_nothing_and_tells_them_all() {
    let world = World::open();
    let list = "{\"sku\": \"A\", \"counted\": 3}\n{\"sku\": \"\", \"counted\": 1.5, \"x\": 1}\nnothing\n[1]\n\
                {\"sku\": \"A\", \"warehouse\": \"Ирина\", \"counted\": 3}\n";
    let answer = import(&world, "", list).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        answer.pointers(),
        ["/2/x", "/2/sku", "/2/counted", "/3", "/4", "/5/sku"]
    );
    assert_eq!(world.get("/api/v1/stock").await.json()["items"], json!([]));
    assert_eq!(
        import(&world, "", "").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let query = import(&world, "?dry_run=maybe&why=x", "").await;
    assert_eq!(query.pointers(), ["/query/why", "/query/dry_run"]);
    let many: String = (0..=IMPORT_LINES_MAX)
        .map(|number| format!("{{\"sku\": \"S{number}\", \"counted\": 1}}\n"))
        .collect();
    assert_eq!(import(&world, "", many).await.code(), "body_too_large");
    let long = format!("{{\"sku\": \"{}\"", "x".repeat(20_000));
    assert_eq!(import(&world, "", long).await.code(), "body_too_large");
    assert_eq!(world.get("/api/v1/stock").await.json()["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn every_order_that_waits_for_what_a_stock_list_brings_is_tried_before_it_is_answered() {
    const ORDERS: usize = 205;
    let world = World::open();
    let list: String = (0..ORDERS)
        .map(|number| format!("{{\"sku\": \"S{number}\", \"counted\": 1}}\n"))
        .collect();
    for number in 0..ORDERS {
        let mut order = order_number(number);
        order["order"]["lineItems"][0]["offer"]["external"]["id"] = json!(format!("S{number}"));
        order["order"]["lineItems"][0]["quantity"] = json!(1);
        let answer = world.post("/api/v1/stock-sync/orders?wait=false", &order).await;
        assert!(answer.status.is_success(), "{}", answer.text);
    }
    let waiting = async || {
        let status = world.get("/api/v1/stock-sync/status").await.json();
        status["operations"]["waiting_for_stock"].as_u64().unwrap()
    };
    assert_eq!(waiting().await, ORDERS as u64);
    import(&world, "", list).await;
    assert_eq!(waiting().await, 0);
}

fn outcomes(answer: &Answered) -> Vec<String> {
    let json = answer.json();
    let items = json["items"].as_array().unwrap_or_else(|| panic!("{json}"));
    items
        .iter()
        .map(|item| item["outcome"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_adopted_order_is_known_when_it_is_posted() {
    let world = World::open();
    let form = order();
    let id = form["order"]["id"].as_str().unwrap();
    let adopted = json!({ "token_id": ACCOUNT, "order_id": id, "flag_confirmed": true, "source": "sale" });
    let refused = json!({ "token_id": ACCOUNT, "order_id": "o2", "hand_over": true });
    let body = |dry_run: bool| json!({ "orders": [adopted, refused], "dry_run": dry_run });
    let preview = world.post("/api/v1/stock-sync/adoptions", &body(true)).await;
    assert_eq!(outcomes(&preview), ["adopted", "handed_over"]);
    let first = world.post("/api/v1/stock-sync/adoptions", &body(false)).await;
    assert_eq!(outcomes(&first), ["adopted", "refused"]);
    let again = world.post("/api/v1/stock-sync/adoptions", &body(false)).await;
    assert_eq!(outcomes(&again), ["known", "refused"]);
    let posted = world.post("/api/v1/stock-sync/orders", &form).await;
    assert_eq!(posted.json()["status"], "skipped", "{}", posted.text);
    assert_eq!(posted.json()["error"], "old_way");
    assert_eq!(posted.json()["duplicate"], true);
    let lines = json!([{ "sku": "A", "quantity": 2 }]);
    let handed =
        json!({ "orders": [{ "token_id": ACCOUNT, "order_id": "o2", "hand_over": true, "lines": lines }] });
    let handed = world.post("/api/v1/stock-sync/adoptions", &handed).await;
    assert_eq!(outcomes(&handed), ["handed_over"]);
    let balance = world.get("/api/v1/stock/A").await;
    assert_eq!(balance.json()["quantity"], 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_an_adoption_is_told_at_once() {
    let world = World::open();
    let bad =
        json!({ "orders": [{ "token_id": "x", "lines": [{ "sku": "A", "quantity": 0 }] }, 3], "dry": 1 });
    let answer = world.post("/api/v1/stock-sync/adoptions", &bad).await;
    assert_eq!(
        answer.pointers(),
        [
            "/dry",
            "/orders/0/token_id",
            "/orders/0/order_id",
            "/orders/0/lines/0/quantity",
            "/orders/1"
        ]
    );
    let none: Value = json!({ "orders": [] });
    assert_eq!(
        world.post("/api/v1/stock-sync/adoptions", &none).await.code(),
        "invalid_input"
    );
}
