//! Which part of a list is read: from the watermark on, with what lies shortly before it, and all of it once a day.

use jiff::SignedDuration;
use saldo_domain::discrepancy::DiscrepancyKind::{Malformed, MissedOrder, NotDelivered};
use saldo_domain::discrepancy::DiscrepancyResolution::AutoFixed;
use saldo_domain::review::{Review, ReviewReason, Subject};
use saldo_engine::settings::Settings;
use saldo_engine::{Caller, ReconciliationRequest, ReconciliationResult};
use serde_json::json;

use super::polling::{polling, setup, slow_polling};
use crate::support::checkout::found;
use crate::support::history::Asked;
use crate::support::{World, hours, milliseconds, order, seconds, simulate};

const DAY: i64 = 60 * 24;

async fn since_the_watermark(world: &World) -> ReconciliationResult {
    let request = ReconciliationRequest {
        since_watermark: true,
        ..ReconciliationRequest::default()
    };
    world.reconcile_as(request).await
}

#[test]
fn an_order_that_the_service_stores_late_is_pulled_while_it_was_bought_shortly_before_the_watermark() {
    simulate(async {
        let mut world = World::without_engine(setup(polling())).await;
        world.buy(&order(1, 1), 10);
        world.start();
        // The first time, the whole list is read.
        hours(1).await;
        assert!(world.is_deducted(&order(1, 1)).await);
        let (late, too_late) = (order(1, 2), order(1, 3));
        world.buy(&late, DAY);
        world.buy(&too_late, 3 * DAY);
        hours(1).await;
        assert!(world.is_deducted(&late).await);
        assert!(
            !world.is_deducted(&too_late).await,
            "a run of reconciliation finds it"
        );
        world.assert_safe().await;
    });
}

#[test]
fn a_run_since_the_watermark_looks_shortly_before_it_and_once_a_day_at_everything() {
    simulate(async {
        let mut world = World::without_engine(setup(polling())).await;
        let (new, recent, old) = (order(1, 1), order(1, 2), order(1, 3));
        for (key, minutes_ago) in [(&new, 10), (&recent, DAY), (&old, 5 * DAY)] {
            world.buy(key, minutes_ago);
        }
        world.start();
        seconds(100).await;
        assert_eq!(
            since_the_watermark(&world).await.total_checked,
            3,
            "the first is full"
        );
        for key in [&new, &recent, &old] {
            world.remote.put_flag(key, false);
        }
        let result = since_the_watermark(&world).await;
        assert_eq!(found(&result), [(NotDelivered, AutoFixed); 2], "{result:?}");
        assert_eq!(result.total_checked, 2);
        seconds(10).await;
        assert!(world.remote.flag(&new) && world.remote.flag(&recent) && !world.remote.flag(&old));
        hours(23).await;
        assert_eq!(since_the_watermark(&world).await.total_checked, 2);
        hours(1).await;
        let result = since_the_watermark(&world).await;
        assert_eq!(found(&result), [(NotDelivered, AutoFixed)], "{result:?}");
        seconds(10).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn orders_that_come_while_a_backlog_is_pulled_hide_none_of_it() {
    simulate(async {
        let mut world = World::without_engine(setup(slow_polling())).await;
        // Bought so long ago that nothing reads them again.
        for number in 0..700 {
            world.buy(&order(1, number), DAY * (10 + number as i64));
        }
        world.start();
        for number in 1_000..1_030 {
            seconds(1).await;
            world.buy(&order(1, number), 0);
        }
        hours(1).await;
        assert_eq!(world.stock().await, 1_000_000 - 730);
        world.assert_at_rest().await;
    });
}

#[test]
fn orders_that_go_while_a_run_reads_hide_none_of_the_others() {
    simulate(async {
        let world = World::begin(setup(Settings {
            requests_per_second: 500,
            account_requests_per_second: 500,
            ..Settings::default()
        }))
        .await;
        for number in 0..300 {
            world.buy(&order(1, number), 10 + number as i64);
        }
        let unknown = |number: &u64| (100..105).contains(number) || (200..205).contains(number);
        let known = (0..300).filter(|number| !unknown(number));
        world.post_stored(known.map(|number| order(1, number))).await;
        seconds(30).await;
        world.remote.faults(|faults| faults.latency_ms = (1_000, 1_000));
        let saldo = world.saldo();
        let run = tokio::spawn(async move {
            let request = ReconciliationRequest::default();
            saldo
                .reconcile_stock_status(request, &Caller::named("test"))
                .await
        });
        let mut progress = world.saldo().reconciliation_progress();
        let has_read_a_page = |progress: &Option<saldo_engine::ReconciliationProgress>| {
            progress
                .as_ref()
                .is_some_and(|progress| progress.tally.checked >= 100)
        };
        progress.wait_for(has_read_a_page).await.unwrap();
        // What was read already goes, and the rest moves up to where the run has been.
        for number in 0..5 {
            world.remote.remove_form(&order(1, number));
        }
        let result = run.await.unwrap().unwrap();
        assert_eq!(found(&result), [(MissedOrder, AutoFixed); 10], "{result:?}");
        world.remote.faults(|faults| faults.latency_ms = (20, 20));
        seconds(30).await;
        assert_eq!(world.stock().await, 1_000_000 - 300);
    });
}

#[test]
fn a_date_that_cannot_be_right_does_not_carry_the_watermark_beyond_what_is_to_come() {
    simulate(async {
        let mut world = World::without_engine(setup(polling())).await;
        world.buy(&order(1, 1), 10);
        world.buy(&order(1, 2), 10);
        world.remote.change_form(&order(1, 2), |form| {
            form["lineItems"][0]["boughtAt"] = json!("2100-01-01T00:00:00Z");
        });
        world.start();
        seconds(100).await;
        let lists = world.calls(Asked::List);
        world.buy(&order(1, 3), 0);
        // Also after a restart, which begins at the watermark.
        milliseconds(1).await;
        world.kill().await;
        seconds(200).await;
        assert!(world.calls(Asked::List) > lists);
        assert!(world.is_deducted(&order(1, 3)).await);
        assert_eq!(world.stock().await, 1_000_000 - 3);
        world.assert_at_rest().await;
    });
}

#[test]
fn what_cannot_be_read_and_was_stored_before_the_beginning_is_put_before_nobody() {
    simulate(async {
        let began_at = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        let begin = began_at - SignedDuration::from_hours(1);
        let mut world = World::without_engine(setup(Settings {
            start_from: Some(begin),
            ..polling()
        }))
        .await;
        let (old, new) = (order(1, 1), order(1, 2));
        for (key, minutes) in [(&old, -1), (&new, 1)] {
            world.buy(key, 60 - minutes);
            let stored_at = begin + SignedDuration::from_mins(minutes);
            world.remote.change_form(key, |form| {
                form["lineItems"] = json!([]);
                // As the service writes it: UTC, without saying so.
                form["db_created_at"] = json!(stored_at.to_string().trim_end_matches('Z'));
            });
        }
        world.start();
        seconds(100).await;
        let asked = |reviews: Vec<Review>| -> Vec<Subject> {
            reviews.into_iter().map(|review| review.subject).collect()
        };
        let expected = [Subject::Order(new.clone())];
        assert_eq!(asked(world.reviews(ReviewReason::Malformed).await), expected);
        let result = world.reconcile().await;
        assert_eq!(
            found(&result),
            [(
                Malformed,
                saldo_domain::discrepancy::DiscrepancyResolution::Review
            )],
            "{result:?}"
        );
        assert_eq!(asked(world.all_reviews().await), expected);
    });
}
