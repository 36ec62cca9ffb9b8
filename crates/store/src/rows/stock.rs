//! Balances, movements and mappings.

use saldo_domain::ids::{LineItemId, OperationId};
use saldo_domain::stock::{Balance, Mapping, Movement, OfferKey, StockKey};
use saldo_domain::text::{Sku, Warehouse};

use crate::cells::{Cells, flag, id, json, moment, number, optional_text, text};

/// A SKU and a warehouse in the first two columns.
pub fn stock_key<E>(row: &impl Cells<E>) -> Result<StockKey, E> {
    Ok(StockKey {
        sku: text(row, 0, Sku::parse)?,
        warehouse: text(row, 1, Warehouse::parse)?,
    })
}

/// The columns of [`balance`].
#[macro_export]
macro_rules! balance_columns {
    () => {
        "sku, warehouse, quantity, movements, updated_at"
    };
}

/// A balance.
pub fn balance<E>(row: &impl Cells<E>) -> Result<Balance, E> {
    Ok(Balance {
        key: stock_key(row)?,
        quantity: number(row, 2)?,
        movements: number(row, 3)?,
        updated_at: moment(row, 4)?,
    })
}

/// The columns of [`movement`].
#[macro_export]
macro_rules! movement_columns {
    () => {
        "movement.sku, movement.warehouse, movement.sequence, movement.quantity, movement.balance_after, \
         movement.operation, movement.line, movement.negative_allowed, movement.at"
    };
}

/// A movement.
pub fn movement<E>(row: &impl Cells<E>) -> Result<Movement, E> {
    Ok(Movement {
        key: stock_key(row)?,
        sequence: number(row, 2)?,
        quantity: number(row, 3)?,
        balance_after: number(row, 4)?,
        operation: id(row, 5, OperationId::new)?,
        line: optional_text(row, 6, LineItemId::parse)?,
        negative_allowed: flag(row, 7)?,
        at: moment(row, 8)?,
    })
}

/// What an offer stands for: its components and when they were last set.
pub fn mapping<E>(key: &OfferKey, row: &impl Cells<E>) -> Result<Mapping, E> {
    Ok(Mapping {
        key: key.clone(),
        components: json(row, 0)?,
        updated_at: moment(row, 1)?,
    })
}
