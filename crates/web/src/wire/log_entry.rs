//! The history of an operation.

use jiff::Timestamp;
use saldo_domain::ids::{LogEntryId, OperationId};
use saldo_domain::operation::{Action, LogEntry, OperationStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::{ActionWord, OperationStatusWord};

/// One immutable line of an operation's history.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogEntry)]
pub struct LogEntryBody<'a> {
    /// Which entry.
    #[schema(value_type = Uuid)]
    pub id: LogEntryId,
    /// Whose history.
    #[schema(value_type = Uuid)]
    pub operation_id: OperationId,
    /// What happened.
    #[schema(value_type = ActionWord)]
    pub action: Action,
    /// The status after it.
    #[schema(value_type = OperationStatusWord)]
    pub status: OperationStatus,
    /// Facts about it, for people.
    #[schema(value_type = Value)]
    pub details: &'a serde_json::Value,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// How long the call took, for entries about one.
    #[schema(required)]
    pub execution_time_ms: Option<u64>,
}

impl<'a> LogEntryBody<'a> {
    pub(crate) fn new(entry: &'a LogEntry) -> Self {
        Self {
            id: entry.id,
            operation_id: entry.operation,
            action: entry.action,
            status: entry.status,
            details: &entry.details,
            timestamp: entry.at,
            execution_time_ms: entry.execution_time_ms,
        }
    }
}
