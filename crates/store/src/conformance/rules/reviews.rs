//! The table reason × resolution, each cell, and what answering means in general.

use saldo_domain::decide::{Command, SettleOutcome, applies};
use saldo_domain::delivery::{Outcome as Attempt, Task};
use saldo_domain::ids::ReviewId;
use saldo_domain::operation::OperationStatus;
use saldo_domain::order::Standing;
use saldo_domain::review::{Resolution, ReviewReason};
use uuid::Uuid;

use super::form::{Form, form};
use super::world::{World, failure, other_account, resolve};

fn order() -> Form {
    form("o1").any_line(Some("l1"), "offer", Some("A"), 2)
}

/// Brings about an open review, about order `o1` unless it is about more.
async fn bring_about(world: &mut World, reason: ReviewReason) -> ReviewId {
    match reason {
        ReviewReason::InsufficientStock => {
            world.receive("A", 1).await;
            world.post(order()).await;
        }
        ReviewReason::SkuMissing => {
            world.receive("A", 10).await;
            world.post(form("o1").line_of_offer("l1", "offer", 2)).await;
        }
        ReviewReason::SkuUnknown => {
            world.post(order()).await;
        }
        ReviewReason::DeliveryFailed => {
            world.receive("A", 10).await;
            world.post(order()).await;
            world.attempt(Attempt::Permanent(failure("422"))).await;
        }
        ReviewReason::GaveUp => {
            world.receive("A", 10).await;
            world.post(order()).await;
            world.advance(1);
            return world.give_up(world.now).await.review.unwrap();
        }
        ReviewReason::AccountUnusable => {
            world.receive("A", 10).await;
            world.post(order()).await;
            world
                .attempt(Attempt::AccountUnusable(failure("no such token")))
                .await;
            return world.wide_review(reason).await.unwrap().id;
        }
        ReviewReason::RemoteOnly => {
            world.receive("A", 10).await;
            world.pull(order(), true).await;
        }
        ReviewReason::CancelledAfterShipment => {
            world.receive("A", 10).await;
            world.post(order().shipped()).await;
            world.post(order().cancelled()).await;
        }
        ReviewReason::QuantityMismatch => {
            world.receive("A", 10).await;
            world.post(order().shipped()).await;
            let differs = form("o1")
                .any_line(Some("l1"), "offer", Some("A"), 3)
                .revision("second");
            world.post(differs).await;
        }
        ReviewReason::Returned => {
            world.receive("A", 10).await;
            world.post(order().returned()).await;
            world.post(order().returned()).await;
        }
        ReviewReason::OtherAccount => {
            world.receive("A", 10).await;
            world
                .post_for(other_account(), form("o9").line("l1", "A", 2))
                .await;
            world.post(order()).await;
        }
        ReviewReason::StuckUnpaid => {
            world.receive("A", 10).await;
            world.post(order().unpaid()).await;
            world.advance(1);
            let before = world.now;
            world.ask(Command::AskAboutUnpaid { before }).await.unwrap();
            return world.wide_review(reason).await.unwrap().id;
        }
        ReviewReason::Reopened => {
            world.receive("A", 10).await;
            world.post(order()).await;
            world.post(order().cancelled_by_seller().revision("second")).await;
            world.post(order().revision("third")).await;
        }
        ReviewReason::MissedOrder => {
            world.receive("A", 10).await;
            world.ask_about(order().listed(), reason).await;
        }
        ReviewReason::CancelledAfterDeduction => {
            world.receive("A", 10).await;
            world.post(order()).await;
            world.ask_about(order().cancelled().listed(), reason).await;
        }
        ReviewReason::MissingRemotely => {
            world.receive("A", 10).await;
            world.post(order()).await;
            world.ask_about_missing("o1").await;
        }
        ReviewReason::Malformed => {
            world.receive("A", 10).await;
            world.ask_about_malformed("o1").await;
        }
    }
    world.expect_review("o1", reason).await.id
}

/// One cell: what an answer does, or that it is refused and changes nothing.
pub(super) async fn cell(world: &mut World, reason: ReviewReason, resolution: Resolution) {
    let review = bring_about(world, reason).await;
    if !applies(reason, resolution) {
        let refused = world.refused(resolve(review, resolution, &[("B", 1)])).await;
        assert_eq!(refused, "resolution_not_applicable", "{reason} × {resolution}");
        assert!(world.review(review).await.is_open());
        return;
    }
    if reason == ReviewReason::OtherAccount && resolution == Resolution::Retry {
        let refused = world.refused(resolve(review, resolution, &[])).await;
        assert_eq!(refused, "line_held_elsewhere");
        return;
    }
    world.receive_only("B", 10).await;
    let to: &[(&str, i64)] = if resolution == Resolution::MapSku {
        &[("B", 1)]
    } else {
        &[]
    };
    world.resolve_with(review, resolution, to).await;
    expect(world, reason, resolution, review).await;
}

/// What each answer leads to: units taken, whether the review is closed, and where the order stands.
async fn expect(world: &mut World, reason: ReviewReason, resolution: Resolution, review: ReviewId) {
    use Resolution::{Accept, Cancel, Force, MapSku, Retry};
    use ReviewReason::{
        AccountUnusable, CancelledAfterDeduction, CancelledAfterShipment, DeliveryFailed, GaveUp,
        InsufficientStock, Malformed, MissedOrder, MissingRemotely, OtherAccount, QuantityMismatch,
        RemoteOnly, Reopened, Returned, SkuMissing, SkuUnknown, StuckUnpaid,
    };
    let cell = format!("{reason} × {resolution}");
    let (taken, closed) = match (reason, resolution) {
        (InsufficientStock | SkuUnknown | SkuMissing, Retry) => (0, false),
        (
            InsufficientStock | SkuUnknown | SkuMissing | RemoteOnly | OtherAccount | MissedOrder,
            Accept | Cancel,
        ) => (0, true),
        (Malformed, Retry) => (0, false),
        (Malformed, Accept) | (MissingRemotely, Cancel) => (0, true),
        (MissingRemotely, Retry) => (2, false),
        (MissingRemotely, Accept) => (2, true),
        (MissedOrder, Force) => (2, true),
        (InsufficientStock | SkuUnknown | SkuMissing, MapSku | Force) => (2, true),
        (RemoteOnly | Reopened | StuckUnpaid, Force) => (2, true),
        (StuckUnpaid, Accept | Cancel) => (0, true),
        (DeliveryFailed, Cancel) => (0, true),
        (DeliveryFailed | GaveUp | AccountUnusable, _) => (2, true),
        (CancelledAfterShipment | CancelledAfterDeduction | Returned, Force) | (Reopened, Accept) => {
            (0, true)
        }
        (CancelledAfterShipment | CancelledAfterDeduction | Returned | QuantityMismatch, Accept) => (2, true),
        (QuantityMismatch, Force) => (3, true),
        _ => panic!("{cell} is not in the table"),
    };
    assert_eq!(world.taken("o1").await, taken, "{cell}: units taken");
    let stored = world.review(review).await;
    assert_eq!(!stored.is_open(), closed, "{cell}: closed");
    if let Some(answer) = stored.answer {
        assert_eq!(answer.by, "Anna", "{cell}");
        assert_eq!(answer.resolution, Some(resolution), "{cell}");
    }
    let standing = world.standing("o1").await;
    match (reason, resolution) {
        (
            InsufficientStock | SkuUnknown | SkuMissing | RemoteOnly | OtherAccount | MissedOrder,
            Accept | Cancel,
        )
        | (Malformed, Accept) => {
            assert_eq!(standing, Standing::Settled, "{cell}");
            world.receive("A", 10).await;
            world.post(order().revision("later")).await;
            assert_eq!(world.taken("o1").await, 0, "{cell}: nothing moves later either");
        }
        (StuckUnpaid, Accept) => assert_eq!(standing, Standing::AwaitsPayment, "{cell}"),
        (StuckUnpaid, Cancel) => assert_eq!(standing, Standing::Settled, "{cell}"),
        (CancelledAfterShipment | CancelledAfterDeduction, Force) => {
            assert_eq!(standing, Standing::Cancelled { is_final: true }, "{cell}");
        }
        (DeliveryFailed, Accept) => {
            // It is read back before it is believed.
            let claim = world.claim_one().await;
            assert_eq!(claim.task, Task::Verify, "{cell}");
            let settled = world.settle(&claim, Attempt::Differs).await;
            let owed = matches!(settled, SettleOutcome::Recorded { finished: false, .. });
            assert!(owed, "{cell}");
            assert_eq!(world.claim_one().await.task, Task::Send, "{cell}");
            world.advance(60);
        }
        _ => {}
    }
    if let (MissingRemotely, Cancel) = (reason, resolution) {
        assert_eq!(standing, Standing::GivenBack, "{cell}");
    }
    if let (
        CancelledAfterShipment | CancelledAfterDeduction | QuantityMismatch | Returned | MissingRemotely,
        Accept,
    ) = (reason, resolution)
    {
        // The same facts are not asked about again.
        match reason {
            CancelledAfterShipment | CancelledAfterDeduction => world.post(order().cancelled()).await,
            MissingRemotely => world.ask_about_missing("o1").await,
            Returned => world.post(order().returned()).await,
            _ => {
                let differs = form("o1").any_line(Some("l1"), "offer", Some("A"), 3);
                world.post(differs.revision("second")).await
            }
        };
        world.expect_no_review("o1").await;
        assert_eq!(world.taken("o1").await, taken, "{cell}");
    }
}

pub(super) async fn an_answer_given_twice_is_the_same_as_once(world: &mut World) {
    let review = bring_about(world, ReviewReason::RemoteOnly).await;
    let first = world.resolve_with(review, Resolution::Force, &[]).await;
    let second = world.resolve_with(review, Resolution::Force, &[]).await;
    assert_eq!((first.duplicate, second.duplicate), (false, true));
    world.expect_balance("A", 8).await;
}

pub(super) async fn an_answer_that_was_cut_short_goes_on_when_it_is_given_again(world: &mut World) {
    let review = bring_about(world, ReviewReason::StuckUnpaid).await;
    // The process dies before what follows from the answer is done.
    world.ask(resolve(review, Resolution::Force, &[])).await.unwrap();
    world.expect_balance("A", 10).await;
    assert!(world.resolve_with(review, Resolution::Force, &[]).await.duplicate);
    world.expect_balance("A", 8).await;
}

pub(super) async fn another_answer_to_a_closed_review_is_refused(world: &mut World) {
    let review = bring_about(world, ReviewReason::RemoteOnly).await;
    world.resolve_with(review, Resolution::Accept, &[]).await;
    let refused = world.refused(resolve(review, Resolution::Force, &[])).await;
    assert_eq!(refused, "already_resolved");
    world.expect_balance("A", 10).await;
}

pub(super) async fn an_unknown_review_is_refused(world: &mut World) {
    let nobody_s = ReviewId::new(Uuid::from_u128(9));
    let refused = world.refused(resolve(nobody_s, Resolution::Force, &[])).await;
    assert_eq!(refused, "review_unknown");
}

pub(super) async fn a_review_whose_cause_is_gone_closes_itself(world: &mut World) {
    let short = bring_about(world, ReviewReason::InsufficientStock).await;
    world.receive("A", 5).await;
    let answer = world.review(short).await.answer.unwrap();
    assert_eq!((answer.resolution, answer.by.as_str()), (None, "saldo"));
    world.attempt(Attempt::Permanent(failure("422"))).await;
    let failed = world.expect_review("o1", ReviewReason::DeliveryFailed).await;
    world.refund("o1", "A", 2).await;
    world.deliver().await;
    assert!(!world.review(failed.id).await.is_open());
}

pub(super) async fn calling_off_a_failed_deduction_and_refund_takes_nothing(world: &mut World) {
    world.receive("A", 10).await;
    let deduction = world.post(form("o1").line("l1", "A", 5)).await;
    world.refund("o1", "A", 2).await;
    world.attempt(Attempt::Permanent(failure("422"))).await;
    world
        .resolve("o1", ReviewReason::DeliveryFailed, Resolution::Cancel)
        .await;
    world.expect_balance("A", 10).await;
    assert_eq!(
        world.status(deduction.operation.unwrap()).await,
        OperationStatus::RolledBack
    );
}
