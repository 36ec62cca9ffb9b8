//! What is remembered of scheduled tasks, and who may run them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::MemoryStore;
use super::tables::Tables;
use crate::error::StoreError;
use crate::tasks::{TaskLease, TaskState, Tasks};

/// A lease as it is kept: one that was given back stays, so that terms only grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLease {
    /// The lease.
    pub lease: TaskLease,
    /// Whether its holder gave it back.
    pub given_back: bool,
}

impl KeptLease {
    fn is_held_under(&self, lease: &TaskLease) -> bool {
        !self.given_back && self.lease.holder == lease.holder && self.lease.term == lease.term
    }
}

#[async_trait]
impl Tasks for MemoryStore {
    async fn task_states(&self) -> Result<Vec<TaskState>, StoreError> {
        Ok(self.open()?.tables.task_states.values().cloned().collect())
    }

    async fn put_task_state(&self, state: &TaskState, under: &TaskLease) -> Result<bool, StoreError> {
        let tables = &mut self.open()?.tables;
        let is_held = tables.is_held(under);
        if is_held {
            tables.task_states.insert(state.name.clone(), state.clone());
        }
        Ok(is_held)
    }

    async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<TaskLease>, StoreError> {
        Ok(self.open()?.tables.take_lease(name, holder, now, until))
    }

    async fn release_lease(&self, lease: &TaskLease) -> Result<(), StoreError> {
        if let Some(kept) = self.open()?.tables.leases.get_mut(&lease.name) {
            kept.given_back |= kept.is_held_under(lease);
        }
        Ok(())
    }

    async fn leases(&self) -> Result<Vec<TaskLease>, StoreError> {
        let state = self.open()?;
        let held = state.tables.leases.values().filter(|kept| !kept.given_back);
        Ok(held.map(|kept| kept.lease.clone()).collect())
    }
}

impl Tables {
    /// Whether a lease is its holder's, in the term in which it was taken.
    pub(super) fn is_held(&self, under: &TaskLease) -> bool {
        let kept = self.leases.get(&under.name);
        kept.is_some_and(|kept| kept.is_held_under(under))
    }

    fn take_lease(
        &mut self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Option<TaskLease> {
        let before = self.leases.get(name);
        let is_ours = before.is_some_and(|kept| !kept.given_back && kept.lease.holder == holder);
        let is_free = before.is_none_or(|kept| kept.given_back || kept.lease.until <= now);
        if !is_ours && !is_free {
            return None;
        }
        let term = before.map_or(0, |kept| kept.lease.term);
        let lease = TaskLease {
            name: name.to_owned(),
            holder: holder.to_owned(),
            term: if is_ours { term } else { term + 1 },
            until,
        };
        let kept = KeptLease {
            lease: lease.clone(),
            given_back: false,
        };
        self.leases.insert(name.to_owned(), kept);
        Some(lease)
    }
}
