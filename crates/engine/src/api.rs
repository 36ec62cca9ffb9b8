//! What the engine is asked and what it answers.

use jiff::Timestamp;
use saldo_domain::alert::Alert;
use saldo_domain::circuit::CircuitState;
use saldo_domain::decide::{AnswerKey, Restored, SyncStatus};
use saldo_domain::discrepancy::{Discrepancy, Run, RunOutcome, RunScope, RunTally};
use saldo_domain::ids::{AccountId, AlertId, OperationId, ReviewId, RunId};
use saldo_domain::operation::Operation;
use saldo_domain::review::Review;
use saldo_domain::rollout::Rollout;
use saldo_store::instances::{AttemptCounts, ServerRole};
use saldo_store::query::Counts;

/// Who asks, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// A key's name, or `saldo`: stands in the log for who acted.
    pub by: String,
    /// The idempotency key, where one was given.
    pub answer_key: Option<AnswerKey>,
    /// Whether to wait for the immediate attempt, at most `immediate_timeout_ms`.
    pub wait: bool,
}

impl Caller {
    /// A caller that waits and gave no idempotency key.
    #[must_use]
    pub fn named(by: &str) -> Self {
        Self {
            by: by.to_owned(),
            answer_key: None,
            wait: true,
        }
    }
}

/// The answer to everything that concerns one order.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncResult {
    /// Whether the orders service has confirmed, or nothing is owed.
    pub success: bool,
    /// How the order stands.
    pub status: SyncStatus,
    /// Whether it was known and nothing changed.
    pub duplicate: bool,
    /// The operation that answers.
    pub operation: Option<Operation>,
    /// What is in the way.
    pub error: Option<String>,
    /// The review that it waits for.
    pub review_id: Option<ReviewId>,
}

/// The answer to a rollback.
#[derive(Debug, Clone, PartialEq)]
pub struct RollbackResult {
    /// Always true: a refused rollback is an error instead.
    pub success: bool,
    /// The operation that was undone.
    pub operation_id: OperationId,
    /// The operation that undid it, where stock had moved.
    pub refund_operation_id: Option<OperationId>,
    /// What went back.
    pub restored: Vec<Restored>,
    /// What became of the service's flag.
    pub remote_flag: RemoteFlag,
}

/// What became of the service's flag after a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteFlag {
    /// The service has confirmed the new level.
    Cleared,
    /// It will be told.
    Pending,
    /// There was nothing to tell.
    Unchanged,
}

impl RemoteFlag {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cleared => "cleared",
            Self::Pending => "pending",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What one round over the queue did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessingResult {
    /// Deliveries tried.
    pub attempted: u64,
    /// Deliveries that ended.
    pub delivered: u64,
    /// Deliveries that will be tried again, or were given up.
    pub not_delivered: u64,
}

/// The answer to a resolved review.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolveResult {
    /// The review as it stands now.
    pub review: Review,
    /// How its order stands now, where there is one.
    pub order: Option<SyncResult>,
    /// Further orders that were tried again because of it.
    pub tried_again: u64,
}

/// The overall state.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// `healthy`, `degraded` or `down`.
    pub health: Health,
    /// Counts of operations and reviews.
    pub counts: Counts,
    /// Since when the engine runs.
    pub started_at: Timestamp,
    /// The moment of this status.
    pub now: Timestamp,
    /// Attempts and successes within the window.
    pub success_rate: SuccessRate,
    /// The mean time from the first attempt to the confirmation of what needed a retry, in seconds.
    pub average_retry_seconds: Option<f64>,
    /// The circuit of the service.
    pub circuit: CircuitState,
    /// Whether the single-order call works; none while that is not known.
    pub live_orders: Option<bool>,
    /// The delay of calls within the window.
    pub latency: Latency,
    /// What the service answered last that was not a success.
    pub last_error: Option<String>,
    /// The mode in force.
    pub rollout: Rollout,
    /// The scheduled tasks, by name.
    pub tasks: Vec<TaskStatus>,
    /// The run of reconciliation that began last, ended or not.
    pub last_reconciliation: Option<Run>,
    /// Discrepancies that are open.
    pub discrepancies_open: u64,
    /// Alerts that have not ended, the newest first, at most 100.
    pub alerts: Vec<Alert>,
    /// The running servers, by name and start; without those of which nobody told for a minute.
    pub instances: Vec<InstanceStatus>,
    /// The one that leads.
    pub leader: Option<LeaderStatus>,
    /// Whether this instance hears of the others at once, and not by looking; none where that is not known.
    pub notifications_arrive: Option<bool>,
}

/// A running server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceStatus {
    /// Another one for each start.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The version that it runs.
    pub version: String,
    /// What it does.
    pub role: ServerRole,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last told of itself.
    pub heartbeat_at: Timestamp,
    /// Whether that was too long ago.
    pub is_silent: bool,
    /// Whether it leads.
    pub is_leader: bool,
    /// Since when it stands aside: the orders service answers others and not this one.
    pub aside_since: Option<Timestamp>,
    /// Deliveries under way at the heartbeat.
    pub deliveries: u64,
    /// What it alone may do now: tasks by name, and pulling orders.
    pub tasks: Vec<String>,
}

/// The instance that starts scheduled tasks, pulls orders and looks for alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderStatus {
    /// Its id.
    pub id: String,
    /// Grows by one each time that another one leads.
    pub term: u64,
    /// Until when it leads, unless that is renewed.
    pub until: Timestamp,
}

/// What to reconcile. Without bounds, every order of every account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReconciliationRequest {
    /// One account, or all.
    pub account: Option<AccountId>,
    /// Bought at or after this moment.
    pub from: Option<Timestamp>,
    /// Bought at or before this moment.
    pub to: Option<Timestamp>,
    /// At most so many orders an account, the newest first.
    pub limit: Option<u64>,
    /// Whether fixes are made; as the configuration says when it is not given.
    pub auto_fix: Option<bool>,
    /// From each account's watermark on, with overlap, as the scheduled task does; an account without a full pass
    /// within a day is read in full.
    pub since_watermark: bool,
    /// Somebody waits for the end: a service that gives nothing at all is said at once to do so. Otherwise, and once it
    /// has given something, it is asked again for a while.
    pub is_waited_for: bool,
}

/// What a run of reconciliation did.
#[derive(Debug, Clone, PartialEq)]
pub struct ReconciliationResult {
    /// Which run.
    pub run_id: RunId,
    /// Orders compared.
    pub total_checked: u64,
    /// Differences found.
    pub discrepancies_found: u64,
    /// Differences put right, or set on their way to be right.
    pub auto_fixed: u64,
    /// Differences put before a person.
    pub requires_manual_review: u64,
    /// Calls of the orders service.
    pub calls: u64,
    /// How long it took, in milliseconds; of a run that was taken up again after a crash, all of it.
    pub duration_ms: u64,
    /// Whether everything was seen.
    pub outcome: RunOutcome,
    /// What could not be looked at, and why.
    pub error: Option<String>,
    /// What was found, at most 1,000.
    pub discrepancies: Vec<Discrepancy>,
}

/// How far the run under way has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconciliationProgress {
    /// Which run.
    pub run: RunId,
    /// What it looks at.
    pub scope: RunScope,
    /// When it began.
    pub started_at: Timestamp,
    /// The account that is looked at now.
    pub account: Option<AccountId>,
    /// Accounts that are done.
    pub accounts_done: usize,
    /// Accounts in all.
    pub accounts: usize,
    /// What was done so far.
    pub tally: RunTally,
}

/// A scheduled task, and how it ran last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatus {
    /// Its name.
    pub name: String,
    /// Its schedule, as it is configured; none when it runs by hand only.
    pub schedule: Option<String>,
    /// Whether it runs now, in this process.
    pub running: bool,
    /// When it last began.
    pub last_started_at: Option<Timestamp>,
    /// When it last ended.
    pub last_ended_at: Option<Timestamp>,
    /// Whether it last ended well.
    pub last_succeeded: Option<bool>,
    /// What it did last, or why it failed.
    pub last_detail: Option<String>,
    /// When it is due next.
    pub next_run_at: Option<Timestamp>,
}

/// In a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Healthy,
    /// Something waits for longer than it should, or for a person.
    Degraded,
    /// The database does not answer.
    Down,
}

impl Health {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// Attempts and successes within a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SuccessRate {
    /// The window, in minutes.
    pub window_minutes: u32,
    /// Attempts made in it.
    pub attempts: u64,
    /// Successes by attempts; none without attempts.
    pub rate: Option<f64>,
}

impl SuccessRate {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of half an hour are far below 2^52"
    )]
    pub(crate) fn new(window_minutes: u32, counts: AttemptCounts) -> Self {
        let AttemptCounts {
            attempts, successes, ..
        } = counts;
        Self {
            window_minutes,
            attempts,
            rate: (attempts > 0).then(|| successes as f64 / attempts as f64),
        }
    }
}

/// The mean time of what needed a retry, in seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of half an hour's deliveries are far below 2^52"
)]
pub(crate) fn average_retry_seconds(counts: AttemptCounts) -> Option<f64> {
    (counts.retried > 0).then(|| counts.retried_ms as f64 / counts.retried as f64 / 1_000.0)
}

/// Percentiles of the delay of calls, in milliseconds; none without calls.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Latency {
    /// The median.
    pub p50_ms: Option<u64>,
    /// The 99th percentile.
    pub p99_ms: Option<u64>,
}

/// Something that changed, for those who watch. A hint: the store is the truth.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An operation changed.
    Operation {
        /// Which one.
        id: OperationId,
    },
    /// A review was opened, answered or closed.
    Review {
        /// Which one.
        id: ReviewId,
    },
    /// An alert began, changed, was acknowledged or ended.
    Alert {
        /// Which one.
        id: AlertId,
    },
    /// The overall state may have changed.
    Status,
}
