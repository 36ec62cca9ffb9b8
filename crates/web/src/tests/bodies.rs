//! Bodies that are not as they should be: each is refused, in full, and changes nothing.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::support::{ACCOUNT, World, order};
use crate::limits::{BODY_BYTES_MAX, DROPPED_BYTES_MAX};

const ORDERS: &str = "/api/v1/stock-sync/orders";

#[tokio::test(start_paused = true)]
async fn what_is_no_json_is_refused_everywhere() {
    let world = World::open();
    let deep = "[".repeat(200);
    let long = format!("{{\"token_id\":{}", "9".repeat(1_000_000));
    let bodies: [&[u8]; 13] = [
        b"",
        b"   ",
        b"{",
        b"}",
        b"null x",
        b"{\"a\":1,\"a\":2}",
        b"{\"a\":1e400}",
        b"{\"a\":NaN}",
        b"\xff\xfe{}",
        b"{\"a\":\"\xc3\x28\"}",
        b"{\"a\":\"\\ud800\"}",
        deep.as_bytes(),
        long.as_bytes(),
    ];
    let before = world.store.dump();
    for path in paths_with_bodies() {
        for body in bodies {
            if body.is_empty() && path.contains("/retry") {
                continue;
            }
            let answer = world.post_text(path, body.to_vec()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
            assert_eq!(
                answer.status,
                StatusCode::BAD_REQUEST,
                "{path} {shown}: {}",
                answer.text
            );
            assert_eq!(answer.code(), "bad_json");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
        }
    }
    assert_eq!(world.store.dump(), before);
}

/// Every path that takes a body, on which an unknown id comes after the body.
fn paths_with_bodies() -> Vec<&'static str> {
    vec![
        ORDERS,
        "/api/v1/stock-sync/deductions",
        "/api/v1/stock-sync/refunds",
        "/api/v1/stock-sync/webhook",
        "/api/v1/stock-sync/retry",
        "/api/v1/stock-sync/retry/00000000-0000-7000-8000-000000000000",
        "/api/v1/stock-sync/rollback/00000000-0000-7000-8000-000000000000",
        "/api/v1/stock-sync/reviews/resolve",
        "/api/v1/stock-sync/reviews/00000000-0000-7000-8000-000000000000/resolve",
        "/api/v1/stock-sync/accounts",
        "/api/v1/stock/receipts",
        "/api/v1/stock/adjustments",
        "/api/v1/stock/transfers",
        "/api/v1/stock/validate",
    ]
}

#[tokio::test(start_paused = true)]
async fn what_is_no_object_or_has_unknown_fields_is_refused_everywhere() {
    let world = World::open();
    let before = world.store.dump();
    for path in paths_with_bodies() {
        for body in [json!(null), json!([]), json!("x"), json!(7), json!(true)] {
            let answer = world.post(path, &body).await;
            assert_eq!(
                answer.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{path} {body}: {}",
                answer.text
            );
            assert!(
                answer.pointers().contains(&String::new()),
                "{path} {body}: {}",
                answer.text
            );
        }
        let answer = world.post(path, &json!({ "a/b": 1 })).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path}: {}",
            answer.text
        );
        assert!(
            answer.pointers().contains(&"/a~1b".to_owned()),
            "{path}: {}",
            answer.text
        );
    }
    assert_eq!(world.store.dump(), before);
}

#[tokio::test(start_paused = true)]
async fn every_problem_of_an_order_is_told_at_once() {
    let world = World::open();
    let body = json!({
        "token_id": "x", "warehouse": "a\u{0}b", "extra": 1,
        "order": { "id": "a/b", "status": "NEW", "lineItems": [
            { "quantity": 0 }, { "quantity": "2" }, 7, { "quantity": 1_000_001, "offer": { "external": { "id": 5 } } }
        ] }
    });
    insta::assert_snapshot!("order_refused", world.post(ORDERS, &body).await.shown());
    insta::assert_snapshot!("order_empty", world.post(ORDERS, &json!({})).await.shown());
}

#[tokio::test(start_paused = true)]
async fn strange_values_in_a_form_never_break_anything() {
    let world = World::open();
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("\u{0}"),
        json!("\u{202e}"),
        json!("x".repeat(5_000)),
        json!([]),
        json!([[]]),
        json!({}),
        json!({ "id": { "id": [] } }),
    ];
    let pointers = [
        "/token_id",
        "/warehouse",
        "/order",
        "/order/id",
        "/order/status",
        "/order/revision",
        "/order/updatedAt",
        "/order/fulfillment",
        "/order/fulfillment/status",
        "/order/fulfillment/provider",
        "/order/lineItems",
        "/order/lineItems/0",
        "/order/lineItems/0/id",
        "/order/lineItems/0/offer",
        "/order/lineItems/0/offer/id",
        "/order/lineItems/0/offer/external",
        "/order/lineItems/0/quantity",
        "/order/lineItems/0/boughtAt",
    ];
    for pointer in pointers {
        for value in &values {
            let mut body = order();
            set(&mut body, pointer, value.clone());
            let answer = world.post(&format!("{ORDERS}?wait=false"), &body).await;
            let status = answer.status.as_u16();
            assert!(
                [200, 202, 409, 422].contains(&status),
                "{pointer} {value}: {}",
                answer.text
            );
        }
    }
    assert_eq!(
        saldo_store::Store::check(world.store.as_ref(), world.service.now())
            .await
            .unwrap(),
        []
    );
}

fn set(body: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match body.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            members.insert(name.to_owned(), value);
        }
        Value::Array(values) => values[name.parse::<usize>().unwrap()] = value,
        _ => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn quantities_are_whole_and_within_bounds() {
    let world = World::open();
    let receipt = |quantity: &str| {
        format!("{{\"lines\":[{{\"sku\":\"A\",\"warehouse\":\"W\",\"quantity\":{quantity}}}]}}")
    };
    for good in ["1", "2.0", "1e3", "1000000"] {
        let answer = world.post_text("/api/v1/stock/receipts", receipt(good)).await;
        assert_eq!(answer.status, StatusCode::OK, "{good}: {}", answer.text);
    }
    let before = world.store.dump();
    for bad in [
        "0",
        "-1",
        "1.5",
        "1000001",
        "1e30",
        "\"2\"",
        "null",
        "true",
        "99999999999999999999999",
    ] {
        let answer = world.post_text("/api/v1/stock/receipts", receipt(bad)).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{bad}: {}",
            answer.text
        );
        assert_eq!(answer.pointers(), ["/lines/0/quantity"], "{bad}");
    }
    let twice = json!({ "reason": "r", "lines": [
        { "sku": "A", "warehouse": "W", "counted": 1 }, { "sku": "A", "warehouse": "W", "counted": 2 }
    ] });
    assert_eq!(
        world.post("/api/v1/stock/adjustments", &twice).await.pointers(),
        ["/lines"]
    );
    let none = json!({ "reason": "r", "lines": [] });
    assert_eq!(
        world.post("/api/v1/stock/adjustments", &none).await.pointers(),
        ["/lines"]
    );
    assert_eq!(world.store.dump(), before);
}

/// What reliability asks of data: each with where it is wrong, and in words that say so.
fn hostile_orders() -> Vec<(Value, &'static str, &'static str)> {
    let line = |number: usize| json!({ "id": format!("line-{number}"), "quantity": 1, "offer": { "id": "1", "external": { "id": "A" } } });
    let lines = |count: usize| Value::Array((0..count).map(line).collect());
    let (list, quantity, sku) = (
        "/order/lineItems",
        "/order/lineItems/0/quantity",
        "/order/lineItems/0/offer/external/id",
    );
    let whole = "a whole number from 1 to 1000000";
    vec![
        (json!([]), list, "at least one line"),
        (json!(null), list, "at least one line"),
        (lines(10_000), list, "1000 lines"),
        (
            json!([line(1), line(1)]),
            "/order/lineItems/1/id",
            "stands on two lines",
        ),
        (json!(0), quantity, whole),
        (json!(-1), quantity, whole),
        (json!(1.5), quantity, whole),
        (json!("3"), quantity, whole),
        (json!(1_000_000_000), quantity, whole),
        (json!(i64::MAX), quantity, whole),
        (json!(i64::MIN), quantity, whole),
        (json!(1e300), quantity, whole),
        (json!("A\u{0}"), sku, "control characters"),
        (json!("x".repeat(4_096)), sku, "at most"),
        (json!(7), sku, "text"),
        (json!("a/../b"), "/order/id", "letters"),
        (json!("o\u{0}"), "/order/id", "letters"),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_hostile_order_is_refused_with_what_is_wrong_and_changes_nothing() {
    let world = World::open();
    world.receive().await;
    let before = world.store.dump();
    for (value, pointer, words) in hostile_orders() {
        let mut body = order();
        set(&mut body, pointer.trim_end_matches("/1/id"), value.clone());
        let answer = world.post(ORDERS, &body).await;
        let shown: String = value.to_string().chars().take(40).collect();
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{shown}: {}",
            answer.text
        );
        let errors = answer.json()["errors"].clone();
        let told =
            errors.as_array().unwrap().iter().any(|error| {
                error["pointer"] == pointer && error["message"].as_str().unwrap().contains(words)
            });
        assert!(told, "{shown} at {pointer}, {words:?}: {errors}");
        assert_eq!(world.store.dump(), before, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn skus_are_told_apart_byte_by_byte_however_alike_they_look() {
    let world = World::open();
    let skus = [
        "Ż",
        "Z\u{307}",
        "KUB",
        "kub",
        "KUB\u{200b}",
        "\u{202e}KUB",
        "КUB",
        "KUB 1",
    ];
    let lines: Vec<Value> = skus
        .iter()
        .enumerate()
        .map(|(index, sku)| json!({ "sku": format!("  {sku} "), "warehouse": "W", "quantity": index + 1 }))
        .collect();
    let answer = world
        .post("/api/v1/stock/receipts", &json!({ "lines": lines }))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let balances = world.get("/api/v1/stock").await.json();
    let balances = balances["items"].as_array().unwrap();
    assert_eq!(balances.len(), skus.len());
    for (index, sku) in skus.iter().enumerate() {
        let held = balances.iter().find(|balance| balance["sku"] == *sku).unwrap();
        assert_eq!(held["quantity"], index + 1, "{sku:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refund_names_each_sku_once() {
    let world = World::open();
    let body = json!({ "token_id": ACCOUNT, "order_id": "o", "reason": " ",
        "lines": [{ "sku": "A", "quantity": 1 }, { "sku": "A", "quantity": 2 }] });
    assert_eq!(
        world.post("/api/v1/stock-sync/refunds", &body).await.pointers(),
        ["/reason", "/lines/1/sku"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_read_and_refused() {
    let world = World::open();
    for size in [BODY_BYTES_MAX + 1, DROPPED_BYTES_MAX] {
        let answer = world.post_text(ORDERS, vec![b' '; size]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (413, "body_too_large")
        );
        assert!(!answer.headers.contains_key("connection"));
    }
    let answer = world.post_text(ORDERS, vec![b' '; DROPPED_BYTES_MAX + 1]).await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.headers["connection"].to_str().unwrap()
        ),
        (413, "close")
    );
    // Without a length, in pieces.
    let pieces = futures::stream::iter((0..80).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024])));
    let answer = world.post_text(ORDERS, Body::from_stream(pieces)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let largest = vec![b' '; BODY_BYTES_MAX];
    assert_eq!(world.post_text(ORDERS, largest).await.code(), "bad_json");
}

#[tokio::test(start_paused = true)]
async fn only_json_is_taken() {
    let world = World::open();
    let send = async |name: &str, value: &str| {
        let request = Request::post(ORDERS)
            .header(name, value)
            .body(Body::from(order().to_string()))
            .unwrap();
        world.send(request).await.status.as_u16()
    };
    for good in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/x-ndjson",
    ] {
        assert_eq!(send("content-type", good).await, 202, "{good}");
    }
    assert_eq!(send("x-nothing", "x").await, 202);
    for bad in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "json",
    ] {
        assert_eq!(send("content-type", bad).await, 415, "{bad}");
    }
    assert_eq!(send("content-encoding", "gzip").await, 415);
    assert_eq!(send("content-encoding", "identity").await, 202);
}

#[tokio::test(start_paused = true)]
async fn a_single_mistake_is_told_as_a_sentence() {
    let world = World::open();
    let list = world.post(ORDERS, &json!([])).await.json();
    assert_eq!(list["detail"], "the body must be an object, not a list");
    let line = world.post(ORDERS, &json!({ "token_id": ACCOUNT })).await.json();
    assert_eq!(line["detail"], "/order: is required");
    let query = world.get("/api/v1/stock-sync/status?x=1").await.json();
    assert_eq!(
        query["detail"],
        "/query/x: there is no such parameter; this call has none"
    );
}
