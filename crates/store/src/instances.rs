//! The part of the contract that running servers need to know of each other.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::StoreError;

/// Instances that are listed at most.
pub const INSTANCES_MAX: usize = 1_000;

/// What a running server does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServerRole {
    /// It takes in and works off.
    #[default]
    All,
    /// It takes in, and leaves deliveries and tasks to the others.
    Api,
    /// It delivers, pulls, runs tasks and alerts, and takes nothing in.
    Worker,
}

impl ServerRole {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }

    /// The role of a word.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(word: &str) -> Result<Self, String> {
        [Self::All, Self::Api, Self::Worker]
            .into_iter()
            .find(|role| role.as_str() == word)
            .ok_or_else(|| format!("{word:?} is no role; there are all, api and worker"))
    }

    /// Whether it makes deliveries and runs tasks.
    #[must_use]
    pub const fn works(self) -> bool {
        matches!(self, Self::All | Self::Worker)
    }

    /// Whether it takes orders in.
    #[must_use]
    pub const fn takes_in(self) -> bool {
        matches!(self, Self::All | Self::Api)
    }
}

/// Attempts within the window of the success rate, as an instance counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttemptCounts {
    /// All of them.
    pub attempts: u64,
    /// Those that went well.
    pub successes: u64,
    /// Deliveries that needed a retry, and were confirmed.
    pub retried: u64,
    /// How long those took from the first attempt on, in milliseconds, together.
    pub retried_ms: u64,
}

/// A running server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Names this start of it, and is the holder of its leases: a restart under the same name is another one.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The version that it runs.
    pub version: String,
    /// What it does.
    pub role: ServerRole,
    /// When it started, by its own clock.
    pub started_at: Timestamp,
    /// When it last told of itself, by its own clock.
    pub heartbeat_at: Timestamp,
    /// Deliveries under way then.
    pub deliveries: u64,
    /// What it has counted.
    pub counts: AttemptCounts,
    /// Since when it makes no deliveries, because the orders service answers others and not this one.
    pub aside_since: Option<Timestamp>,
}

/// Which servers run on this database.
#[async_trait]
pub trait Instances: Send + Sync {
    /// Whether other processes may work on the same database at the same time.
    fn is_shared(&self) -> bool;

    /// Adds an instance, or replaces what is known of it.
    async fn put_instance(&self, instance: &Instance) -> Result<(), StoreError>;

    /// All that told of themselves and were not removed, by name and start, at most [`INSTANCES_MAX`].
    async fn instances(&self) -> Result<Vec<Instance>, StoreError>;

    /// Removes an instance; one that told of itself since `unheard_since` stays.
    async fn remove_instance(&self, id: &str, unheard_since: Option<Timestamp>) -> Result<(), StoreError>;
}
