//! Cancellations, before or after the deduction, in whatever order the news arrives.

use serde_json::json;

use super::command::OrderOutcome;
use super::{apply, level, refund, take_in};
use crate::draft::Draft;
use crate::form::{FormStatus, OrderCopy};
use crate::order::Standing;
use crate::review::ReviewReason;
use crate::view::{OrderFile, Stop};

/// A copy says that a known order was cancelled.
pub(super) fn cancel(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    copy: &OrderCopy,
) -> Result<OrderOutcome, Stop> {
    let is_final = copy.status == FormStatus::Cancelled;
    match &mut file.order.standing {
        Standing::Cancelled { is_final: known } => {
            *known |= is_final;
            draft.close(&mut file, &[ReviewReason::Reopened]);
            return take_in::answer(draft, file, true);
        }
        Standing::Merged { .. } | Standing::Skipped { .. } => return take_in::answer(draft, file, true),
        _ => {}
    }
    if file.order.level()
        && file
            .order
            .answered
            .contains(&ReviewReason::CancelledAfterDeduction)
    {
        return take_in::answer(draft, file, true);
    }
    if file.order.shipped && file.order.taken() > 0 {
        draft.close(&mut file, &[ReviewReason::CancelledAfterDeduction]);
        if !file
            .order
            .answered
            .contains(&ReviewReason::CancelledAfterShipment)
        {
            let details = json!({ "taken": file.order.taken(), "final": is_final });
            draft.ask(&mut file, ReviewReason::CancelledAfterShipment, None, details);
        }
        return take_in::answer(draft, file, true);
    }
    call_off_waiting(draft, &mut file, "the order was cancelled")?;
    apply::stop_waiting(draft, &mut file);
    draft.close(
        &mut file,
        &[
            ReviewReason::RemoteOnly,
            ReviewReason::OtherAccount,
            ReviewReason::QuantityMismatch,
            ReviewReason::Reopened,
            ReviewReason::Returned,
            ReviewReason::CancelledAfterShipment,
            ReviewReason::CancelledAfterDeduction,
            ReviewReason::MissedOrder,
        ],
    );
    file.order.standing = Standing::Cancelled { is_final };
    if file.order.taken() > 0 {
        refund::give_back_all(draft, &mut file, "the order was cancelled")?;
    } else {
        // What single lines had taken may have come back with a form that waited: that is told now.
        level::tell(draft, &mut file);
    }
    take_in::answer(draft, file, false)
}

/// Calls off the operations of an order that have moved nothing yet.
pub(super) fn call_off_waiting(draft: &mut Draft<'_>, file: &mut OrderFile, why: &str) -> Result<(), Stop> {
    let waiting: Vec<_> = file
        .operations
        .iter()
        .filter(|operation| level::is_unapplied(operation))
        .map(|operation| operation.id)
        .collect();
    for id in waiting {
        if let Some((position, mut operation)) = level::take_operation(file, id) {
            draft.roll_back(&mut operation, json!({ "why": why }))?;
            file.operations.insert(position, operation);
        }
    }
    Ok(())
}

/// The seller's own cancellation was taken back: a person decides.
pub(super) fn reopened(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    copy: &OrderCopy,
) -> Result<OrderOutcome, Stop> {
    let review = draft.ask(&mut file, ReviewReason::Reopened, None, json!({ "copy": copy }));
    let mut outcome = take_in::answer(draft, file, true)?;
    outcome.review = Some(review);
    Ok(outcome)
}
