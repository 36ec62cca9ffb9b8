//! What an order owes the orders service after its stock has moved (invariant 6).

use crate::delivery::{Delivery, Doubts, Task};
use crate::draft::Draft;
use crate::ids::OperationId;
use crate::operation::{Operation, OperationStatus, WaitingFor};
use crate::order::Standing;
use crate::view::{OrderFile, Stop};

/// After an operation moved stock: where the order stands, and what the operation waits for now.
///
/// The operation is not in the file while it is worked on.
pub(super) fn after_movement(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut Operation,
) -> Result<(), Stop> {
    match file
        .operations
        .iter()
        .find(|other| !is_applied(other) && other.id != operation.id)
    {
        // The form is not covered yet: its flag is held back until every line is.
        Some(open) if open.status == OperationStatus::Pending => {
            let (waiting_for, review) = (open.waiting_for.unwrap_or(WaitingFor::Review), open.review);
            operation.review = review;
            draft.wait(operation, waiting_for, None);
            return Ok(());
        }
        _ => {}
    }
    file.order.standing = match &file.order.standing {
        standing @ Standing::Cancelled { .. } => standing.clone(),
        _ if file.order.level() => Standing::Applied,
        _ => Standing::GivenBack,
    };
    if is_confirmed(file) {
        return draft.complete_at_once(operation, "the service holds this flag already");
    }
    draft.wait(operation, WaitingFor::Delivery, None);
    release_held(draft, file);
    owe(draft, file);
    Ok(())
}

/// Whether the service is known to hold the level, with nothing on the way that could change it.
fn is_confirmed(file: &OrderFile) -> bool {
    file.order.flag_confirmed == Some(file.order.level()) && file.delivery.is_none()
}

/// Whether an operation moved its stock, or never will.
fn is_applied(operation: &Operation) -> bool {
    operation.stock_applied_at.is_some() || !operation.status.is_unfinished()
}

/// Makes the delivery of what was held back due, once nothing holds it back any more.
pub(super) fn release(draft: &mut Draft<'_>, file: &mut OrderFile) {
    release_held(draft, file);
    let waits = |operation: &Operation| operation.waiting_for == Some(WaitingFor::Delivery);
    if file.delivery.is_none() && file.operations.iter().any(waits) {
        owe(draft, file);
    }
}

/// Operations whose flag was held back until the form was covered now wait for delivery.
fn release_held(draft: &mut Draft<'_>, file: &mut OrderFile) {
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
        .find(|operation| {
            operation.status == OperationStatus::Pending && operation.stock_applied_at.is_none()
        })
        .map(|operation| operation.id)
}
