//! From rows to the types of the domain. Each column list stands beside the function that reads it.

use rusqlite::Row;
use saldo_domain::delivery::{Delivery, Doubts, Lease, Task};
use saldo_domain::ids::{
    AccountId, LeaseToken, LineItemId, LogEntryId, OperationId, OrderId, OrderKey, ReviewId,
};
use saldo_domain::operation::{LogEntry, Operation};
use saldo_domain::order::{Order, SkipReason, Standing};
use saldo_domain::review::{Answer, Review, Subject};
use saldo_domain::stock::{Balance, Mapping, Movement, OfferKey, StockKey};
use saldo_domain::text::{Sku, Warehouse};
use saldo_domain::view::RecordedAnswer;
use saldo_store::query::{Account, ApiKey, Role};

use crate::failure::Failure;
use crate::sql::{
    id, json, moment, number, optional_id, optional_moment, optional_string, optional_text, string, text,
};

macro_rules! order_columns {
    () => {
        "warehouse, standing, standing_detail, form_seen, shipped, touched, \
    flag_confirmed, flag_confirmed_at, first_operation, revisions, copy_updated_at, bought_at, awaited, answered, \
    created_at, updated_at, due_at, owed_since, task, failed_read_backs, lease_token, lease_until, lease_flag, \
    sent_true_at, sent_false_at"
    };
}
pub(crate) use order_columns;

/// An order from its columns, followed by its lines.
pub(crate) fn order(key: &OrderKey, row: &Row<'_>) -> Result<Order, Failure> {
    Ok(Order {
        key: key.clone(),
        warehouse: text(row, 0, Warehouse::parse)?,
        standing: standing(row)?,
        lines: json(row, 25)?,
        form_seen: row.get(3)?,
        shipped: row.get(4)?,
        touched: row.get(5)?,
        flag_confirmed: row.get(6)?,
        flag_confirmed_at: optional_moment(row, 7)?,
        first_operation: optional_id(row, 8, OperationId::new)?,
        revisions: json(row, 9)?,
        copy_updated_at: optional_moment(row, 10)?,
        bought_at: optional_moment(row, 11)?,
        awaited: json(row, 12)?,
        answered: json(row, 13)?,
        created_at: moment(row, 14)?,
        updated_at: moment(row, 15)?,
    })
}

/// The ids of an order's operations, in the order of recording.
pub(crate) fn operation_ids(row: &Row<'_>, column: usize) -> Result<Vec<OperationId>, Failure> {
    let bytes = row
        .get_ref(column)?
        .as_blob()
        .map_err(|error| Failure::Corrupt(error.to_string()))?;
    let ids = bytes.chunks(16).map(uuid::Uuid::from_slice);
    ids.map(|id| {
        id.map(OperationId::new)
            .map_err(|error| Failure::Corrupt(error.to_string()))
    })
    .collect()
}

fn standing(row: &Row<'_>) -> Result<Standing, Failure> {
    let word = string(row, 1)?;
    Ok(match word.as_str() {
        "awaits_payment" => Standing::AwaitsPayment,
        "awaits_stock" => Standing::AwaitsStock,
        "awaits_review" => Standing::AwaitsReview,
        "applied" => Standing::Applied,
        "given_back" => Standing::GivenBack,
        "cancelled" => Standing::Cancelled {
            is_final: string(row, 2)? == "final",
        },
        "skipped" => Standing::Skipped {
            reason: text(row, 2, skip_reason)?,
        },
        "merged" => Standing::Merged {
            into: text(row, 2, OrderId::parse)?,
        },
        "settled" => Standing::Settled,
        other => return Err(Failure::Corrupt(format!("unknown standing {other:?}"))),
    })
}

fn skip_reason(word: &str) -> Result<SkipReason, String> {
    let known = SkipReason::ALL;
    known
        .into_iter()
        .find(|reason| reason.as_str() == word)
        .ok_or_else(|| format!("unknown reason {word:?}"))
}

/// The word and the detail of a standing.
pub(crate) fn standing_words(standing: &Standing) -> (&'static str, Option<&str>) {
    match standing {
        Standing::AwaitsPayment => ("awaits_payment", None),
        Standing::AwaitsStock => ("awaits_stock", None),
        Standing::AwaitsReview => ("awaits_review", None),
        Standing::Applied => ("applied", None),
        Standing::GivenBack => ("given_back", None),
        Standing::Cancelled { is_final: true } => ("cancelled", Some("final")),
        Standing::Cancelled { is_final: false } => ("cancelled", Some("reopenable")),
        Standing::Skipped { reason } => ("skipped", Some(reason.as_str())),
        Standing::Merged { into } => ("merged", Some(into.as_str())),
        Standing::Settled => ("settled", None),
    }
}

/// An order's key in two columns, where there is one.
pub(crate) fn optional_order_key(row: &Row<'_>, column: usize) -> Result<Option<OrderKey>, Failure> {
    match optional_id(row, column, AccountId::new)? {
        Some(account) => Ok(Some(OrderKey {
            account,
            order: text(row, column + 1, OrderId::parse)?,
        })),
        None => Ok(None),
    }
}

pub(crate) fn order_key(row: &Row<'_>) -> Result<OrderKey, Failure> {
    Ok(OrderKey {
        account: id(row, 0, AccountId::new)?,
        order: text(row, 1, OrderId::parse)?,
    })
}

macro_rules! operation_columns {
    () => {
        "id, operation_type, status, account, order_id, lines, retry_count, \
    max_retries, next_retry_at, error_message, waiting_for, created_at, updated_at, stock_applied_at, completed_at, \
    rolled_back_by, rolls_back, review, version"
    };
}
pub(crate) use operation_columns;

pub(crate) fn operation(row: &Row<'_>) -> Result<Operation, Failure> {
    Ok(Operation {
        id: id(row, 0, OperationId::new)?,
        operation_type: text(row, 1, str::parse)?,
        status: text(row, 2, str::parse)?,
        order: optional_order_key(row, 3)?,
        lines: json(row, 5)?,
        retry_count: number(row, 6)?,
        max_retries: number(row, 7)?,
        next_retry_at: optional_moment(row, 8)?,
        error_message: optional_string(row, 9)?,
        waiting_for: optional_text(row, 10, str::parse)?,
        created_at: moment(row, 11)?,
        updated_at: moment(row, 12)?,
        stock_applied_at: optional_moment(row, 13)?,
        completed_at: optional_moment(row, 14)?,
        rolled_back_by: optional_id(row, 15, OperationId::new)?,
        rolls_back: optional_id(row, 16, OperationId::new)?,
        review: optional_id(row, 17, ReviewId::new)?,
        version: number(row, 18)?,
    })
}

macro_rules! log_columns {
    () => {
        "id, operation, version, action, status, details, at, execution_time_ms"
    };
}
pub(crate) use log_columns;

pub(crate) fn log_entry(row: &Row<'_>) -> Result<LogEntry, Failure> {
    let execution_time_ms: Option<i64> = row.get(7)?;
    Ok(LogEntry {
        id: id(row, 0, LogEntryId::new)?,
        operation: id(row, 1, OperationId::new)?,
        version: number(row, 2)?,
        action: text(row, 3, str::parse)?,
        status: text(row, 4, str::parse)?,
        details: json(row, 5)?,
        at: moment(row, 6)?,
        execution_time_ms: execution_time_ms.map(i64::cast_unsigned),
    })
}

/// What an order owes, from the same columns; none when it owes nothing.
pub(crate) fn delivery(key: &OrderKey, row: &Row<'_>) -> Result<Option<Delivery>, Failure> {
    let Some(due_at) = optional_moment(row, 16)? else {
        return Ok(None);
    };
    let lease = match optional_id(row, 20, LeaseToken::new)? {
        Some(token) => Some(Lease {
            token,
            until: moment(row, 21)?,
            flag: row.get(22)?,
        }),
        None => None,
    };
    Ok(Some(Delivery {
        key: key.clone(),
        due_at,
        owed_since: moment(row, 17)?,
        lease,
        doubts: Doubts {
            sent_true_at: optional_moment(row, 23)?,
            sent_false_at: optional_moment(row, 24)?,
        },
        task: text(row, 18, task)?,
        failed_read_backs: number(row, 19)?,
    }))
}

fn task(word: &str) -> Result<Task, String> {
    [Task::Send, Task::Verify]
        .into_iter()
        .find(|task| task_word(*task) == word)
        .ok_or_else(|| format!("unknown task {word:?}"))
}

pub(crate) const fn task_word(task: Task) -> &'static str {
    match task {
        Task::Send => "send",
        Task::Verify => "verify",
    }
}

macro_rules! review_columns {
    () => {
        "id, reason, account, order_id, operation, details, opened_at, answered_at, \
    answered_by, resolution, note"
    };
}
pub(crate) use review_columns;

pub(crate) fn review(row: &Row<'_>) -> Result<Review, Failure> {
    let account = optional_id(row, 2, AccountId::new)?;
    let order = optional_text(row, 3, OrderId::parse)?;
    let subject = match (account, order) {
        (Some(account), Some(order)) => Subject::Order(OrderKey { account, order }),
        (Some(account), None) => Subject::Account(account),
        (None, _) => Subject::Service,
    };
    let answer = match optional_moment(row, 7)? {
        Some(at) => Some(Answer {
            by: string(row, 8)?,
            resolution: optional_text(row, 9, str::parse)?,
            note: optional_string(row, 10)?,
            at,
        }),
        None => None,
    };
    Ok(Review {
        id: id(row, 0, ReviewId::new)?,
        reason: text(row, 1, str::parse)?,
        subject,
        operation: optional_id(row, 4, OperationId::new)?,
        details: json(row, 5)?,
        opened_at: moment(row, 6)?,
        answer,
    })
}

/// A SKU and a warehouse in the first two columns.
pub(crate) fn stock_key(row: &Row<'_>) -> Result<StockKey, Failure> {
    Ok(StockKey {
        sku: text(row, 0, Sku::parse)?,
        warehouse: text(row, 1, Warehouse::parse)?,
    })
}

macro_rules! balance_columns {
    () => {
        "sku, warehouse, quantity, movements, updated_at"
    };
}
pub(crate) use balance_columns;

pub(crate) fn balance(row: &Row<'_>) -> Result<Balance, Failure> {
    Ok(Balance {
        key: stock_key(row)?,
        quantity: row.get(2)?,
        movements: row.get(3)?,
        updated_at: moment(row, 4)?,
    })
}

macro_rules! movement_columns {
    () => {
        "movement.sku, movement.warehouse, movement.sequence, movement.quantity, \
    movement.balance_after, movement.operation, movement.line, movement.negative_allowed, movement.at"
    };
}
pub(crate) use movement_columns;

pub(crate) fn movement(row: &Row<'_>) -> Result<Movement, Failure> {
    Ok(Movement {
        key: stock_key(row)?,
        sequence: row.get(2)?,
        quantity: row.get(3)?,
        balance_after: row.get(4)?,
        operation: id(row, 5, OperationId::new)?,
        line: optional_text(row, 6, LineItemId::parse)?,
        negative_allowed: row.get(7)?,
        at: moment(row, 8)?,
    })
}

pub(crate) fn mapping(key: &OfferKey, row: &Row<'_>) -> Result<Mapping, Failure> {
    Ok(Mapping {
        key: key.clone(),
        components: json(row, 0)?,
        updated_at: moment(row, 1)?,
    })
}

pub(crate) fn recorded_answer(row: &Row<'_>) -> Result<RecordedAnswer, Failure> {
    Ok(RecordedAnswer {
        key: string(row, 0)?,
        fingerprint: string(row, 1)?,
        outcome: json(row, 2)?,
        at: moment(row, 3)?,
    })
}

pub(crate) fn account(row: &Row<'_>) -> Result<Account, Failure> {
    Ok(Account {
        id: id(row, 0, AccountId::new)?,
        name: optional_string(row, 1)?,
        by_hand: row.get(2)?,
        created_at: moment(row, 3)?,
    })
}

pub(crate) fn api_key(row: &Row<'_>) -> Result<ApiKey, Failure> {
    Ok(ApiKey {
        name: string(row, 0)?,
        role: text(row, 1, role)?,
        hash: string(row, 2)?,
        created_at: moment(row, 3)?,
    })
}

fn role(word: &str) -> Result<Role, String> {
    [Role::Viewer, Role::Operator, Role::Admin]
        .into_iter()
        .find(|role| role_word(*role) == word)
        .ok_or_else(|| format!("unknown role {word:?}"))
}

pub(crate) const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}
