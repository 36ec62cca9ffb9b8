//! What the decisions of a transaction changed, gathered so that each row is written once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use saldo_domain::changes::{Changes, DeliveryChange, FileChange, RowChange};
use saldo_domain::delivery::Delivery;
use saldo_domain::ids::{LineItemId, OperationId, OrderKey, ReviewId};
use saldo_domain::operation::{LogEntry, Operation};
use saldo_domain::order::Order;
use saldo_domain::review::Review;
use saldo_domain::rollout::{Rollout, ShadowOrder};
use saldo_domain::stock::{Balance, Mapping, Movement, OfferKey, StockKey};
use saldo_domain::view::RecordedAnswer;
use uuid::Uuid;

/// A row to insert, or one that is there to change.
pub(crate) struct Upsert<T> {
    pub(crate) row: T,
    pub(crate) is_new: bool,
    /// Whether more of it is different than a step of a delivery changes: of an order more than what was confirmed of its
    /// flag, of an operation what it moves, too.
    pub(crate) is_whole: bool,
}

/// The rows of one table, by how they are written.
pub(crate) struct Sorted<'p, T> {
    pub(crate) new: Vec<&'p T>,
    /// Changed in more than a step of a delivery changes.
    pub(crate) whole: Vec<&'p T>,
    /// Changed in what a step of a delivery changes.
    pub(crate) stepped: Vec<&'p T>,
}

impl<'p, T> Sorted<'p, T> {
    pub(crate) fn of(rows: impl IntoIterator<Item = &'p Upsert<T>>) -> Self {
        let mut sorted = Self {
            new: Vec::new(),
            whole: Vec::new(),
            stepped: Vec::new(),
        };
        for upsert in rows {
            let kind = match (upsert.is_new, upsert.is_whole) {
                (true, _) => &mut sorted.new,
                (false, true) => &mut sorted.whole,
                (false, false) => &mut sorted.stepped,
            };
            kind.push(&upsert.row);
        }
        sorted
    }
}

/// An order with the operations to add to it.
pub(crate) struct PendingOrder {
    pub(crate) order: Order,
    pub(crate) new_operations: Vec<Uuid>,
}

/// Everything to write. The maps are sorted, so that all transactions write in the same order.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) orders: BTreeMap<OrderKey, Upsert<PendingOrder>>,
    /// Orders whose waits for stock changed; true for those that may have had some before.
    pub(crate) waits: BTreeMap<OrderKey, bool>,
    pub(crate) line_holders: BTreeMap<LineItemId, Option<OrderKey>>,
    pub(crate) operations: BTreeMap<OperationId, Upsert<Operation>>,
    pub(crate) movements: Vec<Movement>,
    pub(crate) balances: BTreeMap<StockKey, Balance>,
    pub(crate) log: Vec<LogEntry>,
    /// Deliveries as they shall be; none for those that are owed no more.
    pub(crate) deliveries: BTreeMap<OrderKey, Option<Delivery>>,
    pub(crate) reviews: BTreeMap<ReviewId, Review>,
    pub(crate) mappings: BTreeMap<OfferKey, Mapping>,
    pub(crate) answers: Vec<RecordedAnswer>,
    /// Modes that came into force, the last one to stay.
    pub(crate) rollouts: Vec<Rollout>,
    pub(crate) stock_counted: Option<Timestamp>,
    pub(crate) shadows: BTreeMap<OrderKey, ShadowOrder>,
}

impl Pending {
    /// Adds what one decision changed.
    pub(crate) fn add(&mut self, changes: &Changes) {
        for line in changes.files.iter().flat_map(|change| &change.removed_lines) {
            self.line_holders.insert(line.clone(), None);
        }
        for change in &changes.files {
            self.add_file(change, &changes.log);
        }
        for (line, holder) in &changes.line_holders {
            self.line_holders.insert(line.clone(), Some(holder.clone()));
        }
        for change in &changes.adjustments {
            self.add_operation(&change.operation, change.is_new, true);
        }
        self.movements.extend(changes.movements.iter().cloned());
        for balance in &changes.balances {
            self.balances.insert(balance.key.clone(), balance.clone());
        }
        self.log.extend(changes.log.iter().cloned());
        for review in &changes.reviews {
            self.reviews.insert(review.id, review.clone());
        }
        for mapping in &changes.mappings {
            self.mappings.insert(mapping.key.clone(), mapping.clone());
        }
        self.answers.extend(changes.answers.iter().cloned());
        self.rollouts.extend(changes.rollout.iter().cloned());
        self.stock_counted = changes.stock_counted.or(self.stock_counted);
        for shadow in &changes.shadows {
            self.shadows.insert(shadow.key.clone(), shadow.clone());
        }
    }

    /// Whether an order in shadow waits to be written that these change again: what a second change means depends on
    /// the first one.
    pub(crate) fn must_be_written_before(&self, changes: &Changes) -> bool {
        changes
            .shadows
            .iter()
            .any(|shadow| self.shadows.contains_key(&shadow.key))
    }

    fn add_file(&mut self, change: &FileChange, log: &[LogEntry]) {
        let order = &change.after.order;
        let is_new = |operation: &Operation| {
            log.iter()
                .any(|entry| entry.operation == operation.id && entry.version == 1)
        };
        let mut new_operations = Vec::new();
        for changed in &change.changed_operations {
            let operation = &change.after.operations[changed.position];
            // A finished operation that a decision brought back into the file looks new to the file, but is stored.
            let is_new = changed.is_new && is_new(operation);
            self.add_operation(operation, is_new, changed.lines_changed);
            if is_new {
                new_operations.push(operation.id.as_uuid());
            }
        }
        if change.order != RowChange::Same || !new_operations.is_empty() {
            let is_whole = !change.only_confirmed || !new_operations.is_empty();
            self.add_order(order, change.order == RowChange::New, is_whole, &new_operations);
        }
        if change.awaited_changed {
            let before = change.order != RowChange::New;
            *self.waits.entry(order.key.clone()).or_default() |= before;
        }
        for &position in &change.changed_reviews {
            let review = &change.after.reviews[position];
            self.reviews.insert(review.id, review.clone());
        }
        match (change.delivery, &change.after.delivery) {
            (DeliveryChange::Put, Some(delivery)) => {
                self.deliveries.insert(order.key.clone(), Some(delivery.clone()));
            }
            (DeliveryChange::Remove, _) => {
                self.deliveries.insert(order.key.clone(), None);
            }
            _ => {}
        }
    }

    fn add_order(&mut self, order: &Order, is_new: bool, is_whole: bool, new_operations: &[Uuid]) {
        match self.orders.get_mut(&order.key) {
            Some(pending) => {
                pending.is_whole |= is_whole;
                pending.row.order = order.clone();
                pending.row.new_operations.extend(new_operations);
            }
            None => {
                let row = PendingOrder {
                    order: order.clone(),
                    new_operations: new_operations.to_vec(),
                };
                let pending = Upsert {
                    row,
                    is_new,
                    is_whole,
                };
                self.orders.insert(order.key.clone(), pending);
            }
        }
    }

    fn add_operation(&mut self, operation: &Operation, is_new: bool, is_whole: bool) {
        match self.operations.get_mut(&operation.id) {
            Some(pending) => {
                pending.is_whole |= is_whole;
                pending.row = operation.clone();
            }
            None => {
                let row = operation.clone();
                let pending = Upsert {
                    row,
                    is_new,
                    is_whole,
                };
                self.operations.insert(operation.id, pending);
            }
        }
    }
}
