//! The dispatcher: claims what is due, makes the calls, records how they ended.
//!
//! It is level-triggered: a wake-up is only a hint, the store's queue is the truth. Nothing here decides what a
//! flag should be; a claim carries the level as it was committed.

use std::sync::Arc;

use jiff::Timestamp;
use saldo_domain::decide::{ClaimOrders, ClaimRequest, Command, Outcome, Settle, SettleOutcome};
use saldo_domain::delivery::{Claim, Outcome as AttemptOutcome};
use saldo_domain::ids::{AccountId, OperationId, OrderKey};
use saldo_domain::operation::WaitingFor;
use saldo_domain::view::DueRequest;
use saldo_store::StoreError;
use saldo_store::query::{OperationFilter, PageRequest};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::api::{Event, ProcessingResult};
use crate::attempt::{self, Attempt};
use crate::circuits;
use crate::clock::until;
use crate::engine::Core;
use crate::gate::{CallEnd, ClaimBounds, Gate, Permits, Turn};
use crate::outages;
use crate::trace::TRACE_TARGET;

/// Attempts whose outcome is being recorded at once, besides the calls in flight.
const SETTLING_MAX: usize = 1_024;
/// Tries to record an outcome while the store is busy; then the lease's end takes over.
const SETTLE_TRIES_MAX: u32 = 50;
/// How long a delivery has been due that an instance on trial tries with.
const TRIED_BEHIND: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);
/// Deliveries of which one is drawn to probe with.
const PROBED_AMONG: usize = 100;

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
        let turn = circuits::turn(&core).await;
        let sleep_until = match turn {
            Turn::Wait { until } => until,
            Turn::Try(permits) => {
                attempts.spawn(trial(Arc::clone(&core), permits, stop.clone()));
                continue;
            }
            Turn::Claim(bounds) => {
                let (count_max, permits, only) = (bounds.count_max, bounds.permits, bounds.only);
                let (excluded, again_at) = (bounds.excluded.clone(), bounds.again_at);
                match claim(&core, bounds).await {
                    Ok(claims) => {
                        let may_be_more = claims.len() >= count_max;
                        let is_nothing = claims.is_empty();
                        if is_nothing && permits.is_probe() && !permits.is_trial() {
                            attempts.spawn(probe(Arc::clone(&core), only, permits, stop.clone()));
                        }
                        for claim in claims {
                            attempts.spawn(run(Arc::clone(&core), claim, permits, stop.clone()));
                        }
                        if may_be_more {
                            continue;
                        }
                        if is_nothing && permits.is_trial() {
                            come_back_untried(&core).await;
                            core.now().checked_add(TRIED_BEHIND).ok()
                        } else {
                            next_moment(&core, &excluded, again_at).await
                        }
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
        biased;
        () = stop.cancelled() => {}
        () = woken => {}
        () = tokio::time::sleep(wait) => {}
    }
}

/// When there may be something to do next without a wake-up.
async fn next_moment(core: &Core, excluded: &[AccountId], again_at: Option<Timestamp>) -> Option<Timestamp> {
    let due = match core.store.next_due(excluded).await {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(%error, "the queue could not be looked at; trying again in a second");
            Some(core.now() + jiff::SignedDuration::from_secs(1))
        }
    };
    match (due, again_at) {
        (Some(due), Some(again)) => Some(due.min(again)),
        (due, again) => due.or(again),
    }
}

/// Where nothing is owed there is nothing to try with, and nobody misses what an instance cannot deliver.
async fn come_back_untried(core: &Core) {
    let excluded = {
        let gate = core.gate();
        if !gate.may_come_back_untried(core.now()) {
            return;
        }
        gate.shut_accounts()
    };
    match core.store.next_due(&excluded).await {
        Ok(None) => core.gate().come_back_untried(core.now()),
        Ok(Some(_)) => {}
        Err(error) => tracing::debug!(%error, "the queue could not be looked at"),
    }
}

/// Claims within the bounds.
async fn claim(core: &Core, bounds: ClaimBounds) -> Result<Vec<Claim>, StoreError> {
    let (permits, only) = (bounds.permits, bounds.only);
    let claimed = claim_due(core, bounds).await;
    let claimed = match claimed {
        Ok(claims) if claims.is_empty() && permits.is_probe() && !permits.is_trial() => {
            claim_early(core, only).await
        }
        claimed => claimed,
    };
    note_claims(core, &claimed, permits, only);
    circuits::tell(core).await;
    claimed
}

fn note_claims(
    core: &Core,
    claimed: &Result<Vec<Claim>, StoreError>,
    permits: Permits,
    only: Option<AccountId>,
) {
    let now = core.now();
    let mut gate = core.gate();
    match claimed {
        Ok(claims) if claims.is_empty() && permits.is_trial() => {
            gate.learn(only, CallEnd::NotMade, permits, now);
        }
        Ok(claims) => {
            for claim in claims {
                gate.started(claim.key.account, now);
            }
        }
        Err(_) => {
            gate.learn(only, CallEnd::NotMade, permits, now);
        }
    }
}

async fn claim_due(core: &Core, bounds: ClaimBounds) -> Result<Vec<Claim>, StoreError> {
    let ClaimBounds {
        excluded,
        only,
        after_account,
        per_account_max,
        count_max,
        permits,
        ..
    } = bounds;
    // What the others would have delivered by now is what one tries with that need not be able to.
    let behind = if permits.is_trial() {
        TRIED_BEHIND
    } else {
        jiff::SignedDuration::ZERO
    };
    let due = DueRequest {
        now: core.now().checked_sub(behind).unwrap_or(Timestamp::MIN),
        after_account,
        excluded,
        only,
        per_account_max,
        count_max,
    };
    claim_these(core, ClaimOrders::Due(due)).await
}

async fn claim_these(core: &Core, orders: ClaimOrders) -> Result<Vec<Claim>, StoreError> {
    let request = core.request(Command::Claim(ClaimRequest { orders }));
    match core.store.execute(request).await? {
        Outcome::Claimed(claims) => Ok(claims),
        other => Err(StoreError::Defect(format!("a claim was answered by {other:?}"))),
    }
}

/// A probe for which nothing is due takes up something before its time: only a delivery tells whether
/// deliveries are possible, as the service may be in good health and still refuse every flag. Which one is
/// drawn, so that one order that always fails cannot pass for an outage for ever.
async fn claim_early(core: &Core, only: Option<AccountId>) -> Result<Vec<Claim>, StoreError> {
    let mut waiting = waiting(core, only, WaitingFor::Delivery).await?;
    if waiting.is_empty() {
        waiting = self::waiting(core, only, WaitingFor::Account).await?;
    }
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of at most a hundred"
    )]
    let drawn = (core.draw() * waiting.len() as f64) as usize;
    let (operation, key) = waiting.swap_remove(drawn.min(waiting.len() - 1));
    match core
        .store
        .execute(core.request(Command::Retry { operation }))
        .await
    {
        // Something was done about it meanwhile: there is another way to ask.
        Err(StoreError::Refused(_)) => return Ok(Vec::new()),
        retried => retried?,
    };
    claim_these(core, ClaimOrders::These(vec![key])).await
}

async fn waiting(
    core: &Core,
    account: Option<AccountId>,
    waiting_for: WaitingFor,
) -> Result<Vec<(OperationId, OrderKey)>, StoreError> {
    let filter = OperationFilter {
        account,
        waiting_for: Some(waiting_for),
        ..OperationFilter::default()
    };
    let page = PageRequest {
        after: None,
        limit: PROBED_AMONG,
    };
    let operations = core.store.operations(&filter, page).await?.items;
    Ok(operations
        .into_iter()
        .filter_map(|operation| Some((operation.id, operation.order?)))
        .collect())
}

/// A probe for which there is no delivery at all asks the service in another way.
async fn probe(
    core: Arc<Core>,
    only: Option<AccountId>,
    permits: Permits,
    stop: CancellationToken,
) -> Option<AttemptOutcome> {
    tokio::select! {
        biased;
        // It only reads: leaving it is harmless.
        () = stop.cancelled() => {}
        () = outages::probe(&core, only, permits) => {}
    }
    None
}

/// Finds out whether the service answers this instance.
async fn trial(core: Arc<Core>, permits: Permits, stop: CancellationToken) -> Option<AttemptOutcome> {
    tokio::select! {
        biased;
        // It only reads: leaving it is harmless.
        () = stop.cancelled() => {}
        () = outages::try_own_way(&core, permits) => {}
    }
    None
}

/// Makes one attempt and records its end.
async fn run(
    core: Arc<Core>,
    claim: Claim,
    permits: Permits,
    stop: CancellationToken,
) -> Option<AttemptOutcome> {
    let span = tracing::trace_span!(
        target: TRACE_TARGET,
        "deliver",
        otel.kind = "client",
        otel.status_code = Empty,
        order = %claim.key.order,
        account = %claim.key.account,
        flag = claim.flag,
        error = Empty,
    );
    let Attempted {
        outcome,
        took_ms,
        calls,
    } = call(&core, &claim, permits, &stop).instrument(span.clone()).await;
    let end = attempt::call_end(&outcome);
    if let Some(error) = attempt::error_of(&outcome) {
        span.record("otel.status_code", "ERROR");
        span.record("error", error);
    }
    let reopened = {
        let now = core.now();
        let mut gate = core.gate();
        gate.ended(claim.key.account, calls.saturating_sub(1), now);
        gate.learn(Some(claim.key.account), end, permits, now)
    };
    core.wake.notify_one();
    note(&core, &claim, &outcome, took_ms);
    circuits::tell(&core).await;
    settle(&core, &claim, outcome.clone(), took_ms).await;
    if reopened.is_any() {
        outages::ended(&core, &reopened).await;
    }
    Some(outcome)
}

struct Attempted {
    outcome: AttemptOutcome,
    took_ms: u64,
    calls: u32,
}

async fn call(core: &Core, claim: &Claim, permits: Permits, stop: &CancellationToken) -> Attempted {
    let call_timeout = std::time::Duration::from_millis(core.settings.call_timeout_ms);
    // The call with its read-back must fit into the lease (invariant 7).
    let longest = jiff::SignedDuration::try_from(call_timeout * 2).unwrap_or(jiff::SignedDuration::MAX);
    let fits = core
        .now()
        .checked_add(longest)
        .is_ok_and(|end| end <= claim.until);
    let entered = core.under_way.enter(&claim.key);
    if !fits || entered.is_none() || stop.is_cancelled() {
        // After a jump of the clock it is not asked again at once, or it would be asked without end.
        let is_too_early = !fits || entered.is_none();
        let again_at = core.now() + jiff::SignedDuration::from_secs(i64::from(is_too_early));
        return Attempted {
            outcome: attempt::not_made(again_at),
            took_ms: 0,
            calls: 0,
        };
    }
    let began = tokio::time::Instant::now();
    let attempt = Attempt::new(
        core.orders_service.as_ref(),
        claim,
        core.gate().counts_failures(permits, core.now()),
        call_timeout,
    );
    let outcome = attempt.make().await;
    Attempted {
        outcome,
        took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        calls: attempt.calls(),
    }
}

fn note(core: &Core, claim: &Claim, outcome: &AttemptOutcome, took_ms: u64) {
    if matches!(outcome, AttemptOutcome::NotMade { .. }) {
        return;
    }
    let error = attempt::error_of(outcome);
    core.metrics.attempt(outcome, took_ms);
    let mut statistics = core.statistics();
    statistics.attempt(core.now(), took_ms, error);
    if *outcome == AttemptOutcome::Delivered && claim.is_retry {
        let after = core.now().duration_since(claim.owed_since).as_millis();
        statistics.retried(core.now(), u64::try_from(after).unwrap_or(0));
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
    let settled = outcome.clone();
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
            Ok(Outcome::Settled(SettleOutcome::Recorded {
                operations, due_at, ..
            })) => {
                if let Some(due_at) = due_at.filter(|_| attempt::error_of(&settled).is_some()) {
                    core.metrics
                        .retry_wait(due_at.duration_since(request.now).as_secs_f64());
                }
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
        if stop.is_cancelled() {
            return Ok(result);
        }
        let turn = circuits::turn(core).await;
        let bounds = match turn {
            Turn::Claim(bounds) => bounds,
            Turn::Try(permits) => {
                outages::try_own_way(core, permits).await;
                continue;
            }
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
        let (permits, only) = (bounds.permits, bounds.only);
        let claims = claim(core, bounds).await?;
        if claims.is_empty() {
            // A trial ends by a delivery only, in a round as ever.
            if permits.is_probe() && !permits.is_trial() {
                outages::probe(core, only, permits).await;
                if !core.gate().is_shut() {
                    continue;
                }
            }
            return Ok(result);
        }
        let mut attempts = JoinSet::new();
        for claim in claims {
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
