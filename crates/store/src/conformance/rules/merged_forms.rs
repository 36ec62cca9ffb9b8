//! Section 4, "Merged forms".

use saldo_domain::decide::SyncStatus;
use saldo_domain::delivery::Outcome as Attempt;
use saldo_domain::form::Source;
use saldo_domain::operation::OperationStatus;
use saldo_domain::order::Standing;
use saldo_domain::review::{Resolution, ReviewReason};

use super::form::{Form, form};
use super::world::{World, failure, key};

fn one() -> Form {
    form("o1").line("l1", "A", 2)
}

fn two() -> Form {
    form("o2").line("l2", "A", 3)
}

fn both() -> Form {
    form("both").line("l1", "A", 2).line("l2", "A", 3)
}

pub(super) async fn the_form_with_more_lines_takes_the_deduction_along(world: &mut World) {
    world.receive("A", 10).await;
    world.post(one()).await;
    world.post(two()).await;
    world.deliver().await;
    world.post(both()).await;
    world.expect_balance("A", 5).await;
    assert_eq!(world.taken("both").await, 5);
    assert_eq!(world.taken("o1").await, 0);
    world.deliver().await;
    world.expect_remote("both", true);
    world.expect_remote("o1", false);
    world.expect_remote("o2", false);
}

pub(super) async fn a_merged_form_with_another_quantity_moves_the_difference(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 3)).await;
    world.deliver().await;
    let merged = world
        .post(form("both").line("l1", "A", 6).line("l2", "A", 1))
        .await;
    world.expect_balance("A", 3).await;
    assert_eq!(world.taken("both").await, 7);
    world.deliver().await;
    world.expect_remote("both", true);
    world.roll_back(merged.operation.unwrap()).await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn the_merged_flag_is_sent_false_only_if_it_was_sent_true(world: &mut World) {
    world.receive("A", 10).await;
    world.post(one()).await;
    world.deliver().await;
    let undelivered = world.post(two()).await;
    world.post(both()).await;
    world.deliver().await;
    assert!(world.sent.contains(&(key("o1"), false)));
    assert!(world.sent.iter().all(|(order, _)| *order != key("o2")));
    assert_eq!(
        world.status(undelivered.operation.unwrap()).await,
        OperationStatus::Completed
    );
}

pub(super) async fn a_merged_form_moves_nothing_and_answers_with_the_winner(world: &mut World) {
    world.receive("A", 10).await;
    world.post(one()).await;
    let winner = world.post(both()).await;
    for late in [
        one().revision("late"),
        one().cancelled(),
        one().line("l7", "A", 1).revision("more"),
    ] {
        let answer = world.post(late).await;
        assert_eq!((answer.status, answer.duplicate), (SyncStatus::Merged, true));
        assert_eq!(answer.operation, winner.operation);
    }
    world.deduct("o1", "A", 1).await;
    world.expect_balance("A", 5).await;
}

pub(super) async fn a_form_that_comes_after_the_merged_one_is_closed(world: &mut World) {
    world.receive("A", 10).await;
    let winner = world.post(both().updated(5)).await;
    let late = world.post(one()).await;
    assert_eq!(
        (late.status, late.operation),
        (SyncStatus::Merged, winner.operation)
    );
    // With as many lines, the later time wins, then the one seen first.
    let earlier = world
        .post(form("o3").line("l1", "A", 2).line("l2", "A", 3).updated(4))
        .await;
    assert_eq!(earlier.status, SyncStatus::Merged);
    let later = world
        .post(form("o4").line("l1", "A", 2).line("l2", "A", 3).updated(6))
        .await;
    assert_eq!(later.status, SyncStatus::Pending);
    assert_eq!(
        world.standing("both").await,
        Standing::Merged {
            into: key("o4").order
        }
    );
    world.expect_balance("A", 5).await;
}

pub(super) async fn forms_that_wait_for_payment_are_merged_too(world: &mut World) {
    world.receive("A", 10).await;
    let unpaid = world.post(one().unpaid()).await;
    world.post(both()).await;
    assert_eq!(
        world.status(unpaid.operation.unwrap()).await,
        OperationStatus::RolledBack
    );
    world.expect_balance("A", 5).await;
    // The other way round: the merged form itself is paid later.
    world.post(form("o3").line("l3", "A", 1)).await;
    let merged = || form("o4").line("l3", "A", 1).line("l4", "A", 1);
    world.post(merged().unpaid()).await;
    world.expect_balance("A", 4).await;
    world.post(merged().revision("paid")).await;
    world.expect_balance("A", 3).await;
    assert_eq!(world.taken("o4").await, 2);
}

pub(super) async fn a_form_that_waits_for_stock_is_merged_too(world: &mut World) {
    world.receive("A", 2).await;
    world.post(two()).await;
    world.expect_review("o2", ReviewReason::InsufficientStock).await;
    world.post(both()).await;
    world.expect_no_review("o2").await;
    world.receive("A", 3).await;
    world.expect_balance("A", 0).await;
    assert_eq!(world.taken("both").await, 5);
}

pub(super) async fn what_was_given_back_stays_given_back_in_the_merged_form(world: &mut World) {
    world.receive("A", 10).await;
    let first = world.post(one()).await;
    world.post(two()).await;
    world.roll_back(first.operation.unwrap()).await;
    world.refund("o2", "A", 1).await;
    world.post(both()).await;
    assert_eq!(world.taken("both").await, 2);
    world.expect_balance("A", 8).await;
}

pub(super) async fn what_was_given_back_stays_so_while_the_merged_form_waits(world: &mut World) {
    world.receive("A", 10).await;
    let first = world.post(one()).await;
    world.post(two()).await;
    world.roll_back(first.operation.unwrap()).await;
    world.refund("o2", "A", 1).await;
    // First for payment, then for stock.
    let merged = || both().line("l3", "B", 4);
    world.post(merged().unpaid()).await;
    world.post(merged().revision("paid")).await;
    world.expect_review("both", ReviewReason::SkuUnknown).await;
    world.receive("B", 4).await;
    assert_eq!(world.taken("both").await, 6);
    world.expect_balance("A", 8).await;
}

pub(super) async fn rolling_back_the_merged_form_restores_all_of_it(world: &mut World) {
    world.receive("A", 10).await;
    world.post(one()).await;
    world.deliver().await;
    let merged = world.post(both()).await;
    world.roll_back(merged.operation.unwrap()).await;
    world.expect_balance("A", 10).await;
    world.deliver().await;
    world.expect_remote("both", false);
}

pub(super) async fn rolling_back_a_merged_form_that_waited_restores_all_of_it(world: &mut World) {
    world.receive("A", 2).await;
    world.post(one()).await;
    world.deliver().await;
    let merged = world.post(both()).await;
    world.receive("A", 3).await;
    world.expect_balance("A", 0).await;
    world.roll_back(merged.operation.unwrap()).await;
    world.expect_balance("A", 5).await;
}

pub(super) async fn a_merged_form_under_delivery_ends_false(world: &mut World) {
    world.receive("A", 10).await;
    world.post(one()).await;
    let claim = world.claim_one().await;
    world.post(both()).await;
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
    world.deliver().await;
    world.expect_remote("o1", false);
}

pub(super) async fn a_merged_form_whose_flag_is_in_doubt_ends_false(world: &mut World) {
    world.receive("A", 10).await;
    world.post(one()).await;
    let claim = world.claim_one().await;
    world.arrive(&claim);
    world
        .settle(&claim, Attempt::Unknown(failure("the reply was lost")))
        .await;
    world.post(both()).await;
    world.settle_down().await;
    world.expect_remote("o1", false);
}

pub(super) async fn a_merged_form_that_had_failed_ends_false(world: &mut World) {
    world.change_policy(|policy| policy.retry.max_retries = 0).await;
    world.receive("A", 10).await;
    world.post(one()).await;
    let claim = world.claim_one().await;
    world.arrive(&claim);
    world
        .settle(&claim, Attempt::Unknown(failure("the reply was lost")))
        .await;
    world.expect_review("o1", ReviewReason::DeliveryFailed).await;
    world.post(both()).await;
    world.settle_down().await;
    world.expect_remote("o1", false);
}

pub(super) async fn a_merged_form_that_had_failed_long_ago_ends_false(world: &mut World) {
    world.change_policy(|policy| policy.retry.max_retries = 0).await;
    world.receive("A", 10).await;
    world.post(one()).await;
    let claim = world.claim_one().await;
    world.arrive(&claim);
    world
        .settle(&claim, Attempt::Unknown(failure("the reply was lost")))
        .await;
    world.advance(3600);
    assert!(world.claim().await.is_empty());
    world.post(both()).await;
    world.settle_down().await;
    world.expect_remote("o1", false);
}

pub(super) async fn what_came_to_a_merged_form_is_told_when_the_rest_is_settled(world: &mut World) {
    world.receive("A", 2).await;
    world.post(one()).await;
    world.deliver().await;
    world.post(both()).await;
    world
        .resolve("both", ReviewReason::InsufficientStock, Resolution::Accept)
        .await;
    world.settle_down().await;
    assert_eq!(world.taken("both").await, 2);
    world.expect_remote("both", true);
    world.expect_remote("o1", false);
}

pub(super) async fn a_cancelled_copy_never_takes_lines_from_their_holder(world: &mut World) {
    world.receive("A", 10).await;
    world.post(both()).await;
    // The old form is seen for the first time only now, and it was cancelled when the purchases were merged.
    world.post(one().cancelled().from(Source::Listed)).await;
    assert!(world.post(both()).await.duplicate);
    world.post(form("o3").line("l1", "A", 2)).await;
    world.expect_balance("A", 5).await;
    assert_eq!(world.taken("both").await, 5);
}

pub(super) async fn goods_of_allegro_never_take_lines_from_their_holder(world: &mut World) {
    world.receive("A", 10).await;
    world.post(both()).await;
    world.post(one().fulfilled_by_allegro()).await;
    world.post(form("o3").line("l1", "A", 2)).await;
    world.expect_balance("A", 5).await;
}

pub(super) async fn a_line_settled_by_a_person_is_not_deducted_in_the_merged_form(world: &mut World) {
    world.receive("A", 10).await;
    world.pull(one(), true).await;
    world
        .resolve("o1", ReviewReason::RemoteOnly, Resolution::Accept)
        .await;
    world.post(both()).await;
    // Nothing of it moves now or later, unless a person says so.
    world.expect_balance("A", 10).await;
    world.expect_review("both", ReviewReason::RemoteOnly).await;
    world
        .resolve("both", ReviewReason::RemoteOnly, Resolution::Force)
        .await;
    world.expect_balance("A", 5).await;
}

pub(super) async fn a_chain_of_merged_forms_answers_with_the_last(world: &mut World) {
    world.receive("A", 10).await;
    world.post(one()).await;
    world.post(both()).await;
    let last = world
        .post(
            form("all")
                .line("l1", "A", 2)
                .line("l2", "A", 3)
                .line("l3", "A", 1),
        )
        .await;
    let answer = world.post(one()).await;
    assert_eq!(
        (answer.status, answer.operation),
        (SyncStatus::Merged, last.operation)
    );
    world.expect_balance("A", 4).await;
}
