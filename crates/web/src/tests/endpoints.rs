//! Each endpoint: status and body.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::support::{ACCOUNT, World, form, order, order_number};
use crate::WebOptions;

const ORDER: &str = "29738e61-7f6a-11f1-ac45-09db60ede9d6";

#[tokio::test(start_paused = true)]
async fn an_order_is_taken_in_and_told_to_the_orders_service() {
    let world = World::open();
    world.receive().await;
    let answer = world.post("/api/v1/stock-sync/orders", &order()).await;
    insta::assert_snapshot!("order_completed", answer.shown());
    let again = world.post("/api/v1/stock-sync/orders/?wait=true", &order()).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json()["duplicate"], true);
    assert_eq!(again.json()["operation"]["id"], answer.json()["operation"]["id"]);
    assert_eq!(world.remote.flags.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_waits_is_accepted() {
    let world = World::open();
    let short = world.post("/api/v1/stock-sync/orders", &order()).await;
    insta::assert_snapshot!("order_in_review", short.shown());
    world.receive().await;
    world.stop_remote();
    let waits = world.post("/api/v1/stock-sync/orders", &order_number(1)).await;
    assert_eq!(
        (waits.status, &waits.json()["status"]),
        (StatusCode::ACCEPTED, &json!("pending"))
    );
    assert_eq!(waits.json()["operation"]["waiting_for"], "delivery");
    let at_once = world
        .post("/api/v1/stock-sync/orders?wait=false", &order_number(2))
        .await;
    assert_eq!(at_once.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn an_order_from_another_warehouse_is_skipped() {
    let world = World::open();
    let mut theirs = order();
    theirs["order"]["fulfillment"]["provider"]["id"] = json!("ALLEGRO");
    let answer = world.post("/api/v1/stock-sync/orders", &theirs).await;
    insta::assert_snapshot!("order_skipped", answer.shown());
}

#[tokio::test(start_paused = true)]
async fn operations_are_listed_told_and_explained() {
    let world = World::open();
    world.receive().await;
    let id = world.take_in().await;
    insta::assert_snapshot!(
        "operations",
        world.get("/api/v1/stock-sync/operations").await.shown()
    );
    insta::assert_snapshot!(
        "operation_log",
        world
            .get(&format!("/api/v1/stock-sync/operations/{id}/log"))
            .await
            .shown()
    );
    let one = world.get(&format!("/api/v1/stock-sync/operations/{id}")).await;
    assert_eq!(one.json()["id"], id.as_str());
    insta::assert_snapshot!(
        "pending_none",
        world.get("/api/v1/stock-sync/pending").await.shown()
    );
    for unknown in ["x", "00000000-0000-7000-8000-000000000000", "%FF"] {
        for path in [
            format!("operations/{unknown}"),
            format!("operations/{unknown}/log"),
        ] {
            let answer = world.get(&format!("/api/v1/stock-sync/{path}")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn operations_are_filtered_and_paged() {
    let world = World::open();
    world.receive().await;
    world.stop_remote();
    for number in 1..=3 {
        world
            .post("/api/v1/stock-sync/orders?wait=false", &order_number(number))
            .await;
    }
    let count = async |query: &str| {
        let answer = world.get(&format!("/api/v1/stock-sync/{query}")).await;
        answer.json()["items"]
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {}", answer.text))
            .len()
    };
    assert_eq!(count("pending").await, 3);
    assert_eq!(count("pending?status=failed").await, 0);
    assert_eq!(count("pending?order_id=order-2").await, 1);
    assert_eq!(count("operations?status=completed").await, 1);
    assert_eq!(count("operations?status=completed,pending,processing").await, 4);
    assert_eq!(
        count("operations?sku=KUB-330-GRA&warehouse=%D0%98%D1%80%D0%B8%D0%BD%D0%B0").await,
        4
    );
    assert_eq!(count(&format!("operations?token_id={ACCOUNT}")).await, 3);
    let first = world.get("/api/v1/stock-sync/operations?limit=3").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = world
        .get(&format!("/api/v1/stock-sync/operations?limit=3&cursor={cursor}"))
        .await
        .json();
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    assert_eq!(second["next_cursor"], json!(null));
}

#[tokio::test(start_paused = true)]
async fn a_query_that_means_nothing_is_refused() {
    let world = World::open();
    let path =
        "/api/v1/stock-sync/operations?sttus=failed&status=x&limit=0&token_id=1&sku=&sku=a&order_id=a%2Fb";
    let answer = world.get(path).await;
    insta::assert_snapshot!("query_refused", answer.shown());
    for (path, code) in [
        ("/api/v1/stock-sync/operations?cursor=zz", "cursor_invalid"),
        ("/api/v1/stock-sync/operations?limit=501", "invalid_input"),
        ("/api/v1/stock-sync/reviews?status=shut&reason=x", "invalid_input"),
        ("/api/v1/stock?below=many", "invalid_input"),
        ("/api/v1/stock-sync/status?x=1", "invalid_input"),
        ("/api/v1/stock-sync/operations?order_id=%00", "invalid_input"),
    ] {
        let answer = world.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (422, code),
            "{path}"
        );
    }
    let wait = world.post("/api/v1/stock-sync/orders?wait=maybe", &order()).await;
    assert_eq!(wait.pointers(), ["/query/wait"]);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_told_with_all_that_is_kept_of_it() {
    let world = World::open();
    world.receive().await;
    world.take_in().await;
    let answer = world
        .get(&format!("/api/v1/stock-sync/orders/{ACCOUNT}/{ORDER}"))
        .await;
    insta::assert_snapshot!("order_state", answer.shown());
    for unknown in [
        format!("{ACCOUNT}/other"),
        "x/y".to_owned(),
        format!("{ACCOUNT}/a%20b"),
    ] {
        let answer = world.get(&format!("/api/v1/stock-sync/orders/{unknown}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::NOT_FOUND, "order_unknown")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_rolled_back_once() {
    let world = World::open();
    world.receive().await;
    let id = world.take_in().await;
    let path = format!("/api/v1/stock-sync/rollback/{id}");
    let answer = world.post(&path, &json!({ "reason": "typed in twice" })).await;
    insta::assert_snapshot!("rollback", answer.shown());
    let again = world
        .post(&path, &json!({ "reason": "again", "force": false }))
        .await;
    assert_eq!(again.json(), answer.json());
    let unknown = "/api/v1/stock-sync/rollback/00000000-0000-7000-8000-000000000000";
    let unknown = world.post(unknown, &json!({ "reason": "?" })).await;
    insta::assert_snapshot!("rollback_unknown", unknown.shown());
    let retried = world
        .post(&format!("/api/v1/stock-sync/retry/{id}"), &json!({}))
        .await;
    assert_eq!(
        (retried.status, retried.code().as_str()),
        (StatusCode::CONFLICT, "rolled_back")
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_tried_again() {
    let world = World::open();
    world.receive().await;
    world.stop_remote();
    let id = world.take_in().await;
    world
        .remote
        .down
        .store(false, std::sync::atomic::Ordering::SeqCst);
    let answer = world
        .post_text(&format!("/api/v1/stock-sync/retry/{id}"), Body::empty())
        .await;
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (StatusCode::OK, &json!("completed"))
    );
    let many = world
        .post("/api/v1/stock-sync/retry", &json!({ "status": "failed" }))
        .await;
    insta::assert_snapshot!("retry_many", many.shown());
    let bad = json!({ "status": "pending", "reason": "x", "ids": ["y"], "token_id": 7 });
    let bad = world.post("/api/v1/stock-sync/retry", &bad).await;
    assert_eq!(bad.pointers(), ["/status", "/reason", "/token_id", "/ids/0"]);
}

#[tokio::test(start_paused = true)]
async fn single_lines_are_deducted_and_brought_back() {
    let world = World::open();
    world.receive().await;
    let line = json!({ "token_id": ACCOUNT, "order_id": "o-1", "sku": "KUB-330-GRA", "quantity": 3 });
    insta::assert_snapshot!(
        "deduction",
        world.post("/api/v1/stock-sync/deductions", &line).await.shown()
    );
    let mut other = line.clone();
    other["quantity"] = json!(4);
    let other = world.post("/api/v1/stock-sync/deductions", &other).await;
    assert_eq!(
        (other.status.as_u16(), other.code().as_str()),
        (409, "line_item_id_required")
    );
    let refund = json!({ "token_id": ACCOUNT, "order_id": "o-1", "reason": "came back",
        "lines": [{ "sku": "KUB-330-GRA", "quantity": 1 }] });
    insta::assert_snapshot!(
        "refund",
        world.post("/api/v1/stock-sync/refunds", &refund).await.shown()
    );
    let mut too_many = refund.clone();
    too_many["lines"][0]["quantity"] = json!(9);
    let too_many = world.post("/api/v1/stock-sync/refunds", &too_many).await;
    assert_eq!(
        (too_many.status.as_u16(), too_many.code().as_str()),
        (409, "refund_exceeds_taken")
    );
}

#[tokio::test(start_paused = true)]
async fn a_webhook_fetches_the_order_or_remembers_it() {
    let world = World::open();
    world.receive().await;
    let key = saldo_domain::ids::OrderKey {
        account: ACCOUNT.parse().unwrap(),
        order: saldo_domain::ids::OrderId::parse(ORDER).unwrap(),
    };
    world.remote.forms.lock().unwrap().insert(key, form());
    let body = json!({ "token_id": ACCOUNT, "order_id": ORDER });
    world.stop_remote();
    insta::assert_snapshot!(
        "webhook_later",
        world.post("/api/v1/stock-sync/webhook", &body).await.shown()
    );
    world
        .remote
        .down
        .store(false, std::sync::atomic::Ordering::SeqCst);
    let now = world.post("/api/v1/stock-sync/webhook", &body).await;
    assert_eq!(
        (now.status, &now.json()["operation"]["order_id"]),
        (StatusCode::OK, &json!(ORDER)),
        "{}",
        now.text
    );
}

#[tokio::test(start_paused = true)]
async fn reviews_are_listed_told_and_answered() {
    let world = World::open();
    let posted = world.post("/api/v1/stock-sync/orders", &order()).await;
    let id = posted.json()["review_id"].as_str().unwrap().to_owned();
    insta::assert_snapshot!(
        "reviews",
        world.get("/api/v1/stock-sync/reviews?status=open").await.shown()
    );
    assert_eq!(
        world
            .get(&format!("/api/v1/stock-sync/reviews/{id}"))
            .await
            .json()["id"],
        id.as_str()
    );
    let path = format!("/api/v1/stock-sync/reviews/{id}/resolve");
    let bad =
        json!({ "resolution": "map_sku", "sku": "A", "components": [{ "sku": "B", "units": 0 }], "x": 1 });
    let bad = world.post(&path, &bad).await;
    assert_eq!(bad.pointers(), ["/x", "/components/0/units", "/sku"]);
    for (body, pointer) in [
        (json!({ "resolution": "map_sku" }), "/components"),
        (json!({ "resolution": "retry", "sku": "A" }), "/sku"),
        (json!({ "resolution": "maybe" }), "/resolution"),
    ] {
        assert_eq!(world.post(&path, &body).await.pointers(), [pointer], "{body}");
    }
    let answer = world
        .post(&path, &json!({ "resolution": "cancel", "note": "out of print" }))
        .await;
    insta::assert_snapshot!("review_resolved", answer.shown());
    let other = world.post(&path, &json!({ "resolution": "retry" })).await;
    assert_eq!(
        (other.status.as_u16(), other.code().as_str()),
        (409, "already_resolved")
    );
}

#[tokio::test(start_paused = true)]
async fn reviews_are_answered_together() {
    let world = World::open();
    for number in 1..=3 {
        world
            .post("/api/v1/stock-sync/orders", &order_number(number))
            .await;
    }
    let path = "/api/v1/stock-sync/reviews/resolve";
    let nothing = world.post(path, &json!({ "resolution": "retry" })).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
    let map = world
        .post(path, &json!({ "resolution": "map_sku", "order_id": "order-1" }))
        .await;
    assert_eq!(map.pointers(), ["/resolution"]);
    let one = json!({ "resolution": "cancel", "order_id": "order-1", "note": "no" });
    assert_eq!(world.post(path, &one).await.json()["resolved"], 1);
    let rest = json!({ "resolution": "cancel", "token_id": ACCOUNT });
    insta::assert_snapshot!("reviews_resolved", world.post(path, &rest).await.shown());
    assert_eq!(world.post(path, &rest).await.json()["matched"], 0);
}

#[tokio::test(start_paused = true)]
async fn stock_is_booked_counted_and_moved() {
    let world = World::open();
    let receipt = json!({ "lines": [{ "sku": "CR1/41", "quantity": 5 }], "reference": "WZ 1" });
    insta::assert_snapshot!(
        "receipt",
        world.post("/api/v1/stock/receipts", &receipt).await.shown()
    );
    let transfer = json!({ "sku": "CR1/41", "from": "Ирина", "to": "Łódź", "quantity": 2 });
    let moved = world.post("/api/v1/stock/transfers/", &transfer).await;
    assert_eq!(moved.json()["operation"]["lines"].as_array().unwrap().len(), 2);
    let count = json!({ "lines": [{ "sku": "CR1/41", "counted": 3 }], "reason": "count" });
    insta::assert_snapshot!(
        "count_agrees",
        world.post("/api/v1/stock/adjustments", &count).await.shown()
    );
    insta::assert_snapshot!("balances", world.get("/api/v1/stock").await.shown());
    assert_eq!(
        world.get("/api/v1/stock/?below=3").await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    insta::assert_snapshot!("sku", world.get("/api/v1/stock/CR1%2F41").await.shown());
    insta::assert_snapshot!(
        "movements",
        world.get("/api/v1/stock/CR1%2F41/movements").await.shown()
    );
    for unknown in [
        "/api/v1/stock/none",
        "/api/v1/stock/none/movements",
        "/api/v1/stock/%00",
    ] {
        assert_eq!(world.get(unknown).await.code(), "sku_unknown", "{unknown}");
    }
    let same = json!({ "sku": "CR1/41", "from": "Ирина", "to": "Ирина", "quantity": 2 });
    assert_eq!(
        world.post("/api/v1/stock/transfers", &same).await.code(),
        "same_warehouse"
    );
}

#[tokio::test(start_paused = true)]
async fn a_validation_tells_what_is_lacking() {
    let world = World::open();
    world.receive().await;
    let lines = json!({ "lines": [
        { "sku": "KUB-330-GRA", "quantity": 7 }, { "sku": "KUB-330-GRA", "quantity": 4 }, { "sku": "X", "quantity": 1 }
    ] });
    insta::assert_snapshot!(
        "validation",
        world.post("/api/v1/stock/validate", &lines).await.shown()
    );
}

#[tokio::test(start_paused = true)]
async fn an_offer_is_mapped() {
    let world = World::open();
    let path = format!("/api/v1/stock/mappings/{ACCOUNT}/13445358955");
    assert_eq!(world.get(&path).await.code(), "mapping_unknown");
    let put = async |body: serde_json::Value| {
        world
            .send(Request::put(&path).body(Body::from(body.to_string())).unwrap())
            .await
    };
    let answer = put(json!({ "components": [{ "sku": "KUB", "units": 6 }] })).await;
    insta::assert_snapshot!("mapping", answer.shown());
    assert_eq!(
        world.get(&path).await.json()["components"],
        answer.json()["components"]
    );
    let twice = put(json!({ "components": [{ "sku": "A", "units": 1 }, { "sku": "A", "units": 2 }] })).await;
    assert_eq!(twice.pointers(), ["/components"]);
    let request = Request::put("/api/v1/stock/mappings/x/a%20b")
        .body(Body::from("{}"))
        .unwrap();
    let pointers = world.send(request).await.pointers();
    assert_eq!(pointers, ["/path/token_id", "/path/offer_id", "/components"]);
}

#[tokio::test(start_paused = true)]
async fn accounts_are_added_and_named() {
    let world = World::open();
    world.receive().await;
    let body = json!({ "token_id": ACCOUNT, "name": "kubki-pl" });
    insta::assert_snapshot!(
        "account",
        world.post("/api/v1/stock-sync/accounts", &body).await.shown()
    );
    insta::assert_snapshot!("accounts", world.get("/api/v1/stock-sync/accounts").await.shown());
    let taken = world.post("/api/v1/stock-sync/orders", &order()).await;
    assert_eq!(taken.json()["operation"]["account_name"], "kubki-pl");
    let bad = world
        .post(
            "/api/v1/stock-sync/accounts",
            &json!({ "token_id": "x", "name": "a\nb" }),
        )
        .await;
    assert_eq!(bad.pointers(), ["/token_id", "/name"]);
}

#[tokio::test(start_paused = true)]
async fn accounts_are_paged_like_every_list() {
    let world = World::open();
    for number in 1..=3 {
        let id = format!("00000000-0000-4000-8000-00000000000{number}");
        let body = json!({ "token_id": id, "name": "shop" });
        world.post("/api/v1/stock-sync/accounts", &body).await;
    }
    let page = async |query: &str| {
        let answer = world.get(&format!("/api/v1/stock-sync/accounts?{query}")).await;
        answer.json()
    };
    let first = page("limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let second = page(&format!("limit=2&cursor={cursor}")).await;
    let last = "00000000-0000-4000-8000-000000000003";
    assert_eq!(
        (&second["items"][0]["token_id"], &second["next_cursor"]),
        (&json!(last), &json!(null))
    );
    assert_eq!(page("limit=3").await["next_cursor"], json!(null));
    assert_eq!(page("cursor=zz").await["code"], "cursor_invalid");
    assert_eq!(page("limit=501").await["code"], "invalid_input");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_of_two_lines_of_a_sku_tells_their_sum_however_often_it_is_asked() {
    let world = World::open();
    world.receive().await;
    let mut two_lines = order();
    let mut line = two_lines["order"]["lineItems"][0].clone();
    line["id"] = json!("another-line");
    two_lines["order"]["lineItems"].as_array_mut().unwrap().push(line);
    let taken = world.post("/api/v1/stock-sync/orders", &two_lines).await.json();
    let id = taken["operation"]["id"].as_str().unwrap();
    let path = format!("/api/v1/stock-sync/rollback/{id}");
    let first = world.post(&path, &json!({ "reason": "twice" })).await.json();
    let again = world.post(&path, &json!({ "reason": "twice" })).await.json();
    let restored = first["restored"].as_array().unwrap();
    assert_eq!((restored.len(), &restored[0]["quantity"]), (1, &json!(4)));
    assert_eq!(again, first);
}

#[tokio::test(start_paused = true)]
async fn the_state_is_told() {
    let world = World::open();
    insta::assert_snapshot!("status", world.get("/api/v1/stock-sync/status").await.shown());
    insta::assert_snapshot!("health", world.get("/healthz").await.shown());
    assert_eq!(world.get("/readyz").await.status, StatusCode::OK);
    saldo_store::Store::close(world.store.as_ref()).await.unwrap();
    let answer = world.get("/readyz").await;
    assert_eq!(answer.headers["retry-after"], "1");
    insta::assert_snapshot!("not_ready", answer.shown());
    assert_eq!(world.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_about_to_stop_is_not_ready_and_goes_on_taking_in() {
    let world = World::open();
    world.receive().await;
    world.service.take_leave();
    let answer = world.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(world.get("/healthz").await.status, StatusCode::OK);
    let taken = world.post("/api/v1/stock-sync/orders", &order()).await.json();
    assert_eq!(taken["status"], "completed", "{taken}");
}

#[tokio::test(start_paused = true)]
async fn a_worker_tells_how_it_stands_and_takes_nothing_in() {
    let world = World::new(WebOptions {
        open: true,
        takes_in: false,
        ..WebOptions::default()
    });
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/stock-sync/status"] {
        assert_eq!(world.get(path).await.status, StatusCode::OK, "{path}");
    }
    for path in [
        "/api/v1/stock",
        "/api/v1/stock-sync/orders",
        "/api/v1/stock-sync/pending",
    ] {
        assert_eq!(world.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let refused = world.post("/api/v1/stock-sync/orders", &order()).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let detail = refused.json()["detail"].to_string();
    assert!(detail.contains("role is all or api"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn keys_are_made_listed_and_revoked() {
    const KEYS: &str = "/api/v1/stock-sync/keys";
    let world = World::open();
    let hash = crate::api_key_hash("saldo_secret");
    let body = |name: &str, role: &str| json!({ "name": name, "role": role, "hash": hash });
    let first = world.post(KEYS, &body("till", "viewer")).await;
    assert_eq!(
        (first.status.as_u16(), first.code().as_str()),
        (409, "admin_key_first")
    );
    let wrong = world
        .post(KEYS, &json!({ "name": " ", "role": "king", "hash": "AB" }))
        .await;
    assert_eq!(wrong.pointers(), ["/name", "/role", "/hash"]);
    let made = world.post(KEYS, &body("boss", "admin")).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    assert!(!made.text.contains(&hash), "{}", made.text);

    let ask = async |method: &str, path: &str, body: &Value| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", "Bearer saldo_secret")
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        world.send(request).await
    };
    let refused = world.get(KEYS).await;
    assert_eq!(
        refused.status,
        StatusCode::UNAUTHORIZED,
        "the first key closes the server"
    );
    let taken = ask("POST", KEYS, &body("boss", "viewer")).await;
    assert_eq!(taken.code(), "api_key_name_taken");
    assert_eq!(
        ask("POST", KEYS, &body("a/b", "viewer")).await.status,
        StatusCode::OK
    );
    let page = ask("GET", &format!("{KEYS}?limit=1"), &Value::Null).await.json();
    assert_eq!(page["items"][0]["name"], "a/b");
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = ask("GET", &format!("{KEYS}?cursor={cursor}"), &Value::Null)
        .await
        .json();
    assert_eq!(
        (&page["items"][0]["name"], &page["next_cursor"]),
        (&json!("boss"), &Value::Null)
    );

    let own = ask("DELETE", &format!("{KEYS}/boss"), &Value::Null).await;
    assert_eq!((own.status.as_u16(), own.code().as_str()), (409, "own_key"));
    let revoked = ask("DELETE", &format!("{KEYS}/a%2Fb"), &Value::Null).await;
    assert_eq!(revoked.json()["name"], "a/b");
    let again = ask("DELETE", &format!("{KEYS}/a%2Fb"), &Value::Null).await;
    assert_eq!(
        (again.status.as_u16(), again.code().as_str()),
        (404, "api_key_unknown")
    );
}
