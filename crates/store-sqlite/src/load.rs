//! Loading the rows that decisions ask for.

use rusqlite::{Connection, Row as SqlRow, params};
use saldo_domain::delivery::Delivery;
use saldo_domain::ids::{AccountId, LineItemId, OperationId, OrderId, OrderKey, ReviewId};
use saldo_domain::operation::Operation;
use saldo_domain::order::Order;
use saldo_domain::review::{Review, ReviewReason, Subject};
use saldo_domain::stock::{Balance, Mapping, OfferKey, StockKey};
use saldo_domain::view::{Key, OrderFile, RecordedAnswer, Row, View};
use saldo_store::rows::{
    self, answer_columns, balance_columns, delivery_columns, operation_columns, order_columns, review_columns,
};

use crate::failure::Failure;
use crate::lists;
use crate::rollouts;
use crate::sql::{id, many, one, operation_ids, optional_moment};

/// The most operations of one order that are shown.
const OPERATIONS_SHOWN_MAX: usize = 500;

/// Loads rows into a view.
pub(crate) fn load_all(connection: &Connection, view: &mut View, keys: &[Key]) -> Result<(), Failure> {
    for key in keys {
        if !view.has(key) {
            view.insert(load(connection, key)?);
        }
    }
    Ok(())
}

fn load(connection: &Connection, key: &Key) -> Result<Row, Failure> {
    Ok(match key {
        Key::Order(key) => Row::Order(key.clone(), live_order(connection, key)?.map(Box::new)),
        Key::Line(line) => Row::Line(line.clone(), line_holder(connection, line)?),
        Key::Balance(key) => Row::Balance(key.clone(), balance(connection, key)?),
        Key::Mapping(key) => Row::Mapping(key.clone(), mapping(connection, key)?),
        Key::Operation(id) => Row::Operation(*id, operation(connection, *id)?.map(Box::new)),
        Key::Review(id) => Row::Review(*id, review(connection, *id)?.map(Box::new)),
        Key::OpenReview(reason, subject) => {
            let review = open_review(connection, *reason, subject)?;
            Row::OpenReview(*reason, subject.clone(), review.map(Box::new))
        }
        Key::Answer(key) => Row::Answer(key.clone(), answer(connection, key)?),
        Key::Rollout => Row::Rollout(rollouts::rollout(connection)?),
        Key::StockCounted => Row::StockCounted(rollouts::stock_counted(connection)?),
        Key::Shadow(key) => {
            let shadow = rollouts::shadow_order(connection, key)?;
            Row::Shadow(key.clone(), shadow.map(Box::new))
        }
        Key::List(list) => Row::List(list.clone(), lists::list(connection, list)?),
    })
}

/// An order with what is unfinished of it, oldest first.
pub(crate) fn live_order(connection: &Connection, key: &OrderKey) -> Result<Option<OrderFile>, Failure> {
    let Some(Stored { order, ids, delivery }) = order(connection, key)? else {
        return Ok(None);
    };
    let mut operations = operations(connection, &ids)?;
    operations.retain(|operation| operation.status.is_unfinished());
    let reviews = many(
        connection,
        concat!(
            "SELECT ",
            review_columns!(),
            " FROM review WHERE account = ?1 AND order_id = ?2 \
             AND answered_at IS NULL ORDER BY id"
        ),
        params![key.account.as_uuid().as_bytes(), key.order.as_str()],
        |row| rows::review(row),
    )?;
    Ok(Some(OrderFile {
        order,
        operations,
        delivery,
        reviews,
    }))
}

/// An order with everything ever recorded of it, newest first.
pub(crate) fn whole_order(connection: &Connection, key: &OrderKey) -> Result<Option<OrderFile>, Failure> {
    let Some(Stored {
        order,
        mut ids,
        delivery,
    }) = order(connection, key)?
    else {
        return Ok(None);
    };
    ids.reverse();
    ids.truncate(OPERATIONS_SHOWN_MAX);
    let operations = operations(connection, &ids)?;
    let reviews = many(
        connection,
        concat!(
            "SELECT ",
            review_columns!(),
            " FROM review WHERE account = ?1 AND order_id = ?2 ORDER BY id DESC"
        ),
        params![key.account.as_uuid().as_bytes(), key.order.as_str()],
        |row| rows::review(row),
    )?;
    Ok(Some(OrderFile {
        order,
        operations,
        delivery,
        reviews,
    }))
}

/// What stands in the row of an order.
struct Stored {
    order: Order,
    ids: Vec<OperationId>,
    delivery: Option<Delivery>,
}

fn order(connection: &Connection, key: &OrderKey) -> Result<Option<Stored>, Failure> {
    one(
        connection,
        concat!(
            "SELECT ",
            order_columns!(),
            ", ",
            delivery_columns!(),
            ", operations FROM orders WHERE account = ?1 AND order_id = ?2"
        ),
        params![key.account.as_uuid().as_bytes(), key.order.as_str()],
        |row| {
            Ok(Stored {
                order: rows::order(key, row)?,
                ids: operation_ids(row, 26)?,
                delivery: delivery(key, row)?,
            })
        },
    )
}

/// What an order owes stands after its own columns; they are empty when it owes nothing.
fn delivery(key: &OrderKey, row: &SqlRow<'_>) -> Result<Option<Delivery>, Failure> {
    let owes = optional_moment(row, 17)?.is_some();
    owes.then(|| rows::delivery(key, row, 17)).transpose()
}

fn operations(connection: &Connection, ids: &[OperationId]) -> Result<Vec<Operation>, Failure> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let missing = || Failure::Corrupt(format!("operation {id} is named by its order and is not there"));
        found.push(operation(connection, *id)?.ok_or_else(missing)?);
    }
    Ok(found)
}

/// All operations of the orders of an id: an id may stand in several accounts.
pub(crate) fn operations_of(connection: &Connection, order: &OrderId) -> Result<Vec<Operation>, Failure> {
    let mut found = Vec::new();
    let mut last = Vec::new();
    loop {
        let sql = "SELECT account FROM orders WHERE account > ?1 ORDER BY account LIMIT 1";
        let next = one(connection, sql, params![last], |row| id(row, 0, AccountId::new))?;
        let Some(account) = next else { return Ok(found) };
        last = account.as_uuid().into_bytes().to_vec();
        let ids = one(
            connection,
            "SELECT operations FROM orders WHERE account = ?1 AND order_id = ?2",
            params![account.as_uuid().as_bytes(), order.as_str()],
            |row| operation_ids(row, 0),
        )?;
        found.extend(operations(connection, &ids.unwrap_or_default())?);
    }
}

fn line_holder(connection: &Connection, line: &LineItemId) -> Result<Option<OrderKey>, Failure> {
    let sql = "SELECT account, order_id FROM line_holder CROSS JOIN orders ON orders.number = line_holder.holder \
        WHERE line_item_id = ?1";
    one(connection, sql, [line.as_str()], |row| rows::order_key(row))
}

/// A balance; none when the warehouse never held the SKU.
pub(crate) fn balance(connection: &Connection, key: &StockKey) -> Result<Option<Balance>, Failure> {
    one(
        connection,
        concat!(
            "SELECT ",
            balance_columns!(),
            " FROM balance WHERE sku = ?1 AND warehouse = ?2"
        ),
        [key.sku.as_str(), key.warehouse.as_str()],
        |row| rows::balance(row),
    )
}

/// What an offer stands for.
pub(crate) fn mapping(connection: &Connection, key: &OfferKey) -> Result<Option<Mapping>, Failure> {
    one(
        connection,
        "SELECT components, updated_at FROM mapping WHERE account = ?1 AND offer = ?2",
        params![key.account.as_uuid().as_bytes(), key.offer.as_str()],
        |row| rows::mapping(key, row),
    )
}

/// An operation, finished or not.
pub(crate) fn operation(connection: &Connection, id: OperationId) -> Result<Option<Operation>, Failure> {
    one(
        connection,
        concat!("SELECT ", operation_columns!(), " FROM operation WHERE id = ?1"),
        [id.as_uuid().as_bytes()],
        |row| rows::operation(row),
    )
}

/// A review, open or not.
pub(crate) fn review(connection: &Connection, id: ReviewId) -> Result<Option<Review>, Failure> {
    one(
        connection,
        concat!("SELECT ", review_columns!(), " FROM review WHERE id = ?1"),
        [id.as_uuid().as_bytes()],
        |row| rows::review(row),
    )
}

fn open_review(
    connection: &Connection,
    reason: ReviewReason,
    subject: &Subject,
) -> Result<Option<Review>, Failure> {
    let account = subject
        .account()
        .map(|account| account.as_uuid().into_bytes().to_vec())
        .unwrap_or_default();
    let order = subject.order().map_or("", |order| order.as_str());
    one(
        connection,
        concat!(
            "SELECT ",
            review_columns!(),
            " FROM review WHERE reason = ?1 AND ifnull(account, x'') = ?2 \
             AND ifnull(order_id, '') = ?3 AND answered_at IS NULL"
        ),
        params![reason.as_str(), account, order],
        |row| rows::review(row),
    )
}

fn answer(connection: &Connection, key: &str) -> Result<Option<RecordedAnswer>, Failure> {
    let sql = concat!("SELECT ", answer_columns!(), " FROM answer WHERE key = ?1");
    one(connection, sql, [key], |row| rows::recorded_answer(row))
}
