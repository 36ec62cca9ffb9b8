//! Comparing both sides (section 7): runs, one at a time, taken up again after a crash.

mod absent;
mod act;
mod compare;
mod pass;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use saldo_domain::discrepancy::{Discrepancy, Run, RunOutcome, RunScope, RunTally};
use saldo_domain::ids::{AccountId, RunId, uuid_v7};
use saldo_domain::view::Refusal;
use saldo_store::StoreError;
use saldo_store::query::{PAGE_ROWS_MAX, PageRequest};
use saldo_store::reconciliations::{DiscrepancyFilter, taken_over};
use saldo_store::tasks::TaskLease;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::api::{Caller, Event, ReconciliationProgress, ReconciliationRequest, ReconciliationResult};
use crate::engine::{self, Core};
use crate::leases::Held;
use crate::service::StockSynchronizationService;
use pass::AccountPlace;

/// Discrepancies in the answer; the rest is asked for by run.
const ANSWERED_MAX: usize = 1_000;
/// How often a run that waits for another instance's looks again, in milliseconds.
const LEASE_WAIT_MILLISECONDS: u64 = 500;
/// The newest runs among which those are looked for that a crash cut short.
const LOOKED_AT: usize = 20;
/// How long a full pass of an account holds, in hours.
const FULL_PASS_HOURS: i64 = 24;

impl StockSynchronizationService {
    /// Compares both sides and puts right what may be put right. One run at a time: a second one waits for the first
    /// and then does its own. A caller that goes away leaves it to run on.
    ///
    /// # Errors
    /// When it was refused, the store cannot be reached, or Saldo stops: a run that had begun is then taken up again
    /// at the next start.
    pub async fn reconcile_stock_status(
        &self,
        request: ReconciliationRequest,
        caller: &Caller,
    ) -> Result<ReconciliationResult, StoreError> {
        if let (Some(from), Some(to)) = (request.from, request.to)
            && from > to
        {
            let detail = format!("from ({from}) must not be later than to ({to})");
            return Err(Refusal::invalid("range_inverted", detail).into());
        }
        self.remember(caller).await?;
        let (service, by) = (self.clone(), caller.by.clone());
        let run = self
            .core()
            .runs
            .spawn(async move { reconcile(&service, &request, by).await });
        run.await
            .map_err(|error| StoreError::Defect(format!("a run of reconciliation was lost: {error}")))?
    }

    /// How far the run under way has come; none while there is none.
    #[must_use]
    pub fn reconciliation_progress(&self) -> watch::Receiver<Option<ReconciliationProgress>> {
        self.core().progress.subscribe()
    }

    /// The run that began last, ended or not.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn last_reconciliation(&self) -> Result<Option<Run>, StoreError> {
        let page = PageRequest {
            after: None,
            limit: 1,
        };
        Ok(self.store().runs(page).await?.items.pop())
    }
}

/// Where a run is, kept with it from time to time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Place {
    /// The accounts to look at; none before they are known.
    accounts: Option<Vec<AccountId>>,
    /// How many of them are done.
    done: usize,
    /// Where the next one is, when it was begun.
    account: Option<AccountPlace>,
    /// Whether the service has given anything in this run.
    #[serde(default)]
    is_reached: bool,
    /// What could not be looked at.
    errors: Vec<String>,
    /// What people should know besides.
    remarks: Vec<String>,
}

/// What a run goes on under.
struct Under {
    /// The right to run: what is stored under it is refused once another instance has it.
    lease: TaskLease,
    /// Told when another instance has it, or may have it.
    lost: CancellationToken,
    /// Whether somebody waits for its end.
    is_waited_for: bool,
}

impl Under {
    fn new(held: &Held, is_waited_for: bool) -> Self {
        Self {
            lease: held.lease().clone(),
            lost: held.lost(),
            is_waited_for,
        }
    }

    /// Whether the run may go on.
    fn check(&self, core: &Core) -> Result<(), StoreError> {
        if core.stop.is_cancelled() {
            return Err(stopping());
        }
        if self.lost.is_cancelled() {
            return Err(taken_over().into());
        }
        Ok(())
    }
}

/// Runs once, after whatever runs now, and after what a crash cut short.
async fn reconcile(
    service: &StockSynchronizationService,
    request: &ReconciliationRequest,
    by: String,
) -> Result<ReconciliationResult, StoreError> {
    let core = service.core();
    let _turn = core.reconciling.lock().await;
    let held = wait_for_lease(core).await?;
    let scope = RunScope {
        account: request.account,
        from: request.from,
        to: request.to,
        limit: request.limit,
        since_watermark: request.since_watermark,
        auto_fix: request.auto_fix.unwrap_or(core.settings.reconciliation.auto_fix),
    };
    let under = Under::new(&held, request.is_waited_for);
    let ended = run_or_take_up(service, scope, by, &under).await;
    held.release().await;
    core.progress.send_replace(None);
    core.tell(Event::Status);
    let ended = ended?;
    result(core, ended).await
}

async fn run_or_take_up(
    service: &StockSynchronizationService,
    scope: RunScope,
    by: String,
    under: &Under,
) -> Result<Run, StoreError> {
    let core = service.core();
    for unfinished in unfinished(core).await? {
        let is_the_same = unfinished.scope == scope;
        let ended = carry_on(service, unfinished, under).await?;
        if is_the_same {
            return Ok(ended);
        }
    }
    let now = core.now();
    let run = Run {
        id: RunId::new(uuid_v7(now, core.distinct())),
        scope,
        by,
        started_at: now,
        ended_at: None,
        outcome: RunOutcome::Running,
        error: None,
        tally: RunTally::default(),
        place: place_json(&Place::default()),
    };
    core.store.put_run(&run, &under.lease).await?;
    carry_on(service, run, under).await
}

/// Takes up runs that a crash cut short, once after the start.
pub(crate) async fn take_up(service: StockSynchronizationService, stop: CancellationToken) {
    let core = service.core();
    loop {
        let taken = async {
            if unfinished(core).await?.is_empty() {
                return Ok(());
            }
            let _turn = core.reconciling.lock().await;
            let held = wait_for_lease(core).await?;
            let taken = take_up_all(&service, &Under::new(&held, false)).await;
            held.release().await;
            core.progress.send_replace(None);
            taken
        };
        let Err(error) = taken.await else { return };
        if stop.is_cancelled() {
            return;
        }
        tracing::warn!(%error, "a run that was cut short could not be taken up yet; trying again in a minute");
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
        }
    }
}

async fn take_up_all(service: &StockSynchronizationService, under: &Under) -> Result<(), StoreError> {
    for run in unfinished(service.core()).await? {
        tracing::info!(run = %run.id, "a run of reconciliation that was cut short is taken up again");
        carry_on(service, run, under).await?;
    }
    Ok(())
}

async fn unfinished(core: &Core) -> Result<Vec<Run>, StoreError> {
    let page = PageRequest {
        after: None,
        limit: LOOKED_AT,
    };
    let mut runs = core.store.runs(page).await?.items;
    runs.retain(|run| run.outcome == RunOutcome::Running);
    runs.reverse();
    Ok(runs)
}

/// Waits until no other instance runs.
async fn wait_for_lease(core: &Arc<Core>) -> Result<Held, StoreError> {
    loop {
        if core.stop.is_cancelled() {
            return Err(stopping());
        }
        if let Some(held) = Held::take(core, "reconciliation").await? {
            return Ok(held);
        }
        tokio::time::sleep(Duration::from_millis(LEASE_WAIT_MILLISECONDS)).await;
    }
}

fn stopping() -> StoreError {
    StoreError::Unavailable("Saldo is stopping; the run goes on at the next start".to_owned())
}

fn place_json(place: &Place) -> serde_json::Value {
    serde_json::to_value(place).unwrap_or(serde_json::Value::Null)
}

/// Goes on with a run from where it is, to its end.
async fn carry_on(
    service: &StockSynchronizationService,
    mut run: Run,
    under: &Under,
) -> Result<Run, StoreError> {
    let core = service.core();
    // A place that cannot be read is the beginning.
    let mut place: Place = serde_json::from_value(run.place.clone()).unwrap_or_default();
    let accounts = match place.accounts.take() {
        Some(accounts) => accounts,
        None => accounts_of(core, &mut run, &mut place).await?,
    };
    under.check(core)?;
    place.accounts = Some(accounts.clone());
    while let Some(account) = accounts.get(place.done) {
        let mut pass = pass::Pass::begin(service, &mut run, &mut place, *account, under).await?;
        if let Err(why) = pass.go().await? {
            tracing::warn!(%account, why, "an account could not be looked at to the end");
            place.errors.push(format!("account {account}: {why}"));
        }
        under.check(core)?;
        place.account = None;
        place.done += 1;
        run.place = place_json(&place);
        core.store.put_run(&run, &under.lease).await?;
    }
    run.ended_at = Some(core.now());
    run.outcome = if place.errors.is_empty() {
        RunOutcome::Completed
    } else {
        RunOutcome::Failed
    };
    let told = [place.errors, place.remarks].concat();
    run.error = (!told.is_empty()).then(|| told.join("; "));
    run.place = serde_json::Value::Null;
    core.store.put_run(&run, &under.lease).await?;
    Ok(run)
}

/// The accounts that a run looks at: one, or all that are known here or there.
async fn accounts_of(core: &Core, run: &mut Run, place: &mut Place) -> Result<Vec<AccountId>, StoreError> {
    if let Some(account) = run.scope.account {
        return Ok(vec![account]);
    }
    run.tally.calls += 1;
    match engine::discover(core).await {
        Ok(_) => place.is_reached = true,
        Err(reason) => place.errors.push(format!(
            "the orders service's accounts could not be read: {reason}"
        )),
    }
    let accounts = core.store.accounts().await?;
    Ok(accounts.into_iter().map(|account| account.id).collect())
}

async fn result(core: &Core, run: Run) -> Result<ReconciliationResult, StoreError> {
    let ended_at = run.ended_at.unwrap_or(run.started_at);
    let took = ended_at.duration_since(run.started_at).max(SignedDuration::ZERO);
    Ok(ReconciliationResult {
        run_id: run.id,
        total_checked: run.tally.checked,
        discrepancies_found: run.tally.found,
        auto_fixed: run.tally.fixed,
        requires_manual_review: run.tally.for_review,
        calls: run.tally.calls,
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        outcome: run.outcome,
        error: run.error,
        discrepancies: found_by(core, run.id).await?,
    })
}

async fn found_by(core: &Core, run: RunId) -> Result<Vec<Discrepancy>, StoreError> {
    let filter = DiscrepancyFilter {
        run: Some(run),
        ..DiscrepancyFilter::default()
    };
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = PageRequest {
            after,
            limit: PAGE_ROWS_MAX.min(ANSWERED_MAX - found.len()),
        };
        let page = core.store.discrepancies(&filter, page).await?;
        found.extend(page.items);
        after = page.next_cursor;
        if after.is_none() || found.len() >= ANSWERED_MAX {
            return Ok(found);
        }
    }
}
