//! What differs and comes right, is answered, or goes on while both sides change.

use saldo_domain::decide::Resolve;
use saldo_domain::discrepancy::DiscrepancyKind::{MissedOrder, MissingRemotely, RemoteOnly};
use saldo_domain::discrepancy::DiscrepancyResolution::{AutoFixed, Review, Watched};
use saldo_domain::discrepancy::RunOutcome;
use saldo_domain::ids::OrderKey;
use saldo_domain::review::{Resolution, ReviewReason};
use saldo_engine::settings::Settings;
use saldo_store::{Reconciliations, Store};

use super::polling::{polling, setup, slow_polling};
use crate::support::checkout::found;
use crate::support::faults::{Faults, unavailable};
use crate::support::history::Asked;
use crate::support::{Setup, World, account, hasty, hours, order, seconds, simulate};

fn quick() -> Setup {
    setup(Settings {
        requests_per_second: 500,
        account_requests_per_second: 500,
        ..Settings::default()
    })
}

/// Answers the only open review of a reason.
async fn answer(world: &World, reason: ReviewReason, resolution: Resolution) {
    let mut open = world.reviews(reason).await;
    open.retain(saldo_domain::review::Review::is_open);
    assert_eq!(open.len(), 1, "{reason}");
    let answer = Resolve {
        review: open[0].id,
        resolution,
        note: None,
        components: Vec::new(),
    };
    world.saldo().resolve_review(answer, &hasty()).await.unwrap();
}

#[test]
fn an_order_that_is_gone_there_and_was_given_back_here_is_no_difference_any_more() {
    simulate(async {
        let (gone, there) = (order(1, 1), order(1, 2));
        let world = World::begin(quick()).await;
        for key in [&gone, &there] {
            world.buy(key, 60);
        }
        world.post_stored([gone.clone(), there.clone()]).await;
        seconds(30).await;
        world.remote.remove_form(&gone);
        assert_eq!(found(&world.reconcile().await), [(MissingRemotely, Watched)]);
        hours(3).await;
        assert_eq!(found(&world.reconcile().await), [(MissingRemotely, Review)]);
        answer(&world, ReviewReason::MissingRemotely, Resolution::Cancel).await;
        seconds(30).await;
        assert_eq!(world.stock().await, 1_000_000 - 1);
        assert_eq!(found(&world.reconcile().await), []);
        assert_eq!(world.open_differences(&gone).await, []);
        world.assert_at_rest().await;
    });
}

#[test]
fn orders_that_a_run_takes_in_cost_one_call_each_and_are_not_asked_for_again() {
    simulate(async {
        let world = World::begin(quick()).await;
        for number in 0..350 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        let result = world.reconcile().await;
        assert_eq!((result.auto_fixed, result.outcome), (350, RunOutcome::Completed));
        assert_eq!(world.calls(Asked::Find), 0);
        // Three accounts and who they are, four pages, and each flag.
        assert_eq!(result.calls, 1 + 2 + 4 + 350, "{:?}", result.error);
        seconds(30).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn a_run_beside_orders_that_are_taken_in_and_delivered_does_not_take_the_list_for_a_lie() {
    simulate(async {
        let world = World::begin(Setup {
            settings: Settings {
                requests_per_second: 20,
                account_requests_per_second: 20,
                ..Settings::default()
            },
            ..Setup::default()
        })
        .await;
        for number in 0..100 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        let posted: Vec<OrderKey> = (0..100).step_by(7).map(|number| order(1, number)).collect();
        let (result, ()) = tokio::join!(world.reconcile(), async {
            seconds(1).await;
            for key in &posted {
                world.post_stored([key.clone()]).await;
            }
        });
        assert_eq!(result.error, None, "{result:?}");
        assert!(
            found(&result).iter().all(|one| *one == (MissedOrder, AutoFixed)),
            "{:?}",
            found(&result)
        );
        seconds(60).await;
        assert_eq!(world.stock().await, 1_000_000 - 100);
        assert_eq!(found(&world.reconcile().await), []);
        world.assert_at_rest().await;
    });
}

#[test]
fn what_a_person_has_deducted_here_all_the_same_is_not_asked_about_again_while_it_waits_for_stock() {
    simulate(async {
        let key = order(1, 1);
        let world = World::without_engine(Setup {
            stock: 1,
            ..setup(polling())
        })
        .await;
        world.buy(&key, 10);
        world.remote.change_form(&key, |form| {
            form["lineItems"][0]["quantity"] = serde_json::json!(3)
        });
        world.remote.put_flag(&key, true);
        let mut world = world;
        world.start();
        seconds(100).await;
        answer(&world, ReviewReason::RemoteOnly, Resolution::Force).await;
        let looks = world.calls(Asked::LookAtFlag);
        hours(1).await;
        assert_eq!(world.reviews(ReviewReason::RemoteOnly).await.len(), 1);
        assert_eq!(world.calls(Asked::LookAtFlag), looks);
        assert_eq!(found(&world.reconcile().await), []);
        world.receive(10).await;
        seconds(30).await;
        assert!(world.is_deducted(&key).await);
        assert_eq!(world.stock().await, 1 + 10 - 3);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_page_that_lacks_rows_does_not_carry_the_watermark_over_them() {
    simulate(async {
        let world = World::without_engine(setup(polling())).await;
        for number in 0..300 {
            world.buy(&order(1, number), 60 * 24 * (1 + number as i64));
        }
        let old = order(1, 250);
        world.remote.faults(|faults| {
            faults.lists.hide.insert(old.clone());
        });
        let mut world = world;
        world.start();
        seconds(200).await;
        let watermarks = world.ledger.watermarks().await.unwrap();
        let landed = watermarks
            .iter()
            .find(|mark| mark.account == account(1))
            .and_then(|mark| mark.landed);
        let hidden = bought_at(&world, &old);
        assert!(landed.is_none_or(|landed| landed < hidden), "{landed:?}");
        // The others are taken in meanwhile, and this one when it is shown.
        assert_eq!(world.stock().await, 1_000_000 - 299);
        world.remote.faults(|faults| *faults = Faults::default());
        hours(1).await;
        assert_eq!(world.stock().await, 1_000_000 - 300);
        world.assert_at_rest().await;
    });
}

#[test]
fn orders_that_cannot_be_asked_about_keep_the_watermark_before_them() {
    // On one page, and on several.
    for count in [30, 250] {
        simulate(async move {
            let mut world = World::without_engine(setup(polling())).await;
            for number in 0..count {
                world.buy(&order(1, number), 60 * (1 + number as i64));
            }
            world.remote.faults(|faults| faults.reading = Some(unavailable()));
            world.start();
            for _ in 0..6 {
                seconds(100).await;
                let marks = world.ledger.watermarks().await.unwrap();
                let landed = marks
                    .iter()
                    .find(|mark| mark.account == account(1))
                    .and_then(|mark| mark.landed);
                assert_eq!(landed, None, "none of {count} has landed");
            }
            assert_eq!(world.stock().await, 1_000_000);
            world.remote.faults(|faults| *faults = Faults::default());
            hours(1).await;
            assert_eq!(world.stock().await, 1_000_000 - count as i64);
            world.assert_at_rest().await;
        });
    }
}

fn bought_at(world: &World, key: &OrderKey) -> jiff::Timestamp {
    let form = world.remote.form(key);
    form["lineItems"][0]["boughtAt"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn one_order_whose_flag_cannot_be_asked_for_does_not_make_the_others_wait() {
    simulate(async {
        let world = World::without_engine(setup(polling())).await;
        world.buy(&order(1, 1), 60);
        world.remote.faults(|faults| faults.reading = Some(unavailable()));
        let mut world = world;
        world.start();
        hours(3).await;
        // By now it is wished for, and the list is looked at as often as ever.
        assert_eq!(world.ledger.wishes(10).await.unwrap(), [order(1, 1)]);
        let lists = world.calls(Asked::List);
        seconds(600).await;
        assert!(
            world.calls(Asked::List) - lists >= 3 * 9,
            "{}",
            world.calls(Asked::List) - lists
        );
        world.remote.faults(|faults| *faults = Faults::default());
        hours(1).await;
        assert!(world.is_deducted(&order(1, 1)).await);
        world.assert_at_rest().await;
    });
}

#[test]
fn orders_of_a_long_outage_that_a_run_reaches_before_the_poller_are_deducted_and_not_asked_about() {
    simulate(async {
        let mut world = World::without_engine(setup(slow_polling())).await;
        for number in 0..900 {
            world.buy(&order(1, number), 10 + 10 * number as i64);
        }
        world.start();
        let result = world.reconcile().await;
        assert!(
            found(&result).iter().all(|one| *one == (MissedOrder, AutoFixed)),
            "{result:?}"
        );
        hours(1).await;
        assert_eq!(world.stock().await, 1_000_000 - 900);
        assert!(world.all_reviews().await.is_empty());
        // Over a moment that the poller has passed it takes in nothing: there, a person is asked.
        world.buy(&order(1, 1_000), 60 * 24 * 20);
        assert_eq!(found(&world.reconcile().await), [(MissedOrder, Review)]);
    });
}

#[test]
fn a_difference_of_an_order_that_nothing_was_taken_for_goes_away_with_the_order() {
    simulate(async {
        let (gone, there, deducted) = (order(1, 1), order(1, 2), order(1, 3));
        let world = World::begin(quick()).await;
        for key in [&gone, &there, &deducted] {
            world.buy(key, 60);
        }
        for number in 10..40 {
            world.buy(&order(1, number), 60);
        }
        world.post_stored([deducted.clone()]).await;
        world.post_stored((10..40).map(|number| order(1, number))).await;
        seconds(30).await;
        for key in [&gone, &there] {
            world.remote.put_flag(key, true);
        }
        let result = world.reconcile().await;
        assert_eq!(found(&result), [(RemoteOnly, Review), (RemoteOnly, Review)]);
        world.remote.remove_form(&gone);
        world.remote.remove_form(&deducted);
        // A list that lacks rows which it counts says nothing about them.
        world.remote.faults(|faults| {
            faults.lists.hide.insert(there.clone());
        });
        world.reconcile().await;
        assert_eq!(world.open_differences(&there).await.len(), 1);
        world.remote.faults(|faults| *faults = Faults::default());
        world.reconcile().await;
        assert_eq!(world.open_differences(&gone).await, []);
        assert_eq!(world.open_differences(&there).await.len(), 1);
        assert_eq!(world.open_differences(&deducted).await.len(), 1);
    });
}

#[test]
fn a_run_taken_up_after_a_crash_remembers_that_an_order_could_not_be_asked_about() {
    simulate(async {
        let mut world = World::begin(quick()).await;
        for number in 0..2_000 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        world.post_stored((0..2_000).map(|number| order(1, number))).await;
        seconds(120).await;
        world.remote.put_flag(&order(1, 5), false);
        world.remote.faults(|faults| faults.reading = Some(unavailable()));
        let saldo = world.saldo();
        let run = tokio::spawn(async move {
            let request = saldo_engine::ReconciliationRequest::default();
            let caller = saldo_engine::Caller::named("test");
            saldo.reconcile_stock_status(request, &caller).await
        });
        crate::support::milliseconds(250).await;
        let progress = world.saldo().reconciliation_progress().borrow().clone().unwrap();
        assert!((100..2_000).contains(&progress.tally.checked), "{progress:?}");
        world.kill().await;
        world.remote.faults(|faults| *faults = Faults::default());
        assert!(run.await.unwrap().is_err());
        seconds(180).await;
        let last = world.saldo().last_reconciliation().await.unwrap().unwrap();
        assert_eq!(
            (last.id, last.outcome),
            (progress.run, RunOutcome::Failed),
            "{last:?}"
        );
        let watermarks = world.ledger.watermarks().await.unwrap();
        let full = watermarks
            .iter()
            .find(|mark| mark.account == account(1))
            .and_then(|mark| mark.last_full_pass_at);
        assert_eq!(full, None, "not everything was looked at");
    });
}
