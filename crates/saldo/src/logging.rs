//! Logging: one line an event, on standard error; and traces, where a collector is named.

use std::io::IsTerminal;

use anyhow::Context as _;
use saldo_engine::TRACE_TARGET;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::Log;
use crate::telemetry::Telemetry;

/// Changes what is logged while the program runs.
pub(crate) struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Uses the filter of a configuration from now on, unless the environment says otherwise.
    pub(crate) fn set(&self, log: &Log) -> anyhow::Result<()> {
        self.0
            .reload(filter_of(log)?)
            .context("the log filter cannot be changed")
    }
}

/// Begins to log, and to trace.
///
/// # Errors
/// When the filter cannot be read, or something logs already.
pub(crate) fn start(log: &Log, telemetry: Option<&Telemetry>) -> anyhow::Result<LogFilter> {
    let (filter, handle) = reload::Layer::new(filter_of(log)?);
    let people = match log.format.as_str() {
        "json" => false,
        "human" => true,
        _ => std::io::stderr().is_terminal(),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if people {
        lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .boxed()
    } else {
        lines.json().flatten_event(true).boxed()
    };
    let traces = telemetry.map(|telemetry| {
        // Spans of ours, with the warnings that come while they are open.
        let traced = Targets::new()
            .with_target(TRACE_TARGET, LevelFilter::TRACE)
            .with_default(LevelFilter::WARN);
        tracing_opentelemetry::layer()
            .with_tracer(telemetry.tracer())
            .with_filter(traced)
    });
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(traces)
        .try_init()
        .context("logging cannot begin")?;
    Ok(LogFilter(handle))
}

fn filter_of(log: &Log) -> anyhow::Result<EnvFilter> {
    let from_environment = std::env::var("RUST_LOG")
        .ok()
        .filter(|directives| !directives.is_empty());
    let directives = from_environment.as_deref().unwrap_or(&log.filter);
    EnvFilter::try_new(directives).with_context(|| format!("the log filter \"{directives}\" cannot be read"))
}
