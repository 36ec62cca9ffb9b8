//! The overall state.

use saldo_engine::Status;
use serde::Serialize;
use utoipa::ToSchema;

use super::alert::AlertBody;
use super::instance::{InstanceBody, LeaderBody};
use super::reconciliation::RunBody;
use super::task::TaskBody;
use super::words::{CircuitWord, HealthWord, ModeWord};

/// The overall state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Status)]
pub struct StatusBody<'a> {
    /// In a word.
    #[schema(value_type = HealthWord)]
    pub status: &'static str,
    /// How far Saldo is switched on.
    #[schema(value_type = ModeWord)]
    pub mode: &'static str,
    /// The version of Saldo.
    pub version: &'a str,
    /// Since the start, in seconds.
    pub uptime_seconds: i64,
    /// Operations, counted.
    pub operations: OperationCountsBody,
    /// Attempts and successes within a window.
    pub success_rate: SuccessRateBody,
    /// The mean time from the first attempt to the confirmation of what needed a retry.
    #[schema(required)]
    pub average_retry_seconds: Option<f64>,
    /// The age of the oldest operation that waits for delivery or an account.
    #[schema(required)]
    pub oldest_pending_seconds: Option<i64>,
    /// Open discrepancies.
    pub discrepancies_open: u64,
    /// Open reviews.
    pub reviews_open: u64,
    /// The orders service, as seen from here.
    pub orders_service: OrdersServiceBody<'a>,
    /// The reconciliation that began last, ended or not; none before the first.
    #[schema(required)]
    pub last_reconciliation: Option<RunBody<'a>>,
    /// The scheduled tasks, by name.
    pub tasks: Vec<TaskBody<'a>>,
    /// Alerts that have not ended.
    pub alerts: Vec<AlertBody<'a>>,
    /// The running servers on this database, by name and start.
    pub instances: Vec<InstanceBody<'a>>,
    /// The one that leads; none for a short while after it died.
    #[schema(required)]
    pub leader: Option<LeaderBody<'a>>,
    /// Whether this instance hears of the others at once, by PostgreSQL's notifications. Where it does not, it hears of
    /// them within a second. Null where that is not known, and on SQLite.
    #[schema(required)]
    pub notifications_arrive: Option<bool>,
}

/// Operations, counted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperationCounts)]
pub struct OperationCountsBody {
    /// They wait for delivery or an account.
    pub pending: u64,
    /// They are under delivery.
    pub processing: u64,
    /// They were completed since midnight UTC.
    pub completed_today: u64,
    /// They were given up.
    pub failed: u64,
    /// They wait for delivery or an account for too long.
    pub stale: u64,
    /// They wait for stock.
    pub waiting_for_stock: u64,
    /// They wait for payment.
    pub waiting_for_payment: u64,
    /// They wait for a person.
    pub in_review: u64,
}

/// Attempts and successes within a window.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuccessRate)]
pub struct SuccessRateBody {
    /// The window.
    pub window_minutes: u32,
    /// Attempts made in it.
    pub attempts: u64,
    /// Successes by attempts; none without attempts.
    #[schema(required)]
    pub rate: Option<f64>,
}

/// The orders service, as seen from here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrdersServiceState)]
pub struct OrdersServiceBody<'a> {
    /// Its circuit.
    #[schema(value_type = CircuitWord)]
    pub circuit: &'static str,
    /// Whether the single-order call works; none while that is not known.
    #[schema(required)]
    pub live_orders: Option<bool>,
    /// The delay of calls within the window.
    pub latency_ms: LatencyBody,
    /// What it answered last that was not a success.
    #[schema(required)]
    pub last_error: Option<&'a str>,
}

/// Percentiles of the delay of calls, in milliseconds; none without calls.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Latency)]
pub struct LatencyBody {
    /// The median.
    #[schema(required)]
    pub p50: Option<u64>,
    /// The 99th percentile.
    #[schema(required)]
    pub p99: Option<u64>,
}

impl<'a> StatusBody<'a> {
    pub(crate) fn new(status: &'a Status, version: &'a str) -> Self {
        let counts = &status.counts;
        // A clock that was set back makes no age negative.
        let since = |moment| status.now.duration_since(moment).as_secs().max(0);
        Self {
            status: status.health.as_str(),
            mode: status.rollout.mode.as_str(),
            version,
            uptime_seconds: since(status.started_at),
            operations: OperationCountsBody {
                pending: counts.unfinished.pending,
                processing: counts.unfinished.processing,
                completed_today: counts.completed_today,
                failed: counts.unfinished.failed,
                stale: counts.stale,
                waiting_for_stock: counts.unfinished.waiting_for_stock,
                waiting_for_payment: counts.unfinished.waiting_for_payment,
                in_review: counts.unfinished.in_review,
            },
            success_rate: SuccessRateBody {
                window_minutes: status.success_rate.window_minutes,
                attempts: status.success_rate.attempts,
                rate: status.success_rate.rate,
            },
            average_retry_seconds: status.average_retry_seconds,
            oldest_pending_seconds: counts.oldest_pending.map(since),
            discrepancies_open: status.discrepancies_open,
            reviews_open: counts.reviews_open.iter().map(|(_, count)| count).sum(),
            orders_service: OrdersServiceBody {
                circuit: status.circuit.as_str(),
                live_orders: status.live_orders,
                latency_ms: LatencyBody {
                    p50: status.latency.p50_ms,
                    p99: status.latency.p99_ms,
                },
                last_error: status.last_error.as_deref(),
            },
            last_reconciliation: status.last_reconciliation.as_ref().map(RunBody::new),
            tasks: status.tasks.iter().map(TaskBody::new).collect(),
            alerts: status
                .alerts
                .iter()
                .map(|alert| AlertBody::new(alert, status.now))
                .collect(),
            instances: status.instances.iter().map(InstanceBody::new).collect(),
            leader: status.leader.as_ref().map(LeaderBody::new),
            notifications_arrive: status.notifications_arrive,
        }
    }
}
