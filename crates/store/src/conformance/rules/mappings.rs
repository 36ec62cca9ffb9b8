//! What an offer stands for.

use saldo_domain::review::{Resolution, ReviewReason};

use super::form::form;
use super::world::World;

pub(super) async fn a_mapping_wins_over_the_offer_s_own_sku(world: &mut World) {
    world.receive("A", 10).await;
    world.receive("B", 10).await;
    world.map("offer-l1", &[("B", 1)]).await;
    world.post(form("o1").line("l1", "A", 2)).await;
    world.expect_balance("A", 10).await;
    world.expect_balance("B", 8).await;
}

pub(super) async fn a_mapping_tries_every_open_review_of_its_offer(world: &mut World) {
    world.receive("A", 10).await;
    world.post(form("o1").line_of_offer("l1", "set", 1)).await;
    world.post(form("o2").line_of_offer("l2", "set", 2)).await;
    world
        .post(form("o3").any_line(Some("l3"), "set", Some("unknown"), 3))
        .await;
    let review = world.expect_review("o1", ReviewReason::SkuMissing).await;
    world
        .resolve_with(review.id, Resolution::MapSku, &[("A", 1)])
        .await;
    world.expect_balance("A", 4).await;
    for order in ["o1", "o2", "o3"] {
        world.expect_no_review(order).await;
    }
    let answer = world.review(review.id).await.answer.unwrap();
    assert_eq!(
        (answer.resolution, answer.by.as_str()),
        (Some(Resolution::MapSku), "Anna")
    );
}

pub(super) async fn a_set_takes_its_units(world: &mut World) {
    world.receive("A", 10).await;
    world.receive("B", 10).await;
    world.map("set", &[("A", 2), ("B", 1)]).await;
    world.post(form("o1").line_of_offer("l1", "set", 3)).await;
    world.expect_balance("A", 4).await;
    world.expect_balance("B", 7).await;
    world
        .post(form("o1").line_of_offer("l1", "set", 2).revision("second"))
        .await;
    world.expect_balance("A", 6).await;
    world.expect_balance("B", 8).await;
    world.refund("o1", "A", 1).await;
    world.expect_balance("A", 7).await;
}

pub(super) async fn a_changed_mapping_does_not_move_what_was_taken(world: &mut World) {
    world.receive("A", 10).await;
    world.receive("B", 10).await;
    world.map("set", &[("A", 2)]).await;
    let posted = world.post(form("o1").line_of_offer("l1", "set", 2)).await;
    world.map("set", &[("B", 1)]).await;
    world.post(form("o1").line_of_offer("l1", "set", 2)).await;
    world
        .post(form("o1").line_of_offer("l1", "set", 3).revision("second"))
        .await;
    world.expect_balance("A", 4).await;
    world.expect_balance("B", 10).await;
    world.roll_back(posted.operation.unwrap()).await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn several_missing_offers_are_mapped_one_by_one(world: &mut World) {
    world.receive("A", 10).await;
    world.receive("B", 10).await;
    world
        .post(
            form("o1")
                .line_of_offer("l1", "one", 1)
                .line_of_offer("l2", "two", 2),
        )
        .await;
    let review = world.expect_review("o1", ReviewReason::SkuMissing).await;
    world
        .resolve_with(review.id, Resolution::MapSku, &[("A", 1)])
        .await;
    world.expect_review("o1", ReviewReason::SkuMissing).await;
    world
        .resolve_with(review.id, Resolution::MapSku, &[("B", 1)])
        .await;
    world.expect_balance("A", 9).await;
    world.expect_balance("B", 8).await;
    world.expect_no_review("o1").await;
    // Of several lines, the one whose SKU is not known is meant.
    let unknown =
        form("o2")
            .any_line(Some("l3"), "three", Some("A"), 1)
            .any_line(Some("l4"), "four", Some("X"), 1);
    world.post(unknown).await;
    let review = world.expect_review("o2", ReviewReason::SkuUnknown).await;
    world
        .resolve_with(review.id, Resolution::MapSku, &[("B", 1)])
        .await;
    world.expect_balance("A", 8).await;
    world.expect_balance("B", 7).await;
}
