//! What people and the engine read.

use saldo_domain::ids::{OperationId, OrderKey, ReviewId};
use saldo_domain::operation::{LogEntry, Operation, OperationStatus, WaitingFor};
use saldo_domain::review::{Review, ReviewReason};
use saldo_domain::stock::{Balance, StockKey};
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::query::{
    Account, ApiKey, BalanceFilter, LogPage, MovementRow, OperationFilter, Page, PageRequest, ReviewFilter,
};
use saldo_store::rows::{
    self, account_columns, api_key_columns, balance_columns, log_columns, movement_columns,
    operation_columns, review_columns,
};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::failure::Failure;
use crate::load;
use crate::session::{Parameter, Session};
use crate::sql::{Typed, get, json, row_limit, values};

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

/// A `WHERE` in the making.
#[derive(Default)]
pub(crate) struct Conditions {
    sql: String,
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Conditions {
    /// A value, and how it is named in the text.
    pub(crate) fn value<T: Typed + Send + 'static>(&mut self, value: T) -> String {
        self.values.push((Box::new(value), T::column_type()));
        format!("${}", self.values.len())
    }

    /// Adds a condition on one value; `{}` stands for it.
    pub(crate) fn and<T: Typed + Send + 'static>(&mut self, condition: &str, value: T) {
        let name = self.value(value);
        self.and_plain(&condition.replace("{}", &name));
    }

    pub(crate) fn and_plain(&mut self, condition: &str) {
        self.sql
            .push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
    }

    pub(crate) async fn ask<T>(
        mut self,
        session: &Session,
        before: &str,
        after: &str,
        limit: i64,
        read: impl Fn(&Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let limit = self.value(limit);
        let sql = format!("{before}{}{after} LIMIT {limit}", self.sql);
        let values: Vec<Parameter<'_>> = self
            .values
            .iter()
            .map(|(value, kind)| (value.as_ref() as &(dyn ToSql + Sync), kind.clone()))
            .collect();
        session.many(&sql, &values, read).await
    }
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
        for conditions in operation_conditions(filter, before) {
            let select = concat!("SELECT ", operation_columns!(), " FROM saldo.operation");
            let found = conditions
                .ask(
                    session,
                    select,
                    " ORDER BY id DESC",
                    rows_for(page),
                    rows::operation,
                )
                .await?;
            rows.extend(found);
        }
    }
    rows.sort_by_key(|operation: &Operation| std::cmp::Reverse(operation.id));
    rows.truncate(page.limit + 1);
    Ok(Page::from_rows(rows, page.limit, |operation: &Operation| {
        operation.id
    }))
}

/// The questions whose answers together are those of a filter. What is unfinished is asked for by status and by
/// what it waits for, so that each question is one range of the index of unfinished operations, in order.
fn operation_conditions(filter: &OperationFilter, before: Option<OperationId>) -> Vec<Conditions> {
    let unfinished_only =
        !filter.statuses.is_empty() && filter.statuses.iter().all(|status| status.is_unfinished());
    if !unfinished_only {
        let mut conditions = common_conditions(filter, before);
        if !filter.statuses.is_empty() {
            let words: Vec<&str> = filter.statuses.iter().map(|status| status.as_str()).collect();
            conditions.and_plain(&format!("status IN ('{}')", words.join("', '")));
        }
        if let Some(waiting_for) = filter.waiting_for {
            conditions.and("waiting_for = {}", waiting_for.as_str());
        }
        return vec![conditions];
    }
    let mut questions = Vec::new();
    for status in [
        OperationStatus::Pending,
        OperationStatus::Processing,
        OperationStatus::Failed,
    ] {
        if filter.statuses.contains(&status) {
            for waiting_for in waits(filter) {
                questions.push(unfinished_conditions(filter, before, status, waiting_for));
            }
        }
    }
    questions
}

fn waits(filter: &OperationFilter) -> Vec<Option<WaitingFor>> {
    use WaitingFor::{Account, Delivery, Payment, Review, Stock};
    match filter.waiting_for {
        Some(waiting_for) => vec![Some(waiting_for)],
        None => vec![
            None,
            Some(Account),
            Some(Delivery),
            Some(Payment),
            Some(Review),
            Some(Stock),
        ],
    }
}

fn unfinished_conditions(
    filter: &OperationFilter,
    before: Option<OperationId>,
    status: OperationStatus,
    waiting_for: Option<WaitingFor>,
) -> Conditions {
    let mut conditions = common_conditions(filter, before);
    // The word is written out, so that the partial index is recognised.
    conditions.and_plain(&format!("status = '{}'", status.as_str()));
    match waiting_for {
        Some(waiting_for) => conditions.and("waiting_for = {}", waiting_for.as_str()),
        None => conditions.and_plain("waiting_for IS NULL"),
    }
    conditions
}

fn common_conditions(filter: &OperationFilter, before: Option<OperationId>) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(before) = before {
        conditions.and("id < {}", before.as_uuid());
    }
    if let Some(account) = filter.account {
        conditions.and("account = {}", account.as_uuid());
    }
    if let Some(sku) = &filter.sku {
        let condition =
            "EXISTS (SELECT 1 FROM jsonb_array_elements(lines::jsonb) AS line WHERE line ->> 'sku' = {})";
        conditions.and(condition, sku.as_str().to_owned());
    }
    if let Some(warehouse) = &filter.warehouse {
        let condition = "EXISTS (SELECT 1 FROM jsonb_array_elements(lines::jsonb) AS line WHERE line ->> 'warehouse' = {})";
        conditions.and(condition, warehouse.as_str().to_owned());
    }
    conditions
}

/// One page of reviews, newest first.
pub(crate) async fn reviews(
    session: &Session,
    filter: &ReviewFilter,
    page: &PageRequest,
) -> Result<Page<Review>, Failure> {
    let before: Option<ReviewId> = page.position()?;
    let mut found = Vec::new();
    for conditions in review_questions(filter, before) {
        let select = concat!("SELECT ", review_columns!(), " FROM saldo.review");
        let of_question = conditions
            .ask(session, select, " ORDER BY id DESC", rows_for(page), rows::review)
            .await?;
        found.extend(of_question);
    }
    found.sort_by_key(|review: &Review| std::cmp::Reverse(review.id));
    found.truncate(page.limit + 1);
    Ok(Page::from_rows(found, page.limit, |review: &Review| review.id))
}

/// Open reviews are asked for reason by reason, so that each question is one range of their index, in order.
fn review_questions(filter: &ReviewFilter, before: Option<ReviewId>) -> Vec<Conditions> {
    let of_one_order = filter.account.is_some() && filter.order.is_some();
    if filter.open != Some(true) || of_one_order {
        let mut conditions = review_conditions(filter, before, filter.reason);
        match filter.open {
            Some(true) => conditions.and_plain("answered_at IS NULL"),
            Some(false) => conditions.and_plain("answered_at IS NOT NULL"),
            None => {}
        }
        return vec![conditions];
    }
    let reasons = filter
        .reason
        .map_or_else(|| ReviewReason::ALL.to_vec(), |reason| vec![reason]);
    let open = |reason| {
        let mut conditions = review_conditions(filter, before, Some(reason));
        conditions.and_plain("answered_at IS NULL");
        conditions
    };
    reasons.into_iter().map(open).collect()
}

fn review_conditions(
    filter: &ReviewFilter,
    before: Option<ReviewId>,
    reason: Option<ReviewReason>,
) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(before) = before {
        conditions.and("id < {}", before.as_uuid());
    }
    if let Some(reason) = reason {
        conditions.and("reason = {}", reason.as_str());
    }
    if let Some(account) = filter.account {
        conditions.and("account = {}", account.as_uuid());
    }
    if let Some(order) = &filter.order {
        conditions.and("order_id = {}", order.as_str().to_owned());
    }
    conditions
}

/// One page of balances, by SKU and warehouse.
pub(crate) async fn balances(
    session: &Session,
    filter: &BalanceFilter,
    page: &PageRequest,
) -> Result<Page<Balance>, Failure> {
    let after: Option<(Sku, Warehouse)> = page.position()?;
    let mut conditions = Conditions::default();
    if let Some((sku, warehouse)) = after {
        let sku = conditions.value(sku.as_str().to_owned());
        conditions.and(
            &format!("(sku, warehouse) > ({sku}, {{}})"),
            warehouse.as_str().to_owned(),
        );
    }
    if let Some(sku) = &filter.sku {
        conditions.and("sku = {}", sku.as_str().to_owned());
    }
    if let Some(warehouse) = &filter.warehouse {
        conditions.and("warehouse = {}", warehouse.as_str().to_owned());
    }
    if let Some(below) = filter.below {
        conditions.and("quantity < {}", below);
    }
    let select = concat!("SELECT ", balance_columns!(), " FROM saldo.balance");
    let rows = conditions
        .ask(
            session,
            select,
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
pub(crate) async fn open_wide_reviews(session: &Session) -> Result<Vec<Review>, Failure> {
    session
        .many(
            concat!(
                "SELECT ",
                review_columns!(),
                " FROM saldo.review WHERE answered_at IS NULL AND order_id IS NULL ORDER BY id LIMIT 500"
            ),
            &[],
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
