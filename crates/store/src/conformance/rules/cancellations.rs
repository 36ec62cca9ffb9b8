//! Cancellations before, after and during everything else.

use saldo_domain::delivery::Outcome as Attempt;
use saldo_domain::operation::OperationStatus;
use saldo_domain::order::Standing;

use super::form::{Form, form};
use super::world::{World, failure, key, roll_back};

fn order() -> Form {
    form("o1").line("l1", "A", 2)
}

pub(super) async fn a_cancellation_before_the_ready_wins(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order().cancelled().revision("second")).await;
    world.post(order()).await;
    world.post(order().revision("third").updated(9)).await;
    world.expect_balance("A", 10).await;
    assert_eq!(world.standing("o1").await, Standing::Cancelled { is_final: true });
}

pub(super) async fn a_cancellation_while_waiting_calls_off(world: &mut World) {
    world.receive("A", 1).await;
    let short = world.post(order()).await;
    let unpaid = world.post(form("o2").line("l2", "A", 1).unpaid()).await;
    world.post(order().cancelled()).await;
    world.post(form("o2").line("l2", "A", 1).cancelled()).await;
    for posted in [short, unpaid] {
        assert_eq!(
            world.status(posted.operation.unwrap()).await,
            OperationStatus::RolledBack
        );
    }
    world.expect_no_review("o1").await;
    world.receive("A", 10).await;
    world.expect_balance("A", 11).await;
    assert!(world.sent.is_empty());
}

pub(super) async fn a_cancellation_racing_the_delivery_ends_false(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    let claim = world.claim_one().await;
    world.post(order().cancelled()).await;
    let outcome = world.arrive(&claim);
    world.settle(&claim, outcome).await;
    world.expect_remote("o1", true);
    world.deliver().await;
    world.expect_remote("o1", false);
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_cancellation_of_an_order_whose_delivery_failed_ends_false(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.attempt(Attempt::Permanent(failure("refused"))).await;
    assert_eq!(
        world.status(posted.operation.unwrap()).await,
        OperationStatus::Failed
    );
    world.post(order().cancelled()).await;
    world.deliver().await;
    world.expect_no_review("o1").await;
    assert!(!world.status(posted.operation.unwrap()).await.is_unfinished());
}

pub(super) async fn a_cancellation_with_a_waiting_difference_gives_all_back(world: &mut World) {
    world.receive("A", 2).await;
    world.post(order()).await;
    world.deliver().await;
    world.post(form("o1").line("l1", "A", 5).revision("second")).await;
    world.post(order().cancelled().revision("third")).await;
    world.expect_balance("A", 2).await;
    world.receive("A", 10).await;
    world.expect_balance("A", 12).await;
    world.deliver().await;
    world.expect_remote("o1", false);
}

pub(super) async fn a_cancelled_order_whose_refund_is_rolled_back_is_taken_again(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.deliver().await;
    world.post(order().cancelled()).await;
    world.deliver().await;
    let refund = world.file("o1").await.operations[0].id;
    assert_eq!(world.refused(roll_back(refund, false)).await, "cancelled");
    world.roll_back_forced(refund).await;
    world.expect_balance("A", 8).await;
    world.deliver().await;
    world.expect_remote("o1", true);
    // What a person has decided stands, also when the line comes in another form.
    world.post(order().cancelled()).await;
    world.expect_balance("A", 8).await;
    world
        .post(form("both").line("l1", "A", 2).line("l2", "A", 1))
        .await;
    world.expect_balance("A", 7).await;
}

pub(super) async fn a_cancelled_order_twice_is_refunded_once(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.post(order().cancelled()).await;
    assert!(world.post(order().cancelled().revision("second")).await.duplicate);
    world.expect_balance("A", 10).await;
    assert_eq!(world.file("o1").await.operations.len(), 2);
}

/// Two callers, one with the order and one with its cancellation, each of which takes its copy in, claims what is due,
/// and reports how the call ended: every order in which their steps can fall. A store with one writer has no others; on
/// PostgreSQL `races.rs` has them on two connections, with transactions that overlap.
pub(super) async fn a_cancellation_racing_a_deduction_ends_right_under_every_interleaving(world: &mut World) {
    world.receive("A", 10).await;
    for steps in (0..64_u32).filter(|steps| steps.count_ones() == 3) {
        let name = format!("race-{steps}");
        let line = format!("line-{steps}");
        let ready = || form(&name).line(&line, "A", 2);
        let mut done = [0; 2];
        let mut claims = [None, None];
        for step in 0..6 {
            let connection = usize::from(steps >> step & 1 == 1);
            match (done[connection], connection) {
                (0, 0) => drop(world.post(ready()).await),
                (0, _) => drop(world.post(ready().cancelled().revision("second")).await),
                (1, _) => claims[connection] = world.claim_order(&name).await,
                _ => {
                    if let Some(claim) = claims[connection].take() {
                        let outcome = world.arrive(&claim);
                        world.settle(&claim, outcome).await;
                    }
                }
            }
            done[connection] += 1;
        }
        assert_eq!(world.taken(&name).await, 0, "{name}");
        assert_eq!(
            world.standing(&name).await,
            Standing::Cancelled { is_final: true }
        );
        world.expect_balance("A", 10).await;
        world.deliver().await;
        assert!(
            !world.holds(&key(&name)),
            "{name}: the service holds no true flag"
        );
    }
}
