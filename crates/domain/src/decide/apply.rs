//! Taking stock for an order's lines: all of them or none (invariant 3).

use std::collections::BTreeMap;

use serde_json::json;

use super::level;
use crate::draft::{Draft, Move};
use crate::ids::AccountId;
use crate::operation::{Action, Operation, OperationLine, WaitingFor};
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
    let (wants, missing) = wants(draft, file, lines)?;
    if !missing.is_empty() {
        ask_for_skus(draft, file, operation, lines, &missing);
        return Ok(());
    }
    apply_or_wait(draft, file, operation, &wants, negative_allowed)
}

/// What lines lack, and which of them cannot be told for want of a SKU.
fn wants(draft: &Draft<'_>, file: &OrderFile, lines: &[usize]) -> Result<(Vec<Want>, Vec<usize>), Stop> {
    let mut wants = Vec::with_capacity(lines.len());
    let mut missing = Vec::new();
    for &index in lines {
        let line = &file.order.lines[index];
        if !line.parts.is_empty() {
            wants.extend(line.parts.iter().map(|part| Want {
                line: index,
                key: part.key.clone(),
                units: part.units,
                delta: part.units * line.quantity - part.taken,
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

fn ask_for_skus(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut Operation,
    lines: &[usize],
    missing: &[usize],
) {
    let lacking: Vec<_> = missing
        .iter()
        .map(|&index| {
            let line = &file.order.lines[index];
            json!({ "line_item_id": line.id, "offer_id": line.offer, "quantity": line.quantity })
        })
        .collect();
    draft.close(file, &[ReviewReason::SkuUnknown, ReviewReason::InsufficientStock]);
    let review = draft.ask(
        file,
        ReviewReason::SkuMissing,
        Some(operation.id),
        json!({ "lines": lacking }),
    );
    operation.lines = planned_lines(file, lines);
    operation.review = Some(review);
    file.order.standing = Standing::AwaitsReview;
    file.order.awaited.clear();
    let error = "a line has neither offer.external.id nor a mapping: set a mapping for its offer";
    draft.wait(operation, WaitingFor::Review, Some(error));
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
    draft.close(file, &STOCK_REASONS);
    operation.review = None;
    file.order.awaited.clear();
    level::after_movement(draft, file, operation)
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
    let (reason, other) = if unknown {
        (ReviewReason::SkuUnknown, ReviewReason::InsufficientStock)
    } else {
        (ReviewReason::InsufficientStock, ReviewReason::SkuUnknown)
    };
    draft.close(file, &[other, ReviewReason::SkuMissing]);
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
    operation.lines = wanted_lines(file, wants);
    operation.review = Some(review);
    file.order.awaited = shortages.iter().map(|shortage| shortage.key.clone()).collect();
    file.order.standing = Standing::AwaitsStock;
    draft.wait(
        operation,
        WaitingFor::Stock,
        Some(&shortage_sentence(&shortages[0], shortages.len())),
    );
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

fn wanted_lines(file: &OrderFile, wants: &[Want]) -> Vec<OperationLine> {
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
    operation.lines = wanted_lines(file, wants);
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
