//! Rollback before, during and after delivery.

use saldo_domain::operation::OperationStatus;

use crate::support::faults::{Mode, Reaction};
use crate::support::history::Asked;
use crate::support::{Setup, World, milliseconds, order, seconds, simulate};

fn flags(world: &World) -> Vec<bool> {
    let history = world.remote.history();
    let sent = history.flags().map(|call| match call.asked {
        Asked::SetFlag(flag) => flag,
        other => panic!("{other:?}"),
    });
    sent.collect()
}

#[test]
fn a_rollback_before_delivery_sends_only_what_holds_in_the_end() {
    simulate(async {
        let mut world = World::without_engine(Setup::default()).await;
        let id = world.post_hastily(&order(1, 1)).await.operation.unwrap().id;
        let answer = world.roll_back(id).await.unwrap();
        assert_eq!(answer.restored.len(), 1);
        assert_eq!(world.stock().await, 1_000_000);
        world.start();
        seconds(5).await;
        assert_eq!(flags(&world), [false]);
        assert_eq!(world.operation(id).await.status, OperationStatus::RolledBack);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_rollback_during_delivery_is_sent_when_that_call_has_ended() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.remote.faults(|faults| faults.latency_ms = (2_000, 2_000));
        let id = world.post_hastily(&order(1, 1)).await.operation.unwrap().id;
        milliseconds(500).await;
        assert_eq!(world.operation(id).await.status, OperationStatus::Processing);
        world.roll_back(id).await.unwrap();
        assert_eq!(world.stock().await, 1_000_000);
        milliseconds(1_000).await;
        assert_eq!(flags(&world), [true], "the second call must wait for the first");
        seconds(5).await;
        assert_eq!(flags(&world), [true, false]);
        assert_eq!(world.operation(id).await.status, OperationStatus::RolledBack);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_rollback_after_delivery_clears_the_flag_and_twice_is_the_same_as_once() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let id = world.post(&order(1, 1)).await.operation.unwrap().id;
        let first = world.roll_back(id).await.unwrap();
        let second = world.roll_back(id).await.unwrap();
        assert_eq!(first.refund_operation_id, second.refund_operation_id);
        assert_eq!(first.restored, second.restored);
        seconds(5).await;
        assert_eq!(flags(&world), [true, false]);
        assert_eq!(world.stock().await, 1_000_000);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_rollback_of_what_was_undone_sends_the_flag_again() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let id = world.post(&order(1, 1)).await.operation.unwrap().id;
        let refund = world.roll_back(id).await.unwrap().refund_operation_id.unwrap();
        world.roll_back(refund).await.unwrap();
        seconds(5).await;
        assert!(world.remote.flag(&order(1, 1)));
        assert_eq!(world.stock().await, 999_999);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_rollback_during_an_outage_is_delivered_after_it() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let id = world.post(&order(1, 1)).await.operation.unwrap().id;
        world.set_mode(Mode::Refuses);
        world.post_many(2, 10).await;
        seconds(20).await;
        world.roll_back(id).await.unwrap();
        seconds(600).await;
        assert!(world.remote.flag(&order(1, 1)));
        world.set_mode(Mode::Up);
        seconds(120).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn a_rollback_after_the_retries_were_used_up_outlives_the_last_call_that_arrives_late() {
    simulate(async {
        let world = World::begin(Setup {
            settings: crate::circuit::switched_off(),
            ..Setup::default()
        })
        .await;
        world.remote.faults(|faults| {
            faults
                .script
                .extend(vec![Reaction::Fail(crate::support::faults::unavailable()); 5]);
            faults.script.push_back(Reaction::DoLater { after_ms: 20_000 });
        });
        let id = world.post(&order(1, 1)).await.operation.unwrap().id;
        crate::support::until_so(4_000, "the operation fails", || {
            world.count(OperationStatus::Failed) == 1
        })
        .await;
        world.roll_back(id).await.unwrap();
        seconds(600).await;
        assert_eq!(world.remote.done_late(), 1);
        world.assert_at_rest().await;
    });
}

#[test]
fn an_order_that_waits_for_stock_is_called_off_without_a_word_to_the_service() {
    simulate(async {
        let world = World::begin(Setup {
            stock: 0,
            ..Setup::default()
        })
        .await;
        let id = world.post(&order(1, 1)).await.operation.unwrap().id;
        world.roll_back(id).await.unwrap();
        world.receive(5).await;
        seconds(60).await;
        assert_eq!(flags(&world), [] as [bool; 0]);
        assert_eq!(world.stock().await, 5);
        world.assert_at_rest().await;
    });
}
