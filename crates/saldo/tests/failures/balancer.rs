//! A balancer as it stands before several instances: it asks each whether it is ready, and hands every request to one that
//! said so. It never asks a second one: what an instance does not answer, the caller sees.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use tokio::net::TcpListener;

use crate::support::http_client;

/// How often it asks. An instance that stops must give it more time than that.
const ASKS_EVERY: Duration = Duration::from_millis(50);
/// An instance that does not say within this time whether it is ready is not.
const READY_WITHIN: Duration = Duration::from_secs(1);
/// What it takes of a request.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A balancer, for as long as the runtime lives.
#[derive(Clone)]
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    behind: Mutex<Vec<Behind>>,
    turn: AtomicUsize,
    failed: Mutex<Vec<String>>,
    http: reqwest::Client,
}

/// An instance behind it.
struct Behind {
    api: String,
    is_ready: bool,
}

impl Balancer {
    pub(crate) async fn start(apis: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind = apis.into_iter().map(|api| Behind { api, is_ready: false });
        let shared = Arc::new(Shared {
            behind: Mutex::new(behind.collect()),
            turn: AtomicUsize::new(0),
            failed: Mutex::default(),
            http: http_client(),
        });
        tokio::spawn(ask_who_is_ready(Arc::clone(&shared)));
        let router = Router::new().fallback(pass_on).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    /// An instance answers at another address now, once it is ready.
    pub(crate) fn moved(&self, instance: usize, api: String) {
        let is_ready = false;
        self.shared.behind.lock().unwrap()[instance] = Behind { api, is_ready };
    }

    pub(crate) fn is_ready(&self, instance: usize) -> bool {
        self.shared.behind.lock().unwrap()[instance].is_ready
    }

    /// What callers were not answered, and why.
    pub(crate) fn failed(&self) -> Vec<String> {
        self.shared.failed.lock().unwrap().clone()
    }
}

async fn ask_who_is_ready(shared: Arc<Shared>) {
    loop {
        let apis: Vec<String> = {
            let behind = shared.behind.lock().unwrap();
            behind.iter().map(|instance| instance.api.clone()).collect()
        };
        for (number, api) in apis.into_iter().enumerate() {
            let asked = shared
                .http
                .get(format!("{api}/readyz"))
                .timeout(READY_WITHIN)
                .send();
            let is_ready = asked.await.is_ok_and(|answer| answer.status().is_success());
            let instance = &mut shared.behind.lock().unwrap()[number];
            // It may have moved since.
            if instance.api == api {
                instance.is_ready = is_ready;
            }
        }
        tokio::time::sleep(ASKS_EVERY).await;
    }
}

async fn pass_on(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let what = format!("{} {}", request.method(), request.uri());
    passed_on(&shared, request).await.unwrap_or_else(|why| {
        shared.failed.lock().unwrap().push(format!("{what}: {why}"));
        let mut answer = Response::new(Body::from(why));
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        answer
    })
}

async fn passed_on(shared: &Shared, request: Request) -> Result<Response, String> {
    let api = next(shared).ok_or("no instance is ready")?;
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|error| error.to_string())?;
    let mut headers = head.headers;
    headers.remove(header::HOST);
    let asked = shared.http.request(head.method, format!("{api}{}", head.uri));
    let answer = asked.headers(headers).body(body).send().await;
    let answer = answer.map_err(|error| format!("{api} did not answer: {error:?}"))?;
    let status = answer.status();
    let body = answer
        .bytes()
        .await
        .map_err(|error| format!("{api} ended its answer: {error:?}"))?;
    if status.is_server_error() {
        return Err(format!(
            "{api} answered {status}: {}",
            String::from_utf8_lossy(&body)
        ));
    }
    let mut passed = Response::new(Body::from(body));
    *passed.status_mut() = status;
    Ok(passed)
}

/// The instances that are ready, in turn.
fn next(shared: &Shared) -> Option<String> {
    let behind = shared.behind.lock().unwrap();
    let ready: Vec<&Behind> = behind.iter().filter(|instance| instance.is_ready).collect();
    let turn = shared.turn.fetch_add(1, Ordering::Relaxed);
    let instance = ready.get(turn % ready.len().max(1))?;
    Some(instance.api.clone())
}
