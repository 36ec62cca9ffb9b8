//! The part of the contract by which instances share their circuits.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::ids::AccountId;
use uuid::Uuid;

use crate::error::StoreError;

/// Open circuits that are read at most.
pub const CIRCUITS_MAX: usize = 10_000;

/// What a circuit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CircuitSubject {
    /// The orders service as a whole.
    Service,
    /// Whether it accepts Saldo's own credentials.
    Credentials,
    /// One account.
    Account(AccountId),
}

impl CircuitSubject {
    /// Reads what [`Display`](fmt::Display) writes.
    ///
    /// # Errors
    /// When it is nothing of that kind.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "service" => Ok(Self::Service),
            "credentials" => Ok(Self::Credentials),
            account => Uuid::parse_str(account)
                .map(|id| Self::Account(AccountId::new(id)))
                .map_err(|_| format!("{text:?} has no circuit")),
        }
    }
}

impl fmt::Display for CircuitSubject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => formatter.write_str("service"),
            Self::Credentials => formatter.write_str("credentials"),
            Self::Account(account) => write!(formatter, "{account}"),
        }
    }
}

/// The instance that finds out whether an outage is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prober {
    /// Its id.
    pub instance: String,
    /// When its probe is forgotten.
    pub until: Timestamp,
}

/// A circuit that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCircuit {
    /// What it is about.
    pub subject: CircuitSubject,
    /// When it opened.
    pub opened_at: Timestamp,
    /// The wait before the next probe, as it stands after the doublings, in seconds.
    pub wait_seconds: u32,
    /// When it may be probed next.
    pub probe_due_at: Timestamp,
    /// Who probes now.
    pub prober: Option<Prober>,
    /// Whether the service said that the account is not there, rather than failing.
    pub is_unusable: bool,
}

/// Circuits as all instances on a database see them. One that is not there is closed.
#[async_trait]
pub trait Circuits: Send + Sync {
    /// The open ones with their versions, by subject, at most [`CIRCUITS_MAX`].
    async fn open_circuits(&self) -> Result<Vec<(OpenCircuit, u64)>, StoreError>;

    /// Opens a circuit that is closed, or replaces exactly the version `from` of an open one, and says its new
    /// version; none when someone else changed it first. Versions of one circuit never repeat.
    async fn put_circuit(&self, circuit: &OpenCircuit, from: Option<u64>) -> Result<Option<u64>, StoreError>;

    /// Closes a circuit, whoever changed it last: whoever got an answer knows best.
    async fn close_circuit(&self, subject: CircuitSubject) -> Result<(), StoreError>;
}
