//! Storing what decisions changed.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use saldo_domain::changes::{Changes, DeliveryChange, FileChange, RowChange};
use saldo_domain::ids::{LineItemId, OrderKey};
use saldo_domain::operation::{LogEntry, Operation};
use saldo_domain::order::Order;
use saldo_domain::review::Review;
use saldo_domain::stock::{Balance, Mapping, Movement, StockKey};
use saldo_domain::view::RecordedAnswer;
use saldo_store::rows::{delivery_columns, order_columns, standing_words, task_word};

use crate::failure::Failure;
use crate::rollouts;
use crate::sql::{list_json, one, optional_stored, run, run_on_one, stored, to_json};

/// Balances that changed in this transaction and are written once, before it is committed. Nothing reads a
/// balance from the database meanwhile: the view has every balance that changed.
pub(crate) type DirtyBalances = BTreeMap<StockKey, Balance>;

/// Stores the changes of one decision.
pub(crate) fn write(
    connection: &Connection,
    changes: &Changes,
    dirty: &mut DirtyBalances,
) -> Result<(), Failure> {
    for line in changes.files.iter().flat_map(|change| &change.removed_lines) {
        run(
            connection,
            "DELETE FROM line_holder WHERE line_item_id = ?1",
            [line.as_str()],
        )?;
    }
    // The numbers of new orders, for their lines.
    let mut new_orders = Vec::new();
    for change in &changes.files {
        write_file(connection, change, &changes.log)?;
        if change.order == RowChange::New {
            new_orders.push((&change.after.order.key, connection.last_insert_rowid()));
        }
    }
    for (line, holder) in &changes.line_holders {
        let new = new_orders.iter().find(|(key, _)| *key == holder);
        let number = match new {
            Some((_, number)) => *number,
            None => number_of(connection, holder)?,
        };
        write_holder(connection, line, number)?;
    }
    for change in &changes.adjustments {
        write_operation(connection, &change.operation, change.is_new, true)?;
    }
    for movement in &changes.movements {
        write_movement(connection, movement)?;
    }
    for balance in &changes.balances {
        dirty.insert(balance.key.clone(), balance.clone());
    }
    for entry in &changes.log {
        write_log_entry(connection, entry)?;
    }
    for review in &changes.reviews {
        write_review(connection, review)?;
    }
    for mapping in &changes.mappings {
        write_mapping(connection, mapping)?;
    }
    for answer in &changes.answers {
        write_answer(connection, answer)?;
    }
    if let Some(rollout) = &changes.rollout {
        rollouts::write_rollout(connection, rollout)?;
    }
    if let Some(counted_at) = changes.stock_counted {
        rollouts::write_stock_counted(connection, counted_at)?;
    }
    for shadow in &changes.shadows {
        rollouts::write_shadow_order(connection, shadow)?;
    }
    Ok(())
}

/// Stores what changed of one order. Its own row comes last: its number is asked for next.
fn write_file(connection: &Connection, change: &FileChange, log: &[LogEntry]) -> Result<(), Failure> {
    let order = &change.after.order;
    let is_new = |operation: &Operation| {
        log.iter()
            .any(|entry| entry.operation == operation.id && entry.version == 1)
    };
    let mut new_operations = Vec::new();
    for changed in &change.changed_operations {
        let operation = &change.after.operations[changed.position];
        // A finished operation that a decision brought back into the file looks new to the file, but is stored.
        let is_new = changed.is_new && is_new(operation);
        write_operation(connection, operation, is_new, changed.lines_changed)?;
        if is_new {
            new_operations.extend(operation.id.as_uuid().as_bytes());
        }
    }
    for &position in &change.changed_reviews {
        write_review(connection, &change.after.reviews[position])?;
    }
    if change.awaited_changed {
        write_awaited(connection, order, change.order)?;
    }
    let is_same = change.order == RowChange::Same
        && change.delivery == DeliveryChange::Same
        && new_operations.is_empty();
    if is_same {
        return Ok(());
    }
    write_order(connection, change, &new_operations)
}

/// Stores an order in its row. What is not named is not touched, nor are the indexes over it: with a delivery little
/// of its order changes.
fn write_order(connection: &Connection, change: &FileChange, new_operations: &[u8]) -> Result<(), Failure> {
    const INSERT: &str = concat!(
        "INSERT INTO orders (",
        order_columns!(),
        ", ",
        delivery_columns!(),
        ", operations, account, order_id) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
         ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29)"
    );
    const UPDATE: &str = concat!(
        "UPDATE orders SET (",
        order_columns!(),
        ", ",
        delivery_columns!(),
        ", operations) = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
         ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, CAST(operations || ?27 AS BLOB)) \
         WHERE account = ?28 AND order_id = ?29"
    );
    match change.order {
        RowChange::New => write_whole_order(connection, INSERT, change, new_operations),
        _ if change.only_confirmed && change.owed_as_before && new_operations.is_empty() => {
            write_step(connection, change)
        }
        _ if change.only_confirmed && change.after.delivery.is_none() && new_operations.is_empty() => {
            write_end(connection, &change.after.order)
        }
        _ => write_whole_order(connection, UPDATE, change, new_operations),
    }
}

/// A step of an order's delivery: a claim, or an attempt after which it is still owed.
fn write_step(connection: &Connection, change: &FileChange) -> Result<(), Failure> {
    let order = &change.after.order;
    let Some(delivery) = &change.after.delivery else {
        return Err(Failure::Defect(format!(
            "a delivery of order {} is not there",
            order.key
        )));
    };
    let lease = delivery.lease.as_ref();
    run_on_one(
        connection,
        "UPDATE orders SET flag_confirmed = ?3, flag_confirmed_at = ?4, updated_at = ?5, due_at = ?6, task = ?7, \
         failed_read_backs = ?8, lease_token = ?9, lease_until = ?10, lease_flag = ?11, sent_true_at = ?12, \
         sent_false_at = ?13 WHERE account = ?1 AND order_id = ?2",
        params![
            order.key.account.as_uuid().as_bytes(),
            order.key.order.as_str(),
            order.flag_confirmed,
            optional_stored(order.flag_confirmed_at),
            stored(order.updated_at),
            stored(delivery.due_at),
            task_word(delivery.task),
            delivery.failed_read_backs,
            lease.map(|lease| lease.token.as_uuid().into_bytes()),
            lease.map(|lease| stored(lease.until)),
            lease.map(|lease| lease.flag),
            optional_stored(delivery.doubts.sent_true_at),
            optional_stored(delivery.doubts.sent_false_at),
        ],
        || format!("order {}", order.key),
    )
}

/// The end of an order's delivery: nothing is owed any more.
fn write_end(connection: &Connection, order: &Order) -> Result<(), Failure> {
    run_on_one(
        connection,
        "UPDATE orders SET flag_confirmed = ?3, flag_confirmed_at = ?4, updated_at = ?5, due_at = NULL, \
         owed_since = NULL, task = NULL, failed_read_backs = NULL, lease_token = NULL, lease_until = NULL, \
         lease_flag = NULL, sent_true_at = NULL, sent_false_at = NULL WHERE account = ?1 AND order_id = ?2",
        params![
            order.key.account.as_uuid().as_bytes(),
            order.key.order.as_str(),
            order.flag_confirmed,
            optional_stored(order.flag_confirmed_at),
            stored(order.updated_at),
        ],
        || format!("order {}", order.key),
    )
}

/// The ids of its operations are only added to.
fn write_whole_order(
    connection: &Connection,
    sql: &str,
    change: &FileChange,
    new_operations: &[u8],
) -> Result<(), Failure> {
    let order = &change.after.order;
    let (standing, detail) = standing_words(&order.standing);
    let delivery = change.after.delivery.as_ref();
    let lease = delivery.and_then(|delivery| delivery.lease.as_ref());
    run_on_one(
        connection,
        sql,
        params![
            order.warehouse.as_str(),
            standing,
            detail,
            order.form_seen,
            order.shipped,
            order.touched,
            order.flag_confirmed,
            optional_stored(order.flag_confirmed_at),
            order.first_operation.map(|id| id.as_uuid().into_bytes()),
            list_json(&order.revisions)?,
            optional_stored(order.copy_updated_at),
            optional_stored(order.bought_at),
            list_json(&order.awaited)?,
            list_json(&order.answered)?,
            stored(order.created_at),
            stored(order.updated_at),
            to_json(&order.lines)?,
            delivery.map(|delivery| stored(delivery.due_at)),
            delivery.map(|delivery| stored(delivery.owed_since)),
            delivery.map(|delivery| task_word(delivery.task)),
            delivery.map(|delivery| delivery.failed_read_backs),
            lease.map(|lease| lease.token.as_uuid().into_bytes()),
            lease.map(|lease| stored(lease.until)),
            lease.map(|lease| lease.flag),
            delivery.and_then(|delivery| optional_stored(delivery.doubts.sent_true_at)),
            delivery.and_then(|delivery| optional_stored(delivery.doubts.sent_false_at)),
            new_operations,
            order.key.account.as_uuid().as_bytes(),
            order.key.order.as_str(),
        ],
        || format!("order {}", order.key),
    )
}

/// The number of an order that is stored.
fn number_of(connection: &Connection, key: &OrderKey) -> Result<i64, Failure> {
    let number = one(
        connection,
        "SELECT number FROM orders WHERE account = ?1 AND order_id = ?2",
        params![key.account.as_uuid().as_bytes(), key.order.as_str()],
        |row| Ok(row.get(0)?),
    )?;
    number.ok_or_else(|| Failure::Defect(format!("a line is held by order {key}, which is not stored")))
}

fn write_holder(connection: &Connection, line: &LineItemId, holder: i64) -> Result<(), Failure> {
    run(
        connection,
        "INSERT INTO line_holder (line_item_id, holder) VALUES (?1, ?2) \
         ON CONFLICT DO UPDATE SET holder = excluded.holder WHERE holder <> excluded.holder",
        params![line.as_str(), holder],
    )?;
    Ok(())
}

fn write_awaited(connection: &Connection, order: &Order, change: RowChange) -> Result<(), Failure> {
    let account = order.key.account.as_uuid();
    if change != RowChange::New {
        let sql = "DELETE FROM stock_wait WHERE account = ?1 AND order_id = ?2";
        run(
            connection,
            sql,
            params![account.as_bytes(), order.key.order.as_str()],
        )?;
    }
    for key in &order.awaited {
        run(
            connection,
            "INSERT INTO stock_wait (sku, warehouse, order_created_at, account, order_id) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            params![
                key.sku.as_str(),
                key.warehouse.as_str(),
                stored(order.created_at),
                account.as_bytes(),
                order.key.order.as_str(),
            ],
        )?;
    }
    Ok(())
}

fn write_operation(
    connection: &Connection,
    operation: &Operation,
    is_new: bool,
    lines_changed: bool,
) -> Result<(), Failure> {
    if is_new {
        insert_operation(connection, operation)
    } else {
        update_operation(connection, operation, lines_changed)
    }
}

fn insert_operation(connection: &Connection, operation: &Operation) -> Result<(), Failure> {
    let order = operation.order.as_ref();
    run_on_one(
        connection,
        "INSERT INTO operation (id, status, lines, retry_count, max_retries, next_retry_at, error_message, \
         waiting_for, updated_at, stock_applied_at, completed_at, rolled_back_by, rolls_back, review, version, \
         operation_type, account, order_id, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        params![
            operation.id.as_uuid().as_bytes(),
            operation.status.as_str(),
            to_json(&operation.lines)?,
            operation.retry_count,
            operation.max_retries,
            optional_stored(operation.next_retry_at),
            operation.error_message,
            operation.waiting_for.map(|waiting_for| waiting_for.as_str()),
            stored(operation.updated_at),
            optional_stored(operation.stock_applied_at),
            optional_stored(operation.completed_at),
            operation.rolled_back_by.map(|id| id.as_uuid().into_bytes()),
            operation.rolls_back.map(|id| id.as_uuid().into_bytes()),
            operation.review.map(|id| id.as_uuid().into_bytes()),
            operation.version,
            operation.operation_type.as_str(),
            order.map(|key| key.account.as_uuid().into_bytes()),
            order.map(|key| key.order.as_str()),
            stored(operation.created_at),
        ],
        || format!("operation {}", operation.id),
    )
}

macro_rules! update_operation {
    ($columns:literal) => {
        concat!(
            "UPDATE operation SET status = ?2, retry_count = ?4, max_retries = ?5, next_retry_at = ?6, \
             error_message = ?7, waiting_for = ?8, updated_at = ?9, stock_applied_at = ?10, completed_at = ?11, \
             rolled_back_by = ?12, rolls_back = ?13, review = ?14, version = ?15",
            $columns,
            " WHERE id = ?1 AND version <= ?15"
        )
    };
}

/// Type, order and time of recording never change. The version only grows: a row that is as new as this one
/// already is a mistake of ours.
fn update_operation(
    connection: &Connection,
    operation: &Operation,
    lines_changed: bool,
) -> Result<(), Failure> {
    let (sql, lines) = if lines_changed {
        (
            update_operation!(", lines = ?3"),
            Some(to_json(&operation.lines)?),
        )
    } else {
        (update_operation!(""), None)
    };
    run_on_one(
        connection,
        sql,
        params![
            operation.id.as_uuid().as_bytes(),
            operation.status.as_str(),
            lines,
            operation.retry_count,
            operation.max_retries,
            optional_stored(operation.next_retry_at),
            operation.error_message,
            operation.waiting_for.map(|waiting_for| waiting_for.as_str()),
            stored(operation.updated_at),
            optional_stored(operation.stock_applied_at),
            optional_stored(operation.completed_at),
            operation.rolled_back_by.map(|id| id.as_uuid().into_bytes()),
            operation.rolls_back.map(|id| id.as_uuid().into_bytes()),
            operation.review.map(|id| id.as_uuid().into_bytes()),
            operation.version,
        ],
        || format!("operation {}", operation.id),
    )
}

fn write_movement(connection: &Connection, movement: &Movement) -> Result<(), Failure> {
    run_on_one(
        connection,
        "INSERT INTO movement (sku, warehouse, sequence, quantity, balance_after, operation, line, \
         negative_allowed, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            movement.key.sku.as_str(),
            movement.key.warehouse.as_str(),
            movement.sequence,
            movement.quantity,
            movement.balance_after,
            movement.operation.as_uuid().as_bytes(),
            movement.line.as_ref().map(|line| line.as_str()),
            movement.negative_allowed,
            stored(movement.at),
        ],
        || format!("a movement of {:?}", movement.key),
    )
}

/// Writes the balances of a transaction. A balance only ever follows an older one.
pub(crate) fn write_balances(connection: &Connection, dirty: &mut DirtyBalances) -> Result<(), Failure> {
    for balance in dirty.values() {
        run_on_one(
            connection,
            "INSERT INTO balance (sku, warehouse, quantity, movements, updated_at) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT DO UPDATE SET quantity = excluded.quantity, movements = excluded.movements, \
             updated_at = excluded.updated_at WHERE movements < excluded.movements",
            params![
                balance.key.sku.as_str(),
                balance.key.warehouse.as_str(),
                balance.quantity,
                balance.movements,
                stored(balance.updated_at),
            ],
            || format!("the balance of {:?}", balance.key),
        )?;
    }
    dirty.clear();
    Ok(())
}

fn write_log_entry(connection: &Connection, entry: &LogEntry) -> Result<(), Failure> {
    run_on_one(
        connection,
        "INSERT INTO log (operation, version, id, action, status, details, at, execution_time_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            entry.operation.as_uuid().as_bytes(),
            entry.version,
            entry.id.as_uuid().as_bytes(),
            entry.action.as_str(),
            entry.status.as_str(),
            to_json(&entry.details)?,
            stored(entry.at),
            entry.execution_time_ms.map(u64::cast_signed),
        ],
        || format!("entry {} of operation {}", entry.version, entry.operation),
    )
}

fn write_review(connection: &Connection, review: &Review) -> Result<(), Failure> {
    let answer = review.answer.as_ref();
    run_on_one(
        connection,
        "INSERT INTO review (id, reason, account, order_id, operation, details, opened_at, answered_at, \
         answered_by, resolution, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
         ON CONFLICT (id) DO UPDATE SET operation = excluded.operation, details = excluded.details, \
         answered_at = excluded.answered_at, answered_by = excluded.answered_by, \
         resolution = excluded.resolution, note = excluded.note",
        params![
            review.id.as_uuid().as_bytes(),
            review.reason.as_str(),
            review
                .subject
                .account()
                .map(|account| account.as_uuid().into_bytes()),
            review.subject.order().map(|order| order.as_str()),
            review.operation.map(|id| id.as_uuid().into_bytes()),
            to_json(&review.details)?,
            stored(review.opened_at),
            answer.map(|answer| stored(answer.at)),
            answer.map(|answer| answer.by.as_str()),
            answer
                .and_then(|answer| answer.resolution)
                .map(|resolution| resolution.as_str()),
            answer.and_then(|answer| answer.note.as_deref()),
        ],
        || format!("review {}", review.id),
    )
}

fn write_mapping(connection: &Connection, mapping: &Mapping) -> Result<(), Failure> {
    run_on_one(
        connection,
        "INSERT INTO mapping (account, offer, components, updated_at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT DO UPDATE SET components = excluded.components, updated_at = excluded.updated_at",
        params![
            mapping.key.account.as_uuid().as_bytes(),
            mapping.key.offer.as_str(),
            to_json(&mapping.components)?,
            stored(mapping.updated_at),
        ],
        || format!("the mapping of offer {}", mapping.key.offer),
    )
}

/// An answer is recorded once. The request that recorded it was the first under its key.
fn write_answer(connection: &Connection, answer: &RecordedAnswer) -> Result<(), Failure> {
    run_on_one(
        connection,
        "INSERT INTO answer (key, fingerprint, outcome, at) VALUES (?1, ?2, ?3, ?4)",
        params![
            answer.key,
            answer.fingerprint,
            to_json(&answer.outcome)?,
            stored(answer.at)
        ],
        || "an answer".to_owned(),
    )
}
