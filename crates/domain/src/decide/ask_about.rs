//! Pulled orders that are put before a person, instead of being dealt with by themselves.

use serde_json::json;

use super::command::{OrderOutcome, TakeIn};
use super::take_in::{self, Begin};
use super::{apply, cancel, level, old_way};
use crate::draft::Draft;
use crate::form::FormStatus;
use crate::ids::OrderKey;
use crate::limits::ERROR_CHARACTERS_MAX;
use crate::order::{Order, Standing};
use crate::review::ReviewReason;
use crate::text::one_line;
use crate::view::{OrderFile, Refusal, Stop};

/// Puts a pulled order before a person for a reason.
pub(super) fn ask_about(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    reason: ReviewReason,
) -> Result<OrderOutcome, Stop> {
    match reason {
        ReviewReason::MissedOrder => missed(draft, request),
        ReviewReason::CancelledAfterDeduction => cancelled(draft, request),
        ReviewReason::QuantityMismatch => mismatch(draft, request),
        _ => Err(Stop::Defect(format!(
            "a pulled order is never put before a person as {reason}"
        ))),
    }
}

/// Ready at the service and not deducted here, for too long to be deducted without asking.
fn missed(draft: &mut Draft<'_>, request: &TakeIn) -> Result<OrderOutcome, Stop> {
    let key = take_in::key_of(request);
    match draft.take(&key)? {
        Some(file) if old_way::is_left(&file.order) || take_in::was_never_read(&file) => {
            draft.put(file);
            take_in::take_in_as(draft, request, Begin::Asking)
        }
        None => take_in::take_in_as(draft, request, Begin::Asking),
        Some(file) if waits_for_payment(draft, request, &file) => ask_instead(draft, request, file),
        Some(file) => {
            draft.put(file);
            take_in::take_in(draft, request)
        }
    }
}

/// An unpaid order of which the payment is news now, and nothing else is to be said.
fn waits_for_payment(draft: &Draft<'_>, request: &TakeIn, file: &OrderFile) -> bool {
    let copy = &request.copy;
    file.order.standing == Standing::AwaitsPayment
        && !file.order.touched
        && request.remote_flag != Some(true)
        && take_in::is_ready(draft.policy, copy)
        && !take_in::is_cancelled(copy)
        && !copy.fulfilled_by_allegro
}

fn ask_instead(draft: &mut Draft<'_>, request: &TakeIn, mut file: OrderFile) -> Result<OrderOutcome, Stop> {
    take_in::note_facts(&mut file.order, &request.copy);
    let waiting = level::unapplied(&file).and_then(|id| level::take_operation(&mut file, id));
    if let Some((position, mut operation)) = waiting {
        apply::stop_waiting(draft, &mut file);
        take_in::ask_whether_missed(draft, &mut file, &mut operation);
        file.operations
            .insert(position.min(file.operations.len()), operation);
    }
    take_in::answer(draft, file, false)
}

/// Cancelled at the service, and deducted here for too long to be given back without asking.
fn cancelled(draft: &mut Draft<'_>, request: &TakeIn) -> Result<OrderOutcome, Stop> {
    let key = take_in::key_of(request);
    let copy = &request.copy;
    match draft.take(&key)? {
        Some(mut file)
            if file.order.level()
                && take_in::is_cancelled(copy)
                && !matches!(
                    file.order.standing,
                    Standing::Cancelled { .. } | Standing::Merged { .. }
                ) =>
        {
            take_in::note_facts(&mut file.order, copy);
            if file.order.shipped {
                return cancel::cancel(draft, file, copy);
            }
            if !file
                .order
                .answered
                .contains(&ReviewReason::CancelledAfterDeduction)
            {
                let details = json!({
                    "taken": file.order.taken(),
                    "final": copy.status == FormStatus::Cancelled,
                    "bought_at": file.order.bought_at,
                });
                draft.ask(&mut file, ReviewReason::CancelledAfterDeduction, None, details);
            }
            take_in::answer(draft, file, true)
        }
        file => {
            // Nothing is taken that could come back: what the copy tells moves no stock.
            file.into_iter().for_each(|file| draft.put(file));
            take_in::take_in(draft, request)
        }
    }
}

/// Other lines than were deducted, in a copy that may not be believed by itself.
fn mismatch(draft: &mut Draft<'_>, request: &TakeIn) -> Result<OrderOutcome, Stop> {
    let key = take_in::key_of(request);
    let copy = &request.copy;
    let Some(mut file) = draft.take(&key)? else {
        return Err(Refusal::not_found("order_unknown", format!("order {key} is not known here")).into());
    };
    if file.order.standing != Standing::Applied || !file.order.form_seen || take_in::is_cancelled(copy) {
        return take_in::answer(draft, file, true);
    }
    let is_news = take_in::is_newer(&file.order, copy);
    take_in::note_facts(&mut file.order, copy);
    if !take_in::lines_differ(&file.order, copy) {
        draft.close(&mut file, &[ReviewReason::QuantityMismatch]);
        return take_in::answer(draft, file, true);
    }
    take_in::ask_about_difference(draft, file, copy, is_news)
}

/// A row of the service's list that cannot be read as an order.
pub(super) fn malformed(draft: &mut Draft<'_>, key: &OrderKey, detail: &str) -> Result<OrderOutcome, Stop> {
    let detail = one_line(detail, ERROR_CHARACTERS_MAX);
    let Some(mut file) = draft.take(key)? else {
        if let Some(left) = old_way::leaves(draft, key, None)? {
            return old_way::leave_unread(draft, key, left, &detail);
        }
        let warehouse = draft.policy.default_warehouse.clone();
        let mut file = OrderFile::of(Order::first_heard_of(key.clone(), warehouse, draft.now));
        file.order.standing = Standing::AwaitsReview;
        draft.ask(
            &mut file,
            ReviewReason::Malformed,
            None,
            json!({ "error": detail }),
        );
        return take_in::answer(draft, file, false);
    };
    let is_over = matches!(
        file.order.standing,
        Standing::Cancelled { .. }
            | Standing::Skipped { .. }
            | Standing::Merged { .. }
            | Standing::Settled
            | Standing::GivenBack
    );
    if !is_over && !file.order.answered.contains(&ReviewReason::Malformed) {
        // What is kept of it stays in force; only news of it cannot be seen.
        draft.ask(
            &mut file,
            ReviewReason::Malformed,
            None,
            json!({ "error": detail }),
        );
    }
    take_in::answer(draft, file, true)
}

/// Deducted here, and not shown by the service.
pub(super) fn missing(draft: &mut Draft<'_>, key: &OrderKey) -> Result<OrderOutcome, Stop> {
    let Some(mut file) = draft.take(key)? else {
        return Err(Refusal::not_found("order_unknown", format!("order {key} is not known here")).into());
    };
    if file.order.level() && !file.order.answered.contains(&ReviewReason::MissingRemotely) {
        let details = json!({
            "taken": file.order.taken(),
            "bought_at": file.order.bought_at,
            "flag_confirmed": file.order.flag_confirmed,
        });
        draft.ask(&mut file, ReviewReason::MissingRemotely, None, details);
    }
    take_in::answer(draft, file, true)
}
