//! What HTTP itself asks for.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::support::World;

#[tokio::test(start_paused = true)]
async fn unknown_paths_are_problems_too() {
    let world = World::open();
    insta::assert_snapshot!("no_such_path", world.get("/api/v1/stock-sync/nothing").await.shown());
    for path in ["/", "/api", "/api/v1/stock-sync", "/api/v1/stock-sync/alerts", "/metrics", "/a%00b", "//healthz"] {
        let answer = world.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "not_found"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_method_is_answered_with_those_that_are_allowed() {
    let world = World::open();
    let answer = world.get("/api/v1/stock-sync/orders").await;
    assert_eq!(answer.headers["allow"], "POST");
    insta::assert_snapshot!("method_not_allowed", answer.shown());
    let request = Request::delete("/api/v1/stock-sync/accounts").body(Body::empty()).unwrap();
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let allowed = answer.headers["allow"].to_str().unwrap().to_owned();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
}

#[tokio::test(start_paused = true)]
async fn a_head_has_no_body() {
    let world = World::open();
    let answer = world.send(Request::head("/api/v1/stock-sync/status").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
}

#[tokio::test(start_paused = true)]
async fn answers_are_not_cached() {
    let world = World::open();
    for path in ["/api/v1/stock-sync/status", "/api/v1/stock-sync/nothing"] {
        let answer = world.get(path).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_store_is_a_503_and_not_a_defect() {
    let world = World::open();
    world.receive().await;
    saldo_store::Store::close(world.store.as_ref()).await.unwrap();
    let answer = world.post("/api/v1/stock-sync/orders", &super::support::order()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "closing"));
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_ends() {
    let options = crate::WebOptions { open: true, request_timeout: std::time::Duration::ZERO, ..Default::default() };
    let world = World::new(options);
    world.stop_remote();
    let order = super::support::order();
    // What needs no waiting is done all the same.
    assert_eq!(world.get("/api/v1/stock-sync/status").await.status, 200);
    assert_eq!(world.post("/api/v1/stock-sync/orders", &order).await.status, 202);
}
