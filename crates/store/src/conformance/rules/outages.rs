//! Section 5: what waited too long through an outage, and its end.

use jiff::{SignedDuration, Timestamp};
use saldo_domain::decide::{Command, Resolve};
use saldo_domain::delivery::{Failure, Outcome as Attempt};
use saldo_domain::operation::OperationStatus;
use saldo_domain::review::{Resolution, ReviewReason};

use super::form::form;
use super::world::{SERVICE, World, failure, key};

async fn down(world: &mut World, orders: &[(&str, &str)]) -> Timestamp {
    world.receive("A", 100).await;
    for (order, line) in orders {
        world.post(form(order).line(line, "A", 1)).await;
    }
    for claim in world.claim().await {
        let not_counted = Failure {
            counts: false,
            ..failure("down")
        };
        world.settle(&claim, Attempt::Transient(not_counted)).await;
    }
    world.advance(25 * 3600);
    world.now - SignedDuration::from_hours(24)
}

pub(super) async fn what_waited_too_long_is_given_up_under_one_review(world: &mut World) {
    let before = down(world, &[("o1", "l1"), ("o2", "l2")]).await;
    world.post(form("o3").line("l3", "A", 1)).await;
    let given_up = world.give_up(before).await;
    assert_eq!((given_up.moved, given_up.more), (2, false));
    let review = world.wide_review(ReviewReason::GaveUp).await.unwrap();
    assert_eq!((given_up.review, review.subject), (Some(review.id), SERVICE));
    for order in ["o1", "o2"] {
        let operation = world.file(order).await.operations.remove(0);
        assert_eq!(
            (operation.status, operation.review),
            (OperationStatus::Failed, Some(review.id))
        );
        world.expect_no_review(order).await;
    }
    assert_eq!(
        world.file("o3").await.operations[0].status,
        OperationStatus::Pending
    );
    // Later ones join the same review.
    world.advance(25 * 3600);
    let again = world.give_up(world.now).await;
    assert_eq!((again.moved, again.review), (1, Some(review.id)));
}

pub(super) async fn the_end_of_an_outage_takes_everything_up_again(world: &mut World) {
    let before = down(world, &[("o1", "l1"), ("o2", "l2")]).await;
    let review = world.give_up(before).await.review.unwrap();
    let ended = world.end_outage(review).await;
    assert_eq!((ended.moved, ended.more), (2, false));
    let answer = world.review(review).await.answer.unwrap();
    assert_eq!(answer.resolution, None);
    world.deliver().await;
    world.expect_remote("o1", true);
    world.expect_remote("o2", true);
}

pub(super) async fn a_review_is_not_closed_over_what_was_given_up_under_it(world: &mut World) {
    let before = down(world, &[("o1", "l1")]).await;
    let review = world.give_up(before).await.review.unwrap();
    let retry = Command::Resolve(Resolve {
        review,
        resolution: Resolution::Retry,
        note: Some("it is back".to_owned()),
        components: Vec::new(),
    });
    // The process dies before what follows from the answer is done.
    let answered = world.ask(retry.clone()).await.unwrap();
    assert!(world.review(review).await.is_open());
    // The answer given again does it, and so does the end of the outage.
    assert_eq!(world.ask(retry).await.unwrap(), answered);
    assert_eq!(world.end_outage(review).await.moved, 1);
    let answer = world.review(review).await.answer.unwrap();
    assert_eq!(answer.resolution, Some(Resolution::Retry));
    assert_eq!(
        (answer.by.as_str(), answer.note.as_deref()),
        ("Anna", Some("it is back"))
    );
    world.deliver().await;
    world.expect_remote("o1", true);
}

pub(super) async fn a_retry_of_the_review_ends_the_outage(world: &mut World) {
    let before = down(world, &[("o1", "l1")]).await;
    let review = world.give_up(before).await.review.unwrap();
    world.resolve_with(review, Resolution::Retry, &[]).await;
    let answer = world.review(review).await.answer.unwrap();
    assert_eq!(
        (answer.resolution, answer.by.as_str()),
        (Some(Resolution::Retry), "Anna")
    );
    world.deliver().await;
    world.expect_remote("o1", true);
}

pub(super) async fn a_leased_delivery_is_not_given_up(world: &mut World) {
    let before = down(world, &[("o1", "l1")]).await;
    let claim = world.claim_one().await;
    assert_eq!(world.give_up(before).await.moved, 0);
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
    world.expect_remote("o1", true);
}

pub(super) async fn a_delivery_without_operations_is_not_forgotten(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 1)).await;
    world.deliver().await;
    world.post(form("o2").line("l1", "A", 1).line("l2", "A", 1)).await;
    world.advance(25 * 3600);
    world.give_up(world.now).await;
    // The merged form still owes its false: there is no operation to give up, and nothing is forgotten.
    world.settle_down().await;
    world.expect_remote("o1", false);
}

pub(super) async fn a_new_operation_during_an_outage_settles_what_was_given_up(world: &mut World) {
    let before = down(world, &[("o1", "l1")]).await;
    let review = world.give_up(before).await.review.unwrap();
    world.refund("o1", "A", 1).await;
    world.deliver().await;
    world.expect_remote("o1", false);
    let ended = world.end_outage(review).await;
    assert!(!ended.more);
    for operation in world.file("o1").await.operations {
        assert!(!operation.status.is_unfinished());
    }
}

pub(super) async fn give_up_of_a_partly_failed_delivery(world: &mut World) {
    world.receive("A", 10).await;
    let first = world.post(form("o1").line("l1", "A", 2)).await;
    world.attempt(Attempt::Permanent(failure("422"))).await;
    let second = world.refund("o1", "A", 1).await;
    world.advance(25 * 3600);
    let review = world.give_up(world.now).await.review.unwrap();
    let delivery_failed = world.expect_review("o1", ReviewReason::DeliveryFailed).await;
    assert_eq!(
        world.operation(first.operation.unwrap()).await.review,
        Some(delivery_failed.id)
    );
    assert_eq!(
        world.operation(second.operation.unwrap()).await.review,
        Some(review)
    );
    world.end_outage(review).await;
    world.deliver().await;
    world.expect_no_review("o1").await;
    assert_eq!(
        world.status(first.operation.unwrap()).await,
        OperationStatus::Completed
    );
    assert!(world.holds(&key("o1")));
}
