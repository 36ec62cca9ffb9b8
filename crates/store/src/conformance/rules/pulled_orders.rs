//! Sections 4 and 7: what is pulled from the orders service, asked about, missed, or sent once more.

use saldo_domain::decide::{Command, SyncStatus};
use saldo_domain::delivery::Outcome as Attempt;
use saldo_domain::form::Source;
use saldo_domain::operation::OperationStatus;
use saldo_domain::order::Standing;
use saldo_domain::review::{Resolution, ReviewReason};

use super::form::{Form, form};
use super::world::{World, failure, take_in};

fn order() -> Form {
    form("o1").line("l1", "A", 2)
}

pub(super) async fn a_pulled_order_is_never_deducted_before_its_flag_was_confirmed(world: &mut World) {
    world.receive("A", 10).await;
    for source in [Source::Listed, Source::Searched, Source::Live] {
        let unconfirmed = Command::TakeIn(take_in(order().from(source)));
        assert_eq!(world.refused(unconfirmed).await, "flag_unconfirmed");
    }
    world.pull(order().unpaid().listed(), false).await;
    let paid = world.post(order().from(Source::Live).updated(9)).await;
    assert_eq!((paid.status, paid.duplicate), (SyncStatus::Pending, true));
    world.expect_balance("A", 10).await;
    world.pull(order().from(Source::Live).updated(9), false).await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn a_missed_order_is_deducted_only_when_a_person_says_so(world: &mut World) {
    world.receive("A", 10).await;
    let asked = world.ask_about(order().listed(), ReviewReason::MissedOrder).await;
    assert_eq!((asked.status, asked.duplicate), (SyncStatus::Pending, false));
    world.pull(order().listed(), false).await;
    world.ask_about(order().listed(), ReviewReason::MissedOrder).await;
    world.try_again("o1").await;
    world.deduct_line("o1", "l1", "A", 2).await;
    world.expect_balance("A", 10).await;
    world
        .resolve("o1", ReviewReason::MissedOrder, Resolution::Force)
        .await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn a_missed_order_that_is_posted_is_deducted(world: &mut World) {
    world.receive("A", 10).await;
    world.ask_about(order().listed(), ReviewReason::MissedOrder).await;
    world.post(order()).await;
    world.expect_no_review("o1").await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn a_missed_order_that_was_deducted_elsewhere_is_asked_about_as_such(world: &mut World) {
    world.receive("A", 10).await;
    world.ask_about(order().listed(), ReviewReason::MissedOrder).await;
    world.pull(order().listed(), true).await;
    assert!(world.open_review("o1", ReviewReason::MissedOrder).await.is_none());
    world.expect_review("o1", ReviewReason::RemoteOnly).await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_missed_order_that_is_cancelled_is_no_question_any_more(world: &mut World) {
    world.receive("A", 10).await;
    world.ask_about(order().listed(), ReviewReason::MissedOrder).await;
    world.pull(order().cancelled().listed(), false).await;
    world.expect_no_review("o1").await;
    world.expect_balance("A", 10).await;
}

pub(super) async fn an_unpaid_order_whose_payment_was_missed_is_asked_about(world: &mut World) {
    world.receive("A", 10).await;
    world.pull(order().unpaid().listed(), false).await;
    world.ask_about(order().listed(), ReviewReason::MissedOrder).await;
    world.expect_review("o1", ReviewReason::MissedOrder).await;
    world.expect_balance("A", 10).await;
    world
        .resolve("o1", ReviewReason::MissedOrder, Resolution::Force)
        .await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn a_missed_order_that_is_not_ready_is_no_question(world: &mut World) {
    world.receive("A", 10).await;
    world
        .ask_about(order().unpaid().listed(), ReviewReason::MissedOrder)
        .await;
    assert_eq!(world.standing("o1").await, Standing::AwaitsPayment);
    let allegro = form("o2").line("l2", "A", 1).fulfilled_by_allegro();
    let skipped = world.ask_about(allegro.listed(), ReviewReason::MissedOrder).await;
    assert_eq!(skipped.status, SyncStatus::Skipped);
    world.expect_no_review("o1").await;
}

pub(super) async fn an_old_cancellation_is_asked_about_and_gives_nothing_back(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.deliver().await;
    let cancelled = order().cancelled().listed();
    world
        .ask_about(cancelled.clone(), ReviewReason::CancelledAfterDeduction)
        .await;
    world.expect_balance("A", 8).await;
    world
        .resolve("o1", ReviewReason::CancelledAfterDeduction, Resolution::Accept)
        .await;
    // What a person has settled is not undone by the same news again, whoever brings it.
    world
        .ask_about(cancelled.clone(), ReviewReason::CancelledAfterDeduction)
        .await;
    world.pull(cancelled, true).await;
    world.post(order().cancelled()).await;
    world.expect_no_review("o1").await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn an_old_cancellation_that_is_dealt_with_closes_its_question(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    let cancelled = order().cancelled().listed();
    let reason = ReviewReason::CancelledAfterDeduction;
    world.ask_about(cancelled.clone(), reason).await;
    world.refund("o1", "A", 2).await;
    world.expect_no_review("o1").await;
    world.ask_about(cancelled, reason).await;
    world.expect_no_review("o1").await;
    assert_eq!(world.standing("o1").await, Standing::Cancelled { is_final: true });
    let shipped = form("o2").line("l2", "A", 1).shipped();
    world.post(shipped.clone()).await;
    world.ask_about(shipped.cancelled().listed(), reason).await;
    world
        .expect_review("o2", ReviewReason::CancelledAfterShipment)
        .await;
}

pub(super) async fn a_difference_that_is_asked_about_moves_nothing(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    let more = || {
        form("o1")
            .line("l1", "A", 5)
            .revision("second")
            .from(Source::Live)
            .updated(9)
    };
    world.ask_about(more(), ReviewReason::QuantityMismatch).await;
    world.expect_review("o1", ReviewReason::QuantityMismatch).await;
    world.expect_balance("A", 8).await;
    world
        .resolve("o1", ReviewReason::QuantityMismatch, Resolution::Force)
        .await;
    world.expect_balance("A", 5).await;
    world.ask_about(more(), ReviewReason::QuantityMismatch).await;
    world.expect_no_review("o1").await;
}

pub(super) async fn an_order_that_cannot_be_read_is_before_a_person_until_it_can(world: &mut World) {
    world.receive("A", 10).await;
    let unread = world.ask_about_malformed("o1").await;
    assert_eq!((unread.status, unread.operation), (SyncStatus::Pending, None));
    world.ask_about_malformed("o1").await;
    world.expect_review("o1", ReviewReason::Malformed).await;
    assert_eq!(world.standing("o1").await, Standing::AwaitsReview);
    world.pull(order().listed(), false).await;
    world.expect_no_review("o1").await;
    world.expect_balance("A", 8).await;
    // Of a known order, what is kept stays in force.
    world.ask_about_malformed("o1").await;
    world.expect_review("o1", ReviewReason::Malformed).await;
    world.refund("o1", "A", 1).await;
    world.pull(order().listed(), true).await;
    assert!(world.open_review("o1", ReviewReason::Malformed).await.is_none());
    world.expect_balance("A", 9).await;
}

pub(super) async fn an_unread_order_that_was_settled_is_not_deducted(world: &mut World) {
    world.receive("A", 10).await;
    world.ask_about_malformed("o1").await;
    world
        .resolve("o1", ReviewReason::Malformed, Resolution::Accept)
        .await;
    world.pull(order().listed(), false).await;
    world.post(order()).await;
    world.ask_about_malformed("o1").await;
    world.expect_no_review("o1").await;
    world.expect_balance("A", 10).await;
    world.post_forced(order()).await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn an_unread_order_of_which_a_line_is_posted_is_deducted(world: &mut World) {
    world.receive("A", 10).await;
    world.ask_about_malformed("o1").await;
    world.deduct_line("o1", "l1", "A", 2).await;
    world.expect_balance("A", 8).await;
    world.post(order()).await;
    world.expect_no_review("o1").await;
    world.expect_balance("A", 8).await;
}

pub(super) async fn an_order_that_the_service_does_not_show_is_asked_about_until_it_does(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.deliver().await;
    world.ask_about_missing("o1").await;
    world.ask_about_missing("o1").await;
    world.expect_review("o1", ReviewReason::MissingRemotely).await;
    world.expect_balance("A", 8).await;
    world.pull(order().listed(), true).await;
    world.expect_no_review("o1").await;
    // What has come back is missed by nobody.
    world.ask_about_missing("o1").await;
    world.refund("o1", "A", 2).await;
    world.expect_no_review("o1").await;
    world.ask_about_missing("o1").await;
    world.expect_no_review("o1").await;
}

pub(super) async fn a_flag_that_the_service_lost_is_sent_again(world: &mut World) {
    world.receive("A", 10).await;
    world.post(order()).await;
    world.deliver().await;
    world.flip("o1");
    let owed = world.redeliver("o1").await;
    assert!(owed.deliver.is_some() && !owed.duplicate);
    assert!(world.redeliver("o1").await.duplicate, "it is owed already");
    world.deliver().await;
    world.expect_remote("o1", true);
    world.refund("o1", "A", 2).await;
    world.deliver().await;
    world.flip("o1");
    world.redeliver("o1").await;
    world.deliver().await;
    world.expect_remote("o1", false);
    world.expect_balance("A", 10).await;
}

pub(super) async fn a_flag_that_was_given_up_is_sent_again_and_answers_its_question(world: &mut World) {
    world.receive("A", 10).await;
    let posted = world.post(order()).await;
    world.attempt(Attempt::Permanent(failure("422"))).await;
    world.redeliver("o1").await;
    world.attempt(Attempt::Permanent(failure("422"))).await;
    let failed = world.expect_review("o1", ReviewReason::DeliveryFailed).await;
    world.redeliver("o1").await;
    assert!(
        world.review(failed.id).await.is_open(),
        "one question for all attempts"
    );
    world.deliver().await;
    world.expect_no_review("o1").await;
    world.expect_remote("o1", true);
    assert_eq!(
        world.status(posted.operation.unwrap()).await,
        OperationStatus::Completed
    );
}

pub(super) async fn saldo_sends_no_flag_of_an_order_that_it_has_no_opinion_on(world: &mut World) {
    world.receive("A", 2).await;
    world.receive("B", 10).await;
    world
        .pull(form("elsewhere").line("l1", "A", 2).listed(), true)
        .await;
    assert!(world.redeliver("elsewhere").await.duplicate);
    // A form of which a part still waits is told when it is whole.
    world.deduct_line("partly", "l2", "A", 2).await;
    world.attempt(Attempt::Permanent(failure("422"))).await;
    let unknown = saldo_domain::decide::Command::Redeliver {
        order: super::world::key("unknown"),
    };
    assert_eq!(world.refused(unknown).await, "order_unknown");
    // A merged form whose flag was never sent has none.
    world.post(form("small").line("l3", "B", 1)).await;
    world
        .post(form("large").line("l3", "B", 1).line("l4", "B", 1))
        .await;
    world.deliver().await;
    assert!(world.redeliver("small").await.duplicate);
}
