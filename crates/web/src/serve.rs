//! The listening socket, its connections, and how they stop.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::limits::{
    CONNECTIONS_MAX, DRAIN_TIME_MAX, FAILED_ACCEPTS_MAX, FIRST_REQUEST_TIME_MAX, HEADER_BYTES_MAX,
    HEADER_TIME_MAX, HEADERS_MAX,
};

/// Says to what never ends by itself that the server stops. Stands in the extensions of every request.
#[derive(Debug, Clone)]
pub(crate) struct Stopping(pub(crate) CancellationToken);

/// How a connection is told to stop.
#[derive(Clone)]
struct Stop {
    gently: CancellationToken,
    at_once: CancellationToken,
}

/// Serves until `shutdown` completes; then lets nobody else in, answers those who were, for a while, and returns.
///
/// Whoever connects later is refused before anything was sent, and can ask elsewhere without a doubt. So nobody who got
/// in may be turned away: a request would be lost of which its sender cannot know whether it counted.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let stop = Stop {
        gently: CancellationToken::new(),
        at_once: CancellationToken::new(),
    };
    let connections = TaskTracker::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &room) => accepted,
        };
        if let Some((stream, permit)) = accepted {
            connections.spawn(connection(stream, router.clone(), stop.clone(), permit));
        }
    }
    for (stream, permit) in accept_waiting(listener, &room) {
        connections.spawn(connection(stream, router.clone(), stop.clone(), permit));
    }
    stop.gently.cancel();
    connections.close();
    if tokio::time::timeout(DRAIN_TIME_MAX, connections.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "requests were still under way when the server stopped"
        );
        stop.at_once.cancel();
        connections.wait().await;
    }
}

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            // Out of file handles, most likely; without the pause this would spin.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// Closes the door behind those who wait before it: to them the system said already that they are connected.
fn accept_waiting(listener: TcpListener, room: &Arc<Semaphore>) -> Vec<(TcpStream, OwnedSemaphorePermit)> {
    let mut accepted = Vec::new();
    // The system is asked itself: the runtime hears of connections later.
    let listener = match listener.into_std() {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%error, "connections that waited while the server stopped were not accepted");
            return accepted;
        }
    };
    let mut failures = 0;
    while failures < FAILED_ACCEPTS_MAX
        && let Ok(permit) = room.clone().try_acquire_owned()
    {
        let stream = listener.accept().and_then(|(stream, _)| {
            stream.set_nonblocking(true)?;
            TcpStream::from_std(stream)
        });
        match stream {
            Ok(stream) => accepted.push((stream, permit)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            // One that went away meanwhile keeps nobody behind it from being let in.
            Err(_) => failures += 1,
        }
    }
    accepted
}

async fn connection(stream: TcpStream, router: Router, stop: Stop, permit: OwnedSemaphorePermit) {
    let _permit = permit;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection cannot send small packets at once");
    }
    let stopping = Stopping(stop.gently.clone());
    let spoke = CancellationToken::new();
    let speaks = spoke.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        speaks.cancel();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(stopping.clone());
        // A router is always ready.
        router.clone().call(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        // This also counts while no request has begun, and so closes idle connections.
        .header_read_timeout(HEADER_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = may_end(&stop.gently, &spoke) => {
            serving.as_mut().graceful_shutdown();
            tokio::select! {
                ended = &mut serving => ended,
                () = stop.at_once.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Completes when a connection is to end after what is under way on it. One that nothing came over yet would end at
/// once then, with its first request on the way.
async fn may_end(gently: &CancellationToken, spoke: &CancellationToken) {
    gently.cancelled().await;
    tokio::select! {
        () = spoke.cancelled() => {}
        () = tokio::time::sleep(FIRST_REQUEST_TIME_MAX) => {}
    }
}
