//! Load over HTTP: keep-alive connections, one request at a time on each.

use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::clock::{instant, per_second};

/// Where to send, and over how many connections.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) port: u16,
    pub(crate) path: &'static str,
    pub(crate) connections: usize,
}

/// Sends all bodies as fast as the answers come; says how many a second.
pub(crate) async fn flat_out(target: &Target, bodies: Vec<Bytes>) -> anyhow::Result<f64> {
    let count = bodies.len();
    let mut connections = Vec::new();
    for share in shares(target.connections, bodies) {
        connections.push((connect(target.port).await?, share));
    }
    let began = instant();
    let mut tasks = JoinSet::new();
    for (mut connection, share) in connections {
        let target = target.clone();
        tasks.spawn(async move {
            for (_, body) in share {
                post(&mut connection, &target, body).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(per_second(count, began.elapsed()))
}

/// Sends one body every so often, whether or not earlier ones were answered; says the delays, each from the moment
/// at which its request was due.
pub(crate) async fn paced(
    target: &Target,
    bodies: Vec<Bytes>,
    pace: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let mut connections = Vec::new();
    for share in shares(target.connections, bodies) {
        connections.push((connect(target.port).await?, share));
    }
    let began = instant();
    let mut tasks = JoinSet::new();
    for (mut connection, share) in connections {
        let target = target.clone();
        tasks.spawn(async move {
            let mut delays = Vec::with_capacity(share.len());
            for (number, body) in share {
                let due: Instant = began + pace * u32::try_from(number)?;
                tokio::time::sleep_until(due.into()).await;
                post(&mut connection, &target, body).await?;
                delays.push(due.elapsed());
            }
            anyhow::Ok(delays)
        });
    }
    let mut delays = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        delays.extend(ended??);
    }
    Ok(delays)
}

/// Deals out bodies by turns, each with its number.
fn shares(connections: usize, bodies: Vec<Bytes>) -> Vec<Vec<(usize, Bytes)>> {
    let mut shares: Vec<Vec<_>> = (0..connections).map(|_| Vec::new()).collect();
    for (number, body) in bodies.into_iter().enumerate() {
        shares[number % connections].push((number, body));
    }
    shares
}

async fn connect(port: u16) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn post(connection: &mut SendRequest<Full<Bytes>>, target: &Target, body: Bytes) -> anyhow::Result<()> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(target.path)
        .header(HOST, "127.0.0.1")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))?;
    connection.ready().await?;
    let answer = connection.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let text = || String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
    anyhow::ensure!(status.is_success(), "answered {status}: {}", text());
    Ok(())
}

/// The delay that all but one in a hundred keep, in milliseconds.
pub(crate) fn p99_ms(delays: &[Duration]) -> anyhow::Result<f64> {
    let mut sorted = delays.to_vec();
    sorted.sort_unstable();
    let nth = sorted.get(sorted.len() * 99 / 100).context("nothing was sent")?;
    Ok(nth.as_secs_f64() * 1_000.0)
}
