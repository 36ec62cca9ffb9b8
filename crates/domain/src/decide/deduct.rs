//! Single lines: the original's `sync_stock_deduction`.

use serde_json::json;

use super::apply::{self, fill};
use super::command::{Deduct, OrderOutcome};
use super::{level, old_way, retry_now, take_in};
use crate::draft::Draft;
use crate::ids::LineItemId;
use crate::operation::OperationType;
use crate::order::{Line, Order, Standing};
use crate::policy::Policy;
use crate::review::ReviewReason;
use crate::stock::StockKey;
use crate::view::{Key, OrderFile, Refusal, Stop};

/// Rows that a single line looks at for certain.
pub(super) fn first_keys(request: &Deduct, policy: &Policy) -> Vec<Key> {
    let warehouse = request
        .warehouse
        .as_ref()
        .unwrap_or(&policy.default_warehouse)
        .clone();
    vec![
        Key::Rollout,
        Key::Order(request.key.clone()),
        Key::Line(wanted_id(request)),
        Key::Balance(StockKey {
            sku: request.sku.clone(),
            warehouse,
        }),
    ]
}

fn wanted_id(request: &Deduct) -> LineItemId {
    request
        .line
        .clone()
        .unwrap_or_else(|| LineItemId::made_up(&request.key, &request.sku))
}

/// Takes one line's stock.
pub(super) fn deduct(draft: &mut Draft<'_>, request: &Deduct) -> Result<OrderOutcome, Stop> {
    let mut file = match draft.take(&request.key)? {
        // A rehearsal plays as if the order were Saldo's.
        Some(file) if !draft.is_rehearsal() || !old_way::is_left(&file.order) => file,
        _ => new_file(draft, request),
    };
    let is_closed = !matches!(
        file.order.standing,
        Standing::Applied | Standing::AwaitsStock | Standing::AwaitsPayment | Standing::AwaitsReview
    );
    // Whether such a form is to be deducted at all is what a person is asked.
    let is_asked = file.open_review(ReviewReason::RemoteOnly).is_some()
        || file.open_review(ReviewReason::MissedOrder).is_some()
        || file.order.form_seen && file.open_review(ReviewReason::OtherAccount).is_some();
    if is_closed || is_asked {
        return take_in::answer(draft, file, true);
    }
    let position = if file.order.form_seen {
        match form_line(draft, &file, request)? {
            FormLine::Covered => return take_in::answer(draft, file, true),
            FormLine::Open(position) => position,
        }
    } else {
        match single_line(&mut file, request)? {
            Some(position) => position,
            None => return take_in::answer(draft, file, true),
        }
    };
    take_line(draft, file, request, position)
}

fn new_file(draft: &Draft<'_>, request: &Deduct) -> OrderFile {
    let warehouse = apply::warehouse_or_default(draft, request.warehouse.as_ref());
    OrderFile::of(Order::first_heard_of(request.key.clone(), warehouse, draft.now))
}

enum FormLine {
    Covered,
    Open(usize),
}

/// The line of a known form that a single deduction means.
fn form_line(draft: &Draft<'_>, file: &OrderFile, request: &Deduct) -> Result<FormLine, Stop> {
    let lines = &file.order.lines;
    let position = match &request.line {
        Some(id) => lines.iter().position(|line| line.id == *id),
        None => {
            let mut of_sku = Vec::new();
            for (position, line) in lines.iter().enumerate() {
                let components = apply::components(draft, file.order.key.account, line)?;
                if components.is_some_and(|components| components.iter().any(|c| c.sku == request.sku)) {
                    of_sku.push(position);
                }
            }
            match of_sku.as_slice() {
                [one] if lines[*one].quantity == request.quantity => Some(*one),
                _ => return Err(needs_line_id(request)),
            }
        }
    };
    let Some(position) = position else {
        return Err(Refusal::conflict(
            "line_not_in_order",
            format!(
                "order {} has no such line; post its newer form instead",
                request.key
            ),
        )
        .into());
    };
    if lines[position].quantity != request.quantity {
        return Err(Refusal::conflict(
            "quantity_differs",
            format!(
                "the form says {} of that line, not {}",
                lines[position].quantity, request.quantity
            ),
        )
        .into());
    }
    let covered = !lines[position].parts.is_empty() || file.order.standing == Standing::Applied;
    Ok(if covered {
        FormLine::Covered
    } else {
        FormLine::Open(position)
    })
}

/// The single line itself, new or known; none when it is a repeat.
fn single_line(file: &mut OrderFile, request: &Deduct) -> Result<Option<usize>, Stop> {
    let id = wanted_id(request);
    if let Some(known) = file.order.lines.iter().find(|line| line.id == id) {
        if known.quantity != request.quantity || known.external.as_ref() != Some(&request.sku) {
            return Err(needs_line_id(request));
        }
        return Ok(None);
    }
    file.order.lines.push(Line {
        id,
        made_up: request.line.is_none(),
        offer: None,
        external: Some(request.sku.clone()),
        quantity: request.quantity,
        parts: Vec::new(),
    });
    Ok(Some(file.order.lines.len() - 1))
}

fn needs_line_id(request: &Deduct) -> Stop {
    Refusal::conflict(
        "line_item_id_required",
        format!(
            "order {} was already given another quantity of {}; say which line item is meant by line_item_id",
            request.key, request.sku
        ),
    )
    .into()
}

fn take_line(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    request: &Deduct,
    position: usize,
) -> Result<OrderOutcome, Stop> {
    let id = file.order.lines[position].id.clone();
    let holder = draft
        .view
        .line(&id)?
        .filter(|holder| **holder != file.order.key)
        .cloned();
    if let Some(holder) = &holder
        && holder.account == file.order.key.account
    {
        return Err(Refusal::conflict(
            "line_held_elsewhere",
            format!("line {id} is held by order {holder}"),
        )
        .into());
    }
    let planned = apply::planned_lines(&file, &[position]);
    let mut operation = draft.new_operation(
        OperationType::Deduction,
        Some(&file.order.key),
        planned,
        json!({ "single_line": id }),
    );
    file.order.first_operation.get_or_insert(operation.id);
    if let Some(holder) = holder {
        file.order.lines.remove(position);
        let details = json!({ "other_account": holder.account, "other_order": holder.order });
        let error = format!("the line is held by order {holder}");
        take_in::wait_for_person(
            draft,
            &mut file,
            &mut operation,
            ReviewReason::OtherAccount,
            details,
            &error,
        );
    } else {
        let warehouse = apply::warehouse_or_default(draft, request.warehouse.as_ref());
        let order_warehouse = std::mem::replace(&mut file.order.warehouse, warehouse);
        fill(draft, &mut file, &mut operation, &[position], false)?;
        file.order.warehouse = order_warehouse;
    }
    let operation_id = operation.id;
    let (error, review) = (operation.error_message.clone(), operation.review);
    let is_taken = operation.stock_applied_at.is_some();
    file.operations.push(operation);
    if is_taken && file.order.form_seen {
        leave_to_single_line(draft, &mut file, &id)?;
    }
    let mut outcome = take_in::answer(draft, file, false)?;
    outcome.operation = Some(operation_id);
    outcome.error = error;
    outcome.review = review;
    Ok(outcome)
}

/// A line of a known form was taken by itself: the form's own operation takes the others, and when none is left
/// the form is covered.
fn leave_to_single_line(draft: &mut Draft<'_>, file: &mut OrderFile, line: &LineItemId) -> Result<(), Stop> {
    for operation in &mut file.operations {
        if level::is_unapplied(operation) {
            operation.lines.retain(|named| named.line.as_ref() != Some(line));
        }
    }
    if file.order.lines.iter().any(|line| line.parts.is_empty()) {
        return Ok(());
    }
    retry_now::fill_those(draft, file, false, |operation| operation.lines.is_empty())
}
