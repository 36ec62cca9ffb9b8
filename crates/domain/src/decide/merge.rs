//! Lines that stand in another form too: merged forms, and the difference that a newer copy makes.

use std::collections::BTreeSet;

use serde_json::json;

use super::apply::{self, Want};
use super::command::OrderOutcome;
use super::{level, refund, take_in};
use crate::draft::{Draft, Move};
use crate::form::OrderCopy;
use crate::ids::{LineItemId, OrderKey};
use crate::lines::Lines;
use crate::operation::{Operation, OperationStatus, OperationType};
use crate::order::{Line, Part, Standing};
use crate::review::ReviewReason;
use crate::view::{OrderFile, Stop};

/// Other orders that hold lines of this one.
pub(super) fn holders(draft: &Draft<'_>, file: &OrderFile) -> Result<Vec<OrderKey>, Stop> {
    holders_of(
        draft,
        &file.order.key,
        file.order.lines.iter().map(|line| &line.id),
    )
}

/// Orders other than one that hold any line of a copy.
pub(super) fn holders_of_copy(
    draft: &Draft<'_>,
    own: &OrderKey,
    copy: &OrderCopy,
) -> Result<Vec<OrderKey>, Stop> {
    holders_of(draft, own, copy.lines.iter().filter_map(|line| line.id.as_ref()))
}

/// Orders other than one that hold any of some lines.
fn holders_of<'l>(
    draft: &Draft<'_>,
    own: &OrderKey,
    lines: impl Iterator<Item = &'l LineItemId>,
) -> Result<Vec<OrderKey>, Stop> {
    let mut holders = BTreeSet::new();
    for line in lines {
        if let Some(holder) = draft.view.line(line)?
            && holder != own
        {
            holders.insert(holder.clone());
        }
    }
    Ok(holders.into_iter().collect())
}

/// The first holder that is of another account.
pub(super) fn foreign<'h>(own: &OrderKey, holders: &'h [OrderKey]) -> Option<&'h OrderKey> {
    holders.iter().find(|holder| holder.account != own.account)
}

/// A copy of a known order names a line that another account holds: a person is asked, and nothing moves.
pub(super) fn ask_about_foreign(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    copy: &OrderCopy,
    holder: &OrderKey,
) -> Result<OrderOutcome, Stop> {
    if file.order.answered.contains(&ReviewReason::OtherAccount) {
        return take_in::answer(draft, file, true);
    }
    let details = super::resolve::held_elsewhere(holder, copy);
    let review = draft.ask(&mut file, ReviewReason::OtherAccount, None, details);
    let mut outcome = take_in::answer(draft, file, true)?;
    outcome.review = Some(review);
    Ok(outcome)
}

/// Whether a form that holds a line counts as deducted elsewhere: what a person, or the service, said of it
/// goes along with the line.
pub(super) fn settled_elsewhere(draft: &mut Draft<'_>, holders: &[OrderKey]) -> Result<bool, Stop> {
    for holder in holders {
        if let Some(file) = draft.take(holder)? {
            let settled = file.order.standing == Standing::Settled
                || super::old_way::is_left(&file.order) && !draft.is_rehearsal()
                || file.open_review(ReviewReason::RemoteOnly).is_some();
            draft.put(file);
            if settled {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The form of the same account that is the merged one instead of the newcomer: the one with more lines; of
/// as many, the one updated later; then the one seen first.
pub(super) fn winner_over(
    draft: &mut Draft<'_>,
    newcomer: &OrderFile,
    holders: &[OrderKey],
) -> Result<Option<OrderKey>, Stop> {
    for holder in holders
        .iter()
        .filter(|holder| holder.account == newcomer.order.key.account)
    {
        let Some(file) = draft.take(holder)? else { continue };
        let rank = |order: &crate::order::Order| {
            let lines = order.lines.iter().filter(|line| line.quantity > 0).count();
            (lines, order.copy_updated_at)
        };
        let holder_wins = rank(&file.order) >= rank(&newcomer.order);
        draft.put(file);
        if holder_wins {
            return Ok(Some(holder.clone()));
        }
    }
    Ok(None)
}

/// The same for a newer copy of a known order.
pub(super) fn winner_over_copy(
    draft: &mut Draft<'_>,
    file: &OrderFile,
    copy: &OrderCopy,
    holders: &[OrderKey],
) -> Result<Option<OrderKey>, Stop> {
    let mut newer = file.clone();
    newer.order.lines = take_in::copy_lines(&file.order.key, copy).into();
    newer.order.copy_updated_at = newer.order.copy_updated_at.max(copy.updated_at);
    winner_over(draft, &newer, holders)
}

/// A form that comes after the merged one moves nothing; the merged form answers for it.
pub(super) fn close_newcomer(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    winner: &OrderKey,
) -> Result<OrderOutcome, Stop> {
    file.order.lines.clear();
    file.order.standing = Standing::Merged {
        into: winner.order.clone(),
    };
    take_in::answer(draft, file, false)
}

/// Closes other forms into this one: their shared lines come here with all that was taken for them. Answers
/// with the places of the lines that came.
pub(super) fn absorb(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    holders: &[OrderKey],
) -> Result<Vec<usize>, Stop> {
    let mut moved = Vec::new();
    for holder in holders
        .iter()
        .filter(|holder| holder.account == file.order.key.account)
    {
        let Some(mut other) = draft.take(holder)? else {
            continue;
        };
        // What a cancellation brought back is taken again for the form that was paid after all.
        let cancelled = matches!(other.order.standing, Standing::Cancelled { .. });
        for (position, line) in file.order.lines.iter_mut().enumerate() {
            let Some(at) = other.order.lines.iter().position(|theirs| theirs.id == line.id) else {
                continue;
            };
            let theirs = other.order.lines.remove(at);
            if theirs.taken() > 0 || !cancelled && !theirs.parts.is_empty() {
                let is_whole = theirs
                    .parts
                    .iter()
                    .all(|part| part.taken == part.units * theirs.quantity);
                line.parts = theirs.parts;
                // Of another quantity, the line lacks the difference; but what a refund left stays as it is.
                if theirs.quantity == line.quantity || !is_whole {
                    moved.push(position);
                }
            }
        }
        file.order.shipped |= other.order.shipped;
        file.order.touched |= other.order.touched;
        if other.order.level() {
            // Lines that no form names any more: what they took comes back.
            refund::give_back_all(draft, &mut other, "its other lines were merged into another form")?;
        }
        close_merged(draft, &mut other, &file.order.key)?;
        draft.put(other);
    }
    moved.sort_unstable();
    Ok(moved)
}

/// Closes a form whose lines went into another one.
fn close_merged(draft: &mut Draft<'_>, other: &mut OrderFile, into: &OrderKey) -> Result<(), Stop> {
    // An attempt that failed may have arrived all the same, and a delivery given up keeps no doubts.
    let had_failed = other.order.flag_confirmed.is_none()
        && other
            .operations
            .iter()
            .any(|operation| operation.status == OperationStatus::Failed);
    let called_off: Vec<_> = other
        .operations
        .iter()
        .filter(|operation| {
            operation.stock_applied_at.is_none() && operation.status == OperationStatus::Pending
                || operation.status == OperationStatus::Failed
        })
        .map(|operation| operation.id)
        .collect();
    for id in called_off {
        if let Some((position, mut operation)) = level::take_operation(other, id) {
            draft.roll_back(&mut operation, json!({ "merged_into": into.order }))?;
            other.operations.insert(position, operation);
        }
    }
    other.order.awaited.clear();
    other.order.standing = Standing::Merged {
        into: into.order.clone(),
    };
    let open: Vec<_> = other.reviews.iter().map(|review| review.reason).collect();
    draft.close(other, &open);
    let may_hold_true = had_failed
        || other.order.flag_confirmed == Some(true)
        || other
            .delivery
            .as_ref()
            .is_some_and(|delivery| delivery.lease.is_some() || delivery.doubts.of(true).is_some());
    if may_hold_true
        || other
            .operations
            .iter()
            .any(|operation| operation.status.is_unfinished())
    {
        level::release_held(draft, other);
        level::owe(draft, other);
    }
    if let Some(delivery) = &mut other.delivery
        && had_failed
    {
        delivery.doubts.remember(true, draft.now);
    }
    Ok(())
}

/// Moves the difference that a newer copy makes, both ways, as a new operation.
pub(super) fn move_difference(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    copy: &OrderCopy,
    holders: &[OrderKey],
) -> Result<OrderOutcome, Stop> {
    if let Some(holder) = foreign(&file.order.key, holders) {
        return ask_about_foreign(draft, file, copy, holder);
    }
    if winner_over_copy(draft, &file, copy, holders)?.is_some() {
        // Another form holds some of these lines and is no smaller: which of them is right, a person tells.
        let details = json!({ "copy": copy, "shipped": file.order.shipped });
        draft.ask(&mut file, ReviewReason::QuantityMismatch, None, details);
        return take_in::answer(draft, file, true);
    }
    let mut lines = take_in::copy_lines(&file.order.key, copy);
    let mut new_lines = Vec::new();
    let mut wants = Vec::new();
    for (position, line) in lines.iter_mut().enumerate() {
        let Some(ours) = file.order.lines.iter().find(|ours| ours.id == line.id) else {
            new_lines.push(position);
            continue;
        };
        line.parts.clone_from(&ours.parts);
        for part in &line.parts {
            let delta = ((line.quantity - ours.quantity) * part.units).max(-part.taken);
            wants.push(Want {
                line: position,
                key: part.key.clone(),
                units: part.units,
                delta,
            });
        }
    }
    wants.retain(|want| want.delta != 0);
    let gone: Vec<Line> = file
        .order
        .lines
        .iter()
        .filter(|ours| lines.iter().all(|line| line.id != ours.id))
        .cloned()
        .collect();
    for mut line in gone {
        let position = lines.len();
        wants.extend(line.parts.iter().filter(|part| part.taken > 0).map(|part| Want {
            line: position,
            key: part.key.clone(),
            units: part.units,
            delta: -part.taken,
        }));
        // The line stays, with nothing taken: it is what makes a repeat of the old copy harmless.
        line.quantity = 0;
        lines.push(line);
    }
    file.order.lines = lines.into();
    let moved = absorb(draft, &mut file, holders)?;
    new_lines.retain(|position| !moved.contains(position));
    record_difference(draft, file, wants, &new_lines)
}

fn record_difference(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    mut wants: Vec<Want>,
    new_lines: &[usize],
) -> Result<OrderOutcome, Stop> {
    for &position in new_lines {
        let line = &file.order.lines[position];
        if !line.parts.is_empty() {
            wants.extend(line.parts.iter().map(|part| Want {
                line: position,
                key: part.key.clone(),
                units: part.units,
                delta: part.units * line.quantity - part.taken,
            }));
            continue;
        }
        match apply::components(draft, file.order.key.account, line)? {
            Some(components) => wants.extend(components.into_iter().map(|component| Want {
                line: position,
                delta: component.units * line.quantity,
                units: component.units,
                key: crate::stock::StockKey {
                    sku: component.sku,
                    warehouse: file.order.warehouse.clone(),
                },
            })),
            None => return ask_for_new_line(draft, file, position),
        }
    }
    if wants.is_empty() {
        return take_in::answer(draft, file, true);
    }
    let takes = wants.iter().any(|want| want.delta > 0);
    let operation_type = if takes {
        OperationType::Deduction
    } else {
        OperationType::Refund
    };
    let planned = Vec::new();
    let mut operation = draft.new_operation(
        operation_type,
        Some(&file.order.key),
        planned,
        json!({ "why": "a newer copy" }),
    );
    apply::apply_or_wait(draft, &mut file, &mut operation, &wants, false)?;
    if operation_type == OperationType::Refund {
        for line in &mut operation.lines {
            line.quantity = -line.quantity;
        }
    }
    let id = operation.id;
    file.operations.push(operation);
    let mut outcome = take_in::answer(draft, file, false)?;
    outcome.operation = Some(id);
    Ok(outcome)
}

fn ask_for_new_line(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    position: usize,
) -> Result<OrderOutcome, Stop> {
    let planned = apply::planned_lines(&file, &[position]);
    let mut operation = draft.new_operation(
        OperationType::Deduction,
        Some(&file.order.key),
        planned,
        json!({ "why": "a newer copy" }),
    );
    apply::fill(draft, &mut file, &mut operation, &[position], false)?;
    let id = operation.id;
    file.operations.push(operation);
    let mut outcome = take_in::answer(draft, file, false)?;
    outcome.operation = Some(id);
    Ok(outcome)
}

/// Single lines of an order whose form has come: what they took goes over to the form's lines of that SKU, and
/// what no line of the form covers comes back. Lines that came from another form have taken theirs already.
pub(super) fn match_single_lines(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &Operation,
    single_lines: Lines<Line>,
    moved: &[usize],
) -> Result<(), Stop> {
    // Lines that carry the form's own ids keep what they took, before anything is handed over.
    let mut others = Vec::new();
    for single in single_lines {
        match file.order.lines.iter_mut().find(|line| line.id == single.id) {
            Some(same) => same.parts = single.parts,
            None => others.push(single),
        }
    }
    for single in others {
        for part in single.parts {
            hand_over(draft, file, operation, &single.id, &part, moved)?;
        }
    }
    Ok(())
}

fn hand_over(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &Operation,
    single: &LineItemId,
    part: &Part,
    moved: &[usize],
) -> Result<(), Stop> {
    if part.taken > 0 {
        draft.move_stock(&Move {
            key: &part.key,
            quantity: part.taken,
            operation: operation.id,
            line: Some(single),
            negative_allowed: true,
        })?;
    }
    let mut left = part.taken;
    for position in (0..file.order.lines.len()).filter(|position| !moved.contains(position)) {
        let line = &file.order.lines[position];
        let Some(components) = apply::components(draft, file.order.key.account, line)? else {
            continue;
        };
        let Some(component) = components.iter().find(|component| component.sku == part.key.sku) else {
            continue;
        };
        if !line.parts.is_empty() && line.parts.iter().all(|theirs| theirs.key != part.key) {
            // It was taken under its own id already, as something else.
            continue;
        }
        let taken_already = line
            .parts
            .iter()
            .find(|theirs| theirs.key == part.key)
            .map_or(0, |theirs| theirs.taken);
        let given = left.min(component.units * line.quantity - taken_already);
        if given <= 0 {
            continue;
        }
        draft.move_stock(&Move {
            key: &part.key,
            quantity: -given,
            operation: operation.id,
            line: Some(&line.id),
            negative_allowed: true,
        })?;
        left -= given;
        give(&mut file.order.lines[position], &components, part, given);
    }
    Ok(())
}

/// A line that takes over a part takes all of its components from that warehouse.
fn give(line: &mut Line, components: &[crate::stock::Component], part: &Part, given: i64) {
    if line.parts.is_empty() {
        line.parts = components
            .iter()
            .map(|component| Part {
                key: crate::stock::StockKey {
                    sku: component.sku.clone(),
                    warehouse: part.key.warehouse.clone(),
                },
                units: component.units,
                taken: 0,
            })
            .collect();
    }
    if let Some(theirs) = line.parts.iter_mut().find(|theirs| theirs.key == part.key) {
        theirs.taken += given;
    }
}
