//! The part of the contract that the clean-up needs.
//!
//! What goes, and what is left behind:
//!
//! - An operation goes with all of its log, once it is finished and past its retention. Of an order that owes a
//!   delivery, has an open review or an unfinished operation, nothing goes ([`InTheWay::may_go`] says it in one place).
//! - The order stays, with its lines, the holders of the lines, the movements and the balances: they make a repeat
//!   harmless. The order no longer names operations that went, and its `first_operation` becomes none: a repeat is
//!   answered `duplicate: true` without an operation.
//! - Links between operations (`rolls_back`, `rolled_back_by`), from closed reviews to operations and back, from
//!   discrepancies to runs, and from movements to operations may name rows that went. They are facts, and nothing
//!   is decided by following them. A movement tells its order by the line when its operation went.
//! - The log of a finished operation may go before it: all of it or nothing. When that operation is rolled back
//!   later, its history goes on where it was. A check finds gaps in what is left of it.
//! - Closed reviews go; what a person answered about an order stays in the order. Wishes never go before they are
//!   fulfilled, nor do leases, whose terms only grow.
//! - Answers under idempotency keys go by their age alone: the ledger knows a repeat without them.

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::ids::OperationId;

use crate::error::StoreError;

/// What is old enough to go. Orders, their lines, movements and balances never go: they make a repeat harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutoffs {
    /// Operations completed before this moment, with their log. Of an order that still owes a delivery, or is before
    /// a person, nothing goes.
    pub completed_before: Timestamp,
    /// Operations rolled back, or given up and closed by a person, before this moment, with their log.
    pub failed_before: Timestamp,
    /// Log entries of finished operations, reviews that were closed, discrepancies that went away, runs, and
    /// shadow orders, ended before this moment.
    pub log_before: Timestamp,
    /// Answers under idempotency keys given before this moment.
    pub answers_before: Timestamp,
}

/// What is cleaned up, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Operations that were completed, with their log.
    Completed,
    /// Operations that were rolled back, with their log.
    RolledBack,
    /// The log of finished operations that stay.
    Log,
    /// Closed reviews.
    Reviews,
    /// Discrepancies that went away.
    Discrepancies,
    /// Runs of reconciliation that ended.
    Runs,
    /// Orders in shadow.
    ShadowOrders,
    /// Answers under idempotency keys.
    Answers,
}

impl Kind {
    /// The kind that is cleaned up after this one.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Some(match self {
            Self::Completed => Self::RolledBack,
            Self::RolledBack => Self::Log,
            Self::Log => Self::Reviews,
            Self::Reviews => Self::Discrepancies,
            Self::Discrepancies => Self::Runs,
            Self::Runs => Self::ShadowOrders,
            Self::ShadowOrders => Self::Answers,
            Self::Answers => return None,
        })
    }
}

/// Where the clean-up goes on. What may not go stays behind it, and is not looked at again before the next time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What is cleaned up next.
    pub kind: Kind,
    /// After which row: its moment, and its key as the store writes it.
    pub after: Option<(Timestamp, Vec<u8>)>,
}

impl Place {
    /// The beginning.
    #[must_use]
    pub const fn start() -> Self {
        Self {
            kind: Kind::Completed,
            after: None,
        }
    }

    /// Where to go on after a step that looked at rows up to `last`: behind that one, or at the next kind when the
    /// step has looked at all.
    #[must_use]
    pub fn next(kind: Kind, last: Option<(Timestamp, Vec<u8>)>) -> Option<Self> {
        match last {
            Some(last) => Some(Self {
                kind,
                after: Some(last),
            }),
            None => kind.next().map(|kind| Self { kind, after: None }),
        }
    }
}

/// What one step of the clean-up removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanedUp {
    /// Operations.
    pub operations: u64,
    /// Log entries.
    pub log_entries: u64,
    /// Closed reviews.
    pub reviews: u64,
    /// Discrepancies, runs, answers and the like.
    pub other: u64,
    /// Where the next step begins; none after the last.
    pub next: Option<Place>,
}

impl CleanedUp {
    /// Rows removed.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.operations + self.log_entries + self.reviews + self.other
    }

    /// Adds what another step removed, and goes on where that one ended.
    pub fn add(&mut self, step: Self) {
        self.operations += step.operations;
        self.log_entries += step.log_entries;
        self.reviews += step.reviews;
        self.other += step.other;
        self.next = step.next;
    }
}

/// What stands in the way of cleaning up after an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InTheWay {
    /// It owes a delivery.
    pub owes_delivery: bool,
    /// It has an open review.
    pub has_open_review: bool,
    /// It has an operation that is pending, processing or failed.
    pub has_unfinished_operation: bool,
}

impl InTheWay {
    /// Whether what is finished of the order may go.
    #[must_use]
    pub const fn may_go(self) -> bool {
        !self.owes_delivery && !self.has_open_review && !self.has_unfinished_operation
    }
}

/// Whether an operation was recorded before a moment, by its id: what was recorded later cannot have ended earlier,
/// and ids grow, so a search for what ended may stop there.
#[must_use]
pub fn recorded_before(id: OperationId, moment: Timestamp) -> bool {
    let recorded = id.as_uuid().get_timestamp();
    recorded.is_none_or(|at| {
        let (seconds, nanoseconds) = at.to_unix();
        let milliseconds = i128::from(seconds) * 1_000 + i128::from(nanoseconds / 1_000_000);
        milliseconds < i128::from(moment.as_millisecond())
    })
}

/// Removing what is past its retention.
#[async_trait]
pub trait Housekeeping: Send + Sync {
    /// One step of the clean-up, in one short transaction: from [`Place::start`] on, until the answer names no next
    /// place. A step ends once it has looked at `limit` rows, or removed that many; an operation always goes with
    /// its whole log.
    async fn clean_up(&self, cutoffs: &Cutoffs, place: &Place, limit: usize)
    -> Result<CleanedUp, StoreError>;
}
