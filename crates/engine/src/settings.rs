//! What the configuration decides about running.

use saldo_domain::circuit::CircuitPolicy;

/// Bounds and periods of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How long an answer waits for the immediate attempt, in milliseconds.
    pub immediate_timeout_ms: u64,
    /// How long one call of the orders service may take, in milliseconds.
    pub call_timeout_ms: u64,
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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            immediate_timeout_ms: 3_000,
            call_timeout_ms: 10_000,
            max_in_flight: 32,
            requests_per_second: 50,
            account_requests_per_second: 50,
            circuit: CircuitPolicy::default(),
            unpaid_days: 8,
            unpaid_hours_frozen: 24,
            sweep_seconds: 300,
            stale_operation_hours: 6,
            max_pending_operations: 1_000,
            window_minutes: 30,
            failure_rate_max: 0.1,
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
