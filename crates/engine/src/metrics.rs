//! What Prometheus is told: the metrics that the interface promises, and their meaning in `docs/monitoring.md`.
//!
//! Nothing here looks through a table: counters count as things happen, and what is a state is asked for from
//! indexes when it is scraped.

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use saldo_domain::circuit::CircuitState;
use saldo_domain::delivery::Outcome;
use saldo_domain::discrepancy::{DiscrepancyKind, DiscrepancyResolution, Found};
use saldo_domain::operation::{Action, OperationType};
use saldo_domain::review::ReviewReason;
use saldo_store::StoreError;
use saldo_store::moves::Moves;
use saldo_store::query::Unfinished;

use crate::api::Status;
use crate::service::StockSynchronizationService;
use crate::tasks;

/// Seconds of a call over a network.
const CALL_SECONDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Seconds of taking an order in, up to the disk's acknowledgement.
const INTAKE_SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
/// Seconds until a retry: from the first wait of the default schedule to its longest.
const WAIT_SECONDS: [f64; 9] = [1.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1_800.0, 3_600.0];

/// The process's own metrics; all of a process's parts count here.
pub(crate) struct Metrics {
    registry: Registry,
    attempts: IntCounterVec,
    delivery_seconds: Histogram,
    retry_wait_seconds: Histogram,
    intake_seconds: Histogram,
    discrepancies: IntCounterVec,
    task_runs: IntCounterVec,
    http_requests: IntCounterVec,
    operations: IntGaugeVec,
    operations_total: IntCounterVec,
    oldest_seconds: Gauge,
    reviews_open: IntGaugeVec,
    circuit_state: IntGaugeVec,
    free_bytes: IntGaugeVec,
    stands_aside: IntGauge,
    build_info: IntGaugeVec,
}

impl Metrics {
    /// Metrics with nothing counted yet.
    ///
    /// # Errors
    /// When a name or a label is not one that Prometheus allows: a mistake of ours, found by the first test.
    fn try_new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Self {
            attempts: counter(
                "saldo_delivery_attempts_total",
                "Calls of the orders service that send or read back a flag, by how they ended.",
                &["outcome"],
            )?,
            delivery_seconds: histogram(
                "saldo_delivery_seconds",
                "Seconds that a delivery's call took.",
                &CALL_SECONDS,
            )?,
            retry_wait_seconds: histogram(
                "saldo_retry_wait_seconds",
                "Seconds that a delivery waits for its next attempt after one that failed.",
                &WAIT_SECONDS,
            )?,
            intake_seconds: histogram(
                "saldo_intake_seconds",
                "Seconds from a request about an order to its being on the disk.",
                &INTAKE_SECONDS,
            )?,
            discrepancies: counter(
                "saldo_discrepancies_total",
                "Differences that reconciliation found, by kind and what became of them.",
                &["kind", "resolution"],
            )?,
            task_runs: counter(
                "saldo_task_runs_total",
                "Runs of scheduled tasks, by task and outcome.",
                &["task", "outcome"],
            )?,
            http_requests: counter(
                "saldo_http_requests_total",
                "Requests answered, by route and status.",
                &["route", "status"],
            )?,
            operations: gauge(
                "saldo_operations",
                "Operations that are not finished, by type and status; pending are those that wait for delivery or an \
                 account.",
                &["type", "status"],
            )?,
            operations_total: counter(
                "saldo_operations_total",
                "Operations recorded, completed, failed and rolled back since the process started.",
                &["type", "outcome"],
            )?,
            oldest_seconds: Gauge::new(
                "saldo_pending_oldest_seconds",
                "Age of the oldest operation that waits for delivery or an account, in seconds; 0 without one.",
            )?,
            reviews_open: gauge("saldo_reviews_open", "Open reviews, by reason.", &["reason"])?,
            circuit_state: gauge(
                "saldo_circuit_state",
                "Whether calls are stopped: 0 closed (calls are made) or switched off, 1 half open, 2 open. \
                 Scope service, or the id of an account that is stopped.",
                &["scope"],
            )?,
            free_bytes: gauge(
                "saldo_disk_free_bytes",
                "Free bytes on the disk of an SQLite database.",
                &[],
            )?,
            stands_aside: IntGauge::new(
                "saldo_instance_stands_aside",
                "1 while the orders service answers other instances and not this one, which makes no deliveries then.",
            )?,
            build_info: gauge(
                "saldo_build_info",
                "Always 1; the version is the label.",
                &["version"],
            )?,
            registry,
        };
        metrics.register()?;
        metrics.begin();
        Ok(metrics)
    }

    /// Lets every counter whose labels are known begin at 0: what appears only with its first failure has no growth
    /// by which a rule could notice that one.
    fn begin(&self) {
        for outcome in ATTEMPT_WORDS {
            self.attempts.with_label_values(&[outcome]);
        }
        for task in tasks::names() {
            for outcome in ["succeeded", "failed"] {
                self.task_runs.with_label_values(&[task, outcome]);
            }
        }
        for kind in DiscrepancyKind::ALL {
            for resolution in DiscrepancyResolution::ALL {
                self.discrepancies
                    .with_label_values(&[kind.as_str(), resolution.as_str()]);
            }
        }
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let all: [Box<dyn Collector>; 16] = [
            Box::new(self.attempts.clone()),
            Box::new(self.delivery_seconds.clone()),
            Box::new(self.retry_wait_seconds.clone()),
            Box::new(self.intake_seconds.clone()),
            Box::new(self.discrepancies.clone()),
            Box::new(self.task_runs.clone()),
            Box::new(self.http_requests.clone()),
            Box::new(self.operations.clone()),
            Box::new(self.operations_total.clone()),
            Box::new(self.oldest_seconds.clone()),
            Box::new(self.reviews_open.clone()),
            Box::new(self.circuit_state.clone()),
            Box::new(self.free_bytes.clone()),
            Box::new(self.stands_aside.clone()),
            Box::new(self.build_info.clone()),
            Box::new(process()),
        ];
        all.into_iter().try_for_each(|one| self.registry.register(one))
    }

    /// A call of the orders service ended.
    pub(crate) fn attempt(&self, outcome: &Outcome, took_ms: u64) {
        self.attempts.with_label_values(&[outcome_word(outcome)]).inc();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a call's milliseconds are far below 2^52"
        )]
        self.delivery_seconds.observe(took_ms as f64 / 1_000.0);
    }

    /// A delivery waits for its next attempt.
    pub(crate) fn retry_wait(&self, seconds: f64) {
        self.retry_wait_seconds.observe(seconds.max(0.0));
    }

    /// A request about an order was stored.
    pub(crate) fn intake(&self, seconds: f64) {
        self.intake_seconds.observe(seconds);
    }

    /// Reconciliation found a difference that it had not seen before, or did something else about it than before.
    pub(crate) fn discrepancy(&self, found: &Found) {
        let labels = [found.kind.as_str(), found.resolution.as_str()];
        self.discrepancies.with_label_values(&labels).inc();
    }

    /// A scheduled task ended.
    pub(crate) fn task_run(&self, task: &str, succeeded: bool) {
        let outcome = if succeeded { "succeeded" } else { "failed" };
        self.task_runs.with_label_values(&[task, outcome]).inc();
    }

    /// A request was answered.
    fn http_request(&self, route: &str, status: u16) {
        self.http_requests
            .with_label_values(&[route, &status.to_string()])
            .inc();
    }

    /// Brings what is a state up to date, and writes everything down.
    fn render(&self, state: &State<'_>) -> Result<String, prometheus::Error> {
        self.show_operations(state);
        self.show_moves(state.moves);
        self.show_circuits(state);
        if let Some(bytes) = state.free_disk_bytes {
            self.free_bytes.with_label_values::<&str>(&[]).set(signed(bytes));
        }
        self.build_info.with_label_values(&[state.version]).set(1);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    fn show_operations(&self, state: &State<'_>) {
        let counts = &state.status.counts;
        let states = by_state(&counts.unfinished).into_iter();
        for ((word, all), (_, refunds)) in states.zip(by_state(&counts.unfinished_refunds)) {
            let deductions = all.saturating_sub(refunds);
            for (operation_type, count) in [
                (OperationType::Deduction, deductions),
                (OperationType::Refund, refunds),
            ] {
                self.operations
                    .with_label_values(&[operation_type.as_str(), word])
                    .set(signed(count));
            }
        }
        let oldest = counts.oldest_pending;
        let seconds = oldest.map_or(0.0, |at| state.status.now.duration_since(at).as_secs_f64());
        self.oldest_seconds.set(seconds.max(0.0));
        for reason in ReviewReason::ALL {
            let open = counts.reviews_open.iter().find(|(open, _)| *open == reason);
            self.reviews_open
                .with_label_values(&[reason.as_str()])
                .set(signed(open.map_or(0, |(_, count)| *count)));
        }
    }

    fn show_moves(&self, moves: &Moves) {
        for (operation_type, outcome, count) in moves.counts() {
            let word = if outcome == Action::Created {
                "recorded"
            } else {
                outcome.as_str()
            };
            let counter = self
                .operations_total
                .with_label_values(&[operation_type.as_str(), word]);
            // The store counts; this only shows it, and two scrapes at once must not show it twice.
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }

    fn show_circuits(&self, state: &State<'_>) {
        self.circuit_state.reset();
        self.circuit_state
            .with_label_values(&["service"])
            .set(circuit_number(state.status.circuit));
        self.stands_aside.set(i64::from(state.stands_aside));
        for account in &state.shut_accounts {
            self.circuit_state.with_label_values(&[account]).set(2);
        }
    }
}

/// What a scrape shows besides what was counted.
struct State<'a> {
    status: &'a Status,
    moves: &'a Moves,
    shut_accounts: Vec<String>,
    stands_aside: bool,
    free_disk_bytes: Option<u64>,
    version: &'a str,
}

impl StockSynchronizationService {
    /// Everything that Prometheus is told, in its text format.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn metrics(&self, version: &str) -> Result<String, StoreError> {
        let status = self.status().await?;
        let core = self.core();
        let (shut, aside_since) = {
            let gate = core.gate();
            (gate.shut_accounts(), gate.aside_since())
        };
        let state = State {
            status: &status,
            moves: core.store.moves(),
            shut_accounts: shut.iter().map(ToString::to_string).collect(),
            stands_aside: aside_since.is_some(),
            // Of a disk that cannot be asked nothing is told; the rest of the scrape is.
            free_disk_bytes: core.store.free_disk_bytes().await.unwrap_or(None),
            version,
        };
        core.metrics
            .render(&state)
            .map_err(|error| StoreError::Defect(format!("the metrics cannot be written down: {error}")))
    }

    /// Counts a request that was answered. The route is its pattern, so that there are few of them.
    pub fn count_http_request(&self, route: &str, status: u16) {
        self.core().metrics.http_request(route, status);
    }
}

impl Default for Metrics {
    #[expect(
        clippy::expect_used,
        reason = "the names are constants, and a test makes every one of them"
    )]
    fn default() -> Self {
        Self::try_new().expect("the names are fixed and a test has made them all")
    }
}

/// Operations that are not finished, by the words that `GET /status` has for them.
const fn by_state(unfinished: &Unfinished) -> [(&'static str, u64); 6] {
    [
        ("pending", unfinished.pending),
        ("processing", unfinished.processing),
        ("failed", unfinished.failed),
        ("waiting_for_stock", unfinished.waiting_for_stock),
        ("waiting_for_payment", unfinished.waiting_for_payment),
        ("in_review", unfinished.in_review),
    ]
}

/// The words of all outcomes that are counted.
const ATTEMPT_WORDS: [&str; 7] = [
    "delivered",
    "differs",
    "transient",
    "unknown",
    "credentials",
    "account",
    "permanent",
];

/// The stable word of an outcome.
const fn outcome_word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Differs => "differs",
        Outcome::Transient(_) => "transient",
        Outcome::Unknown(_) => "unknown",
        Outcome::Credentials(_) => "credentials",
        Outcome::AccountUnusable(_) => "account",
        Outcome::Permanent(_) => "permanent",
        Outcome::NotMade { .. } => "not_made",
    }
}

const fn circuit_number(state: CircuitState) -> i64 {
    match state {
        CircuitState::Closed | CircuitState::Off => 0,
        CircuitState::HalfOpen => 1,
        CircuitState::Open => 2,
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn counter(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn gauge(name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(Opts::new(name, help), labels)
}

fn histogram(name: &str, help: &str, bounds: &[f64]) -> Result<Histogram, prometheus::Error> {
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec()))
}

/// Memory, processor time and open files of the process, as Linux tells them.
fn process() -> prometheus::process_collector::ProcessCollector {
    prometheus::process_collector::ProcessCollector::for_self()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_that_prometheus_allows() {
        let metrics = Metrics::default();
        metrics.task_run("reconcile", true);
        metrics.http_request("/healthz", 200);
        let text = TextEncoder::new()
            .encode_to_string(&metrics.registry.gather())
            .unwrap();
        assert!(
            text.contains("saldo_task_runs_total{outcome=\"succeeded\",task=\"reconcile\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("saldo_http_requests_total{route=\"/healthz\",status=\"200\"} 1"),
            "{text}"
        );
    }
}
