//! The part of the contract that alerts need: what is open, what was, and the messages that are still to be sent.

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::alert::{
    Acknowledgement, Alert, AlertKind, AlertStatus, Decision, Known, MessageOutcome, Outgoing,
};
use saldo_domain::ids::{AccountId, AlertId, MessageId};
use saldo_domain::view::Refusal;

use crate::error::StoreError;
use crate::query::{Page, PageRequest};

/// Open alerts that are loaded at once. More would mean thousands of unusable accounts.
pub const OPEN_ALERTS_MAX: usize = 10_000;

/// Which alerts. Fields that are none do not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Open ones, ended ones, or both.
    pub open: Option<bool>,
    /// Where they stand.
    pub status: Option<AlertStatus>,
    /// Of one kind.
    pub kind: Option<AlertKind>,
    /// About one account.
    pub account: Option<AccountId>,
}

impl AlertFilter {
    /// Whether an alert is one of those asked for.
    #[must_use]
    pub fn matches(&self, alert: &Alert) -> bool {
        self.open.is_none_or(|open| alert.is_open() == open)
            && self.status.is_none_or(|status| alert.status() == status)
            && self.kind.is_none_or(|kind| alert.kind == kind)
            && self
                .account
                .is_none_or(|account| alert.subject.account() == Some(account))
    }
}

/// How many messages stand in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// They are still to be sent.
    pub waiting: u64,
    /// They were given up.
    pub failed: u64,
}

/// Alerts, and messages about them.
#[async_trait]
pub trait Alerts: Send + Sync {
    /// What the rules need to know: the alerts that are open, and those that ended at or after a moment.
    async fn known_alerts(&self, ended_since: Timestamp) -> Result<Known, StoreError>;

    /// Stores changed alerts together with their messages, all of it or nothing. Every alert must stand as it was
    /// loaded, or the whole is refused with `alert_changed`: someone else was faster, so decide again.
    async fn apply_alerts(&self, decision: &Decision) -> Result<(), StoreError>;

    /// One alert.
    async fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError>;

    /// Alerts, newest first.
    async fn alerts(&self, filter: &AlertFilter, page: PageRequest) -> Result<Page<Alert>, StoreError>;

    /// Says that someone knows of an alert. One that has ended, or that someone acknowledged before, stays as it is;
    /// none when there is no such alert.
    async fn acknowledge_alert(
        &self,
        id: AlertId,
        acknowledgement: Acknowledgement,
    ) -> Result<Option<Alert>, StoreError>;

    /// Messages that may go out now, the oldest first, at most `limit`.
    async fn due_messages(&self, now: Timestamp, limit: usize) -> Result<Vec<Outgoing>, StoreError>;

    /// When the next message may go out; none when none waits.
    async fn next_message_at(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Begins an attempt: counts it, and keeps the message from being taken up again before `again_at`, whatever
    /// becomes of this one. False when another was faster, or the message does not wait any more.
    async fn begin_message(
        &self,
        id: MessageId,
        attempts: u32,
        again_at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends an attempt.
    async fn end_message(
        &self,
        id: MessageId,
        outcome: MessageOutcome,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// One message.
    async fn message(&self, id: MessageId) -> Result<Option<Outgoing>, StoreError>;

    /// What stands in the outbox.
    async fn outbox_counts(&self) -> Result<OutboxCounts, StoreError>;

    /// Operations completed at or after a moment: from an index.
    async fn completed_since(&self, moment: Timestamp) -> Result<u64, StoreError>;

    /// Removes alerts and messages that ended before a moment, at most `limit` of each; says how many.
    async fn forget_alerts(&self, ended_before: Timestamp, limit: usize) -> Result<u64, StoreError>;
}

/// Why a decision about alerts is refused whose alerts have changed meanwhile.
#[must_use]
pub fn alert_changed(id: AlertId) -> Refusal {
    let detail = format!("alert {id} was changed by someone else meanwhile; look at it again");
    Refusal::conflict("alert_changed", detail)
}
