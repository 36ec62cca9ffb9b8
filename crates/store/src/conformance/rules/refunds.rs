//! Section 6, "Refund".

use saldo_domain::decide::{Command, Refund, RefundLine};
use saldo_domain::order::Standing;
use saldo_domain::review::ReviewReason;

use super::form::form;
use super::world::{World, key, refund, sku};

pub(super) async fn the_flag_turns_false_only_at_zero(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2).line("l2", "A", 3)).await;
    world.deliver().await;
    world.refund("o1", "A", 4).await;
    world.deliver().await;
    world.expect_remote("o1", true);
    world.refund("o1", "A", 1).await;
    world.deliver().await;
    world.expect_remote("o1", false);
    world.expect_balance("A", 10).await;
    assert_eq!(world.standing("o1").await, Standing::GivenBack);
}

pub(super) async fn never_more_than_is_still_taken(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.refund("o1", "A", 1).await;
    assert_eq!(world.refused(refund("o1", "A", 2)).await, "refund_exceeds_taken");
    assert_eq!(world.refused(refund("o1", "B", 1)).await, "refund_exceeds_taken");
    assert_eq!(world.refused(refund("o9", "A", 1)).await, "order_unknown");
    world.expect_balance("A", 9).await;
}

pub(super) async fn a_refund_of_a_merged_form_is_refused(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.post(form("o2").line("l1", "A", 2).line("l2", "A", 1)).await;
    assert_eq!(world.refused(refund("o1", "A", 2)).await, "merged");
}

pub(super) async fn a_refund_to_zero_is_told_while_a_difference_waits(world: &mut World) {
    world.receive("A", 2).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.deliver().await;
    world.post(form("o1").line("l1", "A", 9).revision("second")).await;
    world.refund("o1", "A", 2).await;
    world.deliver().await;
    world.expect_remote("o1", false);
    // Everything came back: nothing of it is deducted again.
    world.receive("A", 20).await;
    world.expect_balance("A", 22).await;
}

pub(super) async fn a_refund_to_zero_closes_the_question_whether_it_came_back(world: &mut World) {
    world.receive("A", 2).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.post(form("o1").line("l1", "A", 2).returned()).await;
    world.expect_review("o1", ReviewReason::Returned).await;
    world.refund("o1", "A", 2).await;
    world.expect_no_review("o1").await;
}

pub(super) async fn one_sku_named_twice_comes_back_from_both_of_its_lines(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line("l1", "A", 2).line("l2", "A", 1)).await;
    let twice = |quantity| {
        let line = RefundLine {
            sku: sku("A"),
            quantity,
            warehouse: None,
        };
        Command::Refund(Refund {
            key: key("o1"),
            lines: vec![line.clone(), line],
            reason: "both came back".to_owned(),
        })
    };
    assert_eq!(world.refused(twice(2)).await, "refund_exceeds_taken");
    world.ask(twice(1)).await.unwrap();
    world.expect_balance("A", 9).await;
}
