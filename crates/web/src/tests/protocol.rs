//! What HTTP itself asks for.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use tower::ServiceExt;

use super::support::World;
use crate::WebOptions;
use crate::answer::Answer;
use crate::app::App;
use crate::authentication::Access;
use crate::call::Call;
use crate::endpoint::get;
use crate::problem::Problem;

#[tokio::test(start_paused = true)]
async fn unknown_paths_are_problems_too() {
    let world = World::open();
    insta::assert_snapshot!(
        "no_such_path",
        world.get("/api/v1/stock-sync/nothing").await.shown()
    );
    for path in [
        "/",
        "/api",
        "/api/v1/stock-sync",
        "/api/v1/stock-sync/alert",
        "/metric",
        "/a%00b",
        "//healthz",
    ] {
        let answer = world.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn another_method_is_answered_with_those_that_are_allowed() {
    let world = World::open();
    let answer = world.get("/api/v1/stock-sync/orders").await;
    assert_eq!(answer.headers["allow"], "POST");
    insta::assert_snapshot!("method_not_allowed", answer.shown());
    let request = Request::delete("/api/v1/stock-sync/accounts")
        .body(Body::empty())
        .unwrap();
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let allowed = answer.headers["allow"].to_str().unwrap().to_owned();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
}

#[tokio::test(start_paused = true)]
async fn a_head_has_no_body() {
    let world = World::open();
    let answer = world
        .send(
            Request::head("/api/v1/stock-sync/status")
                .body(Body::empty())
                .unwrap(),
        )
        .await;
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
    let answer = world
        .post("/api/v1/stock-sync/orders", &super::support::order())
        .await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "closing"));
    assert_eq!(answer.headers["retry-after"], "1");
}

/// A server with one endpoint that does not do what it should.
async fn ask<F>(broken: impl Fn(App, Call) -> F + Clone + Send + Sync + 'static) -> Response
where
    F: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    let world = World::open();
    let route = get("/broken", Access::Everyone, broken);
    let app = App::new(world.service.clone(), WebOptions::default());
    let router = Router::new().route(route.path, route.handler).with_state(app);
    router
        .oneshot(Request::get("/broken").body(Body::empty()).unwrap())
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_ends() {
    let response = ask(async |_, _| std::future::pending().await).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_problem_that_tells_nothing_of_it() {
    let response = ask(async |_, _| panic!("a secret")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap()
        .to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(
        text.contains("\"internal\"") && !text.contains("secret"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_given_up() {
    let world = World::open();
    let still = Body::from_stream(futures::stream::pending::<Result<String, std::io::Error>>());
    let answer = world.post_text("/api/v1/stock-sync/orders", still).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (408, "body_timeout")
    );
    let drip = futures::stream::unfold((), |()| async {
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        Some((Ok::<_, std::io::Error>(" "), ()))
    });
    let answer = world
        .post_text("/api/v1/stock-sync/orders", Body::from_stream(drip))
        .await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.headers["connection"].to_str().unwrap()
        ),
        (408, "close")
    );
}
