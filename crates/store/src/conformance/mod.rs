//! The one suite that every backend passes.
//!
//! [`exercise`] runs all of it, each part against a store of its own, so that no backend can leave a part out.

mod alerts;
mod batches;
pub mod copying;
mod dump;
mod forms;
mod housekeeping;
mod instances;
mod lists;
mod pages;
mod plain_rows;
mod random;
mod reconciliations;
mod reports;
mod rollouts;
mod rules;
mod same_as_model;
mod tasks;
mod violations;

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use saldo_domain::ids::IdSource;
use uuid::Uuid;

use crate::contract::{Rules, SharedStore};
use crate::memory::MemoryStore;

pub use violations::Damage;

/// A store to test, with what the suite may do to it.
pub struct Fixture {
    /// An empty store.
    pub store: SharedStore,
    /// Damages stored rows behind the rules' back, where the backend offers a way.
    pub plant: Option<Box<dyn Fn(Damage) + Send + Sync>>,
    /// What must live as long as the store: a directory, a server.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl Fixture {
    /// A fixture of a memory store: the suite is tried on the model, too.
    #[must_use]
    pub fn of_memory(rules: Rules) -> Self {
        let store = Arc::new(MemoryStore::new(rules));
        let damaged = Arc::clone(&store);
        let plant = Box::new(move |damage: Damage| damage.to_tables(&damaged));
        Self {
            store,
            plant: Some(plant),
            keep: Box::new(()),
        }
    }
}

/// Ids from a counter alone, so that two stores that make the same decisions draw the same ids, whatever the
/// clock does.
#[derive(Debug, Default)]
pub struct GrowingIds(u64);

impl IdSource for GrowingIds {
    fn next(&mut self, _: Timestamp) -> Uuid {
        self.0 += 1;
        saldo_domain::ids::uuid_v7(Timestamp::UNIX_EPOCH, self.0)
    }
}

/// How much of what is random is tried; the scenarios are always told, all of them. `SALDO_CONFORMANCE_CASES` and `SALDO_HISTORIES` in the environment ask for more, or fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Sequences of requests whose outcomes and rows are compared with the model's.
    pub compared: u32,
    /// Seeds from which histories of each kind are drawn, and checked against the rules.
    pub histories: u64,
    /// How many of the histories that once failed are lived through again.
    pub kept_histories: usize,
    /// After how many steps of a history every stored row is checked, besides its end. What breaks an invariant stays
    /// broken, so seldom means found later, not missed.
    pub steps_between_checks: usize,
}

impl Effort {
    /// For the model itself, which is quick: what is wrong with the rules is found here.
    pub const MUCH: Self = Self {
        compared: 150,
        histories: 60,
        kept_histories: usize::MAX,
        steps_between_checks: 1,
    };
    /// For a backend: each history is a database of its own.
    pub const USUAL: Self = Self {
        compared: 60,
        histories: 12,
        kept_histories: usize::MAX,
        steps_between_checks: 1,
    };
    /// For a backend in another configuration, beside the usual one.
    pub const LITTLE: Self = Self {
        compared: 10,
        histories: 1,
        kept_histories: 2,
        steps_between_checks: 10,
    };
}

/// Runs everything.
///
/// # Panics
/// When the backend breaks the contract; the message says where.
pub async fn exercise<F, Made>(effort: Effort, make: F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    plain_rows::accounts_are_added_and_brought_up_to_date(&make(forms::rules()).await).await;
    plain_rows::api_keys_are_added_once_and_revoked(&make(forms::rules()).await).await;
    plain_rows::wishes_are_kept_until_they_are_fulfilled(&make(forms::rules()).await).await;
    plain_rows::answers_are_repeated_and_final_ones_kept(&make(forms::rules()).await).await;
    plain_rows::settings_count_from_the_next_decision_on(&make(forms::rules()).await).await;
    plain_rows::a_closed_store_says_so(&make(forms::rules()).await).await;
    pages::every_list_is_paged_without_gaps_or_repeats(&make(forms::rules()).await).await;
    pages::filters_leave_out_what_does_not_match(&make(forms::rules()).await).await;
    pages::pages_stay_stable_while_rows_are_added(&make(forms::rules()).await).await;
    pages::counts_tell_what_waits_and_what_is_done(&make(forms::rules()).await).await;
    lists::accounts_take_turns(&make(forms::rules()).await).await;
    lists::what_an_account_lacks_of_its_share_goes_to_those_that_have_more(&make(forms::rules()).await).await;
    lists::many_accounts_are_served_one_after_the_other(&make(forms::rules()).await).await;
    lists::what_is_waited_for_and_there_again_is_told_page_by_page(&make(forms::rules()).await).await;
    lists::orders_wait_for_stock_and_are_found_again(&make(forms::rules()).await).await;
    lists::an_outage_gives_up_and_takes_up_again(&make(forms::rules()).await).await;
    batches::a_batch_is_the_same_as_one_by_one(&make(forms::rules()).await, &make(forms::rules()).await)
        .await;
    batches::a_refused_request_spoils_no_other(&make(forms::rules()).await).await;
    batches::what_became_of_operations_is_counted_once_committed(&make(forms::rules()).await).await;
    batches::callers_at_once_lose_nothing(&make(forms::rules()).await).await;
    violations::planted_violations_are_found(&make).await;
    same_as_model::any_requests_end_as_in_the_model(&make, effort).await;
    what_reconciliation_needs(&make).await;
    what_instances_need(&make).await;
    alerts::exercise(&make).await;
    housekeeping::exercise(&make).await;
    what_reports_need(&make).await;
    rules::exercise_rules(&make).await;
    rules::histories::exercise(&make, effort).await;
}

async fn what_reports_need<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    reports::figures_tell_what_happened(&make(forms::rules()).await).await;
    reports::figures_of_an_account_leave_out_the_others(&make(forms::rules()).await).await;
    reports::figures_tell_of_differences(&make(forms::rules()).await).await;
    reports::reports_are_kept_and_listed(&make(forms::rules()).await).await;
    reports::the_oldest_reports_go(&make(forms::rules()).await).await;
}

async fn what_reconciliation_needs<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    reconciliations::live_files_come_in_the_order_asked_for(&make(forms::rules()).await).await;
    reconciliations::orders_with_movements_are_walked_by_purchase(&make(forms::rules()).await).await;
    reconciliations::watermarks_are_replaced(&make(forms::rules()).await).await;
    reconciliations::runs_are_recorded_and_replaced(&make(forms::rules()).await).await;
    reconciliations::who_lost_the_right_to_run_changes_nothing_of_a_run(&make(forms::rules()).await).await;
    reconciliations::a_discrepancy_seen_again_is_the_same_one(&make(forms::rules()).await).await;
    reconciliations::discrepancies_are_listed_and_counted(&make(forms::rules()).await).await;
    rollouts::the_rollout_in_force_is_the_last_one(&make(forms::rules()).await).await;
    rollouts::orders_in_shadow_are_listed_and_found(&make(forms::rules()).await).await;
    rollouts::verdicts_are_stored_and_counted(&make(forms::rules()).await).await;
    tasks::what_a_task_did_is_remembered(&make(forms::rules()).await).await;
    tasks::what_a_task_did_is_remembered_under_the_term_in_which_it_ran(&make(forms::rules()).await).await;
    tasks::a_lease_has_one_holder_at_a_time(&make(forms::rules()).await).await;
    tasks::a_lease_is_given_back_by_its_holder_only(&make(forms::rules()).await).await;
    tasks::of_many_that_ask_at_once_one_gets_the_lease(&make(forms::rules()).await).await;
}

async fn what_instances_need<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    instances::instances_are_listed_until_they_are_removed(&make(forms::rules()).await).await;
    instances::a_circuit_changes_from_the_version_that_was_seen(&make(forms::rules()).await).await;
    instances::circuits_of_several_subjects_are_apart(&make(forms::rules()).await).await;
    instances::of_many_that_want_to_probe_one_may(&make(forms::rules()).await).await;
}

/// Says which part failed, and how.
macro_rules! must {
    ($result:expr, $what:literal) => {
        match $result {
            Ok(value) => value,
            Err(error) => panic!("{}: {error:?}", $what),
        }
    };
}
pub(crate) use must;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_model_passes_its_own_suite() {
        exercise(Effort::MUCH, |rules| async { Fixture::of_memory(rules) }).await;
    }
}
