//! Server-sent events.

use axum::body::BodyDataStream;
use axum::http::Request;
use futures::StreamExt;
use serde_json::Value;
use tower::ServiceExt;

use super::support::World;
use crate::limits::LISTENERS_MAX;

const EVENTS: &str = "/api/v1/stock-sync/events";

/// A listener that was told how everything stands.
async fn listen(world: &World) -> BodyDataStream {
    let request = Request::get(EVENTS).body(axum::body::Body::empty()).unwrap();
    let response = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut events = response.into_body().into_data_stream();
    let (name, status) = next(&mut events).await;
    assert_eq!((name.as_str(), &status["version"]), ("status", &"1.2.3".into()));
    events
}

/// The next event's name and data.
async fn next(events: &mut BodyDataStream) -> (String, Value) {
    loop {
        let text = events.next().await.unwrap().unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        if text.starts_with(':') {
            continue;
        }
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        return (field("event:"), serde_json::from_str(&field("data:")).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn what_changes_is_told_as_it_stands_now() {
    let world = World::open();
    world.receive().await;
    let mut events = listen(&world).await;
    let id = world.take_in().await;
    loop {
        let (name, data) = next(&mut events).await;
        if name == "operation" && data["id"] == id.as_str() && data["status"] == "completed" {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_missed_something_is_told_to_read_again() {
    let world = World::open();
    let mut events = listen(&world).await;
    for number in 0..1_500 {
        world
            .post(
                "/api/v1/stock-sync/orders?wait=false",
                &super::support::order_number(number),
            )
            .await;
    }
    assert_eq!(next(&mut events).await.0, "reset");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_may_listen() {
    let world = World::open();
    let mut listeners = Vec::new();
    for _ in 0..LISTENERS_MAX {
        listeners.push(listen(&world).await);
    }
    let answer = world.get(EVENTS).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (503, "too_many_listeners")
    );
    listeners.pop();
    drop(listen(&world).await);
}
