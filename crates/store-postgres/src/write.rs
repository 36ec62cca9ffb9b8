//! Writing what decisions changed: one statement a table, whatever the number of rows.

use std::collections::HashMap;

use saldo_domain::delivery::Delivery;
use saldo_domain::ids::OrderKey;
use saldo_domain::operation::Operation;
use saldo_domain::order::Order;
use saldo_domain::stock::StockKey;
use saldo_store::rows::{standing_words, task_word};
use uuid::Uuid;

use crate::failure::Failure;
use crate::load::AsStored;
use crate::locks::order_name;
use crate::pending::{Pending, PendingOrder, Sorted};
use crate::row_version::RowVersion;
use crate::session::{Session, Step};
use crate::sql::{list_json, optional_stored, storable, stored, to_json};
use crate::table_write::Write;
use crate::transaction::{MARK, Mark};

/// Writes everything, and at the end the mark of the transaction. The tokens become those that are stored now.
pub(crate) async fn write(
    session: &Session,
    pending: Pending,
    as_stored: &mut AsStored,
    mark: Option<Mark>,
) -> Result<(), Failure> {
    let mut writes = Vec::new();
    write_orders(&pending, as_stored, &mut writes)?;
    write_waits(&pending, &mut writes);
    write_holders(&pending, &mut writes);
    write_operations(&pending, &mut writes)?;
    write_ledger(&pending, &mut writes)?;
    write_deliveries(&pending, &as_stored.tokens, &mut writes);
    write_reviews(&pending, &mut writes)?;
    write_plain(&pending, &mut writes)?;
    write_rollout(&pending, &mut writes)?;
    writes.extend(mark.map(write_mark));
    if writes.is_empty() {
        return Ok(());
    }
    let steps: Vec<Step<'_>> = writes.iter().map(Write::step).collect();
    let counts = session.run_together(&steps).await?;
    for (write, count) in writes.iter().zip(counts) {
        write.check(count)?;
    }
    drop(writes);
    for (key, delivery) in pending.deliveries {
        match delivery {
            Some(delivery) => as_stored.tokens.insert(key, token(&delivery)),
            None => as_stored.tokens.remove(&key),
        };
    }
    Ok(())
}

fn write_mark(mark: Mark) -> Write<'static> {
    Write::new("the mark of the transaction", MARK)
        .all_of(1)
        .column(&[mark.marker], |marker| marker)
        .column(&mark.before, |marker| marker)
}

const INSERT_ORDERS: &str = "INSERT INTO saldo.orders (account, order_id, warehouse, standing, standing_detail, \
     form_seen, shipped, touched, flag_confirmed, flag_confirmed_at, first_operation, revisions, copy_updated_at, \
     bought_at, awaited, answered, created_at, updated_at, lines, operations) \
     SELECT account, order_id, warehouse, standing, standing_detail, form_seen, shipped, touched, flag_confirmed, \
     flag_confirmed_at, first_operation, revisions, copy_updated_at, bought_at, awaited, answered, created_at, \
     updated_at, lines, operations::uuid[] \
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::bool[], $8::bool[], \
     $9::bool[], $10::bigint[], $11::uuid[], $12::text[], $13::bigint[], $14::bigint[], $15::text[], $16::text[], \
     $17::bigint[], $18::bigint[], $19::text[], $20::text[]) \
     AS new (account, order_id, warehouse, standing, standing_detail, form_seen, shipped, touched, flag_confirmed, \
     flag_confirmed_at, first_operation, revisions, copy_updated_at, bought_at, awaited, answered, created_at, \
     updated_at, lines, operations)";

/// The ids of its operations are only added to.
const UPDATE_ORDERS: &str = "UPDATE saldo.orders AS old SET warehouse = new.warehouse, standing = new.standing, \
     standing_detail = new.standing_detail, form_seen = new.form_seen, shipped = new.shipped, \
     touched = new.touched, flag_confirmed = new.flag_confirmed, flag_confirmed_at = new.flag_confirmed_at, \
     first_operation = new.first_operation, revisions = new.revisions, copy_updated_at = new.copy_updated_at, \
     bought_at = new.bought_at, awaited = new.awaited, answered = new.answered, created_at = new.created_at, \
     updated_at = new.updated_at, lines = new.lines, operations = old.operations || new.operations::uuid[] \
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::bool[], $8::bool[], \
     $9::bool[], $10::bigint[], $11::uuid[], $12::text[], $13::bigint[], $14::bigint[], $15::text[], $16::text[], \
     $17::bigint[], $18::bigint[], $19::text[], $20::text[]) \
     AS new (account, order_id, warehouse, standing, standing_detail, form_seen, shipped, touched, flag_confirmed, \
     flag_confirmed_at, first_operation, revisions, copy_updated_at, bought_at, awaited, answered, created_at, \
     updated_at, lines, operations) \
     WHERE old.account = new.account AND old.order_id = new.order_id";

/// What an attempt of a delivery changes, in the version that was read.
const CONFIRM_ORDERS: &str = "UPDATE saldo.orders AS old SET flag_confirmed = new.flag_confirmed, \
     flag_confirmed_at = new.flag_confirmed_at, updated_at = new.updated_at \
     FROM unnest($1::uuid[], $2::text[], $3::tid[], $4::xid[], $5::bool[], $6::bigint[], $7::bigint[]) \
     AS new (account, order_id, spot, writer, flag_confirmed, flag_confirmed_at, updated_at) \
     WHERE old.ctid = new.spot AND old.xmin = new.writer AND old.account = new.account AND old.order_id = new.order_id";

fn write_orders<'p>(
    pending: &'p Pending,
    as_stored: &mut AsStored,
    writes: &mut Vec<Write<'p>>,
) -> Result<(), Failure> {
    let Sorted {
        new,
        mut whole,
        stepped,
    } = Sorted::of(pending.orders.values());
    let mut confirmed: Vec<(&Order, RowVersion)> = Vec::new();
    for row in stepped {
        // What this transaction wrote before has another version now, of which nothing was heard.
        match as_stored.orders.get(&row.order.key) {
            Some(version) => confirmed.push((&row.order, *version)),
            None => whole.push(row),
        }
    }
    for (order, _) in &confirmed {
        as_stored.unproved.remove(&order.key);
    }
    for (key, upsert) in &pending.orders {
        as_stored.orders.remove(key);
        if !upsert.is_new {
            as_stored.rewritten.push(key.clone());
        }
    }
    for (rows, sql) in [(new, INSERT_ORDERS), (whole, UPDATE_ORDERS)] {
        if !rows.is_empty() {
            writes.push(order_columns(&rows, sql)?);
        }
    }
    if !confirmed.is_empty() {
        let keys: Vec<&OrderKey> = confirmed.iter().map(|(order, _)| &order.key).collect();
        let write = Write::new("orders", CONFIRM_ORDERS)
            .all_of(keys.len())
            .keys(&keys)
            .column(&confirmed, |(_, version)| version.spot)
            .column(&confirmed, |(_, version)| version.writer)
            .column(&confirmed, |(order, _)| order.flag_confirmed)
            .column(&confirmed, |(order, _)| optional_stored(order.flag_confirmed_at))
            .column(&confirmed, |(order, _)| stored(order.updated_at));
        writes.push(write);
    }
    Ok(())
}

fn order_columns<'p>(rows: &[&'p PendingOrder], sql: &'static str) -> Result<Write<'p>, Failure> {
    let orders: Vec<&Order> = rows.iter().map(|row| &row.order).collect();
    let keys: Vec<&OrderKey> = orders.iter().map(|order| &order.key).collect();
    Ok(Write::new("orders", sql)
        .all_of(rows.len())
        .keys(&keys)
        .column(&orders, |order| order.warehouse.as_str())
        .column(&orders, |order| standing_words(&order.standing).0)
        .column(&orders, |order| standing_words(&order.standing).1)
        .column(&orders, |order| order.form_seen)
        .column(&orders, |order| order.shipped)
        .column(&orders, |order| order.touched)
        .column(&orders, |order| order.flag_confirmed)
        .column(&orders, |order| optional_stored(order.flag_confirmed_at))
        .column(&orders, |order| order.first_operation.map(|id| id.as_uuid()))
        .try_column(&orders, |order| list_json(&order.revisions))?
        .column(&orders, |order| optional_stored(order.copy_updated_at))
        .column(&orders, |order| optional_stored(order.bought_at))
        .try_column(&orders, |order| list_json(&order.awaited))?
        .try_column(&orders, |order| list_json(&order.answered))?
        .column(&orders, |order| stored(order.created_at))
        .column(&orders, |order| stored(order.updated_at))
        .try_column(&orders, |order| to_json(&order.lines))?
        .column(rows, |row| uuid_array(&row.new_operations)))
}

/// A list within a column of lists, which only text can carry.
fn uuid_array(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    format!("{{{}}}", ids.join(","))
}

fn write_waits<'p>(pending: &'p Pending, writes: &mut Vec<Write<'p>>) {
    let before: Vec<&OrderKey> = pending
        .waits
        .iter()
        .filter(|(_, before)| **before)
        .map(|(key, _)| key)
        .collect();
    if !before.is_empty() {
        let sql = "DELETE FROM saldo.stock_wait USING unnest($1::uuid[], $2::text[]) AS gone (account, order_id) \
             WHERE stock_wait.account = gone.account AND stock_wait.order_id = gone.order_id";
        writes.push(Write::new("waits for stock", sql).keys(&before));
    }
    let orders = pending.waits.keys().filter_map(|key| pending.orders.get(key));
    let mut waits: Vec<(&StockKey, &Order)> = orders
        .flat_map(|pending| {
            let order = &pending.row.order;
            order.awaited.iter().map(move |key| (key, order))
        })
        .collect();
    waits.sort_by_key(|(key, order)| (*key, order.created_at, &order.key));
    if waits.is_empty() {
        return;
    }
    let sql = "INSERT INTO saldo.stock_wait (sku, warehouse, order_created_at, account, order_id) \
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::uuid[], $5::text[]) ON CONFLICT DO NOTHING";
    let write = Write::new("waits for stock", sql)
        .column(&waits, |(key, _)| key.sku.as_str())
        .column(&waits, |(key, _)| key.warehouse.as_str())
        .column(&waits, |(_, order)| stored(order.created_at))
        .column(&waits, |(_, order)| order.key.account.as_uuid())
        .column(&waits, |(_, order)| order.key.order.as_str());
    writes.push(write);
}

fn write_holders<'p>(pending: &'p Pending, writes: &mut Vec<Write<'p>>) {
    let removed: Vec<&str> = pending
        .line_holders
        .iter()
        .filter(|(_, holder)| holder.is_none())
        .map(|(line, _)| line.as_str())
        .collect();
    if !removed.is_empty() {
        let sql = "DELETE FROM saldo.line_holder WHERE line_item_id = ANY ($1::text[])";
        writes.push(Write::new("holders of lines", sql).column(&removed, |line| line));
    }
    let held: Vec<(&str, &OrderKey)> = pending
        .line_holders
        .iter()
        .filter_map(|(line, holder)| Some((line.as_str(), holder.as_ref()?)))
        .collect();
    if held.is_empty() {
        return;
    }
    let sql = "INSERT INTO saldo.line_holder (line_item_id, account, order_id) \
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[]) \
         ON CONFLICT (line_item_id) DO UPDATE SET account = excluded.account, order_id = excluded.order_id \
         WHERE (line_holder.account, line_holder.order_id) <> (excluded.account, excluded.order_id)";
    let write = Write::new("holders of lines", sql)
        .column(&held, |(line, _)| line)
        .column(&held, |(_, holder)| holder.account.as_uuid())
        .column(&held, |(_, holder)| holder.order.as_str());
    writes.push(write);
}

const INSERT_OPERATIONS: &str = "INSERT INTO saldo.operation (id, status, retry_count, max_retries, \
     next_retry_at, error_message, waiting_for, updated_at, stock_applied_at, completed_at, rolled_back_by, \
     rolls_back, review, version, lines, operation_type, account, order_id, created_at) \
     SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], \
     $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::uuid[], $12::uuid[], $13::uuid[], \
     $14::bigint[], $15::text[], $16::text[], $17::uuid[], $18::text[], $19::bigint[])";

/// Type, order and time of recording never change, and what it moves seldom does. The version only grows.
macro_rules! update_operations {
    ($set_lines:literal, $lines_type:literal, $lines:literal) => {
        concat!(
            "UPDATE saldo.operation AS old SET status = new.status, retry_count = new.retry_count, \
             max_retries = new.max_retries, next_retry_at = new.next_retry_at, \
             error_message = new.error_message, waiting_for = new.waiting_for, updated_at = new.updated_at, \
             stock_applied_at = new.stock_applied_at, completed_at = new.completed_at, \
             rolled_back_by = new.rolled_back_by, rolls_back = new.rolls_back, review = new.review, \
             version = new.version",
            $set_lines,
            " FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], \
             $8::bigint[], $9::bigint[], $10::bigint[], $11::uuid[], $12::uuid[], $13::uuid[], $14::bigint[]",
            $lines_type,
            ") AS new (id, status, retry_count, max_retries, next_retry_at, error_message, waiting_for, updated_at, \
             stock_applied_at, completed_at, rolled_back_by, rolls_back, review, version",
            $lines,
            ") WHERE old.id = new.id AND old.version <= new.version"
        )
    };
}
const UPDATE_OPERATIONS: &str = update_operations!(", lines = new.lines", ", $15::text[]", ", lines");
const STEP_OPERATIONS: &str = update_operations!("", "", "");

fn write_operations<'p>(pending: &'p Pending, writes: &mut Vec<Write<'p>>) -> Result<(), Failure> {
    let Sorted { new, whole, stepped } = Sorted::of(pending.operations.values());
    if !new.is_empty() {
        let write = operation_columns(&new, INSERT_OPERATIONS)
            .try_column(&new, |row| to_json(&row.lines))?
            .column(&new, |row| row.operation_type.as_str())
            .column(&new, |row| row.order.as_ref().map(|key| key.account.as_uuid()))
            .column(&new, |row| row.order.as_ref().map(|key| key.order.as_str()))
            .column(&new, |row| stored(row.created_at));
        writes.push(write);
    }
    if !whole.is_empty() {
        let write = operation_columns(&whole, UPDATE_OPERATIONS);
        writes.push(write.try_column(&whole, |row| to_json(&row.lines))?);
    }
    if !stepped.is_empty() {
        writes.push(operation_columns(&stepped, STEP_OPERATIONS));
    }
    Ok(())
}

fn operation_columns<'p>(rows: &[&'p Operation], sql: &'static str) -> Write<'p> {
    Write::new("operations", sql)
        .all_of(rows.len())
        .column(rows, |row| row.id.as_uuid())
        .column(rows, |row| row.status.as_str())
        .column(rows, |row| i64::from(row.retry_count))
        .column(rows, |row| i64::from(row.max_retries))
        .column(rows, |row| optional_stored(row.next_retry_at))
        .column(rows, |row| row.error_message.as_deref().map(storable))
        .column(rows, |row| {
            row.waiting_for.map(|waiting_for| waiting_for.as_str())
        })
        .column(rows, |row| stored(row.updated_at))
        .column(rows, |row| optional_stored(row.stock_applied_at))
        .column(rows, |row| optional_stored(row.completed_at))
        .column(rows, |row| row.rolled_back_by.map(|id| id.as_uuid()))
        .column(rows, |row| row.rolls_back.map(|id| id.as_uuid()))
        .column(rows, |row| row.review.map(|id| id.as_uuid()))
        .column(rows, |row| i64::from(row.version))
}

/// Movements, balances and log entries. A balance only ever follows an older one.
fn write_ledger<'p>(pending: &'p Pending, writes: &mut Vec<Write<'p>>) -> Result<(), Failure> {
    let movements: Vec<_> = pending.movements.iter().collect();
    if !movements.is_empty() {
        let sql = "INSERT INTO saldo.movement (sku, warehouse, sequence, quantity, balance_after, operation, line, \
             negative_allowed, at) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], \
             $5::bigint[], $6::uuid[], $7::text[], $8::bool[], $9::bigint[])";
        let write = Write::new("movements", sql)
            .all_of(movements.len())
            .column(&movements, |row| row.key.sku.as_str())
            .column(&movements, |row| row.key.warehouse.as_str())
            .column(&movements, |row| row.sequence)
            .column(&movements, |row| row.quantity)
            .column(&movements, |row| row.balance_after)
            .column(&movements, |row| row.operation.as_uuid())
            .column(&movements, |row| row.line.as_ref().map(|line| line.as_str()))
            .column(&movements, |row| row.negative_allowed)
            .column(&movements, |row| stored(row.at));
        writes.push(write);
    }
    let balances: Vec<_> = pending.balances.values().collect();
    if !balances.is_empty() {
        let sql = "INSERT INTO saldo.balance (sku, warehouse, quantity, movements, updated_at) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) \
             ON CONFLICT (sku, warehouse) DO UPDATE SET quantity = excluded.quantity, \
             movements = excluded.movements, updated_at = excluded.updated_at \
             WHERE balance.movements < excluded.movements";
        let write = Write::new("balances", sql)
            .all_of(balances.len())
            .column(&balances, |row| row.key.sku.as_str())
            .column(&balances, |row| row.key.warehouse.as_str())
            .column(&balances, |row| row.quantity)
            .column(&balances, |row| row.movements)
            .column(&balances, |row| stored(row.updated_at));
        writes.push(write);
    }
    let log: Vec<_> = pending.log.iter().collect();
    if !log.is_empty() {
        let sql = "INSERT INTO saldo.log (operation, version, id, action, status, details, at, execution_time_ms) \
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], \
             $7::bigint[], $8::bigint[])";
        let write = Write::new("the log", sql)
            .all_of(log.len())
            .column(&log, |row| row.operation.as_uuid())
            .column(&log, |row| i64::from(row.version))
            .column(&log, |row| row.id.as_uuid())
            .column(&log, |row| row.action.as_str())
            .column(&log, |row| row.status.as_str())
            .try_column(&log, |row| to_json(&row.details))?
            .column(&log, |row| stored(row.at))
            .column(&log, |row| row.execution_time_ms.map(u64::cast_signed));
        writes.push(write);
    }
    Ok(())
}

fn token(delivery: &Delivery) -> Option<Uuid> {
    delivery.lease.as_ref().map(|lease| lease.token.as_uuid())
}

const INSERT_DELIVERIES: &str = "INSERT INTO saldo.delivery (account, order_id, due_at, owed_since, lease_token, \
     lease_until, lease_flag, sent_true_at, sent_false_at, task, failed_read_backs, lock_name, queued_at) \
     SELECT *, due_at FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::uuid[], $6::bigint[], \
     $7::bool[], $8::bigint[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[]) \
     AS new (account, order_id, due_at, owed_since, lease_token, lease_until, lease_flag, sent_true_at, \
     sent_false_at, task, failed_read_backs, lock_name)";

/// Only under the token that was loaded: whoever lost the lease changes nothing (invariant 7). What is leased keeps its
/// place in the queue, so that a claim changes nothing of which an index knows.
const UPDATE_DELIVERIES: &str = "UPDATE saldo.delivery AS old SET due_at = new.due_at, \
     queued_at = CASE WHEN new.lease_token IS NULL THEN new.due_at ELSE least(old.queued_at, new.due_at) END, \
     owed_since = new.owed_since, lease_token = new.lease_token, lease_until = new.lease_until, \
     lease_flag = new.lease_flag, sent_true_at = new.sent_true_at, sent_false_at = new.sent_false_at, \
     task = new.task, failed_read_backs = new.failed_read_backs \
     FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::uuid[], $6::bigint[], $7::bool[], \
     $8::bigint[], $9::bigint[], $10::text[], $11::bigint[], $12::uuid[]) \
     AS new (account, order_id, due_at, owed_since, lease_token, lease_until, lease_flag, sent_true_at, \
     sent_false_at, task, failed_read_backs, expected_token) \
     WHERE old.account = new.account AND old.order_id = new.order_id \
     AND old.lease_token IS NOT DISTINCT FROM new.expected_token";

const DELETE_DELIVERIES: &str = "DELETE FROM saldo.delivery AS old \
     USING unnest($1::uuid[], $2::text[], $3::uuid[]) AS gone (account, order_id, expected_token) \
     WHERE old.account = gone.account AND old.order_id = gone.order_id \
     AND old.lease_token IS NOT DISTINCT FROM gone.expected_token";

fn write_deliveries<'p>(
    pending: &'p Pending,
    tokens: &HashMap<OrderKey, Option<Uuid>>,
    writes: &mut Vec<Write<'p>>,
) {
    let mut new: Vec<&Delivery> = Vec::new();
    let mut changed: Vec<(&Delivery, Option<Uuid>)> = Vec::new();
    let mut gone: Vec<(&OrderKey, Option<Uuid>)> = Vec::new();
    for (key, delivery) in &pending.deliveries {
        match (delivery, tokens.get(key)) {
            (Some(delivery), None) => new.push(delivery),
            (Some(delivery), Some(expected)) => changed.push((delivery, *expected)),
            (None, Some(expected)) => gone.push((key, *expected)),
            (None, None) => {}
        }
    }
    if !new.is_empty() {
        let write = delivery_columns(&new, INSERT_DELIVERIES).column(&new, |row| order_name(&row.key));
        writes.push(write);
    }
    if !changed.is_empty() {
        let rows: Vec<&Delivery> = changed.iter().map(|(delivery, _)| *delivery).collect();
        let write = delivery_columns(&rows, UPDATE_DELIVERIES).column(&changed, |(_, expected)| expected);
        writes.push(write);
    }
    if !gone.is_empty() {
        let keys: Vec<&OrderKey> = gone.iter().map(|(key, _)| *key).collect();
        let write = Write::new("deliveries", DELETE_DELIVERIES)
            .all_of(gone.len())
            .keys(&keys)
            .column(&gone, |(_, expected)| expected);
        writes.push(write);
    }
}

fn delivery_columns<'p>(rows: &[&'p Delivery], sql: &'static str) -> Write<'p> {
    let keys: Vec<&OrderKey> = rows.iter().map(|row| &row.key).collect();
    Write::new("deliveries", sql)
        .all_of(rows.len())
        .keys(&keys)
        .column(rows, |row| stored(row.due_at))
        .column(rows, |row| stored(row.owed_since))
        .column(rows, token)
        .column(rows, |row| row.lease.as_ref().map(|lease| stored(lease.until)))
        .column(rows, |row| row.lease.as_ref().map(|lease| lease.flag))
        .column(rows, |row| optional_stored(row.doubts.sent_true_at))
        .column(rows, |row| optional_stored(row.doubts.sent_false_at))
        .column(rows, |row| task_word(row.task))
        .column(rows, |row| i64::from(row.failed_read_backs))
}

/// The older ones first: one that was closed makes room for a new one of the same reason and subject.
fn write_reviews<'p>(pending: &'p Pending, writes: &mut Vec<Write<'p>>) -> Result<(), Failure> {
    let rows: Vec<_> = pending.reviews.values().collect();
    if rows.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO saldo.review (id, reason, account, order_id, operation, details, opened_at, \
         answered_at, answered_by, resolution, note) \
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::bigint[], \
         $8::bigint[], $9::text[], $10::text[], $11::text[]) \
         ON CONFLICT (id) DO UPDATE SET operation = excluded.operation, details = excluded.details, \
         answered_at = excluded.answered_at, answered_by = excluded.answered_by, \
         resolution = excluded.resolution, note = excluded.note";
    let write = Write::new("reviews", sql)
        .all_of(rows.len())
        .column(&rows, |row| row.id.as_uuid())
        .column(&rows, |row| row.reason.as_str())
        .column(&rows, |row| {
            row.subject.account().map(|account| account.as_uuid())
        })
        .column(&rows, |row| row.subject.order().map(|order| order.as_str()))
        .column(&rows, |row| row.operation.map(|id| id.as_uuid()))
        .try_column(&rows, |row| to_json(&row.details))?
        .column(&rows, |row| stored(row.opened_at))
        .column(&rows, |row| row.answer.as_ref().map(|answer| stored(answer.at)))
        .column(&rows, |row| {
            row.answer.as_ref().map(|answer| storable(&answer.by))
        })
        .column(&rows, |row| {
            let resolution = row.answer.as_ref().and_then(|answer| answer.resolution);
            resolution.map(|resolution| resolution.as_str())
        })
        .column(&rows, |row| {
            let note = row.answer.as_ref().and_then(|answer| answer.note.as_deref());
            note.map(storable)
        });
    writes.push(write);
    Ok(())
}

/// Mappings and recorded answers. An answer is recorded once: the request that did was the first under its key.
fn write_plain<'p>(pending: &'p Pending, writes: &mut Vec<Write<'p>>) -> Result<(), Failure> {
    let mappings: Vec<_> = pending.mappings.values().collect();
    if !mappings.is_empty() {
        let sql = "INSERT INTO saldo.mapping (account, offer, components, updated_at) \
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) \
             ON CONFLICT (account, offer) DO UPDATE SET components = excluded.components, \
             updated_at = excluded.updated_at";
        let write = Write::new("mappings", sql)
            .all_of(mappings.len())
            .column(&mappings, |row| row.key.account.as_uuid())
            .column(&mappings, |row| row.key.offer.as_str())
            .try_column(&mappings, |row| to_json(&row.components))?
            .column(&mappings, |row| stored(row.updated_at));
        writes.push(write);
    }
    let answers: Vec<_> = pending.answers.iter().collect();
    if !answers.is_empty() {
        let sql = "INSERT INTO saldo.answer (key, fingerprint, outcome, at) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])";
        let write = Write::new("answers", sql)
            .all_of(answers.len())
            .column(&answers, |row| row.key.as_str())
            .column(&answers, |row| row.fingerprint.as_str())
            .try_column(&answers, |row| to_json(&row.outcome))?
            .column(&answers, |row| stored(row.at));
        writes.push(write);
    }
    Ok(())
}

/// The mode, when stock was counted, and orders in shadow: one that is there keeps when it was first seen, and what a
/// comparison said of it unless something else would be done now.
fn write_rollout<'p>(pending: &'p Pending, writes: &mut Vec<Write<'p>>) -> Result<(), Failure> {
    let rollouts: Vec<_> = pending.rollouts.iter().collect();
    if !rollouts.is_empty() {
        let sql = "INSERT INTO saldo.rollout (number, mode, accounts, percent, start_from, changed_at, changed_by) \
             SELECT place + (SELECT coalesce(max(number), 0) FROM saldo.rollout), \
             mode, accounts, percent, start_from, changed_at, changed_by \
             FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[]) \
             WITH ORDINALITY AS new (mode, accounts, percent, start_from, changed_at, changed_by, place)";
        let write = Write::new("the mode", sql)
            .all_of(rollouts.len())
            .column(&rollouts, |row| row.mode.as_str())
            .try_column(&rollouts, |row| to_json(&row.accounts))?
            .column(&rollouts, |row| i64::from(row.percent))
            .column(&rollouts, |row| optional_stored(row.start_from))
            .column(&rollouts, |row| stored(row.changed_at))
            .column(&rollouts, |row| storable(&row.changed_by));
        writes.push(write);
    }
    if let Some(counted_at) = pending.stock_counted {
        let sql = "INSERT INTO saldo.stock_count (number, at) SELECT 1, * FROM unnest($1::bigint[]) \
             ON CONFLICT (number) DO UPDATE SET at = excluded.at";
        writes.push(
            Write::new("the moment of the last count", sql)
                .all_of(1)
                .column(&[counted_at], stored),
        );
    }
    let shadows: Vec<_> = pending.shadows.values().collect();
    if !shadows.is_empty() {
        let sql = "INSERT INTO saldo.shadow_order AS old (account, order_id, seen_at, would, details, remote_flag, \
             compared_at, verdict) SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], \
             $5::text[], $6::bool[], $7::bigint[], $8::text[]) \
             ON CONFLICT (account, order_id) DO UPDATE SET \
             remote_flag = CASE WHEN old.would = excluded.would THEN old.remote_flag END, \
             compared_at = CASE WHEN old.would = excluded.would THEN old.compared_at END, \
             verdict = CASE WHEN old.would = excluded.would THEN old.verdict ELSE 'undecided' END, \
             would = excluded.would, details = excluded.details";
        let keys: Vec<&OrderKey> = shadows.iter().map(|row| &row.key).collect();
        let write = Write::new("orders in shadow", sql)
            .all_of(shadows.len())
            .keys(&keys)
            .column(&shadows, |row| stored(row.seen_at))
            .column(&shadows, |row| row.would.as_str())
            .try_column(&shadows, |row| to_json(&row.details))?
            .column(&shadows, |row| row.remote_flag)
            .column(&shadows, |row| optional_stored(row.compared_at))
            .column(&shadows, |row| row.verdict.as_str());
        writes.push(write);
    }
    Ok(())
}
