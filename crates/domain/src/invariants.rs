//! The invariants of section 3 of the design, as code: asserted on every decision before it is stored.

use std::collections::{BTreeMap, HashMap};

use crate::changes::Changes;
use crate::ids::{LineItemId, OperationId};
use crate::operation::{Operation, OperationStatus};
use crate::order::Order;
use crate::stock::StockKey;
use crate::view::{OrderFile, Stop, View};

/// Checks what a decision wants stored against what was loaded.
///
/// # Errors
/// A sentence that names the invariant and the row that would break it.
pub fn check_changes(view: &View, changes: &Changes) -> Result<(), String> {
    check_balances(changes)?;
    check_taken(view, changes)?;
    for change in &changes.files {
        let before = loaded(view, &change.after)?;
        for changed in &change.changed_operations {
            let after = &change.after.operations[changed.position];
            // A finished operation is not in the file: it was loaded by itself.
            let stored = before
                .and_then(|file| file.operation(after.id))
                .or_else(|| view.operation(&after.id).ok().flatten());
            check_operation(stored, after, changes)?;
        }
        check_file(&change.after)?;
    }
    for change in &changes.adjustments {
        let before = if change.is_new {
            None
        } else {
            view.operation(&change.operation.id).ok().flatten()
        };
        check_operation(before, &change.operation, changes)?;
    }
    Ok(())
}

fn loaded<'v>(view: &'v View, file: &OrderFile) -> Result<Option<&'v OrderFile>, String> {
    match view.order(&file.order.key) {
        Ok(before) => Ok(before),
        Err(Stop::Missing(_)) => Err(format!(
            "order {} was changed without being loaded",
            file.order.key
        )),
        Err(stop) => Err(format!("{stop:?}")),
    }
}

/// Invariants 1 and 5: every balance is the one after its last movement, and below zero only where allowed.
fn check_balances(changes: &Changes) -> Result<(), String> {
    // The later movement of a key takes the place of the earlier one.
    let last_of: HashMap<_, _> = changes
        .movements
        .iter()
        .map(|movement| (&movement.key, movement))
        .collect();
    for balance in &changes.balances {
        let agrees = last_of.get(&balance.key).is_some_and(|movement| {
            movement.balance_after == balance.quantity && movement.sequence == balance.movements
        });
        if !agrees {
            return Err(format!(
                "invariant 1: the balance of {:?} is not that of its last movement",
                balance.key
            ));
        }
    }
    match changes
        .movements
        .iter()
        .find(|movement| movement.balance_after < 0 && movement.quantity < 0 && !movement.negative_allowed)
    {
        Some(movement) => Err(format!("invariant 5: {:?} would fall below zero", movement.key)),
        None => Ok(()),
    }
}

/// Invariant 2: what a line has taken changes by exactly its movements.
fn check_taken(view: &View, changes: &Changes) -> Result<(), String> {
    let mut expected: BTreeMap<(&LineItemId, &StockKey), i64> = BTreeMap::new();
    for change in &changes.files {
        if let Some(before) = loaded(view, &change.after)? {
            add_taken(&mut expected, &before.order, -1);
        }
        add_taken(&mut expected, &change.after.order, 1);
    }
    for movement in &changes.movements {
        if let Some(line) = &movement.line {
            *expected.entry((line, &movement.key)).or_default() += movement.quantity;
        }
    }
    match expected.iter().find(|(_, difference)| **difference != 0) {
        Some(((line, key), difference)) => Err(format!(
            "invariant 2: line {line} and its movements of {key:?} would differ by {difference}"
        )),
        None => Ok(()),
    }
}

fn add_taken<'o>(taken: &mut BTreeMap<(&'o LineItemId, &'o StockKey), i64>, order: &'o Order, sign: i64) {
    for line in &order.lines {
        for part in &line.parts {
            *taken.entry((&line.id, &part.key)).or_default() += sign * part.taken;
        }
    }
}

/// Invariant 8: a status moves along the table only, and every change has its log entries.
fn check_operation(before: Option<&Operation>, after: &Operation, changes: &Changes) -> Result<(), String> {
    let (from, mut version) =
        before.map_or((None, 0), |operation| (Some(operation.status), operation.version));
    let mut status = from;
    for entry in changes.log.iter().filter(|entry| entry.operation == after.id) {
        if entry.version != version + 1 {
            return Err(format!(
                "invariant 8: the log of operation {} would have a gap",
                after.id
            ));
        }
        version = entry.version;
        let legal = status.is_none_or(|status| status == entry.status || status.may_become(entry.status));
        if !legal {
            return Err(format!(
                "invariant 8: operation {} cannot become {}",
                after.id, entry.status
            ));
        }
        status = Some(entry.status);
    }
    if status != Some(after.status) || version != after.version {
        return Err(format!(
            "invariant 8: operation {} would change without a log entry",
            after.id
        ));
    }
    Ok(())
}

/// Invariants 3, 4 and 7 for one order.
fn check_file(file: &OrderFile) -> Result<(), String> {
    let key = &file.order.key;
    for line in &file.order.lines {
        if line.parts.iter().any(|part| part.taken < 0) {
            return Err(format!(
                "invariant 2: line {} of order {key} would have taken less than nothing",
                line.id
            ));
        }
    }
    for operation in file
        .operations
        .iter()
        .filter(|operation| operation.status.is_unfinished())
    {
        if !has_next_step(file, operation) {
            return Err(format!(
                "invariant 4: operation {} of order {key} would have no next step",
                operation.id
            ));
        }
    }
    if super::decide::is_left_to_the_old_way(&file.order)
        && (file.order.touched || file.delivery.is_some() || file.order.level())
    {
        return Err(format!(
            "invariant 6: order {key} is left to the old way, and something was done with it"
        ));
    }
    let leased = file
        .delivery
        .as_ref()
        .is_some_and(|delivery| delivery.lease.is_some());
    let processing = file
        .operations
        .iter()
        .any(|operation| operation.status == OperationStatus::Processing);
    if processing && !leased {
        return Err(format!(
            "invariant 7: order {key} would be under delivery without a lease"
        ));
    }
    Ok(())
}

/// Whether an unfinished operation waits for something that will come, or is before a person.
fn has_next_step(file: &OrderFile, operation: &Operation) -> bool {
    use crate::operation::WaitingFor::{Account, Delivery, Payment, Review, Stock};
    // A review that is not in the file is about an outage, and is answered only with all of its operations.
    let closed_now = |id| {
        file.reviews
            .iter()
            .any(|review| review.id == id && !review.is_open())
    };
    let reviewed = operation.review.is_some_and(|id| !closed_now(id)) || open_review_of(file, operation.id);
    match (operation.status, operation.waiting_for) {
        (OperationStatus::Processing, _) => file.delivery.is_some(),
        (OperationStatus::Failed, _) | (_, Some(Review)) => reviewed,
        (_, Some(Delivery | Account)) => file.delivery.is_some(),
        (_, Some(Payment | Stock)) => true,
        (_, None) => false,
    }
}

fn open_review_of(file: &OrderFile, operation: OperationId) -> bool {
    file.reviews
        .iter()
        .any(|review| review.is_open() && review.operation == Some(operation))
}
