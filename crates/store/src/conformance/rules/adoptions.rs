//! Orders that were deducted before Saldo was there: known, and never deducted again.

use saldo_domain::decide::{Adopt, AdoptOutcome, AdoptedLine, Adoption, Command, Outcome, SyncStatus};
use saldo_domain::operation::OperationStatus;
use saldo_domain::order::{SkipReason, Standing};
use saldo_domain::review::ReviewReason;
use saldo_domain::rollout::Mode;

use super::form::{Form, form};
use super::world::{World, key, sku};

fn order() -> Form {
    form("o1").line("l1", "A", 2)
}

fn adopted(name: &str, lines: &[(&str, i64)]) -> Adopt {
    Adopt {
        key: key(name),
        lines: lines
            .iter()
            .map(|(name, quantity)| AdoptedLine {
                sku: sku(name),
                quantity: *quantity,
                warehouse: None,
            })
            .collect(),
        flag_confirmed: Some(true),
        hand_over: false,
        source: Some("sale".to_owned()),
    }
}

fn handed_over(name: &str, lines: &[(&str, i64)]) -> Adopt {
    Adopt {
        flag_confirmed: Some(false),
        hand_over: true,
        ..adopted(name, lines)
    }
}

async fn adopt(world: &mut World, request: Adopt) -> AdoptOutcome {
    match world.ask(Command::Adopt(request)).await {
        Ok(Outcome::Adopted(adopted)) => adopted,
        other => panic!("an adoption was answered with {other:?}"),
    }
}

pub(super) async fn an_adopted_order_is_never_deducted(world: &mut World) {
    world.receive("A", 10).await;
    let first = adopt(world, adopted("o1", &[("A", 2)])).await;
    assert_eq!(first.adoption, Adoption::Adopted);
    let operation = world.operation(first.operation.unwrap()).await;
    assert_eq!(operation.status, OperationStatus::RolledBack);
    assert_eq!(operation.stock_applied_at, None);
    let posted = world.post(order()).await;
    assert_eq!((posted.status, posted.duplicate), (SyncStatus::Skipped, true));
    assert_eq!(posted.error.as_deref(), Some("old_way"));
    world.post(order().revision("second")).await;
    world.pull(order(), false).await;
    world.pull(order(), true).await;
    world.deduct_line("o1", "l1", "A", 2).await;
    world.try_again("o1").await;
    world.post(order().cancelled().revision("third")).await;
    world.expect_balance("A", 10).await;
    world.expect_no_review("o1").await;
    assert!(world.claim().await.is_empty());
}

pub(super) async fn an_order_is_adopted_once(world: &mut World) {
    let first = adopt(world, adopted("o1", &[("A", 2), ("A", 1), ("B", 1)])).await;
    let again = adopt(world, adopted("o1", &[("A", 2), ("A", 1), ("B", 1)])).await;
    assert_eq!(again.adoption, Adoption::Known);
    assert_eq!(again.operation, first.operation);
    let lines = world.file("o1").await.order.lines;
    assert_eq!(lines.iter().map(|line| line.quantity).collect::<Vec<_>>(), [3, 1]);
}

pub(super) async fn an_order_that_waits_here_waits_no_more(world: &mut World) {
    world.post(order()).await;
    world.expect_review("o1", ReviewReason::SkuUnknown).await;
    world.pull(form("o2").line("l2", "A", 1), true).await;
    world.expect_review("o2", ReviewReason::RemoteOnly).await;
    world.post(form("o3").line("l3", "A", 1).unpaid()).await;
    for name in ["o1", "o2", "o3"] {
        let outcome = adopt(world, adopted(name, &[("A", 2)])).await;
        assert_eq!(outcome.adoption, Adoption::Adopted, "{name}");
        world.expect_no_review(name).await;
        let reason = SkipReason::OldWay;
        assert_eq!(
            world.file(name).await.order.standing,
            Standing::Skipped { reason }
        );
    }
    world.receive("A", 10).await;
    world.post(form("o3").line("l3", "A", 1).revision("paid")).await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn an_order_that_was_deducted_here_is_a_conflict(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    let outcome = adopt(world, adopted("o1", &[("A", 2)])).await;
    assert_eq!(outcome.adoption, Adoption::Conflict);
    assert_eq!(outcome.operation, posted.operation);
    assert!(outcome.detail.is_some());
    world.expect_balance("A", 8).await;
    world.roll_back(posted.operation.unwrap()).await;
    let outcome = adopt(world, handed_over("o1", &[("A", 2)])).await;
    assert_eq!(outcome.adoption, Adoption::Conflict);
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_flag_that_is_handed_over_is_sent_and_balances_stay(world: &mut World) {
    world.receive("A", 10).await;
    let handed = adopt(world, handed_over("o1", &[("A", 2), ("B", 1)])).await;
    assert_eq!(handed.adoption, Adoption::HandedOver);
    world.expect_balance("A", 10).await;
    world.expect_balance("B", 0).await;
    world.deliver().await;
    world.expect_remote("o1", true);
    for again in [handed_over("o1", &[("A", 2), ("B", 1)]), adopted("o1", &[])] {
        assert_eq!(adopt(world, again).await.adoption, Adoption::Known);
    }
    // Its form moves nothing, and its cancellation brings back what the old way had taken.
    let form = form("o1").line("l1", "A", 2).line("l2", "B", 1);
    world.post(form.clone()).await;
    world.expect_balance("A", 10).await;
    world.post(form.cancelled().revision("second")).await;
    world.expect_balance("A", 12).await;
    world.expect_balance("B", 1).await;
    world.deliver().await;
    world.expect_remote("o1", false);
}

pub(super) async fn an_adopted_order_is_handed_over_later(world: &mut World) {
    world.receive("A", 10).await;
    adopt(world, adopted("o1", &[("A", 2), ("B", 1)])).await;
    for expected in [Adoption::HandedOver, Adoption::Known] {
        let handed = adopt(world, handed_over("o1", &[("A", 2), ("B", 1)])).await;
        assert_eq!(handed.adoption, expected);
    }
    world.expect_balance("A", 10).await;
    assert_eq!(world.taken("o1").await, 3);
    world.deliver().await;
    world.expect_remote("o1", true);
    // Of an order whose form is known, the old way may not tell all lines.
    world.switch(Mode::Off).await;
    world.post(form("o2").line("l2", "A", 2)).await;
    let handed = adopt(world, handed_over("o2", &[("A", 2)])).await;
    assert_eq!(handed.adoption, Adoption::Conflict);
    let known = adopt(world, adopted("o2", &[("A", 2)])).await;
    assert_eq!(known.adoption, Adoption::Known);
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_flag_is_handed_over_only_with_what_was_taken(world: &mut World) {
    for lines in [&[][..], &[("A", 1), ("A", 2)]] {
        let refused = world.refused(Command::Adopt(handed_over("o1", lines))).await;
        assert_eq!(refused, "cannot_hand_over");
    }
    world.post(order()).await;
    let waiting = adopt(world, handed_over("o1", &[("A", 2)])).await;
    assert_eq!(waiting.adoption, Adoption::Conflict);
    world.expect_review("o1", ReviewReason::SkuUnknown).await;
    assert_eq!(world.balance("A").await, None);
}
