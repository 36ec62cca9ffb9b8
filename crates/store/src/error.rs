//! What can go wrong between the engine and a database.

use saldo_domain::view::Refusal;

/// Why a store did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The rules refuse the request. Nothing was changed.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A rule would have been broken: a mistake of ours. Nothing was changed.
    #[error("a rule would have been broken, and nothing was changed: {0}")]
    Defect(String),
    /// Too many requests wait already. Nothing was changed; try again shortly.
    #[error("too many requests wait for the database; try again shortly")]
    Busy,
    /// The store is closing, or its writer is gone. Nothing was changed.
    #[error("the database is closed")]
    Closed,
    /// The database could not do it (a full disk, a lost connection). Nothing was changed.
    #[error("the database failed: {0}")]
    Unavailable(String),
    /// It is not known whether it was done. Ask again: a repeat is harmless.
    #[error("it is not known whether the database has stored it: {0}")]
    Unknown(String),
    /// What is stored cannot be read.
    #[error("a stored row cannot be read: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether it was not this request's fault: another one would fare no better now.
    #[must_use]
    pub const fn is_of_the_store(&self) -> bool {
        match self {
            Self::Busy | Self::Closed | Self::Unavailable(_) | Self::Unknown(_) => true,
            Self::Refused(_) | Self::Defect(_) | Self::Corrupt(_) => false,
        }
    }
}
