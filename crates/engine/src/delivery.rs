//! The dispatcher: claims what is due, makes the calls, records how they ended.
//!
//! It is level-triggered: a wake-up is only a hint, the store's queue is the truth. Nothing here decides what a
//! flag should be; a claim carries the level as it was committed.

use std::sync::Arc;

use jiff::Timestamp;
use saldo_domain::decide::{ClaimOrders, ClaimRequest, Command, Outcome, Settle, SettleOutcome};
use saldo_domain::delivery::{Claim, Outcome as AttemptOutcome};
use saldo_domain::view::DueRequest;
use saldo_store::StoreError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::{Event, ProcessingResult};
use crate::attempt;
use crate::clock::until;
use crate::engine::Core;
use crate::gate::{ClaimBounds, Gate, Permits, Turn};
use crate::outages;

/// Attempts whose outcome is being recorded at once, besides the calls in flight.
const SETTLING_MAX: usize = 1_024;
/// Tries to record an outcome while the store is busy; then the lease's end takes over.
const SETTLE_TRIES_MAX: u32 = 50;

/// Runs until told to stop; then finishes what is in flight and returns the rest.
pub(crate) async fn dispatch(core: Arc<Core>, stop: CancellationToken) {
    let mut attempts = JoinSet::new();
    while !stop.is_cancelled() {
        while attempts.try_join_next().is_some() {}
        let woken = core.wake.notified();
        if attempts.len() > core.settings.max_in_flight + SETTLING_MAX {
            attempts.join_next().await;
            continue;
        }
        let turn = core.gate().turn(core.now());
        let sleep_until = match turn {
            Turn::Wait { until } => until,
            Turn::Claim(bounds) => {
                let (count_max, probe_at) = (bounds.count_max, bounds.probe_at);
                let excluded = bounds.excluded.clone();
                match claim(&core, bounds).await {
                    Ok(claimed) if claimed.is_empty() => next_moment(&core, &excluded, probe_at).await,
                    Ok(claimed) => {
                        let may_be_more = claimed.len() >= count_max;
                        for (claim, permits) in claimed {
                            attempts.spawn(run(Arc::clone(&core), claim, permits, stop.clone()));
                        }
                        if may_be_more {
                            continue;
                        }
                        next_moment(&core, &excluded, probe_at).await
                    }
                    Err(error) => {
                        tracing::warn!(%error, "deliveries could not be claimed; trying again in a second");
                        Some(core.now() + jiff::SignedDuration::from_secs(1))
                    }
                }
            }
        };
        rest(&core, sleep_until, &stop, woken).await;
    }
    while attempts.join_next().await.is_some() {}
}

/// Waits for a wake-up, a moment, or the stop; never longer than the sweep period.
async fn rest(
    core: &Core,
    moment: Option<Timestamp>,
    stop: &CancellationToken,
    woken: tokio::sync::futures::Notified<'_>,
) {
    let sweep = std::time::Duration::from_secs(core.settings.sweep_seconds.max(1));
    let wait = moment.map_or(sweep, |moment| until(core.now(), moment).min(sweep));
    tokio::select! {
        () = woken => {}
        () = stop.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
}

/// When there may be something to do next without a wake-up.
async fn next_moment(
    core: &Core,
    excluded: &[saldo_domain::ids::AccountId],
    probe_at: Option<Timestamp>,
) -> Option<Timestamp> {
    let due = match core.store.next_due(excluded).await {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(%error, "the queue could not be looked at; trying again in a second");
            Some(core.now() + jiff::SignedDuration::from_secs(1))
        }
    };
    match (due, probe_at) {
        (Some(due), Some(probe)) => Some(due.min(probe)),
        (due, probe) => due.or(probe),
    }
}

/// Claims within the bounds. A probe that finds nothing to deliver asks the service in another way.
async fn claim(core: &Arc<Core>, bounds: ClaimBounds) -> Result<Vec<(Claim, Permits)>, StoreError> {
    let ClaimBounds {
        excluded,
        only,
        after_account,
        per_account_max,
        count_max,
        permits,
        ..
    } = bounds;
    let now = core.now();
    let due = DueRequest {
        now,
        after_account,
        excluded,
        only,
        per_account_max,
        count_max,
    };
    let request = core.request(Command::Claim(ClaimRequest {
        orders: ClaimOrders::Due(due),
    }));
    let claims = match core.store.execute(request).await {
        Ok(Outcome::Claimed(claims)) => claims,
        Ok(other) => return Err(StoreError::Defect(format!("a claim was answered by {other:?}"))),
        Err(error) => {
            core.gate()
                .learn(only, crate::gate::CallEnd::NotMade, permits, now);
            return Err(error);
        }
    };
    if claims.is_empty() && permits.is_probe() {
        outages::probe(core, only, permits).await;
    }
    let mut gate = core.gate();
    for claim in &claims {
        gate.started(claim.key.account);
    }
    drop(gate);
    Ok(claims.into_iter().map(|claim| (claim, permits)).collect())
}

/// Makes one attempt and records its end.
async fn run(
    core: Arc<Core>,
    claim: Claim,
    permits: Permits,
    stop: CancellationToken,
) -> Option<AttemptOutcome> {
    let outcome_and_time = call(&core, &claim, permits, &stop).await;
    let (outcome, took_ms) = outcome_and_time;
    let end = attempt::call_end(&outcome);
    let reopened = {
        let mut gate = core.gate();
        gate.ended(claim.key.account);
        gate.learn(Some(claim.key.account), end, permits, core.now())
    };
    core.wake.notify_one();
    note(&core, &claim, &outcome, took_ms);
    settle(&core, &claim, outcome.clone(), took_ms).await;
    if reopened.is_any() {
        outages::ended(&core, &reopened).await;
    }
    Some(outcome)
}

async fn call(
    core: &Core,
    claim: &Claim,
    permits: Permits,
    stop: &CancellationToken,
) -> (AttemptOutcome, u64) {
    let account_wait = core.gate().account_wait(claim.key.account, core.now());
    if let Some(wait) = account_wait {
        let again_at = core.now() + wait;
        if wait > jiff::SignedDuration::from_secs(1) {
            return (attempt::not_made(again_at), 0);
        }
        tokio::select! {
            () = tokio::time::sleep(wait.unsigned_abs()) => {}
            () = stop.cancelled() => return (attempt::not_made(core.now()), 0),
        }
    }
    // The whole call, with its read-back, must fit into the lease (invariant 7).
    let longest = jiff::SignedDuration::from_millis(
        i64::try_from(core.settings.call_timeout_ms.saturating_mul(2)).unwrap_or(i64::MAX / 2),
    );
    if core.now().checked_add(longest).is_ok_and(|end| end > claim.until) || stop.is_cancelled() {
        return (attempt::not_made(core.now()), 0);
    }
    let began = tokio::time::Instant::now();
    let outcome = attempt::attempt(core.orders_service.as_ref(), claim, !permits.is_probe()).await;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    (outcome, took_ms)
}

fn note(core: &Core, claim: &Claim, outcome: &AttemptOutcome, took_ms: u64) {
    if matches!(outcome, AttemptOutcome::NotMade { .. }) {
        return;
    }
    let error = attempt::error_of(outcome);
    let mut statistics = core.statistics();
    statistics.attempt(core.now(), took_ms, error);
    if *outcome == AttemptOutcome::Delivered && claim.is_retry {
        let seconds = core.now().duration_since(claim.owed_since).as_secs_f64();
        statistics.retried(core.now(), seconds);
    }
    drop(statistics);
    match error {
        None => {
            tracing::debug!(order = %claim.key.order, account = %claim.key.account, flag = claim.flag, took_ms, "delivered")
        }
        Some(error) => {
            tracing::info!(order = %claim.key.order, account = %claim.key.account, flag = claim.flag, took_ms, error, "not delivered");
        }
    }
}

/// Records how an attempt ended. While the store is busy it tries again; a store that stays away is left to the
/// end of the lease, after which the delivery is due again.
async fn settle(core: &Core, claim: &Claim, outcome: AttemptOutcome, took_ms: u64) {
    let settle = Settle {
        key: claim.key.clone(),
        token: claim.token,
        outcome,
        draw: core.draw(),
        took_ms,
    };
    let mut request = core.request(Command::Settle(settle));
    for attempt in 1..=SETTLE_TRIES_MAX {
        request.now = core.now();
        match core.store.execute(request.clone()).await {
            Ok(Outcome::Settled(SettleOutcome::Recorded { operations, .. })) => {
                for id in operations {
                    core.tell(Event::Operation { id });
                }
                break;
            }
            Ok(_) => break,
            Err(StoreError::Busy | StoreError::Unavailable(_)) if attempt < SETTLE_TRIES_MAX => {
                tokio::time::sleep(std::time::Duration::from_millis(20 * u64::from(attempt))).await;
            }
            Err(error) => {
                tracing::error!(order = %claim.key, %error, "an outcome could not be recorded; its lease will end");
                break;
            }
        }
    }
    core.waiters.wake(&claim.key);
    core.tell(Event::Status);
}

/// One round over all that is due now, for callers without a running dispatcher.
pub(crate) async fn round(
    core: &Arc<Core>,
    stop: &CancellationToken,
) -> Result<ProcessingResult, StoreError> {
    let mut result = ProcessingResult::default();
    let deadline = core.now();
    loop {
        let turn = core.gate().turn(core.now());
        let bounds = match turn {
            Turn::Claim(bounds) => bounds,
            // Only a rate or other calls in the way are worth waiting for; a shut service is not.
            Turn::Wait { until: Some(moment) } if !core.gate().is_shut() => {
                tokio::time::sleep(until(core.now(), moment)).await;
                continue;
            }
            Turn::Wait { until: None } => {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                continue;
            }
            Turn::Wait { .. } => return Ok(result),
        };
        let is_probe = bounds.permits.is_probe();
        let claims = claim(core, bounds).await?;
        if claims.is_empty() {
            if is_probe && !core.gate().is_shut() {
                continue;
            }
            return Ok(result);
        }
        let mut attempts = JoinSet::new();
        for (claim, permits) in claims {
            attempts.spawn(run(Arc::clone(core), claim, permits, stop.clone()));
        }
        while let Some(ended) = attempts.join_next().await {
            result.attempted += 1;
            if ended.is_ok_and(|outcome| outcome == Some(AttemptOutcome::Delivered)) {
                result.delivered += 1;
            } else {
                result.not_delivered += 1;
            }
        }
        if core.now().duration_since(deadline) > ROUND_MAX {
            return Ok(result);
        }
    }
}

/// The longest that one round goes on.
const ROUND_MAX: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

impl Core {
    /// The gate, for a moment; never across an await.
    pub(crate) fn gate(&self) -> std::sync::MutexGuard<'_, Gate> {
        self.gate
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
