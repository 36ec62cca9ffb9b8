//! What a decision may look at: rows that a store has loaded.
//!
//! A decision that needs a row which was not loaded stops with [`Stop::Missing`]; the store loads it and asks
//! again. So the rules stay free of input and output, and a store can load the rows of a whole batch at once.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::changes::Changes;
use crate::delivery::Delivery;
use crate::ids::{AccountId, LineItemId, OperationId, OrderKey, ReviewId};
use crate::operation::Operation;
use crate::order::Order;
use crate::review::{Review, ReviewReason, Subject};
use crate::rollout::{Rollout, ShadowOrder};
use crate::stock::{Balance, Mapping, OfferKey, StockKey};

/// Everything live of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFile {
    /// The order with its lines.
    pub order: Order,
    /// Its unfinished operations, oldest first, and those that this decision finished.
    pub operations: Vec<Operation>,
    /// What it owes the orders service.
    pub delivery: Option<Delivery>,
    /// Its open reviews, and those that this decision closed.
    pub reviews: Vec<Review>,
}

impl OrderFile {
    /// The file of an order, with nothing beside it yet.
    #[must_use]
    pub const fn of(order: Order) -> Self {
        Self {
            order,
            operations: Vec::new(),
            delivery: None,
            reviews: Vec::new(),
        }
    }

    /// The unfinished operation of an id.
    #[must_use]
    pub fn operation(&self, id: OperationId) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == id)
    }

    /// The open review of a reason.
    #[must_use]
    pub fn open_review(&self, reason: ReviewReason) -> Option<&Review> {
        self.reviews
            .iter()
            .find(|review| review.is_open() && review.reason == reason)
    }

    /// Leaves only what a store would load: no finished operations, no closed reviews.
    fn forget_finished(&mut self) {
        self.operations
            .retain(|operation| operation.status.is_unfinished());
        self.reviews.retain(Review::is_open);
    }
}

/// The answer that was given under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedAnswer {
    /// The key, as the caller chose it, within its scope.
    pub key: String,
    /// A hash of what was asked, to tell the same request from another one under the same key.
    pub fingerprint: String,
    /// The outcome, as JSON.
    pub outcome: serde_json::Value,
    /// When.
    pub at: Timestamp,
}

/// Which due deliveries to look for: fair turns between accounts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DueRequest {
    /// Due at or before this moment.
    pub now: Timestamp,
    /// Begin with the account after this one, and go round.
    pub after_account: Option<AccountId>,
    /// Accounts that may not start a call now; sorted.
    pub excluded: Vec<AccountId>,
    /// Only this account, for a probe.
    pub only: Option<AccountId>,
    /// At most so many of one account.
    pub per_account_max: usize,
    /// At most so many in all.
    pub count_max: usize,
}

/// Where an order stands in a list that has the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// When Saldo first heard of the order.
    pub created_at: Timestamp,
    /// The order.
    pub order: OrderKey,
}

/// A list of orders that a decision asks for; each list is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListKey {
    /// Orders whose delivery is due, accounts taking turns, the longest due first. What is due after
    /// `stranded_after` is due as well: no wait of ours is so long, so a clock was set back since.
    Due {
        /// Which deliveries.
        request: DueRequest,
        /// Later than any wait from now on can end.
        stranded_after: Timestamp,
    },
    /// Orders that wait for a SKU, oldest first, after a place.
    AwaitingStock(StockKey, Option<Place>),
    /// Orders with an open `sku_missing` or `sku_unknown` review and a line of this offer, oldest first, after a
    /// place.
    AwaitingOffer(OfferKey, Option<Place>),
    /// Orders that have owed a delivery since before a moment, oldest first; of one account, or of all.
    OwedSince {
        /// Of one account, or of all.
        account: Option<AccountId>,
        /// The moment.
        before: Timestamp,
    },
    /// Orders with failed operations under a review, oldest first.
    FailedUnder(ReviewId),
    /// Orders that have waited for payment since before a moment, and that nobody was asked about; oldest first.
    UnpaidSince {
        /// The moment.
        before: Timestamp,
    },
    /// Orders that wait for payment, and that were asked about in a review; oldest first.
    UnpaidUnder(ReviewId),
}

/// Names one row, or one list, that a decision looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// An [`OrderFile`].
    Order(OrderKey),
    /// Which order holds a line.
    Line(LineItemId),
    /// A balance.
    Balance(StockKey),
    /// A mapping.
    Mapping(OfferKey),
    /// An operation, finished or not.
    Operation(OperationId),
    /// A review, open or not.
    Review(ReviewId),
    /// The open review of a reason and a subject that is not an order.
    OpenReview(ReviewReason, Subject),
    /// The answer given under an idempotency key.
    Answer(String),
    /// The mode in force.
    Rollout,
    /// When stock was last counted or imported.
    StockCounted,
    /// An order in shadow.
    Shadow(OrderKey),
    /// A list of orders.
    List(ListKey),
}

/// Why a decision did not come to an end.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// These rows are needed first.
    Missing(Vec<Key>),
    /// The request is refused, and nothing changes.
    Refused(Refusal),
    /// A rule would have been broken: a mistake of ours. Nothing is written.
    Defect(String),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// Whether it is not there, in conflict with what is, or bad.
    pub kind: RefusalKind,
    /// A stable, documented word.
    pub code: &'static str,
    /// What happened, to what, and what to do.
    pub detail: String,
}

/// The class of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// What was named does not exist.
    NotFound,
    /// It is at odds with what is stored.
    Conflict,
    /// It cannot be right in any state.
    Invalid,
}

impl Refusal {
    /// What was named does not exist.
    #[must_use]
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::NotFound,
            code,
            detail: detail.into(),
        }
    }

    /// It is at odds with what is stored.
    #[must_use]
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Conflict,
            code,
            detail: detail.into(),
        }
    }

    /// It cannot be right in any state.
    #[must_use]
    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: RefusalKind::Invalid,
            code,
            detail: detail.into(),
        }
    }
}

/// A row that is loaded: `Some(None)` says that it was looked for and is not there.
type Loaded<K, V> = HashMap<K, Option<V>>;

/// The rows loaded so far, with the changes of earlier decisions of the same transaction applied.
#[derive(Debug, Default)]
pub struct View {
    orders: Loaded<OrderKey, OrderFile>,
    lines: Loaded<LineItemId, OrderKey>,
    balances: Loaded<StockKey, Balance>,
    mappings: Loaded<OfferKey, Mapping>,
    operations: Loaded<OperationId, Operation>,
    reviews: Loaded<ReviewId, Review>,
    open_reviews: HashMap<(ReviewReason, Subject), Option<Review>>,
    answers: Loaded<String, RecordedAnswer>,
    rollout: Option<Option<Rollout>>,
    stock_counted: Option<Option<Timestamp>>,
    shadows: Loaded<OrderKey, ShadowOrder>,
    lists: HashMap<ListKey, Vec<OrderKey>>,
}

/// One loaded row, as a store hands it to a [`View`].
#[derive(Debug, Clone)]
pub enum Row {
    /// For [`Key::Order`].
    Order(OrderKey, Option<Box<OrderFile>>),
    /// For [`Key::Line`].
    Line(LineItemId, Option<OrderKey>),
    /// For [`Key::Balance`].
    Balance(StockKey, Option<Balance>),
    /// For [`Key::Mapping`].
    Mapping(OfferKey, Option<Mapping>),
    /// For [`Key::Operation`].
    Operation(OperationId, Option<Box<Operation>>),
    /// For [`Key::Review`].
    Review(ReviewId, Option<Box<Review>>),
    /// For [`Key::OpenReview`].
    OpenReview(ReviewReason, Subject, Option<Box<Review>>),
    /// For [`Key::Answer`].
    Answer(String, Option<RecordedAnswer>),
    /// For [`Key::Rollout`].
    Rollout(Option<Rollout>),
    /// For [`Key::StockCounted`].
    StockCounted(Option<Timestamp>),
    /// For [`Key::Shadow`].
    Shadow(OrderKey, Option<Box<ShadowOrder>>),
    /// For [`Key::List`].
    List(ListKey, Vec<OrderKey>),
}

macro_rules! look_up {
    ($(#[$doc:meta])* $method:ident, $field:ident, $key:ty, $value:ty, $variant:path) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`Stop::Missing`] when it was not loaded.
        pub fn $method(&self, key: &$key) -> Result<Option<&$value>, Stop> {
            match self.$field.get(key) {
                Some(row) => Ok(row.as_ref()),
                None => Err(Stop::Missing(vec![$variant(key.clone())])),
            }
        }
    };
}

impl View {
    /// Whether a row is loaded already.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        match key {
            Key::Order(key) => self.orders.contains_key(key),
            Key::Line(line) => self.lines.contains_key(line),
            Key::Balance(key) => self.balances.contains_key(key),
            Key::Mapping(key) => self.mappings.contains_key(key),
            Key::Operation(id) => self.operations.contains_key(id),
            Key::Review(id) => self.reviews.contains_key(id),
            Key::OpenReview(reason, subject) => self.open_reviews.contains_key(&(*reason, subject.clone())),
            Key::Answer(key) => self.answers.contains_key(key),
            Key::Rollout => self.rollout.is_some(),
            Key::StockCounted => self.stock_counted.is_some(),
            Key::Shadow(key) => self.shadows.contains_key(key),
            Key::List(key) => self.lists.contains_key(key),
        }
    }

    /// Takes in a loaded row.
    pub fn insert(&mut self, row: Row) {
        match row {
            Row::Order(key, file) => {
                self.orders.insert(key, file.map(|file| *file));
            }
            Row::Line(line, holder) => {
                self.lines.insert(line, holder);
            }
            Row::Balance(key, balance) => {
                self.balances.insert(key, balance);
            }
            Row::Mapping(key, mapping) => {
                self.mappings.insert(key, mapping);
            }
            Row::Operation(id, operation) => {
                self.operations.insert(id, operation.map(|operation| *operation));
            }
            Row::Review(id, review) => {
                self.reviews.insert(id, review.map(|review| *review));
            }
            Row::OpenReview(reason, subject, review) => {
                self.open_reviews
                    .insert((reason, subject), review.map(|review| *review));
            }
            Row::Answer(key, answer) => {
                self.answers.insert(key, answer);
            }
            Row::Rollout(rollout) => self.rollout = Some(rollout),
            Row::StockCounted(moment) => self.stock_counted = Some(moment),
            Row::Shadow(key, shadow) => {
                self.shadows.insert(key, shadow.map(|shadow| *shadow));
            }
            Row::List(key, list) => {
                self.lists.insert(key, list);
            }
        }
    }

    look_up!(
        /// Everything live of an order.
        order, orders, OrderKey, OrderFile, Key::Order
    );
    look_up!(
        /// The order that holds a line.
        line, lines, LineItemId, OrderKey, Key::Line
    );
    look_up!(
        /// A balance; none when the warehouse never held the SKU.
        balance, balances, StockKey, Balance, Key::Balance
    );
    look_up!(
        /// What an offer stands for.
        mapping, mappings, OfferKey, Mapping, Key::Mapping
    );
    look_up!(
        /// An operation, finished or not.
        operation, operations, OperationId, Operation, Key::Operation
    );
    look_up!(
        /// A review, open or not.
        review, reviews, ReviewId, Review, Key::Review
    );
    look_up!(
        /// The answer given under an idempotency key.
        answer, answers, String, RecordedAnswer, Key::Answer
    );
    look_up!(
        /// An order in shadow. Only what would have been done is kept up to date here, not what a comparison says.
        shadow, shadows, OrderKey, ShadowOrder, Key::Shadow
    );

    /// The mode in force; none before it was first set.
    ///
    /// # Errors
    /// [`Stop::Missing`] when it was not loaded.
    pub fn rollout(&self) -> Result<Option<&Rollout>, Stop> {
        match &self.rollout {
            Some(rollout) => Ok(rollout.as_ref()),
            None => Err(Stop::Missing(vec![Key::Rollout])),
        }
    }

    /// When stock was last counted or imported.
    ///
    /// # Errors
    /// [`Stop::Missing`] when it was not loaded.
    pub fn stock_counted(&self) -> Result<Option<Timestamp>, Stop> {
        match self.stock_counted {
            Some(moment) => Ok(moment),
            None => Err(Stop::Missing(vec![Key::StockCounted])),
        }
    }

    /// The open review of a reason and a subject that is not an order.
    ///
    /// # Errors
    /// [`Stop::Missing`] when it was not loaded.
    pub fn open_review(&self, reason: ReviewReason, subject: &Subject) -> Result<Option<&Review>, Stop> {
        match self.open_reviews.get(&(reason, subject.clone())) {
            Some(review) => Ok(review.as_ref()),
            None => Err(Stop::Missing(vec![Key::OpenReview(reason, subject.clone())])),
        }
    }

    /// A list of orders.
    ///
    /// # Errors
    /// [`Stop::Missing`] when it was not loaded.
    pub fn list(&self, key: &ListKey) -> Result<&[OrderKey], Stop> {
        match self.lists.get(key) {
            Some(list) => Ok(list),
            None => Err(Stop::Missing(vec![Key::List(key.clone())])),
        }
    }

    /// Takes an order's file out, for a store that keeps it elsewhere.
    pub fn take_order(&mut self, key: &OrderKey) -> Option<OrderFile> {
        self.orders.remove(key).flatten()
    }

    /// Makes the changes of a decision visible to those that follow in the same transaction.
    pub fn apply(&mut self, changes: Changes) {
        // A list may name orders that no longer belong to it, or lack new ones: it is looked for again.
        self.lists.clear();
        for mut change in changes.files {
            for line in &change.removed_lines {
                self.lines.insert(line.clone(), None);
            }
            let key = change.after.order.key.clone();
            for &index in &change.changed_operations {
                let operation = &change.after.operations[index.position];
                if let Some(slot) = self.operations.get_mut(&operation.id) {
                    *slot = Some(operation.clone());
                }
            }
            for &index in &change.changed_reviews {
                let review = &change.after.reviews[index];
                if let Some(slot) = self.reviews.get_mut(&review.id) {
                    *slot = Some(review.clone());
                }
            }
            change.after.forget_finished();
            self.orders.insert(key, Some(change.after));
        }
        for (line, holder) in changes.line_holders {
            self.lines.insert(line, Some(holder));
        }
        for balance in changes.balances {
            self.balances.insert(balance.key.clone(), Some(balance));
        }
        for mapping in changes.mappings {
            self.mappings.insert(mapping.key.clone(), Some(mapping));
        }
        for operation in changes.adjustments {
            self.operations
                .insert(operation.operation.id, Some(operation.operation));
        }
        for review in changes.reviews {
            let open = review.is_open().then(|| review.clone());
            self.open_reviews
                .insert((review.reason, review.subject.clone()), open);
            self.reviews.insert(review.id, Some(review));
        }
        for answer in changes.answers {
            self.answers.insert(answer.key.clone(), Some(answer));
        }
        if changes.rollout.is_some() {
            self.rollout = Some(changes.rollout);
        }
        if changes.stock_counted.is_some() {
            self.stock_counted = Some(changes.stock_counted);
        }
        for shadow in changes.shadows {
            self.shadows.insert(shadow.key.clone(), Some(shadow));
        }
    }

    /// Forgets rows, for a store that keeps a view between transactions: first what is of one request or of orders
    /// that owe nothing, and keeps the balances and mappings that nearly every order needs. Where more than `rows_max`
    /// would be left, everything.
    pub fn forget(&mut self, rows_max: usize) {
        self.lines.clear();
        self.operations.clear();
        self.reviews.clear();
        self.open_reviews.clear();
        self.answers.clear();
        self.lists.clear();
        self.shadows.clear();
        self.orders
            .retain(|_, file| file.as_ref().is_some_and(|file| file.delivery.is_some()));
        if self.rows() > rows_max {
            *self = Self::default();
        }
    }

    /// How many rows are loaded: a store that keeps a view between transactions bounds it by this.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.orders.len()
            + self.lines.len()
            + self.balances.len()
            + self.mappings.len()
            + self.operations.len()
            + self.reviews.len()
            + self.open_reviews.len()
            + self.answers.len()
            + self.shadows.len()
    }
}
