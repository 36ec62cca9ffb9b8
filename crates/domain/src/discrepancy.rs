//! Differences between the ledger and the orders service, and the runs that find them (section 7).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, DiscrepancyId, OrderKey, ReviewId, RunId};
use crate::operation::{UnknownWord, words};

/// How the two sides differ about one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscrepancyKind {
    /// The service's flag is not the level that Saldo owes it.
    NotDelivered,
    /// Ready at the service, unknown here.
    MissedOrder,
    /// Deducted at the service's word, unknown here.
    RemoteOnly,
    /// Cancelled there after it was deducted here, not sent.
    CancelledAfterDeduction,
    /// Cancelled there after goods were sent.
    CancelledAfterShipment,
    /// The lines differ from what was deducted.
    QuantityMismatch,
    /// Deducted here, unknown there.
    MissingRemotely,
    /// A row of the service's list cannot be read as an order.
    Malformed,
}

words!(DiscrepancyKind {
    NotDelivered => "not_delivered", MissedOrder => "missed_order", RemoteOnly => "remote_only",
    CancelledAfterDeduction => "cancelled_after_deduction", CancelledAfterShipment => "cancelled_after_shipment",
    QuantityMismatch => "quantity_mismatch", MissingRemotely => "missing_remotely", Malformed => "malformed",
});

impl DiscrepancyKind {
    /// All of them, for tables in the documentation, metrics and tests.
    pub const ALL: [Self; 8] = [
        Self::NotDelivered,
        Self::MissedOrder,
        Self::RemoteOnly,
        Self::CancelledAfterDeduction,
        Self::CancelledAfterShipment,
        Self::QuantityMismatch,
        Self::MissingRemotely,
        Self::Malformed,
    ];
}

/// What became of a discrepancy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscrepancyResolution {
    /// Reported only: automatic fixes are off, or the word that it rests on is not trusted yet.
    Reported,
    /// Seen, and to be seen once more before anything follows, or an operation of the order is under way.
    Watched,
    /// Put right, or set on its way to be right.
    AutoFixed,
    /// Before a person.
    Review,
    /// It went away.
    Gone,
}

words!(DiscrepancyResolution {
    Reported => "reported", Watched => "watched", AutoFixed => "auto_fixed", Review => "review", Gone => "gone",
});

impl DiscrepancyResolution {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Reported,
        Self::Watched,
        Self::AutoFixed,
        Self::Review,
        Self::Gone,
    ];
}

/// One difference, as a run saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which order.
    pub key: OrderKey,
    /// How it differs.
    pub kind: DiscrepancyKind,
    /// How it stands here, in words.
    pub local: String,
    /// How it stands there, in words.
    pub remote: String,
    /// What was done about it.
    pub resolution: DiscrepancyResolution,
    /// The review that it led to.
    pub review: Option<ReviewId>,
}

/// One difference, kept. There is at most one open of an order and a kind: seen again, it is the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// Which discrepancy.
    pub id: DiscrepancyId,
    /// What was seen last.
    pub found: Found,
    /// The run that saw it last.
    pub run: RunId,
    /// In how many runs it was seen.
    pub times_seen: u32,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
    /// When it went away; none while it is open. A fixed one is open until a later pass no longer sees it.
    pub closed_at: Option<Timestamp>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// It goes on.
    Running,
    /// It saw everything that it was asked to look at.
    Completed,
    /// Some account could not be looked at; the error says why. What was seen stands.
    Failed,
}

words!(RunOutcome { Running => "running", Completed => "completed", Failed => "failed" });

/// One run of reconciliation.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Which run.
    pub id: RunId,
    /// What it looks at.
    pub scope: RunScope,
    /// Who asked for it: a key's name, or `saldo`.
    pub by: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How.
    pub outcome: RunOutcome,
    /// Why it failed.
    pub error: Option<String>,
    /// What it did.
    pub tally: RunTally,
    /// Where to go on after a crash; nothing once it ended. Only the engine reads it.
    pub place: serde_json::Value,
}

/// What a run looks at. Without bounds it is a full pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunScope {
    /// One account, or all.
    pub account: Option<AccountId>,
    /// Bought at or after this moment.
    pub from: Option<Timestamp>,
    /// Bought at or before this moment.
    pub to: Option<Timestamp>,
    /// At most so many orders an account, the newest first.
    pub limit: Option<u64>,
    /// From each account's watermark on, with overlap: the regular pass.
    pub since_watermark: bool,
    /// Whether fixes are made; otherwise differences are only reported.
    pub auto_fix: bool,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTally {
    /// Orders compared.
    pub checked: u64,
    /// Differences found.
    pub found: u64,
    /// Differences put right.
    pub fixed: u64,
    /// Differences put before a person.
    pub for_review: u64,
    /// Calls of the orders service.
    pub calls: u64,
    /// Orders that all accounts have in the range, as far as it is known: for a progress bar.
    pub expected: u64,
}

/// How far an account's orders have landed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The account.
    pub account: AccountId,
    /// The latest purchase that landed with all that were bought before it; never a clock's word.
    pub landed: Option<Timestamp>,
    /// When the account's list was last read to its end.
    pub last_pass_at: Option<Timestamp>,
    /// When a full pass last ended well.
    pub last_full_pass_at: Option<Timestamp>,
    /// How many orders the last complete full list had: a list that is much shorter is suspect.
    pub last_full_total: Option<u64>,
}
