//! Flags that are read back because an earlier one may still arrive.

use saldo_domain::operation::OperationStatus;
use saldo_domain::review::ReviewReason;

use crate::support::faults::{Reaction, account_not_found, not_acceptable, too_many_requests};
use crate::support::{Setup, World, hours, milliseconds, order, seconds, simulate};

#[test]
fn a_flag_that_could_not_be_read_back_was_sent_all_the_same() {
    for error in [too_many_requests(), not_acceptable(), account_not_found()] {
        simulate(async move {
            let world = World::begin(Setup {
                settings: crate::circuit::switched_off(),
                ..Setup::default()
            })
            .await;
            let key = order(1, 1);
            world
                .remote
                .faults(|faults| faults.script.push_back(Reaction::LoseReply));
            let deduction = world.post(&key).await.operation.unwrap().id;
            // The repeat is on its way, and will succeed, when the order is rolled back.
            world.remote.faults(|faults| faults.latency_ms = (2_000, 2_000));
            seconds(61).await;
            let refund = world.roll_back(deduction).await.unwrap();
            world.remote.faults(|faults| {
                faults.latency_ms = (20, 20);
                faults.reading = Some(error);
            });
            hours(4).await;
            assert!(!world.remote.flag(&key));
            let refund = refund.refund_operation_id.unwrap();
            assert_eq!(world.operation(refund).await.status, OperationStatus::Failed);
            assert!(world.reviews(ReviewReason::DeliveryFailed).await[0].is_open());
            world.remote.faults(|faults| faults.reading = None);
            // It is taken again: the service holds false, and must be told.
            world.roll_back(refund).await.unwrap();
            milliseconds(500).await;
            seconds(200).await;
            assert!(world.remote.flag(&key));
            world.assert_at_rest().await;
        });
    }
}
