//! What people and the engine read.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Row, params, params_from_iter};
use saldo_domain::ids::{OperationId, OrderKey, ReviewId};
use saldo_domain::operation::{LogEntry, Operation};
use saldo_domain::review::{Review, ReviewReason};
use saldo_domain::stock::{Balance, StockKey};
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::StoreError;
use saldo_store::conditions::{Conditions, Value};
use saldo_store::query::{
    Account, ApiKey, BalanceFilter, LogPage, MovementRow, OperationFilter, Page, PageRequest, ReviewFilter,
};
use saldo_store::questions;
use saldo_store::rows::{
    self, account_columns, api_key_columns, balance_columns, log_columns, movement_columns,
    operation_columns, review_columns,
};
use uuid::Uuid;

use crate::failure::Failure;
use crate::load;
use crate::sql::{json, many, one, row_limit, string};

/// Rows to ask for to fill a page, and to know whether there is another.
pub(crate) fn rows_for(page: &PageRequest) -> i64 {
    // A checked limit is at most 500.
    page.limit as i64 + 1
}

/// One page of an operation's log.
pub(crate) fn log(
    connection: &Connection,
    operation: OperationId,
    page: &PageRequest,
) -> Result<LogPage, StoreError> {
    let after: u32 = page.position()?.unwrap_or(0);
    let rows = many(
        connection,
        concat!(
            "SELECT ",
            log_columns!(),
            " FROM log WHERE operation = ?1 AND version > ?2 ORDER BY version LIMIT ?3"
        ),
        params![operation.as_uuid().as_bytes(), after, rows_for(page)],
        |row| rows::log_entry(row),
    )?;
    Ok(Page::from_rows(rows, page.limit, |entry: &LogEntry| {
        entry.version
    }))
}

/// The rows of a table on some conditions.
pub(crate) fn ask<T>(
    connection: &Connection,
    select: &str,
    mut conditions: Conditions,
    order: &str,
    limit: i64,
    read: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let limit = conditions.value(limit);
    let sql = format!("{select}{}{order} LIMIT {limit}", conditions.sql);
    let values = conditions.values.into_iter().map(|value| match value {
        Value::Text(text) => SqlValue::Text(text),
        Value::Integer(number) => SqlValue::Integer(number),
        Value::Uuid(id) => SqlValue::Blob(id.into_bytes().to_vec()),
    });
    many(connection, &sql, params_from_iter(values), read)
}

/// One page of operations, newest first.
pub(crate) fn operations(
    connection: &Connection,
    filter: &OperationFilter,
    page: &PageRequest,
) -> Result<Page<Operation>, StoreError> {
    let before: Option<OperationId> = page.position()?;
    let mut rows = Vec::new();
    if let Some(order) = &filter.order {
        rows = load::operations_of(connection, order)?;
        rows.retain(|operation| {
            before.is_none_or(|before| operation.id < before) && filter.matches(operation)
        });
    } else {
        let select = concat!("SELECT ", operation_columns!(), " FROM operation");
        for conditions in questions::operations(filter, before, line_has) {
            rows.extend(ask(
                connection,
                select,
                conditions,
                " ORDER BY id DESC",
                rows_for(page),
                |row| rows::operation(row),
            )?);
        }
    }
    rows.sort_by_key(|operation: &Operation| std::cmp::Reverse(operation.id));
    rows.truncate(page.limit + 1);
    Ok(Page::from_rows(rows, page.limit, |operation: &Operation| {
        operation.id
    }))
}

/// That a line of an operation has a value under a name.
fn line_has(name: &str) -> String {
    format!("EXISTS (SELECT 1 FROM json_each(lines) WHERE value ->> '{name}' = {{}})")
}

/// One page of reviews, newest first.
pub(crate) fn reviews(
    connection: &Connection,
    filter: &ReviewFilter,
    page: &PageRequest,
) -> Result<Page<Review>, StoreError> {
    let before: Option<ReviewId> = page.position()?;
    let select = concat!("SELECT ", review_columns!(), " FROM review");
    let mut found = Vec::new();
    for conditions in questions::reviews(filter, before) {
        found.extend(ask(
            connection,
            select,
            conditions,
            " ORDER BY id DESC",
            rows_for(page),
            |row| rows::review(row),
        )?);
    }
    found.sort_by_key(|review: &Review| std::cmp::Reverse(review.id));
    found.truncate(page.limit + 1);
    Ok(Page::from_rows(found, page.limit, |review: &Review| review.id))
}

/// One page of balances, by SKU and warehouse.
pub(crate) fn balances(
    connection: &Connection,
    filter: &BalanceFilter,
    page: &PageRequest,
) -> Result<Page<Balance>, StoreError> {
    let after: Option<(Sku, Warehouse)> = page.position()?;
    let select = concat!("SELECT ", balance_columns!(), " FROM balance");
    let conditions = questions::balances(filter, after);
    let rows = ask(
        connection,
        select,
        conditions,
        " ORDER BY sku, warehouse",
        rows_for(page),
        |row| rows::balance(row),
    )?;
    let position = |balance: &Balance| (balance.key.sku.clone(), balance.key.warehouse.clone());
    Ok(Page::from_rows(rows, page.limit, position))
}

/// Balances of exactly these.
pub(crate) fn balances_of(connection: &Connection, keys: &[StockKey]) -> Result<Vec<Balance>, Failure> {
    let mut found = Vec::new();
    for key in keys {
        found.extend(load::balance(connection, key)?);
    }
    Ok(found)
}

/// One page of a SKU's movements: warehouse by warehouse, each newest first.
pub(crate) fn movements(
    connection: &Connection,
    sku: &Sku,
    page: &PageRequest,
) -> Result<Page<MovementRow>, StoreError> {
    let after: Option<(Warehouse, i64)> = page.position()?;
    let (mut warehouse, mut before) = match after {
        Some((warehouse, sequence)) => (Some(warehouse), sequence),
        None => (next_warehouse(connection, sku, None)?, i64::MAX),
    };
    let mut rows = Vec::new();
    while let Some(here) = warehouse {
        let key = StockKey {
            sku: sku.clone(),
            warehouse: here,
        };
        rows.extend(movements_of(
            connection,
            &key,
            before,
            rows_for(page) - rows.len() as i64,
        )?);
        if rows.len() > page.limit {
            break;
        }
        before = i64::MAX;
        warehouse = next_warehouse(connection, sku, Some(&key.warehouse))?;
    }
    let position = |row: &MovementRow| (row.movement.key.warehouse.clone(), row.movement.sequence);
    Ok(Page::from_rows(rows, page.limit, position))
}

fn next_warehouse(
    connection: &Connection,
    sku: &Sku,
    after: Option<&Warehouse>,
) -> Result<Option<Warehouse>, Failure> {
    // The empty text stands before every warehouse.
    let after = after.map_or("", Warehouse::as_str);
    let sql = "SELECT warehouse FROM balance WHERE sku = ?1 AND warehouse > ?2 ORDER BY warehouse LIMIT 1";
    one(connection, sql, [sku.as_str(), after], |row| {
        crate::sql::text(row, 0, Warehouse::parse)
    })
}

fn movements_of(
    connection: &Connection,
    key: &StockKey,
    before: i64,
    limit: i64,
) -> Result<Vec<MovementRow>, Failure> {
    many(
        connection,
        concat!(
            "SELECT ",
            movement_columns!(),
            ", ifnull(operation.account, orders.account), ifnull(operation.order_id, orders.order_id) \
             FROM movement LEFT JOIN operation ON operation.id = movement.operation \
             LEFT JOIN line_holder ON operation.id IS NULL AND line_holder.line_item_id = movement.line \
             LEFT JOIN orders ON orders.number = line_holder.holder \
             WHERE movement.sku = ?1 AND movement.warehouse = ?2 AND movement.sequence < ?3 \
             ORDER BY movement.sequence DESC LIMIT ?4"
        ),
        params![key.sku.as_str(), key.warehouse.as_str(), before, limit],
        |row| {
            Ok(MovementRow {
                movement: rows::movement(row)?,
                order: rows::optional_order_key(row, 9)?,
            })
        },
    )
}

/// Open reviews about no single order.
pub(crate) fn open_wide_reviews(
    connection: &Connection,
    reason: ReviewReason,
    after: Option<ReviewId>,
    limit: usize,
) -> Result<Vec<Review>, Failure> {
    let after = after.map_or(Uuid::nil(), |id| id.as_uuid());
    many(
        connection,
        concat!(
            "SELECT ",
            review_columns!(),
            " FROM review INDEXED BY review_open_wide \
             WHERE answered_at IS NULL AND order_id IS NULL AND reason = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
        ),
        params![reason.as_str(), after.as_bytes(), row_limit(limit)],
        |row| rows::review(row),
    )
}

/// Orders that are wished for, oldest first.
pub(crate) fn wishes(connection: &Connection, limit: usize) -> Result<Vec<OrderKey>, Failure> {
    let sql = "SELECT account, order_id FROM wish ORDER BY wished_at, account, order_id LIMIT ?1";
    many(connection, sql, [row_limit(limit)], |row| rows::order_key(row))
}

/// The accounts known.
pub(crate) fn accounts(connection: &Connection) -> Result<Vec<Account>, Failure> {
    many(
        connection,
        concat!("SELECT ", account_columns!(), " FROM account ORDER BY id"),
        [],
        |row| rows::account(row),
    )
}

/// API keys that were not revoked.
pub(crate) fn api_keys(connection: &Connection) -> Result<Vec<ApiKey>, Failure> {
    let sql = concat!(
        "SELECT ",
        api_key_columns!(),
        " FROM api_key WHERE revoked_at IS NULL ORDER BY name"
    );
    many(connection, sql, [], |row| rows::api_key(row))
}

/// The final answer under an idempotency key.
pub(crate) fn final_answer(
    connection: &Connection,
    key: &str,
) -> Result<Option<(String, serde_json::Value)>, Failure> {
    let sql = "SELECT fingerprint, final_answer FROM answer WHERE key = ?1 AND final_answer IS NOT NULL";
    one(connection, sql, [key], |row| Ok((string(row, 0)?, json(row, 1)?)))
}
