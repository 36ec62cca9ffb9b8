//! Section 4, "Known is not unknown".

use saldo_domain::decide::SyncStatus;
use saldo_domain::form::Source;
use saldo_domain::review::{Resolution, ReviewReason};

use super::form::{Form, form};
use super::world::{World, other_account};

fn order() -> Form {
    form("o1").line("l1", "A", 2)
}

/// A repeat, a newer copy and a poll, none of which deducts.
async fn comes_again(world: &mut World, status: SyncStatus) {
    assert_eq!(world.post(order()).await.status, status);
    world.post(order().revision("second")).await;
    world
        .post(form("o1").line("l1", "A", 5).revision("third").updated(9))
        .await;
    world.pull(order().from(Source::Listed), false).await;
    world.try_again("o1").await;
    world.deduct_line("o1", "l1", "A", 2).await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_rolled_back_order_is_not_deducted_again(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.roll_back(posted.operation.unwrap()).await;
    comes_again(world, SyncStatus::RolledBack).await;
}

pub(super) async fn a_refunded_order_is_not_deducted_again(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.deliver().await;
    world.refund("o1", "A", 2).await;
    comes_again(world, SyncStatus::Completed).await;
}

pub(super) async fn a_cancelled_order_is_not_deducted_again(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.post(order().cancelled()).await;
    comes_again(world, SyncStatus::Skipped).await;
}

pub(super) async fn a_person_can_force_it(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.roll_back(posted.operation.unwrap()).await;
    world.deliver().await;
    let forced = world.post_forced(order()).await;
    assert!(!forced.duplicate);
    world.expect_balance("A", 8).await;
    world.deliver().await;
    world.expect_remote("o1", true);
    // Forced twice is deducted once.
    world.post_forced(order()).await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn a_seller_s_cancellation_taken_back_is_reviewed(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.post(order().cancelled_by_seller().revision("second")).await;
    world.expect_balance("A", 10).await;
    world.post(order().revision("third")).await;
    world.expect_review("o1", ReviewReason::Reopened).await;
    world.expect_balance("A", 10).await;
    // Cancelled once more: there is nothing left to ask.
    world.post(order().cancelled_by_seller().revision("fourth")).await;
    world.expect_no_review("o1").await;
    // The buyer's own cancellation is final.
    world.post(order().cancelled().revision("fifth")).await;
    world.post(order().revision("sixth")).await;
    world.expect_no_review("o1").await;
}

pub(super) async fn a_forced_reopened_order_is_not_refunded_by_the_old_copy(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.post(order().cancelled_by_seller().revision("second")).await;
    world.post(order().revision("third")).await;
    world
        .resolve("o1", ReviewReason::Reopened, Resolution::Force)
        .await;
    world.expect_balance("A", 8).await;
    let frozen = order()
        .cancelled_by_seller()
        .revision("second")
        .from(Source::Listed);
    world.post(frozen).await;
    world.expect_balance("A", 8).await;
    world.post(order().cancelled_by_seller().revision("fourth")).await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn trying_an_unpaid_order_again_does_not_deduct_it(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order().unpaid()).await;
    world.try_again("o1").await;
    world.retry(posted.operation.unwrap()).await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn trying_again_a_remote_only_order_does_not_deduct_it(world: &mut World) {
    world.receive("A", 10).await;
    let pulled = world.pull(order(), true).await;
    world.try_again("o1").await;
    world.retry(pulled.operation.unwrap()).await;
    world.receive("A", 1).await;
    world.post(order()).await;
    world.expect_balance("A", 11).await;
}

pub(super) async fn trying_again_an_order_of_two_accounts_does_not_deduct_it(world: &mut World) {
    world.receive("A", 10).await;
    world
        .post_for(other_account(), form("o9").line("l9", "A", 1))
        .await;
    world.post(form("o1").line("l9", "A", 1).line("l1", "A", 2)).await;
    world.try_again("o1").await;
    world.receive("A", 1).await;
    world.expect_balance("A", 10).await;
    world.expect_review("o1", ReviewReason::OtherAccount).await;
}

pub(super) async fn a_line_that_went_away_stays_known_when_the_order_is_forced(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(form("o1").line("l1", "A", 2).line("l2", "A", 3)).await;
    world.roll_back(posted.operation.unwrap()).await;
    world.post_forced(order().revision("second")).await;
    world.expect_balance("A", 8).await;
    let lines = world.file("o1").await.order.lines;
    let gone = lines.iter().find(|line| line.id.as_str() == "l2").unwrap();
    assert_eq!((gone.quantity, gone.taken()), (0, 0));
    // Nobody else can take it for a line that was never taken.
    world
        .post_for(other_account(), form("o9").line("l2", "A", 3))
        .await;
    world.expect_balance("A", 8).await;
    // The list that agrees with the newest copy is no difference.
    world.pull(order().revision("second").listed(), true).await;
    world.expect_no_review("o1").await;
}
