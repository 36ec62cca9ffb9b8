//! One delivery of an order at a time.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use saldo_domain::decide::{ClaimOrders, ClaimRequest, Command, Outcome, Settle, SettleOutcome};
use saldo_domain::delivery::Outcome as AttemptOutcome;
use saldo_domain::operation::OperationStatus;
use saldo_store::Store;

use crate::support::faults::Faults;
use crate::support::{Setup, World, milliseconds, order, seconds, simulate};

#[test]
fn over_random_histories_no_two_calls_of_an_order_are_ever_under_way_at_once() {
    for seed in 0..30 {
        simulate(async move {
            let world = World::begin(Setup {
                seed,
                ..Setup::default()
            })
            .await;
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            world.remote.faults(|faults| *faults = Faults::of_doubt());
            let mut operations = BTreeSet::new();
            for _ in 0..60 {
                let key = order(1 + random.random_range(0..2), random.random_range(0..4));
                if random.random_bool(0.5) {
                    let mut again = crate::support::form(&key, 1);
                    again.force = true;
                    let answer = world
                        .saldo()
                        .process_order_with_sync(again, &crate::support::hasty())
                        .await;
                    operations.extend(answer.unwrap().operation.map(|operation| operation.id));
                } else if let Some(id) = operations.iter().nth(random.random_range(0..8)) {
                    world.roll_back(*id).await.unwrap();
                }
                milliseconds(random.random_range(0..6_000)).await;
                world.assert_safe().await;
            }
            world.remote.faults(|faults| *faults = Faults::default());
            seconds(3 * 3_600).await;
            if world.count(OperationStatus::Failed) == 0 {
                world.assert_at_rest().await;
            }
        });
    }
}

#[test]
fn a_worker_that_lost_its_lease_cannot_record_anything() {
    simulate(async {
        let mut world = World::without_engine(Setup::default()).await;
        let key = order(1, 1);
        world.post_hastily(&key).await;
        let orders = ClaimOrders::These(vec![key.clone()]);
        let claim = Command::Claim(ClaimRequest { orders });
        let claims = match world.ledger.execute(world.request(claim.clone())).await.unwrap() {
            Outcome::Claimed(claims) => claims,
            other => panic!("{other:?}"),
        };
        assert_eq!(claims.len(), 1);
        assert_eq!(world.count(OperationStatus::Processing), 1);
        assert_eq!(
            world.ledger.execute(world.request(claim)).await.unwrap(),
            Outcome::Claimed(Vec::new()),
            "nobody else may claim it meanwhile"
        );
        world.start();
        seconds(49).await;
        assert_eq!(world.remote.history().flags().count(), 0);
        seconds(3).await;
        assert_eq!(world.count(OperationStatus::Completed), 1);
        let before = world.ledger.dump();
        let settle = Settle {
            key: key.clone(),
            token: claims[0].token,
            outcome: AttemptOutcome::Delivered,
            draw: 0.5,
            took_ms: 1,
        };
        let late = world
            .ledger
            .execute(world.request(Command::Settle(settle)))
            .await
            .unwrap();
        assert_eq!(late, Outcome::Settled(SettleOutcome::Stale));
        assert_eq!(world.ledger.dump(), before);
        seconds(120).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn a_call_that_never_ends_is_given_up_before_its_lease_ends() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world
            .remote
            .faults(|faults| faults.script.push_back(crate::support::faults::Reaction::Hang));
        world.post(&order(1, 1)).await;
        seconds(30).await;
        let history = world.remote.history();
        let call = history.flags().next().unwrap();
        assert!(call.abandoned);
        assert!(call.ended_ms.unwrap() - call.began_ms <= 20_000);
        seconds(120).await;
        world.assert_at_rest().await;
    });
}
