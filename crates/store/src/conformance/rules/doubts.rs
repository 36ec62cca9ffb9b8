//! Section 5: flags of which it is not known whether they arrived.

use saldo_domain::delivery::{Outcome as Attempt, Task};
use saldo_domain::operation::OperationStatus;
use saldo_domain::review::ReviewReason;

use super::form::{Form, form};
use super::world::{LEASE_SECONDS, VERIFY_SECONDS, World, failure, key};

fn order() -> Form {
    form("o1").line("l1", "A", 2)
}

fn lost() -> Attempt {
    Attempt::Unknown(failure("the reply was lost"))
}

pub(super) async fn unknown_is_retried_with_the_level(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.attempt(lost()).await;
    assert_eq!(
        world.status(posted.operation.unwrap()).await,
        OperationStatus::Pending
    );
    world.advance(60);
    let claim = world.claim_one().await;
    // The same value again needs no reading back.
    assert!(claim.flag && !claim.read_back);
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
    assert!(world.file("o1").await.delivery.is_none());
}

pub(super) async fn a_flag_sent_under_doubt_is_read_back_and_again_later(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.attempt(lost()).await;
    world.roll_back(posted.operation.unwrap()).await;
    let claim = world.claim_one().await;
    assert!(!claim.flag && claim.read_back);
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
    assert!(world.claim().await.is_empty());
    world.advance(VERIFY_SECONDS);
    let verify = world.claim_one().await;
    assert_eq!((verify.task, verify.flag), (Task::Verify, false));
    let outcome = world.arrive(&verify);
    world.settle(&verify, outcome).await;
    assert!(world.file("o1").await.delivery.is_none());
}

pub(super) async fn a_late_arrival_is_found_and_mended(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.attempt(lost()).await;
    world.roll_back(posted.operation.unwrap()).await;
    world.deliver().await;
    world.remote.insert(key("o1"), true);
    world.settle_down().await;
    world.expect_remote("o1", false);
}

pub(super) async fn a_doubt_outlives_the_last_retry(world: &mut World) {
    world.change_policy(|policy| policy.retry.max_retries = 0).await;
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    let claim = world.claim_one().await;
    world.arrive(&claim);
    world.settle(&claim, lost()).await;
    world.expect_review("o1", ReviewReason::DeliveryFailed).await;
    // It had arrived. What follows must not believe that the service holds nothing.
    world.roll_back(posted.operation.unwrap()).await;
    world.settle_down().await;
    world.expect_remote("o1", false);
}

pub(super) async fn a_lease_that_ended_is_a_doubt(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    let lost = world.claim_one().await;
    world.roll_back(posted.operation.unwrap()).await;
    world.advance(LEASE_SECONDS);
    let claim = world.claim_one().await;
    assert!(!claim.flag && claim.read_back);
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
    // The worker was only asleep: its call arrives last.
    world.arrive(&lost);
    world.expect_remote("o1", true);
    world.settle_down().await;
    world.expect_remote("o1", false);
}

pub(super) async fn a_failed_read_back_is_tried_again(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.attempt(lost()).await;
    world.roll_back(posted.operation.unwrap()).await;
    world.deliver().await;
    world.advance(VERIFY_SECONDS);
    for wait in [60, 120, 240] {
        world.attempt(Attempt::Transient(failure("503"))).await;
        world.advance(wait - 1);
        assert!(world.claim().await.is_empty());
        world.advance(1);
    }
    // News while only a read-back is owed: the level is sent.
    world.post_forced(order()).await;
    let claim = world.claim_one().await;
    assert_eq!((claim.task, claim.flag), (Task::Send, true));
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
    world.expect_remote("o1", true);
}

pub(super) async fn a_doubt_takes_back_what_was_confirmed(world: &mut World) {
    world.change_policy(|policy| policy.retry.max_retries = 0).await;
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.deliver().await;
    world.roll_back(posted.operation.unwrap()).await;
    world.deliver().await;
    let again = world.post_forced(order()).await;
    let claim = world.claim_one().await;
    world.arrive(&claim);
    world.settle(&claim, lost()).await;
    // The delivery is given up and forgotten, and the flag had arrived.
    world.advance(VERIFY_SECONDS + 1);
    assert!(world.claim().await.is_empty());
    world.roll_back(again.operation.unwrap()).await;
    world.settle_down().await;
    world.expect_remote("o1", false);
}

pub(super) async fn a_doubt_outlives_the_delivery_that_was_given_up(world: &mut World) {
    world.change_policy(|policy| policy.retry.max_retries = 0).await;
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    let claim = world.claim_one().await;
    world.settle(&claim, lost()).await;
    world.roll_back(posted.operation.unwrap()).await;
    world.deliver().await;
    // The call that was given up arrives last.
    world.arrive(&claim);
    world.settle_down().await;
    world.expect_remote("o1", false);
}
