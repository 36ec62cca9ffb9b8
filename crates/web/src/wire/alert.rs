//! Alerts.

use jiff::Timestamp;
use saldo_domain::alert::{Alert, AlertKind, AlertStatus, Facts, Severity};
use saldo_domain::ids::{AccountId, AlertId};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::{AlertKindWord, AlertStatusWord, SeverityWord};

/// A condition that someone must hear about, with a beginning and an end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
pub struct AlertBody<'a> {
    /// Which alert.
    #[schema(value_type = Uuid)]
    pub id: AlertId,
    /// What kind of trouble.
    #[schema(value_type = AlertKindWord)]
    pub kind: AlertKind,
    /// How serious it is.
    #[schema(value_type = SeverityWord)]
    pub severity: Severity,
    /// Where it stands.
    #[schema(value_type = AlertStatusWord)]
    pub status: AlertStatus,
    /// The account, where it is about one.
    #[schema(value_type = Option<Uuid>, required)]
    pub token_id: Option<AccountId>,
    /// The scheduled task, where it is about one.
    #[schema(required)]
    pub task: Option<&'a str>,
    /// How many things it is about: operations, orders, differences.
    pub count: u64,
    /// The largest count that was seen.
    pub peak: u64,
    /// What was seen of it last: limit, share, last error, and some of the things, with account, order, SKU,
    /// warehouse, required, available and short.
    #[schema(value_type = Value)]
    pub details: &'a Facts,
    /// When it was first seen.
    #[schema(value_type = String, format = DateTime)]
    pub begun_at: Timestamp,
    /// Since when it is not seen any more; it ends when that lasts.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub cleared_at: Option<Timestamp>,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ended_at: Option<Timestamp>,
    /// How long it lasts, or lasted.
    pub duration_seconds: i64,
    /// Operations delivered from its beginning to its end, where that says something.
    #[schema(required)]
    pub delivered: Option<u64>,
    /// When someone was told last; none while nobody was, because it is too new, explained by another one, or it is
    /// quiet hours.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub told_at: Option<Timestamp>,
    /// Reminders so far.
    pub reminders: u32,
    /// When someone said that they know.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub acknowledged_at: Option<Timestamp>,
    /// Who: a key's name.
    #[schema(required)]
    pub acknowledged_by: Option<&'a str>,
    /// What they wrote.
    #[schema(required)]
    pub note: Option<&'a str>,
}

impl<'a> AlertBody<'a> {
    pub(crate) fn new(alert: &'a Alert, now: Timestamp) -> Self {
        let acknowledged = alert.acknowledged.as_ref();
        Self {
            id: alert.id,
            kind: alert.kind,
            severity: alert.severity,
            status: alert.status(),
            token_id: alert.subject.account(),
            task: alert.subject.task().map(|task| task.as_str()),
            count: alert.facts.count,
            peak: alert.peak,
            details: &alert.facts,
            begun_at: alert.begun_at,
            cleared_at: alert.cleared_at,
            ended_at: alert.ended_at,
            duration_seconds: alert.lasted(now).as_secs(),
            delivered: alert.delivered,
            told_at: alert.told_at,
            reminders: alert.reminders,
            acknowledged_at: acknowledged.map(|acknowledged| acknowledged.at),
            acknowledged_by: acknowledged.map(|acknowledged| acknowledged.by.as_str()),
            note: acknowledged.and_then(|acknowledged| acknowledged.note.as_deref()),
        }
    }
}
