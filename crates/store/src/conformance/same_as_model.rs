//! Any sequence of requests ends as in the model: the same outcomes, the same rows.

use std::future::Future;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use saldo_domain::decide::{Outcome, Request};
use saldo_domain::delivery::Claim;

use super::dump::dump;
use super::forms::{at, policy};
use super::random::{self, Step};
use super::{Effort, Fixture, GrowingIds, housekeeping};
use crate::contract::{Rules, Store};
use crate::memory::MemoryStore;

/// Shorter histories tried to explain a failure.
const SHORTER_MAX: usize = 400;
/// Requests given to the backend together.
const TOGETHER: [usize; 4] = [1, 3, 2, 7];

pub(super) async fn any_requests_end_as_in_the_model<F, Made>(make: &F, effort: Effort)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    let cases = std::env::var("SALDO_CONFORMANCE_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(effort.compared);
    let seed = std::env::var("SALDO_CONFORMANCE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0_u64);
    let mut bytes = [7_u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = random::steps();
    for number in 0..cases {
        // Every other history is cleaned up again and again.
        let case = Case {
            number,
            cleans_up: number % 2 == 1,
        };
        let Ok(mut tree) = strategy.new_tree(&mut runner) else {
            panic!("steps could not be drawn")
        };
        if let Err(difference) = run(make, case, &tree.current()).await {
            let (steps, difference) = shorten(make, case, &mut tree, difference).await;
            panic!("seed {seed}, {case:?} ends otherwise than in the model: {difference}\nafter {steps:#?}");
        }
    }
}

/// What is tried with a history.
#[derive(Debug, Clone, Copy)]
struct Case {
    number: u32,
    cleans_up: bool,
}

async fn shorten<F, Made>(
    make: &F,
    case: Case,
    tree: &mut impl ValueTree<Value = Vec<Step>>,
    difference: String,
) -> (Vec<Step>, String)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    let mut worst = (tree.current(), difference);
    let mut changed = tree.simplify();
    for _ in 0..SHORTER_MAX {
        if !changed {
            break;
        }
        changed = match run(make, case, &tree.current()).await {
            Err(difference) => {
                worst = (tree.current(), difference);
                tree.simplify()
            }
            Ok(()) => tree.complicate(),
        };
    }
    worst
}

/// Whether a defect of the rules themselves fails the suite: it is the same one in every backend, so it says
/// nothing about this one. `SALDO_CONFORMANCE_DEFECTS=1` looks for them.
fn defects_fail() -> bool {
    std::env::var_os("SALDO_CONFORMANCE_DEFECTS").is_some()
}

/// The settings differ from case to case.
fn rules(case: u32) -> Rules {
    let mut policy = policy();
    policy.allow_negative = case % 5 == 1;
    policy.deduct_when_bought = case % 7 == 2;
    policy.circuit_enabled = !case.is_multiple_of(3);
    policy.retry.max_retries = case % 4;
    Rules {
        policy,
        ids: Box::new(GrowingIds::default()),
    }
}

async fn run<F, Made>(make: &F, case: Case, steps: &[Step]) -> Result<(), String>
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    let model = MemoryStore::new(rules(case.number));
    let fixture = make(rules(case.number)).await;
    let mut claims: Vec<Claim> = Vec::new();
    let mut seconds = 0;
    let mut steps = steps;
    for together in TOGETHER.into_iter().cycle() {
        if steps.is_empty() {
            break;
        }
        let (now, later) = steps.split_at(together.min(steps.len()));
        steps = later;
        let mut requests = Vec::new();
        let mut expected = Vec::new();
        for step in now {
            seconds += step.seconds;
            let Some(request) = random::request(step, seconds, &model.dump(), &claims) else {
                continue;
            };
            let outcome = model.execute(request.clone()).await;
            if let Ok(Outcome::Claimed(new)) = &outcome {
                claims.extend(new.iter().cloned());
            }
            if let Err(crate::StoreError::Defect(defect)) = &outcome
                && (defects_fail() || case.cleans_up)
            {
                return Err(format!("a defect: {defect}\nof {request:?}"));
            }
            requests.push(request);
            expected.push(outcome);
        }
        let got = fixture.store.execute_all(requests.clone()).await;
        compare_outcomes(&requests, &expected, &got)?;
        if case.cleans_up {
            clean_up_both(&model, &fixture, seconds, together).await?;
        }
    }
    compare_rows(&model, &*fixture.store).await
}

/// Cleans up what ended a while ago, or just now. It moves nothing, and breaks nothing.
async fn clean_up_both(
    model: &MemoryStore,
    fixture: &Fixture,
    seconds: i64,
    limit: usize,
) -> Result<(), String> {
    let tables = model.dump();
    let cutoffs = housekeeping::before(seconds - 40 * (limit as i64 - 2));
    let cleaned = housekeeping::clean_up(model, &cutoffs, limit).await;
    let also = housekeeping::clean_up(&*fixture.store, &cutoffs, limit).await;
    if cleaned != also {
        return Err(format!("the clean-up removed {also:?} instead of {cleaned:?}"));
    }
    let after = model.dump();
    let stays = tables.movements == after.movements
        && tables.balances == after.balances
        && tables.line_holders == after.line_holders
        && tables.deliveries == after.deliveries
        && tables.orders.keys().eq(after.orders.keys());
    if !stays {
        return Err("the clean-up removed what makes a repeat harmless".to_owned());
    }
    match model.check(at(seconds)).await {
        Ok(violations) if violations.is_empty() => Ok(()),
        found => Err(format!("after a clean-up a check found {found:?}")),
    }
}

pub(super) fn compare_outcomes<T: std::fmt::Debug>(
    requests: &[Request],
    expected: &[T],
    got: &[T],
) -> Result<(), String> {
    if expected.len() != got.len() {
        return Err(format!("{} outcomes instead of {}", got.len(), expected.len()));
    }
    for (request, (expected, got)) in requests.iter().zip(expected.iter().zip(got)) {
        let (expected, got) = (format!("{expected:?}"), format!("{got:?}"));
        if expected != got {
            return Err(format!("{request:?}\nanswered {got}\ninstead of {expected}"));
        }
    }
    Ok(())
}

pub(super) async fn compare_rows(model: &MemoryStore, store: &dyn Store) -> Result<(), String> {
    let orders = random::all_orders();
    let offers = random::all_offers();
    let expected = dump(model, &orders, &offers).await;
    let got = dump(store, &orders, &offers).await;
    if let Some((expected, got)) = expected.iter().zip(&got).find(|(expected, got)| expected != got) {
        return Err(format!("a row is\n{got}\ninstead of\n{expected}"));
    }
    if expected.len() != got.len() {
        return Err(format!("{} rows instead of {}", got.len(), expected.len()));
    }
    for store in [model as &dyn Store, store] {
        match store.check(at(0)).await {
            Ok(violations) if violations.is_empty() => {}
            found => return Err(format!("a check found {found:?}")),
        }
    }
    Ok(())
}
