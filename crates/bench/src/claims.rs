//! Claiming due deliveries beside little and much finished history: the history must not matter.

use anyhow::Context;
use saldo_domain::decide::{ClaimOrders, ClaimRequest, Command, Outcome, Settle};
use saldo_domain::delivery::{Claim, Outcome as AttemptOutcome};
use saldo_domain::ids::AccountId;
use saldo_domain::view::DueRequest;
use saldo_engine::clock::Clock;
use saldo_store::Store;

use crate::clock::{RealClock, instant};
use crate::ledger::{self, Ledger};
use crate::report::{self, Beside, Goal, Row};
use crate::spread::Spread;
use crate::{Run, copies, orders};

/// Claims of one round.
pub(crate) const CLAIMS: usize = 40;
/// Deliveries of one claim.
pub(crate) const CLAIMED_TOGETHER: usize = 32;

/// Measures.
pub(crate) async fn run(run: &Run) -> anyhow::Result<()> {
    let few = with_finished(1_000, run.rounds).await?;
    let many = with_finished(run.many, run.rounds).await?;
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        ours.push(claim_time(many.store.as_ref()).await?);
        beside.push(claim_time(few.store.as_ref()).await?);
    }
    report::print(&Row {
        what: format!(
            "a claim of {CLAIMED_TOGETHER} beside {} finished operations",
            run.many
        ),
        unit: "ms",
        ours: Spread::of(&ours),
        beside: Some(Beside {
            what: "beside 1,000 finished",
            figures: Spread::of(&beside),
            ratio: Spread::of_ratios(&ours, &beside),
        }),
        goal: Goal::RatioBelow(1.3),
    });
    Ok(())
}

/// A ledger with finished operations, and enough due ones for all rounds.
async fn with_finished(finished: usize, rounds: usize) -> anyhow::Result<Ledger> {
    let ledger = Ledger::new().await?;
    let first = orders::make(1, u64::MAX)?
        .into_iter()
        .next()
        .context("no order was made")?;
    ledger
        .store
        .execute(ledger::request(Command::TakeIn(first.take_in)))
        .await?;
    for claim in claim(ledger.store.as_ref(), CLAIMED_TOGETHER).await? {
        let settle = Settle {
            key: claim.key,
            token: claim.token,
            outcome: AttemptOutcome::Delivered,
            draw: 0.5,
            took_ms: 1,
        };
        ledger
            .store
            .execute(ledger::request(Command::Settle(settle)))
            .await?;
    }
    let ledger = ledger
        .changed_offline(move |path| copies::multiply(path, finished))
        .await?;
    let due = orders::make((rounds + 1) * CLAIMS * CLAIMED_TOGETHER, 1)?;
    let requests = due
        .into_iter()
        .map(|order| ledger::request(Command::TakeIn(order.take_in)))
        .collect();
    for result in ledger.store.execute_all(requests).await {
        result?;
    }
    Ok(ledger)
}

/// The mean time of one claim, in milliseconds.
pub(crate) async fn claim_time(store: &dyn Store) -> anyhow::Result<f64> {
    let began = instant();
    let mut served_last = None;
    for _ in 0..CLAIMS {
        let claims = claim_after(store, CLAIMED_TOGETHER, served_last).await?;
        anyhow::ensure!(claims.len() == CLAIMED_TOGETHER, "{} were claimed", claims.len());
        served_last = claims.last().map(|claim| claim.key.account);
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of claims is small")]
    let claims = CLAIMS as f64;
    Ok(began.elapsed().as_secs_f64() * 1_000.0 / claims)
}

/// Claims so many due deliveries at most.
pub(crate) async fn claim(store: &dyn Store, count_max: usize) -> anyhow::Result<Vec<Claim>> {
    claim_after(store, count_max, None).await
}

/// The same, beginning after the account that was served last.
async fn claim_after(
    store: &dyn Store,
    count_max: usize,
    after_account: Option<AccountId>,
) -> anyhow::Result<Vec<Claim>> {
    let due = DueRequest {
        now: RealClock.now(),
        after_account,
        excluded: Vec::new(),
        only: None,
        per_account_max: count_max,
        count_max,
    };
    let command = Command::Claim(ClaimRequest {
        orders: ClaimOrders::Due(due),
    });
    match store.execute(ledger::request(command)).await? {
        Outcome::Claimed(claims) => Ok(claims),
        other => anyhow::bail!("a claim was answered by {other:?}"),
    }
}
