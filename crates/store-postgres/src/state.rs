//! Whether the store takes work.

use std::sync::atomic::{AtomicBool, Ordering};

use saldo_store::StoreError;

/// Whether the store was closed.
#[derive(Default)]
pub(crate) struct State {
    closed: AtomicBool,
}

impl State {
    /// Says whether this was the first call.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        Ok(())
    }
}
