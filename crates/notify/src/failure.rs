//! Why something could not be told.

use jiff::SignedDuration;
use saldo_domain::text::one_line;

/// The longest reason, in characters.
const REASON_CHARACTERS_MAX: usize = 300;

/// What a failed attempt means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendFailure {
    /// It may go well the next time; not before this wait, where the channel asked for one.
    Passing {
        /// What the channel asked for.
        retry_after: Option<SignedDuration>,
    },
    /// The channel refuses it: someone must change a setting before it can go well.
    Refused,
}

/// An attempt that did not succeed. The reason holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SendError {
    /// What happened.
    pub reason: String,
    /// What it means.
    pub failure: SendFailure,
}

impl SendError {
    pub(crate) fn passing(reason: impl AsRef<str>) -> Self {
        Self {
            reason: one_line(reason.as_ref(), REASON_CHARACTERS_MAX),
            failure: SendFailure::Passing { retry_after: None },
        }
    }

    pub(crate) fn refused(reason: impl AsRef<str>) -> Self {
        Self {
            reason: one_line(reason.as_ref(), REASON_CHARACTERS_MAX),
            failure: SendFailure::Refused,
        }
    }

    pub(crate) fn not_before(mut self, seconds: Option<u64>) -> Self {
        if let Some(seconds) = seconds {
            let wait = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
            self.failure = SendFailure::Passing {
                retry_after: Some(wait),
            };
        }
        self
    }
}

/// Why a channel cannot be set up. The message names the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OptionsError(pub String);
