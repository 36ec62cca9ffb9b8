//! Taking stock for an order's lines: all of them or none (invariant 3).

use std::collections::BTreeMap;

use serde_json::json;

use super::level;
use crate::draft::{Draft, Move};
use crate::ids::AccountId;
use crate::operation::{Action, Operation, OperationLine, OperationStatus, WaitingFor};
use crate::order::{Line, Part, Standing};
use crate::review::ReviewReason;
use crate::stock::{Component, OfferKey, StockKey};
use crate::text::Warehouse;
use crate::view::{OrderFile, Stop};

/// Reviews about what keeps stock from being taken.
pub(super) const STOCK_REASONS: [ReviewReason; 3] = [
    ReviewReason::SkuMissing,
    ReviewReason::SkuUnknown,
    ReviewReason::InsufficientStock,
];

/// A quantity that a line takes more (above zero) or gives back (below zero).
pub(super) struct Want {
    /// The line's place in the order.
    pub(super) line: usize,
    /// What and where.
    pub(super) key: StockKey,
    /// Units per sold unit.
    pub(super) units: i64,
    /// Units to take, signed.
    pub(super) delta: i64,
}

/// What a sold unit of a line takes; none when neither a mapping nor `offer.external.id` says so.
pub(super) fn components(
    draft: &Draft<'_>,
    account: AccountId,
    line: &Line,
) -> Result<Option<Vec<Component>>, Stop> {
    if let Some(offer) = &line.offer
        && let Some(mapping) = draft.mapping(&OfferKey {
            account,
            offer: offer.clone(),
        })?
    {
        return Ok(Some(mapping.components.clone()));
    }
    Ok(line.external.as_ref().map(|sku| {
        vec![Component {
            sku: sku.clone(),
            units: 1,
        }]
    }))
}

/// Fills lines up to their quantity for an operation: takes all that they lack, or, when something is in the
/// way, takes nothing, says what the operation waits for, and asks a person.
pub(super) fn fill(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut Operation,
    lines: &[usize],
    negative_allowed: bool,
) -> Result<(), Stop> {
    let (wants, missing) = wants(draft, file, lines, None)?;
    take_or_ask(draft, file, operation, &wants, &missing, negative_allowed)
}

/// Tries an operation again that had to wait. Of lines that have taken something it takes only what it
/// recorded: what was refunded meanwhile, or given back before the line came here, is not taken again.
pub(super) fn refill(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut Operation,
    lines: &[usize],
    negative_allowed: bool,
) -> Result<(), Stop> {
    let (wants, missing) = wants(draft, file, lines, Some(&operation.lines))?;
    take_or_ask(draft, file, operation, &wants, &missing, negative_allowed)
}

/// Records what an operation is to take later, and takes nothing now.
pub(super) fn plan(
    draft: &Draft<'_>,
    file: &OrderFile,
    operation: &mut Operation,
    lines: &[usize],
) -> Result<(), Stop> {
    let (wants, missing) = wants(draft, file, lines, None)?;
    operation.lines = lines_to_take(file, &wants, &missing).into();
    Ok(())
}

fn take_or_ask(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut Operation,
    wants: &[Want],
    missing: &[usize],
    negative_allowed: bool,
) -> Result<(), Stop> {
    if !missing.is_empty() {
        operation.lines = lines_to_take(file, wants, missing).into();
        ask_for_skus(draft, file, operation, missing);
        return Ok(());
    }
    apply_or_wait(draft, file, operation, wants, negative_allowed)
}

/// What lines lack, and which of them cannot be told for want of a SKU.
fn wants(
    draft: &Draft<'_>,
    file: &OrderFile,
    lines: &[usize],
    recorded: Option<&[OperationLine]>,
) -> Result<(Vec<Want>, Vec<usize>), Stop> {
    let mut wants = Vec::with_capacity(lines.len());
    let mut missing = Vec::new();
    for &index in lines {
        let line = &file.order.lines[index];
        if !line.parts.is_empty() {
            wants.extend(line.parts.iter().map(|part| {
                let lacks = part.units * line.quantity - part.taken;
                Want {
                    line: index,
                    key: part.key.clone(),
                    units: part.units,
                    delta: recorded.map_or(lacks, |recorded| {
                        recorded_of(recorded, line, part).clamp(-part.taken, lacks.max(0))
                    }),
                }
            }));
            continue;
        }
        match components(draft, file.order.key.account, line)? {
            None => missing.push(index),
            Some(components) => wants.extend(components.into_iter().map(|component| Want {
                line: index,
                delta: component.units * line.quantity,
                units: component.units,
                key: StockKey {
                    sku: component.sku,
                    warehouse: file.order.warehouse.clone(),
                },
            })),
        }
    }
    Ok((wants, missing))
}

/// What an operation recorded that it takes of a part.
fn recorded_of(recorded: &[OperationLine], line: &Line, part: &Part) -> i64 {
    recorded
        .iter()
        .filter(|named| {
            named.line.as_ref() == Some(&line.id)
                && named.sku.as_ref() == Some(&part.key.sku)
                && named.warehouse == part.key.warehouse
        })
        .map(|named| named.quantity)
        .sum()
}

fn lines_to_take(file: &OrderFile, wants: &[Want], missing: &[usize]) -> Vec<OperationLine> {
    let mut lines = wanted_lines(file, wants);
    lines.extend(planned_lines(file, missing));
    lines
}

fn ask_for_skus(draft: &mut Draft<'_>, file: &mut OrderFile, operation: &mut Operation, missing: &[usize]) {
    let lacking: Vec<_> = missing
        .iter()
        .map(|&index| {
            let line = &file.order.lines[index];
            json!({ "line_item_id": line.id, "offer_id": line.offer, "quantity": line.quantity })
        })
        .collect();
    let review = draft.ask(
        file,
        ReviewReason::SkuMissing,
        Some(operation.id),
        json!({ "lines": lacking }),
    );
    operation.review = Some(review);
    close_other_questions(draft, file, operation, ReviewReason::SkuMissing);
    file.order.standing = Standing::AwaitsReview;
    let error = "a line has neither offer.external.id nor a mapping: set a mapping for its offer";
    draft.wait(operation, WaitingFor::Review, Some(error));
}

/// An operation of an order, which is not in the file now, waits for stock or a SKU no longer, or for something
/// else: what no other operation of the order waits for is waited for no more.
pub(super) fn stop_waiting(draft: &mut Draft<'_>, file: &mut OrderFile) {
    let waiting: Vec<_> = file
        .operations
        .iter()
        .filter(|other| level::is_unapplied(other))
        .map(|other| (other.id, other.review, other.waiting_for))
        .collect();
    if waiting
        .iter()
        .all(|(_, _, waiting_for)| *waiting_for != Some(WaitingFor::Stock))
    {
        file.order.awaited.clear();
    }
    let called_off: Vec<_> = file
        .operations
        .iter()
        .filter(|other| other.status == OperationStatus::RolledBack && other.stock_applied_at.is_none())
        .map(|other| other.id)
        .collect();
    let mut unused = Vec::new();
    for review in file.reviews.iter_mut().filter(|review| review.is_open()) {
        if !STOCK_REASONS.contains(&review.reason) {
            if review.operation.is_some_and(|id| called_off.contains(&id)) {
                unused.push(review.reason);
            }
            continue;
        }
        match waiting.iter().find(|(_, asked, _)| *asked == Some(review.id)) {
            Some((operation, _, _)) => review.operation = Some(*operation),
            None => unused.push(review.reason),
        }
    }
    draft.close(file, &unused);
}

/// The lines of an operation that has taken nothing yet.
pub(super) fn planned_lines(file: &OrderFile, lines: &[usize]) -> Vec<OperationLine> {
    lines
        .iter()
        .map(|&index| {
            let line = &file.order.lines[index];
            OperationLine {
                line: Some(line.id.clone()),
                offer: line.offer.clone(),
                sku: line.external.clone(),
                quantity: line.quantity,
                warehouse: file.order.warehouse.clone(),
            }
        })
        .collect()
}

/// Makes all of the wanted movements, or none.
pub(super) fn apply_or_wait(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut Operation,
    wants: &[Want],
    negative_allowed: bool,
) -> Result<(), Stop> {
    let shortages = shortages(draft, wants)?;
    let negative_allowed = negative_allowed || draft.policy.allow_negative;
    if !shortages.is_empty() && !negative_allowed {
        wait_for_stock(draft, file, operation, wants, &shortages);
        return Ok(());
    }
    make_movements(draft, file, operation, wants, negative_allowed)?;
    if file.order.form_seen && file.order.first_operation == Some(operation.id) {
        name_all_lines(file, operation);
    }
    operation.review = None;
    stop_waiting(draft, file);
    level::after_movement(draft, file, operation)
}

/// The operation that answers for a form names all that the form has taken, also what came to it from other
/// forms or from single lines: so undoing it gives everything back.
fn name_all_lines(file: &OrderFile, operation: &mut Operation) {
    let taken: Vec<Want> = file
        .order
        .lines
        .iter()
        .enumerate()
        .flat_map(|(position, line)| {
            line.parts
                .iter()
                .filter(|part| part.taken > 0)
                .map(move |part| Want {
                    line: position,
                    key: part.key.clone(),
                    units: part.units,
                    delta: part.taken,
                })
        })
        .collect();
    operation.lines = wanted_lines(file, &taken).into();
}

/// One SKU of which there is too little.
struct Shortage {
    key: StockKey,
    required: i64,
    available: Option<i64>,
}

fn shortages(draft: &Draft<'_>, wants: &[Want]) -> Result<Vec<Shortage>, Stop> {
    let mut required: BTreeMap<&StockKey, i64> = BTreeMap::new();
    for want in wants {
        *required.entry(&want.key).or_default() += want.delta;
    }
    let mut shortages = Vec::new();
    for (key, required) in required {
        let available = draft.available(key)?;
        if required > available.unwrap_or(0) || (required > 0 && available.is_none()) {
            shortages.push(Shortage {
                key: key.clone(),
                required,
                available,
            });
        }
    }
    Ok(shortages)
}

fn wait_for_stock(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut Operation,
    wants: &[Want],
    shortages: &[Shortage],
) {
    let unknown = shortages.iter().any(|shortage| shortage.available.is_none());
    let reason = if unknown {
        ReviewReason::SkuUnknown
    } else {
        ReviewReason::InsufficientStock
    };
    let lines: Vec<_> = shortages
        .iter()
        .map(|shortage| {
            let available = shortage.available.unwrap_or(0);
            json!({
                "sku": shortage.key.sku, "warehouse": shortage.key.warehouse, "required": shortage.required,
                "available": available, "short": shortage.required - available,
                "known": shortage.available.is_some(),
            })
        })
        .collect();
    let review = draft.ask(file, reason, Some(operation.id), json!({ "lines": lines }));
    operation.lines = wanted_lines(file, wants).into();
    operation.review = Some(review);
    close_other_questions(draft, file, operation, reason);
    for shortage in shortages {
        if !file.order.awaited.contains(&shortage.key) {
            file.order.awaited.push(shortage.key.clone());
        }
    }
    file.order.standing = Standing::AwaitsStock;
    draft.wait(
        operation,
        WaitingFor::Stock,
        Some(&shortage_sentence(&shortages[0], shortages.len())),
    );
}

/// The question changed with the cause: what was asked before for this operation alone is closed.
fn close_other_questions(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &Operation,
    reason: ReviewReason,
) {
    let same = file
        .reviews
        .iter()
        .position(|review| review.is_open() && review.reason == reason);
    let Some(same) = same else { return };
    // It stands aside while the others are looked through.
    let mut asked = file.reviews.remove(same);
    asked.operation = Some(operation.id);
    stop_waiting(draft, file);
    file.reviews.insert(same, asked);
}

fn shortage_sentence(first: &Shortage, count: usize) -> String {
    let Shortage {
        key,
        required,
        available,
    } = first;
    let more = if count > 1 {
        format!(" (and {} more)", count - 1)
    } else {
        String::new()
    };
    match available {
        None => format!(
            "{} was never held in {}: {required} needed{more}",
            key.sku, key.warehouse
        ),
        Some(available) => {
            format!(
                "not enough of {} in {}: {required} needed, {available} there{more}",
                key.sku, key.warehouse
            )
        }
    }
}

pub(super) fn wanted_lines(file: &OrderFile, wants: &[Want]) -> Vec<OperationLine> {
    wants
        .iter()
        .map(|want| {
            let line = &file.order.lines[want.line];
            OperationLine {
                line: Some(line.id.clone()),
                offer: line.offer.clone(),
                sku: Some(want.key.sku.clone()),
                quantity: want.delta,
                warehouse: want.key.warehouse.clone(),
            }
        })
        .collect()
}

/// Writes the movements of an operation: what comes back first, so that no balance dips on the way.
pub(super) fn make_movements(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut Operation,
    wants: &[Want],
    negative_allowed: bool,
) -> Result<(), Stop> {
    operation.lines = wanted_lines(file, wants).into();
    let (giving, taking): (Vec<&Want>, Vec<&Want>) = wants.iter().partition(|want| want.delta < 0);
    for want in giving.into_iter().chain(taking) {
        let line = &mut file.order.lines[want.line];
        if want.delta != 0 {
            draft.move_stock(&Move {
                key: &want.key,
                quantity: -want.delta,
                operation: operation.id,
                line: Some(&line.id),
                negative_allowed,
            })?;
        }
        match line.parts.iter_mut().find(|part| part.key == want.key) {
            Some(part) => part.taken += want.delta,
            None => {
                line.parts.push(Part {
                    key: want.key.clone(),
                    units: want.units,
                    taken: want.delta,
                });
            }
        }
    }
    operation.stock_applied_at = Some(draft.now);
    file.order.touched = true;
    if operation.version > 1 {
        draft.log(
            operation,
            Action::Applied,
            json!({ "below_zero_allowed": negative_allowed }),
            None,
        );
    }
    Ok(())
}

/// The warehouse that a request names, or the default one.
pub(super) fn warehouse_or_default(draft: &Draft<'_>, warehouse: Option<&Warehouse>) -> Warehouse {
    warehouse.unwrap_or(&draft.policy.default_warehouse).clone()
}
