//! Outages of the service as a whole.

use saldo_domain::circuit::CircuitPolicy;
use saldo_domain::operation::OperationStatus;
use saldo_domain::review::{ReviewReason, Subject};
use saldo_engine::settings::Settings;

use crate::support::faults::Mode;
use crate::support::history::Asked;
use crate::support::{Setup, World, account, hours, order, seconds, simulate, until_so};

/// Settings without circuit breakers.
pub(crate) fn switched_off() -> Settings {
    Settings {
        circuit: CircuitPolicy {
            enabled: false,
            ..CircuitPolicy::default()
        },
        ..Settings::default()
    }
}

const WAYS_TO_BE_AWAY: [Mode; 4] = [
    Mode::Refuses,
    Mode::FlagsFail,
    Mode::DatabaseDown,
    Mode::OutOfConnections,
];

#[test]
fn an_outage_of_an_hour_costs_no_operation_a_retry() {
    for mode in WAYS_TO_BE_AWAY {
        for count in [1, 3, 40, 200] {
            simulate(async move {
                let world = World::begin(Setup::default()).await;
                world.set_mode(mode);
                world.post_many(1, count).await;
                hours(1).await;
                for operation in world
                    .ledger
                    .dump()
                    .operations
                    .values()
                    .filter(|other| other.order.is_some())
                {
                    // The circuit opens with the fifth failure in a row: a few may take it to get there.
                    let spent = if count < 5 { 4 } else { 0 };
                    assert!(
                        operation.retry_count <= spent,
                        "{mode:?} {count}: {}",
                        operation.retry_count
                    );
                    assert_eq!(operation.status, OperationStatus::Pending, "{mode:?} {count}");
                }
                assert_eq!(world.all_reviews().await, []);
                world.set_mode(Mode::Up);
                seconds(200).await;
                assert_eq!(world.count(OperationStatus::Completed) as u64, count, "{mode:?}");
                world.assert_at_rest().await;
            });
        }
    }
}

#[test]
fn while_the_circuit_is_open_there_is_one_probe_at_a_time_and_at_most_one_a_minute_in_the_end() {
    for mode in WAYS_TO_BE_AWAY {
        simulate(async move {
            let world = World::begin(Setup::default()).await;
            world.set_mode(mode);
            world.post_many(1, 100).await;
            world.post_many(2, 100).await;
            seconds(400).await;
            let (since, until) = (world.remote.now_ms(), world.remote.now_ms() + 3_600_000);
            hours(1).await;
            let history = world.remote.history();
            let flags = history
                .flags()
                .filter(|call| (since..until).contains(&call.began_ms))
                .map(|call| (call.began_ms, call.ended_ms.unwrap()))
                .collect::<Vec<_>>();
            assert!(flags.len() <= 60, "{mode:?}: {} probes", flags.len());
            assert!(flags.len() >= 50, "{mode:?}: {} probes", flags.len());
            assert!(flags.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{mode:?}");
            world.assert_safe().await;
        });
    }
}

#[test]
fn new_orders_are_taken_in_during_an_outage_and_their_callers_do_not_wait_for_nothing() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.set_mode(Mode::Refuses);
        world.post_many(1, 10).await;
        seconds(5).await;
        let before = world.remote.now_ms();
        let answer = world.post(&order(2, 1)).await;
        assert_eq!(world.remote.now_ms(), before);
        assert!(!answer.success);
        assert_eq!(world.stock().await, 1_000_000 - 11);
        world.set_mode(Mode::Up);
        seconds(70).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn what_waited_for_a_day_is_given_up_under_one_review_and_comes_back_by_itself() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.set_mode(Mode::Refuses);
        world.post_many(1, 150).await;
        world.post_many(2, 150).await;
        hours(23).await;
        assert_eq!(world.all_reviews().await, []);
        hours(2).await;
        assert_eq!(world.count(OperationStatus::Failed), 300);
        let reviews = world.all_reviews().await;
        assert_eq!(reviews.len(), 1);
        assert_eq!(
            (reviews[0].reason, &reviews[0].subject),
            (ReviewReason::GaveUp, &Subject::Service)
        );
        assert!(reviews[0].is_open());
        world.assert_safe().await;

        world.set_mode(Mode::Up);
        seconds(180).await;
        assert_eq!(world.count(OperationStatus::Completed), 300);
        let reviews = world.all_reviews().await;
        assert_eq!(reviews.len(), 1);
        assert!(!reviews[0].is_open());
        world.assert_at_rest().await;
    });
}

#[test]
fn what_was_given_up_before_a_restart_comes_back_after_it() {
    simulate(async {
        let mut world = World::begin(Setup::default()).await;
        world.set_mode(Mode::Refuses);
        world.post_many(1, 20).await;
        hours(25).await;
        assert_eq!(world.count(OperationStatus::Failed), 20);
        world.stop().await;
        world.set_mode(Mode::Up);
        world.start();
        seconds(60).await;
        assert_eq!(world.count(OperationStatus::Completed), 20);
        assert!(!world.all_reviews().await[0].is_open());
        world.assert_at_rest().await;
    });
}

#[test]
fn with_the_circuit_switched_off_every_operation_uses_its_own_retries() {
    simulate(async {
        let world = World::begin(Setup {
            settings: switched_off(),
            ..Setup::default()
        })
        .await;
        world.set_mode(Mode::Refuses);
        world.post_many(1, 20).await;
        hours(3).await;
        assert_eq!(world.count(OperationStatus::Failed), 20);
        assert_eq!(world.remote.history().flags().count(), 20 * 6);
        assert_eq!(world.reviews(ReviewReason::DeliveryFailed).await.len(), 20);
        world.assert_safe().await;
    });
}

#[test]
fn an_account_that_fails_alone_does_not_hold_up_the_others() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.remote.faults(|faults| {
            faults.failing.insert(account(1));
            faults.account_latency_ms.insert(account(1), (5_000, 5_000));
        });
        world.post_many(1, 500).await;
        seconds(60).await;
        // One account's failures may pass for the service's until another account is heard of.
        world.post_hastily(&order(2, 1_000)).await;
        until_so(60, "the service is found to be up", || {
            world.remote.flag(&order(2, 1_000))
        })
        .await;
        let mut slowest = 0;
        for number in 0..200 {
            let before = world.remote.now_ms();
            world.post_hastily(&order(2, number)).await;
            let key = order(2, number);
            until_so(30, "the other account's order is delivered", || {
                world.remote.flag(&key)
            })
            .await;
            slowest = slowest.max(world.remote.now_ms() - before);
            seconds(7).await;
        }
        assert!(slowest <= 2_000, "{slowest} ms");
        let retries = world
            .ledger
            .dump()
            .operations
            .values()
            .map(|operation| operation.retry_count)
            .max();
        assert!(
            retries.unwrap() <= 1,
            "the failing account's operations keep their retries: {retries:?}"
        );
        world.remote.faults(|faults| faults.failing.clear());
        seconds(600).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn a_service_that_is_away_is_left_alone_while_nothing_is_owed() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        seconds(1).await;
        let before = world.remote.history().0.len();
        world.post(&order(1, 1)).await;
        hours(1).await;
        let history = world.remote.history();
        let asked = history
            .0
            .iter()
            .skip(before)
            .filter(|call| call.asked == Asked::Health)
            .count();
        assert_eq!(asked, 0);
    });
}
