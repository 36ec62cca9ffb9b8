//! Section 4, "Single lines".

use saldo_domain::operation::{OperationStatus, WaitingFor};
use saldo_domain::order::Standing;
use saldo_domain::review::{Resolution, ReviewReason};

use super::form::form;
use super::world::{World, other_account, single};

pub(super) async fn a_single_line_is_told_at_once_when_no_form_is_known(world: &mut World) {
    world.receive("A", 10).await;
    world.deduct("o1", "B", 1).await;
    world.deduct("o1", "A", 2).await;
    world.expect_balance("A", 8).await;
    world.deliver().await;
    world.expect_remote("o1", true);
}

pub(super) async fn the_same_again_is_a_duplicate(world: &mut World) {
    world.receive("A", 10).await;
    let first = world.deduct("o1", "A", 2).await;
    let again = world.deduct("o1", "A", 2).await;
    assert!(again.duplicate);
    assert_eq!(again.operation, first.operation);
    world.expect_balance("A", 8).await;
}

pub(super) async fn another_quantity_needs_a_line_id(world: &mut World) {
    world.receive("A", 10).await;
    world.deduct("o1", "A", 2).await;
    assert_eq!(
        world.refused(single("o1", None, "A", 3)).await,
        "line_item_id_required"
    );
    world.deduct_line("o1", "l2", "A", 3).await;
    world.expect_balance("A", 5).await;
}

pub(super) async fn a_form_moves_only_the_difference(world: &mut World) {
    world.receive("A", 10).await;
    world.deduct("o1", "A", 2).await;
    world.deduct_line("o1", "l2", "A", 1).await;
    world.post(form("o1").line("l1", "A", 3).line("l2", "A", 1)).await;
    world.expect_balance("A", 6).await;
    assert!(
        world
            .post(form("o1").line("l1", "A", 3).line("l2", "A", 1))
            .await
            .duplicate
    );
    assert!(world.deduct_line("o1", "l1", "A", 3).await.duplicate);
    world.expect_balance("A", 6).await;
}

pub(super) async fn a_form_with_less_gives_back(world: &mut World) {
    world.receive("A", 10).await;
    world.receive("B", 10).await;
    world.deduct("o1", "A", 5).await;
    world.deduct("o1", "B", 1).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.expect_balance("A", 8).await;
    world.expect_balance("B", 10).await;
}

pub(super) async fn a_waiting_single_line_is_covered_by_its_form(world: &mut World) {
    world.receive("A", 1).await;
    let waiting = world.deduct("o1", "A", 2).await;
    world.receive_only("A", 9).await;
    let posted = world.post(form("o1").line("l1", "A", 2)).await;
    assert_eq!(
        world.status(waiting.operation.unwrap()).await,
        OperationStatus::RolledBack
    );
    assert_eq!(posted.status, saldo_domain::decide::SyncStatus::Pending);
    world.expect_balance("A", 8).await;
    world.deliver().await;
    let again = world.post(form("o1").line("l1", "A", 2)).await;
    assert_eq!(again.status, saldo_domain::decide::SyncStatus::Completed);
}

pub(super) async fn a_waiting_single_line_is_not_forgotten_when_another_is_taken(world: &mut World) {
    world.receive("A", 10).await;
    world.deduct("o1", "B", 1).await;
    world.deduct("o1", "A", 2).await;
    world.expect_review("o1", ReviewReason::SkuUnknown).await;
    world.deliver().await;
    world.receive("B", 5).await;
    world.expect_balance("B", 4).await;
    world.expect_no_review("o1").await;
}

pub(super) async fn two_waiting_single_lines_are_both_served(world: &mut World) {
    world.receive("A", 1).await;
    world.receive("B", 1).await;
    world.deduct("o1", "A", 2).await;
    world.deduct("o1", "B", 2).await;
    world.receive("B", 1).await;
    world.expect_balance("B", 0).await;
    world.expect_review("o1", ReviewReason::InsufficientStock).await;
    world.receive("A", 1).await;
    world.expect_balance("A", 0).await;
    world.expect_no_review("o1").await;
}

pub(super) async fn a_flag_is_held_back_until_the_form_is_covered(world: &mut World) {
    world.receive("A", 2).await;
    world.post(form("o1").line("l1", "A", 2).line("l2", "B", 1)).await;
    let held = world.deduct_line("o1", "l1", "A", 2).await;
    world.expect_balance("A", 0).await;
    world.deliver().await;
    world.expect_remote("o1", false);
    let operation = world.operation(held.operation.unwrap()).await;
    assert_eq!(operation.waiting_for, Some(WaitingFor::Stock));
    world.receive("A", 9).await;
    world.receive("B", 5).await;
    world.expect_balance("A", 9).await;
    world.expect_balance("B", 4).await;
    world.deliver().await;
    world.expect_remote("o1", true);
}

pub(super) async fn a_held_back_flag_is_told_when_the_rest_is_called_off(world: &mut World) {
    world.receive("A", 2).await;
    world.post(form("o1").line("l1", "A", 2).line("l2", "B", 1)).await;
    world.deduct_line("o1", "l1", "A", 2).await;
    world
        .resolve("o1", ReviewReason::SkuUnknown, Resolution::Cancel)
        .await;
    world.deliver().await;
    world.expect_remote("o1", true);
    assert_eq!(world.standing("o1").await, Standing::Applied);
}

pub(super) async fn single_lines_that_cover_an_unpaid_form_are_told(world: &mut World) {
    world.receive("A", 10).await;
    world
        .post(form("o1").line("l1", "A", 2).line("l2", "A", 1).unpaid())
        .await;
    world.deduct_line("o1", "l1", "A", 2).await;
    world.deliver().await;
    world.expect_remote("o1", false);
    world.deduct_line("o1", "l2", "A", 1).await;
    world.deliver().await;
    world.expect_remote("o1", true);
    world
        .post(form("o1").line("l1", "A", 2).line("l2", "A", 1).revision("paid"))
        .await;
    world.expect_balance("A", 7).await;
}

pub(super) async fn rolling_back_after_the_form_came_restores_all(world: &mut World) {
    world.receive("A", 10).await;
    world.deduct("o1", "A", 2).await;
    world.deliver().await;
    let posted = world.post(form("o1").line("l1", "A", 2).line("l2", "A", 1)).await;
    world.expect_balance("A", 7).await;
    world.roll_back(posted.operation.unwrap()).await;
    world.expect_balance("A", 10).await;
    world.deliver().await;
    world.expect_remote("o1", false);
}

pub(super) async fn a_single_line_of_a_reviewed_order_is_not_taken(world: &mut World) {
    world.receive("A", 10).await;
    world.pull(form("o1").line("l1", "A", 2), true).await;
    world.deduct_line("o1", "l1", "A", 2).await;
    world.expect_balance("A", 10).await;
    world.expect_review("o1", ReviewReason::RemoteOnly).await;
}

pub(super) async fn a_line_held_by_another_form_is_refused(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    assert_eq!(
        world.refused(single("o2", Some("l1"), "A", 2)).await,
        "line_held_elsewhere"
    );
    assert_eq!(
        world.refused(single("o1", Some("l9"), "A", 2)).await,
        "line_not_in_order"
    );
    assert_eq!(
        world.refused(single("o1", Some("l1"), "A", 3)).await,
        "quantity_differs"
    );
    world.expect_balance("A", 8).await;
}

pub(super) async fn a_form_with_a_line_of_another_account_is_reviewed(world: &mut World) {
    world.receive("A", 10).await;
    world
        .post_for(other_account(), form("o9").line("l9", "A", 1))
        .await;
    world.deduct("o1", "A", 2).await;
    world.post(form("o1").line("l1", "A", 2).line("l9", "A", 1)).await;
    world.expect_review("o1", ReviewReason::OtherAccount).await;
    world.expect_balance("A", 7).await;
    assert_eq!(world.taken("o1").await, 2);
}

pub(super) async fn a_line_of_another_account_is_put_before_a_person(world: &mut World) {
    world.receive("A", 10).await;
    world
        .post_for(other_account(), form("o9").line("l9", "A", 1))
        .await;
    world.deduct_line("o1", "l9", "A", 1).await;
    world.expect_review("o1", ReviewReason::OtherAccount).await;
    world.deduct("o1", "A", 2).await;
    world.try_again("o1").await;
    world.expect_review("o1", ReviewReason::OtherAccount).await;
    world.expect_balance("A", 7).await;
}

pub(super) async fn a_form_that_covers_none_of_its_single_lines_is_told_when_it_is_called_off(
    world: &mut World,
) {
    world.receive("A", 10).await;
    world.receive("B", 10).await;
    for (order, line) in [("o1", "l1"), ("o2", "l2")] {
        world.deduct(order, "B", 1).await;
        world.deliver().await;
        world.expect_remote(order, true);
        world.post(form(order).line(line, "A", 2).unpaid()).await;
        world.expect_balance("B", 10).await;
    }
    world
        .post(form("o1").line("l1", "A", 2).cancelled().revision("second"))
        .await;
    let theirs = form("o2").line("l2", "A", 2).unpaid().fulfilled_by_allegro();
    world.post(theirs.revision("second")).await;
    world.deliver().await;
    world.expect_remote("o1", false);
    world.expect_remote("o2", false);
}
