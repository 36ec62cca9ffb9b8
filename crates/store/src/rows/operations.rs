//! Operations and their log.

use saldo_domain::ids::{LogEntryId, OperationId, ReviewId};
use saldo_domain::operation::{LogEntry, Operation};

use super::optional_order_key;
use crate::cells::{
    Cells, id, json, moment, number, optional_id, optional_moment, optional_string, optional_text, text,
};

/// The columns of [`operation`].
#[macro_export]
macro_rules! operation_columns {
    () => {
        "id, operation_type, status, account, order_id, lines, retry_count, max_retries, next_retry_at, \
         error_message, waiting_for, created_at, updated_at, stock_applied_at, completed_at, \
         rolled_back_by, rolls_back, review, version"
    };
}

/// An operation.
pub fn operation<E>(row: &impl Cells<E>) -> Result<Operation, E> {
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

/// The columns of [`log_entry`].
#[macro_export]
macro_rules! log_columns {
    () => {
        "id, operation, version, action, status, details, at, execution_time_ms"
    };
}

/// An entry of an operation's log.
pub fn log_entry<E>(row: &impl Cells<E>) -> Result<LogEntry, E> {
    Ok(LogEntry {
        id: id(row, 0, LogEntryId::new)?,
        operation: id(row, 1, OperationId::new)?,
        version: number(row, 2)?,
        action: text(row, 3, str::parse)?,
        status: text(row, 4, str::parse)?,
        details: json(row, 5)?,
        at: moment(row, 6)?,
        execution_time_ms: row.integer(7)?.map(i64::cast_unsigned),
    })
}
