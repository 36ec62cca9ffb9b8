//! Undoing an operation: restores what is still taken of its lines (section 6).

use serde_json::json;

use super::apply::{Want, make_movements};
use super::command::{Restored, RollBack, RollBackOutcome};
use super::{apply, level, refund, stock_documents};
use crate::draft::Draft;
use crate::ids::OrderKey;
use crate::operation::{Operation, OperationStatus, OperationType};
use crate::order::Standing;
use crate::view::{OrderFile, Refusal, Stop};

/// Undoes an operation. Twice is the same as once.
pub(super) fn roll_back(draft: &mut Draft<'_>, request: &RollBack) -> Result<RollBackOutcome, Stop> {
    let Some(stored) = draft.view.operation(&request.operation)?.cloned() else {
        let detail = format!("there is no operation {}", request.operation);
        return Err(Refusal::not_found("operation_unknown", detail).into());
    };
    let Some(key) = &stored.order else {
        return stock_documents::reverse(draft, &stored, request);
    };
    if stored.status == OperationStatus::RolledBack {
        return repeat(draft, &stored);
    }
    let Some(mut file) = draft.take(key)? else {
        return Err(Stop::Defect(format!(
            "operation {} has no order {key}",
            stored.id
        )));
    };
    check_allowed(&file, &stored, request)?;
    let (position, mut operation) = match level::take_operation(&mut file, stored.id) {
        Some(found) => found,
        None => (file.operations.len(), stored),
    };
    let details = json!({ "reason": request.reason, "force": request.force, "by": draft.by });
    if operation.stock_applied_at.is_none() {
        return call_off(draft, file, position, operation, details);
    }
    let wants = match operation.operation_type {
        OperationType::Refund => taken_again(draft, &file, &operation)?,
        _ => still_taken(&file, &operation),
    };
    let undo = if wants.iter().all(|want| want.delta == 0) {
        None
    } else {
        Some(undo(draft, &mut file, &operation, &wants, request)?)
    };
    let restored = refund::restored(&wants);
    operation.rolled_back_by = undo.as_ref().map(|undo| undo.id);
    draft.roll_back(&mut operation, details)?;
    let id = operation.id;
    let position = position.min(file.operations.len());
    file.operations.insert(position, operation);
    let undone_by = undo.as_ref().map(|undo| undo.id);
    file.operations.extend(undo);
    Ok(conclude(draft, file, id, undone_by, restored))
}

fn conclude(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    operation: crate::ids::OperationId,
    undone_by: Option<crate::ids::OperationId>,
    restored: Vec<Restored>,
) -> RollBackOutcome {
    leave_reviews(draft, &mut file, operation);
    level::keep_held_in_step(draft, &mut file);
    if let Some(delivery) = &file.delivery
        && delivery.lease.is_none()
        && !file.order.touched
    {
        file.delivery = None;
    }
    let owed = file.delivery.is_some();
    let due = file
        .delivery
        .as_ref()
        .is_some_and(|delivery| delivery.lease.is_none() && delivery.due_at <= draft.now);
    let deliver = due.then(|| file.order.key.clone());
    draft.put(file);
    RollBackOutcome {
        operation,
        undone_by,
        restored,
        owed,
        deliver,
    }
}

/// The reviews of an operation that was undone: another unfinished one that is asked about keeps them open.
fn leave_reviews(draft: &mut Draft<'_>, file: &mut OrderFile, operation: crate::ids::OperationId) {
    let others: Vec<_> = file
        .operations
        .iter()
        .filter(|other| other.id != operation && other.status.is_unfinished())
        .map(|other| (other.review, other.id))
        .collect();
    let mut unused = Vec::new();
    for review in file.reviews.iter_mut().filter(|review| review.is_open()) {
        if review.operation != Some(operation) {
            continue;
        }
        match others.iter().find(|(asked, _)| *asked == Some(review.id)) {
            Some((_, other)) => review.operation = Some(*other),
            None => unused.push(review.reason),
        }
    }
    draft.close(file, &unused);
}

fn check_allowed(file: &OrderFile, operation: &Operation, request: &RollBack) -> Result<(), Stop> {
    if let Standing::Merged { into } = &file.order.standing {
        let detail = format!(
            "order {} was merged into {into}: roll that one's operation back",
            file.order.key
        );
        return Err(Refusal::conflict("merged", detail).into());
    }
    if operation.operation_type == OperationType::Deduction && file.order.shipped && !request.force {
        let detail = format!(
            "goods of order {} were sent already; roll back with force if they are back",
            file.order.key
        );
        return Err(Refusal::conflict("shipped", detail).into());
    }
    let cancelled = matches!(file.order.standing, Standing::Cancelled { .. });
    if operation.operation_type == OperationType::Refund && cancelled && !request.force {
        let detail = format!(
            "order {} was cancelled; undo its refund with force only",
            file.order.key
        );
        return Err(Refusal::conflict("cancelled", detail).into());
    }
    Ok(())
}

/// Before anything was applied, undoing only calls off.
fn call_off(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    position: usize,
    mut operation: Operation,
    details: serde_json::Value,
) -> Result<RollBackOutcome, Stop> {
    draft.roll_back(&mut operation, details)?;
    let id = operation.id;
    file.operations
        .insert(position.min(file.operations.len()), operation);
    apply::stop_waiting(draft, &mut file);
    if level::unapplied(&file).is_none() {
        file.order.standing = if file.order.level() {
            Standing::Applied
        } else {
            Standing::GivenBack
        };
        level::tell(draft, &mut file);
    }
    Ok(conclude(draft, file, id, None, Vec::new()))
}

/// What is still taken of a deduction's lines, to be given back.
fn still_taken(file: &OrderFile, operation: &Operation) -> Vec<Want> {
    let mut wants: Vec<Want> = Vec::new();
    for named in operation.lines.iter().filter(|named| named.quantity > 0) {
        for (position, line) in file.order.lines.iter().enumerate() {
            if named.line.as_ref() != Some(&line.id) {
                continue;
            }
            for part in line.parts.iter().filter(|part| {
                Some(&part.key.sku) == named.sku.as_ref() && part.key.warehouse == named.warehouse
            }) {
                let delta = -named.quantity.min(part.taken);
                wants.push(Want {
                    line: position,
                    key: part.key.clone(),
                    units: part.units,
                    delta,
                });
            }
        }
    }
    wants
}

/// What a refund brought back, to be taken again: only what is there, and never more than the lines say.
fn taken_again(draft: &Draft<'_>, file: &OrderFile, operation: &Operation) -> Result<Vec<Want>, Stop> {
    let mut wants: Vec<Want> = Vec::new();
    for named in &operation.lines {
        for (position, line) in file.order.lines.iter().enumerate() {
            let Some(part) = line.parts.iter().find(|part| {
                named.line.as_ref() == Some(&line.id)
                    && Some(&part.key.sku) == named.sku.as_ref()
                    && part.key.warehouse == named.warehouse
            }) else {
                continue;
            };
            let delta = named.quantity.min(part.units * line.quantity - part.taken).max(0);
            // Other lines may take the same goods.
            let wanted: i64 = wants
                .iter()
                .filter(|want| want.key == part.key)
                .map(|want| want.delta)
                .sum();
            let available = draft.available(&part.key)?.unwrap_or(0) - wanted;
            if available < delta && !draft.policy.allow_negative {
                let detail = format!(
                    "undoing the refund takes {delta} of {} in {}, and {available} are there",
                    part.key.sku, part.key.warehouse
                );
                return Err(Refusal::conflict("insufficient_stock", detail).into());
            }
            wants.push(Want {
                line: position,
                key: part.key.clone(),
                units: part.units,
                delta,
            });
        }
    }
    Ok(wants)
}

fn undo(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &Operation,
    wants: &[Want],
    request: &RollBack,
) -> Result<Operation, Stop> {
    let takes = wants.iter().any(|want| want.delta > 0);
    let details = json!({ "rolls_back": operation.id, "reason": request.reason });
    let operation_type = if takes {
        OperationType::Deduction
    } else {
        OperationType::Refund
    };
    let mut undo = draft.new_operation(operation_type, Some(&file.order.key), Vec::new(), details);
    undo.rolls_back = Some(operation.id);
    let negative_allowed = !takes || draft.policy.allow_negative;
    make_movements(draft, file, &mut undo, wants, negative_allowed)?;
    if !takes {
        for line in &mut undo.lines {
            line.quantity = -line.quantity;
        }
    }
    level::after_movement(draft, file, &mut undo)?;
    Ok(undo)
}

/// Twice is the same as once: the first answer again.
fn repeat(draft: &mut Draft<'_>, operation: &Operation) -> Result<RollBackOutcome, Stop> {
    let mut restored = Vec::new();
    if let Some(id) = operation.rolled_back_by
        && let Some(undo) = draft.view.operation(&id)?
    {
        restored = undo
            .lines
            .iter()
            .filter_map(|line| {
                let sku = line.sku.clone()?;
                Some(Restored {
                    sku,
                    warehouse: line.warehouse.clone(),
                    quantity: line.quantity,
                })
            })
            .collect();
    }
    let owed = match &operation.order {
        Some(key) => owes(draft, key)?,
        None => false,
    };
    Ok(RollBackOutcome {
        operation: operation.id,
        undone_by: operation.rolled_back_by,
        restored,
        owed,
        deliver: None,
    })
}

fn owes(draft: &mut Draft<'_>, key: &OrderKey) -> Result<bool, Stop> {
    Ok(draft.view.order(key)?.is_some_and(|file| file.delivery.is_some()))
}
