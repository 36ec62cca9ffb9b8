//! Orders that a webhook wishes for.

use saldo_domain::circuit::CircuitState;
use saldo_domain::decide::SyncStatus;
use saldo_domain::review::ReviewReason;
use saldo_store::{Store, StoreError};
use serde_json::{Value, json};

use crate::support::faults::Mode;
use crate::support::{Setup, World, account, hasty, order, seconds, simulate};

fn stored_form(id: &str) -> Value {
    json!({
        "id": id,
        "status": "READY_FOR_PROCESSING",
        "lineItems": [{
            "id": format!("line-{id}"),
            "offer": { "id": "1", "name": "Cup", "external": { "id": "cup" } },
            "quantity": 1,
        }],
    })
}

#[test]
fn a_wished_order_is_fetched_at_once_and_delivered() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let key = order(1, 1);
        world.remote.put_form(&key, stored_form("order-1-1"));
        let caller = saldo_engine::Caller::named("webhook");
        let answer = world
            .saldo()
            .take_in_by_id(key.clone(), &caller)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(answer.status, SyncStatus::Completed);
        assert!(world.remote.flag(&key));
        assert_eq!(world.ledger.wishes(10).await.unwrap(), []);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_wish_is_kept_while_the_service_is_away_and_fulfilled_later() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let key = order(1, 1);
        world.remote.put_form(&key, stored_form("order-1-1"));
        world.set_mode(Mode::Refuses);
        assert_eq!(
            world.saldo().take_in_by_id(key.clone(), &hasty()).await.unwrap(),
            None
        );
        seconds(600).await;
        assert_eq!(world.ledger.wishes(10).await.unwrap().len(), 1);
        assert_eq!(world.stock().await, 1_000_000);
        world.set_mode(Mode::Up);
        seconds(70).await;
        assert_eq!(world.ledger.wishes(10).await.unwrap(), []);
        assert!(world.remote.flag(&key));
        assert_eq!(world.stock().await, 999_999);
        world.assert_at_rest().await;
    });
}

async fn circuit(world: &World) -> CircuitState {
    world.saldo().status().await.unwrap().circuit
}

/// Waits second by second until the circuit of the service stands so.
async fn until_circuit(world: &World, state: CircuitState) {
    for _ in 0..120 {
        if circuit(world).await == state {
            return;
        }
        seconds(1).await;
    }
    panic!("the circuit is {:?}", circuit(world).await);
}

#[test]
fn wishes_are_tried_as_soon_as_the_circuit_closes() {
    // Whenever it closes, from one look at the wishes to the next.
    for (outage_seconds, count) in [(60, 1), (80, 3), (100, 3), (120, 250)] {
        simulate(async move {
            let world = World::begin(Setup::default()).await;
            world.set_mode(Mode::Refuses);
            world.post_many(2, 10).await;
            until_circuit(&world, CircuitState::Open).await;
            for number in 1..=count {
                let key = order(1, number);
                world.remote.put_form(&key, stored_form(key.order.as_str()));
                let answer = world.saldo().take_in_by_id(key, &hasty()).await.unwrap();
                assert_eq!(answer, None, "the wish is kept");
            }
            seconds(outage_seconds).await;
            world.set_mode(Mode::Up);
            until_circuit(&world, CircuitState::Closed).await;
            // Two calls each, within the rate of 50 a second.
            seconds(2 + count / 20).await;
            assert_eq!(
                world.ledger.wishes(1_000).await.unwrap(),
                [],
                "{outage_seconds} s"
            );
            seconds(60).await;
            assert_eq!(world.stock().await, 1_000_000 - 10 - count as i64);
            world.assert_at_rest().await;
        });
    }
}

#[test]
fn a_wished_order_that_the_service_already_holds_as_deducted_is_put_before_a_person() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let key = order(1, 1);
        world.remote.put_form(&key, stored_form("order-1-1"));
        world.remote.put_flag(&key, true);
        world.saldo().take_in_by_id(key.clone(), &hasty()).await.unwrap();
        assert_eq!(world.reviews(ReviewReason::RemoteOnly).await.len(), 1);
        assert_eq!(world.stock().await, 1_000_000);
        assert_eq!(world.remote.history().flags().count(), 0);
    });
}

#[test]
fn a_wished_order_that_cannot_be_read_is_put_before_a_person_and_taken_in_once_it_can() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let (now, later) = (order(1, 1), order(1, 2));
        for key in [&now, &later] {
            let mut form = stored_form(&key.order.to_string());
            form["lineItems"][0]["quantity"] = json!("many");
            world.remote.put_form(key, form);
        }
        let refused = world.saldo().take_in_by_id(now.clone(), &hasty()).await;
        assert!(matches!(refused, Err(StoreError::Refused(refusal)) if refusal.code == "order_unreadable"));
        assert_eq!(world.reviews(ReviewReason::Malformed).await.len(), 1);
        // A wish that was kept has no sender who would hear of it.
        world.set_mode(Mode::Refuses);
        world
            .saldo()
            .take_in_by_id(later.clone(), &hasty())
            .await
            .unwrap();
        world.set_mode(Mode::Up);
        seconds(100).await;
        assert_eq!(world.ledger.wishes(10).await.unwrap(), []);
        let asked = world.reviews(ReviewReason::Malformed).await;
        assert_eq!(asked.len(), 2);
        assert!(
            asked[0].details["error"].to_string().contains("quantity"),
            "{asked:?}"
        );
        for key in [&now, &later] {
            world.remote.put_form(key, stored_form(&key.order.to_string()));
            world.saldo().take_in_by_id(key.clone(), &hasty()).await.unwrap();
        }
        seconds(30).await;
        assert_eq!(world.stock().await, 1_000_000 - 2);
        assert!(world.all_reviews().await.iter().all(|review| !review.is_open()));
        world.assert_at_rest().await;
    });
}

#[test]
fn an_order_that_the_service_does_not_hold_is_refused() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let refused = world.saldo().take_in_by_id(order(1, 1), &hasty()).await;
        assert!(matches!(refused, Err(StoreError::Refused(refusal)) if refusal.code == "order_not_found"));
    });
}

#[test]
fn wishes_that_cannot_be_fulfilled_do_not_hold_up_those_that_can() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.remote.faults(|faults| {
            faults.gone.insert(account(1));
        });
        for number in 0..150 {
            world
                .ledger
                .put_wish(&order(1, number), world.now())
                .await
                .unwrap();
        }
        seconds(1).await;
        let key = order(2, 1);
        world.remote.put_form(&key, stored_form("order-2-1"));
        world.ledger.put_wish(&key, world.now()).await.unwrap();
        seconds(200).await;
        assert!(world.remote.flag(&key));
    });
}
