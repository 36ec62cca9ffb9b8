//! The answer to a caller that waits for the immediate attempt.

use saldo_domain::decide::{AnswerKey, SyncStatus};
use saldo_engine::{Caller, RemoteFlag};

use crate::support::{Setup, World, account, form, order, seconds, simulate};

#[test]
fn a_caller_waits_at_most_the_immediate_timeout_and_is_told_that_it_is_pending() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        world.remote.faults(|faults| {
            faults.account_latency_ms.insert(account(1), (8_000, 8_000));
        });
        seconds(1).await;
        let before = world.remote.now_ms();
        let answer = world.post(&order(1, 1)).await;
        assert_eq!(world.remote.now_ms() - before, 3_000);
        assert_eq!((answer.success, answer.status), (false, SyncStatus::Pending));
        assert!(answer.operation.is_some());
        seconds(6).await;
        world.assert_at_rest().await;
    });
}

#[test]
fn a_rollback_tells_whether_the_service_has_confirmed_it() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let id = world.post(&order(1, 1)).await.operation.unwrap().id;
        let request = |operation| saldo_domain::decide::RollBack {
            operation,
            reason: "test".to_owned(),
            force: false,
        };
        let answer = world
            .saldo()
            .rollback_operation(request(id), &Caller::named("test"))
            .await
            .unwrap();
        assert_eq!(answer.remote_flag, RemoteFlag::Cleared);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_repeat_under_the_same_idempotency_key_is_answered_at_once() {
    simulate(async {
        let world = World::begin(Setup::default()).await;
        let answer_key = AnswerKey {
            key: "key".to_owned(),
            fingerprint: "print".to_owned(),
        };
        let caller = Caller {
            answer_key: Some(answer_key),
            ..Caller::named("test")
        };
        let first = world
            .saldo()
            .process_order_with_sync(form(&order(1, 1), 1), &caller)
            .await
            .unwrap();
        seconds(60).await;
        let before = world.remote.now_ms();
        let second = world
            .saldo()
            .process_order_with_sync(form(&order(1, 1), 1), &caller)
            .await
            .unwrap();
        assert_eq!(world.remote.now_ms(), before);
        assert_eq!((first.status, first.operation), (second.status, second.operation));
        assert_eq!(world.stock().await, 999_999);
    });
}
