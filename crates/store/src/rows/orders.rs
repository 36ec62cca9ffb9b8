//! Orders, and what they owe.

use saldo_domain::delivery::{Delivery, Doubts, Lease, Task};
use saldo_domain::ids::{AccountId, LeaseToken, OperationId, OrderId, OrderKey};
use saldo_domain::order::{Order, SkipReason, Standing};
use saldo_domain::text::Warehouse;

use crate::cells::{Cells, flag, id, json, moment, number, optional_id, optional_moment, text};

/// The key of an order in two columns, of which this is the first.
pub fn order_key_at<E>(row: &impl Cells<E>, first: usize) -> Result<OrderKey, E> {
    Ok(OrderKey {
        account: id(row, first, AccountId::new)?,
        order: text(row, first + 1, OrderId::parse)?,
    })
}

/// The key of an order in the first two columns.
pub fn order_key<E>(row: &impl Cells<E>) -> Result<OrderKey, E> {
    order_key_at(row, 0)
}

/// The key of an order in two columns, of which this is the first; none where they are empty.
pub fn optional_order_key<E>(row: &impl Cells<E>, first: usize) -> Result<Option<OrderKey>, E> {
    match optional_id(row, first, AccountId::new)? {
        Some(account) => Ok(Some(OrderKey {
            account,
            order: text(row, first + 1, OrderId::parse)?,
        })),
        None => Ok(None),
    }
}

/// The columns of [`order`].
#[macro_export]
macro_rules! order_columns {
    () => {
        "warehouse, standing, standing_detail, form_seen, shipped, touched, flag_confirmed, \
         flag_confirmed_at, first_operation, revisions, copy_updated_at, bought_at, awaited, answered, \
         created_at, updated_at, lines"
    };
}

/// An order.
pub fn order<E>(key: &OrderKey, row: &impl Cells<E>) -> Result<Order, E> {
    Ok(Order {
        key: key.clone(),
        warehouse: text(row, 0, Warehouse::parse)?,
        standing: standing(row)?,
        lines: json(row, 16)?,
        form_seen: flag(row, 3)?,
        shipped: flag(row, 4)?,
        touched: flag(row, 5)?,
        flag_confirmed: row.flag(6)?,
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

fn standing<E>(row: &impl Cells<E>) -> Result<Standing, E> {
    Ok(match row.text(1)?.unwrap_or_default() {
        "awaits_payment" => Standing::AwaitsPayment,
        "awaits_stock" => Standing::AwaitsStock,
        "awaits_review" => Standing::AwaitsReview,
        "applied" => Standing::Applied,
        "given_back" => Standing::GivenBack,
        "cancelled" => Standing::Cancelled {
            is_final: row.text(2)? == Some("final"),
        },
        "skipped" => Standing::Skipped {
            reason: text(row, 2, skip_reason)?,
        },
        "merged" => Standing::Merged {
            into: text(row, 2, OrderId::parse)?,
        },
        "settled" => Standing::Settled,
        other => return Err(row.unreadable(1, &format!("unknown standing {other:?}"))),
    })
}

fn skip_reason(word: &str) -> Result<SkipReason, String> {
    SkipReason::ALL
        .into_iter()
        .find(|reason| reason.as_str() == word)
        .ok_or_else(|| format!("unknown reason {word:?}"))
}

/// The word and the detail of a standing.
#[must_use]
pub fn standing_words(standing: &Standing) -> (&'static str, Option<&str>) {
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

/// The columns of [`delivery`].
#[macro_export]
macro_rules! delivery_columns {
    () => {
        "due_at, owed_since, task, failed_read_backs, lease_token, lease_until, lease_flag, sent_true_at, \
         sent_false_at"
    };
}

/// What an order owes, from columns of which this is the first: they may follow others.
pub fn delivery<E>(key: &OrderKey, row: &impl Cells<E>, first: usize) -> Result<Delivery, E> {
    let lease = match optional_id(row, first + 4, LeaseToken::new)? {
        Some(token) => Some(Lease {
            token,
            until: moment(row, first + 5)?,
            flag: flag(row, first + 6)?,
        }),
        None => None,
    };
    Ok(Delivery {
        key: key.clone(),
        due_at: moment(row, first)?,
        owed_since: moment(row, first + 1)?,
        task: text(row, first + 2, task)?,
        failed_read_backs: number(row, first + 3)?,
        lease,
        doubts: Doubts {
            sent_true_at: optional_moment(row, first + 7)?,
            sent_false_at: optional_moment(row, first + 8)?,
        },
    })
}

fn task(word: &str) -> Result<Task, String> {
    [Task::Send, Task::Verify]
        .into_iter()
        .find(|task| task_word(*task) == word)
        .ok_or_else(|| format!("unknown task {word:?}"))
}

/// The word of a task.
#[must_use]
pub const fn task_word(task: Task) -> &'static str {
    match task {
        Task::Send => "send",
        Task::Verify => "verify",
    }
}
