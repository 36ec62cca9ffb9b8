//! The configuration: its shape, and the one way to get it.
//!
//! The defaults stand in `config.default.toml`, with a comment for each; that file is part of the binary, and
//! what a person may write is compared with it. File, environment and flags lie over it in this order.

mod alerts;
mod convert;
mod database;
mod effective;
mod environment;
mod merge;
mod secret;
mod source;
mod validate;

use serde::Deserialize;

pub(crate) use database::{Database, Place};
pub(crate) use effective::{copy, differences, effective};
pub(crate) use saldo_engine::tasks::Schedule;
pub(crate) use secret::Secret;
pub(crate) use source::{Overrides, load};

/// The commented defaults, as `saldo init` writes them.
pub(crate) const DEFAULT_TOML: &str = include_str!("../config.default.toml");

/// Everything that can be set. Names and defaults are those of the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Config {
    pub(crate) database: Database,
    pub(crate) listen: String,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) stop_delay_ms: u64,
    pub(crate) mode: String,
    pub(crate) default_warehouse: String,
    pub(crate) language: String,
    pub(crate) time_zone: String,
    pub(crate) public_url: String,
    pub(crate) orders_service: OrdersService,
    pub(crate) intake: Intake,
    pub(crate) retry: Retry,
    pub(crate) circuit: Circuit,
    pub(crate) reconciliation: Reconciliation,
    pub(crate) monitoring: Monitoring,
    pub(crate) alerts: Alerts,
    pub(crate) schedule: Schedules,
    pub(crate) retention: Retention,
    pub(crate) channels: Channels,
    pub(crate) log: Log,
    pub(crate) telemetry: Telemetry,
}

/// `[orders_service]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct OrdersService {
    pub(crate) base_url: String,
    pub(crate) jwt_secret: Secret,
    pub(crate) token: Secret,
    pub(crate) user_id: String,
    pub(crate) timeout_ms: u64,
    pub(crate) list_timeout_ms: u64,
    pub(crate) max_in_flight: u64,
    pub(crate) requests_per_second: u64,
}

/// `[intake]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Intake {
    pub(crate) immediate_timeout_ms: u64,
    pub(crate) deduct_on: String,
    pub(crate) allow_negative: bool,
    pub(crate) poll_seconds: u64,
    pub(crate) unpaid_days: u64,
    pub(crate) unpaid_hours_frozen: u64,
    pub(crate) start_from: String,
    pub(crate) overlap_days: u64,
}

/// `[retry]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Retry {
    pub(crate) max_retries: u64,
    pub(crate) initial_delay: u64,
    pub(crate) max_delay: u64,
    pub(crate) exponential_base: f64,
    pub(crate) jitter: bool,
}

/// `[circuit]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Circuit {
    pub(crate) enabled: bool,
    pub(crate) failures: u64,
    pub(crate) give_up_hours: u64,
}

/// `[reconciliation]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Reconciliation {
    pub(crate) interval_minutes: u64,
    pub(crate) batch_size: u64,
    pub(crate) auto_fix: bool,
    pub(crate) auto_fix_threshold_hours: u64,
    pub(crate) missing_after_hours: u64,
}

/// `[monitoring]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Monitoring {
    pub(crate) alert_on_failed_retries: bool,
    pub(crate) max_pending_operations: u64,
    pub(crate) stale_operation_hours: u64,
}

/// `[alerts]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Alerts {
    pub(crate) quiet_hours: String,
    pub(crate) quiet_severity: String,
    pub(crate) routes: AlertRoutes,
    pub(crate) high_pending_operations: HighPendingOperations,
    pub(crate) sync_failure_rate: SyncFailureRate,
    pub(crate) stale_operations: StaleOperations,
    pub(crate) low_disk_space: LowDiskSpace,
}

/// `[alerts.routes]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct AlertRoutes {
    pub(crate) critical: Vec<String>,
    pub(crate) warning: Vec<String>,
    pub(crate) notice: Vec<String>,
}

/// `[alerts.high_pending_operations]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct HighPendingOperations {
    pub(crate) threshold: u64,
    pub(crate) channels: Vec<String>,
}

/// `[alerts.sync_failure_rate]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SyncFailureRate {
    pub(crate) threshold: f64,
    pub(crate) window_minutes: u64,
}

/// `[alerts.stale_operations]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct StaleOperations {
    pub(crate) threshold_hours: u64,
    pub(crate) check_interval_minutes: u64,
}

/// `[alerts.low_disk_space]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct LowDiskSpace {
    pub(crate) free_mib: u64,
}

/// `[schedule]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Schedules {
    pub(crate) process_pending: String,
    pub(crate) reconcile: String,
    pub(crate) cleanup: String,
    pub(crate) report: String,
}

/// `[retention]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Retention {
    pub(crate) completed_days: u64,
    pub(crate) failed_days: u64,
    pub(crate) log_days: u64,
}

/// `[channels]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Channels {
    pub(crate) telegram: Telegram,
    pub(crate) email: Email,
    pub(crate) webhook: Webhook,
}

/// `[channels.telegram]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Telegram {
    pub(crate) bot_token: Secret,
    pub(crate) chat_id: String,
    pub(crate) api_url: String,
}

/// `[channels.email]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Email {
    pub(crate) smtp_url: Secret,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
}

/// `[channels.webhook]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) secret: Secret,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Log {
    pub(crate) filter: String,
    pub(crate) format: String,
}

/// `[telemetry]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Telemetry {
    pub(crate) otlp_endpoint: String,
}

/// Everything that is wrong with a configuration, found at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration cannot be used:\n{}", .0.iter().map(|problem| format!("  - {problem}")).collect::<Vec<_>>().join("\n"))]
pub(crate) struct Problems(pub(crate) Vec<String>);

/// A configuration, and where it came from.
#[derive(Clone, PartialEq)]
pub(crate) struct Loaded {
    /// What is in force.
    pub(crate) config: Config,
    /// The same by name, with secrets: see [`effective()`].
    pub(crate) settings: toml::Table,
    /// The file that was read; none when there is none.
    pub(crate) file: Option<std::path::PathBuf>,
    /// The variables of the environment that were used.
    pub(crate) variables: Vec<String>,
}

impl Default for Config {
    #[expect(clippy::expect_used, reason = "the embedded defaults are read by a test")]
    fn default() -> Self {
        toml::from_str(DEFAULT_TOML).expect("the embedded defaults are a configuration")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract's own words, so that a default that drifts is noticed.
    const CONTRACT: &str = r#"
        database = "sqlite://saldo.db"
        listen = "127.0.0.1:8080"
        name = ""
        role = "all"
        stop_delay_ms = 0
        mode = "on"
        default_warehouse = "Ирина"
        language = "en"
        time_zone = "UTC"
        public_url = ""
        orders_service = { base_url = "http://127.0.0.1:8000", jwt_secret = "", token = "", user_id = "saldo", timeout_ms = 10000, list_timeout_ms = 40000, max_in_flight = 32, requests_per_second = 50 }
        intake = { immediate_timeout_ms = 3000, deduct_on = "ready_for_processing", allow_negative = false, poll_seconds = 60, unpaid_days = 8, unpaid_hours_frozen = 24, start_from = "", overlap_days = 2 }
        retry = { max_retries = 5, initial_delay = 60, max_delay = 3600, exponential_base = 2.0, jitter = true }
        circuit = { enabled = true, failures = 5, give_up_hours = 24 }
        reconciliation = { interval_minutes = 30, batch_size = 100, auto_fix = true, auto_fix_threshold_hours = 24, missing_after_hours = 2 }
        monitoring = { alert_on_failed_retries = true, max_pending_operations = 1000, stale_operation_hours = 6 }
        alerts.quiet_hours = ""
        alerts.quiet_severity = "critical"
        alerts.routes = { critical = ["telegram", "email", "webhook"], warning = ["telegram", "email", "webhook"], notice = ["telegram", "email", "webhook"] }
        alerts.high_pending_operations = { threshold = 100, channels = ["telegram", "email"] }
        alerts.sync_failure_rate = { threshold = 0.1, window_minutes = 30 }
        alerts.stale_operations = { threshold_hours = 6, check_interval_minutes = 60 }
        alerts.low_disk_space = { free_mib = 1024 }
        schedule = { process_pending = "every 5m", reconcile = "every 30m", cleanup = "0 3 * * *", report = "0 8 * * MON" }
        retention = { completed_days = 30, failed_days = 90, log_days = 60 }
        channels.telegram = { bot_token = "", chat_id = "", api_url = "" }
        channels.email = { smtp_url = "", from = "", to = [] }
        channels.webhook = { url = "", secret = "" }
        log = { filter = "info", format = "auto" }
        telemetry = { otlp_endpoint = "" }
    "#;

    #[test]
    fn the_embedded_file_holds_exactly_the_defaults_of_the_contract() {
        let embedded: toml::Table = toml::from_str(DEFAULT_TOML).unwrap();
        let contract: toml::Table = toml::from_str(CONTRACT).unwrap();
        assert_eq!(embedded, contract);
        assert_eq!(toml::from_str::<Config>(CONTRACT).unwrap(), Config::default());
    }
}
