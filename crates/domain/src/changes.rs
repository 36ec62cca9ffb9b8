//! What a decision wants stored, in one transaction.

use jiff::Timestamp;

use crate::ids::{LineItemId, OrderKey};
use crate::operation::{LogEntry, Operation};
use crate::review::Review;
use crate::rollout::{Rollout, ShadowOrder};
use crate::stock::{Balance, Mapping, Movement};
use crate::view::{OrderFile, RecordedAnswer};

/// Everything that one decision changes. Each row stands here once, as it shall be stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Orders, with what stands beside them.
    pub files: Vec<FileChange>,
    /// Which order holds which line now, for lines that are new or moved.
    pub line_holders: Vec<(LineItemId, OrderKey)>,
    /// Operations that belong to no order.
    pub adjustments: Vec<AdjustmentChange>,
    /// New movements; appended only.
    pub movements: Vec<Movement>,
    /// Balances after them.
    pub balances: Vec<Balance>,
    /// New log entries; appended only.
    pub log: Vec<LogEntry>,
    /// Reviews that are about no single order.
    pub reviews: Vec<Review>,
    /// Mappings that were set.
    pub mappings: Vec<Mapping>,
    /// Answers recorded under idempotency keys.
    pub answers: Vec<RecordedAnswer>,
    /// The mode that is in force from now on; the ones before it stay as its history.
    pub rollout: Option<Rollout>,
    /// When stock was counted or imported: now.
    pub stock_counted: Option<Timestamp>,
    /// Orders in shadow. One that is stored already keeps when it was first seen, and keeps what its comparison says
    /// unless something else would be done now.
    pub shadows: Vec<ShadowOrder>,
}

impl Changes {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An operation without an order, as it shall be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdjustmentChange {
    /// The operation.
    pub operation: Operation,
    /// Whether it is new.
    pub is_new: bool,
}

/// An operation of a file that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedOperation {
    /// Its place in the file's operations.
    pub position: usize,
    /// Whether it is new.
    pub is_new: bool,
    /// Whether what it moves is new or different: most changes only move it on.
    pub lines_changed: bool,
}

/// How the order row itself changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowChange {
    /// Not at all.
    Same,
    /// It is new.
    New,
    /// It was there and is different.
    Updated,
}

/// How an order's delivery changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryChange {
    /// Not at all.
    Same,
    /// Store the one in the file, whether or not there was one.
    Put,
    /// Nothing is owed any more.
    Remove,
}

/// What changed of one order. Positions point into `after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The file as it shall be stored.
    pub after: OrderFile,
    /// How the order changed.
    pub order: RowChange,
    /// Whether nothing of the order is different but what was confirmed of its flag, as with every delivery.
    pub only_confirmed: bool,
    /// Whether the SKUs that it waits for changed.
    pub awaited_changed: bool,
    /// Positions of lines that are new, moved here or different.
    pub changed_lines: Vec<usize>,
    /// Lines that are no longer this order's. Removed before any line is stored.
    pub removed_lines: Vec<LineItemId>,
    /// Operations that are new or different.
    pub changed_operations: Vec<ChangedOperation>,
    /// How the delivery changed.
    pub delivery: DeliveryChange,
    /// Whether it was owed before, and since the same moment.
    pub owed_as_before: bool,
    /// Positions of reviews that are new or different.
    pub changed_reviews: Vec<usize>,
}

impl FileChange {
    /// What changed between two states of a file; `None` when nothing did.
    #[must_use]
    pub fn between(before: Option<&OrderFile>, after: OrderFile) -> Option<Self> {
        let Some(before) = before else {
            return Some(Self {
                order: RowChange::New,
                only_confirmed: false,
                awaited_changed: !after.order.awaited.is_empty(),
                changed_lines: (0..after.order.lines.len()).collect(),
                removed_lines: Vec::new(),
                changed_operations: (0..after.operations.len())
                    .map(|position| ChangedOperation {
                        position,
                        is_new: true,
                        lines_changed: true,
                    })
                    .collect(),
                owed_as_before: false,
                delivery: if after.delivery.is_some() {
                    DeliveryChange::Put
                } else {
                    DeliveryChange::Same
                },
                changed_reviews: (0..after.reviews.len()).collect(),
                after,
            });
        };
        if *before == after {
            return None;
        }
        let changed_lines: Vec<usize> =
            differing(&before.order.lines, &after.order.lines, |line| line.id.clone());
        let removed_lines = before
            .order
            .lines
            .iter()
            .filter(|line| after.order.lines.iter().all(|other| other.id != line.id))
            .map(|line| line.id.clone())
            .collect();
        let changed_operations = differing(&before.operations, &after.operations, |operation| operation.id)
            .into_iter()
            .map(|position| {
                let now = &after.operations[position];
                let before = before.operation(now.id);
                ChangedOperation {
                    position,
                    is_new: before.is_none(),
                    lines_changed: before.is_none_or(|before| before.lines != now.lines),
                }
            })
            .collect();
        let delivery = match (&before.delivery, &after.delivery) {
            (before, after) if before == after => DeliveryChange::Same,
            (_, Some(_)) => DeliveryChange::Put,
            (_, None) => DeliveryChange::Remove,
        };
        Some(Self {
            order: if before.order == after.order {
                RowChange::Same
            } else {
                RowChange::Updated
            },
            only_confirmed: before.order.is_but_for_confirmation(&after.order),
            awaited_changed: before.order.awaited != after.order.awaited,
            changed_lines,
            removed_lines,
            changed_operations,
            owed_as_before: matches!(
                (&before.delivery, &after.delivery),
                (Some(before), Some(after)) if before.owed_since == after.owed_since
            ),
            delivery,
            changed_reviews: differing(&before.reviews, &after.reviews, |review| review.id),
            after,
        })
    }
}

/// Positions in `after` of what is new or different.
fn differing<T: PartialEq, I: PartialEq>(before: &[T], after: &[T], id: impl Fn(&T) -> I) -> Vec<usize> {
    (0..after.len())
        .filter(|&position| {
            before.get(position) != Some(&after[position])
                && before.iter().find(|other| id(other) == id(&after[position])) != Some(&after[position])
        })
        .collect()
}
