//! A graceful stop, and the start after it.

use saldo_domain::operation::OperationStatus;

use crate::support::faults::Mode;
use crate::support::{Setup, World, milliseconds, seconds, simulate};

#[test]
fn a_stop_lets_calls_end_begins_none_and_loses_nothing() {
    simulate(async {
        let mut world = World::begin(Setup::default()).await;
        world.remote.faults(|faults| faults.latency_ms = (4_000, 4_000));
        world.post_many(1, 100).await;
        world.post_many(2, 100).await;
        milliseconds(1_000).await;
        let stopped_at = world.remote.now_ms();
        world.stop().await;
        assert!(world.remote.now_ms() - stopped_at <= 25_000);
        let history = world.remote.history();
        assert!(
            history
                .0
                .iter()
                .all(|call| call.began_ms <= stopped_at && call.ended_ms.is_some())
        );
        let sent = history.flags().count();
        assert!(sent > 0);
        assert_eq!(world.count(OperationStatus::Completed), sent);
        assert_eq!(world.count(OperationStatus::Pending), 200 - sent);
        assert!(
            world
                .ledger
                .dump()
                .operations
                .values()
                .all(|operation| operation.retry_count == 0)
        );
        seconds(600).await;
        assert_eq!(world.remote.history(), history);
        world.assert_safe().await;

        world.start();
        seconds(60).await;
        assert_eq!(world.count(OperationStatus::Completed), 200);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_stop_is_quick_and_asks_nothing_more_whatever_the_service_does() {
    for mode in [
        Mode::Refuses,
        Mode::CredentialsRefused,
        Mode::OutOfConnections,
        Mode::FlagsFail,
    ] {
        for after_ms in (0..70_000).step_by(3_700) {
            simulate(async move {
                let mut world = World::begin(Setup::default()).await;
                world.set_mode(mode);
                world.remote.faults(|faults| faults.latency_ms = (900, 900));
                world.post_many(1, 10).await;
                milliseconds(after_ms).await;
                let stopped_at = world.remote.now_ms();
                world.stop().await;
                let history = world.remote.history();
                let late = history.flags().filter(|call| call.began_ms > stopped_at).count();
                assert_eq!(late, 0, "{mode:?} {after_ms}");
                assert!(world.remote.now_ms() - stopped_at <= 4_000, "{mode:?} {after_ms}");
                seconds(300).await;
                assert_eq!(world.remote.history(), history, "{mode:?} {after_ms}");
                world.assert_safe().await;
            });
        }
    }
}

#[test]
fn what_a_crash_left_under_delivery_is_taken_up_when_its_lease_ends() {
    simulate(async {
        let mut world = World::without_engine(Setup::default()).await;
        world.post_many(1, 5).await;
        let due = saldo_domain::view::DueRequest {
            now: world.now(),
            after_account: None,
            excluded: Vec::new(),
            only: None,
            per_account_max: 5,
            count_max: 5,
        };
        let claim = saldo_domain::decide::ClaimRequest {
            orders: saldo_domain::decide::ClaimOrders::Due(due),
        };
        let request = world.request(saldo_domain::decide::Command::Claim(claim));
        saldo_store::Store::execute(world.ledger.as_ref(), request)
            .await
            .unwrap();
        assert_eq!(world.count(OperationStatus::Processing), 5);
        world.start();
        seconds(40).await;
        assert_eq!(world.count(OperationStatus::Processing), 5);
        seconds(20).await;
        assert_eq!(world.count(OperationStatus::Completed), 5);
        seconds(100).await;
        world.assert_at_rest().await;
    });
}
