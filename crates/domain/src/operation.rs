//! Operations, their status, and their log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{LineItemId, LogEntryId, OfferId, OperationId, OrderKey, ReviewId};
use crate::lines::Lines;
use crate::text::{Sku, Warehouse};

/// What an operation does to stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationType {
    /// Takes the stock of an order.
    Deduction,
    /// Brings stock of an order back.
    Refund,
    /// A receipt, a count or a transfer: not tied to an order.
    Adjustment,
}

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationStatus {
    /// Recorded, and waiting for what `waiting_for` names. A claim, an answer or a person moves it on.
    Pending,
    /// Under delivery. Its order's delivery has a lease; when that expires it returns to pending.
    Processing,
    /// Done: the service has confirmed it, or nothing was owed.
    Completed,
    /// Given up, with an open review. A person, or the end of an outage, moves it on.
    Failed,
    /// Undone or called off. Final.
    RolledBack,
}

impl OperationStatus {
    /// Whether a move is one of those in section 5 of the design. Nothing else is ever stored.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use OperationStatus::{Completed, Failed, Pending, Processing, RolledBack};
        matches!(
            (self, next),
            (Pending, Processing)
                | (Processing, Completed | Pending | Failed)
                | (Failed, Pending)
                | (Pending | Processing | Failed | Completed, RolledBack)
        )
    }

    /// Whether there is still something to do.
    #[must_use]
    pub const fn is_unfinished(self) -> bool {
        matches!(self, Self::Pending | Self::Processing | Self::Failed)
    }
}

/// What an unfinished operation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// The orders service to be told.
    Delivery,
    /// Stock to be received.
    Stock,
    /// The buyer to pay.
    Payment,
    /// The account to be usable again.
    Account,
    /// A person to answer.
    Review,
}

macro_rules! words {
    ($name:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $name {
            /// The stable word used in the API, in columns and in logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;
            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word { $($word => Ok(Self::$variant),)+ _ => Err(UnknownWord(word.to_owned())) }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

/// A word that is none of those expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown word {0:?}")]
pub struct UnknownWord(pub String);

words!(OperationType { Deduction => "deduction", Refund => "refund", Adjustment => "adjustment" });
words!(OperationStatus {
    Pending => "pending", Processing => "processing", Completed => "completed", Failed => "failed",
    RolledBack => "rolled_back",
});
words!(WaitingFor {
    Delivery => "delivery", Stock => "stock", Payment => "payment", Account => "account", Review => "review",
});

/// One line of an operation: what it moves, or would move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationLine {
    /// The order line; none for receipts, counts and transfers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<LineItemId>,
    /// The offer, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<OfferId>,
    /// The SKU; none while it is not known what the offer stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// Units: taken by a deduction, brought back by a refund, signed for an adjustment.
    pub quantity: i64,
    /// The warehouse.
    pub warehouse: Warehouse,
}

/// One thing to do to stock and to tell the orders service (`PendingStockOperation` in the original).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Which operation.
    pub id: OperationId,
    /// What it does.
    pub operation_type: OperationType,
    /// Where it stands.
    pub status: OperationStatus,
    /// The order it is for; none for an adjustment.
    pub order: Option<OrderKey>,
    /// What it moves.
    pub lines: Lines<OperationLine>,
    /// Retries made, not counting the first attempt.
    pub retry_count: u32,
    /// Retries allowed when it was created.
    pub max_retries: u32,
    /// When it is tried next, where that is known.
    pub next_retry_at: Option<Timestamp>,
    /// What went wrong last.
    pub error_message: Option<String>,
    /// What it waits for; none once it is finished.
    pub waiting_for: Option<WaitingFor>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When its movements were written; none while nothing was moved.
    pub stock_applied_at: Option<Timestamp>,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
    /// The operation that undid it.
    pub rolled_back_by: Option<OperationId>,
    /// The operation that it undoes.
    pub rolls_back: Option<OperationId>,
    /// The review it waits for.
    pub review: Option<ReviewId>,
    /// Counts its log entries: every change has one (invariant 8).
    pub version: u32,
}

/// One immutable line of an operation's history (`StockSynchronizationLog` in the original).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Which entry.
    pub id: LogEntryId,
    /// Whose history.
    pub operation: OperationId,
    /// Counts the entries of one operation, from 1, without gaps.
    pub version: u32,
    /// What happened.
    pub action: Action,
    /// The status after it.
    pub status: OperationStatus,
    /// Facts about it, for people.
    pub details: serde_json::Value,
    /// When.
    pub at: Timestamp,
    /// How long the call took, for entries about one.
    pub execution_time_ms: Option<u64>,
}

/// What a log entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The operation was recorded.
    Created,
    /// Its stock was moved.
    Applied,
    /// What it waits for changed.
    Waiting,
    /// A worker took it up.
    Claimed,
    /// An attempt did not succeed and another will follow, or a retry was asked for.
    Retry,
    /// The service has confirmed it, or nothing was owed.
    Completed,
    /// It was given up.
    Failed,
    /// It was undone or called off.
    RolledBack,
}

words!(Action {
    Created => "created", Applied => "applied", Waiting => "waiting", Claimed => "claimed", Retry => "retry",
    Completed => "completed", Failed => "failed", RolledBack => "rolled_back",
});

#[cfg(test)]
mod tests {
    use super::OperationStatus::{Completed, Failed, Pending, Processing, RolledBack};

    #[test]
    fn status_moves_only_along_the_table() {
        let all = [Pending, Processing, Completed, Failed, RolledBack];
        let allowed = [
            (Pending, Processing),
            (Processing, Completed),
            (Processing, Pending),
            (Processing, Failed),
            (Failed, Pending),
            (Pending, RolledBack),
            (Processing, RolledBack),
            (Failed, RolledBack),
            (Completed, RolledBack),
        ];
        for from in all {
            for to in all {
                assert_eq!(
                    from.may_become(to),
                    allowed.contains(&(from, to)),
                    "{from} -> {to}"
                );
            }
        }
    }
}
