//! Opening the ledger and its engine as the configuration says.

use std::sync::Arc;

use anyhow::Context as _;
use saldo_engine::EngineOptions;
use saldo_engine::settings::Settings;
use saldo_orders_service::{HttpOrdersService, OrdersService};
use saldo_store::{Rules, SharedStore};
use saldo_store_sqlite::{SqliteOptions, SqliteStore};

use crate::config::Config;
use crate::edge::{RandomIds, SystemClock, now, seed};
use crate::no_orders_service::NoOrdersService;

/// Opens the database, and makes it when it is missing.
///
/// # Errors
/// When it cannot be opened safely.
pub(crate) fn open_store(config: &Config) -> anyhow::Result<SharedStore> {
    let path = config.sqlite_path().map_err(anyhow::Error::msg)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    }
    let policy = config.policy()?;
    let rules = Rules {
        policy,
        ids: Box::new(RandomIds::default()),
    };
    let store = SqliteStore::open(path, rules, SqliteOptions::default())?;
    Ok(Arc::new(store))
}

/// The client of the orders service; one that explains itself when there are no credentials.
///
/// # Errors
/// When the settings cannot be used.
pub(crate) fn orders_service(config: &Config) -> anyhow::Result<Arc<dyn OrdersService>> {
    match config.orders_service_options() {
        Some(options) => Ok(Arc::new(HttpOrdersService::new(options, Arc::new(now))?)),
        None => Ok(Arc::new(NoOrdersService)),
    }
}

/// Everything that the engine is given.
///
/// # Errors
/// When the settings cannot be used.
pub(crate) fn engine_options(config: &Config, store: SharedStore) -> anyhow::Result<EngineOptions> {
    Ok(EngineOptions {
        store,
        orders_service: orders_service(config)?,
        clock: Arc::new(SystemClock),
        seed: seed(),
        default_warehouse: config.policy()?.default_warehouse,
        settings: settings(config),
    })
}

fn settings(config: &Config) -> Settings {
    let service = &config.orders_service;
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    // A probe that was lost is forgotten once its call must have ended.
    let probe_deadline_seconds = narrow(
        service
            .timeout_ms
            .div_ceil(1_000)
            .saturating_mul(2)
            .saturating_add(40),
    );
    Settings {
        immediate_timeout_ms: config.intake.immediate_timeout_ms,
        call_timeout_ms: service.timeout_ms,
        max_in_flight: usize::try_from(service.max_in_flight).unwrap_or(usize::MAX),
        requests_per_second: narrow(service.requests_per_second),
        account_requests_per_second: narrow(service.requests_per_second),
        circuit: config.circuit_policy(probe_deadline_seconds),
        unpaid_days: signed(config.intake.unpaid_days),
        unpaid_hours_frozen: signed(config.intake.unpaid_hours_frozen),
        stale_operation_hours: signed(config.monitoring.stale_operation_hours),
        max_pending_operations: config.monitoring.max_pending_operations,
        window_minutes: narrow(config.alerts.sync_failure_rate.window_minutes),
        failure_rate_max: config.alerts.sync_failure_rate.threshold,
        ..Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_waits_for_payment_as_long_as_the_configuration_says() {
        let mut config = Config::default();
        config.intake.unpaid_days = 3;
        config.intake.unpaid_hours_frozen = 5;
        let settings = settings(&config);
        assert_eq!((settings.unpaid_days, settings.unpaid_hours_frozen), (3, 5));
        assert!(config.without_effect().is_empty());
    }
}
