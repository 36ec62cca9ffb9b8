//! What an order owes the orders service after its stock has moved (invariant 6).

use serde_json::json;

use super::apply;
use crate::delivery::{Delivery, Doubts, Task};
use crate::draft::Draft;
use crate::ids::OperationId;
use crate::operation::{Operation, OperationStatus, WaitingFor};
use crate::order::Standing;
use crate::review::ReviewReason;
use crate::view::{OrderFile, Stop};

/// After an operation moved stock: where the order stands, and what the operation waits for now.
///
/// The operation is not in the file while it is worked on.
pub(super) fn after_movement(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut Operation,
) -> Result<(), Stop> {
    if !file.order.level() {
        call_differences_off(draft, file)?;
        draft.close(
            file,
            &[
                ReviewReason::QuantityMismatch,
                ReviewReason::Returned,
                ReviewReason::CancelledAfterDeduction,
                ReviewReason::MissingRemotely,
            ],
        );
    }
    let open = file
        .operations
        .iter()
        .find(|other| is_unapplied(other))
        .map(|open| (open.waiting_for.unwrap_or(WaitingFor::Review), open.review));
    file.order.standing = match (&file.order.standing, open) {
        (standing @ Standing::Cancelled { .. }, _) => standing.clone(),
        (_, Some((WaitingFor::Payment, _))) => Standing::AwaitsPayment,
        (_, Some((WaitingFor::Stock, _))) => Standing::AwaitsStock,
        (_, Some(_)) => Standing::AwaitsReview,
        (_, None) if file.order.level() => Standing::Applied,
        (_, None) => Standing::GivenBack,
    };
    if let Some((waiting_for, review)) = open
        && is_held_back(file)
    {
        operation.review = review;
        draft.wait(operation, waiting_for, None);
        return Ok(());
    }
    if is_confirmed(file) {
        return draft.complete_at_once(operation, "the service holds this flag already");
    }
    draft.wait(operation, WaitingFor::Delivery, None);
    release_held(draft, file);
    owe(draft, file);
    Ok(())
}

/// While a known form is not covered, a true flag that the service was never sent is held back.
pub(super) fn is_held_back(file: &OrderFile) -> bool {
    file.order.form_seen
        && file.order.level()
        && file.delivery.is_none()
        && file.order.flag_confirmed != Some(true)
}

/// Of a form of which nothing is taken any more, nothing more is taken by itself: the differences that still
/// wait for stock are called off.
fn call_differences_off(draft: &mut Draft<'_>, file: &mut OrderFile) -> Result<(), Stop> {
    if !file.order.form_seen {
        return Ok(());
    }
    let first = file.order.first_operation;
    for operation in &mut file.operations {
        if is_unapplied(operation) && Some(operation.id) != first {
            draft.roll_back(operation, json!({ "why": "all that was taken has come back" }))?;
        }
    }
    apply::stop_waiting(draft, file);
    Ok(())
}

/// Whether the service is known to hold the level, with nothing on the way that could change it.
fn is_confirmed(file: &OrderFile) -> bool {
    file.order.flag_confirmed == Some(file.order.level()) && file.delivery.is_none()
}

/// Whether an operation waits to move its stock.
pub(super) fn is_unapplied(operation: &Operation) -> bool {
    operation.status == OperationStatus::Pending && operation.stock_applied_at.is_none()
}

/// Makes the delivery of what was held back due, once nothing holds it back any more.
pub(super) fn release(draft: &mut Draft<'_>, file: &mut OrderFile) {
    release_held(draft, file);
    let waits = |operation: &Operation| operation.waiting_for == Some(WaitingFor::Delivery);
    if file.delivery.is_none() && file.operations.iter().any(waits) {
        owe(draft, file);
    }
}

/// After the last that an order waited for was called off: what was held back is told, and so is what came from
/// another form with its lines, for which no operation waits.
pub(super) fn tell(draft: &mut Draft<'_>, file: &mut OrderFile) {
    release(draft, file);
    let told = file.order.flag_confirmed.unwrap_or(false) == file.order.level();
    let failed = |operation: &Operation| operation.status == OperationStatus::Failed;
    if file.order.touched && !told && file.delivery.is_none() && !file.operations.iter().any(failed) {
        owe(draft, file);
    }
}

/// What is held back until the form is covered waits for whatever the rest of the form waits for now.
pub(super) fn keep_held_in_step(draft: &mut Draft<'_>, file: &mut OrderFile) {
    let open = file.operations.iter().find(|other| is_unapplied(other));
    let Some((waiting_for, review)) = open.map(|open| (open.waiting_for, open.review)) else {
        return;
    };
    for operation in &mut file.operations {
        let is_held = operation.status == OperationStatus::Pending
            && operation.stock_applied_at.is_some()
            && !super::claim::is_waiting(operation);
        if let Some(waiting_for) = waiting_for
            && is_held
        {
            operation.review = review;
            draft.wait(operation, waiting_for, None);
        }
    }
}

/// Operations whose flag was held back until the form was covered now wait for delivery.
pub(super) fn release_held(draft: &mut Draft<'_>, file: &mut OrderFile) {
    for operation in &mut file.operations {
        if operation.status == OperationStatus::Pending
            && operation.stock_applied_at.is_some()
            && !matches!(
                operation.waiting_for,
                Some(WaitingFor::Delivery | WaitingFor::Account)
            )
        {
            operation.review = None;
            draft.wait(operation, WaitingFor::Delivery, None);
        }
    }
}

/// Makes the delivery of the order's level due now, unless a call is on its way: then it follows that call.
pub(super) fn owe(draft: &Draft<'_>, file: &mut OrderFile) {
    match &mut file.delivery {
        Some(delivery) => {
            delivery.task = Task::Send;
            if delivery.lease.is_none() {
                delivery.due_at = draft.now;
            }
        }
        None => {
            file.delivery = Some(Delivery {
                key: file.order.key.clone(),
                due_at: draft.now,
                owed_since: draft.now,
                lease: None,
                doubts: Doubts::default(),
                task: Task::Send,
                failed_read_backs: 0,
            });
        }
    }
}

/// Takes an operation out of a file to work on it.
pub(super) fn take_operation(file: &mut OrderFile, id: OperationId) -> Option<(usize, Operation)> {
    let position = file.operations.iter().position(|operation| operation.id == id)?;
    Some((position, file.operations.remove(position)))
}

/// The pending operation of an order that has not moved its stock yet.
pub(super) fn unapplied(file: &OrderFile) -> Option<OperationId> {
    file.operations
        .iter()
        .find(|operation| is_unapplied(operation))
        .map(|operation| operation.id)
}

/// Takes the operation out of a file that waits to move its stock: that of the whole form before any other.
pub(super) fn take_waiting(file: &mut OrderFile, first: Option<OperationId>) -> Option<(usize, Operation)> {
    let of_form = file
        .operations
        .iter()
        .find(|operation| is_unapplied(operation) && Some(operation.id) == first)
        .map(|operation| operation.id);
    let id = of_form.or_else(|| unapplied(file))?;
    take_operation(file, id)
}
