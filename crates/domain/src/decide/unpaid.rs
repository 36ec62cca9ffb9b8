//! Orders that stand unpaid for too long: with frozen copies, the news of their payment may never come.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::command::{OrdersOutcome, OutageOutcome};
use super::{cancel, level, outage, retry_now, take_in};
use crate::draft::Draft;
use crate::ids::{AccountId, OrderKey, ReviewId};
use crate::limits::RETRIED_TOGETHER_MAX;
use crate::operation::{OperationStatus, WaitingFor};
use crate::order::Standing;
use crate::review::{ReviewReason, Subject};
use crate::view::{ListKey, OrderFile, Stop};

/// Asks a person about orders that have waited for payment since before a moment: one review an account, which
/// further orders join while it is open.
pub(super) fn ask(draft: &mut Draft<'_>, before: Timestamp) -> Result<OutageOutcome, Stop> {
    let orders = outage::listed(draft, ListKey::UnpaidSince { before })?;
    let mut outcome = OutageOutcome {
        more: orders.len() >= RETRIED_TOGETHER_MAX,
        ..OutageOutcome::default()
    };
    let mut by_account: BTreeMap<AccountId, Vec<OrderKey>> = BTreeMap::new();
    for key in orders {
        by_account.entry(key.account).or_default().push(key);
    }
    for (account, orders) in by_account {
        let details = json!({ "unpaid_since_before": before });
        let review = draft.ask_widely(ReviewReason::StuckUnpaid, Subject::Account(account), details)?;
        outcome.review = Some(review);
        for key in orders {
            let Some(mut file) = draft.take(&key)? else {
                continue;
            };
            for operation in &mut file.operations {
                if is_unpaid(operation) && operation.review.is_none() {
                    operation.review = Some(review);
                    let details = json!({ "waiting_for": "payment", "review": review });
                    draft.log(operation, crate::operation::Action::Waiting, details, None);
                    outcome.moved += 1;
                }
            }
            draft.put(file);
        }
    }
    Ok(outcome)
}

fn is_unpaid(operation: &crate::operation::Operation) -> bool {
    operation.status == OperationStatus::Pending && operation.waiting_for == Some(WaitingFor::Payment)
}

/// Deducts the orders under a review, or calls them off, as the person said.
pub(super) fn end(draft: &mut Draft<'_>, review: ReviewId, deduct: bool) -> Result<OrdersOutcome, Stop> {
    let orders = outage::listed(draft, ListKey::UnpaidUnder(review))?;
    let mut outcome = OrdersOutcome {
        tried: orders.len(),
        more: orders.len() >= RETRIED_TOGETHER_MAX,
        ..OrdersOutcome::default()
    };
    for key in orders {
        let Some(mut file) = draft.take(&key)? else {
            continue;
        };
        if file.order.standing == Standing::AwaitsPayment {
            forget_review(&mut file, review);
            if deduct {
                retry_now::fill_those(draft, &mut file, false, is_unpaid)?;
            } else {
                cancel::call_off_waiting(draft, &mut file, "a person called it off unpaid")?;
                file.order.standing = if file.order.level() {
                    Standing::Applied
                } else {
                    Standing::Settled
                };
                level::tell(draft, &mut file);
            }
        }
        outcome
            .deliver
            .extend(take_in::answer(draft, file, false)?.deliver);
    }
    Ok(outcome)
}

/// Closes a review under which no order waits any more: all were paid, cancelled or deducted.
pub(super) fn close(draft: &mut Draft<'_>, review: ReviewId) -> Result<(), Stop> {
    if draft.view.list(&ListKey::UnpaidUnder(review))?.is_empty()
        && let Some(stored) = draft.view.review(&review)?
        && stored.is_open()
    {
        let stored = stored.clone();
        draft.answer_widely(stored, None, None);
    }
    Ok(())
}

/// Whatever the order waits for next, it no longer waits under this review.
fn forget_review(file: &mut OrderFile, review: ReviewId) {
    for operation in &mut file.operations {
        if operation.review == Some(review) {
            operation.review = None;
        }
    }
}
