//! Traces, as a collector receives them from a running server.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;
use support::{Server, Simulated, form};
use tokio::net::TcpListener;
use uuid::Uuid;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A collector that speaks OTLP over HTTP, and keeps what it is sent.
struct Collector {
    address: String,
    bodies: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    async fn start() -> Self {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let keep = |State(bodies): State<Arc<Mutex<Vec<Bytes>>>>, body: Bytes| async move {
            bodies.lock().unwrap().push(body);
        };
        let router = axum::Router::new()
            .route("/v1/traces", post(keep))
            .with_state(Arc::clone(&bodies));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, bodies }
    }

    fn received(&self) -> Vec<ExportTraceServiceRequest> {
        let bodies = self.bodies.lock().unwrap();
        bodies
            .iter()
            .map(|body| ExportTraceServiceRequest::decode(body.clone()).unwrap())
            .collect()
    }
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(value) => value.to_string(),
        Value::IntValue(value) => value.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .iter()
        .map(|pair| {
            let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
            (pair.key.clone(), value.map(text).unwrap_or_default())
        })
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_receives_a_request_within_its_callers_trace_and_the_delivery_and_no_secret() {
    let (collector, simulated) = (Collector::start().await, Simulated::start().await);
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SALDO_TELEMETRY__OTLP_ENDPOINT", collector.address.as_str())];
    let server = Server::start_with(folder.path(), &simulated, &settings).await;
    server.receive("SKU-A", 5).await;
    let order = Uuid::new_v5(&simulated.account, b"traced");
    let answer = support::http_client()
        .post(format!("{}/api/v1/stock-sync/orders", server.api()))
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .json(&json!({ "token_id": simulated.account, "order": form(order, "SKU-A", 1) }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    server.stop().await;

    let received = collector.received();
    let resource = &received[0].resource_spans[0]
        .resource
        .as_ref()
        .unwrap()
        .attributes;
    assert_eq!(attributes(resource)["service.name"], "saldo");
    let spans: Vec<Span> = received
        .into_iter()
        .flat_map(|request| request.resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect();
    let named = |name: &str| {
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {spans:#?}"))
    };
    let request = named("POST /api/v1/stock-sync/orders");
    assert_eq!(hexadecimal(&request.trace_id), TRACE);
    assert_eq!(hexadecimal(&request.parent_span_id), CALLER);
    assert_eq!(
        attributes(&request.attributes)["http.response.status_code"],
        "200"
    );
    let decision = spans
        .iter()
        .find(|span| span.name == "decide" && span.parent_span_id == request.span_id)
        .unwrap();
    assert_eq!(attributes(&decision.attributes)["command"], "take_in");
    let delivery = attributes(&named("deliver").attributes);
    assert_eq!(delivery["order"], order.to_string());
    assert_eq!(delivery["flag"], "true");
    let sent = collector.bodies.lock().unwrap().concat();
    let secret = simulated.options.jwt_secret.as_bytes();
    assert!(!sent.windows(secret.len()).any(|window| window == secret));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_takes_nothing_holds_up_neither_orders_nor_the_stop() {
    // It accepts connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let simulated = Simulated::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("SALDO_TELEMETRY__OTLP_ENDPOINT", address.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
    ];
    let server = Server::start_with(folder.path(), &simulated, &settings).await;
    server.receive("SKU-A", 50).await;
    for number in 0..50_u8 {
        let order = Uuid::new_v5(&simulated.account, &[number]);
        let body = json!({ "token_id": simulated.account, "order": form(order, "SKU-A", 1) });
        let (status, answer) = server.post("/api/v1/stock-sync/orders", &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(server.balance("SKU-A").await, 0);
    server.stop().await;
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(
        log.contains("the collector did not take the last traces"),
        "{log}"
    );
}
