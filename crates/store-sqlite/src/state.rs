//! What all threads of a store must know at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use saldo_store::StoreError;
use saldo_store::moves::Moves;

/// Whether the store is closed, or has failed for good; and what it has committed.
#[derive(Default)]
pub(crate) struct SharedState {
    pub(crate) moves: Moves,
    closed: AtomicBool,
    fatal: OnceLock<String>,
}

impl SharedState {
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Stops the store for good. Only a new process, which reads what the disk really holds, may go on.
    pub(crate) fn set_fatal(&self, why: &str) {
        // The first reason is the one that counts.
        let _ = self.fatal.set(why.to_owned());
    }

    pub(crate) fn fatal(&self) -> Option<StoreError> {
        let why = self.fatal.get()?;
        Some(StoreError::Unavailable(format!(
            "the database failed and is not used any more; check the disk, then restart saldo: {why}"
        )))
    }

    /// Whether the store takes work.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        self.fatal().map_or(Ok(()), Err)
    }
}
