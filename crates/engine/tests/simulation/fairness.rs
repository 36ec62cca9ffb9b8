//! Fair turns between accounts.

use saldo_engine::settings::Settings;

use crate::support::{Setup, World, account, milliseconds, order, simulate};

#[test]
fn an_account_with_a_hundred_thousand_slow_orders_does_not_hold_up_the_only_order_of_another() {
    simulate(async {
        let mut world = World::without_engine(Setup::default()).await;
        world.remote.faults(|faults| {
            faults.account_latency_ms.insert(account(1), (5_000, 5_000));
        });
        world.post_many(1, 100_000).await;
        world.start();
        milliseconds(1_500).await;
        assert_eq!(world.remote.history().flags().count(), 16);
        let key = order(2, 1);
        world.post_hastily(&key).await;
        milliseconds(1_000).await;
        assert!(world.remote.flag(&key));
    });
}

#[test]
fn two_slow_accounts_leave_room_for_a_third() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.remote.faults(|faults| {
            faults.account_latency_ms.insert(account(1), (5_000, 5_000));
            faults.account_latency_ms.insert(account(2), (5_000, 5_000));
        });
        world.post_many(1, 300).await;
        world.post_many(2, 300).await;
        milliseconds(1_500).await;
        for number in 0..20 {
            let key = order(3, number);
            world.post_hastily(&key).await;
            milliseconds(1_000).await;
            assert!(world.remote.flag(&key), "order {number}");
        }
        world.assert_safe().await;
    });
}

#[test]
fn accounts_that_are_equally_busy_are_served_equally() {
    simulate(async {
        let settings = Settings {
            requests_per_second: 10,
            ..Settings::default()
        };
        let world = World::begin(Setup {
            settings,
            accounts: 4,
            ..Setup::default()
        })
        .await;
        for of in 1..=4 {
            world.post_many(of, 400).await;
        }
        milliseconds(60_000).await;
        let history = world.remote.history();
        let served = |of| {
            let calls = history.flags();
            calls
                .filter(|call| call.key.as_ref().is_some_and(|key| key.account == account(of)))
                .count()
        };
        let counts: Vec<usize> = (1..=4).map(served).collect();
        let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
        assert!(spread <= 16, "{counts:?}");
    });
}
