//! Receipts, counts, transfers and mappings: what is not tied to an order.

use serde_json::json;

use super::command::{Count, DocumentOutcome, Map, Receipt, Restored, RollBack, RollBackOutcome, Transfer};
use crate::draft::{Draft, Move};
use crate::operation::{Operation, OperationLine, OperationStatus, OperationType};
use crate::stock::{Mapping, StockKey, check_components};
use crate::view::{Refusal, Stop};

/// Goods came in.
pub(super) fn receive(draft: &mut Draft<'_>, receipt: &Receipt) -> Result<DocumentOutcome, Stop> {
    let moves = receipt
        .lines
        .iter()
        .map(|line| (line.key.clone(), line.quantity))
        .collect::<Vec<_>>();
    let details = json!({ "receipt": receipt.reference, "by": draft.by });
    document(draft, &moves, details, false)
}

/// Goods were counted: each balance is set to what was found.
pub(super) fn count(draft: &mut Draft<'_>, count: &Count) -> Result<DocumentOutcome, Stop> {
    draft.note_count();
    for (position, line) in count.lines.iter().enumerate() {
        if count.lines[..position].iter().any(|other| other.key == line.key) {
            let detail = format!(
                "{} in {} stands twice in the count",
                line.key.sku, line.key.warehouse
            );
            return Err(Refusal::invalid("counted_twice", detail).into());
        }
    }
    let mut moves = Vec::with_capacity(count.lines.len());
    for line in &count.lines {
        let known = draft.available(&line.key)?;
        // A first count makes the SKU known, even when it finds none.
        if known != Some(line.quantity) {
            moves.push((line.key.clone(), line.quantity - known.unwrap_or(0)));
        }
    }
    if moves.is_empty() {
        return Ok(DocumentOutcome {
            operation: None,
            grown: Vec::new(),
        });
    }
    let details = json!({ "count": count.reason, "by": draft.by });
    document(draft, &moves, details, false)
}

/// Goods went from one warehouse to another.
pub(super) fn transfer(draft: &mut Draft<'_>, transfer: &Transfer) -> Result<DocumentOutcome, Stop> {
    let from = StockKey {
        sku: transfer.sku.clone(),
        warehouse: transfer.from.clone(),
    };
    let to = StockKey {
        sku: transfer.sku.clone(),
        warehouse: transfer.to.clone(),
    };
    if from == to {
        return Err(Refusal::invalid("same_warehouse", "a transfer needs two different warehouses").into());
    }
    let available = draft.available(&from)?.unwrap_or(0);
    if available < transfer.quantity && !draft.policy.allow_negative {
        let detail = format!(
            "{} of {} are in {}, and {} were to be moved",
            available, transfer.sku, transfer.from, transfer.quantity
        );
        return Err(Refusal::conflict("insufficient_stock", detail).into());
    }
    let details = json!({ "transfer": { "from": transfer.from, "to": transfer.to }, "by": draft.by });
    let moves = [(from, -transfer.quantity), (to, transfer.quantity)];
    let negative_allowed = draft.policy.allow_negative;
    document(draft, &moves, details, negative_allowed)
}

/// Says what an offer stands for.
pub(super) fn map(draft: &mut Draft<'_>, request: &Map) -> Result<(), Stop> {
    check_components(&request.components).map_err(|detail| Refusal::invalid("bad_mapping", detail))?;
    draft.put_mapping(Mapping {
        key: request.key.clone(),
        components: request.components.clone(),
        updated_at: draft.now,
    });
    Ok(())
}

/// Undoes a receipt, a count or a transfer.
pub(super) fn reverse(
    draft: &mut Draft<'_>,
    stored: &Operation,
    request: &RollBack,
) -> Result<RollBackOutcome, Stop> {
    let mut restored = Vec::new();
    let mut moves = Vec::new();
    for line in &stored.lines {
        let Some(sku) = line.sku.clone() else { continue };
        let key = StockKey {
            sku,
            warehouse: line.warehouse.clone(),
        };
        restored.push(Restored {
            sku: key.sku.clone(),
            warehouse: key.warehouse.clone(),
            quantity: -line.quantity,
        });
        moves.push((key, -line.quantity));
    }
    if stored.status == OperationStatus::RolledBack {
        return Ok(reversed(stored, stored.rolled_back_by, restored));
    }
    moves.retain(|(_, quantity)| *quantity != 0);
    moves.sort_by_key(|(_, quantity)| std::cmp::Reverse(*quantity));
    for (key, quantity) in &moves {
        let available = draft.available(key)?.unwrap_or(0);
        if available + quantity < 0 && *quantity < 0 && !draft.policy.allow_negative {
            let detail = format!(
                "undoing it takes {} of {} from {}, and {available} are there",
                -quantity, key.sku, key.warehouse
            );
            return Err(Refusal::conflict("insufficient_stock", detail).into());
        }
    }
    let details = json!({ "rolls_back": stored.id, "reason": request.reason, "by": draft.by });
    let mut undo = None;
    if !moves.is_empty() {
        let allowed = draft.policy.allow_negative;
        undo = Some(write(draft, &moves, details.clone(), allowed, Some(stored))?.id);
    }
    let mut operation = stored.clone();
    operation.rolled_back_by = undo;
    draft.roll_back(&mut operation, details)?;
    draft.put_adjustment(operation, false);
    Ok(reversed(stored, undo, restored))
}

fn reversed(
    stored: &Operation,
    undone_by: Option<crate::ids::OperationId>,
    restored: Vec<Restored>,
) -> RollBackOutcome {
    RollBackOutcome {
        operation: stored.id,
        undone_by,
        restored,
        owed: false,
        deliver: None,
    }
}

fn document(
    draft: &mut Draft<'_>,
    moves: &[(StockKey, i64)],
    details: serde_json::Value,
    negative_allowed: bool,
) -> Result<DocumentOutcome, Stop> {
    let operation = write(draft, moves, details, negative_allowed, None)?;
    let grown = moves
        .iter()
        .filter(|(_, quantity)| *quantity > 0)
        .map(|(key, _)| key.clone())
        .collect();
    Ok(DocumentOutcome {
        operation: Some(operation.id),
        grown,
    })
}

/// Writes one document, completed at once.
pub(super) fn write(
    draft: &mut Draft<'_>,
    moves: &[(StockKey, i64)],
    details: serde_json::Value,
    negative_allowed: bool,
    rolls_back: Option<&Operation>,
) -> Result<Operation, Stop> {
    let lines = moves
        .iter()
        .map(|(key, quantity)| OperationLine {
            line: None,
            offer: None,
            sku: Some(key.sku.clone()),
            quantity: *quantity,
            warehouse: key.warehouse.clone(),
        })
        .collect();
    let mut operation = draft.new_operation(OperationType::Adjustment, None, lines, details);
    operation.rolls_back = rolls_back.map(|operation| operation.id);
    for (key, quantity) in moves {
        // A line counted at zero of a SKU never held makes it known by a movement of nothing.
        draft.move_stock(&Move {
            key,
            quantity: *quantity,
            operation: operation.id,
            line: None,
            negative_allowed,
        })?;
    }
    operation.stock_applied_at = Some(draft.now);
    draft.complete_at_once(&mut operation, "a stock document owes the orders service nothing")?;
    draft.put_adjustment(operation.clone(), true);
    Ok(operation)
}
