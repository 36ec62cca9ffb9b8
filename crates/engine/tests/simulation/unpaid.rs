//! Orders that stand unpaid where the service tells of each order as it is now.

use saldo_domain::ids::OrderKey;
use saldo_engine::settings::Settings;
use serde_json::json;

use crate::support::{Setup, World, hours, order, simulate};

/// Orders that the service shows as bought, and that Saldo has heard of, the first one first.
async fn bought(world: &World, numbers: std::ops::RangeInclusive<u64>) -> Vec<OrderKey> {
    let keys: Vec<OrderKey> = numbers.map(|number| order(1, number)).collect();
    for key in &keys {
        world.buy(key, 5);
        let mut form = world.remote.form(key);
        form["status"] = json!("BOUGHT");
        world.remote.put_form(key, form);
        world.post_stored([key.clone()]).await;
    }
    keys
}

fn pay(world: &World, key: &OrderKey) {
    let mut form = world.remote.form(key);
    form["status"] = json!("READY_FOR_PROCESSING");
    form["revision"] = json!("paid");
    world.remote.put_form(key, form);
}

#[test]
fn orders_that_are_never_paid_keep_no_other_from_being_asked_for() {
    simulate(async {
        let settings = Settings {
            unpaid_asked_for_max: 3,
            ..Settings::default()
        };
        let world = World::begin(Setup {
            settings,
            ..Setup::default()
        })
        .await;
        world.remote.faults(|faults| faults.live = true);
        let keys = bought(&world, 1..=10).await;
        let (never_paid, paid) = keys.split_at(5);
        for key in paid {
            pay(&world, key);
        }
        // Ten of them, three an hour: the newest one, and two in turns.
        hours(5).await;
        for key in paid {
            assert!(world.is_deducted(key).await, "{key}");
            assert!(world.remote.flag(key));
        }
        pay(&world, &never_paid[0]);
        hours(4).await;
        assert!(world.is_deducted(&never_paid[0]).await, "the round begins anew");
        assert!(!world.is_deducted(&never_paid[1]).await);
    });
}
