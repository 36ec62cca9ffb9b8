//! Reconciliation: every row of the table from end to end, lists that lie, and runs that are cut short.

use jiff::SignedDuration;
use saldo_domain::discrepancy::DiscrepancyKind::{
    self, CancelledAfterDeduction, CancelledAfterShipment, Malformed, MissedOrder, MissingRemotely,
    NotDelivered, QuantityMismatch, RemoteOnly,
};
use saldo_domain::discrepancy::DiscrepancyResolution::{self, AutoFixed, Reported, Review, Watched};
use saldo_domain::discrepancy::RunOutcome;
use saldo_domain::ids::OrderKey;
use saldo_domain::review::ReviewReason;
use saldo_engine::ReconciliationRequest;
use saldo_engine::settings::Settings;
use saldo_store::{Reconciliations, Store};
use serde_json::json;

use crate::support::checkout::{cancel, found, revise, send};
use crate::support::history::Asked;
use crate::support::{Setup, World, hours, order, seconds, simulate};

fn quick() -> Setup {
    Setup {
        settings: Settings {
            requests_per_second: 500,
            account_requests_per_second: 500,
            ..Settings::default()
        },
        ..Setup::default()
    }
}

/// A world with one order that was posted, deducted and delivered, and that the service has stored.
async fn world_with(key: &OrderKey, minutes_ago: i64) -> World {
    let world = World::begin(quick()).await;
    world.buy(key, minutes_ago);
    world.post(key).await;
    seconds(5).await;
    assert!(world.remote.flag(key));
    world
}

async fn assert_found(world: &World, expected: &[(DiscrepancyKind, DiscrepancyResolution)]) {
    let result = world.reconcile().await;
    assert_eq!(found(&result), expected, "{result:?}");
    assert_eq!(result.discrepancies_found, expected.len() as u64);
    assert_eq!(result.outcome, RunOutcome::Completed, "{:?}", result.error);
    seconds(10).await;
    world.assert_safe().await;
}

#[test]
fn a_flag_that_was_flipped_is_sent_again_at_any_age_and_the_difference_goes_away() {
    simulate(async {
        let key = order(1, 1);
        let world = world_with(&key, 60 * 24 * 20).await;
        hours(48).await;
        world.remote.put_flag(&key, false);
        assert_found(&world, &[(NotDelivered, AutoFixed)]).await;
        assert!(world.remote.flag(&key));
        assert_found(&world, &[]).await;
        assert_eq!(world.open_differences(&key).await, []);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_flag_that_was_set_for_an_order_given_back_is_cleared_again() {
    simulate(async {
        let key = order(1, 1);
        let world = world_with(&key, 5).await;
        let operation = world.post(&key).await.operation.unwrap().id;
        world.roll_back(operation).await.unwrap();
        seconds(30).await;
        assert!(!world.remote.flag(&key));
        world.remote.put_flag(&key, true);
        assert_found(&world, &[(NotDelivered, AutoFixed)]).await;
        assert!(!world.remote.flag(&key));
        world.assert_at_rest().await;
    });
}

#[test]
fn a_missed_order_is_taken_in_while_it_is_young_and_asked_about_later() {
    simulate(async {
        let world = World::begin(quick()).await;
        world.buy(&order(1, 1), 60);
        world.buy(&order(1, 2), 60 * 25);
        world.buy(&order(1, 3), 60);
        world.remote.put_flag(&order(1, 3), true);
        world.buy(&order(1, 4), 60);
        world
            .remote
            .change_form(&order(1, 4), |form| form["lineItems"] = json!([]));
        let expected = [
            (MissedOrder, AutoFixed),
            (MissedOrder, Review),
            (RemoteOnly, Review),
            (Malformed, Review),
        ];
        assert_found(&world, &expected).await;
        assert!(world.is_deducted(&order(1, 1)).await && world.remote.flag(&order(1, 1)));
        assert!(!world.is_deducted(&order(1, 2)).await);
        assert_eq!(world.stock().await, 1_000_000 - 1);
        for reason in [
            ReviewReason::MissedOrder,
            ReviewReason::RemoteOnly,
            ReviewReason::Malformed,
        ] {
            assert_eq!(world.reviews(reason).await.len(), 1, "{reason}");
        }
        // What is before a person stays a difference, and is not asked again.
        let before = world.all_reviews().await;
        assert_found(
            &world,
            &[(MissedOrder, Review), (RemoteOnly, Review), (Malformed, Review)],
        )
        .await;
        assert_eq!(world.all_reviews().await, before);
        assert_eq!(world.stock().await, 1_000_000 - 1);
    });
}

#[test]
fn a_cancelled_order_comes_back_once_while_it_is_young() {
    simulate(async {
        let key = order(1, 1);
        let world = world_with(&key, 5).await;
        let now = world.now();
        world.remote.change_form(&key, |form| cancel(form, now));
        assert_found(&world, &[(CancelledAfterDeduction, AutoFixed)]).await;
        assert_eq!(world.stock().await, 1_000_000);
        assert!(!world.remote.flag(&key));
        assert_found(&world, &[]).await;
        assert_eq!(world.stock().await, 1_000_000);
        world.assert_at_rest().await;
    });
}

#[test]
fn an_old_cancellation_and_one_after_shipment_are_asked_about() {
    simulate(async {
        let (old, sent) = (order(1, 1), order(1, 2));
        let world = world_with(&old, 60 * 24 * 3).await;
        hours(25).await;
        world.buy(&sent, 5);
        world.post(&sent).await;
        let now = world.now();
        world.remote.change_form(&old, |form| cancel(form, now));
        world.remote.change_form(&sent, |form| {
            cancel(form, now);
            send(form);
        });
        let expected = [
            (CancelledAfterDeduction, Review),
            (CancelledAfterShipment, Review),
        ];
        assert_found(&world, &expected).await;
        assert_found(&world, &expected).await;
        assert_eq!(world.stock().await, 1_000_000 - 2);
        assert!(world.remote.flag(&old) && world.remote.flag(&sent));
        world.assert_at_rest().await;
    });
}

#[test]
fn other_lines_in_a_stored_copy_are_asked_about_and_an_older_copy_is_no_difference() {
    simulate(async {
        let (changed, frozen) = (order(1, 1), order(1, 2));
        let world = world_with(&changed, 60).await;
        world.buy(&frozen, 60);
        world.post(&frozen).await;
        let now = world.now();
        world.remote.change_form(&changed, |form| {
            form["lineItems"][0]["quantity"] = json!(3);
            revise(form, "r2", now);
        });
        world.remote.change_form(&frozen, |form| {
            form["lineItems"][0]["quantity"] = json!(9);
            revise(form, "r0", now - SignedDuration::from_hours(9));
        });
        // The form that was posted is newer than the service's copy.
        let mut newer = crate::support::form(&frozen, 1);
        newer.copy.revision = Some("r5".to_owned());
        newer.copy.updated_at = Some(now);
        world
            .saldo()
            .process_order_with_sync(newer, &crate::support::hasty())
            .await
            .unwrap();
        seconds(30).await;
        assert_found(&world, &[(QuantityMismatch, Review)]).await;
        assert_eq!(world.stock().await, 1_000_000 - 2);
        assert_eq!(world.reviews(ReviewReason::QuantityMismatch).await.len(), 1);
    });
}

#[test]
fn other_lines_that_allegro_itself_answers_move_the_difference_while_the_order_is_young() {
    simulate(async {
        let (young, sent, same) = (order(1, 1), order(1, 2), order(1, 3));
        let world = World::without_engine(quick()).await;
        world.remote.faults(|faults| faults.live = true);
        let mut world = world;
        world.start();
        for key in [&young, &sent, &same] {
            world.buy(key, 5);
        }
        world
            .post_stored([young.clone(), sent.clone(), same.clone()])
            .await;
        seconds(150).await;
        let now = world.now();
        for key in [&young, &sent] {
            world.remote.change_form(key, |form| {
                form["lineItems"][0]["quantity"] = json!(3);
                revise(form, "r2", now);
            });
        }
        world.remote.change_form(&sent, send);
        let expected = [(QuantityMismatch, AutoFixed), (QuantityMismatch, Review)];
        assert_found(&world, &expected).await;
        assert_eq!(world.stock().await, 1_000_000 - 3 - 1 - 1);
        assert_found(&world, &[(QuantityMismatch, Review)]).await;
        assert_eq!(world.stock().await, 1_000_000 - 3 - 1 - 1);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_person_is_asked_about_an_order_that_is_missing_in_two_runs_and_long_enough() {
    simulate(async {
        let (gone, there) = (order(1, 1), order(1, 2));
        let world = world_with(&gone, 60).await;
        world.buy(&there, 30);
        world.post(&there).await;
        seconds(30).await;
        world.remote.remove_form(&gone);
        assert_found(&world, &[(MissingRemotely, Watched)]).await;
        hours(1).await;
        assert_found(&world, &[(MissingRemotely, Watched)]).await;
        hours(2).await;
        assert_found(&world, &[(MissingRemotely, Review)]).await;
        assert_eq!(world.reviews(ReviewReason::MissingRemotely).await.len(), 1);
        // It is there again.
        world.buy(&gone, 60 * 4);
        assert_found(&world, &[]).await;
        assert_eq!(world.open_differences(&gone).await, []);
        assert!(!world.reviews(ReviewReason::MissingRemotely).await[0].is_open());
        assert_eq!(world.stock().await, 1_000_000 - 2);
    });
}

#[test]
fn an_order_that_the_list_hides_is_asked_for_singly_and_found() {
    simulate(async {
        let key = order(1, 1);
        let world = world_with(&key, 60).await;
        world.buy(&order(1, 2), 60);
        world
            .remote
            .faults(|faults| faults.lists.hide = [key.clone()].into());
        assert_found(&world, &[(MissedOrder, AutoFixed)]).await;
        hours(5).await;
        assert_found(&world, &[]).await;
        assert_eq!(world.open_differences(&key).await, []);
    });
}

#[test]
fn a_list_that_shrank_failed_or_ended_early_says_nothing_about_what_it_lacks() {
    simulate(async {
        let world = World::begin(quick()).await;
        for number in 0..250 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        world.post_stored((0..250).map(|number| order(1, number))).await;
        seconds(60).await;
        assert_found(&world, &[]).await;
        world.remote.faults(|faults| faults.lists.shrink_to = Some(20));
        let shrunk = world.reconcile().await;
        assert_eq!((shrunk.discrepancies_found, shrunk.total_checked), (0, 20));
        assert!(shrunk.error.unwrap().contains("far fewer"));
        world.remote.faults(|faults| {
            faults.lists.shrink_to = Some(0);
        });
        let empty = world.reconcile().await;
        assert_eq!(empty.discrepancies_found, 0);
        assert!(empty.error.is_some());
        world.remote.faults(|faults| {
            faults.lists.shrink_to = None;
            faults.lists.fail = 1_000;
        });
        let failed = world.reconcile().await;
        assert_eq!(failed.outcome, RunOutcome::Failed);
        assert_eq!(failed.discrepancies_found, 0);
        world.remote.faults(|faults| faults.lists.fail = 0);
        assert_found(&world, &[]).await;
        assert!(world.all_reviews().await.is_empty());
    });
}

#[test]
fn a_list_that_shows_every_flag_false_changes_nothing_and_is_reported() {
    simulate(async {
        let world = World::begin(quick()).await;
        for number in 0..120 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        world.post_stored((0..120).map(|number| order(1, number))).await;
        seconds(60).await;
        // One of them was given back, and somebody has set its flag: the lie hides that.
        let given_back = order(1, 5);
        let operation = world.post(&given_back).await.operation.unwrap().id;
        world.roll_back(operation).await.unwrap();
        seconds(30).await;
        world.remote.put_flag(&given_back, true);
        world.remote.faults(|faults| faults.lists.say_false = true);
        let sent = world.remote.history().flags().count();
        let result = world.reconcile().await;
        assert_eq!(found(&result), [(NotDelivered, AutoFixed)]);
        assert_eq!(result.discrepancies[0].found.key, given_back);
        assert!(result.error.unwrap().contains("did not look right"));
        seconds(10).await;
        assert_eq!(world.remote.history().flags().count(), sent + 1);
        world.assert_at_rest().await;
    });
}

#[test]
fn without_automatic_fixes_differences_are_only_reported() {
    simulate(async {
        let key = order(1, 1);
        let world = world_with(&key, 5).await;
        world.buy(&order(1, 2), 5);
        world.remote.put_flag(&key, false);
        let request = ReconciliationRequest {
            auto_fix: Some(false),
            ..ReconciliationRequest::default()
        };
        let before = world.ledger.dump();
        let result = world.reconcile_as(request).await;
        assert_eq!(
            found(&result),
            [(NotDelivered, Reported), (MissedOrder, Reported)]
        );
        seconds(60).await;
        let after = world.ledger.dump();
        assert_eq!(
            (after.orders, after.operations),
            (before.orders, before.operations)
        );
        assert!(world.all_reviews().await.is_empty());
    });
}

#[test]
fn an_order_whose_delivery_is_under_way_is_only_watched() {
    simulate(async {
        let key = order(1, 1);
        let world = world_with(&key, 5).await;
        let other = order(1, 2);
        world.buy(&other, 5);
        world.remote.faults(|faults| faults.fail = 1_000);
        world.post_hastily(&other).await;
        seconds(3).await;
        let result = world.reconcile().await;
        assert_eq!(found(&result), [(NotDelivered, Watched)], "{result:?}");
        world.assert_safe().await;
    });
}

#[test]
fn a_run_makes_one_call_for_a_hundred_orders_and_one_for_each_that_differs() {
    simulate(async {
        let world = World::begin(quick()).await;
        for of in 1..=3 {
            for number in 0..1_000 {
                world.buy(&order(of, number), 10 + number as i64);
            }
            world
                .post_stored((0..1_000).map(|number| order(of, number)))
                .await;
        }
        seconds(120).await;
        for number in 0..40 {
            world.remote.put_flag(&order(1, number * 20), false);
        }
        let (lists, looks, finds) = (
            world.calls(Asked::List),
            world.calls(Asked::LookAtFlag),
            world.calls(Asked::Find),
        );
        let result = world.reconcile().await;
        assert_eq!((result.total_checked, result.auto_fixed), (3_000, 40));
        assert_eq!(world.calls(Asked::List) - lists, 30);
        assert_eq!(world.calls(Asked::LookAtFlag) - looks, 40);
        assert_eq!(world.calls(Asked::Find), finds);
        assert_eq!(result.calls, 30 + 40 + 1);
        seconds(60).await;
        let before = world.ledger.dump();
        let again = world.reconcile().await;
        assert_eq!((again.discrepancies_found, again.calls), (0, 31));
        let after = world.ledger.dump();
        assert_eq!(
            (after.orders, after.operations),
            (before.orders, before.operations)
        );
        world.assert_at_rest().await;
    });
}

#[test]
fn a_run_that_a_crash_cut_short_is_taken_up_again_where_it_was() {
    simulate(async {
        let mut world = World::begin(quick()).await;
        for number in 0..2_000 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        world.post_stored((0..2_000).map(|number| order(1, number))).await;
        seconds(120).await;
        for number in 0..2_000 {
            if number % 50 == 0 {
                world.remote.put_flag(&order(1, number), false);
            }
        }
        let saldo = world.saldo();
        let run = tokio::spawn(async move {
            let request = ReconciliationRequest::default();
            let caller = saldo_engine::Caller::named("test");
            saldo.reconcile_stock_status(request, &caller).await
        });
        crate::support::milliseconds(450).await;
        let progress = world.saldo().reconciliation_progress().borrow().clone().unwrap();
        assert!((1..2_000).contains(&progress.tally.checked), "{progress:?}");
        let lists = world.calls(Asked::List);
        world.kill().await;
        assert!(run.await.unwrap().is_err());
        seconds(180).await;
        let last = world.saldo().last_reconciliation().await.unwrap().unwrap();
        assert_eq!(last.id, progress.run);
        assert_eq!(last.outcome, RunOutcome::Completed, "{last:?}");
        assert_eq!(last.tally.checked, 2_000);
        assert!(world.calls(Asked::List) - lists < 20, "it began anew");
        seconds(60).await;
        world.assert_at_rest().await;
        let page = saldo_store::query::PageRequest {
            after: None,
            limit: 10,
        };
        assert_eq!(world.ledger.runs(page).await.unwrap().items.len(), 1);
    });
}

#[test]
fn a_second_call_waits_for_the_first_and_gets_its_own_result() {
    simulate(async {
        let world = World::begin(quick()).await;
        for number in 0..300 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        let (first, second) = tokio::join!(world.reconcile(), world.reconcile());
        assert_ne!(first.run_id, second.run_id);
        assert_eq!((first.auto_fixed, second.auto_fixed), (300, 0));
        seconds(60).await;
        assert_eq!(world.stock().await, 1_000_000 - 300);
        world.assert_at_rest().await;
    });
}

#[test]
fn bounds_are_kept_and_conclude_nothing_about_what_lies_beyond() {
    simulate(async {
        let world = World::begin(quick()).await;
        for number in 0..250 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        world.post_stored((0..250).map(|number| order(1, number))).await;
        seconds(60).await;
        let limited = ReconciliationRequest {
            limit: Some(30),
            ..ReconciliationRequest::default()
        };
        let result = world.reconcile_as(limited).await;
        assert_eq!((result.total_checked, result.discrepancies_found), (30, 0));
        let ranged = ReconciliationRequest {
            from: Some(world.now() - SignedDuration::from_mins(100)),
            ..ReconciliationRequest::default()
        };
        let result = world.reconcile_as(ranged).await;
        assert!((85..100).contains(&result.total_checked), "{result:?}");
        assert_eq!(result.discrepancies_found, 0);
        let inverted = ReconciliationRequest {
            from: Some(world.now()),
            to: Some(world.now() - SignedDuration::from_mins(1)),
            ..ReconciliationRequest::default()
        };
        let caller = saldo_engine::Caller::named("test");
        assert!(
            world
                .saldo()
                .reconcile_stock_status(inverted, &caller)
                .await
                .is_err()
        );
        assert!(world.ledger.order(&order(1, 1)).await.unwrap().is_some());
    });
}
