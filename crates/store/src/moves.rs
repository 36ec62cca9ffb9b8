//! Counting what became of operations, as it is committed: for metrics, without a look at the tables.

use std::sync::atomic::{AtomicU64, Ordering};

use saldo_domain::changes::Changes;
use saldo_domain::operation::{Action, LogEntry, Operation, OperationType};

/// The types, in the order of the counters.
const TYPES: [OperationType; 3] = [
    OperationType::Deduction,
    OperationType::Refund,
    OperationType::Adjustment,
];

/// What is counted, in the order of the counters.
const OUTCOMES: [Action; 4] = [
    Action::Created,
    Action::Completed,
    Action::Failed,
    Action::RolledBack,
];

/// How many operations were recorded, completed, given up or undone by this process since it started, by type.
#[derive(Debug, Default)]
pub struct Moves {
    counts: [[AtomicU64; OUTCOMES.len()]; TYPES.len()],
}

/// The same of one transaction that may still be rolled back.
#[derive(Debug, Clone, Copy, Default)]
pub struct UncommittedMoves {
    counts: [[u64; OUTCOMES.len()]; TYPES.len()],
}

impl Moves {
    /// Counts a transaction that was committed, and empties it for the next one.
    pub fn commit(&self, moves: &mut UncommittedMoves) {
        let committed = std::mem::take(moves);
        for (counters, added) in self.counts.iter().zip(committed.counts) {
            for (counter, added) in counters.iter().zip(added) {
                if added > 0 {
                    counter.fetch_add(added, Ordering::Relaxed);
                }
            }
        }
    }

    /// All counts: type, outcome, how many.
    pub fn counts(&self) -> impl Iterator<Item = (OperationType, Action, u64)> {
        TYPES
            .into_iter()
            .zip(&self.counts)
            .flat_map(|(operation_type, counters)| {
                OUTCOMES
                    .into_iter()
                    .zip(counters)
                    .map(move |(outcome, counter)| (operation_type, outcome, counter.load(Ordering::Relaxed)))
            })
    }
}

impl UncommittedMoves {
    /// Counts what a decision did.
    pub fn add(&mut self, changes: &Changes) {
        for entry in &changes.log {
            let Some(outcome) = OUTCOMES.iter().position(|outcome| *outcome == entry.action) else {
                continue;
            };
            let operation_type = operation_of(changes, entry).map(|operation| operation.operation_type);
            let place = TYPES.iter().position(|known| Some(*known) == operation_type);
            if let Some(counters) = place.and_then(|place| self.counts.get_mut(place)) {
                counters[outcome] += 1;
            }
        }
    }
}

fn operation_of<'c>(changes: &'c Changes, entry: &LogEntry) -> Option<&'c Operation> {
    let in_files = changes.files.iter().flat_map(|file| &file.after.operations);
    let apart = changes.adjustments.iter().map(|change| &change.operation);
    in_files
        .chain(apart)
        .find(|operation| operation.id == entry.operation)
}
