//! The listening socket, its connections, and how they stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answer::Answer;
use crate::body::AnswerBody;
use crate::control::Control;
use crate::handling::{Hangup, handle, response};
use crate::limits::{REQUEST_BODY_BYTES_MAX, STOP_WAIT_MS};
use crate::options::SimulatorOptions;
use crate::request::Request;
use crate::shared::Shared;
use crate::world::WorldError;

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener has no address.
    #[error("the listener has no local address: {0}")]
    Listener(#[from] io::Error),
    /// The options ask for more than the simulator keeps.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The faults are out of bounds.
    #[error(transparent)]
    Faults(#[from] crate::faults::FaultsError),
}

/// The simulated orders service.
#[derive(Debug)]
pub struct Simulator;

impl Simulator {
    /// Starts a simulator on a listener; port 0 gives any free port. Needs a Tokio runtime around it.
    ///
    /// # Errors
    ///
    /// When the options pass a bound, or the listener is not usable.
    pub fn start(options: SimulatorOptions, listener: TcpListener) -> Result<SimulatorHandle, StartError> {
        options.faults.check()?;
        let local_address = listener.local_addr()?;
        let keep_alive_idle = Duration::from_millis(options.keep_alive_idle_ms.max(1));
        let shared = Arc::new(Shared::new(options)?);
        let stop = Stop {
            gently: CancellationToken::new(),
            at_once: CancellationToken::new(),
        };
        let connections = TaskTracker::new();
        connections.spawn(accept(
            listener,
            shared.clone(),
            stop.clone(),
            connections.clone(),
            keep_alive_idle,
        ));
        Ok(SimulatorHandle {
            local_address,
            control: Control::new(shared),
            stop,
            connections,
        })
    }
}

/// A running simulator. It stops abruptly when the handle is dropped.
#[derive(Debug)]
pub struct SimulatorHandle {
    local_address: SocketAddr,
    control: Control,
    stop: Stop,
    connections: TaskTracker,
}

#[derive(Debug, Clone)]
struct Stop {
    gently: CancellationToken,
    at_once: CancellationToken,
}

impl SimulatorHandle {
    /// Where the simulator listens.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// The address to give to a client, without a slash at its end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.local_address)
    }

    /// What the control interface can do, without HTTP.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Takes no more calls, lets those under way finish for a few seconds, then stops.
    pub async fn stop_gracefully(self) {
        self.stop.gently.cancel();
        self.connections.close();
        let wait = Duration::from_millis(STOP_WAIT_MS);
        if tokio::time::timeout(wait, self.connections.wait()).await.is_err() {
            tracing::warn!("calls were still under way when the simulator stopped");
        }
        self.stop.at_once.cancel();
        self.connections.wait().await;
    }

    /// Closes every connection where it stands.
    pub async fn stop_abruptly(self) {
        self.stop.at_once.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

impl Drop for SimulatorHandle {
    fn drop(&mut self) {
        self.stop.at_once.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: Stop,
    connections: TaskTracker,
    keep_alive_idle: Duration,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.gently.cancelled() => return,
            () = stop.at_once.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, shared.clone(), stop.clone(), keep_alive_idle));
            }
            Err(error) => {
                // Out of file handles, most likely; without the pause this would spin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, stop: Stop, keep_alive_idle: Duration) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection cannot send small packets at once");
    }
    let service = service_fn(move |request| serve(shared.clone(), request));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        // This also counts while no request has begun, and so closes idle connections as uvicorn does.
        .header_read_timeout(keep_alive_idle)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = stop.at_once.cancelled() => return,
        () = stop.gently.cancelled() => {
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

async fn serve(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<Response<AnswerBody>, Hangup> {
    let (parts, incoming) = request.into_parts();
    let limited = Limited::new(incoming, REQUEST_BODY_BYTES_MAX);
    match limited.collect().await {
        Ok(body) => handle(shared, Request::new(parts, body.to_bytes())).await,
        Err(_) => {
            let answer = Answer::detail(StatusCode::PAYLOAD_TOO_LARGE, "Request body is too large");
            Ok(response(answer, None, None))
        }
    }
}
