//! The table of section 4, row by row.

use saldo_domain::decide::SyncStatus;
use saldo_domain::form::{FormStatus, Source};
use saldo_domain::operation::{OperationStatus, WaitingFor};
use saldo_domain::order::Standing;
use saldo_domain::review::ReviewReason;

use super::form::form;
use super::world::{World, key, other_account};

pub(super) async fn ready_and_unknown_is_deducted(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(form("o1").line("l1", "A", 2)).await;
    assert_eq!((posted.status, posted.duplicate), (SyncStatus::Pending, false));
    assert_eq!(posted.deliver, Some(key("o1")));
    world.expect_balance("A", 8).await;
    world.deliver().await;
    world.expect_remote("o1", true);
    assert_eq!(
        world.status(posted.operation.unwrap()).await,
        OperationStatus::Completed
    );
}

pub(super) async fn ready_and_deducted_answers_with_the_first_operation(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(form("o1").line("l1", "A", 2)).await;
    world.deliver().await;
    let again = world.post(form("o1").line("l1", "A", 2)).await;
    assert_eq!((again.status, again.duplicate), (SyncStatus::Completed, true));
    assert_eq!(again.operation, posted.operation);
    world.expect_balance("A", 8).await;
    assert_eq!(world.sent.len(), 1);
}

pub(super) async fn a_newer_copy_of_a_deducted_order_moves_the_difference(world: &mut World) {
    world.receive("A", 10).await;
    let first = world.post(form("o1").line("l1", "A", 2)).await;
    let more = world.post(form("o1").line("l1", "A", 5).revision("second")).await;
    assert!(!more.duplicate);
    assert_ne!(more.operation, first.operation);
    world.expect_balance("A", 5).await;
    world.post(form("o1").line("l1", "A", 1).revision("third")).await;
    world.expect_balance("A", 9).await;
    world.deliver().await;
    world.expect_remote("o1", true);
}

pub(super) async fn an_unpaid_order_is_remembered_and_waits(world: &mut World) {
    world.receive("A", 10).await;
    for status in [FormStatus::Bought, FormStatus::FilledIn] {
        let posted = world.post(form("o1").line("l1", "A", 2).status(status)).await;
        assert_eq!(posted.status, SyncStatus::Pending);
        let operation = world.operation(posted.operation.unwrap()).await;
        assert_eq!(operation.waiting_for, Some(WaitingFor::Payment));
    }
    world.expect_balance("A", 10).await;
    world.post(form("o1").line("l1", "A", 2).revision("paid")).await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn an_unpaid_copy_of_a_deducted_order_does_nothing(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    let late = form("o1").line("l1", "A", 5).revision("posted late").unpaid();
    assert!(world.post(late).await.duplicate);
    world.expect_balance("A", 8).await;
}

pub(super) async fn an_unpaid_order_is_deducted_where_that_is_configured(world: &mut World) {
    world
        .change_policy(|policy| policy.deduct_when_bought = true)
        .await;
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2).unpaid()).await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn a_cancelled_unknown_order_is_recorded_as_skipped(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(form("o1").line("l1", "A", 2).cancelled()).await;
    assert_eq!(posted.status, SyncStatus::Skipped);
    assert_eq!(posted.error.as_deref(), Some("cancelled"));
    let by_seller = world
        .post(form("o2").line("l2", "A", 2).cancelled_by_seller())
        .await;
    assert_eq!(by_seller.status, SyncStatus::Skipped);
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_cancelled_deducted_order_is_refunded(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.refund("o1", "A", 1).await;
    world.deliver().await;
    let listed = form("o1").line("l1", "A", 2).cancelled().from(Source::Listed);
    world.post(listed).await;
    world.expect_balance("A", 10).await;
    world.deliver().await;
    world.expect_remote("o1", false);
}

pub(super) async fn a_cancelled_shipped_order_is_reviewed(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    // Shipped in any copy ever seen, not only in the cancelled one.
    world
        .post(form("o1").line("l1", "A", 2).shipped().from(Source::Listed))
        .await;
    world
        .post(form("o1").line("l1", "A", 2).cancelled().revision("second"))
        .await;
    world
        .expect_review("o1", ReviewReason::CancelledAfterShipment)
        .await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn a_remote_true_flag_is_reviewed_and_not_deducted(world: &mut World) {
    world.receive("A", 10).await;
    let pulled = world
        .pull(form("o1").line("l1", "A", 2).from(Source::Listed), true)
        .await;
    assert_eq!(pulled.status, SyncStatus::Pending);
    let review = world.expect_review("o1", ReviewReason::RemoteOnly).await;
    assert_eq!(pulled.review, Some(review.id));
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_remote_true_flag_of_a_waiting_order_is_reviewed_and_not_deducted(world: &mut World) {
    world.receive("A", 1).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.post(form("o2").line("l2", "A", 2).unpaid()).await;
    world.receive_only("A", 10).await;
    world
        .pull(form("o1").line("l1", "A", 2).from(Source::Listed), true)
        .await;
    world
        .pull(form("o2").line("l2", "A", 2).from(Source::Listed), true)
        .await;
    world.expect_review("o1", ReviewReason::RemoteOnly).await;
    world.expect_review("o2", ReviewReason::RemoteOnly).await;
    world.expect_balance("A", 11).await;
}

pub(super) async fn a_remote_true_flag_of_a_deducted_order_does_nothing(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.deliver().await;
    let pulled = world
        .pull(form("o1").line("l1", "A", 2).from(Source::Listed), true)
        .await;
    assert!(pulled.duplicate);
    world.expect_no_review("o1").await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn goods_of_allegro_are_skipped(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world
        .post(form("o1").line("l1", "A", 2).fulfilled_by_allegro())
        .await;
    assert_eq!(posted.status, SyncStatus::Skipped);
    assert_eq!(posted.error.as_deref(), Some("fulfilled_by_allegro"));
    world.post(form("o1").line("l1", "A", 2).revision("second")).await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn goods_of_allegro_that_say_so_late_are_skipped(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2).unpaid()).await;
    let paid = form("o1")
        .line("l1", "A", 2)
        .revision("paid")
        .fulfilled_by_allegro();
    assert_eq!(world.post(paid).await.status, SyncStatus::Skipped);
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_line_of_another_account_is_reviewed(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    let foreign = form("o2").line("l1", "A", 2).line("l2", "A", 1);
    let posted = world.post_for(other_account(), foreign).await;
    let review = world.review(posted.review.unwrap()).await;
    assert_eq!(review.reason, ReviewReason::OtherAccount);
    world.expect_balance("A", 8).await;
}

pub(super) async fn one_order_id_of_two_accounts_is_two_orders(world: &mut World) {
    world.receive("A", 10).await;
    let ours = world.post(form("o1").line("l1", "A", 2)).await;
    let theirs = world
        .post_for(other_account(), form("o1").line("l2", "A", 3))
        .await;
    assert!(!theirs.duplicate);
    assert_ne!(theirs.operation, ours.operation);
    world.expect_balance("A", 5).await;
    world.deliver().await;
    // What becomes of the one is none of the other's business.
    world.post(form("o1").line("l1", "A", 2).cancelled()).await;
    world.expect_balance("A", 7).await;
    let again = world
        .post_for(other_account(), form("o1").line("l2", "A", 3))
        .await;
    assert_eq!((again.duplicate, again.operation), (true, theirs.operation));
}

pub(super) async fn returned_never_restocks_by_itself(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world
        .post(form("o1").line("l1", "A", 2).returned().revision("second"))
        .await;
    world.expect_review("o1", ReviewReason::Returned).await;
    world.expect_balance("A", 8).await;
    assert_eq!(world.standing("o1").await, Standing::Applied);
}
