//! Telling the orders service an order's flag: one delivery an order, level-triggered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{LeaseToken, OrderKey};

/// What an order owes the orders service. Exists only while something is owed, so that the queue stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Whose flag.
    pub key: OrderKey,
    /// When it is tried next; while it is leased, when the lease ends.
    pub due_at: Timestamp,
    /// Since when the order owes something: what `give_up_hours` is counted from.
    pub owed_since: Timestamp,
    /// The claim under which a worker sends it now.
    pub lease: Option<Lease>,
    /// Flags sent by attempts whose end is not known: they may still arrive.
    pub doubts: Doubts,
    /// What is to be done next.
    pub task: Task,
    /// Read-backs that failed in a row; their wait grows with it.
    pub failed_read_backs: u32,
}

/// What a delivery does when it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Send the level.
    Send,
    /// Only read the flag back, and send again if it is not the level.
    Verify,
}

/// A worker's claim of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The fencing token: an outcome reported under another one changes nothing (invariant 7).
    pub token: LeaseToken,
    /// When it ends by itself. The call's deadline lies before it.
    pub until: Timestamp,
    /// The level that the worker was told to send; in doubt when the worker is never heard of again.
    pub flag: bool,
}

/// Flags that may still arrive late, and when each was last sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubts {
    /// When `true` was sent by an attempt whose end is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_true_at: Option<Timestamp>,
    /// When `false` was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_false_at: Option<Timestamp>,
}

impl Doubts {
    /// When this flag was last sent in doubt.
    #[must_use]
    pub const fn of(&self, flag: bool) -> Option<Timestamp> {
        if flag {
            self.sent_true_at
        } else {
            self.sent_false_at
        }
    }

    /// Remembers that a flag was sent and may still arrive.
    pub const fn remember(&mut self, flag: bool, at: Timestamp) {
        if flag {
            self.sent_true_at = Some(at);
        } else {
            self.sent_false_at = Some(at);
        }
    }

    /// Whether nothing is in doubt.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sent_true_at.is_none() && self.sent_false_at.is_none()
    }
}

/// What a worker is to do under a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose flag.
    pub key: OrderKey,
    /// The fencing token to report the outcome under.
    pub token: LeaseToken,
    /// The worker must not begin a call after this moment.
    pub until: Timestamp,
    /// The level as committed when the claim was.
    pub flag: bool,
    /// Whether to send it, or only to read it back.
    pub task: Task,
    /// Whether to read the flag back after sending, because an earlier attempt's end is not known.
    pub read_back: bool,
    /// Since when the order owes something.
    pub owed_since: Timestamp,
    /// Whether an attempt was made before.
    pub is_retry: bool,
}

/// How an attempt ended, as far as the rules care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The service confirmed the flag (and it was read back, where the claim asked for it).
    Delivered,
    /// The flag was read and is not the level. Only for [`Task::Verify`].
    Differs,
    /// It did not arrive, and trying again may help.
    Transient(Failure),
    /// It is not known whether it arrived.
    Unknown(Failure),
    /// Our credentials were refused: nothing of any account can be sent.
    Credentials(Failure),
    /// The service does not know the account, and that was confirmed.
    AccountUnusable(Failure),
    /// The service refused it, and no retry can help.
    Permanent(Failure),
    /// The attempt was not made (a stop, an open circuit, no free slot): nothing happened.
    NotMade {
        /// When to try again.
        again_at: Timestamp,
    },
}

/// Why an attempt did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One line for a person.
    pub message: String,
    /// What the service asked to wait, in seconds, not yet bounded.
    pub retry_after_seconds: Option<u64>,
    /// Whether it counts against the operation's retries: not while a circuit is open.
    pub counts: bool,
}
