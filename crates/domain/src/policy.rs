//! What the configuration decides, as far as the rules need it.

use jiff::Timestamp;

use crate::retry::RetryPolicy;
use crate::rollout::Mode;
use crate::text::Warehouse;

/// The settings that decisions depend on.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Where an order's lines are taken from when it does not say.
    pub default_warehouse: Warehouse,
    /// Whether unpaid orders are deducted at once.
    pub deduct_when_bought: bool,
    /// Whether balances may fall below zero.
    pub allow_negative: bool,
    /// The schedule of retries.
    pub retry: RetryPolicy,
    /// Whether the circuit breaker is on: then an outage costs no retries.
    pub circuit_enabled: bool,
    /// How long a claim of a delivery lasts, in seconds. Longer than the longest call.
    pub lease_seconds: i64,
    /// How long after a doubtful attempt the flag is read back once more, in seconds.
    pub verify_after_seconds: i64,
    /// How long deliveries wait through an outage before they are given up, in hours.
    pub give_up_hours: i64,
    /// The mode until one is set at run time.
    pub initial_mode: Mode,
    /// Pulled orders bought before this moment belong to the old way. The rollout in force may name a later moment.
    pub start_from: Option<Timestamp>,
}
