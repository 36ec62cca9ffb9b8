//! Invariant 7, "One at a time", and what a claim is.

use saldo_domain::decide::SettleOutcome;
use saldo_domain::delivery::Outcome as Attempt;
use saldo_domain::ids::LeaseToken;
use saldo_domain::operation::{Action, OperationStatus};
use uuid::Uuid;

use super::form::{Form, form};
use super::world::{LEASE_SECONDS, World};

fn order() -> Form {
    form("o1").line("l1", "A", 2)
}

pub(super) async fn one_delivery_at_a_time(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    let claim = world.claim_one().await;
    assert!(claim.flag);
    assert_eq!(
        world.status(posted.operation.unwrap()).await,
        OperationStatus::Processing
    );
    assert!(world.claim().await.is_empty());
    assert!(world.claim_order("o1").await.is_none());
    world.refund("o1", "A", 2).await;
    assert!(world.claim().await.is_empty());
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
}

pub(super) async fn a_claim_leaves_the_order_itself_as_it_is(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    let before = world.file("o1").await.order;
    world.advance(5);
    let claim = world.claim_one().await;
    assert_eq!(world.file("o1").await.order, before);
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
    let after = world.file("o1").await.order;
    assert_eq!(after.flag_confirmed, Some(true));
    assert!(after.updated_at > before.updated_at);
}

pub(super) async fn a_clock_that_was_set_back_strands_nothing(world: &mut World) {
    const TEN_YEARS_SECONDS: i64 = 10 * 365 * 24 * 60 * 60;
    world.receive("A", 10).await;
    world.advance(TEN_YEARS_SECONDS);
    world.post(order()).await;
    world.advance(-TEN_YEARS_SECONDS);
    let claim = world.claim_one().await;
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
    world.expect_remote("o1", true);
}

pub(super) async fn an_expired_lease_returns_to_pending_by_itself(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    let lost = world.claim_one().await;
    world.advance(LEASE_SECONDS);
    let claim = world.claim_one().await;
    assert_ne!(claim.token, lost.token);
    let operation = world.operation(posted.operation.unwrap()).await;
    assert_eq!(
        (operation.status, operation.retry_count),
        (OperationStatus::Processing, 0)
    );
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
}

pub(super) async fn a_delivery_whose_lease_ended_comes_after_what_was_due_before_that(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.claim_one().await;
    world.advance(5);
    world.post(form("o2").line("l2", "A", 1)).await;
    world.advance(LEASE_SECONDS);
    for longest_due in ["o2", "o1"] {
        let claims = world.claim_at_most(1).await;
        let claimed: Vec<&str> = claims.iter().map(|claim| claim.key.order.as_str()).collect();
        assert_eq!(claimed, [longest_due]);
        let outcome = world.arrive(&claims[0]);
        world.settle(&claims[0], outcome).await;
    }
}

pub(super) async fn a_stale_token_changes_nothing(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    let lost = world.claim_one().await;
    world.advance(LEASE_SECONDS);
    let claim = world.claim_one().await;
    let before = world.file("o1").await;
    assert_eq!(
        world.settle(&lost, Attempt::Delivered).await,
        SettleOutcome::Stale
    );
    let mut invented = claim.clone();
    invented.token = LeaseToken::new(Uuid::from_u128(7));
    assert_eq!(
        world.settle(&invented, Attempt::Delivered).await,
        SettleOutcome::Stale
    );
    assert_eq!(world.file("o1").await, before);
    let outcome = world.arrive(&claim);
    let settled = world.settle(&claim, outcome).await;
    assert!(matches!(settled, SettleOutcome::Recorded { finished: true, .. }));
    assert_eq!(
        world.settle(&claim, Attempt::Delivered).await,
        SettleOutcome::Stale
    );
    assert_eq!(
        world.status(posted.operation.unwrap()).await,
        OperationStatus::Completed
    );
}

pub(super) async fn several_operations_are_settled_by_one_delivery(world: &mut World) {
    world.receive("A", 10).await;
    let first = world.post(order()).await;
    let second = world.post(form("o1").line("l1", "A", 3).revision("second")).await;
    let third = world.refund("o1", "A", 1).await;
    world.deliver().await;
    assert_eq!(world.sent.len(), 1);
    for posted in [first, second, third] {
        assert_eq!(
            world.status(posted.operation.unwrap()).await,
            OperationStatus::Completed
        );
    }
}

pub(super) async fn an_attempt_that_was_not_made_costs_nothing(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    let again_at = world.now + jiff::SignedDuration::from_secs(5);
    world.attempt(Attempt::NotMade { again_at }).await;
    let operation = world.operation(posted.operation.unwrap()).await;
    assert_eq!(
        (operation.status, operation.retry_count),
        (OperationStatus::Pending, 0)
    );
    assert!(world.claim().await.is_empty());
    world.advance(5);
    world.deliver().await;
    world.expect_remote("o1", true);
    let log = world.log(posted.operation.unwrap()).await;
    let actions: Vec<Action> = log.iter().map(|entry| entry.action).collect();
    use Action::{Claimed, Completed, Created, Retry};
    assert_eq!(actions, [Created, Claimed, Retry, Claimed, Completed]);
}

pub(super) async fn a_level_that_changes_and_changes_back_is_confirmed_at_once(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.deliver().await;
    let refund = world.refund("o1", "A", 2).await;
    world.roll_back(refund.operation.unwrap()).await;
    world.deliver().await;
    // A partial refund changes no flag, and nothing is sent for it.
    let calls = world.sent.len();
    let partial = world.refund("o1", "A", 1).await;
    assert_eq!(
        world.status(partial.operation.unwrap()).await,
        OperationStatus::Completed
    );
    assert!(world.claim().await.is_empty());
    assert_eq!(world.sent.len(), calls);
}
