//! Opening the ledger and its engine as the configuration says.

use std::sync::Arc;

use anyhow::Context as _;
use saldo_engine::EngineOptions;
use saldo_engine::settings::{ReconciliationSettings, Retention, Settings};
use saldo_engine::tasks::Schedule;
use saldo_orders_service::{HttpOrdersService, OrdersService};
use saldo_store::{Rules, SharedStore};
use saldo_store_postgres::{PostgresOptions, PostgresStore};
use saldo_store_sqlite::{SqliteOptions, SqliteStore};

use crate::config::{Config, Place};
use crate::edge::{RandomIds, SystemClock, now, seed};
use crate::no_orders_service::NoOrdersService;

/// Opens the database that the address names. A missing file is made, and so is a missing schema on a server.
///
/// # Errors
/// When it cannot be opened safely.
pub(crate) async fn open_store(config: &Config) -> anyhow::Result<SharedStore> {
    let rules = Rules {
        policy: config.policy()?,
        ids: Box::new(RandomIds::default()),
    };
    match config.database.place().map_err(anyhow::Error::msg)? {
        Place::Sqlite(path) => {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
            }
            Ok(Arc::new(SqliteStore::open(
                path,
                rules,
                SqliteOptions::default(),
            )?))
        }
        Place::Postgres(address) => {
            let store = PostgresStore::open(address, rules, PostgresOptions::default())
                .await
                .with_context(|| format!("{} cannot be opened", config.database))?;
            Ok(Arc::new(store))
        }
    }
}

/// The facts about an open database that say which one it is, for the log.
pub(crate) async fn introduction(store: &SharedStore) -> anyhow::Result<String> {
    const FACTS: [&str; 4] = ["kind", "version", "address", "schema_version"];
    let facts = store.describe().await?;
    let told: Vec<String> = facts
        .iter()
        .filter(|(name, _)| FACTS.contains(&name.as_str()))
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    Ok(told.join(", "))
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
        instance_name: config.instance_name(),
        role: config.server_role(),
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
        list_timeout_ms: service.list_timeout_ms,
        initial_mode: config.initial_mode(),
        deduct_when_bought: config.intake.deduct_on == "bought",
        poll_seconds: config.intake.poll_seconds,
        start_from: config.start_from(),
        overlap_days: signed(config.intake.overlap_days),
        reconciliation: ReconciliationSettings {
            batch_size: config.reconciliation.batch_size,
            auto_fix: config.reconciliation.auto_fix,
            auto_fix_threshold_hours: signed(config.reconciliation.auto_fix_threshold_hours),
            missing_after_hours: signed(config.reconciliation.missing_after_hours),
        },
        retention: Retention {
            completed_days: signed(config.retention.completed_days),
            failed_days: signed(config.retention.failed_days),
            log_days: signed(config.retention.log_days),
        },
        schedules: schedules(config),
        ..Settings::default()
    }
}

/// When which task runs. An interval that was set counts where the schedule of reconciliation was not.
fn schedules(config: &Config) -> Vec<(String, Schedule)> {
    let (schedule, default) = (&config.schedule, Config::default());
    let interval = config.reconciliation.interval_minutes;
    let is_by_interval = interval != default.reconciliation.interval_minutes
        && schedule.reconcile == default.schedule.reconcile;
    let reconcile = if is_by_interval {
        format!("every {interval}m")
    } else {
        schedule.reconcile.clone()
    };
    let texts = [
        ("process_pending", schedule.process_pending.clone()),
        ("reconcile", reconcile),
        ("cleanup", schedule.cleanup.clone()),
        ("report", schedule.report.clone()),
    ];
    // Validation has read them before.
    texts
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), Schedule::parse(&text).ok()?)))
        .collect()
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
    }

    #[test]
    fn an_interval_that_was_set_counts_where_the_schedule_was_not() {
        let mut config = Config::default();
        let reconcile = |config: &Config| {
            let schedules = schedules(config);
            let found = schedules.iter().find(|(name, _)| name == "reconcile");
            found.unwrap().1.to_string()
        };
        assert_eq!(reconcile(&config), "every 30m");
        config.reconciliation.interval_minutes = 10;
        assert_eq!(reconcile(&config), "every 10m");
        config.schedule.reconcile = "0 * * * *".to_owned();
        assert_eq!(reconcile(&config), "0 * * * *");
    }
}
