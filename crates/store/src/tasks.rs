//! The part of the contract that scheduled tasks need.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::StoreError;

/// What is remembered of a scheduled task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// Its name: `process_pending`, `reconcile`, `cleanup`, `report`, …
    pub name: String,
    /// When it last began.
    pub last_started_at: Option<Timestamp>,
    /// When it last ended.
    pub last_ended_at: Option<Timestamp>,
    /// Whether it last ended well.
    pub last_succeeded: Option<bool>,
    /// What it did, or why it failed.
    pub last_detail: Option<String>,
    /// When it was last due by its schedule, done or not: a missed run is caught up once.
    pub last_due_at: Option<Timestamp>,
    /// When it is due next.
    pub next_run_at: Option<Timestamp>,
}

/// A right that one instance holds for a while: to run a task, or to lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLease {
    /// What it is a right to.
    pub name: String,
    /// The instance that holds it.
    pub holder: String,
    /// Grows by one each time that the holder changes: the fencing token. It never begins again.
    pub term: u64,
    /// Until when, unless it is renewed.
    pub until: Timestamp,
}

/// What is remembered of scheduled tasks, and who may run them.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// All tasks that ever ran, by name.
    async fn task_states(&self) -> Result<Vec<TaskState>, StoreError>;

    /// Replaces what is remembered of a task, unless `under` is another holder's by now, or another term's; says whether
    /// it did.
    async fn put_task_state(&self, state: &TaskState, under: &TaskLease) -> Result<bool, StoreError>;

    /// Takes a lease that is free, over, or held by this holder already; none when another instance holds it. One
    /// that this holder took before, and did not give back, keeps its term.
    async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<TaskLease>, StoreError>;

    /// Gives a lease back; nothing happens when it is another's by now.
    async fn release_lease(&self, lease: &TaskLease) -> Result<(), StoreError>;

    /// All leases, by name, also those that are over; not those that were given back.
    async fn leases(&self) -> Result<Vec<TaskLease>, StoreError>;
}
