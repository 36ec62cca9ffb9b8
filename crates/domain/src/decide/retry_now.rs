//! Trying again: an operation by hand, an order whose stock or mapping has come, and all that wait for one.

use super::apply::{self, refill};
use super::command::{OrderOutcome, OrdersOutcome};
use super::{level, outage, take_in};
use crate::draft::Draft;
use crate::ids::{OperationId, OrderKey, ReviewId};
use crate::limits::RETRIED_TOGETHER_MAX;
use crate::operation::{Operation, OperationStatus, WaitingFor};
use crate::order::Standing;
use crate::review::ReviewReason;
use crate::view::{ListKey, OrderFile, Place, Refusal, Stop};

/// Tries again what an order waits for.
pub(super) fn try_again(draft: &mut Draft<'_>, key: &OrderKey) -> Result<OrderOutcome, Stop> {
    let Some(mut file) = draft.take(key)? else {
        return Err(Refusal::not_found("order_unknown", format!("order {key} is not known here")).into());
    };
    fill_again(draft, &mut file, false)?;
    take_in::answer(draft, file, false)
}

/// Tries again every operation of an order that waits for stock or a SKU. What waits for payment, or for a
/// person to say whether it shall be deducted at all, goes on waiting.
pub(super) fn fill_again(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    negative_allowed: bool,
) -> Result<(), Stop> {
    let asked: Vec<ReviewId> = file
        .reviews
        .iter()
        .filter(|review| apply::STOCK_REASONS.contains(&review.reason))
        .map(|review| review.id)
        .collect();
    fill_those(draft, file, negative_allowed, |operation| {
        operation.waiting_for == Some(WaitingFor::Stock)
            || operation.review.is_some_and(|review| asked.contains(&review))
    })
}

/// Tries again some of the operations of an order that have moved nothing yet.
pub(super) fn fill_those(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    negative_allowed: bool,
    which: impl Fn(&Operation) -> bool,
) -> Result<(), Stop> {
    let waiting: Vec<OperationId> = file
        .operations
        .iter()
        .filter(|operation| level::is_unapplied(operation) && which(operation))
        .map(|operation| operation.id)
        .collect();
    for id in waiting {
        let Some((position, mut operation)) = level::take_operation(file, id) else {
            continue;
        };
        let lines = lines_of(file, &operation);
        refill(draft, file, &mut operation, &lines, negative_allowed)?;
        file.operations
            .insert(position.min(file.operations.len()), operation);
    }
    Ok(())
}

/// The lines that an operation is to fill: those it names; of a form, all that lack something.
fn lines_of(file: &OrderFile, operation: &Operation) -> Vec<usize> {
    let is_first = file.order.first_operation == Some(operation.id);
    (0..file.order.lines.len())
        .filter(|&position| {
            let line = &file.order.lines[position];
            let named = operation
                .lines
                .iter()
                .any(|named| named.line.as_ref() == Some(&line.id));
            named || (is_first && file.order.form_seen && line.parts.is_empty())
        })
        .collect()
}

/// Tries again a bounded number of the orders that wait for a SKU or an offer.
pub(super) fn waiting(draft: &mut Draft<'_>, list: &ListKey) -> Result<OrdersOutcome, Stop> {
    let orders = outage::listed(draft, list.clone())?;
    let mut outcome = OrdersOutcome {
        tried: orders.len(),
        more: orders.len() >= RETRIED_TOGETHER_MAX,
        ..OrdersOutcome::default()
    };
    for key in orders {
        let Some(mut file) = draft.take(&key)? else {
            continue;
        };
        let waits = matches!(file.order.standing, Standing::AwaitsStock)
            || file
                .reviews
                .iter()
                .any(|review| review.is_open() && apply::STOCK_REASONS.contains(&review.reason));
        if waits {
            fill_again(draft, &mut file, false)?;
        }
        outcome.last = Some(Place {
            created_at: file.order.created_at,
            order: key,
        });
        outcome
            .deliver
            .extend(take_in::answer(draft, file, false)?.deliver);
    }
    Ok(outcome)
}

/// Tries an operation now; one that had failed gets fresh retries.
pub(super) fn retry(draft: &mut Draft<'_>, id: OperationId) -> Result<OrderOutcome, Stop> {
    let Some(stored) = draft.view.operation(&id)? else {
        return Err(Refusal::not_found("operation_unknown", format!("there is no operation {id}")).into());
    };
    let Some(key) = stored.order.clone() else {
        let detail = format!("operation {id} is a stock document: there is nothing to send for it");
        return Err(Refusal::conflict("nothing_to_retry", detail).into());
    };
    if stored.status == OperationStatus::RolledBack {
        let detail = format!("operation {id} was rolled back, which is final");
        return Err(Refusal::conflict("rolled_back", detail).into());
    }
    let Some(mut file) = draft.take(&key)? else {
        return Err(Stop::Defect(format!("operation {id} has no order {key}")));
    };
    let known = file
        .operation(id)
        .map(|operation| (operation.status, operation.waiting_for));
    match known {
        // One flag settles them all, so all that failed is taken up together.
        Some((OperationStatus::Failed, _)) => {
            outage::revive_failed(draft, &mut file)?;
            draft.close(&mut file, &[ReviewReason::DeliveryFailed]);
        }
        Some((OperationStatus::Pending, Some(WaitingFor::Delivery | WaitingFor::Account))) => {
            level::owe(draft, &mut file);
        }
        Some(_) => fill_again(draft, &mut file, false)?,
        None => {}
    }
    let mut outcome = take_in::answer(draft, file, false)?;
    outcome.operation = Some(id);
    Ok(outcome)
}
