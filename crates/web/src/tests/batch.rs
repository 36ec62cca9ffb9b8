//! Batches.

use axum::body::Body;
use serde_json::{Value, json};

use super::support::{Answered, World, order, order_number};
use crate::limits::{BATCH_LINES_MAX, BODY_BYTES_MAX};

const BATCH: &str = "/api/v1/stock-sync/orders/batch";

fn lines(answer: &Answered) -> Vec<Value> {
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    answer
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn one_bad_line_spoils_no_other() {
    let world = World::open();
    world.receive().await;
    let body = format!(
        "{}\r\n\n  \nnot json\n{{\"token_id\":1}}\n{}",
        order_number(1),
        order_number(2)
    );
    let answer = world.post_text(BATCH, body).await;
    let told = lines(&answer);
    let summary: Vec<_> = told
        .iter()
        .map(|line| (line["line"].clone(), line["status"].clone()))
        .collect();
    assert_eq!(
        summary,
        [
            (json!(1), json!(202)),
            (json!(4), json!(400)),
            (json!(5), json!(422)),
            (json!(6), json!(202))
        ]
    );
    assert_eq!(told[0]["result"]["operation"]["order_id"], "order-1");
    assert_eq!(told[2]["problem"]["errors"].as_array().unwrap().len(), 2);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let again = lines(&world.post_text(BATCH, format!("{}\n", order_number(1))).await);
    assert_eq!(
        (&again[0]["status"], &again[0]["result"]["duplicate"]),
        (&json!(200), &json!(true))
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_may_say_that_it_does_not_wait() {
    let world = World::open();
    world.receive().await;
    let answer = world
        .post_text(&format!("{BATCH}?wait=false"), order().to_string())
        .await;
    assert_eq!(lines(&answer)[0]["status"], 202);
    let refused = world
        .post_text(&format!("{BATCH}?wait=perhaps"), order().to_string())
        .await;
    assert_eq!(refused.pointers(), ["/query/wait"]);
}

#[tokio::test(start_paused = true)]
async fn results_come_in_order_over_many_chunks_however_the_body_is_cut() {
    let world = World::open();
    let text: String = (0..700)
        .map(|number| format!("{}\n", order_number(number)))
        .collect();
    let pieces: Vec<_> = text
        .as_bytes()
        .chunks(1_000)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
        .collect();
    let answer = world
        .post_text(BATCH, Body::from_stream(futures::stream::iter(pieces)))
        .await;
    let told = lines(&answer);
    assert_eq!(told.len(), 700);
    for (index, line) in told.iter().enumerate() {
        assert_eq!(line["line"], index + 1);
        assert_eq!(line["result"]["operation"]["order_id"], format!("order-{index}"));
    }
}

#[tokio::test(start_paused = true)]
async fn lines_are_told_while_more_are_awaited() {
    let world = World::open();
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(1);
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let request = axum::http::Request::post(BATCH).body(body).unwrap();
    let response = tower::ServiceExt::oneshot(world.router.clone(), request)
        .await
        .unwrap();
    let mut told = response.into_body().into_data_stream();
    for number in 0..3 {
        sender
            .send(Ok(format!("{}\n", order_number(number))))
            .await
            .unwrap();
        let line = futures::StreamExt::next(&mut told).await.unwrap().unwrap();
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["line"], number + 1);
    }
    drop(sender);
    assert!(futures::StreamExt::next(&mut told).await.is_none());
}

/// nginx sends nothing more of a body once it has the head of the answer.
#[tokio::test(start_paused = true)]
async fn the_answer_does_not_begin_while_more_of_the_batch_comes() {
    let world = World::open();
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(1);
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let request = axum::http::Request::post(BATCH).body(body).unwrap();
    let router = world.router.clone();
    let mut response = tokio::spawn(tower::ServiceExt::oneshot(router, request));
    for number in 0..600 {
        // Longer in all than another request may take.
        if number % 10 == 0 {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        sender
            .send(Ok(format!("{}\n", order_number(number))))
            .await
            .unwrap();
    }
    let pause = std::time::Duration::from_secs(1);
    assert!(tokio::time::timeout(pause, &mut response).await.is_err());
    drop(sender);
    let body = response.await.unwrap().unwrap().into_body();
    let text = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 600);
}

#[tokio::test(start_paused = true)]
async fn bounds_end_a_batch() {
    let world = World::open();
    let long = format!(
        "{}\n{}{}\n{}\n",
        order(),
        "9",
        "9".repeat(BODY_BYTES_MAX),
        order()
    );
    let told = lines(&world.post_text(BATCH, long).await);
    assert_eq!(told.len(), 2);
    assert_eq!((&told[1]["line"], &told[1]["status"]), (&json!(2), &json!(413)));
    let many = "{}\n".repeat(usize::try_from(BATCH_LINES_MAX).unwrap() + 1);
    let told = lines(&world.post_text(BATCH, many).await);
    assert_eq!(told.len() as u64, BATCH_LINES_MAX + 1);
    assert_eq!(told.last().unwrap()["status"], 413);
    assert_eq!(told[told.len() - 2]["status"], 422);
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_has_no_results() {
    let world = World::open();
    let answer = world.post_text(BATCH, "").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
}
