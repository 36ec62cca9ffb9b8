//! Idempotency keys.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::support::{Answered, World, order};

const RECEIPTS: &str = "/api/v1/stock/receipts";

async fn send(world: &World, path: &str, key: &str, body: &Value) -> Answered {
    let request = Request::post(path).header("idempotency-key", key);
    world
        .send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

fn receipt(quantity: i64) -> Value {
    json!({ "lines": [{ "sku": "KUB-330-GRA", "warehouse": "Ирина", "quantity": quantity }] })
}

#[tokio::test(start_paused = true)]
async fn the_same_key_and_body_give_the_same_answer() {
    let world = World::open();
    let first = send(&world, RECEIPTS, "a", &receipt(5)).await;
    let again = send(&world, RECEIPTS, "a", &receipt(5)).await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(world.get("/api/v1/stock/KUB-330-GRA").await.json()["quantity"], 5);
    let other_key = send(&world, RECEIPTS, "b", &receipt(5)).await;
    assert_ne!(other_key.text, first.text);
    let slash = send(&world, "/api/v1/stock/receipts/", "a", &receipt(5)).await;
    assert_eq!(slash.text, first.text);
    assert_eq!(
        world.get("/api/v1/stock/KUB-330-GRA").await.json()["quantity"],
        10
    );
}

#[tokio::test(start_paused = true)]
async fn a_kept_answer_stays_what_it_was() {
    let world = World::open();
    send(&world, RECEIPTS, "a", &receipt(5)).await;
    world.stop_remote();
    let path = "/api/v1/stock-sync/orders";
    let waits = send(&world, path, "order", &order()).await;
    assert_eq!(waits.status, 202);
    world
        .remote
        .down
        .store(false, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert_eq!(world.post(path, &order()).await.json()["status"], "completed");
    let again = send(&world, "/api/v1/stock-sync/orders?wait=false", "order", &order()).await;
    assert_eq!((again.status.as_u16(), &again.text), (202, &waits.text));
}

#[tokio::test(start_paused = true)]
async fn the_same_key_with_another_body_is_a_conflict() {
    let world = World::open();
    send(&world, RECEIPTS, "a", &receipt(5)).await;
    let other = send(&world, RECEIPTS, "a", &receipt(6)).await;
    insta::assert_snapshot!("key_reused", other.shown());
    // On another path it is another key.
    let transfer = json!({ "sku": "KUB-330-GRA", "from": "Ирина", "to": "B", "quantity": 1 });
    assert_eq!(
        send(&world, "/api/v1/stock/transfers", "a", &transfer)
            .await
            .status,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_not_kept() {
    let world = World::open();
    let transfer = json!({ "sku": "KUB-330-GRA", "from": "Ирина", "to": "B", "quantity": 5 });
    assert_eq!(
        send(&world, "/api/v1/stock/transfers", "a", &transfer)
            .await
            .status,
        409
    );
    send(&world, RECEIPTS, "b", &receipt(5)).await;
    assert_eq!(
        send(&world, "/api/v1/stock/transfers", "a", &transfer)
            .await
            .status,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_used_are_refused() {
    let world = World::open();
    for key in ["", "a b", "\tx", &"x".repeat(256)] {
        let answer = send(&world, RECEIPTS, key, &receipt(5)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, "idempotency_key_invalid"),
            "{key:?}"
        );
    }
    let request = Request::post(RECEIPTS)
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    let answer = world
        .send(request.body(Body::from(receipt(5).to_string())).unwrap())
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        send(&world, RECEIPTS, &"x".repeat(255), &receipt(5)).await.status,
        200
    );
    let batch = send(&world, "/api/v1/stock-sync/orders/batch", "a b", &order()).await;
    assert_eq!(batch.status, 400);
}

#[tokio::test(start_paused = true)]
async fn keys_of_two_owners_do_not_meet() {
    let world = World::with_keys().await;
    for (owner, quantity) in [("operator", 5), ("admin", 6)] {
        let request = Request::post(RECEIPTS)
            .header("idempotency-key", "a")
            .header("authorization", format!("Bearer saldo_{owner}"));
        let answer = world
            .send(request.body(Body::from(receipt(quantity).to_string())).unwrap())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_many_rows_or_of_none_keeps_its_key_too() {
    let world = World::open();
    let account = json!({ "token_id": "6f652857-8798-5791-b345-f84d5a9ec333", "name": "one" });
    let renamed = json!({ "token_id": "6f652857-8798-5791-b345-f84d5a9ec333", "name": "two" });
    let lines = json!({ "lines": [{ "sku": "KUB-330-GRA", "quantity": 1 }] });
    let more = json!({ "lines": [{ "sku": "KUB-330-GRA", "quantity": 2 }] });
    let asked = [
        ("/api/v1/stock-sync/accounts", &account, &renamed),
        ("/api/v1/stock/validate", &lines, &more),
        (
            "/api/v1/stock-sync/retry",
            &json!({}),
            &json!({ "status": "failed" }),
        ),
    ];
    for (path, body, other) in asked {
        let first = send(&world, path, "many", body).await;
        assert_eq!(first.status, 200, "{path}: {}", first.text);
        assert_eq!(send(&world, path, "many", body).await.text, first.text, "{path}");
        assert_eq!(send(&world, path, "many", other).await.status, 409, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_key_over_many_retries_tries_each_of_them() {
    let world = World::open();
    send(&world, RECEIPTS, "a", &receipt(50)).await;
    world.refuse_flags();
    let mut orders = Vec::new();
    for number in 0..3 {
        let mut order = order();
        order["order"]["id"] = json!(format!("order-{number}"));
        order["order"]["lineItems"][0]["id"] = json!(format!("line-{number}"));
        let answer = world.post("/api/v1/stock-sync/orders", &order).await;
        assert_eq!(answer.json()["status"], "failed", "{}", answer.text);
        orders.push(order);
    }
    world.accept_flags();
    let retried = send(&world, "/api/v1/stock-sync/retry", "all", &json!({})).await;
    assert_eq!(retried.json()["retried"], 3, "{}", retried.text);
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    for order in &orders {
        assert_eq!(
            world.post("/api/v1/stock-sync/orders", order).await.json()["status"],
            "completed"
        );
    }
}
