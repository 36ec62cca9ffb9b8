//! What Saldo keeps of one order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{LineItemId, OfferId, OperationId, OrderId, OrderKey};
use crate::limits::REVISIONS_MAX;
use crate::lines::Lines;
use crate::review::ReviewReason;
use crate::stock::StockKey;
use crate::text::{Sku, Warehouse};

/// Where an order stands. Every known order stands in exactly one place (invariant 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Standing {
    /// Not paid yet; a ready copy moves it on.
    AwaitsPayment,
    /// Too little stock, or a SKU never held; a receipt, a mapping or a repeat tries again.
    AwaitsStock,
    /// A person is asked first; the open review says what.
    AwaitsReview,
    /// Its stock was taken.
    Applied,
    /// Everything taken was given back, by a rollback or refunds. Known for ever: not deducted again.
    GivenBack,
    /// Cancelled. By the buyer or Allegro it is final; by the seller's fulfillment it can be reopened.
    Cancelled {
        /// `status: CANCELLED` was seen, which nothing can follow.
        is_final: bool,
    },
    /// Never ours to deduct.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// Its lines went into another form, which answers for it.
    Merged {
        /// The form that the buyer paid.
        into: OrderId,
    },
    /// A person said that it is settled elsewhere, or gave it up: nothing moves, now or later.
    Settled,
}

/// Why an order was never ours to deduct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Sent from Allegro's own warehouse.
    FulfilledByAllegro,
    /// Bought before Saldo was to begin: whoever deducted before has dealt with it.
    BeforeStart,
    /// First seen while its account was off or in shadow, or brought over as already deducted: it belongs to the
    /// old way for ever, unless a person hands it over.
    OldWay,
}

impl SkipReason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::FulfilledByAllegro, Self::BeforeStart, Self::OldWay];

    /// The stable word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FulfilledByAllegro => "fulfilled_by_allegro",
            Self::BeforeStart => "before_start",
            Self::OldWay => "old_way",
        }
    }
}

/// A quantity of one SKU that a line takes from one warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What and where.
    pub key: StockKey,
    /// Units of it per sold unit of the line.
    pub units: i64,
    /// Net units taken now: what the line's movements of this part add up to, with the sign turned.
    pub taken: i64,
}

/// One line of an order. A deduction is remembered by its id, over all accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The line item id.
    pub id: LineItemId,
    /// Whether the id was made by us because none was given.
    pub made_up: bool,
    /// The offer, where it is known.
    pub offer: Option<OfferId>,
    /// `offer.external.id` as it came.
    pub external: Option<Sku>,
    /// Sold units as the newest copy says.
    pub quantity: i64,
    /// What the line takes; empty until its stock was first taken.
    pub parts: Vec<Part>,
}

impl Line {
    /// Net units taken over all parts.
    #[must_use]
    pub fn taken(&self) -> i64 {
        self.parts.iter().map(|part| part.taken).sum()
    }
}

/// Everything kept of one order itself. Its operations, delivery and reviews stand beside it in
/// [`OrderFile`](crate::view::OrderFile).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Which order.
    pub key: OrderKey,
    /// Where its lines are taken from.
    pub warehouse: Warehouse,
    /// Where it stands.
    pub standing: Standing,
    /// Its lines, in the order of the form.
    pub lines: Lines<Line>,
    /// Whether a checkout form was seen, and not only single lines.
    pub form_seen: bool,
    /// Whether any copy ever said that goods were sent.
    pub shipped: bool,
    /// Whether a movement of ours was ever applied: only then has Saldo an opinion on its flag (invariant 6).
    pub touched: bool,
    /// The flag that the service last confirmed to us.
    pub flag_confirmed: Option<bool>,
    /// When that was.
    pub flag_confirmed_at: Option<Timestamp>,
    /// The operation that a repeat is answered with.
    pub first_operation: Option<OperationId>,
    /// Revisions seen, oldest first; bounded by [`REVISIONS_MAX`].
    pub revisions: Vec<String>,
    /// `updatedAt` of the newest copy.
    pub copy_updated_at: Option<Timestamp>,
    /// When the first line was bought.
    pub bought_at: Option<Timestamp>,
    /// SKUs that it waits for; non-empty only while it stands at [`Standing::AwaitsStock`].
    pub awaited: Vec<StockKey>,
    /// What a person has already answered about it, so that the same facts are not asked about again.
    pub answered: Vec<ReviewReason>,
    /// When Saldo first heard of it.
    pub created_at: Timestamp,
    /// When anything of it last changed. That a worker took its delivery up is no change: how that ended is.
    pub updated_at: Timestamp,
}

impl Order {
    /// An order that Saldo hears of now, with nothing known of it yet.
    #[must_use]
    pub fn first_heard_of(key: OrderKey, warehouse: Warehouse, now: Timestamp) -> Self {
        Self {
            key,
            warehouse,
            standing: Standing::AwaitsStock,
            lines: Lines::default(),
            form_seen: false,
            shipped: false,
            touched: false,
            flag_confirmed: None,
            flag_confirmed_at: None,
            first_operation: None,
            revisions: Vec::new(),
            copy_updated_at: None,
            bought_at: None,
            awaited: Vec::new(),
            answered: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }

    /// Net units taken over all lines.
    #[must_use]
    pub fn taken(&self) -> i64 {
        self.lines.iter().map(Line::taken).sum()
    }

    /// The flag that the orders service should hold (invariant 6).
    #[must_use]
    pub fn level(&self) -> bool {
        self.taken() > 0
    }

    /// Whether another state of it differs at most in what was confirmed of its flag, and in when it changed.
    #[must_use]
    pub fn is_but_for_confirmation(&self, other: &Self) -> bool {
        // Taken apart, so that a field that is added is thought of here.
        let Self {
            key,
            warehouse,
            standing,
            lines,
            form_seen,
            shipped,
            touched,
            flag_confirmed: _,
            flag_confirmed_at: _,
            first_operation,
            revisions,
            copy_updated_at,
            bought_at,
            awaited,
            answered,
            created_at,
            updated_at: _,
        } = self;
        *key == other.key
            && *warehouse == other.warehouse
            && *standing == other.standing
            && *lines == other.lines
            && *form_seen == other.form_seen
            && *shipped == other.shipped
            && *touched == other.touched
            && *first_operation == other.first_operation
            && *revisions == other.revisions
            && *copy_updated_at == other.copy_updated_at
            && *bought_at == other.bought_at
            && *awaited == other.awaited
            && *answered == other.answered
            && *created_at == other.created_at
    }

    /// Remembers a revision, so that it is never again taken for news.
    pub fn remember_revision(&mut self, revision: &str) {
        if self.revisions.iter().any(|seen| seen == revision) {
            return;
        }
        if self.revisions.len() >= REVISIONS_MAX {
            self.revisions.remove(0);
        }
        self.revisions.push(revision.to_owned());
    }
}
