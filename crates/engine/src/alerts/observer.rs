//! The one who looks: once a minute, by the injected clock.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use saldo_domain::alert::{AlertKind, AlertPolicy, Decision, Known, judge, watch};
use saldo_domain::ids::IdSource;
use saldo_store::StoreError;
use saldo_store::tasks::{TaskLease, TaskState};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::AlertOptions;
use super::emergency::Emergency;
use super::observation::{Look, Memory};
use crate::api::Event;
use crate::engine::Core;
use crate::leader;
use crate::service::StockSynchronizationService;

/// How often it looks, in seconds.
const PERIOD_SECONDS: u64 = 60;
/// How long the right to look lasts, in seconds: of several instances one looks. Taking it each time is also what
/// shows that the database can be written.
const LEASE_SECONDS: i64 = 150;
/// How often a decision is made anew when someone changed an alert meanwhile.
const TRIES_MAX: usize = 3;
/// How long ended alerts and messages are kept, in days.
const KEPT_DAYS: i64 = 400;
/// What is forgotten in one step, a few times a day.
const FORGET_ROWS: usize = 1_000;
/// How often that is, in hours.
const FORGET_HOURS: i64 = 6;

const _: () = assert!(LEASE_SECONDS > 2 * PERIOD_SECONDS as i64);

pub(super) struct Observer {
    service: StockSynchronizationService,
    policy: AlertPolicy,
    stale_check: SignedDuration,
    ids: Box<dyn IdSource + Send + Sync>,
    memory: Memory,
    emergency: Emergency,
    wake_sender: Arc<Notify>,
    forgot_at: Option<Timestamp>,
    /// The right to look, as it was taken last.
    lease: Option<TaskLease>,
}

impl Observer {
    pub(super) fn new(
        service: StockSynchronizationService,
        options: AlertOptions,
        wake_sender: Arc<Notify>,
    ) -> Self {
        let minutes = i64::try_from(options.stale_check_minutes).unwrap_or(i64::MAX / 60);
        Self {
            service,
            policy: options.policy,
            stale_check: SignedDuration::from_mins(minutes),
            ids: options.ids,
            memory: Memory::default(),
            emergency: Emergency::new(options.transport),
            wake_sender,
            forgot_at: None,
            lease: None,
        }
    }

    /// Looks until told to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep(Duration::from_secs(PERIOD_SECONDS)) => {}
            }
            tokio::select! {
                biased;
                // What was decided is stored as a whole, or decided again after the next start.
                () = stop.cancelled() => break,
                () = self.look() => {}
            }
        }
        self.let_others_look().await;
    }

    async fn look(&mut self) {
        let now = microsecond(self.core().now());
        let looked = match self.may_look(now).await {
            Ok(true) => self.look_and_tell(now).await,
            Ok(false) => return,
            Err(error) => Err(error),
        };
        self.remember(now, &looked).await;
        match looked {
            Ok(()) => {}
            Err(error @ (StoreError::Busy | StoreError::Closed | StoreError::Refused(_))) => {
                tracing::warn!(%error, "alerts could not be looked at this time");
            }
            Err(error) => {
                tracing::error!(%error, "the database fails; alerts about it are sent without it");
                let reason = error.to_string();
                self.emergency.tell(&reason, &self.policy, now, &mut *self.ids);
            }
        }
    }

    /// Tells the list of scheduled tasks how it went. If that cannot be kept, the next look will say so.
    async fn remember(&self, began_at: Timestamp, looked: &Result<(), StoreError>) {
        let core = self.core();
        let now = microsecond(core.now());
        let state = TaskState {
            name: super::TASK.to_owned(),
            last_started_at: Some(began_at),
            last_ended_at: Some(now),
            last_succeeded: Some(looked.is_ok()),
            last_detail: looked.as_ref().err().map(ToString::to_string),
            last_due_at: Some(began_at),
            next_run_at: Some(now + SignedDuration::from_secs(PERIOD_SECONDS as i64)),
        };
        let Some(lease) = &self.lease else { return };
        if let Err(error) = core.store.put_task_state(&state, lease).await {
            tracing::debug!(%error, "how the look for alerts went could not be kept");
        }
    }

    fn core(&self) -> &Arc<Core> {
        self.service.core()
    }

    /// Whether this instance is the one that looks.
    async fn may_look(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let core = Arc::clone(self.core());
        // While the database fails nobody leads, and everyone who sees it tells.
        if !core.leads() && leader::is_another(&core, now).await? {
            return Ok(false);
        }
        let until = now + SignedDuration::from_secs(LEASE_SECONDS);
        let (store, name) = (&core.store, super::TASK);
        self.lease = store.take_lease(name, &core.instance, now, until).await?;
        Ok(self.lease.is_some())
    }

    async fn let_others_look(&self) {
        if let Some(lease) = &self.lease
            && let Err(error) = self.core().store.release_lease(lease).await
        {
            tracing::debug!(%error, "the right to look for alerts ends by itself");
        }
    }

    async fn look_and_tell(&mut self, now: Timestamp) -> Result<(), StoreError> {
        for _ in 0..TRIES_MAX {
            let ended_since = now - self.policy.remembers();
            let mut known = self.core().store.known_alerts(ended_since).await?;
            if let Some(decision) = self.emergency.to_store(&known) {
                self.core().store.apply_alerts(&decision).await?;
                known = self.core().store.known_alerts(ended_since).await?;
            }
            self.emergency.remember(&known);
            let decision = self.decide(&known, now).await?;
            match self.core().store.apply_alerts(&decision).await {
                Ok(()) => {
                    self.told(&decision);
                    break;
                }
                // Someone acknowledged one of them: what is decided must know.
                Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.forget(now).await
    }

    async fn decide(&mut self, known: &Known, now: Timestamp) -> Result<Decision, StoreError> {
        let with_stale = self.looks_for_stale(known, now);
        let look = Look {
            service: &self.service,
            policy: &self.policy,
            now,
            with_stale,
            open: &known.open,
        };
        let observation = look.gather(&mut self.memory).await?;
        if with_stale {
            self.memory.stale_looked_at = Some(now);
        }
        let findings = judge(&observation, &self.policy, now);
        Ok(watch(known, &findings, &self.policy, now, &mut *self.ids))
    }

    /// As often as is configured; more often while they alert, so that the end is told in time.
    fn looks_for_stale(&self, known: &Known, now: Timestamp) -> bool {
        let alerts = known
            .open
            .iter()
            .any(|alert| alert.kind == AlertKind::StaleOperations);
        let last = self.memory.stale_looked_at;
        alerts || last.is_none_or(|last| now.duration_since(last).abs() >= self.stale_check)
    }

    fn told(&self, decision: &Decision) {
        for alert in &decision.alerts {
            let is_news = alert.version == 1 || alert.ended_at.is_some();
            if is_news {
                let ended = alert.ended_at.is_some();
                tracing::info!(alert = %alert.id, kind = %alert.kind, ended, "an alert began or ended");
            }
            self.core().tell(Event::Alert { id: alert.id });
        }
        if !decision.alerts.is_empty() {
            self.core().tell(Event::Status);
        }
        if !decision.messages.is_empty() {
            self.wake_sender.notify_one();
        }
    }

    async fn forget(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let waits = self
            .forgot_at
            .is_some_and(|at| now.duration_since(at).abs() < SignedDuration::from_hours(FORGET_HOURS));
        if !waits {
            let before = now - SignedDuration::from_hours(24 * KEPT_DAYS);
            self.core().store.forget_alerts(before, FORGET_ROWS).await?;
            self.forgot_at = Some(now);
        }
        Ok(())
    }
}

/// As precise as databases keep moments.
pub(super) fn microsecond(moment: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(moment.as_microsecond()).unwrap_or(moment)
}
