//! Section 5: the outcomes of an attempt, and the schedule.

use saldo_domain::delivery::{Failure, Outcome as Attempt};
use saldo_domain::operation::{OperationStatus, WaitingFor};
use saldo_domain::review::{Resolution, ReviewReason};

use super::form::{Form, form};
use super::world::{World, failure, key};

fn order() -> Form {
    form("o1").line("l1", "A", 2)
}

/// Fails the delivery of `o1` until its retries are used up.
async fn use_up(world: &mut World) {
    loop {
        world.attempt(Attempt::Transient(failure("503"))).await;
        match world.file("o1").await.delivery {
            Some(delivery) => world.now = delivery.due_at,
            None => return,
        }
    }
}

pub(super) async fn delivered_is_completed(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.deliver().await;
    let operation = world.operation(posted.operation.unwrap()).await;
    assert_eq!(operation.status, OperationStatus::Completed);
    assert_eq!(operation.completed_at, Some(world.now));
    assert_eq!(operation.retry_count, 0, "the first attempt is no retry");
    assert_eq!((operation.waiting_for, operation.error_message), (None, None));
    assert_eq!(world.file("o1").await.order.flag_confirmed, Some(true));
}

pub(super) async fn transient_is_retried_on_the_schedule(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    for (retry, wait) in [60, 120, 240, 480, 960].into_iter().enumerate() {
        world.attempt(Attempt::Transient(failure("503"))).await;
        let operation = world.operation(posted.operation.unwrap()).await;
        assert_eq!(operation.status, OperationStatus::Pending);
        assert_eq!(
            operation.retry_count, retry as u32,
            "the first attempt is no retry"
        );
        assert_eq!(operation.error_message.as_deref(), Some("503"));
        world.advance(wait - 1);
        assert!(world.claim().await.is_empty(), "retry {retry} came early");
        world.advance(1);
        assert_eq!(operation.next_retry_at, Some(world.now));
    }
    world.deliver().await;
    let operation = world.operation(posted.operation.unwrap()).await;
    assert_eq!(
        (operation.status, operation.retry_count),
        (OperationStatus::Completed, 5),
        "the retry that succeeds is one, too"
    );
}

pub(super) async fn retry_after_is_a_lower_bound(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    let asked = |seconds| Failure {
        retry_after_seconds: Some(seconds),
        ..failure("429")
    };
    world.attempt(Attempt::Transient(asked(600))).await;
    world.advance(599);
    assert!(world.claim().await.is_empty());
    world.advance(1);
    // It is bounded by the longest delay itself.
    world.attempt(Attempt::Transient(asked(1_000_000))).await;
    world.advance(3600);
    world.deliver().await;
    world.expect_remote("o1", true);
}

pub(super) async fn used_up_retries_are_failed_and_reviewed(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    use_up(world).await;
    let operation = world.operation(posted.operation.unwrap()).await;
    assert_eq!(
        (operation.status, operation.retry_count),
        (OperationStatus::Failed, 5)
    );
    let review = world.expect_review("o1", ReviewReason::DeliveryFailed).await;
    assert_eq!(operation.review, Some(review.id));
    assert!(world.claim().await.is_empty());
}

pub(super) async fn a_retry_by_hand_starts_afresh(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    use_up(world).await;
    world.retry(posted.operation.unwrap()).await;
    let operation = world.operation(posted.operation.unwrap()).await;
    assert_eq!(
        (operation.status, operation.retry_count),
        (OperationStatus::Pending, 0)
    );
    world.expect_no_review("o1").await;
    use_up(world).await;
    world.expect_review("o1", ReviewReason::DeliveryFailed).await;
    world
        .resolve("o1", ReviewReason::DeliveryFailed, Resolution::Retry)
        .await;
    world.deliver().await;
    world.expect_remote("o1", true);
    world.expect_no_review("o1").await;
    // Of what is done, a retry tells how it stands; of what waits, it is tried now.
    world.retry(posted.operation.unwrap()).await;
    let waiting = world.post(form("o2").line("l2", "A", 1)).await;
    world.attempt(Attempt::Transient(failure("503"))).await;
    assert_eq!(
        world.retry(waiting.operation.unwrap()).await.deliver,
        Some(key("o2"))
    );
    world.deliver().await;
    world.expect_remote("o2", true);
}

pub(super) async fn a_retry_by_hand_takes_up_all_that_failed(world: &mut World) {
    world.receive("A", 10).await;
    let first = world.post(order()).await;
    let second = world.refund("o1", "A", 1).await;
    world.attempt(Attempt::Permanent(failure("refused"))).await;
    world.retry(second.operation.unwrap()).await;
    world.expect_no_review("o1").await;
    assert_eq!(
        world.status(first.operation.unwrap()).await,
        OperationStatus::Pending
    );
}

pub(super) async fn without_retries_the_first_failure_is_the_last(world: &mut World) {
    world.change_policy(|policy| policy.retry.max_retries = 0).await;
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.attempt(Attempt::Transient(failure("503"))).await;
    assert_eq!(
        world.status(posted.operation.unwrap()).await,
        OperationStatus::Failed
    );
    world.expect_review("o1", ReviewReason::DeliveryFailed).await;
}

pub(super) async fn an_open_circuit_costs_no_retries(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    for _ in 0..10 {
        let not_counted = Failure {
            counts: false,
            ..failure("down")
        };
        world.attempt(Attempt::Transient(not_counted)).await;
        world.advance(3600);
    }
    let operation = world.operation(posted.operation.unwrap()).await;
    assert_eq!(
        (operation.status, operation.retry_count),
        (OperationStatus::Pending, 0)
    );
}

pub(super) async fn credentials_wait_without_reviews(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    for _ in 0..7 {
        world.attempt(Attempt::Credentials(failure("401"))).await;
        world.advance(3600);
    }
    let operation = world.operation(posted.operation.unwrap()).await;
    assert_eq!(
        (operation.status, operation.retry_count),
        (OperationStatus::Pending, 0)
    );
    assert_eq!(operation.waiting_for, Some(WaitingFor::Account));
    world.expect_no_review("o1").await;
    assert!(world.wide_review(ReviewReason::AccountUnusable).await.is_none());
    world.deliver().await;
    assert_eq!(
        world.status(posted.operation.unwrap()).await,
        OperationStatus::Completed
    );
}

pub(super) async fn an_unusable_account_is_one_review(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.post(form("o2").line("l2", "A", 1)).await;
    for claim in world.claim().await {
        world
            .settle(&claim, Attempt::AccountUnusable(failure("no such token")))
            .await;
    }
    let review = world.wide_review(ReviewReason::AccountUnusable).await.unwrap();
    world.expect_no_review("o1").await;
    let operation = world.file("o1").await.operations.remove(0);
    assert_eq!(operation.waiting_for, Some(WaitingFor::Account));
    let close = saldo_domain::decide::Command::CloseWidely {
        reason: ReviewReason::AccountUnusable,
        subject: review.subject,
    };
    world.ask(close).await.unwrap();
    assert!(world.wide_review(ReviewReason::AccountUnusable).await.is_none());
}

pub(super) async fn permanent_is_failed_at_once(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.attempt(Attempt::Permanent(failure("422"))).await;
    let operation = world.operation(posted.operation.unwrap()).await;
    assert_eq!(
        (operation.status, operation.retry_count),
        (OperationStatus::Failed, 0)
    );
    world.expect_review("o1", ReviewReason::DeliveryFailed).await;
}

pub(super) async fn a_refused_flag_of_a_merged_form_is_reviewed(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.deliver().await;
    world.post(form("o2").line("l1", "A", 2).line("l2", "A", 1)).await;
    let claim = world.claim_order("o1").await.unwrap();
    assert!(!claim.flag);
    world.settle(&claim, Attempt::Permanent(failure("422"))).await;
    world.expect_review("o1", ReviewReason::DeliveryFailed).await;
    world
        .resolve("o1", ReviewReason::DeliveryFailed, Resolution::Retry)
        .await;
    world.deliver().await;
    world.expect_remote("o1", false);
    world.expect_no_review("o1").await;
}

pub(super) async fn a_failed_operation_is_settled_by_the_next_delivery(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.attempt(Attempt::Permanent(failure("422"))).await;
    let more = world.post(form("o1").line("l1", "A", 3).revision("second")).await;
    world.deliver().await;
    world.expect_remote("o1", true);
    for operation in [posted.operation, more.operation] {
        assert_eq!(world.status(operation.unwrap()).await, OperationStatus::Completed);
    }
    world.expect_no_review("o1").await;
}
