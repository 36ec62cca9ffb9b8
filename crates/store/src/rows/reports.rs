//! What reports are made of. Of a fact only what reports count is read.

use saldo_domain::ids::OperationId;
use saldo_domain::operation::Action;
use saldo_domain::report::{
    AttemptEnd, AttemptFact, DiscrepancyFact, OperationFact, Report, ShadowFact, SkuMoves,
};

use crate::cells::{Cells, flag, id, moment, number, optional_text, required_json, text};

/// A report, from its head and its figures.
pub fn report<E>(row: &impl Cells<E>) -> Result<Report, E> {
    Ok(Report {
        head: required_json(row, 0)?,
        figures: required_json(row, 1)?,
    })
}

/// What is counted of an operation, from its type, its status, what it waits for and when it was created.
pub fn operation_fact<E>(row: &impl Cells<E>) -> Result<OperationFact, E> {
    Ok(OperationFact {
        operation_type: text(row, 0, str::parse)?,
        status: text(row, 1, str::parse)?,
        waiting_for: optional_text(row, 2, str::parse)?,
        created_at: moment(row, 3)?,
    })
}

/// What is counted of an attempt, from its operation, when it was and the action in the log.
pub fn attempt_fact<E>(row: &impl Cells<E>) -> Result<AttemptFact, E> {
    let action: Action = text(row, 2, str::parse)?;
    Ok(AttemptFact {
        operation: id(row, 0, OperationId::new)?,
        at: moment(row, 1)?,
        end: AttemptEnd::of(action),
    })
}

/// What was moved of a SKU in one period, from three columns of which this is the first.
pub fn sku_moves<E>(row: &impl Cells<E>, first: usize) -> Result<SkuMoves, E> {
    Ok(SkuMoves {
        units_taken: number(row, first)?,
        times_taken: number(row, first + 1)?,
        units_returned: number(row, first + 2)?,
    })
}

/// What is counted of a discrepancy, from its kind, what became of it, when it was first seen and whether it is open.
pub fn discrepancy_fact<E>(row: &impl Cells<E>) -> Result<DiscrepancyFact, E> {
    Ok(DiscrepancyFact {
        kind: text(row, 0, str::parse)?,
        resolution: text(row, 1, str::parse)?,
        first_seen_at: moment(row, 2)?,
        is_open: flag(row, 3)?,
    })
}

/// What is counted of an order in shadow, from what would be done, the verdict and when it was seen.
pub fn shadow_fact<E>(row: &impl Cells<E>) -> Result<ShadowFact, E> {
    Ok(ShadowFact {
        would: text(row, 0, str::parse)?,
        verdict: text(row, 1, str::parse)?,
        seen_at: moment(row, 2)?,
    })
}
