//! How an order stands, found from its file and from a copy of it.

use super::{Flag, Kinds, Local, Missing, Remote, Sides, Word};
use crate::decide::{is_cancelled, is_newer, is_old_cancellation, lines_differ, was_never_read};
use crate::discrepancy::DiscrepancyKind;
use crate::form::{FormStatus, OrderCopy, Source};
use crate::operation::{OperationStatus, WaitingFor};
use crate::order::{Order, Standing};
use crate::review::ReviewReason;
use crate::view::OrderFile;

/// What the service shows of an order.
#[derive(Debug, Clone, Copy)]
pub enum Shown<'c> {
    /// Nothing.
    Absent,
    /// A copy that cannot be read.
    Unreadable,
    /// A copy.
    Copy(&'c OrderCopy),
}

/// Compares an order's file with what the service shows of it. `is_ours` says whether it would be taken in if nothing
/// were known of it.
#[must_use]
pub fn look(
    file: Option<&OrderFile>,
    shown: Shown<'_>,
    is_ours: bool,
    deduct_when_bought: bool,
    (flag, word): (Flag, Word),
) -> Sides {
    let copy = match shown {
        Shown::Copy(copy) => Some(copy),
        Shown::Absent | Shown::Unreadable => None,
    };
    let asked = file.map_or_else(Kinds::default, asked);
    let remote = match shown {
        Shown::Absent => Remote::Absent,
        Shown::Unreadable => Remote::Unreadable,
        Shown::Copy(copy) => remote(file, copy, asked, deduct_when_bought),
    };
    Sides {
        local: local(file, copy, is_ours),
        remote,
        flag,
        word,
        sent: file.is_some_and(|file| file.order.shipped) || copy.is_some_and(|copy| copy.shipped),
        tells_news: file
            .zip(copy)
            .is_some_and(|(file, copy)| tells_news(file, copy, asked, remote)),
        under_way: file.is_some_and(is_under_way),
        asked,
        answered: file.map_or_else(Kinds::default, answered),
        missing: Missing::AtFirst,
    }
}

fn local(file: Option<&OrderFile>, copy: Option<&OrderCopy>, is_ours: bool) -> Local {
    let file = file.filter(|file| !was_never_read(file));
    let Some(OrderFile { order, .. }) = file else {
        let is_allegros = copy.is_some_and(|copy| copy.fulfilled_by_allegro);
        return if is_ours && !is_allegros {
            Local::Unknown
        } else {
            Local::Outside
        };
    };
    if order.touched {
        return if order.level() {
            Local::Deducted
        } else if matches!(order.standing, Standing::Merged { .. }) && order.flag_confirmed.is_none() {
            // Saldo never sent its flag, so it has no opinion on it.
            Local::Outside
        } else {
            Local::GivenBack
        };
    }
    match order.standing {
        Standing::AwaitsPayment => Local::AwaitsPayment,
        Standing::AwaitsStock | Standing::AwaitsReview => Local::Waiting,
        Standing::Applied
        | Standing::GivenBack
        | Standing::Cancelled { .. }
        | Standing::Skipped { .. }
        | Standing::Merged { .. }
        | Standing::Settled => Local::Outside,
    }
}

fn remote(file: Option<&OrderFile>, copy: &OrderCopy, asked: Kinds, deduct_when_bought: bool) -> Remote {
    let order = file.map(|file| &file.order);
    let is_old_news = order.is_some_and(|order| is_old_cancellation(order, copy, is_newer(order, copy)));
    if is_cancelled(copy) && !is_old_news {
        return Remote::Cancelled;
    }
    if copy.status != FormStatus::Ready && !deduct_when_bought {
        return Remote::Unpaid;
    }
    let was_asked = asked.has(DiscrepancyKind::QuantityMismatch);
    let differs = order.is_some_and(|order| {
        order.standing == Standing::Applied
            && order.form_seen
            && lines_differ(order, copy)
            // What was asked about stays a difference, although its copy has been seen by now.
            && (was_asked || !is_older(order, copy))
    });
    if differs {
        Remote::OtherLines
    } else {
        Remote::Ready
    }
}

/// Whether a copy is known to be older than what is kept: its revision was seen, or the buyer changed the form since.
/// What Allegro answers now is never older.
fn is_older(order: &Order, copy: &OrderCopy) -> bool {
    if copy.source == Source::Live {
        return false;
    }
    let was_seen = copy
        .revision
        .as_ref()
        .is_some_and(|revision| order.revisions.contains(revision));
    let ours_is_later = copy
        .updated_at
        .zip(order.copy_updated_at)
        .is_some_and(|(theirs, ours)| theirs < ours);
    was_seen || ours_is_later
}

/// Whether intake would learn something from a copy that moves no stock.
fn tells_news(file: &OrderFile, copy: &OrderCopy, asked: Kinds, remote: Remote) -> bool {
    let order = &file.order;
    if matches!(order.standing, Standing::Merged { .. }) || !order.form_seen {
        return false;
    }
    let came_back = copy.returned
        && order.level()
        && !order.answered.contains(&ReviewReason::Returned)
        && file.open_review(ReviewReason::Returned).is_none();
    let agrees_again = asked.has(DiscrepancyKind::QuantityMismatch) && remote == Remote::Ready;
    let was_missing = asked.has(DiscrepancyKind::MissingRemotely);
    let was_malformed = asked.has(DiscrepancyKind::Malformed);
    is_newer(order, copy)
        || (copy.shipped && !order.shipped)
        || came_back
        || agrees_again
        || was_missing
        || was_malformed
}

/// Whether something of an order is under way: its delivery is owed, waits, or is being made.
fn is_under_way(file: &OrderFile) -> bool {
    file.delivery.is_some()
        || file.operations.iter().any(|operation| match operation.status {
            OperationStatus::Processing => true,
            OperationStatus::Pending => matches!(
                operation.waiting_for,
                Some(WaitingFor::Delivery | WaitingFor::Account)
            ),
            OperationStatus::Completed | OperationStatus::Failed | OperationStatus::RolledBack => false,
        })
}

fn asked(file: &OrderFile) -> Kinds {
    let open = file.reviews.iter().filter(|review| review.is_open());
    of_reasons(open.map(|review| review.reason))
}

fn answered(file: &OrderFile) -> Kinds {
    of_reasons(file.order.answered.iter().copied())
}

fn of_reasons(reasons: impl Iterator<Item = ReviewReason>) -> Kinds {
    reasons.filter_map(kind_of).fold(Kinds::default(), Kinds::with)
}

/// The difference that a review is about.
const fn kind_of(reason: ReviewReason) -> Option<DiscrepancyKind> {
    Some(match reason {
        ReviewReason::RemoteOnly => DiscrepancyKind::RemoteOnly,
        ReviewReason::MissedOrder => DiscrepancyKind::MissedOrder,
        ReviewReason::CancelledAfterDeduction => DiscrepancyKind::CancelledAfterDeduction,
        ReviewReason::CancelledAfterShipment => DiscrepancyKind::CancelledAfterShipment,
        ReviewReason::QuantityMismatch => DiscrepancyKind::QuantityMismatch,
        ReviewReason::MissingRemotely => DiscrepancyKind::MissingRemotely,
        ReviewReason::Malformed => DiscrepancyKind::Malformed,
        _ => return None,
    })
}
