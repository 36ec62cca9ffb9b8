//! A newer copy of an order that still waits: its lines and what its operation is to take are brought up to date.

use super::{apply, level, merge, resolve, take_in};
use crate::draft::Draft;
use crate::form::OrderCopy;
use crate::ids::OrderKey;
use crate::operation::{Operation, OperationLine};
use crate::order::Line;
use crate::review::ReviewReason;
use crate::view::{OrderFile, Stop};

/// Replaces the lines of an order that waits by those of a newer copy. What was taken already stays with its
/// lines; what the waiting operation is to take, or to give back, changes by the difference.
pub(super) fn revise(draft: &mut Draft<'_>, file: &mut OrderFile, copy: &OrderCopy) -> Result<(), Stop> {
    let holders = merge::holders_of_copy(draft, &file.order.key, copy)?;
    if let Some(foreign) = merge::foreign(&file.order.key, &holders) {
        ask_about_foreign(draft, file, copy, foreign);
        return Ok(());
    }
    if merge::winner_over_copy(draft, file, copy, &holders)?.is_some() {
        return Ok(());
    }
    let first = file.order.first_operation;
    let waiting = level::take_waiting(file, first);
    let Some((position, mut operation)) = waiting else {
        return Ok(());
    };
    let mut lines = super::take_in::copy_lines(&file.order.key, copy);
    for line in &mut lines {
        match file.order.lines.iter().find(|ours| ours.id == line.id) {
            Some(ours) => {
                line.parts.clone_from(&ours.parts);
                grow(&mut operation, line, line.quantity - ours.quantity);
            }
            None => operation.lines.push(planned(file, line)),
        }
    }
    for ours in &file.order.lines {
        if lines.iter().any(|line| line.id == ours.id) {
            continue;
        }
        if ours.parts.is_empty() {
            operation
                .lines
                .retain(|named| named.line.as_ref() != Some(&ours.id));
        } else {
            // The line stays, with nothing taken: it is what makes a repeat of the old copy harmless.
            let gone = Line {
                quantity: 0,
                ..ours.clone()
            };
            grow(&mut operation, &gone, -ours.quantity);
            lines.push(gone);
        }
    }
    file.order.lines = lines.into();
    let moved = merge::absorb(draft, file, &holders)?;
    for position in moved {
        let line = &file.order.lines[position];
        operation
            .lines
            .retain(|named| named.line.as_ref() != Some(&line.id));
    }
    file.operations
        .insert(position.min(file.operations.len()), operation);
    Ok(())
}

/// The copy names a line that another account holds: what waited to move its stock waits for a person now.
fn ask_about_foreign(draft: &mut Draft<'_>, file: &mut OrderFile, copy: &OrderCopy, holder: &OrderKey) {
    if file.order.answered.contains(&ReviewReason::OtherAccount) {
        return;
    }
    let first = file.order.first_operation;
    if let Some((position, mut operation)) = level::take_waiting(file, first) {
        apply::stop_waiting(draft, file);
        let details = resolve::held_elsewhere(holder, copy);
        let error = format!("a line of its newer copy is held by order {holder}");
        let reason = ReviewReason::OtherAccount;
        take_in::wait_for_person(draft, file, &mut operation, reason, details, &error);
        file.operations
            .insert(position.min(file.operations.len()), operation);
    }
}

/// Adds a difference in sold units to what an operation is to take of a line's parts.
fn grow(operation: &mut Operation, line: &Line, sold: i64) {
    if sold == 0 {
        return;
    }
    operation
        .lines
        .extend(line.parts.iter().map(|part| OperationLine {
            line: Some(line.id.clone()),
            offer: line.offer.clone(),
            sku: Some(part.key.sku.clone()),
            quantity: sold * part.units,
            warehouse: part.key.warehouse.clone(),
        }));
}

fn planned(file: &OrderFile, line: &Line) -> OperationLine {
    OperationLine {
        line: Some(line.id.clone()),
        offer: line.offer.clone(),
        sku: line.external.clone(),
        quantity: line.quantity,
        warehouse: file.order.warehouse.clone(),
    }
}
