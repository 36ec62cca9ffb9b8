//! Runs of reconciliation, and what they found.

use saldo_domain::discrepancy::{Discrepancy, Found, Run, Watermark};
use saldo_domain::ids::{AccountId, DiscrepancyId, OrderId, ReviewId, RunId};

use super::order_key_at;
use crate::cells::{
    Cells, id, moment, number, optional_id, optional_moment, optional_number, optional_string, required_json,
    string, text,
};
use crate::reconciliations::BoughtOrder;

/// An order and when it was bought, in the first two columns.
pub fn bought_order<E>(row: &impl Cells<E>) -> Result<BoughtOrder, E> {
    Ok(BoughtOrder {
        bought_at: moment(row, 0)?,
        order: text(row, 1, OrderId::parse)?,
    })
}

/// The columns of [`watermark`].
#[macro_export]
macro_rules! watermark_columns {
    () => {
        "account, landed, last_pass_at, last_full_pass_at, last_full_total"
    };
}

/// How far an account is reconciled.
pub fn watermark<E>(row: &impl Cells<E>) -> Result<Watermark, E> {
    Ok(Watermark {
        account: id(row, 0, AccountId::new)?,
        landed: optional_moment(row, 1)?,
        last_pass_at: optional_moment(row, 2)?,
        last_full_pass_at: optional_moment(row, 3)?,
        last_full_total: optional_number(row, 4)?,
    })
}

/// The columns of [`run`].
#[macro_export]
macro_rules! run_columns {
    () => {
        "id, scope, started_by, started_at, ended_at, outcome, error, tally, place"
    };
}

/// A run.
pub fn run<E>(row: &impl Cells<E>) -> Result<Run, E> {
    Ok(Run {
        id: id(row, 0, RunId::new)?,
        scope: required_json(row, 1)?,
        by: string(row, 2)?,
        started_at: moment(row, 3)?,
        ended_at: optional_moment(row, 4)?,
        outcome: text(row, 5, str::parse)?,
        error: optional_string(row, 6)?,
        tally: required_json(row, 7)?,
        place: required_json(row, 8)?,
    })
}

/// The columns of [`discrepancy`].
#[macro_export]
macro_rules! discrepancy_columns {
    () => {
        "id, account, order_id, kind, local, remote, resolution, review, run, times_seen, first_seen_at, \
         last_seen_at, closed_at"
    };
}

/// A discrepancy.
pub fn discrepancy<E>(row: &impl Cells<E>) -> Result<Discrepancy, E> {
    Ok(Discrepancy {
        id: id(row, 0, DiscrepancyId::new)?,
        found: Found {
            key: order_key_at(row, 1)?,
            kind: text(row, 3, str::parse)?,
            local: string(row, 4)?,
            remote: string(row, 5)?,
            resolution: text(row, 6, str::parse)?,
            review: optional_id(row, 7, ReviewId::new)?,
        },
        run: id(row, 8, RunId::new)?,
        times_seen: number(row, 9)?,
        first_seen_at: moment(row, 10)?,
        last_seen_at: moment(row, 11)?,
        closed_at: optional_moment(row, 12)?,
    })
}
