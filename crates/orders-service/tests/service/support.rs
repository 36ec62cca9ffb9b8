//! Servers for the tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use jiff::Timestamp;
use saldo_domain::ids::{AccountId, OrderId};
use saldo_orders_service::{CallError, Credentials, HttpOptions, HttpOrdersService, Now, SecretText};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const TOKEN: &str = "a-ready-token";
pub(crate) const ACCOUNT: &str = "6f652857-8798-5791-b345-f84d5a9ec333";
pub(crate) const ORDER: &str = "5b4690d3-27dc-187a-8425-79af08081f10";

pub(crate) fn account() -> AccountId {
    ACCOUNT.parse().unwrap()
}

pub(crate) fn order() -> OrderId {
    OrderId::parse(ORDER).unwrap()
}

pub(crate) fn fixed_clock() -> Now {
    Arc::new(|| Timestamp::from_second(1_800_000_000).unwrap())
}

pub(crate) fn options(base_url: &str) -> HttpOptions {
    let mut options = HttpOptions::new(base_url, Credentials::Token(SecretText::new(TOKEN)));
    options.timeout_ms = 2_000;
    options.list_timeout_ms = 2_000;
    options
}

pub(crate) fn service(base_url: &str) -> HttpOrdersService {
    HttpOrdersService::new(options(base_url), fixed_clock()).unwrap()
}

/// A failed call as `Class status`, after checking that its message may be shown.
pub(crate) fn shown(error: &CallError) -> String {
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains(TOKEN), "{printed}");
    assert!(!error.message.is_empty());
    assert!(!error.message.chars().any(char::is_control), "{printed}");
    assert!(error.message.chars().count() <= saldo_orders_service::MESSAGE_CHARACTERS_MAX);
    match error.status {
        Some(status) => format!("{:?} {status}", error.class),
        None => format!("{:?}", error.class),
    }
}

/// One request as a server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Method, path and query.
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: String,
}

pub(crate) type SeenRequests = Arc<Mutex<Vec<Seen>>>;

/// Serves what `answer` makes of each request, until the test's runtime ends.
pub(crate) async fn serve<F>(answer: F) -> (String, SeenRequests)
where
    F: Fn(&Seen) -> Response<Body> + Send + Sync + 'static,
{
    let seen_requests = SeenRequests::default();
    let record = Arc::clone(&seen_requests);
    let answer = Arc::new(answer);
    let router = Router::new().fallback(move |request: Request| {
        let (record, answer) = (Arc::clone(&record), Arc::clone(&answer));
        async move {
            let seen = see(request).await;
            record.lock().unwrap().push(seen.clone());
            answer(&seen)
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (base_url, seen_requests)
}

async fn see(request: Request) -> Seen {
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    Seen {
        line: format!("{} {}", parts.method, parts.uri),
        authorization: header("authorization"),
        content_type: header("content-type"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub(crate) fn json(status: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// What a server without manners does after it has read a request.
#[derive(Clone)]
pub(crate) enum Manners {
    /// Writes these bytes and closes.
    Write(Vec<u8>),
    /// Writes these bytes, then one byte in a while, for ever.
    Drip(Vec<u8>),
    /// Writes these bytes, then many more, for ever.
    Flood(Vec<u8>),
    /// Writes these bytes, and leaves the connection open for so many milliseconds.
    KeepOpen(Vec<u8>, u64),
}

/// Serves with these manners; counts the requests.
pub(crate) async fn misbehave(manners: Manners) -> (String, Arc<Mutex<Vec<String>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&requests);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, manners.clone(), Arc::clone(&record)));
        }
    });
    (base_url, requests)
}

async fn converse(mut stream: TcpStream, manners: Manners, requests: Arc<Mutex<Vec<String>>>) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    requests.lock().unwrap().push(request);
    let (Manners::Write(bytes) | Manners::Drip(bytes) | Manners::Flood(bytes) | Manners::KeepOpen(bytes, _)) =
        &manners;
    if stream.write_all(bytes).await.is_err() {
        return;
    }
    match manners {
        Manners::Write(_) => {}
        Manners::Drip(_) => {
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Manners::Flood(_) => while stream.write_all(&[b' '; 65536]).await.is_ok() {},
        Manners::KeepOpen(_, open_ms) => tokio::time::sleep(Duration::from_millis(open_ms)).await,
    }
}

/// Reads a head and the body it announces.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&chunk[..count]),
            _ => return None,
        }
    }
}

/// A whole HTTP answer with this body.
pub(crate) fn whole(body: &[u8]) -> Vec<u8> {
    let mut answer = head(&format!("content-length: {}\r\n", body.len()));
    answer.extend_from_slice(body);
    answer
}

/// The head of a good answer with these lines added.
pub(crate) fn head(lines: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{lines}\r\n").into_bytes()
}
