//! Idempotency keys.

use saldo_domain::decide::{Command, Outcome};

use super::form::form;
use super::world::{World, refund, roll_back, single, take_in};

pub(super) async fn the_same_key_and_body_give_the_same_answer(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 5)).await;
    let first = world.ask_under(refund("o1", "A", 2), Some(("k", "body"))).await;
    let second = world.ask_under(refund("o1", "A", 2), Some(("k", "body"))).await;
    assert_eq!(first, second);
    assert!(first.is_ok());
    world.expect_balance("A", 7).await;
    // Without the key, or under another, it is another refund.
    world
        .ask_under(refund("o1", "A", 2), Some(("k2", "body")))
        .await
        .unwrap();
    world.expect_balance("A", 9).await;
}

pub(super) async fn the_same_key_with_another_body_is_refused(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 5)).await;
    world
        .ask_under(refund("o1", "A", 2), Some(("k", "body")))
        .await
        .unwrap();
    let other = world
        .ask_under(refund("o1", "A", 1), Some(("k", "another body")))
        .await;
    assert_eq!(other.unwrap_err().code, "idempotency_key_reused");
    world.expect_balance("A", 7).await;
    // What was refused has not used its key up.
    let refused = world.ask_under(refund("o1", "A", 9), Some(("k3", "nine"))).await;
    assert_eq!(refused.unwrap_err().code, "refund_exceeds_taken");
    world
        .ask_under(refund("o1", "A", 1), Some(("k3", "one")))
        .await
        .unwrap();
    world.expect_balance("A", 8).await;
}

pub(super) async fn every_kind_of_answer_is_recorded(world: &mut World) {
    world.receive("A", 10).await;
    let take_in = Command::TakeIn(take_in(form("o1").line("l1", "A", 5)));
    let Ok(Outcome::Order(posted)) = same_twice(world, take_in, "take in").await else {
        panic!("an order is answered with its standing");
    };
    same_twice(world, single("o2", None, "A", 1), "single")
        .await
        .unwrap();
    same_twice(world, roll_back(posted.operation.unwrap(), false), "roll back")
        .await
        .unwrap();
    let retry = Command::Retry {
        operation: posted.operation.unwrap(),
    };
    assert_eq!(
        same_twice(world, retry, "retry").await.unwrap_err().code,
        "rolled_back"
    );
    world.expect_balance("A", 9).await;
}

async fn same_twice(
    world: &mut World,
    command: Command,
    name: &str,
) -> Result<Outcome, saldo_domain::view::Refusal> {
    let first = world.ask_under(command.clone(), Some((name, name))).await;
    let second = world.ask_under(command, Some((name, name))).await;
    assert_eq!(first, second, "{name}");
    first
}
