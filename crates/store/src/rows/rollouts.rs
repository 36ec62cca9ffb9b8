//! The modes that were in force, and the orders seen in shadow.

use saldo_domain::rollout::{Rollout, ShadowOrder};

use super::order_key;
use crate::cells::{Cells, moment, number, optional_moment, required_json, string, text};

/// The columns of [`rollout`].
#[macro_export]
macro_rules! rollout_columns {
    () => {
        "mode, accounts, percent, start_from, changed_at, changed_by"
    };
}

/// A rollout.
pub fn rollout<E>(row: &impl Cells<E>) -> Result<Rollout, E> {
    Ok(Rollout {
        mode: text(row, 0, str::parse)?,
        accounts: required_json(row, 1)?,
        percent: number(row, 2)?,
        start_from: optional_moment(row, 3)?,
        changed_at: moment(row, 4)?,
        changed_by: string(row, 5)?,
        earlier: Vec::new(),
    })
}

/// The rollout in force: a rollout, and what was in force before as JSON.
pub fn rollout_in_force<E>(row: &impl Cells<E>) -> Result<Rollout, E> {
    Ok(Rollout {
        earlier: required_json(row, 6)?,
        ..rollout(row)?
    })
}

/// The columns of [`shadow_order`].
#[macro_export]
macro_rules! shadow_order_columns {
    () => {
        "account, order_id, seen_at, would, details, remote_flag, compared_at, verdict"
    };
}

/// An order in shadow.
pub fn shadow_order<E>(row: &impl Cells<E>) -> Result<ShadowOrder, E> {
    Ok(ShadowOrder {
        key: order_key(row)?,
        seen_at: moment(row, 2)?,
        would: text(row, 3, str::parse)?,
        details: required_json(row, 4)?,
        remote_flag: row.flag(5)?,
        compared_at: optional_moment(row, 6)?,
        verdict: text(row, 7, str::parse)?,
    })
}
