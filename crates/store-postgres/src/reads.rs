//! What people and the engine read.

use saldo_domain::ids::{OperationId, OrderKey, ReviewId};
use saldo_domain::operation::{LogEntry, Operation};
use saldo_domain::review::{Review, ReviewReason};
use saldo_domain::stock::{Balance, StockKey};
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::conditions::{Conditions, Value};
use saldo_store::query::{
    Account, ApiKey, BalanceFilter, LogPage, MovementRow, OperationFilter, Page, PageRequest, ReviewFilter,
};
use saldo_store::questions;
use saldo_store::rows::{
    self, account_columns, api_key_columns, balance_columns, log_columns, movement_columns,
    operation_columns, review_columns,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::failure::Failure;
use crate::load;
use crate::session::{Parameter, Session};
use crate::sql::{get, json, row_limit, typed, values};

/// Rows to ask for to fill a page, and to know whether there is another.
pub(crate) fn rows_for(page: &PageRequest) -> i64 {
    row_limit(page.limit + 1)
}

/// One page of an operation's log.
pub(crate) async fn log(
    session: &Session,
    operation: OperationId,
    page: &PageRequest,
) -> Result<LogPage, Failure> {
    let after: u32 = page.position()?.unwrap_or(0);
    let rows = session
        .many(
            concat!(
                "SELECT ",
                log_columns!(),
                " FROM saldo.log WHERE operation = $1 AND version > $2 ORDER BY version LIMIT $3"
            ),
            values![operation.as_uuid(), i64::from(after), rows_for(page)],
            rows::log_entry,
        )
        .await?;
    Ok(Page::from_rows(rows, page.limit, |entry: &LogEntry| {
        entry.version
    }))
}

/// The rows of a table on some conditions.
pub(crate) async fn ask<T>(
    session: &Session,
    select: &str,
    mut conditions: Conditions,
    order: &str,
    limit: i64,
    read: impl Fn(&Row) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let limit = conditions.value(limit);
    let sql = format!("{select}{}{order} LIMIT {limit}", conditions.sql);
    let values: Vec<Parameter<'_>> = conditions
        .values
        .iter()
        .map(|value| match value {
            Value::Text(text) => typed(text),
            Value::Integer(number) => typed(number),
            Value::Uuid(id) => typed(id),
        })
        .collect();
    session.many(&sql, &values, read).await
}

/// One page of operations, newest first.
pub(crate) async fn operations(
    session: &Session,
    filter: &OperationFilter,
    page: &PageRequest,
) -> Result<Page<Operation>, Failure> {
    let before: Option<OperationId> = page.position()?;
    let mut rows = Vec::new();
    if let Some(order) = &filter.order {
        rows = load::operations_of(session, order).await?;
        rows.retain(|operation| {
            before.is_none_or(|before| operation.id < before) && filter.matches(operation)
        });
    } else {
        let select = concat!("SELECT ", operation_columns!(), " FROM saldo.operation");
        for conditions in questions::operations(filter, before, line_has) {
            rows.extend(
                ask(
                    session,
                    select,
                    conditions,
                    " ORDER BY id DESC",
                    rows_for(page),
                    rows::operation,
                )
                .await?,
            );
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
    format!(
        "EXISTS (SELECT 1 FROM jsonb_array_elements(lines::jsonb) AS line WHERE line ->> '{name}' = {{}})"
    )
}

/// One page of reviews, newest first.
pub(crate) async fn reviews(
    session: &Session,
    filter: &ReviewFilter,
    page: &PageRequest,
) -> Result<Page<Review>, Failure> {
    let before: Option<ReviewId> = page.position()?;
    let select = concat!("SELECT ", review_columns!(), " FROM saldo.review");
    let mut found = Vec::new();
    for conditions in questions::reviews(filter, before) {
        found.extend(
            ask(
                session,
                select,
                conditions,
                " ORDER BY id DESC",
                rows_for(page),
                rows::review,
            )
            .await?,
        );
    }
    found.sort_by_key(|review: &Review| std::cmp::Reverse(review.id));
    found.truncate(page.limit + 1);
    Ok(Page::from_rows(found, page.limit, |review: &Review| review.id))
}

/// One page of balances, by SKU and warehouse.
pub(crate) async fn balances(
    session: &Session,
    filter: &BalanceFilter,
    page: &PageRequest,
) -> Result<Page<Balance>, Failure> {
    let after: Option<(Sku, Warehouse)> = page.position()?;
    let select = concat!("SELECT ", balance_columns!(), " FROM saldo.balance");
    let conditions = questions::balances(filter, after);
    let rows = ask(
        session,
        select,
        conditions,
        " ORDER BY sku, warehouse",
        rows_for(page),
        rows::balance,
    )
    .await?;
    let position = |balance: &Balance| (balance.key.sku.clone(), balance.key.warehouse.clone());
    Ok(Page::from_rows(rows, page.limit, position))
}

/// Balances of exactly these, in the order asked for.
pub(crate) async fn balances_of(session: &Session, keys: &[StockKey]) -> Result<Vec<Balance>, Failure> {
    let found = load::balances(session, keys).await?;
    let by_key = |key: &StockKey| found.iter().find(|balance| balance.key == *key).cloned();
    Ok(keys.iter().filter_map(by_key).collect())
}

/// One page of a SKU's movements: warehouse by warehouse, each newest first.
pub(crate) async fn movements(
    session: &Session,
    sku: &Sku,
    page: &PageRequest,
) -> Result<Page<MovementRow>, Failure> {
    let after: Option<(Warehouse, i64)> = page.position()?;
    let (mut warehouse, mut before) = match after {
        Some((warehouse, sequence)) => (Some(warehouse), sequence),
        None => (next_warehouse(session, sku, None).await?, i64::MAX),
    };
    let mut rows = Vec::new();
    while let Some(here) = warehouse {
        let key = StockKey {
            sku: sku.clone(),
            warehouse: here,
        };
        let left = rows_for(page) - row_limit(rows.len());
        rows.extend(movements_of(session, &key, before, left).await?);
        if rows.len() > page.limit {
            break;
        }
        before = i64::MAX;
        warehouse = next_warehouse(session, sku, Some(&key.warehouse)).await?;
    }
    let position = |row: &MovementRow| (row.movement.key.warehouse.clone(), row.movement.sequence);
    Ok(Page::from_rows(rows, page.limit, position))
}

async fn next_warehouse(
    session: &Session,
    sku: &Sku,
    after: Option<&Warehouse>,
) -> Result<Option<Warehouse>, Failure> {
    // The empty text stands before every warehouse.
    let after = after.map_or("", Warehouse::as_str);
    session
        .one(
            "SELECT warehouse FROM saldo.balance WHERE sku = $1 AND warehouse > $2 ORDER BY warehouse LIMIT 1",
            values![sku.as_str(), after],
            |row| crate::sql::text(row, 0, Warehouse::parse),
        )
        .await
}

async fn movements_of(
    session: &Session,
    key: &StockKey,
    before: i64,
    limit: i64,
) -> Result<Vec<MovementRow>, Failure> {
    session
        .many(
            concat!(
                "SELECT ",
                movement_columns!(),
                ", coalesce(operation.account, line_holder.account), \
                 coalesce(operation.order_id, line_holder.order_id) \
                 FROM saldo.movement LEFT JOIN saldo.operation ON operation.id = movement.operation \
                 LEFT JOIN saldo.line_holder ON operation.id IS NULL AND line_holder.line_item_id = movement.line \
                 WHERE movement.sku = $1 AND movement.warehouse = $2 AND movement.sequence < $3 \
                 ORDER BY movement.sequence DESC LIMIT $4"
            ),
            values![key.sku.as_str(), key.warehouse.as_str(), before, limit],
            |row| {
                Ok(MovementRow {
                    movement: rows::movement(row)?,
                    order: rows::optional_order_key(row, 9)?,
                })
            },
        )
        .await
}

/// Open reviews about no single order.
pub(crate) async fn open_wide_reviews(
    session: &Session,
    reason: ReviewReason,
    after: Option<ReviewId>,
    limit: usize,
) -> Result<Vec<Review>, Failure> {
    let after = after.map_or(Uuid::nil(), |id| id.as_uuid());
    session
        .many(
            concat!(
                "SELECT ",
                review_columns!(),
                " FROM saldo.review WHERE answered_at IS NULL AND order_id IS NULL AND reason = $1 AND id > $2 \
                 ORDER BY id LIMIT $3"
            ),
            values![reason.as_str(), after, row_limit(limit)],
            rows::review,
        )
        .await
}

/// Orders that are wished for, oldest first.
pub(crate) async fn wishes(session: &Session, limit: usize) -> Result<Vec<OrderKey>, Failure> {
    session
        .many(
            "SELECT account, order_id FROM saldo.wish ORDER BY wished_at, account, order_id LIMIT $1",
            values![row_limit(limit)],
            rows::order_key,
        )
        .await
}

/// The accounts known.
pub(crate) async fn accounts(session: &Session) -> Result<Vec<Account>, Failure> {
    session
        .many(
            concat!("SELECT ", account_columns!(), " FROM saldo.account ORDER BY id"),
            &[],
            rows::account,
        )
        .await
}

/// API keys that were not revoked.
pub(crate) async fn api_keys(session: &Session) -> Result<Vec<ApiKey>, Failure> {
    session
        .many(
            concat!(
                "SELECT ",
                api_key_columns!(),
                " FROM saldo.api_key WHERE revoked_at IS NULL ORDER BY name"
            ),
            &[],
            rows::api_key,
        )
        .await
}

/// The final answer under an idempotency key.
pub(crate) async fn final_answer(
    session: &Session,
    key: &str,
) -> Result<Option<(String, serde_json::Value)>, Failure> {
    session
        .one(
            "SELECT fingerprint, final_answer FROM saldo.answer WHERE key = $1 AND final_answer IS NOT NULL",
            values![key],
            |row| Ok((get(row, 0)?, json(row, 1)?)),
        )
        .await
}
