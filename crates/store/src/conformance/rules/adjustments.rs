//! Section 6, "Adjustment": receipts, counts and transfers.

use saldo_domain::decide::{Command, Transfer};
use saldo_domain::operation::{OperationStatus, OperationType};
use saldo_domain::review::ReviewReason;

use super::form::form;
use super::world::{World, policy, roll_back, sku, warehouse};

pub(super) async fn a_receipt_grows_a_balance(world: &mut World) {
    let receipt = world.receive_only("A", 10).await;
    world.expect_balance("A", 10).await;
    let operation = world.operation(receipt).await;
    assert_eq!(operation.operation_type, OperationType::Adjustment);
    assert_eq!(operation.status, OperationStatus::Completed);
    assert!(world.claim().await.is_empty());
}

pub(super) async fn a_count_sets_a_balance(world: &mut World) {
    world.receive("A", 10).await;
    assert!(world.count("A", 7).await.is_some());
    world.expect_balance("A", 7).await;
    assert!(world.count("A", 7).await.is_none());
    assert!(world.count("A", 9).await.is_some());
    world.expect_balance("A", 9).await;
}

pub(super) async fn a_first_count_of_zero_makes_a_sku_known(world: &mut World) {
    assert!(world.count("A", 0).await.is_some());
    world.expect_balance("A", 0).await;
    world.post(form("o1").line("l1", "A", 1)).await;
    world.expect_review("o1", ReviewReason::InsufficientStock).await;
}

pub(super) async fn a_transfer_moves_between_warehouses(world: &mut World) {
    world.receive("A", 10).await;
    let transfer = world.transfer("A", "other", 4).await;
    world.expect_balance("A", 6).await;
    world.roll_back(transfer).await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_transfer_of_more_than_is_there_is_refused(world: &mut World) {
    world.receive("A", 3).await;
    let transfer = |to: &str, quantity| {
        Command::Transfer(Transfer {
            sku: sku("A"),
            from: policy().default_warehouse,
            to: warehouse(to),
            quantity,
        })
    };
    assert_eq!(world.refused(transfer("other", 4)).await, "insufficient_stock");
    assert_eq!(world.refused(transfer("Ирина", 1)).await, "same_warehouse");
    world.expect_balance("A", 3).await;
}

pub(super) async fn undoing_a_receipt_twice_is_the_same_as_once(world: &mut World) {
    world.receive("A", 3).await;
    let receipt = world.receive_only("A", 4).await;
    let first = world.roll_back(receipt).await;
    let second = world.roll_back(receipt).await;
    assert_eq!(first.undone_by, second.undone_by);
    assert_eq!(first.restored, second.restored);
    world.expect_balance("A", 3).await;
}

pub(super) async fn undoing_a_receipt_that_was_sold_is_refused(world: &mut World) {
    let receipt = world.receive_only("A", 4).await;
    world.post(form("o1").line("l1", "A", 1)).await;
    assert_eq!(
        world.refused(roll_back(receipt, false)).await,
        "insufficient_stock"
    );
    world.expect_balance("A", 3).await;
}
