//! An alert: what is kept of one, from its beginning to its end.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::kind::{AlertKind, Severity};
use crate::ids::{AccountId, AlertId, OrderId};
use crate::operation::{UnknownWord, words};
use crate::text::{Sku, TextError, Warehouse};

/// Examples that an alert carries, however many things it is about.
pub const EXAMPLES_MAX: usize = 5;
/// Bytes of a task's name.
const TASK_NAME_BYTES_MAX: usize = 64;

/// The name of a scheduled task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskName(Arc<str>);

impl TaskName {
    /// Checks a name.
    ///
    /// # Errors
    /// When it is empty, too long, or has anything but small letters, digits and `_`.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if text.is_empty() || text.len() > TASK_NAME_BYTES_MAX || !text.bytes().all(allowed) {
            return Err(TextError(format!(
                "a task's name must have 1 to {TASK_NAME_BYTES_MAX} small letters, digits or _"
            )));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for TaskName {
    type Error = TextError;
    fn try_from(text: String) -> Result<Self, TextError> {
        Self::parse(&text)
    }
}

impl From<TaskName> for String {
    fn from(name: TaskName) -> Self {
        name.0.as_ref().to_owned()
    }
}

/// What an alert is about. There is at most one open alert of a kind and a subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertSubject {
    /// Saldo as a whole.
    Whole,
    /// One account.
    Account(AccountId),
    /// One scheduled task.
    Task(TaskName),
}

impl AlertSubject {
    /// The account, where it is about one.
    #[must_use]
    pub const fn account(&self) -> Option<AccountId> {
        match self {
            Self::Account(account) => Some(*account),
            _ => None,
        }
    }

    /// The task, where it is about one.
    #[must_use]
    pub const fn task(&self) -> Option<&TaskName> {
        match self {
            Self::Task(task) => Some(task),
            _ => None,
        }
    }
}

/// One of the things that an alert is about, for people. It is told over the wire as it is stored, in the API's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The account.
    #[serde(rename = "token_id", default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// The order.
    #[serde(rename = "order_id", default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    /// The SKU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// The warehouse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warehouse: Option<Warehouse>,
    /// Units that are required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<i64>,
    /// Units that there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<i64>,
    /// Units that are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<i64>,
    /// Since when.
    #[serde(rename = "since", default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What is known of a condition now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// How many things it is about: operations, orders, differences.
    #[serde(default)]
    pub count: u64,
    /// The threshold, in the unit of the kind: operations, thousandths, or hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The share of attempts that failed, in thousandths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_permille: Option<u32>,
    /// Over how many minutes attempts were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_minutes: Option<u32>,
    /// Since when: the oldest operation, the begin of the outage, when the task was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Some of the things, at most [`EXAMPLES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

/// Someone has seen an alert and does not want to be reminded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who: a key's name.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What the person wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// It lasts, and reminds.
    Begun,
    /// It lasts; someone knows.
    Acknowledged,
    /// It is over.
    Ended,
}

words!(AlertStatus { Begun => "begun", Acknowledged => "acknowledged", Ended => "ended" });

/// A condition that someone must hear about, with a beginning and an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Which alert.
    pub id: AlertId,
    /// What kind of trouble.
    pub kind: AlertKind,
    /// About what.
    pub subject: AlertSubject,
    /// How serious it is.
    pub severity: Severity,
    /// What was seen of it last.
    pub facts: Facts,
    /// The largest count that was seen.
    pub peak: u64,
    /// When it was first seen.
    pub begun_at: Timestamp,
    /// Since when it is not seen any more; none while it is there.
    pub cleared_at: Option<Timestamp>,
    /// How long it must not be seen before it ends, in seconds: longer for what has just come back.
    pub quiet_seconds: u32,
    /// When someone was first told; none while nobody was.
    pub first_told_at: Option<Timestamp>,
    /// When someone was told last.
    pub told_at: Option<Timestamp>,
    /// The count that was told last, or that was there when it was acknowledged.
    pub told_count: u64,
    /// Reminders so far.
    pub reminders: u32,
    /// Who knows of it.
    pub acknowledged: Option<Acknowledgement>,
    /// When it was found to be over.
    pub ended_at: Option<Timestamp>,
    /// Operations delivered from its beginning to its end, where that says something.
    pub delivered: Option<u64>,
    /// Counts its changes, so that two who change it at once do not overwrite each other.
    pub version: u32,
}

impl Alert {
    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> AlertStatus {
        if self.ended_at.is_some() {
            AlertStatus::Ended
        } else if self.acknowledged.is_some() {
            AlertStatus::Acknowledged
        } else {
            AlertStatus::Begun
        }
    }

    /// Whether it has not ended.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }

    /// How long it lasted, or lasts by now: until it was last seen, not until that was certain.
    #[must_use]
    pub fn lasted(&self, now: Timestamp) -> SignedDuration {
        let until = self.cleared_at.or(self.ended_at).unwrap_or(now);
        until.duration_since(self.begun_at).max(SignedDuration::ZERO)
    }

    /// The same alert once someone has said that they know: reminders stop until it ends or doubles. One that has
    /// ended, or that someone acknowledged before, stays as it is.
    #[must_use]
    pub fn acknowledge(mut self, acknowledgement: Acknowledgement) -> Self {
        if self.status() == AlertStatus::Begun {
            self.acknowledged = Some(acknowledgement);
            self.told_count = self.told_count.max(self.facts.count);
            self.version += 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_task_is_a_plain_word() {
        assert!(TaskName::parse("process_pending").is_ok());
        for bad in ["", "Report", "a b", "a\n", &"x".repeat(65)] {
            assert!(TaskName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
