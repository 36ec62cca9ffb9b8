//! From what is wrong to who is told: beginnings, reminders that grow rarer, ends.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::kind::AlertKind;
use super::message::{Channel, Entry, Message, Occasion};
use super::policy::{AlertPolicy, FLAPS_WITHIN, GROWTH_GAP, QUIET_SECONDS, QUIET_SECONDS_MAX, reminder_gap};
use super::record::{Alert, AlertSubject, Facts};
use crate::ids::{AlertId, IdSource, MessageId};

#[cfg(test)]
mod tests;

/// What was found of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is there.
    Present(Facts),
    /// It is not enough to begin an alert, and too much to end one.
    Lingering(Facts),
}

impl Finding {
    /// What is known of it.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        match self {
            Self::Present(facts) | Self::Lingering(facts) => facts,
        }
    }
}

/// Everything that was found at one moment. A condition that is neither found nor unknown is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    found: BTreeMap<(AlertKind, AlertSubject), Finding>,
    unknown: BTreeSet<AlertKind>,
    /// Operations delivered since an alert began.
    pub delivered: BTreeMap<AlertId, u64>,
}

impl Findings {
    /// Adds a finding.
    pub fn insert(&mut self, kind: AlertKind, subject: AlertSubject, finding: Finding) {
        self.found.insert((kind, subject), finding);
    }

    /// Nothing is known of this kind now: no alert of it begins or ends.
    pub fn unknown(&mut self, kind: AlertKind) {
        self.unknown.insert(kind);
    }

    /// Whether nothing is known of a kind.
    #[must_use]
    pub fn is_unknown(&self, kind: AlertKind) -> bool {
        self.unknown.contains(&kind)
    }

    /// All findings, by kind and subject.
    pub fn iter(&self) -> impl Iterator<Item = (&(AlertKind, AlertSubject), &Finding)> {
        self.found.iter()
    }
}

/// What is stored of alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Those that are open.
    pub open: Vec<Alert>,
    /// Those that ended lately: within [`AlertPolicy::remembers`].
    pub ended: Vec<Alert>,
}

/// What is to be stored, in one transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Alerts that began or changed, as they are now.
    pub alerts: Vec<Alert>,
    /// Messages to send.
    pub messages: Vec<Message>,
}

impl Decision {
    /// Whether there is nothing to store.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.messages.is_empty()
    }
}

/// Compares what was found with what is known, and says what changes and who is told.
pub fn watch(
    known: &Known,
    findings: &Findings,
    policy: &AlertPolicy,
    now: Timestamp,
    ids: &mut dyn IdSource,
) -> Decision {
    let mut open: Vec<Alert> = known
        .open
        .iter()
        .map(|alert| seen(alert.clone(), findings, now))
        .collect();
    for ((kind, subject), finding) in findings.iter() {
        let is_open = open
            .iter()
            .any(|alert| alert.kind == *kind && alert.subject == *subject);
        if let (Finding::Present(facts), false) = (finding, is_open) {
            let previous = latest(&known.ended, *kind, subject);
            let id = AlertId::new(ids.next(now));
            open.push(begin(id, (*kind, subject.clone()), facts, previous, now));
        }
    }
    let explained = Explanations::new(&open, &known.ended, policy, now);
    let mut entries = Vec::new();
    for alert in &mut open {
        let occasion = if is_over(alert, findings, now) {
            end(alert, findings, now)
        } else {
            tell(alert, &explained, policy, now)
        };
        entries.extend(occasion.map(|occasion| Entry {
            occasion,
            alert: alert.clone(),
        }));
    }
    let mut alerts: Vec<Alert> = open
        .into_iter()
        .filter(|alert| known.open.iter().all(|before| before != alert))
        .collect();
    for alert in &mut alerts {
        alert.version += 1;
    }
    Decision {
        alerts,
        messages: messages(entries, policy, now, ids),
    }
}

fn latest<'a>(ended: &'a [Alert], kind: AlertKind, subject: &AlertSubject) -> Option<&'a Alert> {
    ended
        .iter()
        .filter(|alert| alert.kind == kind && alert.subject == *subject)
        .max_by_key(|alert| alert.ended_at)
}

/// A new alert. One that ended a short while ago flaps: it must be gone for longer before it ends again.
fn begin(
    id: AlertId,
    (kind, subject): (AlertKind, AlertSubject),
    facts: &Facts,
    previous: Option<&Alert>,
    now: Timestamp,
) -> Alert {
    let flaps = previous.filter(|previous| {
        previous
            .ended_at
            .is_some_and(|ended| now.duration_since(ended).abs() <= FLAPS_WITHIN)
    });
    let quiet_seconds = flaps.map_or(QUIET_SECONDS, |previous| {
        previous.quiet_seconds.saturating_mul(2).min(QUIET_SECONDS_MAX)
    });
    let begun_at = facts.since.filter(|_| kind.begins_when_it_says());
    Alert {
        id,
        kind,
        subject,
        severity: kind.severity(),
        peak: facts.count,
        facts: facts.clone(),
        begun_at: begun_at.map_or(now, |since| since.min(now)),
        cleared_at: None,
        quiet_seconds,
        first_told_at: None,
        told_at: None,
        told_count: 0,
        reminders: 0,
        acknowledged: None,
        ended_at: None,
        delivered: None,
        version: 0,
    }
}

/// An open alert with what is known of it now. Moments that lie ahead, because the clock was set back, are now.
fn seen(mut alert: Alert, findings: &Findings, now: Timestamp) -> Alert {
    alert.told_at = alert.told_at.map(|told| told.min(now));
    alert.begun_at = alert.begun_at.min(now);
    alert.cleared_at = alert.cleared_at.map(|cleared| cleared.min(now));
    match findings.found.get(&(alert.kind, alert.subject.clone())) {
        Some(finding) => {
            alert.facts = finding.facts().clone();
            alert.peak = alert.peak.max(alert.facts.count);
            alert.cleared_at = None;
        }
        None if findings.is_unknown(alert.kind) => {}
        None => alert.cleared_at = alert.cleared_at.or(Some(now)),
    }
    alert
}

/// Whether it was gone for long enough.
fn is_over(alert: &Alert, findings: &Findings, now: Timestamp) -> bool {
    let quiet = SignedDuration::from_secs(i64::from(alert.quiet_seconds));
    !findings.is_unknown(alert.kind)
        && alert
            .cleared_at
            .is_some_and(|cleared| now.duration_since(cleared) >= quiet)
}

fn end(alert: &mut Alert, findings: &Findings, now: Timestamp) -> Option<Occasion> {
    alert.ended_at = Some(now);
    if alert.kind.counts_deliveries() {
        alert.delivered = findings.delivered.get(&alert.id).copied();
    }
    // Who was not told of the beginning need not hear of the end.
    alert.first_told_at.map(|_| Occasion::Ended)
}

/// What open alerts, and those that ended a short while ago, explain.
struct Explanations {
    kinds: BTreeSet<AlertKind>,
}

impl Explanations {
    fn new(open: &[Alert], ended: &[Alert], policy: &AlertPolicy, now: Timestamp) -> Self {
        let settling = |alert: &&Alert| {
            alert
                .ended_at
                .is_some_and(|ended| now.duration_since(ended).abs() <= policy.settles_within())
        };
        let causes = open.iter().chain(ended.iter().filter(settling));
        Self {
            kinds: causes.map(|alert| alert.kind).collect(),
        }
    }

    fn explain(&self, kind: AlertKind) -> bool {
        kind.causes().iter().any(|cause| self.kinds.contains(cause))
    }
}

/// Whether someone is told of an alert that lasts, and why.
fn tell(
    alert: &mut Alert,
    explained: &Explanations,
    policy: &AlertPolicy,
    now: Timestamp,
) -> Option<Occasion> {
    let is_gone = alert.cleared_at.is_some();
    if is_gone
        || explained.explain(alert.kind)
        || now.duration_since(alert.begun_at) < alert.kind.told_after()
        || policy.may_disturb_at(alert.severity, now) > now
    {
        return None;
    }
    let occasion = occasion(alert, now)?;
    if occasion == Occasion::Reminder {
        alert.reminders += 1;
    }
    if occasion == Occasion::Worse {
        // What was acknowledged was half of it.
        alert.acknowledged = None;
    }
    alert.first_told_at = alert.first_told_at.or(Some(now));
    alert.told_at = Some(now);
    alert.told_count = alert.told_count.max(alert.facts.count);
    Some(occasion)
}

fn occasion(alert: &Alert, now: Timestamp) -> Option<Occasion> {
    let Some(told_at) = alert.told_at else {
        // Someone who has looked by themselves knows already.
        return alert.acknowledged.is_none().then_some(Occasion::Begun);
    };
    let waited = now.duration_since(told_at);
    let has_doubled = alert.facts.count >= alert.told_count.saturating_mul(2).max(1);
    if alert.kind.growth_is_news() && has_doubled && waited >= GROWTH_GAP {
        return Some(Occasion::Worse);
    }
    let reminds = alert.acknowledged.is_none() && alert.severity > super::kind::Severity::Notice;
    (reminds && waited >= reminder_gap(alert.reminders)).then_some(Occasion::Reminder)
}

/// One message for each channel, with everything that it is told.
fn messages(
    mut entries: Vec<Entry>,
    policy: &AlertPolicy,
    now: Timestamp,
    ids: &mut dyn IdSource,
) -> Vec<Message> {
    entries.sort_by_key(|entry| {
        (
            std::cmp::Reverse(entry.alert.severity),
            entry.occasion,
            entry.alert.kind,
            entry.alert.id,
        )
    });
    let mut by_channel: BTreeMap<(Channel, Timestamp), Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        // Only an end can be told in quiet hours: it waits for their end.
        let due_at = policy.may_disturb_at(entry.alert.severity, now);
        for channel in policy.routes.channels(entry.alert.kind) {
            let told = by_channel.entry((channel, due_at)).or_default();
            told.push(entry.clone());
        }
    }
    by_channel
        .into_iter()
        .map(|((channel, due_at), entries)| Message {
            id: MessageId::new(ids.next(now)),
            channel,
            created_at: now,
            due_at,
            entries,
        })
        .collect()
}
