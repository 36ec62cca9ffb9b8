//! What the configuration decides about running.

use jiff::Timestamp;
use saldo_domain::circuit::CircuitPolicy;
use saldo_domain::rollout::Mode;
use saldo_orders_service::ORDERS_PER_PAGE;
use saldo_store::instances::ServerRole;

use crate::tasks::Schedule;

/// Bounds and periods of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What people call this instance.
    pub instance_name: String,
    /// Whether it takes in, works off, or both.
    pub role: ServerRole,
    /// Whether it may lead the others: a command that ends soon should not.
    pub may_lead: bool,
    /// How long an answer waits for the immediate attempt, in milliseconds.
    pub immediate_timeout_ms: u64,
    /// How long one call of the orders service may take, in milliseconds.
    pub call_timeout_ms: u64,
    /// How long a call may take that lists or looks for orders, in milliseconds.
    pub list_timeout_ms: u64,
    /// Calls in flight at once.
    pub max_in_flight: usize,
    /// Calls a second, all accounts together.
    pub requests_per_second: u32,
    /// Calls a second of one account.
    pub account_requests_per_second: u32,
    /// The circuit breakers.
    pub circuit: CircuitPolicy,
    /// How long an order may stand unpaid before a person is asked, in days, where single orders can be asked for.
    pub unpaid_days: i64,
    /// The same in hours, where the service's copies are frozen at first sight.
    pub unpaid_hours_frozen: i64,
    /// Unpaid orders that are asked for singly in an hour, where that can be done.
    pub unpaid_asked_for_max: usize,
    /// How often all that waits is looked through, in seconds, as a net under the wake-ups.
    pub sweep_seconds: u64,
    /// Operations older than this that still wait for delivery are stale, in hours.
    pub stale_operation_hours: i64,
    /// More pending operations than this degrade the status.
    pub max_pending_operations: u64,
    /// The window of the success rate, in minutes.
    pub window_minutes: u32,
    /// The share of failed attempts in the window above which the status is degraded.
    pub failure_rate_max: f64,
    /// The mode until one is set at run time.
    pub initial_mode: Mode,
    /// Whether unpaid orders are deducted at once.
    pub deduct_when_bought: bool,
    /// How often new orders are pulled, in seconds; 0: never, they are only posted.
    pub poll_seconds: u64,
    /// Pulled orders bought before this moment belong to the old way.
    pub start_from: Option<Timestamp>,
    /// How far before an account's watermark its list is read again, in days.
    pub overlap_days: i64,
    /// Comparing both sides.
    pub reconciliation: ReconciliationSettings,
    /// How long finished rows are kept.
    pub retention: Retention,
    /// When which task runs, by its name; one that is not named runs by hand only.
    pub schedules: Vec<(String, Schedule)>,
}

/// How both sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconciliationSettings {
    /// Orders of a page of the service's list: as many as it gives at once, or fewer.
    pub batch_size: u64,
    /// Whether fixes are made where the request does not say.
    pub auto_fix: bool,
    /// Fixes that move stock are made of younger orders only, in hours.
    pub auto_fix_threshold_hours: i64,
    /// How long an order must be missing at the service before a person is asked, in hours.
    pub missing_after_hours: i64,
}

impl Default for ReconciliationSettings {
    fn default() -> Self {
        Self {
            batch_size: ORDERS_PER_PAGE,
            auto_fix: true,
            auto_fix_threshold_hours: 24,
            missing_after_hours: 2,
        }
    }
}

/// How long finished rows are kept, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Completed operations.
    pub completed_days: i64,
    /// Operations rolled back, or given up and closed.
    pub failed_days: i64,
    /// Log entries, closed reviews and discrepancies, runs.
    pub log_days: i64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            completed_days: 30,
            failed_days: 90,
            log_days: 60,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            instance_name: "saldo".to_owned(),
            role: ServerRole::All,
            may_lead: true,
            immediate_timeout_ms: 3_000,
            call_timeout_ms: 10_000,
            list_timeout_ms: 40_000,
            max_in_flight: 32,
            requests_per_second: 50,
            account_requests_per_second: 50,
            circuit: CircuitPolicy::default(),
            unpaid_days: 8,
            unpaid_hours_frozen: 24,
            // One a second, in the middle.
            unpaid_asked_for_max: 3_600,
            sweep_seconds: 300,
            stale_operation_hours: 6,
            max_pending_operations: 1_000,
            window_minutes: 30,
            failure_rate_max: 0.1,
            initial_mode: Mode::On,
            deduct_when_bought: false,
            poll_seconds: 0,
            start_from: None,
            overlap_days: 2,
            reconciliation: ReconciliationSettings::default(),
            retention: Retention::default(),
            schedules: Vec::new(),
        }
    }
}

/// A lease outlives the longest call with its read-back, the wait for its turn, and two machines' clocks
/// disagreeing; see invariant 10.
#[must_use]
pub fn lease_seconds(call_timeout_ms: u64) -> i64 {
    let calls = i64::try_from(call_timeout_ms.saturating_mul(2) / 1_000).unwrap_or(i64::MAX / 2);
    calls.saturating_add(30)
}
