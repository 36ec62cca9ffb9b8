//! What a failed call means for its caller.

use std::fmt;

/// The most characters of a message.
pub const MESSAGE_CHARACTERS_MAX: usize = 500;

/// The classes of failure, by what should follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Try again later; nothing was changed as far as the service says.
    Transient,
    /// The request may have been applied, or may yet be. Try again and read back.
    Unknown,
    /// Saldo's own token was refused, so every account waits.
    Credentials,
    /// The service says that it has no such account. Its database being down looks the same: ask for the health and
    /// the token list before believing it.
    AccountNotFound,
    /// The service refused the request as such; no repeat can help.
    Permanent,
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Transient => "transient",
            Self::Unknown => "unknown",
            Self::Credentials => "credentials",
            Self::AccountNotFound => "account not found",
            Self::Permanent => "permanent",
        })
    }
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({class})")]
pub struct CallError {
    /// What should follow.
    pub class: ErrorClass,
    /// One line of at most [`MESSAGE_CHARACTERS_MAX`] characters, without control characters or credentials.
    pub message: String,
    /// How long the service asked to be left alone; the caller clamps it.
    pub retry_after_seconds: Option<u64>,
    /// The HTTP status, when an answer came.
    pub status: Option<u16>,
}
