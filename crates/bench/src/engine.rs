//! The engine, as it is shipped but for its pace.

use std::sync::Arc;

use saldo_engine::StockSynchronizationService;
use saldo_engine::clock::Clock;
use saldo_engine::settings::Settings;
use saldo_engine::{Engine, EngineOptions};
use saldo_orders_service::{Credentials, HttpOptions, HttpOrdersService, SecretText};
use saldo_store::Store;

use crate::clock::RealClock;
use crate::ledger;

/// Calls in flight at once, where nothing else is said.
pub(crate) const IN_FLIGHT: usize = 64;
/// A rate that nothing here reaches.
const UNBOUNDED_PER_SECOND: u32 = 1_000_000;

fn options(store: Arc<dyn Store>, base_url: &str, in_flight: usize) -> anyhow::Result<EngineOptions> {
    let http = HttpOptions {
        idle_connections_max: in_flight,
        ..HttpOptions::new(base_url, Credentials::Token(SecretText::new("bench")))
    };
    let orders_service = HttpOrdersService::new(http, Arc::new(|| RealClock.now()))?;
    Ok(EngineOptions {
        store,
        orders_service: Arc::new(orders_service),
        clock: Arc::new(RealClock),
        seed: 1,
        default_warehouse: ledger::warehouse()?,
        settings: Settings {
            max_in_flight: in_flight,
            requests_per_second: UNBOUNDED_PER_SECOND,
            account_requests_per_second: UNBOUNDED_PER_SECOND,
            ..Settings::default()
        },
    })
}

/// The service without anything behind it that delivers.
pub(crate) fn without_deliveries(store: Arc<dyn Store>) -> anyhow::Result<StockSynchronizationService> {
    Ok(Engine::service_only(options(
        store,
        "http://127.0.0.1:9",
        IN_FLIGHT,
    )?))
}

/// The whole engine, against an orders service, with so many calls in flight at most.
pub(crate) fn start(store: Arc<dyn Store>, base_url: &str, in_flight: usize) -> anyhow::Result<Engine> {
    Ok(Engine::start(options(store, base_url, in_flight)?))
}
