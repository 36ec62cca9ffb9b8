//! Stock of an order that comes back: returns and cancellations.

use std::collections::BTreeMap;

use serde_json::json;

use super::apply::{Want, make_movements};
use super::command::{OrderOutcome, Refund, RefundLine, Restored};
use super::{level, take_in};
use crate::draft::Draft;
use crate::operation::{Operation, OperationType};
use crate::order::Standing;
use crate::stock::StockKey;
use crate::view::{OrderFile, Refusal, Stop};

/// Brings some of an order's stock back. Never more than is still taken.
pub(super) fn refund(draft: &mut Draft<'_>, request: &Refund) -> Result<OrderOutcome, Stop> {
    let Some(mut file) = draft.take(&request.key)? else {
        return Err(Refusal::not_found(
            "order_unknown",
            format!("order {} is not known here", request.key),
        )
        .into());
    };
    if let Standing::Merged { into } = &file.order.standing {
        let detail = format!("order {} was merged into {into}: refund that one", request.key);
        return Err(Refusal::conflict("merged", detail).into());
    }
    let mut wants = Vec::new();
    for line in &request.lines {
        wants.extend(give_back(&file, line, &wants)?);
    }
    let operation = record(draft, &mut file, &wants, json!({ "reason": request.reason }))?;
    let id = operation.id;
    file.operations.push(operation);
    let mut outcome = take_in::answer(draft, file, false)?;
    outcome.operation = Some(id);
    outcome.status = level_status(draft, &request.key, id)?;
    Ok(outcome)
}

fn level_status(
    draft: &mut Draft<'_>,
    key: &crate::ids::OrderKey,
    id: crate::ids::OperationId,
) -> Result<super::SyncStatus, Stop> {
    let Some(file) = draft.take(key)? else {
        return Ok(super::SyncStatus::Completed);
    };
    let finished = file
        .operation(id)
        .is_none_or(|operation| !operation.status.is_unfinished());
    draft.put(file);
    Ok(if finished {
        super::SyncStatus::Completed
    } else {
        super::SyncStatus::Pending
    })
}

/// Spreads a quantity that came back over the lines that took it, in the order of the form.
fn give_back(file: &OrderFile, request: &RefundLine, earlier: &[Want]) -> Result<Vec<Want>, Stop> {
    let mut left = request.quantity;
    let mut wants = Vec::new();
    for (position, line) in file.order.lines.iter().enumerate() {
        for part in &line.parts {
            let fits = part.key.sku == request.sku
                && request
                    .warehouse
                    .as_ref()
                    .is_none_or(|warehouse| part.key.warehouse == *warehouse);
            let spoken_for: i64 = earlier
                .iter()
                .filter(|want| want.line == position && want.key == part.key)
                .map(|want| -want.delta)
                .sum();
            let quantity = left.min(part.taken - spoken_for);
            if !fits || quantity <= 0 {
                continue;
            }
            left -= quantity;
            wants.push(Want {
                line: position,
                key: part.key.clone(),
                units: part.units,
                delta: -quantity,
            });
        }
    }
    if left > 0 {
        return Err(Refusal::conflict(
            "refund_exceeds_taken",
            format!(
                "order {} has {} of {} left to bring back, not {}",
                file.order.key,
                request.quantity - left,
                request.sku,
                request.quantity
            ),
        )
        .into());
    }
    Ok(wants)
}

/// Brings back all that is still taken, as one operation.
pub(super) fn give_back_all(draft: &mut Draft<'_>, file: &mut OrderFile, why: &str) -> Result<(), Stop> {
    let wants = all_taken(file);
    let operation = record(draft, file, &wants, json!({ "reason": why }))?;
    file.operations.push(operation);
    Ok(())
}

/// Everything that is still taken, to be given back.
pub(super) fn all_taken(file: &OrderFile) -> Vec<Want> {
    let lines = file.order.lines.iter().enumerate();
    lines
        .flat_map(|(position, line)| {
            line.parts
                .iter()
                .filter(|part| part.taken > 0)
                .map(move |part| Want {
                    line: position,
                    key: part.key.clone(),
                    units: part.units,
                    delta: -part.taken,
                })
        })
        .collect()
}

/// Writes a refund's movements, and what it owes. The operation is not put into the file yet.
pub(super) fn record(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    wants: &[Want],
    details: serde_json::Value,
) -> Result<Operation, Stop> {
    let mut operation =
        draft.new_operation(OperationType::Refund, Some(&file.order.key), Vec::new(), details);
    make_movements(draft, file, &mut operation, wants, true)?;
    for line in &mut operation.lines {
        line.quantity = -line.quantity;
    }
    level::after_movement(draft, file, &mut operation)?;
    Ok(operation)
}

/// What some wants brought back, by SKU and warehouse.
pub(super) fn restored(wants: &[Want]) -> Vec<Restored> {
    let mut sums: BTreeMap<&StockKey, i64> = BTreeMap::new();
    for want in wants {
        *sums.entry(&want.key).or_default() -= want.delta;
    }
    sums.into_iter()
        .map(|(key, quantity)| Restored {
            sku: key.sku.clone(),
            warehouse: key.warehouse.clone(),
            quantity,
        })
        .collect()
}
