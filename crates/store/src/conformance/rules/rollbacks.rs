//! Section 6, "Rollback".

use saldo_domain::delivery::Outcome as Attempt;
use saldo_domain::operation::OperationStatus;
use saldo_domain::order::Standing;
use saldo_domain::review::ReviewReason;

use super::form::{Form, form};
use super::world::{World, failure, roll_back};

fn order() -> Form {
    form("o1").line("l1", "A", 5)
}

pub(super) async fn restores_what_is_still_taken(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.deliver().await;
    world.refund("o1", "A", 2).await;
    let undone = world.roll_back(posted.operation.unwrap()).await;
    assert_eq!(undone.restored[0].quantity, 3);
    assert!(undone.owed);
    world.expect_balance("A", 10).await;
    assert_eq!(
        world.status(posted.operation.unwrap()).await,
        OperationStatus::RolledBack
    );
    world.deliver().await;
    world.expect_remote("o1", false);
}

pub(super) async fn twice_is_the_same_as_once(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    let first = world.roll_back(posted.operation.unwrap()).await;
    let second = world.roll_back(posted.operation.unwrap()).await;
    assert_eq!(first.undone_by, second.undone_by);
    assert_eq!(first.restored, second.restored);
    world.expect_balance("A", 10).await;
}

pub(super) async fn before_anything_was_applied_it_only_cancels(world: &mut World) {
    world.receive("A", 1).await;
    let posted = world.post(order()).await;
    let undone = world.roll_back(posted.operation.unwrap()).await;
    assert_eq!((undone.undone_by, undone.owed), (None, false));
    world.expect_no_review("o1").await;
    world.receive("A", 9).await;
    world.post(order()).await;
    world.expect_balance("A", 10).await;
    assert_eq!(world.standing("o1").await, Standing::GivenBack);
    assert!(world.sent.is_empty());
}

pub(super) async fn while_processing_the_new_level_follows(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    let claim = world.claim_one().await;
    let undone = world.roll_back(posted.operation.unwrap()).await;
    assert_eq!(undone.deliver, None);
    assert_eq!(
        world.status(posted.operation.unwrap()).await,
        OperationStatus::RolledBack
    );
    // The call is still on its way: nothing else is sent until it has ended.
    assert!(world.claim().await.is_empty());
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
    world.expect_remote("o1", true);
    world.deliver().await;
    world.expect_remote("o1", false);
    // A refusal of the old flag is no question for a person once another follows.
    let second = world.post(form("o2").line("l2", "A", 1)).await;
    let claim = world.claim_one().await;
    world.roll_back(second.operation.unwrap()).await;
    world.settle(&claim, Attempt::Permanent(failure("refused"))).await;
    world.expect_no_review("o2").await;
}

pub(super) async fn shipped_goods_need_force(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order().shipped()).await;
    assert_eq!(
        world.refused(roll_back(posted.operation.unwrap(), false)).await,
        "shipped"
    );
    world.roll_back_forced(posted.operation.unwrap()).await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn undoing_a_refund_takes_again(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.deliver().await;
    let refund = world.refund("o1", "A", 5).await;
    world.deliver().await;
    world.roll_back(refund.operation.unwrap()).await;
    world.expect_balance("A", 5).await;
    world.deliver().await;
    world.expect_remote("o1", true);
    assert_eq!(world.standing("o1").await, Standing::Applied);
}

pub(super) async fn undoing_a_refund_needs_stock_for_all_lines_of_a_sku(world: &mut World) {
    world.receive("A", 5).await;
    world.post(form("o1").line("l1", "A", 3).line("l2", "A", 2)).await;
    let refund = world.refund("o1", "A", 5).await;
    world.post(form("o2").line("l3", "A", 1)).await;
    assert_eq!(
        world.refused(roll_back(refund.operation.unwrap(), false)).await,
        "insufficient_stock",
        "each line alone would find enough"
    );
    world.expect_balance("A", 4).await;
}

pub(super) async fn undoing_a_refund_without_stock_is_refused(world: &mut World) {
    world.receive("A", 5).await;
    world.post(order()).await;
    let refund = world.refund("o1", "A", 5).await;
    world.post(form("o2").line("l2", "A", 4)).await;
    assert_eq!(
        world.refused(roll_back(refund.operation.unwrap(), false)).await,
        "insufficient_stock"
    );
    world.expect_balance("A", 1).await;
}

pub(super) async fn a_rolled_back_order_calls_its_waiting_difference_off(world: &mut World) {
    world.receive("A", 5).await;
    let posted = world.post(order()).await;
    world.deliver().await;
    world.post(form("o1").line("l1", "A", 9).revision("second")).await;
    world.roll_back(posted.operation.unwrap()).await;
    world.expect_no_review("o1").await;
    world.deliver().await;
    world.expect_remote("o1", false);
    world.receive("A", 10).await;
    world.expect_balance("A", 15).await;
    assert_eq!(world.standing("o1").await, Standing::GivenBack);
}

pub(super) async fn rolling_back_one_of_two_failed_operations_keeps_the_question(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    let refund = world.refund("o1", "A", 1).await;
    world.attempt(Attempt::Permanent(failure("refused"))).await;
    world.roll_back(refund.operation.unwrap()).await;
    assert_eq!(
        world.status(posted.operation.unwrap()).await,
        OperationStatus::Failed
    );
    world.expect_review("o1", ReviewReason::DeliveryFailed).await;
    world.expect_balance("A", 5).await;
    world.deliver().await;
    world.expect_no_review("o1").await;
}

pub(super) async fn after_a_lost_refund_the_flag_is_sent_again(world: &mut World) {
    world.change_policy(|policy| policy.retry.max_retries = 0).await;
    world.receive("A", 10).await;
    world.post(order()).await;
    world.deliver().await;
    let refund = world.refund("o1", "A", 5).await;
    let claim = world.claim_one().await;
    // It arrives, and nobody hears of it; all retries are used up.
    world.arrive(&claim);
    world
        .settle(&claim, Attempt::Unknown(failure("the reply was lost")))
        .await;
    world.expect_remote("o1", false);
    world.roll_back(refund.operation.unwrap()).await;
    world.settle_down().await;
    world.expect_remote("o1", true);
}

pub(super) async fn a_refund_undone_takes_no_more_than_the_order_says_now(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    let refunded = world.refund("o1", "A", 3).await;
    world.post(form("o1").line("l1", "A", 1).revision("second")).await;
    assert_eq!(world.taken("o1").await, 0);
    world.roll_back(refunded.operation.unwrap()).await;
    assert_eq!(world.taken("o1").await, 1);
    world.expect_balance("A", 9).await;
}

pub(super) async fn a_refund_undone_while_its_call_is_under_way_is_not_completed_yet(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.deliver().await;
    let refunded = world.refund("o1", "A", 5).await;
    let claim = world.claim_one().await;
    let undone = world.roll_back(refunded.operation.unwrap()).await;
    let status = world.status(undone.undone_by.unwrap()).await;
    assert_eq!(status, OperationStatus::Pending);
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
    world.settle_down().await;
    world.expect_remote("o1", true);
}
