//! The rows, and how decisions load and change them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use saldo_domain::alert::{Alert, Outgoing};
use saldo_domain::changes::{Changes, DeliveryChange, FileChange};
use saldo_domain::delivery::Delivery;
use saldo_domain::discrepancy::{Discrepancy, Run, Watermark};
use saldo_domain::ids::{
    AccountId, AlertId, DiscrepancyId, LineItemId, MessageId, OperationId, OrderKey, ReportId, ReviewId,
    RunId,
};
use saldo_domain::operation::{LogEntry, Operation};
use saldo_domain::order::Order;
use saldo_domain::report::Report;
use saldo_domain::review::{Review, Subject};
use saldo_domain::rollout::{Rollout, ShadowOrder};
use saldo_domain::stock::{Balance, Mapping, Movement, OfferKey, StockKey};
use saldo_domain::view::{Key, OrderFile, RecordedAnswer, Row};

use super::instances::KeptCircuit;
use super::tasks::KeptLease;
use crate::circuits::CircuitSubject;
use crate::instances::Instance;
use crate::query::{Account, ApiKey};
use crate::tasks::TaskState;

/// Everything that a [`MemoryStore`](super::MemoryStore) holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tables {
    /// Orders with their lines.
    pub orders: BTreeMap<OrderKey, Order>,
    /// Which order holds a line.
    pub line_holders: BTreeMap<LineItemId, OrderKey>,
    /// Operations, finished too. Their ids grow, so this is the order in which they were recorded.
    pub operations: BTreeMap<OperationId, Operation>,
    /// Which operations are an order's.
    pub order_operations: BTreeMap<OrderKey, BTreeSet<OperationId>>,
    /// The history of each operation.
    pub log: BTreeMap<OperationId, Vec<LogEntry>>,
    /// What is owed.
    pub deliveries: BTreeMap<OrderKey, Delivery>,
    /// Reviews, closed too.
    pub reviews: BTreeMap<ReviewId, Review>,
    /// Which reviews are about an order.
    pub order_reviews: BTreeMap<OrderKey, BTreeSet<ReviewId>>,
    /// The movements of each SKU and warehouse.
    pub movements: BTreeMap<StockKey, Vec<Movement>>,
    /// Balances.
    pub balances: BTreeMap<StockKey, Balance>,
    /// What offers stand for.
    pub mappings: BTreeMap<OfferKey, Mapping>,
    /// Answers under idempotency keys.
    pub answers: BTreeMap<String, KeptAnswer>,
    /// Orders to fetch and take in, and since when.
    pub wishes: BTreeMap<OrderKey, Timestamp>,
    /// The accounts known.
    pub accounts: BTreeMap<AccountId, Account>,
    /// API keys that were not revoked, by name.
    pub api_keys: BTreeMap<String, ApiKey>,
    /// Every rollout that was ever in force, oldest first.
    pub rollouts: Vec<Rollout>,
    /// When stock was last counted or imported.
    pub stock_counted: Option<Timestamp>,
    /// Alerts, ended ones too. Their ids grow.
    pub alerts: BTreeMap<AlertId, Alert>,
    /// Messages about alerts, sent ones too.
    pub messages: BTreeMap<MessageId, Outgoing>,
    /// Orders in shadow.
    pub shadow_orders: BTreeMap<OrderKey, ShadowOrder>,
    /// How far each account's orders have landed.
    pub watermarks: BTreeMap<AccountId, Watermark>,
    /// Runs of reconciliation.
    pub runs: BTreeMap<RunId, Run>,
    /// Differences found, closed ones too.
    pub discrepancies: BTreeMap<DiscrepancyId, Discrepancy>,
    /// What is remembered of scheduled tasks, by name.
    pub task_states: BTreeMap<String, TaskState>,
    /// Who may run what, by name.
    pub leases: BTreeMap<String, KeptLease>,
    /// Running servers, by id.
    pub instances: BTreeMap<String, Instance>,
    /// Circuits that instances share, closed ones too.
    pub circuits: BTreeMap<CircuitSubject, KeptCircuit>,
    /// Reports that were made.
    pub reports: BTreeMap<ReportId, Report>,
}

/// What is kept under an idempotency key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptAnswer {
    /// What the decision recorded.
    pub recorded: RecordedAnswer,
    /// The final HTTP answer, once there is one.
    pub final_answer: Option<serde_json::Value>,
}

impl Tables {
    /// The row of a key, as a decision sees it.
    pub(super) fn load(&self, key: &Key) -> Row {
        match key {
            Key::Order(key) => Row::Order(key.clone(), self.live_order(key).map(Box::new)),
            Key::Line(line) => Row::Line(line.clone(), self.line_holders.get(line).cloned()),
            Key::Balance(key) => Row::Balance(key.clone(), self.balances.get(key).cloned()),
            Key::Mapping(key) => Row::Mapping(key.clone(), self.mappings.get(key).cloned()),
            Key::Operation(id) => Row::Operation(*id, self.operations.get(id).cloned().map(Box::new)),
            Key::Review(id) => Row::Review(*id, self.reviews.get(id).cloned().map(Box::new)),
            Key::OpenReview(reason, subject) => {
                let mut reviews = self.reviews.values();
                let open = reviews.find(|review| {
                    review.is_open() && review.reason == *reason && review.subject == *subject
                });
                Row::OpenReview(*reason, subject.clone(), open.cloned().map(Box::new))
            }
            Key::Answer(key) => Row::Answer(
                key.clone(),
                self.answers.get(key).map(|kept| kept.recorded.clone()),
            ),
            Key::Rollout => Row::Rollout(self.rollouts.last().cloned()),
            Key::StockCounted => Row::StockCounted(self.stock_counted),
            Key::Shadow(key) => Row::Shadow(key.clone(), self.shadow_orders.get(key).cloned().map(Box::new)),
            Key::List(list) => Row::List(list.clone(), self.list(list)),
        }
    }

    /// An order with what is unfinished of it, oldest first.
    pub(super) fn live_order(&self, key: &OrderKey) -> Option<OrderFile> {
        let order = self.orders.get(key)?.clone();
        let operations = self
            .operations_of(key)
            .filter(|operation| operation.status.is_unfinished());
        let reviews = self.reviews_of(key).filter(|review| review.is_open());
        Some(OrderFile {
            order,
            operations: operations.cloned().collect(),
            delivery: self.deliveries.get(key).cloned(),
            reviews: reviews.cloned().collect(),
        })
    }

    pub(super) fn operations_of(&self, key: &OrderKey) -> impl DoubleEndedIterator<Item = &Operation> {
        let ids = self.order_operations.get(key).into_iter().flatten();
        ids.filter_map(|id| self.operations.get(id))
    }

    pub(super) fn reviews_of(&self, key: &OrderKey) -> impl DoubleEndedIterator<Item = &Review> {
        let ids = self.order_reviews.get(key).into_iter().flatten();
        ids.filter_map(|id| self.reviews.get(id))
    }

    /// Stores what a decision changed.
    pub(super) fn apply(&mut self, changes: Changes) {
        for line in changes.files.iter().flat_map(|change| &change.removed_lines) {
            self.line_holders.remove(line);
        }
        for change in changes.files {
            self.apply_file(change);
        }
        self.line_holders.extend(changes.line_holders);
        for change in changes.adjustments {
            self.operations.insert(change.operation.id, change.operation);
        }
        for movement in changes.movements {
            self.movements
                .entry(movement.key.clone())
                .or_default()
                .push(movement);
        }
        for balance in changes.balances {
            self.balances.insert(balance.key.clone(), balance);
        }
        for entry in changes.log {
            self.log.entry(entry.operation).or_default().push(entry);
        }
        for review in changes.reviews {
            self.put_review(review);
        }
        for mapping in changes.mappings {
            self.mappings.insert(mapping.key.clone(), mapping);
        }
        for recorded in changes.answers {
            self.answers.insert(
                recorded.key.clone(),
                KeptAnswer {
                    recorded,
                    final_answer: None,
                },
            );
        }
        self.rollouts.extend(changes.rollout);
        self.stock_counted = changes.stock_counted.or(self.stock_counted);
        for shadow in changes.shadows {
            self.put_shadow(shadow);
        }
    }

    /// What would be done replaces what was recorded before; what a comparison said stays unless that differs.
    fn put_shadow(&mut self, mut shadow: ShadowOrder) {
        if let Some(known) = self.shadow_orders.get(&shadow.key) {
            shadow.seen_at = known.seen_at;
            if known.would == shadow.would {
                shadow.remote_flag = known.remote_flag;
                shadow.compared_at = known.compared_at;
                shadow.verdict = known.verdict;
            }
        }
        self.shadow_orders.insert(shadow.key.clone(), shadow);
    }

    fn apply_file(&mut self, change: FileChange) {
        let key = change.after.order.key.clone();
        for changed in &change.changed_operations {
            let operation = change.after.operations[changed.position].clone();
            self.order_operations
                .entry(key.clone())
                .or_default()
                .insert(operation.id);
            self.operations.insert(operation.id, operation);
        }
        for &position in &change.changed_reviews {
            self.put_review(change.after.reviews[position].clone());
        }
        match (change.delivery, change.after.delivery) {
            (DeliveryChange::Put, Some(delivery)) => {
                self.deliveries.insert(key.clone(), delivery);
            }
            (DeliveryChange::Remove, _) => {
                self.deliveries.remove(&key);
            }
            _ => {}
        }
        self.orders.insert(key, change.after.order);
    }

    fn put_review(&mut self, review: Review) {
        if let Subject::Order(key) = &review.subject {
            self.order_reviews
                .entry(key.clone())
                .or_default()
                .insert(review.id);
        }
        self.reviews.insert(review.id, review);
    }

    /// Adds an account, or brings it up to date: a name is never forgotten, nor that it was added by hand.
    pub(super) fn put_account(&mut self, account: Account) {
        let known = self.accounts.entry(account.id).or_insert_with(|| account.clone());
        if account.name.is_some() {
            known.name = account.name;
        }
        known.by_hand |= account.by_hand;
    }
}
