//! What goes wrong inside, before it is known what it means for the caller.

use saldo_domain::view::Refusal;
use saldo_store::StoreError;
use tokio_postgres::error::SqlState;

use crate::locks::Names;

/// Why a piece of work on the database did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server's own error, or that of the connection to it.
    Database(tokio_postgres::Error),
    /// No connection could be had.
    Unreachable(String),
    /// Locks that turned out to be needed are held by another transaction. Nobody waits out of order: all is given
    /// back, and begun again with these.
    Contended(Names),
    /// A row was not as it was loaded. It is begun again, and is a mistake of ours when it goes on.
    Changed(String),
    /// A stored row cannot be read.
    Corrupt(String),
    /// The caller asked for what cannot be.
    Refused(Refusal),
    /// What the contract's own checks say.
    Answer(StoreError),
    /// A mistake of ours.
    Defect(String),
    /// The commit's answer was lost, and what became of it could not be found out.
    Unknown(String),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
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

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Answer(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Database(error) => match Gravity::of(&error) {
                Gravity::Mistake => Self::Defect(explain(&error)),
                _ => Self::Unavailable(explain(&error)),
            },
            Failure::Unreachable(detail) => Self::Unavailable(detail),
            Failure::Contended(_) => {
                Self::Unavailable("other transactions are in the way; try again".to_owned())
            }
            Failure::Changed(detail) | Failure::Defect(detail) => Self::Defect(detail),
            Failure::Corrupt(detail) => Self::Corrupt(detail),
            Failure::Refused(refusal) => Self::Refused(refusal),
            Failure::Answer(error) => error,
            Failure::Unknown(detail) => Self::Unknown(detail),
        }
    }
}

/// What an error of the server means for the transaction that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gravity {
    /// A check refused a row of ours, or a statement makes no sense. Only that request is wrong.
    Mistake,
    /// Another transaction was in the way: the same may succeed now.
    Conflict,
    /// The connection is gone, or goes: the same may succeed on another one.
    Lost,
    /// A prepared statement is not there: a pooler gave the connection to somebody else meanwhile.
    Unprepared,
    /// A full disk, a server that only reads, a wrong password: a person is needed.
    Passing,
}

impl Gravity {
    pub(crate) fn of(error: &tokio_postgres::Error) -> Self {
        let Some(state) = error.code() else {
            // Without a code it is not the server's: a closed socket, or a value that does not fit its column.
            return if is_ours(error) { Self::Mistake } else { Self::Lost };
        };
        match state {
            &SqlState::T_R_SERIALIZATION_FAILURE
            | &SqlState::T_R_DEADLOCK_DETECTED
            | &SqlState::UNIQUE_VIOLATION
            | &SqlState::OUT_OF_MEMORY => Self::Conflict,
            &SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::DUPLICATE_PSTATEMENT => Self::Unprepared,
            &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
            | &SqlState::ADMIN_SHUTDOWN
            | &SqlState::CRASH_SHUTDOWN
            | &SqlState::CANNOT_CONNECT_NOW => Self::Lost,
            state => match &state.code()[..2] {
                "08" => Self::Lost,
                "22" | "23" | "42" | "0A" | "P0" | "26" => Self::Mistake,
                _ => Self::Passing,
            },
        }
    }
}

fn is_ours(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    text.starts_with("error serializing") || text.starts_with("error deserializing")
}

/// An error of the server with what to do about it.
pub(crate) fn explain(error: &tokio_postgres::Error) -> String {
    let told = error.as_db_error().map_or_else(
        || chain(error),
        |error| format!("{} ({})", error.message(), error.code().code()),
    );
    match error.code() {
        Some(&SqlState::DISK_FULL) => {
            format!("the server's disk is full; free some space, nothing was changed: {told}")
        }
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
            format!("the server only reads; point the address at the primary: {told}")
        }
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            format!("the server does not let this user in; check user and password: {told}")
        }
        Some(&SqlState::INVALID_CATALOG_NAME) => {
            format!("the database is not there; make it with createdb: {told}")
        }
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            format!("this user may not do it; let it own the database or its schema saldo: {told}")
        }
        Some(&SqlState::LOCK_NOT_AVAILABLE) => {
            format!("another transaction held what is needed for too long, and nothing was changed: {told}")
        }
        Some(&SqlState::QUERY_CANCELED) => {
            format!("it took longer than a statement may take, and nothing was changed: {told}")
        }
        _ => told,
    }
}

/// An error with what lies beneath it, once each.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
