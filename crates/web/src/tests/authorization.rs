//! Who may do what.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use saldo_store::query::Role;

use super::support::{Answered, World, order};
use crate::WebOptions;
use crate::api::routes;
use crate::authentication::{Access, word};

/// A path of a route, with something in place of its names.
fn path_of(template: &str) -> String {
    let segments = template
        .split('/')
        .map(|segment| if segment.starts_with('{') { "x" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

async fn ask(world: &World, method: &Method, path: &str, headers: &[(&str, &str)]) -> Answered {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(Body::empty()).unwrap()).await
}

fn may(answer: &Answered) -> bool {
    !matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

#[tokio::test(start_paused = true)]
async fn every_route_asks_for_a_key_of_its_role() {
    let world = World::with_keys().await;
    for route in routes() {
        let path = path_of(route.path);
        for key in [None, Some(Role::Viewer), Some(Role::Operator), Some(Role::Admin)] {
            let header = key.map(|role| format!("Bearer saldo_{}", word(role)));
            let headers: Vec<_> = header
                .iter()
                .map(|header| ("authorization", header.as_str()))
                .collect();
            let expected = match (route.access, key) {
                (Access::Everyone, _) => true,
                (Access::Role(_), None) => false,
                (Access::Role(needed), Some(role)) => role >= needed,
            };
            let answer = if path.ends_with("/events") && expected {
                // It never ends; that it begins is enough.
                continue;
            } else {
                ask(&world, &route.method, &path, &headers).await
            };
            assert_eq!(
                may(&answer),
                expected,
                "{} {path} as {key:?}: {}",
                route.method,
                answer.text
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn acting_and_configuring_need_more_than_reading() {
    for route in routes() {
        let Access::Role(role) = route.access else {
            assert!(
                ["/healthz", "/readyz", "/metrics"].contains(&route.path),
                "{} is open to everyone",
                route.path
            );
            continue;
        };
        // Who may ask is for an admin alone to know.
        let reads = (route.method == Method::GET && !route.path.ends_with("/keys"))
            || route.path.ends_with("/validate");
        assert_eq!(role == Role::Viewer, reads, "{} {}", route.method, route.path);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_open_to_everyone_needs_no_key() {
    let world = World::with_keys().await;
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs/",
        "/docs/problems",
    ] {
        assert_eq!(world.get(path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_told_why() {
    let world = World::with_keys().await;
    let path = "/api/v1/stock-sync/accounts";
    let missing = ask(&world, &Method::GET, path, &[]).await;
    assert_eq!(missing.headers["www-authenticate"], "Bearer realm=\"saldo\"");
    insta::assert_snapshot!("key_missing", missing.shown());
    for header in [
        "Bearer saldo_wrong",
        "Bearer ",
        "Basic saldo_admin",
        "saldo_admin",
        "Bearer saldo_admin x",
    ] {
        let answer = ask(&world, &Method::GET, path, &[("authorization", header)]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{header}");
    }
    let twice = [
        ("authorization", "Bearer saldo_admin"),
        ("authorization", "Bearer saldo_viewer"),
    ];
    assert_eq!(
        ask(&world, &Method::GET, path, &twice).await.status,
        StatusCode::UNAUTHORIZED
    );
    let low = ask(
        &world,
        &Method::POST,
        path,
        &[("authorization", "Bearer saldo_operator")],
    )
    .await;
    insta::assert_snapshot!("key_of_too_low_a_role", low.shown());
    let scheme = ask(
        &world,
        &Method::GET,
        path,
        &[("authorization", "bearer saldo_viewer")],
    )
    .await;
    assert_eq!(scheme.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn without_keys_only_an_open_server_answers() {
    let world = World::new(WebOptions::default());
    let answer = world.get("/api/v1/stock-sync/status").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    insta::assert_snapshot!("no_keys_and_not_open", answer.shown());
    assert_eq!(
        World::open().get("/api/v1/stock-sync/status").await.status,
        StatusCode::OK
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_key_closes_the_server_and_a_revoked_one_stops_working_within_two_seconds() {
    let world = World::open();
    let path = "/api/v1/stock-sync/status";
    assert_eq!(world.get(path).await.status, StatusCode::OK);
    world.put_key("admin", Role::Admin).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(world.get(path).await.status, StatusCode::UNAUTHORIZED);
    let key = [("authorization", "Bearer saldo_admin")];
    assert_eq!(ask(&world, &Method::GET, path, &key).await.status, StatusCode::OK);
    world.put_key("viewer", Role::Viewer).await;
    // Known at once: whoever is not found is looked for again.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let other = [("authorization", "Bearer saldo_viewer")];
    assert_eq!(
        ask(&world, &Method::GET, path, &other).await.status,
        StatusCode::OK
    );
    saldo_store::Store::revoke_api_key(world.store.as_ref(), "viewer", world.service.now())
        .await
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(
        ask(&world, &Method::GET, path, &other).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test(start_paused = true)]
async fn other_websites_are_kept_out_while_there_are_no_keys() {
    let world = World::open();
    let path = "/api/v1/stock-sync/status";
    for host in ["localhost:8080", "127.0.0.1", "[::1]:8080"] {
        assert_eq!(
            ask(&world, &Method::GET, path, &[("host", host)]).await.status,
            StatusCode::OK
        );
    }
    let rebound = ask(&world, &Method::GET, path, &[("host", "evil.example")]).await;
    insta::assert_snapshot!("host_refused", rebound.shown());
    let headers = [("host", "localhost:8080"), ("origin", "http://evil.example")];
    let crossed = ask(&world, &Method::POST, "/api/v1/stock-sync/orders", &headers).await;
    assert_eq!(
        (crossed.status, crossed.code().as_str()),
        (StatusCode::FORBIDDEN, "origin_refused")
    );
}

#[tokio::test(start_paused = true)]
async fn no_answer_invites_other_websites() {
    let world = World::open();
    let headers = [
        ("host", "localhost"),
        ("origin", "http://localhost"),
        ("access-control-request-method", "POST"),
    ];
    let preflight = ask(&world, &Method::OPTIONS, "/api/v1/stock-sync/orders", &headers).await;
    assert_eq!(preflight.status, StatusCode::METHOD_NOT_ALLOWED);
    let posted = world.post("/api/v1/stock-sync/orders", &order()).await;
    for answer in [preflight, posted] {
        assert!(
            answer
                .headers
                .keys()
                .all(|name| !name.as_str().starts_with("access-control"))
        );
    }
}
