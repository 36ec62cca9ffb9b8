//! High load.

use saldo_domain::operation::OperationStatus;
use saldo_engine::settings::Settings;

use crate::support::{Setup, World, seconds, simulate};

#[test]
fn ten_thousand_orders_of_twenty_accounts_are_all_delivered_once() {
    simulate(async {
        let settings = Settings {
            requests_per_second: 1_000,
            account_requests_per_second: 1_000,
            max_in_flight: 64,
            ..Settings::default()
        };
        let world = World::begin(Setup {
            settings,
            accounts: 20,
            ..Setup::default()
        })
        .await;
        world.remote.faults(|faults| faults.latency_ms = (5, 80));
        for of in 1..=20 {
            world.post_many(of, 500).await;
        }
        seconds(30).await;
        assert_eq!(world.count(OperationStatus::Completed), 10_000);
        assert_eq!(world.remote.history().flags().count(), 10_000);
        assert_eq!(world.stock().await, 990_000);
        world.assert_at_rest().await;
    });
}
