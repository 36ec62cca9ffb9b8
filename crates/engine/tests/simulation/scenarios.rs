//! The original's scenarios, as far as delivery goes; rollback and load have files of their own.

use saldo_domain::decide::SyncStatus;
use saldo_domain::operation::OperationStatus;
use saldo_domain::review::ReviewReason;

use crate::support::faults::{Mode, Reaction, not_acceptable, unavailable};
use crate::support::{Setup, World, hours, milliseconds, order, seconds, simulate};

#[test]
fn an_order_is_deducted_delivered_and_answered_as_completed_at_once() {
    simulate(async {
        let world = World::begin(Setup {
            stock: 10,
            ..Setup::default()
        })
        .await;
        let key = order(1, 1);
        let answer = world.post(&key).await;
        assert_eq!((answer.success, answer.status), (true, SyncStatus::Completed));
        assert_eq!(world.stock().await, 9);
        assert!(world.remote.flag(&key));
        let again = world.post(&key).await;
        assert!(again.duplicate && again.success);
        assert_eq!(again.operation.unwrap().id, answer.operation.unwrap().id);
        assert_eq!(world.stock().await, 9);
        assert_eq!(world.remote.history().flags().count(), 1);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_temporary_failure_is_retried_and_the_operation_completes() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let key = order(1, 1);
        world
            .remote
            .faults(|faults| faults.script.push_back(Reaction::Fail(unavailable())));
        let answer = world.post(&key).await;
        assert_eq!((answer.success, answer.status), (false, SyncStatus::Pending));
        assert!(answer.error.unwrap().contains("503"));
        seconds(59).await;
        assert_eq!(world.remote.history().flags().count(), 1);
        seconds(2).await;
        let operation = world.operation(answer.operation.unwrap().id).await;
        assert_eq!(
            (operation.status, operation.retry_count),
            (OperationStatus::Completed, 1)
        );
        world.assert_at_rest().await;
    });
}

#[test]
fn a_long_failure_of_one_order_ends_before_a_person_and_comes_back_by_hand() {
    simulate(async {
        let world = World::begin(Setup {
            settings: crate::circuit::switched_off(),
            ..Setup::default()
        })
        .await;
        let key = order(1, 1);
        world.set_mode(Mode::FlagsFail);
        let id = world.post(&key).await.operation.unwrap().id;
        hours(3).await;
        let operation = world.operation(id).await;
        assert_eq!(
            (operation.status, operation.retry_count),
            (OperationStatus::Failed, 5)
        );
        assert_eq!(world.remote.history().flags().count(), 6);
        let reviews = world.reviews(ReviewReason::DeliveryFailed).await;
        assert_eq!(reviews.len(), 1);
        assert!(reviews[0].is_open());
        world.assert_safe().await;

        world.set_mode(Mode::Up);
        let answer = world
            .saldo()
            .retry_operation(id, &saldo_engine::Caller::named("a person"))
            .await
            .unwrap();
        assert_eq!(answer.status, SyncStatus::Completed);
        assert!(!world.reviews(ReviewReason::DeliveryFailed).await[0].is_open());
        world.assert_at_rest().await;
    });
}

#[test]
fn what_the_service_refuses_is_before_a_person_at_once() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world
            .remote
            .faults(|faults| faults.script.push_back(Reaction::Fail(not_acceptable())));
        let answer = world.post(&order(1, 1)).await;
        assert_eq!(answer.status, SyncStatus::Failed);
        assert!(answer.review_id.is_some());
        hours(2).await;
        assert_eq!(world.remote.history().flags().count(), 1);
        world.assert_safe().await;
    });
}

#[test]
fn a_flag_whose_reply_was_lost_is_sent_again_and_changes_nothing() {
    simulate(async {
        let world = World::begin(Setup {
            stock: 10,
            ..Setup::default()
        })
        .await;
        let key = order(1, 1);
        world
            .remote
            .faults(|faults| faults.script.push_back(Reaction::LoseReply));
        let answer = world.post(&key).await;
        assert_eq!(answer.status, SyncStatus::Pending);
        assert!(world.remote.flag(&key));
        seconds(120).await;
        let operation = world.operation(answer.operation.unwrap().id).await;
        assert_eq!(operation.status, OperationStatus::Completed);
        assert_eq!(world.stock().await, 9);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_flag_of_the_other_value_that_arrives_late_is_found_after_a_minute_and_put_right() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let key = order(1, 1);
        world
            .remote
            .faults(|faults| faults.script.push_back(Reaction::DoLater { after_ms: 30_000 }));
        let id = world.post(&key).await.operation.unwrap().id;
        seconds(1).await;
        world.roll_back(id).await.unwrap();
        seconds(2).await;
        // The new level is confirmed, and the abandoned call has not arrived yet.
        assert_eq!(world.ledger.dump().orders[&key].flag_confirmed, Some(false));
        assert!(!world.remote.flag(&key));
        seconds(30).await;
        assert!(
            world.remote.flag(&key),
            "the abandoned call should have arrived by now"
        );
        seconds(40).await;
        assert!(!world.remote.flag(&key));
        seconds(120).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn orders_that_wait_for_stock_are_delivered_when_it_is_received() {
    simulate(async {
        let world = World::begin(Setup {
            stock: 1,
            ..Setup::default()
        })
        .await;
        world.post(&order(1, 1)).await;
        let short = world.post(&order(1, 2)).await;
        assert_eq!(short.status, SyncStatus::Pending);
        assert!(short.review_id.is_some());
        seconds(10).await;
        assert_eq!(world.remote.history().flags().count(), 1);
        world.receive(5).await;
        milliseconds(100).await;
        assert!(world.remote.flag(&order(1, 2)));
        assert_eq!(world.stock().await, 4);
        world.assert_at_rest().await;
    });
}
