//! How the simulated service misbehaves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use saldo_domain::ids::{AccountId, OrderKey};
use saldo_orders_service::{CallError, ErrorClass};

/// What becomes of one call that sends a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// It is done and confirmed.
    Answer,
    /// It is not done, and the error says so.
    Fail(CallError),
    /// It is done, and the reply is lost.
    LoseReply,
    /// The caller is told nothing, and it is done so much later.
    DoLater { after_ms: u64 },
    /// It is never answered and never done.
    Hang,
}

/// How the service as a whole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Up,
    /// Nothing listens.
    Refuses,
    /// Every flag call is a 503, but health and the list of accounts answer well.
    FlagsFail,
    /// Its database is away: health says so, accounts are empty, flag calls are 404.
    DatabaseDown,
    /// It ran out of connections: health says that all is well, accounts are empty, flag calls are 404.
    OutOfConnections,
    /// It refuses our token.
    CredentialsRefused,
}

/// All faults that are on now.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    pub(crate) mode: Mode,
    /// How long a call takes, in milliseconds: at least, and at most.
    pub(crate) latency_ms: (u64, u64),
    /// The same for one account.
    pub(crate) account_latency_ms: BTreeMap<AccountId, (u64, u64)>,
    /// Accounts that the service does not know (any more).
    pub(crate) gone: BTreeSet<AccountId>,
    /// Accounts of which every flag call is a 503.
    pub(crate) failing: BTreeSet<AccountId>,
    /// What becomes of the next flag calls, one after another; then the chances below decide.
    pub(crate) script: VecDeque<Reaction>,
    /// Per mille of flag calls that fail before anything is done.
    pub(crate) fail: u32,
    /// Per mille whose reply is lost after it was done.
    pub(crate) lose_reply: u32,
    /// Per mille that are abandoned and done up to 25 s later.
    pub(crate) do_later: u32,
    /// Per mille that hang.
    pub(crate) hang: u32,
    /// Per mille of readings that fail.
    pub(crate) fail_reading: u32,
    /// What every reading of a flag is answered with.
    pub(crate) reading: Option<CallError>,
    /// What is wrong with lists.
    pub(crate) lists: Lists,
    /// The single-order call works, as in a mended service: no fault at all.
    pub(crate) live: bool,
}

impl Faults {
    /// Calls are slow, and many a one hangs, is done late, or is done without an answer.
    pub(crate) fn of_doubt() -> Self {
        Self {
            latency_ms: (1, 9_000),
            lose_reply: 150,
            do_later: 150,
            hang: 50,
            ..Self::default()
        }
    }
}

/// What is wrong with lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lists {
    /// Per mille of pages that are answered with `success: false`.
    pub(crate) fail: u32,
    /// Every flag is shown false.
    pub(crate) say_false: bool,
    /// Pages take so long that the service has probably run out of connections.
    pub(crate) are_slow: bool,
    /// Rows that are counted and not shown.
    pub(crate) hide: BTreeSet<OrderKey>,
    /// The list says that it ends here.
    pub(crate) end_after: Option<u64>,
    /// Only so many orders are shown and counted.
    pub(crate) shrink_to: Option<usize>,
    /// Per mille of pages on which the last row of the page before comes again and the last one is lost.
    pub(crate) slip: u32,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            mode: Mode::Up,
            latency_ms: (20, 20),
            account_latency_ms: BTreeMap::new(),
            gone: BTreeSet::new(),
            failing: BTreeSet::new(),
            script: VecDeque::new(),
            fail: 0,
            lose_reply: 0,
            do_later: 0,
            hang: 0,
            fail_reading: 0,
            reading: None,
            lists: Lists::default(),
            live: false,
        }
    }
}

pub(crate) fn error(class: ErrorClass, status: Option<u16>, message: &str) -> CallError {
    CallError {
        class,
        message: message.to_owned(),
        retry_after_seconds: None,
        status,
    }
}

pub(crate) fn unavailable() -> CallError {
    error(
        ErrorClass::Transient,
        Some(503),
        "the orders service answered 503",
    )
}

pub(crate) fn too_many_requests() -> CallError {
    error(
        ErrorClass::Transient,
        Some(429),
        "the orders service answered 429",
    )
}

pub(crate) fn refused_connection() -> CallError {
    error(ErrorClass::Transient, None, "nothing listens there")
}

pub(crate) fn no_answer() -> CallError {
    error(ErrorClass::Unknown, None, "no answer in time")
}

pub(crate) fn account_not_found() -> CallError {
    error(ErrorClass::AccountNotFound, Some(404), "no such account")
}

pub(crate) fn credentials_refused() -> CallError {
    error(ErrorClass::Credentials, Some(401), "the token was refused")
}

pub(crate) fn not_acceptable() -> CallError {
    error(ErrorClass::Permanent, Some(422), "the request was refused")
}

impl Faults {
    /// The error that a call for an account meets before anything else, if any.
    pub(crate) fn stands_in_the_way(&self, account: AccountId) -> Option<CallError> {
        match self.mode {
            Mode::Refuses => Some(refused_connection()),
            Mode::FlagsFail => Some(unavailable()),
            Mode::DatabaseDown | Mode::OutOfConnections => Some(account_not_found()),
            Mode::CredentialsRefused => Some(credentials_refused()),
            Mode::Up if self.gone.contains(&account) => Some(account_not_found()),
            Mode::Up if self.failing.contains(&account) => Some(unavailable()),
            Mode::Up => None,
        }
    }
}
