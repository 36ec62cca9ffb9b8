//! Questions for a person.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, OperationId, OrderId, OrderKey, ReviewId};
use crate::operation::{UnknownWord, words};

/// Why a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewReason {
    /// Too little stock for the order.
    InsufficientStock,
    /// A line has neither `offer.external.id` nor a mapping.
    SkuMissing,
    /// The warehouse never held that SKU.
    SkuUnknown,
    /// The service refused the flag, or every retry was used up.
    DeliveryFailed,
    /// Deliveries waited longer than `give_up_hours` through one outage.
    GaveUp,
    /// The orders service no longer knows the account.
    AccountUnusable,
    /// The service's flag was already true for an order unknown here.
    RemoteOnly,
    /// Cancelled when goods had already been sent.
    CancelledAfterShipment,
    /// A copy differs from what was deducted, and may not be believed by itself.
    QuantityMismatch,
    /// All items came back; a person decides whether they go on the shelf.
    Returned,
    /// A line was already taken for another account.
    OtherAccount,
    /// The seller took a cancellation back.
    Reopened,
    /// Orders of an account have stood unpaid for so long that the news of their payment may have been missed.
    StuckUnpaid,
    /// Ready at the service and unknown here for so long that somebody may have dealt with it otherwise.
    MissedOrder,
    /// Cancelled after it was deducted, and too old to be given back without asking.
    CancelledAfterDeduction,
    /// Deducted here, and unknown to the service in two complete passes.
    MissingRemotely,
    /// The service's copy of it cannot be read as an order.
    Malformed,
}

words!(ReviewReason {
    InsufficientStock => "insufficient_stock", SkuMissing => "sku_missing", SkuUnknown => "sku_unknown",
    DeliveryFailed => "delivery_failed", GaveUp => "gave_up", AccountUnusable => "account_unusable",
    RemoteOnly => "remote_only", CancelledAfterShipment => "cancelled_after_shipment",
    QuantityMismatch => "quantity_mismatch", Returned => "returned", OtherAccount => "other_account",
    Reopened => "reopened", StuckUnpaid => "stuck_unpaid", MissedOrder => "missed_order",
    CancelledAfterDeduction => "cancelled_after_deduction", MissingRemotely => "missing_remotely",
    Malformed => "malformed",
});

impl ReviewReason {
    /// All of them, for tables in the documentation and tests.
    pub const ALL: [Self; 17] = [
        Self::InsufficientStock,
        Self::SkuMissing,
        Self::SkuUnknown,
        Self::DeliveryFailed,
        Self::GaveUp,
        Self::AccountUnusable,
        Self::RemoteOnly,
        Self::CancelledAfterShipment,
        Self::QuantityMismatch,
        Self::Returned,
        Self::OtherAccount,
        Self::Reopened,
        Self::StuckUnpaid,
        Self::MissedOrder,
        Self::CancelledAfterDeduction,
        Self::MissingRemotely,
        Self::Malformed,
    ];
}

/// What a person answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Try again what was asked about.
    Retry,
    /// The world is right as it is: nothing moves.
    Accept,
    /// Do it all the same.
    Force,
    /// Call the operation off, and restore what it had taken.
    Cancel,
    /// Say what the offer stands for, and try again.
    MapSku,
}

words!(Resolution {
    Retry => "retry", Accept => "accept", Force => "force", Cancel => "cancel", MapSku => "map_sku",
});

impl Resolution {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Retry, Self::Accept, Self::Force, Self::Cancel, Self::MapSku];
}

/// What a review is about. There is at most one open review of a reason and a subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One order.
    Order(OrderKey),
    /// One account.
    Account(AccountId),
    /// The orders service as a whole.
    Service,
}

impl Subject {
    /// The account, where there is one.
    #[must_use]
    pub const fn account(&self) -> Option<AccountId> {
        match self {
            Self::Order(key) => Some(key.account),
            Self::Account(account) => Some(*account),
            Self::Service => None,
        }
    }

    /// The order, where there is one.
    #[must_use]
    pub const fn order(&self) -> Option<&OrderId> {
        match self {
            Self::Order(key) => Some(&key.order),
            _ => None,
        }
    }
}

/// One question for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Which review.
    pub id: ReviewId,
    /// Why.
    pub reason: ReviewReason,
    /// About what.
    pub subject: Subject,
    /// The operation that waits for the answer.
    pub operation: Option<OperationId>,
    /// Facts for the person: for stock, the lines with what is required, available and short.
    pub details: serde_json::Value,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The answer, once there is one.
    pub answer: Option<Answer>,
}

/// The end of a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was answered; none when the cause went away by itself.
    pub resolution: Option<Resolution>,
    /// Who answered: a key's name, or `saldo` when the cause went away by itself.
    pub by: String,
    /// What the person wrote.
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Review {
    /// Whether it still waits for an answer.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.answer.is_none()
    }
}
