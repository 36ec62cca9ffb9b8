//! Orders that were deducted before Saldo was there: known from now on, and never deducted again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::command::{Adopt, AdoptOutcome, Adoption, Deduct};
use super::old_way::is_left;
use super::{apply, cancel, deduct, stock_documents, take_in};
use crate::draft::Draft;
use crate::ids::LineItemId;
use crate::operation::OperationType;
use crate::order::{Line, Order, SkipReason, Standing};
use crate::review::ReviewReason;
use crate::stock::StockKey;
use crate::view::{OrderFile, Refusal, Stop};

/// What would become of an order, were it adopted now. Also the preview of it.
#[must_use]
pub fn would_become(known: Option<&OrderFile>, hand_over: bool) -> (Adoption, Option<&'static str>) {
    let Some(file) = known else {
        let adoption = if hand_over {
            Adoption::HandedOver
        } else {
            Adoption::Adopted
        };
        return (adoption, None);
    };
    if was_handed_over(&file.order) {
        return (Adoption::Known, None);
    }
    if file.order.touched {
        let detail =
            "Saldo itself has taken stock for it: was it deducted twice? A count of its SKUs mends that";
        return (Adoption::Conflict, Some(detail));
    }
    match &file.order.standing {
        _ if hand_over && is_left(&file.order) && !file.order.form_seen => (Adoption::HandedOver, None),
        _ if hand_over && is_left(&file.order) => {
            let detail = "its form is known here and may name more than the old way tells: set its flag by the old way";
            (Adoption::Conflict, Some(detail))
        }
        Standing::AwaitsPayment | Standing::AwaitsStock | Standing::AwaitsReview if hand_over => {
            let detail = "Saldo waits to deduct it itself: adopt it without handing it over, and set its flag by \
                          the old way";
            (Adoption::Conflict, Some(detail))
        }
        Standing::AwaitsPayment | Standing::AwaitsStock | Standing::AwaitsReview => (Adoption::Adopted, None),
        _ => (Adoption::Known, None),
    }
}

/// Whether its flag was handed over before: it was said to be deducted elsewhere, and is applied here all the same.
fn was_handed_over(order: &Order) -> bool {
    order.touched && order.answered.contains(&ReviewReason::RemoteOnly)
}

/// Makes an order known that the old way has deducted. Nothing moves, now or later; when its flag is handed over, what
/// moves adds up to nothing. The same again changes nothing.
pub(super) fn adopt(draft: &mut Draft<'_>, request: &Adopt) -> Result<AdoptOutcome, Stop> {
    let file = draft.take(&request.key)?;
    let (adoption, detail) = would_become(file.as_ref(), request.hand_over);
    let file = match (adoption, file) {
        (Adoption::Adopted, Some(waiting)) => call_off(draft, waiting)?,
        (Adoption::Adopted, None) => record(draft, request)?,
        (Adoption::HandedOver, left) => hand_over(draft, request, left)?,
        (Adoption::Known | Adoption::Conflict, Some(file)) => file,
        (Adoption::Known | Adoption::Conflict, None) => {
            return Err(Stop::Defect(format!("order {} is said to be known", request.key)));
        }
    };
    let outcome = take_in::answer(draft, file, false)?;
    Ok(AdoptOutcome {
        key: request.key.clone(),
        adoption,
        operation: outcome.operation,
        detail: detail.map(ToOwned::to_owned),
        deliver: outcome.deliver.filter(|_| adoption == Adoption::HandedOver),
    })
}

/// What stands in the log: where it comes from, and what the old way says of it.
fn told(draft: &Draft<'_>, request: &Adopt) -> Value {
    json!({ "old_way": { "source": request.source, "flag_confirmed": request.flag_confirmed }, "by": draft.by })
}

/// An order that Saldo hears of now.
fn record(draft: &mut Draft<'_>, request: &Adopt) -> Result<OrderFile, Stop> {
    let warehouse = request.lines.first().and_then(|line| line.warehouse.as_ref());
    let warehouse = apply::warehouse_or_default(draft, warehouse);
    let mut file = OrderFile::of(Order::first_heard_of(request.key.clone(), warehouse, draft.now));
    file.order.lines = lines(request).into();
    let planned = apply::planned_lines(&file, &(0..file.order.lines.len()).collect::<Vec<_>>());
    let details = told(draft, request);
    let mut operation = draft.new_operation(OperationType::Deduction, Some(&request.key), planned, details);
    // Called off at once, so that nobody takes it for a deduction of Saldo's own, which could be rolled back.
    draft.roll_back(
        &mut operation,
        json!({ "why": "the old way has deducted it: nothing moves here" }),
    )?;
    file.order.first_operation = Some(operation.id);
    file.operations.push(operation);
    leave_to_the_old_way(&mut file);
    Ok(file)
}

/// The lines as the old way tells them: by SKU, without the ids of line items.
fn lines(request: &Adopt) -> Vec<Line> {
    let mut quantities = BTreeMap::new();
    for line in &request.lines {
        *quantities.entry(&line.sku).or_insert(0) += line.quantity;
    }
    quantities
        .into_iter()
        .map(|(sku, quantity)| Line {
            id: LineItemId::made_up(&request.key, sku),
            made_up: true,
            offer: None,
            external: Some(sku.clone()),
            quantity,
            parts: Vec::new(),
        })
        .collect()
}

/// An order that waited to be deducted here: it waits no more.
fn call_off(draft: &mut Draft<'_>, mut file: OrderFile) -> Result<OrderFile, Stop> {
    cancel::call_off_waiting(draft, &mut file, "the old way has deducted it")?;
    apply::stop_waiting(draft, &mut file);
    let open: Vec<_> = file.reviews.iter().map(|review| review.reason).collect();
    draft.close(&mut file, &open);
    leave_to_the_old_way(&mut file);
    Ok(file)
}

fn leave_to_the_old_way(file: &mut OrderFile) {
    file.order.standing = Standing::Skipped {
        reason: SkipReason::OldWay,
    };
    answer_remote_only(file);
}

/// Whether it was deducted elsewhere is not asked again.
fn answer_remote_only(file: &mut OrderFile) {
    if !file.order.answered.contains(&ReviewReason::RemoteOnly) {
        file.order.answered.push(ReviewReason::RemoteOnly);
    }
}

/// The old way has taken the stock, but not told the orders service. Saldo tells it only for what it has taken itself:
/// so it books the stock as it was before, and takes it once more, in one decision. The balances stay as they are.
fn hand_over(draft: &mut Draft<'_>, request: &Adopt, left: Option<OrderFile>) -> Result<OrderFile, Stop> {
    let skus: BTreeSet<_> = request.lines.iter().map(|line| &line.sku).collect();
    if skus.is_empty() || skus.len() != request.lines.len() {
        let detail = format!(
            "order {} can be handed over only with its lines, each SKU once",
            request.key
        );
        return Err(Refusal::conflict("cannot_hand_over", detail).into());
    }
    let moves: Vec<_> = request
        .lines
        .iter()
        .map(|line| {
            let key = StockKey {
                sku: line.sku.clone(),
                warehouse: apply::warehouse_or_default(draft, line.warehouse.as_ref()),
            };
            (key, line.quantity)
        })
        .collect();
    let mut details = told(draft, request);
    details["hands_over"] = json!(request.key);
    stock_documents::write(draft, &moves, details, false, None)?;
    if let Some(mut file) = left {
        // What stood there for people is taken now, line by line.
        file.order.lines.clear();
        file.order.standing = Standing::AwaitsStock;
        file.order.first_operation = None;
        draft.put(file);
    }
    for (key, quantity) in &moves {
        let single = Deduct {
            key: request.key.clone(),
            line: None,
            sku: key.sku.clone(),
            quantity: *quantity,
            warehouse: Some(key.warehouse.clone()),
        };
        deduct::deduct(draft, &single)?;
    }
    let taken: i64 = moves.iter().map(|(_, quantity)| quantity).sum();
    match draft.take(&request.key)? {
        Some(mut file) if file.order.taken() == taken => {
            answer_remote_only(&mut file);
            Ok(file)
        }
        _ => {
            let detail = format!(
                "order {} cannot be handed over: a balance of its SKUs is below zero; count them first",
                request.key
            );
            Err(Refusal::conflict("cannot_hand_over", detail).into())
        }
    }
}
