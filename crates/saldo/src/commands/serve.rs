//! `saldo serve`

mod reload;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::map_response;
use axum::response::Response;
use clap::Args;
use saldo_engine::{Engine, StockSynchronizationService};
use saldo_store::SharedStore;
use saldo_web::WebOptions;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;
use tokio_util::sync::CancellationToken;

use crate::alerting;
use crate::commands::Context;
use crate::config::{self, Config, Loaded, Overrides};
use crate::exit::End;
use crate::ledger::{engine_options, introduction, open_store};
use crate::logging;
use crate::notify::notify;
use crate::report_post;
use crate::signals::{StopSignals, listen};
use crate::telemetry::{self, Telemetry};
use reload::Running;

/// How much longer than the immediate delivery a request may take.
const REQUEST_MARGIN: Duration = Duration::from_secs(27);

/// Run the service: API, workers, scheduled tasks.
///
/// SIGTERM and Ctrl-C finish what is under way and stop; a second one stops at once. SIGHUP reads the
/// configuration again.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo serve\n  saldo serve --listen 127.0.0.1:9000 --log-format json\n  saldo serve --role worker"
)]
pub(crate) struct Arguments {
    /// Where to listen, instead of the configured address; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// What this instance does: all, api or worker.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// How log lines are written: auto, human or json.
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// Serves until it is told to stop.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let mut signals = StopSignals::new()?;
    let mut hangups = listen(SignalKind::hangup())?;
    let overrides = Overrides {
        listen: arguments.listen,
        role: arguments.role,
        log_format: arguments.log_format,
        ..context.overrides()
    };
    let loaded = config::load(&overrides)?;
    let telemetry = Telemetry::start(&loaded.config.telemetry)?;
    let log_filter = logging::start(&loaded.config.log, telemetry.as_ref())?;
    tell_configuration(&loaded);

    let store = open_store(&loaded.config).await?;
    tracing::info!(database = introduction(&store).await?, "the ledger is open");
    let has_keys = !store.api_keys().await?.is_empty();
    let address = checked_address(&loaded.config, has_keys)?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("saldo cannot listen on {address}; set listen to a free address"))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let engine = Engine::start(engine_options(&loaded.config, SharedStore::clone(&store))?);
    let alerts = if loaded.config.server_role().works() {
        Some(alerting::start(&loaded.config, &engine.service(), address)?)
    } else {
        None
    };
    report_post::start(&loaded.config, &engine.service(), address)?;

    let stop = CancellationToken::new();
    let mut router = saldo_web::router(engine.service(), web_options(&loaded.config, address));
    if telemetry.is_some() {
        router = telemetry::traced(router);
    }
    let stop_delay = Duration::from_millis(loaded.config.stop_delay_ms);
    if !stop_delay.is_zero() {
        router = with_farewells(router, engine.service());
    }
    let mut server = tokio::spawn(saldo_web::serve(listener, router, stop.clone().cancelled_owned()));
    let mut running = Running::new(loaded, overrides, log_filter, SharedStore::clone(&store));
    announce(address, has_keys, context)?;

    let ended = loop {
        tokio::select! {
            () = signals.next() => break Ok(End::Well),
            _ = hangups.recv() => running.reload().await,
            ended = &mut server => break Err(match ended {
                Ok(()) => anyhow::anyhow!("the server ended by itself"),
                Err(error) => anyhow::Error::new(error).context("the server ended"),
            }),
        }
    };
    notify("STOPPING=1");
    tracing::info!("stopping: what is under way is finished; a second signal stops at once");
    let drain = async {
        if ended.is_ok() {
            // Whoever asks /readyz sends nothing more before the door closes.
            engine.service().take_leave();
            tokio::time::sleep(stop_delay).await;
        }
        stop.cancel();
        if ended.is_ok()
            && let Err(error) = (&mut server).await
        {
            tracing::error!(%error, "the server did not end well");
        }
        if let Some(alerts) = alerts {
            alerts.stop().await;
        }
        engine.stop().await;
        let closed = store.close().await;
        if let Some(telemetry) = telemetry {
            telemetry.stop().await;
        }
        closed
    };
    tokio::select! {
        closed = drain => closed?,
        () = signals.next() => {
            tracing::warn!("stopped at once; what was under way is taken up again at the next start");
            return Ok(End::Failed);
        }
    }
    tracing::info!("stopped");
    ended
}

/// Says what is in force.
fn tell_configuration(loaded: &Loaded) {
    let file = loaded
        .file
        .as_ref()
        .map_or_else(|| "none: defaults".to_owned(), |file| file.display().to_string());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        configuration = file,
        environment = loaded.variables.join(" "),
        database = %loaded.config.database,
        "saldo starts"
    );
    if loaded.config.orders_service_options().is_none() {
        tracing::warn!(
            "there are no credentials for the orders service: orders are taken in, and deliveries wait until \
             orders_service.jwt_secret is set"
        );
    }
}

/// The address to listen on: without keys only one that other computers cannot reach.
fn checked_address(config: &Config, has_keys: bool) -> anyhow::Result<SocketAddr> {
    let address: SocketAddr = config.listen.parse().context("listen is no address")?;
    if !has_keys && !address.ip().is_loopback() {
        anyhow::bail!(
            "listen is {address}, which other computers can reach, and there are no API keys: make one first with \
             `saldo keys add NAME --role admin`, or listen on 127.0.0.1"
        );
    }
    Ok(address)
}

/// From when it is about to stop, every answer ends its connection: a balancer that keeps connections for later has
/// none left when the door closes.
fn with_farewells(router: Router, service: StockSynchronizationService) -> Router {
    router.layer(map_response(move |mut response: Response| {
        if service.is_leaving() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        std::future::ready(response)
    }))
}

fn web_options(config: &Config, address: SocketAddr) -> WebOptions {
    WebOptions {
        open: address.ip().is_loopback(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        takes_in: config.server_role().takes_in(),
        request_timeout: Duration::from_millis(config.intake.immediate_timeout_ms) + REQUEST_MARGIN,
        language: config.report_language(),
        ..WebOptions::default()
    }
}

/// Tells everyone who waits for it that the service is ready.
fn announce(address: SocketAddr, has_keys: bool, context: &Context) -> anyhow::Result<()> {
    let listening = json!({ "listening": format!("http://{address}") });
    context
        .output
        .show(&listening, |_| format!("saldo listens on http://{address}"))?;
    tracing::info!(%address, "ready");
    if !has_keys {
        tracing::warn!(
            "there are no API keys: everyone on this computer may do everything; make one with `saldo keys add`"
        );
    }
    notify("READY=1");
    Ok(())
}
