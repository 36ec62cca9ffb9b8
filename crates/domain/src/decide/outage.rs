//! Long outages: what waited too long is given up under one review, and taken up again when it ends.

use jiff::Timestamp;
use serde_json::json;

use super::command::OutageOutcome;
use super::level;
use crate::draft::Draft;
use crate::ids::{AccountId, ReviewId};
use crate::limits::RETRIED_TOGETHER_MAX;
use crate::operation::{Action, OperationStatus, WaitingFor};
use crate::order::Standing;
use crate::review::{ReviewReason, Subject};
use crate::view::{Key, ListKey, OrderFile, Stop};

/// Gives up deliveries owed since before a moment.
pub(super) fn give_up(
    draft: &mut Draft<'_>,
    account: Option<AccountId>,
    before: Timestamp,
) -> Result<OutageOutcome, Stop> {
    let orders = listed(draft, ListKey::OwedSince { account, before })?;
    if orders.is_empty() {
        return Ok(OutageOutcome::default());
    }
    let subject = account.map_or(Subject::Service, Subject::Account);
    let review = draft.ask_widely(
        ReviewReason::GaveUp,
        subject,
        json!({ "owed_since_before": before }),
    )?;
    let mut outcome = OutageOutcome {
        moved: 0,
        more: orders.len() >= RETRIED_TOGETHER_MAX,
        review: Some(review),
    };
    for key in orders {
        let Some(mut file) = draft.take(&key)? else {
            continue;
        };
        if file
            .delivery
            .as_ref()
            .is_some_and(|delivery| delivery.lease.is_none())
        {
            let moved_before = outcome.moved;
            for operation in &mut file.operations {
                let waits = operation.status == OperationStatus::Pending
                    && matches!(
                        operation.waiting_for,
                        Some(WaitingFor::Delivery | WaitingFor::Account)
                    );
                if !waits {
                    continue;
                }
                let why = json!({ "why": "it waited through an outage for too long" });
                draft.advance(
                    operation,
                    OperationStatus::Processing,
                    Action::Claimed,
                    json!({}),
                    None,
                )?;
                operation.waiting_for = Some(WaitingFor::Review);
                operation.next_retry_at = None;
                operation.review = Some(review);
                draft.advance(operation, OperationStatus::Failed, Action::Failed, why, None)?;
                outcome.moved += 1;
            }
            if outcome.moved > moved_before {
                if let Some(given_up) = file.delivery.take() {
                    super::settle::leave_in_doubt(draft, &mut file, given_up);
                }
            } else if let Some(delivery) = &mut file.delivery {
                // No operation waits for it (a merged form's false, a read-back): it is not given up, and it
                // must not stand before those that are.
                delivery.owed_since = draft.now;
            }
        }
        draft.put(file);
    }
    Ok(outcome)
}

/// Takes up again what was given up under a review.
pub(super) fn end(draft: &mut Draft<'_>, review: ReviewId) -> Result<OutageOutcome, Stop> {
    let orders = listed(draft, ListKey::FailedUnder(review))?;
    let mut outcome = OutageOutcome {
        moved: 0,
        more: orders.len() >= RETRIED_TOGETHER_MAX,
        review: Some(review),
    };
    for key in orders {
        let Some(mut file) = draft.take(&key)? else {
            continue;
        };
        for operation in &mut file.operations {
            if operation.status == OperationStatus::Failed && operation.review == Some(review) {
                revive(draft, operation)?;
                outcome.moved += 1;
            }
        }
        owe_again(draft, &mut file);
        draft.put(file);
    }
    if !outcome.more
        && let Some(stored) = draft.view.review(&review)?
        && stored.is_open()
    {
        let stored = stored.clone();
        draft.answer_widely(stored, None, None);
    }
    Ok(outcome)
}

/// All failed operations of an order wait for delivery again.
pub(super) fn revive_failed(draft: &mut Draft<'_>, file: &mut OrderFile) -> Result<(), Stop> {
    for operation in &mut file.operations {
        if operation.status == OperationStatus::Failed {
            revive(draft, operation)?;
        }
    }
    owe_again(draft, file);
    Ok(())
}

/// What was given up is owed again. Of a merged form, whose true flag nobody confirmed, an attempt before may have
/// arrived all the same, and a delivery given up keeps no doubts.
fn owe_again(draft: &Draft<'_>, file: &mut OrderFile) {
    level::owe(draft, file);
    let is_merged = matches!(file.order.standing, Standing::Merged { .. });
    if let Some(delivery) = &mut file.delivery
        && is_merged
        && file.order.flag_confirmed.is_none()
    {
        delivery.doubts.remember(true, draft.now);
    }
}

/// A failed operation waits for delivery again, with fresh retries.
pub(super) fn revive(draft: &mut Draft<'_>, operation: &mut crate::operation::Operation) -> Result<(), Stop> {
    operation.retry_count = 0;
    operation.next_retry_at = None;
    operation.error_message = None;
    operation.review = None;
    operation.waiting_for = Some(WaitingFor::Delivery);
    draft.advance(
        operation,
        OperationStatus::Pending,
        Action::Retry,
        json!({ "by": draft.by }),
        None,
    )
}

/// A list of orders with all their files loaded.
pub(super) fn listed(draft: &Draft<'_>, list: ListKey) -> Result<Vec<crate::ids::OrderKey>, Stop> {
    let orders = draft.view.list(&list)?.to_vec();
    let missing: Vec<_> = orders
        .iter()
        .filter(|key| draft.view.order(key).is_err())
        .cloned()
        .map(Key::Order)
        .collect();
    if missing.is_empty() {
        Ok(orders)
    } else {
        Err(Stop::Missing(missing))
    }
}
