//! The part of the contract that the clean-up needs.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::StoreError;

/// What is old enough to go. Orders, their lines, movements and balances never go: they make a repeat harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutoffs {
    /// Operations completed before this moment, with their log. Of an order that still owes a delivery, or is before
    /// a person, nothing goes.
    pub completed_before: Timestamp,
    /// Operations rolled back, or given up and closed by a person, before this moment, with their log.
    pub failed_before: Timestamp,
    /// Log entries of finished operations, reviews that were closed, discrepancies that went away, runs, shadow
    /// orders and task leases, ended before this moment.
    pub log_before: Timestamp,
    /// Answers under idempotency keys given before this moment.
    pub answers_before: Timestamp,
}

/// What one step of the clean-up removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleanedUp {
    /// Operations.
    pub operations: u64,
    /// Log entries.
    pub log_entries: u64,
    /// Closed reviews.
    pub reviews: u64,
    /// Discrepancies, runs, answers and the like.
    pub other: u64,
    /// Whether more may remain: ask again.
    pub more: bool,
}

/// Removing what is past its retention.
#[async_trait]
pub trait Housekeeping: Send + Sync {
    /// Removes at most `limit` rows of each kind, in one short transaction.
    async fn clean_up(&self, cutoffs: &Cutoffs, limit: usize) -> Result<CleanedUp, StoreError>;
}
