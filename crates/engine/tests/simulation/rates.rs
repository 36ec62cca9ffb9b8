//! How fast, and how many at once.

use saldo_engine::settings::Settings;

use crate::support::history::History;
use crate::support::{Setup, World, account, seconds, simulate};

const BURST: usize = 32;

fn assert_rate(history: &History, per_second: usize, what: &str) {
    for length in [1, 5, 20] {
        let most = history.most_within(length * 1_000);
        let allowed = BURST + per_second * usize::try_from(length).unwrap() + 1;
        assert!(
            most <= allowed,
            "{what}: {most} calls within {length} s, {allowed} allowed"
        );
    }
}

#[test]
fn calls_never_exceed_the_rate_and_the_burst() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.post_many(1, 1_500).await;
        world.post_many(2, 1_500).await;
        seconds(30).await;
        let history = world.remote.history();
        assert_rate(&history, 50, "healthy");
        assert!(history.began_within(0, 30_000) >= 1_450, "and the rate is used");
    });
}

#[test]
fn readings_back_count_as_calls() {
    simulate(async {
        let settings = Settings {
            requests_per_second: 10,
            ..crate::circuit::switched_off()
        };
        let world = World::begin(Setup {
            settings,
            ..Setup::default()
        })
        .await;
        world.remote.faults(|faults| faults.lose_reply = 1_000);
        world.post_many(1, 200).await;
        seconds(30).await;
        let tables = world.ledger.dump();
        let started = tables
            .orders
            .values()
            .filter(|order| tables.deliveries.contains_key(&order.key));
        let keys: Vec<_> = started.map(|order| order.key.clone()).collect();
        world.remote.faults(|faults| faults.lose_reply = 0);
        for operation in tables
            .operations
            .values()
            .filter(|operation| operation.order.is_some())
        {
            world.roll_back(operation.id).await.unwrap();
        }
        seconds(300).await;
        assert_rate(&world.remote.history(), 10, "with doubts");
        assert!(!keys.is_empty());
        world.assert_at_rest().await;
    });
}

#[test]
fn one_account_never_exceeds_its_own_rate_and_others_are_not_slowed_down_by_it() {
    simulate(async {
        let settings = Settings {
            account_requests_per_second: 2,
            ..Settings::default()
        };
        let world = World::begin(Setup {
            settings,
            ..Setup::default()
        })
        .await;
        world.post_many(1, 300).await;
        world.post_many(2, 40).await;
        seconds(30).await;
        let history = world.remote.history();
        let of = |number| {
            let calls = history.0.iter();
            let own = calls.filter(|call| {
                call.key
                    .as_ref()
                    .is_some_and(|key| key.account == account(number))
            });
            History(own.cloned().collect())
        };
        assert_rate(&of(1), 2, "its own");
        assert!(
            of(1).0.len() >= 32 + 2 * 29,
            "and its rate is used: {}",
            of(1).0.len()
        );
        assert_eq!(of(2).flags().count(), 40);
        // Waiting for a turn leaves no traces in the log.
        let tables = world.ledger.dump();
        assert!(tables.log.values().all(|entries| entries.len() <= 4));
        world.assert_safe().await;
    });
}

#[test]
fn calls_in_flight_are_bounded_and_one_account_has_at_most_half() {
    for slots in [1, 2, 5, 32] {
        simulate(async move {
            let settings = Settings {
                max_in_flight: slots,
                ..Settings::default()
            };
            let world = World::begin(Setup {
                settings,
                accounts: 5,
                ..Setup::default()
            })
            .await;
            world.remote.faults(|faults| faults.latency_ms = (500, 4_000));
            for of in 1..=5 {
                world.post_many(of, 50).await;
            }
            seconds(30).await;
            let (most, most_of_one) = world.remote.history().most_at_once();
            assert!(most <= slots, "{most} of {slots}");
            assert!(most_of_one <= (slots / 2).max(1), "{most_of_one} of {slots}");
            world.assert_safe().await;
        });
    }
}
