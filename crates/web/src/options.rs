//! What the one who starts the server decides.

use std::time::Duration;

use saldo_report::Language;

/// How the HTTP interface behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOptions {
    /// Whether requests need no key while there is none. Only for a server that listens on loopback.
    pub open: bool,
    /// Whoever asks is this caller, an admin, whatever the headers say. Only for a router without a socket, in the
    /// process of the one who asks.
    pub sole_caller: Option<String>,
    /// Whether anything is taken in. Otherwise only how it stands is told.
    pub takes_in: bool,
    /// The version that `GET /status` names.
    pub version: String,
    /// How long a request may take once its body was read. Longer than `intake.immediate_timeout_ms`.
    pub request_timeout: Duration,
    /// The language that reports are written in when the caller names none.
    pub language: Language,
}

impl Default for WebOptions {
    /// Closed without keys: openness is asked for, never assumed.
    fn default() -> Self {
        Self {
            open: false,
            sole_caller: None,
            takes_in: true,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            request_timeout: Duration::from_secs(30),
            language: Language::default(),
        }
    }
}
