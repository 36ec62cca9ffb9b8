//! What the configuration decides about alerts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::kind::{AlertKind, Severity};
use super::message::Channel;
use super::quiet::QuietHours;

/// The first reminder comes after the first of these, the next after the second, …; the last one repeats.
pub(super) const REMINDERS: [SignedDuration; 4] = [
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(4),
    SignedDuration::from_hours(12),
    SignedDuration::from_hours(24),
];
/// How long a condition must not be seen before its alert ends, at first.
pub(super) const QUIET_SECONDS: u32 = 5 * 60;
/// The longest that this grows for a condition that comes and goes.
pub(super) const QUIET_SECONDS_MAX: u32 = 60 * 60;
/// A condition that comes back within this time after its end is taken to flap.
pub(super) const FLAPS_WITHIN: SignedDuration = SignedDuration::from_hours(2);
/// How soon someone is told that it became twice as much.
pub(super) const GROWTH_GAP: SignedDuration = SignedDuration::from_hours(1);

const _: () = assert!(QUIET_SECONDS < QUIET_SECONDS_MAX);

/// Which channels the messages of each severity and kind go to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    /// By severity.
    pub by_severity: BTreeMap<Severity, Vec<Channel>>,
    /// By kind; wins over the severity.
    pub by_kind: BTreeMap<AlertKind, Vec<Channel>>,
    /// The channels that are set up. Nothing goes to another one.
    pub set_up: Vec<Channel>,
}

impl Routes {
    /// Where messages about an alert of this kind go. A kind or a severity without channels of its own goes to all.
    pub fn channels(&self, kind: AlertKind) -> impl Iterator<Item = Channel> + '_ {
        let wanted = self
            .by_kind
            .get(&kind)
            .or_else(|| self.by_severity.get(&kind.severity()));
        self.set_up
            .iter()
            .copied()
            .filter(move |channel| wanted.is_none_or(|wanted| wanted.contains(channel)))
    }
}

/// Thresholds, routes and quiet hours.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertPolicy {
    /// Operations waiting at which there is an alert.
    pub high_pending_operations: u64,
    /// More of them than this are a critical one.
    pub max_pending_operations: u64,
    /// The share of failed attempts at which there is an alert, in thousandths.
    pub failure_permille: u32,
    /// Attempts below which the share says nothing.
    pub failure_attempts_min: u64,
    /// Over how many minutes they are counted.
    pub failure_window_minutes: u32,
    /// The age of a waiting operation at which there is an alert, in hours.
    pub stale_operation_hours: u64,
    /// Whether operations whose retries are used up raise one.
    pub on_failed_retries: bool,
    /// Below how many free mebibytes the database's disk is nearly full.
    pub free_disk_mib: u64,
    /// How late a scheduled task may be, in minutes.
    pub task_late_minutes: i64,
    /// Where messages go.
    pub routes: Routes,
    /// When only what is serious enough may disturb.
    pub quiet_hours: Option<QuietHours>,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        Self {
            high_pending_operations: 100,
            max_pending_operations: 1_000,
            failure_permille: 100,
            failure_attempts_min: 10,
            failure_window_minutes: 30,
            stale_operation_hours: 6,
            on_failed_retries: true,
            free_disk_mib: 1_024,
            task_late_minutes: 15,
            routes: Routes::default(),
            quiet_hours: None,
        }
    }
}

impl AlertPolicy {
    /// When a message of a severity may go out.
    pub(super) fn may_disturb_at(&self, severity: Severity, now: Timestamp) -> Timestamp {
        self.quiet_hours
            .as_ref()
            .map_or(now, |quiet| quiet.may_disturb_at(severity, now))
    }

    /// How long after the end of its cause a condition is still taken for what the outage left behind: until the
    /// failures have left the window, and the queue had time to drain.
    #[must_use]
    pub fn settles_within(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.failure_window_minutes) + 5)
            .max(SignedDuration::from_mins(15))
    }

    /// How far back an alert that has ended still matters to what comes now.
    #[must_use]
    pub fn remembers(&self) -> SignedDuration {
        self.settles_within().max(FLAPS_WITHIN)
    }
}

/// How long after someone was told the next reminder comes.
pub(super) fn reminder_gap(reminders: u32) -> SignedDuration {
    let index = usize::try_from(reminders).unwrap_or(usize::MAX);
    REMINDERS[index.min(REMINDERS.len() - 1)]
}
