//! Section 4, "Newer", and the difference that a newer copy makes.

use saldo_domain::form::Source;
use saldo_domain::operation::WaitingFor;
use saldo_domain::review::{Resolution, ReviewReason};

use super::form::form;
use super::world::{World, other_account};

pub(super) async fn a_revision_seen_before_is_never_newer(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2).updated(1)).await;
    world
        .post(form("o1").line("l1", "A", 3).revision("second").updated(2))
        .await;
    // Old news again, whatever time it carries.
    world.post(form("o1").line("l1", "A", 2).updated(3)).await;
    world.expect_balance("A", 7).await;
}

pub(super) async fn a_posted_copy_with_an_unseen_revision_is_newer(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2).updated(5)).await;
    world
        .post(form("o1").line("l1", "A", 3).revision("second").updated(5))
        .await;
    world.expect_balance("A", 7).await;
    // Without a revision only a later time makes it newer.
    world
        .post(form("o1").line("l1", "A", 4).without_revision().updated(5))
        .await;
    world.expect_balance("A", 7).await;
    world
        .post(form("o1").line("l1", "A", 4).without_revision().updated(6))
        .await;
    world.expect_balance("A", 6).await;
}

pub(super) async fn a_live_copy_is_newer_when_updated_later(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2).updated(1)).await;
    let live = |revision: &str, second| {
        form("o1")
            .line("l1", "A", 3)
            .revision(revision)
            .updated(second)
            .from(Source::Live)
    };
    world.post(live("second", 1)).await;
    world.expect_balance("A", 8).await;
    world.post(live("third", 2)).await;
    world.expect_balance("A", 7).await;
}

pub(super) async fn a_copy_from_the_list_never_changes_quantities(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2).updated(1)).await;
    for source in [Source::Listed, Source::Searched] {
        let listed = form("o1")
            .line("l1", "A", 4)
            .revision("second")
            .updated(2)
            .from(source);
        world.post(listed).await;
        world.expect_review("o1", ReviewReason::QuantityMismatch).await;
        world.expect_balance("A", 8).await;
    }
    // It closes itself once both sides agree.
    world
        .post(form("o1").line("l1", "A", 4).revision("third").updated(3))
        .await;
    world.expect_no_review("o1").await;
    world.expect_balance("A", 6).await;
}

pub(super) async fn a_line_that_went_away_comes_back_and_stays_away(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2).line("l2", "A", 3)).await;
    let without = form("o1").line("l1", "A", 2).revision("second");
    world.post(without.clone()).await;
    world.expect_balance("A", 8).await;
    // The same lines from the list agree with what is kept.
    assert!(world.post(without.from(Source::Listed)).await.duplicate);
    world.expect_no_review("o1").await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn lines_that_came_and_went_move_both_ways(world: &mut World) {
    world.receive("A", 10).await;
    world.receive("B", 10).await;
    world.post(form("o1").line("l1", "A", 2).line("l2", "A", 1)).await;
    world
        .post(
            form("o1")
                .line("l1", "A", 4)
                .line("l3", "B", 5)
                .revision("second"),
        )
        .await;
    world.expect_balance("A", 6).await;
    world.expect_balance("B", 5).await;
    assert_eq!(world.taken("o1").await, 9);
}

pub(super) async fn a_larger_quantity_waits_for_stock_whole(world: &mut World) {
    world.receive("A", 3).await;
    world.post(form("o1").line("l1", "A", 2).line("l2", "A", 1)).await;
    let more = world.post(form("o1").line("l1", "A", 4).revision("second")).await;
    let operation = world.operation(more.operation.unwrap()).await;
    assert_eq!(operation.waiting_for, Some(WaitingFor::Stock));
    world.expect_balance("A", 0).await;
    world.deliver().await;
    world.expect_remote("o1", true);
    world.receive("A", 5).await;
    world.expect_balance("A", 4).await;
    assert_eq!(world.taken("o1").await, 4);
}

pub(super) async fn a_newer_copy_of_a_waiting_difference_replaces_it(world: &mut World) {
    world.receive("A", 2).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.post(form("o1").line("l1", "A", 9).revision("second")).await;
    world.expect_review("o1", ReviewReason::InsufficientStock).await;
    // The buyer wants fewer after all: nothing is short any more.
    world.post(form("o1").line("l1", "A", 1).revision("third")).await;
    world.expect_no_review("o1").await;
    world.expect_balance("A", 1).await;
    world.receive("A", 20).await;
    world.expect_balance("A", 21).await;
    // Back to more, and that waits and comes.
    world
        .post(form("o1").line("l1", "A", 30).revision("fourth"))
        .await;
    world
        .post(
            form("o1")
                .line("l1", "A", 25)
                .line("l2", "A", 1)
                .revision("fifth"),
        )
        .await;
    world.receive("A", 20).await;
    assert_eq!(world.taken("o1").await, 26);
}

pub(super) async fn a_partial_refund_stays_through_a_newer_copy(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 5)).await;
    world.refund("o1", "A", 2).await;
    world.post(form("o1").line("l1", "A", 6).revision("second")).await;
    assert_eq!(world.taken("o1").await, 4);
    world.post(form("o1").line("l1", "A", 1).revision("third")).await;
    assert_eq!(world.taken("o1").await, 0);
}

pub(super) async fn a_partial_refund_stays_while_a_difference_waits(world: &mut World) {
    world.receive("A", 5).await;
    world.post(form("o1").line("l1", "A", 5)).await;
    world.refund("o1", "A", 2).await;
    world.post(form("o1").line("l1", "A", 8).revision("second")).await;
    world.receive("A", 10).await;
    assert_eq!(world.taken("o1").await, 6);
    world.expect_balance("A", 9).await;
}

pub(super) async fn a_shipped_order_is_not_changed_by_a_copy(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2).shipped()).await;
    world.post(form("o1").line("l1", "A", 1).revision("second")).await;
    world.expect_review("o1", ReviewReason::QuantityMismatch).await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn a_newer_copy_with_a_line_of_another_account_is_reviewed(world: &mut World) {
    world.receive("A", 10).await;
    world
        .post_for(other_account(), form("o9").line("l9", "A", 1))
        .await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world
        .post(
            form("o1")
                .line("l1", "A", 3)
                .line("l9", "A", 1)
                .revision("second"),
        )
        .await;
    world.expect_review("o1", ReviewReason::OtherAccount).await;
    world.expect_balance("A", 7).await;
    world
        .resolve("o1", ReviewReason::OtherAccount, Resolution::Accept)
        .await;
    world.expect_no_review("o1").await;
    world.expect_balance("A", 7).await;
    assert_eq!(world.taken("o1").await, 2);
}

pub(super) async fn a_newer_copy_of_a_waiting_order_replaces_its_lines(world: &mut World) {
    world.receive("A", 3).await;
    world.post(form("o1").line("l1", "A", 5)).await;
    world
        .post(
            form("o1")
                .line("l1", "A", 2)
                .line("l2", "A", 1)
                .revision("second"),
        )
        .await;
    world.expect_balance("A", 0).await;
    world.post(form("o2").line("l3", "A", 5).unpaid()).await;
    world
        .post(form("o2").line("l3", "A", 4).unpaid().revision("second"))
        .await;
    world.receive("A", 4).await;
    world.post(form("o2").line("l3", "A", 4).revision("third")).await;
    world.expect_balance("A", 0).await;
    assert_eq!(world.taken("o2").await, 4);
}

pub(super) async fn a_newer_copy_of_a_waiting_order_with_a_line_of_another_account_is_reviewed(
    world: &mut World,
) {
    world.receive("A", 1).await;
    world
        .post_for(other_account(), form("o9").line("l9", "A", 1))
        .await;
    world.post(form("o1").line("l1", "A", 2)).await;
    let newer = form("o1")
        .line("l1", "A", 3)
        .line("l9", "A", 1)
        .revision("second");
    world.post(newer).await;
    world.expect_review("o1", ReviewReason::OtherAccount).await;
    assert!(
        world
            .open_review("o1", ReviewReason::InsufficientStock)
            .await
            .is_none()
    );
    // Nothing is taken on the word of a copy that is in question.
    world.receive("A", 10).await;
    world.expect_balance("A", 10).await;
    world.post(form("o2").line("l2", "A", 2).unpaid()).await;
    let unpaid = form("o2").line("l2", "A", 2).line("l9", "A", 1).unpaid();
    world.post(unpaid.revision("second")).await;
    world.expect_review("o2", ReviewReason::OtherAccount).await;
    world
        .resolve("o2", ReviewReason::OtherAccount, Resolution::Cancel)
        .await;
    world.expect_balance("A", 10).await;
    // The other account's order lets its line go, in a newer copy: then the question can be tried again.
    let without = form("o9").line("l8", "A", 1).revision("second");
    world.post_for(other_account(), without).await;
    world
        .resolve("o1", ReviewReason::OtherAccount, Resolution::Accept)
        .await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_newer_copy_of_a_waiting_difference_with_a_line_of_another_account_is_reviewed(
    world: &mut World,
) {
    world.receive("A", 3).await;
    world
        .post_for(other_account(), form("o9").line("l9", "A", 1))
        .await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.post(form("o1").line("l1", "A", 4).revision("second")).await;
    let newer = form("o1").line("l1", "A", 5).line("l9", "A", 1).revision("third");
    world.post(newer).await;
    world.expect_review("o1", ReviewReason::OtherAccount).await;
    world.receive("A", 10).await;
    assert_eq!(world.taken("o1").await, 2);
    world
        .resolve("o1", ReviewReason::OtherAccount, Resolution::Accept)
        .await;
    assert_eq!(world.taken("o1").await, 2);
    world.expect_no_review("o1").await;
}

pub(super) async fn a_line_that_went_away_while_a_difference_waits_still_comes_back(world: &mut World) {
    world.receive("A", 3).await;
    world.post(form("o1").line("l1", "A", 1).line("l2", "A", 2)).await;
    world.post(form("o1").line("l1", "A", 4).revision("second")).await;
    world.expect_review("o1", ReviewReason::InsufficientStock).await;
    world.post(form("o1").line("l1", "A", 1).revision("third")).await;
    world.expect_balance("A", 2).await;
    assert_eq!(world.taken("o1").await, 1);
    // Also one whose growth was still waited for.
    world
        .post(
            form("o1")
                .line("l1", "A", 1)
                .line("l3", "A", 1)
                .revision("fourth"),
        )
        .await;
    let more = form("o1").line("l1", "A", 1).line("l3", "A", 9);
    world.post(more.revision("fifth")).await;
    world.post(form("o1").line("l1", "A", 1).revision("sixth")).await;
    world.expect_balance("A", 2).await;
}
