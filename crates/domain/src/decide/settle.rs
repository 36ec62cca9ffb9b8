//! How a claimed delivery ended, and what follows: the table of outcomes of section 5.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::claim::{is_waiting, return_to_pending};
use super::command::{Settle, SettleOutcome};
use super::outage;
use crate::delivery::{Delivery, Doubts, Failure, Lease, Outcome, Task};
use crate::draft::Draft;
use crate::limits::ERROR_CHARACTERS_MAX;
use crate::operation::{Action, Operation, OperationStatus, WaitingFor};
use crate::review::{ReviewReason, Subject};
use crate::text::one_line;
use crate::view::{OrderFile, Stop};

/// Records how an attempt ended. Under another token than the delivery's, nothing changes (invariant 7).
pub(super) fn settle(draft: &mut Draft<'_>, settle: &Settle) -> Result<SettleOutcome, Stop> {
    let Some(mut file) = draft.take(&settle.key)? else {
        return Ok(SettleOutcome::Stale);
    };
    let Some(mut delivery) = file.delivery.take() else {
        draft.put(file);
        return Ok(SettleOutcome::Stale);
    };
    let Some(lease) = delivery.lease.take_if(|lease| lease.token == settle.token) else {
        file.delivery = Some(delivery);
        draft.put(file);
        return Ok(SettleOutcome::Stale);
    };
    delivery.due_at = draft.now;
    let before: Vec<_> = file
        .operations
        .iter()
        .map(|operation| (operation.id, operation.status))
        .collect();
    match &settle.outcome {
        Outcome::Delivered => delivered(draft, &mut file, delivery, &lease, settle)?,
        Outcome::Differs => {
            return_to_pending(draft, &mut file, "the service's flag differs")?;
            file.order.flag_confirmed = Some(!lease.flag);
            file.order.flag_confirmed_at = Some(draft.now);
            file.delivery = Some(Delivery {
                task: Task::Send,
                ..delivery
            });
        }
        Outcome::Transient(failure) => try_later(draft, &mut file, delivery, failure, settle)?,
        Outcome::Unknown(failure) => {
            delivery.doubts.remember(lease.flag, draft.now);
            doubt_confirmed(&mut file, lease.flag);
            try_later(draft, &mut file, delivery, failure, settle)?;
        }
        Outcome::Credentials(failure) => wait_for_account(draft, &mut file, delivery, failure, settle)?,
        Outcome::AccountUnusable(failure) => {
            let account = settle.key.account;
            let details = json!({ "error": failure.message });
            draft.ask_widely(ReviewReason::AccountUnusable, Subject::Account(account), details)?;
            wait_for_account(draft, &mut file, delivery, failure, settle)?;
        }
        Outcome::Permanent(failure) => fail(draft, &mut file, delivery, failure, settle)?,
        Outcome::NotMade { again_at } => {
            return_to_pending(draft, &mut file, "the call was not made")?;
            file.delivery = Some(Delivery {
                due_at: *again_at,
                ..delivery
            });
        }
    }
    let due_at = file.delivery.as_ref().map(|delivery| delivery.due_at);
    let operations = file
        .operations
        .iter()
        .filter(|operation| !before.contains(&(operation.id, operation.status)))
        .map(|operation| operation.id)
        .collect();
    draft.put(file);
    Ok(SettleOutcome::Recorded {
        finished: due_at.is_none(),
        due_at,
        operations,
    })
}

/// The other value was sent and may have arrived: what the service confirmed before is not known any more. This
/// is kept with the order, because a delivery that is given up takes its doubts along.
pub(super) fn doubt_confirmed(file: &mut OrderFile, sent: bool) {
    if file.order.flag_confirmed == Some(!sent) {
        file.order.flag_confirmed = None;
    }
}

/// The service holds the flag that was sent (or read back).
fn delivered(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    mut delivery: Delivery,
    lease: &Lease,
    settle: &Settle,
) -> Result<(), Stop> {
    file.order.flag_confirmed = Some(lease.flag);
    file.order.flag_confirmed_at = Some(draft.now);
    if lease.flag != file.order.level() {
        // The level changed while the call was on its way: the new one follows at once.
        return_to_pending(draft, file, "the order's level changed meanwhile")?;
        file.delivery = Some(Delivery {
            task: Task::Send,
            ..delivery
        });
        return Ok(());
    }
    for operation in &mut file.operations {
        if operation.status == OperationStatus::Processing {
            if delivery.task == Task::Send && is_retry(operation) {
                operation.retry_count = operation.retry_count.saturating_add(1);
            }
            let details = json!({ "flag": lease.flag });
            let took = Some(settle.took_ms);
            draft.advance(
                operation,
                OperationStatus::Completed,
                Action::Completed,
                details,
                took,
            )?;
        }
    }
    for operation in &mut file.operations {
        // What failed before wanted this same level told: it is told now.
        if operation.status == OperationStatus::Failed {
            outage::revive(draft, operation)?;
            draft.complete_at_once(operation, "a later delivery told the order's level")?;
        }
    }
    draft.close(file, &[ReviewReason::DeliveryFailed]);
    let more_wait = file.operations.iter().any(is_waiting);
    if more_wait {
        file.delivery = Some(Delivery {
            task: Task::Send,
            ..delivery
        });
        return Ok(());
    }
    // A flag of the other value that was sent in doubt may still arrive: it is looked for once more.
    if delivery.task == Task::Send && delivery.doubts.of(!lease.flag).is_some() {
        delivery.task = Task::Verify;
        delivery.failed_read_backs = 0;
        delivery.due_at = draft.now + SignedDuration::from_secs(draft.policy.verify_after_seconds);
        file.delivery = Some(delivery);
        return Ok(());
    }
    delivery.doubts = Doubts::default();
    Ok(())
}

/// A failure that time may mend: each operation has its retries, and the delivery waits for the longest.
fn try_later(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    mut delivery: Delivery,
    failure: &Failure,
    settle: &Settle,
) -> Result<(), Stop> {
    let retry_policy = draft.policy.retry;
    if delivery.task == Task::Verify {
        delivery.failed_read_backs = delivery.failed_read_backs.saturating_add(1);
        let wait = retry_policy.wait(
            delivery.failed_read_backs,
            settle.draw,
            failure.retry_after_seconds,
        );
        return_to_pending(draft, file, &failure.message)?;
        file.delivery = Some(Delivery {
            due_at: later(draft.now, wait),
            ..delivery
        });
        return Ok(());
    }
    let next_retry = count_attempt(file, failure);
    let wait = retry_policy.wait(next_retry, settle.draw, failure.retry_after_seconds);
    let due_at = later(draft.now, wait);
    let mut exhausted = Vec::new();
    for operation in &mut file.operations {
        if operation.status != OperationStatus::Processing {
            continue;
        }
        let used_up = failure.counts && operation.retry_count >= operation.max_retries && is_retry(operation);
        operation.error_message = Some(one_line(&failure.message, ERROR_CHARACTERS_MAX));
        let details = json!({ "error": operation.error_message, "retry_count": operation.retry_count });
        let took = Some(settle.took_ms);
        if used_up || operation.max_retries == 0 && failure.counts {
            draft.advance(operation, OperationStatus::Failed, Action::Failed, details, took)?;
            operation.waiting_for = Some(WaitingFor::Review);
            operation.next_retry_at = None;
            exhausted.push(operation.id);
        } else {
            operation.next_retry_at = Some(due_at);
            operation.waiting_for = Some(WaitingFor::Delivery);
            draft.advance(operation, OperationStatus::Pending, Action::Retry, details, took)?;
        }
    }
    ask_about_failed(draft, file, &exhausted, &failure.message);
    let still_owed = file.operations.iter().any(is_waiting);
    if still_owed || exhausted.is_empty() {
        file.delivery = Some(Delivery { due_at, ..delivery });
    } else {
        leave_in_doubt(draft, file, delivery);
    }
    Ok(())
}

/// What a delivery that is given up had sent in doubt may still arrive. It is remembered until then, so that a
/// level which changes meanwhile is read back; a claim that comes after it ends the delivery without a call.
pub(super) fn leave_in_doubt(draft: &Draft<'_>, file: &mut OrderFile, given_up: Delivery) {
    let wait = SignedDuration::from_secs(draft.policy.verify_after_seconds);
    let last = given_up.doubts.sent_true_at.max(given_up.doubts.sent_false_at);
    let arrives_by = last.map(|last| later(last, wait));
    let Some(due_at) = arrives_by.filter(|moment| *moment > draft.now) else {
        return;
    };
    match &mut file.delivery {
        Some(next) => next.doubts = given_up.doubts,
        None => {
            file.delivery = Some(Delivery {
                task: Task::Verify,
                due_at,
                owed_since: draft.now,
                lease: None,
                ..given_up
            });
        }
    }
}

/// Whether an attempt failed before this one. The count is of retries, so the first attempt is not in it.
const fn is_retry(operation: &Operation) -> bool {
    operation.next_retry_at.is_some()
}

/// Counts the attempt against the operations under delivery, and says which retry comes next.
fn count_attempt(file: &mut OrderFile, failure: &Failure) -> u32 {
    let mut next_retry = 1;
    for operation in &mut file.operations {
        if operation.status != OperationStatus::Processing {
            continue;
        }
        if failure.counts && is_retry(operation) {
            operation.retry_count = operation.retry_count.saturating_add(1);
        }
        next_retry = next_retry.max(operation.retry_count + 1);
    }
    next_retry
}

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

fn ask_about_failed(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    failed: &[crate::ids::OperationId],
    error: &str,
) {
    let Some(first) = failed.first() else { return };
    let error = one_line(error, ERROR_CHARACTERS_MAX);
    let details = json!({ "error": error, "operations": failed, "flag": file.order.level() });
    let review = draft.ask(file, ReviewReason::DeliveryFailed, Some(*first), details);
    for operation in &mut file.operations {
        if failed.contains(&operation.id) {
            operation.review = Some(review);
        }
    }
}

/// The service refuses: no retry can help, a person is asked at once.
fn fail(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    delivery: Delivery,
    failure: &Failure,
    settle: &Settle,
) -> Result<(), Stop> {
    let mut failed = Vec::new();
    for operation in &mut file.operations {
        if operation.status == OperationStatus::Processing {
            operation.error_message = Some(one_line(&failure.message, ERROR_CHARACTERS_MAX));
            let details = json!({ "error": operation.error_message });
            let took = Some(settle.took_ms);
            draft.advance(operation, OperationStatus::Failed, Action::Failed, details, took)?;
            operation.waiting_for = Some(WaitingFor::Review);
            operation.next_retry_at = None;
            failed.push(operation.id);
        }
    }
    if failed.is_empty() && !file.operations.iter().any(is_waiting) {
        // A merged form's false, or a read-back: no operation waits for it, and still a person must hear of it.
        let error = one_line(&failure.message, ERROR_CHARACTERS_MAX);
        let details = json!({ "error": error, "operations": [], "flag": file.order.level() });
        draft.ask(file, ReviewReason::DeliveryFailed, None, details);
    }
    ask_about_failed(draft, file, &failed, &failure.message);
    super::level::release(draft, file);
    if !failed.is_empty() {
        leave_in_doubt(draft, file, delivery);
    }
    Ok(())
}

/// The account, or all of them, cannot be used now: nothing is counted, and the engine probes.
fn wait_for_account(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    delivery: Delivery,
    failure: &Failure,
    settle: &Settle,
) -> Result<(), Stop> {
    let error = one_line(&failure.message, ERROR_CHARACTERS_MAX);
    let due_at = later(draft.now, draft.policy.retry.wait(1, settle.draw, None));
    for operation in &mut file.operations {
        if operation.status == OperationStatus::Processing {
            operation.waiting_for = Some(WaitingFor::Account);
            operation.error_message = Some(error.clone());
            let details = json!({ "error": error, "waiting_for": "account" });
            let took = Some(settle.took_ms);
            draft.advance(operation, OperationStatus::Pending, Action::Retry, details, took)?;
        }
    }
    file.delivery = Some(Delivery { due_at, ..delivery });
    Ok(())
}
