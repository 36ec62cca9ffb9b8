//! A stand-in for the orders service that confirms every flag, at once or after a while.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

/// The running stub.
pub(crate) struct Stub {
    port: u16,
    /// Flags confirmed so far.
    pub(crate) answered: Arc<AtomicUsize>,
}

impl Stub {
    /// Listens on a free port until the process ends, and takes so long for every answer.
    pub(crate) async fn start(latency: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let answered = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&answered);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&counter), latency));
            }
        });
        Ok(Self { port, answered })
    }

    /// Where it listens.
    pub(crate) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn serve(stream: TcpStream, answered: Arc<AtomicUsize>, latency: Duration) {
    // Without it answers only come later; a client that is gone needs none.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(request, Arc::clone(&answered), latency));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client may leave at any time.
    let _ = connection.await;
}

async fn answer(
    request: Request<Incoming>,
    answered: Arc<AtomicUsize>,
    latency: Duration,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_flag = request.method() == Method::PATCH;
    let order = request
        .uri()
        .path()
        .split('/')
        .nth(4)
        .unwrap_or_default()
        .to_owned();
    let sent = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    if !is_flag {
        return Ok(json_answer(404, &json!({ "detail": "Not Found" })));
    }
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let flag = serde_json::from_slice::<Value>(&sent)
        .ok()
        .and_then(|body| body["is_stock_updated"].as_bool());
    let body = json!({ "success": true, "order_id": order, "is_stock_updated": flag });
    answered.fetch_add(1, Ordering::Relaxed);
    Ok(json_answer(200, &body))
}

fn json_answer(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    if let Ok(status) = hyper::StatusCode::from_u16(status) {
        *response.status_mut() = status;
    }
    let kind = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}
