//! Trying again: an operation by hand, an order whose stock or mapping has come, and all that wait for one.

use super::apply::{self, fill};
use super::command::{OrderOutcome, OrdersOutcome};
use super::{level, outage, take_in};
use crate::draft::Draft;
use crate::ids::{OperationId, OrderKey};
use crate::limits::RETRIED_TOGETHER_MAX;
use crate::operation::{OperationStatus, WaitingFor};
use crate::order::Standing;
use crate::view::{ListKey, OrderFile, Refusal, Stop};

/// Tries again what an order waits for.
pub(super) fn try_again(draft: &mut Draft<'_>, key: &OrderKey) -> Result<OrderOutcome, Stop> {
    let Some(mut file) = draft.take(key)? else {
        return Err(Refusal::not_found("order_unknown", format!("order {key} is not known here")).into());
    };
    fill_again(draft, &mut file, false)?;
    take_in::answer(draft, file, false)
}

/// Tries again the stock of every operation of an order that has moved nothing yet.
pub(super) fn fill_again(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    negative_allowed: bool,
) -> Result<(), Stop> {
    let waiting: Vec<OperationId> = file
        .operations
        .iter()
        .filter(|operation| {
            operation.status == OperationStatus::Pending && operation.stock_applied_at.is_none()
        })
        .map(|operation| operation.id)
        .collect();
    for id in waiting {
        let Some((position, mut operation)) = level::take_operation(file, id) else {
            continue;
        };
        let lines = lines_of(file, &operation);
        fill(draft, file, &mut operation, &lines, negative_allowed)?;
        file.operations
            .insert(position.min(file.operations.len()), operation);
    }
    Ok(())
}

/// The lines that an operation is to fill: those it names; of a form, all that lack something.
fn lines_of(file: &OrderFile, operation: &crate::operation::Operation) -> Vec<usize> {
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
        ..OrdersOutcome::default()
    };
    let mut served = 0;
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
        let still_waits = matches!(
            file.order.standing,
            Standing::AwaitsStock | Standing::AwaitsReview
        );
        served += usize::from(!still_waits);
        outcome
            .deliver
            .extend(take_in::answer(draft, file, false)?.deliver);
    }
    // A round that served nobody would serve nobody again.
    outcome.more = served > 0 && outcome.tried >= RETRIED_TOGETHER_MAX;
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
    if let Some((position, mut operation)) = level::take_operation(&mut file, id) {
        match (operation.status, operation.waiting_for) {
            (OperationStatus::Failed, _) => {
                outage::revive(draft, &mut operation)?;
                file.operations.insert(position, operation);
                draft.close(&mut file, &[crate::review::ReviewReason::DeliveryFailed]);
                forget_review(&mut file);
                level::owe(draft, &mut file);
            }
            (OperationStatus::Pending, Some(WaitingFor::Delivery | WaitingFor::Account)) => {
                file.operations.insert(position, operation);
                level::owe(draft, &mut file);
            }
            _ => {
                let stock = operation.stock_applied_at.is_none()
                    && matches!(file.order.standing, Standing::AwaitsStock)
                    || file
                        .open_review(crate::review::ReviewReason::SkuMissing)
                        .is_some();
                file.operations.insert(position, operation);
                if stock {
                    fill_again(draft, &mut file, false)?;
                }
            }
        }
    }
    let mut outcome = take_in::answer(draft, file, false)?;
    outcome.operation = Some(id);
    Ok(outcome)
}

/// Other failed operations of the order keep their own way back: they are revived together.
fn forget_review(file: &mut OrderFile) {
    for operation in &mut file.operations {
        if operation.status == OperationStatus::Pending && operation.waiting_for == Some(WaitingFor::Delivery)
        {
            operation.review = None;
        }
    }
}
