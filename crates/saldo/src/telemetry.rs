//! Traces for an OpenTelemetry collector, where one is named.
//!
//! What is traced has the target [`TRACE_TARGET`]; without a collector its spans are never made. Finished spans wait in a queue
//! of 2,048, which a thread of its own sends away: when the collector is slow or gone, what does not fit is dropped, and
//! the ledger does not notice. The standard variables (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
//! `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`) are heeded by the library.

use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use saldo_engine::TRACE_TARGET;
use tracing::Instrument as _;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::config::Telemetry as Settings;

/// How long one sending may take.
const EXPORT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long the stop waits for what was not sent yet.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(3);

/// Sends spans to a collector until it is stopped.
#[derive(Clone)]
pub(crate) struct Telemetry(SdkTracerProvider);

impl Telemetry {
    /// Begins to send, where the settings or the environment name a collector.
    ///
    /// # Errors
    /// When the address is none.
    pub(crate) fn start(settings: &Settings) -> anyhow::Result<Option<Self>> {
        let by_environment = [
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        ]
        .into_iter()
        .any(|name| std::env::var(name).is_ok_and(|value| !value.is_empty()));
        if settings.otlp_endpoint.is_empty() && !by_environment {
            return Ok(None);
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Another thread may have been quicker, which is as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT_TIME_MAX);
        let exporter = match settings.otlp_endpoint.trim_end_matches('/') {
            "" => exporter,
            base if base.ends_with("/v1/traces") => exporter.with_endpoint(base),
            base => exporter.with_endpoint(format!("{base}/v1/traces")),
        };
        let exporter = exporter.build().context(
            "traces cannot be sent; telemetry.otlp_endpoint must be the address of an OTLP collector",
        )?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource())
            .build();
        Ok(Some(Self(provider)))
    }

    /// What spans are made with.
    pub(crate) fn tracer(&self) -> SdkTracer {
        self.0.tracer("saldo")
    }

    /// Sends what is left, for a while.
    pub(crate) async fn stop(self) {
        // The library waits for its thread, and so not on one of ours.
        let stopped = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(FLUSH_TIME_MAX)).await;
        if !matches!(stopped, Ok(Ok(()))) {
            tracing::warn!("the collector did not take the last traces");
        }
    }
}

fn resource() -> Resource {
    let resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if std::env::var_os("OTEL_SERVICE_NAME").is_some() {
        resource.build()
    } else {
        resource.with_service_name("saldo").build()
    }
}

/// Makes a span of every request, within the trace that the caller names in `traceparent`.
pub(crate) fn traced(router: Router) -> Router {
    router.layer(from_fn(request))
}

async fn request(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let method = request.method();
    let span = tracing::trace_span!(
        target: TRACE_TARGET,
        "request",
        otel.name = format!("{method} {}", route.unwrap_or("unknown path")),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = Empty,
    );
    let caller = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
    if let Err(error) = span.set_parent(caller) {
        tracing::debug!(%error, "a request is traced without the trace of its caller");
    }
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    response
}
