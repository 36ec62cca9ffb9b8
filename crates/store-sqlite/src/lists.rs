//! Lists of orders that decisions ask for. None looks at finished history, and none at all that waits: accounts
//! are found by skipping from one to the next along an index.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use saldo_domain::ids::{AccountId, OrderId, OrderKey, ReviewId};
use saldo_domain::stock::{OfferKey, StockKey};
use saldo_domain::view::{DueRequest, ListKey, Place};
use saldo_store::rows;
use saldo_store::turns::{LIST_ORDERS_MAX, take_turns, takes_part};

use crate::failure::Failure;
use crate::load::balance;
use crate::sql::{id, many, moment, one, row_limit, stored, text};

/// The orders of a list.
pub(crate) fn list(connection: &Connection, list: &ListKey) -> Result<Vec<OrderKey>, Failure> {
    match list {
        ListKey::Due {
            request,
            stranded_after,
        } => due(connection, request, *stranded_after),
        ListKey::AwaitingStock(key, after) => awaiting_stock(connection, key, after.as_ref()),
        ListKey::AwaitingOffer(offer, after) => awaiting_offer(connection, offer, after.as_ref()),
        ListKey::OwedSince { account, before } => owed_since(connection, *account, *before),
        ListKey::FailedUnder(review) => failed_under(connection, *review),
        ListKey::UnpaidSince { before } => unpaid_since(connection, *before),
        ListKey::UnpaidUnder(review) => unpaid_under(connection, *review),
    }
}

/// The account after another that owes anything, by one step along the index.
fn next_account(connection: &Connection, after: Option<AccountId>) -> Result<Option<AccountId>, Failure> {
    // The empty blob stands before every account.
    let after = after
        .map(|account| account.as_uuid().into_bytes().to_vec())
        .unwrap_or_default();
    let sql = "SELECT account FROM orders INDEXED BY delivery_due WHERE account > ?1 AND due_at IS NOT NULL \
        ORDER BY account LIMIT 1";
    one(connection, sql, params![after], |row| id(row, 0, AccountId::new))
}

/// Accounts that owe anything, each once, beginning after one and going round. Ends when `visit` says so.
fn go_round(
    connection: &Connection,
    begin_after: Option<AccountId>,
    mut visit: impl FnMut(AccountId) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut last = begin_after;
    while let Some(account) = next_account(connection, last)? {
        if !visit(account)? {
            return Ok(());
        }
        last = Some(account);
    }
    let Some(end) = begin_after else { return Ok(()) };
    last = None;
    while let Some(account) = next_account(connection, last)? {
        if account > end || !visit(account)? {
            return Ok(());
        }
        last = Some(account);
    }
    Ok(())
}

fn due(
    connection: &Connection,
    request: &DueRequest,
    stranded_after: Timestamp,
) -> Result<Vec<OrderKey>, Failure> {
    if let Some(only) = request.only {
        if !takes_part(request, only) {
            return Ok(Vec::new());
        }
        let orders = due_of(connection, request, stranded_after, only)?;
        return Ok(take_turns(vec![orders], request.count_max));
    }
    let mut turns = Vec::new();
    go_round(connection, request.after_account, |account| {
        if takes_part(request, account) {
            let orders = due_of(connection, request, stranded_after, account)?;
            if !orders.is_empty() {
                turns.push(orders);
            }
        }
        // With so many accounts each has one turn at the most.
        Ok(turns.len() < request.count_max)
    })?;
    Ok(take_turns(turns, request.count_max))
}

/// Both ends of the index by due time: what is due, and what is due so late that a clock was set back.
const DUE_OF: &str = "SELECT order_id FROM ( \
    SELECT order_id, due_at FROM orders INDEXED BY delivery_due \
        WHERE account = ?1 AND due_at <= ?2 ORDER BY due_at, order_id LIMIT ?3) \
    UNION ALL SELECT order_id FROM ( \
    SELECT order_id, due_at FROM orders INDEXED BY delivery_due \
        WHERE account = ?1 AND due_at > ?4 ORDER BY due_at, order_id LIMIT ?3) \
    LIMIT ?3";

fn due_of(
    connection: &Connection,
    request: &DueRequest,
    stranded_after: Timestamp,
    account: AccountId,
) -> Result<Vec<OrderKey>, Failure> {
    let count_max = request.per_account_max.min(request.count_max);
    many(
        connection,
        DUE_OF,
        params![
            account.as_uuid().as_bytes(),
            stored(request.now),
            row_limit(count_max),
            stored(stranded_after)
        ],
        |row| {
            Ok(OrderKey {
                account,
                order: text(row, 0, OrderId::parse)?,
            })
        },
    )
}

const AWAITING_OFFER: &str = "SELECT orders.account, orders.order_id FROM review \
    CROSS JOIN orders ON orders.account = review.account AND orders.order_id = review.order_id \
    WHERE review.reason IN ('sku_missing', 'sku_unknown') AND ifnull(review.account, x'') = ?1 \
    AND review.answered_at IS NULL \
    AND (orders.created_at, orders.account, orders.order_id) > (?4, ?5, ?6) \
    AND EXISTS (SELECT 1 FROM json_each(orders.lines) WHERE value ->> 'offer' = ?2) \
    GROUP BY orders.account, orders.order_id \
    ORDER BY orders.created_at, orders.account, orders.order_id LIMIT ?3";

/// A place as the columns by which lists are ordered; without one, what stands before all.
fn position(after: Option<&Place>) -> (i64, Vec<u8>, String) {
    after.map_or((i64::MIN, Vec::new(), String::new()), |place| {
        let Place { created_at, order } = place;
        (
            stored(*created_at),
            order.account.as_uuid().into_bytes().to_vec(),
            order.order.as_str().to_owned(),
        )
    })
}

fn awaiting_stock(
    connection: &Connection,
    key: &StockKey,
    after: Option<&Place>,
) -> Result<Vec<OrderKey>, Failure> {
    let (created_at, account, order) = position(after);
    many(
        connection,
        "SELECT account, order_id FROM stock_wait WHERE sku = ?1 AND warehouse = ?2 \
         AND (order_created_at, account, order_id) > (?4, ?5, ?6) \
         ORDER BY order_created_at, account, order_id LIMIT ?3",
        params![
            key.sku.as_str(),
            key.warehouse.as_str(),
            row_limit(LIST_ORDERS_MAX),
            created_at,
            account,
            order
        ],
        |row| rows::order_key(row),
    )
}

fn awaiting_offer(
    connection: &Connection,
    offer: &OfferKey,
    after: Option<&Place>,
) -> Result<Vec<OrderKey>, Failure> {
    let (created_at, account, order) = position(after);
    many(
        connection,
        AWAITING_OFFER,
        params![
            offer.account.as_uuid().as_bytes(),
            offer.offer.as_str(),
            row_limit(LIST_ORDERS_MAX),
            created_at,
            account,
            order
        ],
        |row| rows::order_key(row),
    )
}

fn owed_since(
    connection: &Connection,
    account: Option<AccountId>,
    before: Timestamp,
) -> Result<Vec<OrderKey>, Failure> {
    let mut owed: Vec<(Timestamp, OrderKey)> = Vec::new();
    match account {
        Some(account) => owed = owed_by(connection, account, before)?,
        None => go_round(connection, None, |account| {
            owed.extend(owed_by(connection, account, before)?);
            Ok(true)
        })?,
    }
    owed.sort();
    owed.truncate(LIST_ORDERS_MAX);
    Ok(owed.into_iter().map(|(_, key)| key).collect())
}

fn owed_by(
    connection: &Connection,
    account: AccountId,
    before: Timestamp,
) -> Result<Vec<(Timestamp, OrderKey)>, Failure> {
    many(
        connection,
        "SELECT owed_since, order_id FROM orders INDEXED BY delivery_owed \
         WHERE account = ?1 AND owed_since < ?2 AND owed_since IS NOT NULL ORDER BY owed_since, order_id LIMIT ?3",
        params![
            account.as_uuid().as_bytes(),
            stored(before),
            row_limit(LIST_ORDERS_MAX)
        ],
        |row| {
            Ok((
                moment(row, 0)?,
                OrderKey {
                    account,
                    order: text(row, 1, OrderId::parse)?,
                },
            ))
        },
    )
}

fn failed_under(connection: &Connection, review: ReviewId) -> Result<Vec<OrderKey>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT account, order_id FROM operation INDEXED BY operation_failed_under \
         WHERE review = ?1 AND status = 'failed' ORDER BY id",
    )?;
    let mut rows = statement.query([review.as_uuid().as_bytes()])?;
    let mut orders: Vec<OrderKey> = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(order) = rows::optional_order_key(row, 0)?
            && !orders.contains(&order)
        {
            orders.push(order);
        }
        if orders.len() == LIST_ORDERS_MAX {
            break;
        }
    }
    Ok(orders)
}

fn unpaid_since(connection: &Connection, before: Timestamp) -> Result<Vec<OrderKey>, Failure> {
    many(
        connection,
        "SELECT account, order_id FROM operation INDEXED BY operation_unfinished \
         WHERE status = 'pending' AND waiting_for = 'payment' AND created_at < ?1 AND review IS NULL \
         AND account IS NOT NULL ORDER BY id LIMIT ?2",
        params![stored(before), row_limit(LIST_ORDERS_MAX)],
        |row| rows::order_key(row),
    )
}

fn unpaid_under(connection: &Connection, review: ReviewId) -> Result<Vec<OrderKey>, Failure> {
    many(
        connection,
        "SELECT account, order_id FROM operation INDEXED BY operation_unfinished \
         WHERE status = 'pending' AND waiting_for = 'payment' AND review = ?1 \
         AND account IS NOT NULL ORDER BY id LIMIT ?2",
        params![review.as_uuid().as_bytes(), row_limit(LIST_ORDERS_MAX)],
        |row| rows::order_key(row),
    )
}

/// When the next delivery is due of accounts that are not excluded.
pub(crate) fn next_due(
    connection: &Connection,
    excluded: &[AccountId],
) -> Result<Option<Timestamp>, Failure> {
    let mut next: Option<Timestamp> = None;
    go_round(connection, None, |account| {
        if !excluded.contains(&account) {
            let sql = "SELECT due_at FROM orders INDEXED BY delivery_due WHERE account = ?1 AND due_at IS NOT NULL \
                ORDER BY due_at LIMIT 1";
            let due = one(connection, sql, [account.as_uuid().as_bytes()], |row| {
                moment(row, 0)
            })?;
            next = next.into_iter().chain(due).min();
        }
        Ok(true)
    })?;
    Ok(next)
}

/// SKUs that are waited for although there is stock, found by skipping from one SKU to the next.
pub(crate) fn waiting_with_stock(
    connection: &Connection,
    after: Option<&StockKey>,
    limit: usize,
) -> Result<Vec<StockKey>, Failure> {
    let mut found = Vec::new();
    let mut last = after.map_or_else(Default::default, |key| {
        (key.sku.as_str().to_owned(), key.warehouse.as_str().to_owned())
    });
    while found.len() < limit {
        let next = one(
            connection,
            "SELECT sku, warehouse FROM stock_wait WHERE (sku, warehouse) > (?1, ?2) \
             ORDER BY sku, warehouse LIMIT 1",
            [&last.0, &last.1],
            |row| rows::stock_key(row),
        )?;
        let Some(key) = next else { break };
        last = (key.sku.as_str().to_owned(), key.warehouse.as_str().to_owned());
        if balance(connection, &key)?.is_some_and(|balance| balance.quantity > 0) {
            found.push(key);
        }
    }
    Ok(found)
}
