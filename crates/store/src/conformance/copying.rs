//! What a copy of a database must bring along: every table, and a history that goes on in it as it would have gone on
//! where it came from. Copies between two kinds of backends are tried by whoever has both.

use std::collections::BTreeSet;
use std::future::Future;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use saldo_domain::decide::{Command, Count, Outcome, StockLine};
use saldo_domain::delivery::Claim;

use super::forms::{done, policy, request, rules, stock};
use super::random::{self, Step};
use super::same_as_model::{compare_outcomes, compare_rows};
use super::{Fixture, GrowingIds, alerts, lists, plain_rows, reconciliations, reports, rollouts, tasks};
use crate::contract::{Rules, Store};
use crate::copy::{TABLES, Totals};
use crate::memory::MemoryStore;

/// Ids drawn after a copy are so much larger than those drawn before.
const IDS_AFTER: u64 = 1_000_000;

/// Fills stores in the ways that the suite knows, and hands each of them over to be copied. What comes back is what the
/// copy came to.
///
/// # Panics
/// When a table was empty in all of them: a copy could leave it out, and nobody would notice.
pub async fn every_table_is_copied<F, Made, C, Copied>(make: &F, copy: &C)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
    C: Fn(Fixture) -> Copied,
    Copied: Future<Output = Totals>,
{
    let mut filled = BTreeSet::new();
    macro_rules! scenes {
        ($($scene:path),+ $(,)?) => {
            $({
                let fixture = make(rules()).await;
                $scene(&fixture).await;
                let totals = copy(fixture).await.into_iter();
                filled.extend(totals.filter(|(_, tally)| tally.rows > 0).map(|(name, _)| name));
            })+
        };
    }
    scenes!(
        plain_rows::accounts_are_added_and_brought_up_to_date,
        plain_rows::api_keys_are_added_once_and_revoked,
        plain_rows::wishes_are_kept_until_they_are_fulfilled,
        plain_rows::answers_are_repeated_and_final_ones_kept,
        lists::orders_wait_for_stock_and_are_found_again,
        lists::an_outage_gives_up_and_takes_up_again,
        reconciliations::watermarks_are_replaced,
        reconciliations::runs_are_recorded_and_replaced,
        reconciliations::a_discrepancy_seen_again_is_the_same_one,
        rollouts::verdicts_are_stored_and_counted,
        tasks::what_a_task_did_is_remembered,
        alerts::alerts_are_kept_from_their_beginning_to_their_end,
        reports::reports_are_kept_and_listed,
        stock_is_counted,
    );
    for table in TABLES {
        assert!(
            filled.contains(table.name),
            "no scene fills the table {}, so its copy is not tried",
            table.name
        );
    }
}

async fn stock_is_counted(fixture: &Fixture) {
    let count = Count {
        lines: vec![StockLine {
            key: stock("A"),
            quantity: 7,
        }],
        reason: "count".to_owned(),
    };
    done(&fixture.store, request(1, Command::Count(count))).await;
}

/// A random history, told to the model and to a store at once, and told on in a copy of it.
pub struct Story {
    model: MemoryStore,
    seed: u64,
    runner: TestRunner,
    claims: Vec<Claim>,
    seconds: i64,
    moves: u64,
}

impl Story {
    /// A history that has not begun.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut bytes = [11; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self {
            model: MemoryStore::new(Self::rules_of(seed, 0)),
            seed,
            runner: TestRunner::new_with_rng(Config::default(), rng),
            claims: Vec::new(),
            seconds: 0,
            moves: 0,
        }
    }

    fn rules_of(seed: u64, ids: u64) -> Rules {
        let mut policy = policy();
        policy.allow_negative = seed.is_multiple_of(2);
        policy.circuit_enabled = !seed.is_multiple_of(3);
        Rules {
            policy,
            ids: Box::new(GrowingIds(ids)),
        }
    }

    /// The rules of the store that it is told to.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Self::rules_of(self.seed, 0)
    }

    /// The rules of the store that it goes on in, once it has moved on.
    #[must_use]
    pub fn rules_after(&self) -> Rules {
        Self::rules_of(self.seed, IDS_AFTER * self.moves)
    }

    fn steps(&mut self) -> Vec<Step> {
        let Ok(tree) = random::steps().new_tree(&mut self.runner) else {
            panic!("steps could not be drawn")
        };
        tree.current()
    }

    /// Tells on, to the model and to a store.
    ///
    /// # Panics
    /// When the store answers otherwise than the model.
    pub async fn tell(&mut self, store: &dyn Store) {
        for step in self.steps().iter().chain(&self.steps()) {
            self.seconds += step.seconds;
            let tables = self.model.dump();
            let Some(request) = random::request(step, self.seconds, &tables, &self.claims) else {
                continue;
            };
            let expected = self.model.execute(request.clone()).await;
            if let Ok(Outcome::Claimed(new)) = &expected {
                self.claims.extend(new.iter().cloned());
            }
            let got = store.execute(request.clone()).await;
            if let Err(difference) = compare_outcomes(&[request], &[expected], &[got]) {
                panic!("seed {}, after {} copies: {difference}", self.seed, self.moves);
            }
        }
    }

    /// From here on it goes on in a copy, whose ids are others. `ends_leases` says whether its backend ends the leases
    /// of an earlier process when it opens a database.
    pub fn moves_on(&mut self, ends_leases: bool) {
        let mut tables = self.model.dump();
        if ends_leases {
            let leased = tables
                .deliveries
                .values_mut()
                .filter(|delivery| delivery.lease.is_some());
            leased.for_each(|delivery| delivery.due_at = delivery.owed_since);
        }
        self.moves += 1;
        self.model = MemoryStore::with_tables(self.rules_after(), tables);
    }

    /// Whether every row that can be asked for is as in the model.
    ///
    /// # Panics
    /// When one is not.
    pub async fn is_as_in(&self, store: &dyn Store) {
        if let Err(difference) = compare_rows(&self.model, store).await {
            panic!("seed {}: {difference}", self.seed);
        }
    }
}
