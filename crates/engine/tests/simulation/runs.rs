//! Runs of reconciliation as such: how big their pages are, whom they keep waiting, and whose they are.

use saldo_domain::discrepancy::DiscrepancyKind::{MissedOrder, NotDelivered};
use saldo_domain::discrepancy::DiscrepancyResolution::AutoFixed;
use saldo_domain::discrepancy::RunOutcome;
use saldo_engine::settings::{ReconciliationSettings, Settings};
use saldo_engine::{Caller, ReconciliationRequest};
use saldo_store::Reconciliations;
use saldo_store::tasks::Tasks;

use super::polling::setup;
use crate::support::checkout::found;
use crate::support::faults::Mode;
use crate::support::history::Asked;
use crate::support::{Setup, World, order, seconds, simulate};

fn with_pages_of(batch_size: u64) -> Setup {
    Setup {
        accounts: 1,
        ..setup(Settings {
            requests_per_second: 500,
            account_requests_per_second: 500,
            reconciliation: ReconciliationSettings {
                batch_size,
                ..ReconciliationSettings::default()
            },
            ..Settings::default()
        })
    }
}

/// Orders of one account that were posted and delivered, of which every tenth flag was flipped since.
async fn world_with_flipped_flags(setup: Setup, count: u64) -> World {
    let world = World::begin(setup).await;
    for number in 0..count {
        world.buy(&order(1, number), 10 + number as i64);
    }
    world.post_stored((0..count).map(|number| order(1, number))).await;
    seconds(60).await;
    for number in (0..count).step_by(10) {
        world.remote.put_flag(&order(1, number), false);
    }
    world
}

fn waited_for() -> ReconciliationRequest {
    ReconciliationRequest {
        is_waited_for: true,
        ..ReconciliationRequest::default()
    }
}

#[test]
fn a_list_is_read_in_pages_of_the_configured_size_within_what_the_service_gives() {
    for (batch_size, lists) in [(100, 3), (25, 10), (7, 36), (1_000, 3), (0, 250)] {
        simulate(async move {
            let world = world_with_flipped_flags(with_pages_of(batch_size), 250).await;
            let before = world.calls(Asked::List);
            let result = world.reconcile().await;
            assert_eq!(world.calls(Asked::List) - before, lists, "pages of {batch_size}");
            assert_eq!((result.total_checked, result.auto_fixed), (250, 25));
            seconds(60).await;
            assert_eq!(world.reconcile().await.discrepancies_found, 0);
            world.assert_at_rest().await;
        });
    }
}

#[test]
fn small_pages_that_slip_lose_nothing() {
    simulate(async {
        let world = world_with_flipped_flags(with_pages_of(5), 200).await;
        world.remote.faults(|faults| faults.lists.slip = 300);
        let first = world.reconcile().await;
        assert!(first.discrepancies_found >= 15, "{first:?}");
        world.remote.faults(|faults| faults.lists.slip = 0);
        seconds(60).await;
        world.reconcile().await;
        seconds(60).await;
        assert_eq!(world.reconcile().await.discrepancies_found, 0);
        world.assert_at_rest().await;
    });
}

#[test]
fn who_waits_for_a_run_is_told_at_once_that_nobody_is_reached() {
    for mode in [Mode::Refuses, Mode::FlagsFail, Mode::CredentialsRefused] {
        simulate(async move {
            let world = World::begin(setup(Settings::default())).await;
            world.post(&order(1, 1)).await;
            seconds(5).await;
            world.set_mode(mode);
            let began = world.now();
            let result = world.reconcile_as(waited_for()).await;
            let took = world.now().duration_since(began);
            assert_eq!(result.outcome, RunOutcome::Failed);
            assert!(result.error.unwrap().contains("could not be read"));
            // Where the accounts can be listed, each list is worth the usual tries.
            let is_reached = mode == Mode::FlagsFail;
            assert_eq!(took.as_secs() > 10, is_reached, "{mode:?}: {took:#}");
        });
    }
}

#[test]
fn a_run_that_nobody_waits_for_outlasts_a_short_outage_and_so_does_one_that_has_read_something() {
    simulate(async {
        let world = world_with_flipped_flags(with_pages_of(100), 300).await;
        world.set_mode(Mode::Refuses);
        let saldo = world.saldo();
        let run = tokio::spawn(async move {
            let request = ReconciliationRequest::default();
            saldo
                .reconcile_stock_status(request, &Caller::named("test"))
                .await
        });
        seconds(10).await;
        world.set_mode(Mode::Up);
        let result = run.await.unwrap().unwrap();
        assert_eq!((result.total_checked, result.auto_fixed), (300, 30));

        for number in 0..30 {
            world.remote.put_flag(&order(1, number), false);
        }
        world.remote.faults(|faults| faults.latency_ms = (2_000, 2_000));
        let saldo = world.saldo();
        let run = tokio::spawn(async move {
            saldo
                .reconcile_stock_status(waited_for(), &Caller::named("test"))
                .await
        });
        let lists = world.calls(Asked::List);
        while world.calls(Asked::List) < lists + 2 {
            seconds(1).await;
        }
        world.set_mode(Mode::Refuses);
        seconds(8).await;
        world.set_mode(Mode::Up);
        let result = run.await.unwrap().unwrap();
        assert_eq!(result.outcome, RunOutcome::Completed, "{:?}", result.error);
        assert_eq!(result.total_checked, 300);
    });
}

/// One instance is held up for so long that its right to run ends; another one takes the run over. What the first has
/// in hand by then, it drops: nothing is done twice, and the record is the other one's.
#[test]
fn a_run_whose_right_is_lost_on_the_way_goes_on_elsewhere_and_nothing_is_done_twice() {
    simulate(async {
        let world = world_with_flipped_flags(with_pages_of(20), 400).await;
        for number in 1_000..1_010 {
            world.buy(&order(1, number), 1 + (number as i64 - 1_000) * 40);
        }
        world.remote.faults(|faults| faults.latency_ms = (1_000, 1_000));
        let (first, second) = (world.saldo(), world.another_instance());
        let cut_short = tokio::spawn(async move {
            let request = ReconciliationRequest::default();
            first
                .reconcile_stock_status(request, &Caller::named("first"))
                .await
        });
        seconds(25).await;
        let leases = world.ledger.leases().await.unwrap();
        let held = leases.into_iter().find(|lease| lease.name == "reconciliation");
        // Its time is over, and the holder does not know it yet.
        world.ledger.release_lease(&held.unwrap()).await.unwrap();
        let begun = world.saldo().reconciliation_progress().borrow().clone().unwrap();
        assert!((1..400).contains(&begun.tally.checked), "{begun:?}");
        let request = ReconciliationRequest::default();
        let result = second
            .reconcile_stock_status(request, &Caller::named("second"))
            .await
            .unwrap();
        let refused = cut_short.await.unwrap().unwrap_err();
        assert!(refused.to_string().contains("another instance"), "{refused}");
        assert_eq!(
            (result.run_id, result.outcome),
            (begun.run, RunOutcome::Completed)
        );
        assert_eq!(result.total_checked, 410);
        assert_eq!((result.discrepancies_found, result.auto_fixed), (50, 50));
        assert!(
            found(&result)
                .iter()
                .all(|one| [(NotDelivered, AutoFixed), (MissedOrder, AutoFixed)].contains(one))
        );
        world.remote.faults(|faults| faults.latency_ms = (20, 20));
        // The other instance delivers nothing itself: the first looks through the queue from time to time.
        seconds(400).await;
        assert_eq!(world.stock().await, 1_000_000 - 410, "each once");
        for number in 0..400 {
            let key = order(1, number);
            let history = world.remote.history();
            let sent = history
                .flags()
                .filter(|call| call.key.as_ref() == Some(&key))
                .count();
            assert_eq!(sent, if number % 10 == 0 { 2 } else { 1 }, "{key}");
        }
        let page = saldo_store::query::PageRequest {
            after: None,
            limit: 10,
        };
        let runs = world.ledger.runs(page).await.unwrap().items;
        assert_eq!((runs.len(), runs[0].outcome), (1, RunOutcome::Completed));
        assert_eq!(world.reconcile().await.discrepancies_found, 0);
        world.assert_at_rest().await;
    });
}
