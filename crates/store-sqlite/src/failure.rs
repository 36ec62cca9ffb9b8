//! What goes wrong inside, before it is known what it means for the caller.

use rusqlite::ErrorCode;
use saldo_domain::view::Refusal;
use saldo_store::StoreError;

/// Why a piece of work on the database did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite's own error.
    Database(rusqlite::Error),
    /// A stored row cannot be read.
    Corrupt(String),
    /// The caller asked for what cannot be.
    Refused(Refusal),
    /// A write did not meet the row that it was made for: a mistake of ours.
    Defect(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Defect(format!("not to be written as JSON: {error}"))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Database(error) => match Gravity::of(&error) {
                Gravity::Mistake => Self::Defect(error.to_string()),
                Gravity::Passing | Gravity::Fatal => Self::Unavailable(explain(&error)),
            },
            Failure::Corrupt(detail) => Self::Corrupt(detail),
            Failure::Refused(refusal) => Self::Refused(refusal),
            Failure::Defect(detail) => Self::Defect(detail),
        }
    }
}

/// What an error of SQLite means for the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gravity {
    /// A check or a key refused a row of ours. Only that request is wrong.
    Mistake,
    /// A full disk, a lock held by another program: the transaction failed, and the next may succeed.
    Passing,
    /// The disk or the file cannot be trusted any more. A failed fsync may have dropped pages that a second one
    /// would report as written, so nothing is tried again on this connection.
    Fatal,
}

impl Gravity {
    pub(crate) fn of(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // `Unknown` is SQLite's word for a statement that makes no sense.
            Some(
                ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::ApiMisuse
                | ErrorCode::ParameterOutOfRange
                | ErrorCode::Unknown,
            ) => Self::Mistake,
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Passing,
            Some(_) => Self::Fatal,
            // Rusqlite's own: a wrong number of parameters, a column of another type.
            None => Self::Mistake,
        }
    }
}

/// An error of SQLite with what to do about it.
pub(crate) fn explain(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            format!("the disk is full; free some space, nothing was changed ({error})")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("another program holds the database; close it, nothing was changed ({error})")
        }
        Some(ErrorCode::ReadOnly) => {
            format!("the database cannot be written; check its permissions ({error})")
        }
        _ => error.to_string(),
    }
}
