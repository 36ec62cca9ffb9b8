//! Section 4, "Stock and SKU".

use saldo_domain::operation::WaitingFor;
use saldo_domain::review::{Resolution, ReviewReason};
use serde_json::json;

use super::form::form;
use super::world::World;

pub(super) async fn a_line_without_sku_is_reviewed(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world
        .post(form("o1").line("l1", "A", 2).line_of_offer("l2", "set", 1))
        .await;
    let review = world.expect_review("o1", ReviewReason::SkuMissing).await;
    assert_eq!(review.details["lines"][0]["offer_id"], json!("set"));
    let operation = world.operation(posted.operation.unwrap()).await;
    assert_eq!(operation.waiting_for, Some(WaitingFor::Review));
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_sku_never_held_is_reviewed(world: &mut World) {
    world.post(form("o1").line("l1", "A", 2)).await;
    world.expect_review("o1", ReviewReason::SkuUnknown).await;
    world.receive("A", 1).await;
    // Now it is known, and too little: the question changes with the cause.
    world.expect_review("o1", ReviewReason::InsufficientStock).await;
    assert!(world.open_review("o1", ReviewReason::SkuUnknown).await.is_none());
}

pub(super) async fn too_little_stock_is_reviewed_with_what_is_short(world: &mut World) {
    world.receive("A", 3).await;
    let posted = world.post(form("o1").line("l1", "A", 2).line("l2", "A", 3)).await;
    let review = world.expect_review("o1", ReviewReason::InsufficientStock).await;
    let short = &review.details["lines"][0];
    assert_eq!(short["required"], json!(5));
    assert_eq!(short["available"], json!(3));
    assert_eq!(short["short"], json!(2));
    let operation = world.operation(posted.operation.unwrap()).await;
    assert_eq!(operation.waiting_for, Some(WaitingFor::Stock));
    assert_eq!(posted.deliver, None);
}

pub(super) async fn a_receipt_tries_again_by_itself(world: &mut World) {
    world.receive("A", 1).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.post(form("o2").line("l2", "A", 9)).await;
    world.post(form("o3").line("l3", "A", 2)).await;
    world.receive("A", 4).await;
    world.expect_no_review("o1").await;
    world.expect_no_review("o3").await;
    world.expect_review("o2", ReviewReason::InsufficientStock).await;
    world.expect_balance("A", 1).await;
    let review = world.file("o1").await.reviews.remove(0);
    assert_eq!(review.answer.unwrap().by, "saldo");
}

pub(super) async fn orders_that_want_more_do_not_hold_up_those_that_want_less(world: &mut World) {
    world.receive("A", 1).await;
    // More than are tried again in one transaction.
    for number in 0..101 {
        let (order, line) = (format!("o{number}"), format!("l{number}"));
        world.post(form(&order).line(&line, "A", 100)).await;
    }
    world.post(form("small").line("small", "A", 2)).await;
    world.receive("A", 4).await;
    world.expect_no_review("small").await;
    world.expect_balance("A", 3).await;
}

pub(super) async fn a_repeat_tries_again(world: &mut World) {
    world.receive("A", 1).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.receive_only("A", 4).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.expect_balance("A", 3).await;
    world.expect_no_review("o1").await;
}

pub(super) async fn an_order_is_deducted_whole_or_not_at_all(world: &mut World) {
    world.receive("A", 10).await;
    world.receive("B", 1).await;
    world.post(form("o1").line("l1", "A", 2).line("l2", "B", 2)).await;
    world.expect_balance("A", 10).await;
    world.expect_balance("B", 1).await;
    assert_eq!(world.taken("o1").await, 0);
    world.receive("B", 1).await;
    world.expect_balance("A", 8).await;
    world.expect_balance("B", 0).await;
}

pub(super) async fn a_balance_never_falls_below_zero_unless_allowed(world: &mut World) {
    world.receive("A", 1).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.expect_balance("A", 1).await;
    world
        .resolve("o1", ReviewReason::InsufficientStock, Resolution::Force)
        .await;
    world.expect_balance("A", -1).await;
    world.change_policy(|policy| policy.allow_negative = true).await;
    world.post(form("o2").line("l2", "A", 2)).await;
    world.post(form("o3").line("l3", "B", 2)).await;
    world.expect_balance("A", -3).await;
    world.expect_balance("B", -2).await;
}

pub(super) async fn two_lines_of_one_offer_are_two_lines(world: &mut World) {
    world.receive("A", 10).await;
    let of_one_offer =
        form("o1")
            .any_line(Some("l1"), "same", Some("A"), 2)
            .any_line(Some("l2"), "same", Some("A"), 3);
    world.post(of_one_offer).await;
    world.expect_balance("A", 5).await;
    // Without ids they are one line of that SKU, and a repeat is still harmless.
    let without_ids = || {
        form("o2")
            .any_line(None, "same", Some("A"), 1)
            .any_line(None, "same", Some("A"), 2)
    };
    world.post(without_ids()).await;
    world.post(without_ids()).await;
    world.expect_balance("A", 2).await;
}
