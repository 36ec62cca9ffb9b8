use proptest::prelude::*;

use super::*;
use crate::alert::kind::Severity;
use crate::alert::policy::Routes;
use crate::alert::quiet::QuietHours;
use crate::alert::record::{Acknowledgement, AlertStatus};
use crate::ids::CountedIds;

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn policy() -> AlertPolicy {
    AlertPolicy {
        routes: Routes {
            set_up: vec![Channel::Telegram],
            ..Routes::default()
        },
        ..AlertPolicy::default()
    }
}

fn facts(count: u64) -> Facts {
    Facts {
        count,
        ..Facts::default()
    }
}

/// A store, a clock, and what was told so far.
struct World {
    known: Known,
    now: Timestamp,
    policy: AlertPolicy,
    ids: CountedIds,
    told: Vec<(Timestamp, AlertKind, AlertId, Occasion)>,
    messages: Vec<Message>,
}

impl World {
    fn new(policy: AlertPolicy) -> Self {
        Self {
            known: Known::default(),
            now: start(),
            policy,
            ids: CountedIds::default(),
            told: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// A minute passes, and these conditions are found.
    fn minute(&mut self, found: &[(AlertKind, u64)]) {
        self.look(SignedDuration::from_mins(1), found, &[]);
    }

    fn minutes(&mut self, count: usize, found: &[(AlertKind, u64)]) {
        for _ in 0..count {
            self.minute(found);
        }
    }

    fn look(&mut self, passes: SignedDuration, found: &[(AlertKind, u64)], unknown: &[AlertKind]) {
        self.now += passes;
        let mut findings = Findings::default();
        for kind in unknown {
            findings.unknown(*kind);
        }
        for (kind, count) in found.iter().filter(|(kind, _)| !unknown.contains(kind)) {
            findings.insert(*kind, AlertSubject::Whole, Finding::Present(facts(*count)));
        }
        let decision = watch(&self.known, &findings, &self.policy, self.now, &mut self.ids);
        self.store(decision);
    }

    fn store(&mut self, decision: Decision) {
        for alert in decision.alerts {
            self.known.open.retain(|known| known.id != alert.id);
            if alert.is_open() {
                self.known.open.push(alert);
            } else {
                self.known.ended.push(alert);
            }
        }
        for message in decision.messages {
            assert!(!message.entries.is_empty() && message.created_at == self.now);
            for entry in &message.entries {
                self.told
                    .push((self.now, entry.alert.kind, entry.alert.id, entry.occasion));
            }
            self.messages.push(message);
        }
    }

    fn acknowledge(&mut self) {
        let by = Acknowledgement {
            by: "anna".to_owned(),
            at: self.now,
            note: None,
        };
        for alert in &mut self.known.open {
            *alert = alert.clone().acknowledge(by.clone());
        }
    }

    /// What was told, with the minute since the start.
    fn story(&self) -> Vec<(i64, AlertKind, Occasion)> {
        self.told
            .iter()
            .map(|(at, kind, _, occasion)| (at.duration_since(start()).as_mins(), *kind, *occasion))
            .collect()
    }
}

const DOWN: AlertKind = AlertKind::OrdersServiceDown;
const HIGH: AlertKind = AlertKind::HighPendingOperations;
const STALE: AlertKind = AlertKind::StaleOperations;
const SHORT: AlertKind = AlertKind::StockShortage;
const FAILED: AlertKind = AlertKind::FailedRetries;

#[test]
fn an_outage_has_a_beginning_reminders_that_grow_rarer_and_an_end() {
    let mut world = World::new(policy());
    world.minutes(60 * 60, &[(DOWN, 1)]);
    world.minutes(10, &[]);
    use Occasion::{Begun, Ended, Reminder};
    let expected = [
        (3, Begun),
        (63, Reminder),
        (303, Reminder),
        (1_023, Reminder),
        (2_463, Reminder),
        (3_606, Ended),
    ];
    assert_eq!(
        world.story(),
        expected.map(|(minute, occasion)| (minute, DOWN, occasion))
    );
    let ended = &world.known.ended[0];
    assert_eq!(ended.lasted(world.now), SignedDuration::from_mins(3_600));
    assert_eq!(ended.status(), AlertStatus::Ended);
}

#[test]
fn a_blip_is_told_to_nobody() {
    let mut world = World::new(policy());
    world.minutes(2, &[(DOWN, 1)]);
    world.minutes(100, &[]);
    assert_eq!(world.story(), []);
    assert_eq!(world.known.ended.len(), 1, "it is kept all the same");
}

#[test]
fn what_an_outage_explains_is_not_told_besides_and_what_it_leaves_behind_is() {
    let mut world = World::new(policy());
    world.minutes(600, &[(DOWN, 700), (HIGH, 700), (STALE, 300), (FAILED, 5)]);
    assert!(
        world.told.iter().all(|(_, kind, _, _)| *kind == DOWN),
        "{:?}",
        world.story()
    );
    world.told.clear();
    // The service is back, and the stale ones are not delivered all the same.
    world.minutes(120, &[(STALE, 300)]);
    let story = world.story();
    let kinds: Vec<_> = story
        .iter()
        .map(|(_, kind, occasion)| (*kind, *occasion))
        .collect();
    assert_eq!(
        kinds,
        [
            (DOWN, Occasion::Ended),
            (STALE, Occasion::Begun),
            (STALE, Occasion::Reminder)
        ]
    );
    assert_eq!(
        story[1].0 - story[0].0,
        36,
        "the window of failures must have passed"
    );
}

#[test]
fn whoever_acknowledged_is_reminded_no_more_until_it_doubles() {
    let mut world = World::new(policy());
    world.minutes(30, &[(SHORT, 3)]);
    world.acknowledge();
    world.minutes(3_000, &[(SHORT, 5)]);
    assert_eq!(world.told.len(), 1);
    world.minutes(1, &[(SHORT, 6)]);
    assert_eq!(world.told.last().unwrap().3, Occasion::Worse);
    assert_eq!(world.known.open[0].status(), AlertStatus::Begun);
    world.minutes(70, &[(SHORT, 6)]);
    assert_eq!(world.told.last().unwrap().3, Occasion::Reminder);
    world.acknowledge();
    world.minutes(3_000, &[(SHORT, 6)]);
    assert_eq!(world.told.len(), 3);
    world.minutes(6, &[]);
    assert_eq!(world.told.last().unwrap().3, Occasion::Ended);
}

#[test]
fn what_comes_and_goes_within_minutes_is_one_alert() {
    let mut world = World::new(policy());
    for _ in 0..30 {
        world.minutes(4, &[(DOWN, 1)]);
        world.minutes(4, &[]);
    }
    world.minutes(10, &[]);
    let begun = world.told.iter().filter(|told| told.3 == Occasion::Begun).count();
    assert_eq!(begun, 1, "{:?}", world.story());
}

#[test]
fn what_comes_back_soon_after_its_end_must_be_gone_for_longer_each_time() {
    let mut world = World::new(policy());
    for _ in 0..40 {
        world.minutes(5, &[(DOWN, 1)]);
        world.minutes(11, &[]);
    }
    world.minutes(70, &[]);
    let begun = world.told.iter().filter(|told| told.3 == Occasion::Begun).count();
    assert!(begun <= 3, "{:?}", world.story());
    assert!(world.known.open.is_empty());
}

#[test]
fn what_begins_at_once_is_one_message() {
    let mut world = World::new(policy());
    world.minutes(3, &[(SHORT, 1), (AlertKind::StorageTrouble, 1), (FAILED, 2)]);
    // Those that are told at once, then the shortage, which is waited with.
    assert_eq!(world.messages.len(), 2);
    let kinds: Vec<_> = world.messages[0]
        .entries
        .iter()
        .map(|entry| entry.alert.kind)
        .collect();
    assert_eq!(
        kinds,
        [AlertKind::StorageTrouble, FAILED],
        "the most serious first"
    );
}

#[test]
fn in_quiet_hours_only_what_is_serious_enough_is_told() {
    // The start is 2027-01-15 08:00 UTC.
    let quiet = QuietHours::parse("08:00-10:00", jiff::tz::TimeZone::UTC, Severity::Critical).unwrap();
    let mut world = World::new(AlertPolicy {
        quiet_hours: Some(quiet),
        ..policy()
    });
    world.minutes(119, &[(SHORT, 1), (AlertKind::StorageTrouble, 1)]);
    assert_eq!(
        world.story(),
        [
            (1, AlertKind::StorageTrouble, Occasion::Begun),
            (61, AlertKind::StorageTrouble, Occasion::Reminder)
        ]
    );
    world.minute(&[(SHORT, 1), (AlertKind::StorageTrouble, 1)]);
    assert_eq!(world.story().last(), Some(&(120, SHORT, Occasion::Begun)));
}

#[test]
fn an_end_in_quiet_hours_waits_for_the_morning() {
    let quiet = QuietHours::parse("09:00-10:00", jiff::tz::TimeZone::UTC, Severity::Critical).unwrap();
    let mut world = World::new(AlertPolicy {
        quiet_hours: Some(quiet),
        ..policy()
    });
    world.minutes(59, &[(SHORT, 1)]);
    world.minutes(10, &[]);
    let end = world.messages.last().unwrap();
    assert_eq!(end.entries[0].occasion, Occasion::Ended);
    assert_eq!(end.due_at, start() + SignedDuration::from_hours(2));
}

#[test]
fn what_is_not_known_ends_nothing() {
    let mut world = World::new(policy());
    world.minutes(5, &[(DOWN, 1)]);
    for _ in 0..100 {
        world.look(SignedDuration::from_mins(1), &[], &[DOWN]);
    }
    assert_eq!(world.known.open.len(), 1);
    world.minutes(6, &[]);
    assert!(world.known.open.is_empty());
}

#[test]
fn each_channel_hears_of_what_is_routed_to_it() {
    let mut world = World::new(AlertPolicy {
        routes: Routes {
            by_severity: [
                (Severity::Critical, vec![Channel::Telegram, Channel::Email]),
                (Severity::Warning, vec![Channel::Email, Channel::Webhook]),
            ]
            .into(),
            by_kind: [(FAILED, vec![Channel::Telegram])].into(),
            set_up: vec![Channel::Telegram, Channel::Email],
        },
        ..policy()
    });
    world.minutes(
        3,
        &[
            (SHORT, 1),
            (FAILED, 1),
            (AlertKind::StorageTrouble, 1),
            (AlertKind::LiveOrdersBroken, 0),
        ],
    );
    let mut heard: Vec<_> = world
        .messages
        .iter()
        .flat_map(|message| {
            message
                .entries
                .iter()
                .map(|entry| (message.channel, entry.alert.kind))
        })
        .collect();
    heard.sort();
    assert_eq!(
        heard,
        [
            (Channel::Telegram, AlertKind::StorageTrouble),
            (Channel::Telegram, FAILED),
            (Channel::Telegram, AlertKind::LiveOrdersBroken),
            (Channel::Email, AlertKind::StorageTrouble),
            (Channel::Email, SHORT),
            (Channel::Email, AlertKind::LiveOrdersBroken),
        ]
    );
}

/// One step of a random life.
#[derive(Debug, Clone)]
struct Step {
    seconds: i64,
    found: Vec<(AlertKind, u64)>,
    unknown: Vec<AlertKind>,
    acknowledges: bool,
    restarts: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(AlertKind::ALL.to_vec());
    (
        prop_oneof![8 => Just(60), 2 => 1_i64..7_200, 1 => -3_600_i64..0],
        prop::collection::vec((kind.clone(), 1_u64..40), 0..5),
        prop::collection::vec(kind, 0..2),
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(seconds, found, unknown, acknowledges, restarts)| Step {
            seconds,
            found,
            unknown,
            acknowledges,
            restarts,
        })
}

/// Steps that repeat, so that conditions last.
fn life() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((step(), 1_usize..40), 1..20).prop_map(|runs| {
        runs.into_iter()
            .flat_map(|(step, times)| {
                let calm = Step {
                    acknowledges: false,
                    restarts: false,
                    seconds: 60,
                    ..step.clone()
                };
                std::iter::once(step).chain(std::iter::repeat_n(calm, times))
            })
            .collect()
    })
}

/// What a restart leaves: rows, as they come back from JSON.
fn restarted(known: &Known) -> Known {
    let again = |alerts: &[Alert]| {
        alerts
            .iter()
            .map(|alert| serde_json::from_str(&serde_json::to_string(alert).unwrap()).unwrap())
            .collect()
    };
    Known {
        open: again(&known.open),
        ended: again(&known.ended),
    }
}

fn live(world: &mut World, steps: &[Step], with_restarts: bool) {
    for step in steps {
        if step.acknowledges {
            world.acknowledge();
        }
        if step.restarts && with_restarts {
            world.known = restarted(&world.known);
        }
        world.look(
            SignedDuration::from_secs(step.seconds),
            &step.found,
            &step.unknown,
        );
    }
}

/// The occasions of each alert, in order.
fn by_alert(world: &World) -> BTreeMap<AlertId, Vec<(Timestamp, Occasion)>> {
    let mut stories: BTreeMap<AlertId, Vec<_>> = BTreeMap::new();
    for (at, _, id, occasion) in &world.told {
        stories.entry(*id).or_default().push((*at, *occasion));
    }
    stories
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_alert_is_told_from_its_beginning_to_at_most_one_end(steps in life()) {
        let mut world = World::new(policy());
        live(&mut world, &steps, true);
        for (id, story) in by_alert(&world) {
            let occasions: Vec<_> = story.iter().map(|(_, occasion)| *occasion).collect();
            prop_assert_eq!(occasions[0], Occasion::Begun, "{}", id);
            prop_assert!(!occasions[1..].contains(&Occasion::Begun));
            let ends = occasions.iter().filter(|occasion| **occasion == Occasion::Ended).count();
            prop_assert!(ends == 0 || (ends == 1 && occasions.last() == Some(&Occasion::Ended)));
        }
    }

    #[test]
    fn no_two_alerts_of_a_kind_and_a_subject_are_open_at_once(steps in life()) {
        let mut world = World::new(policy());
        for step in &steps {
            live(&mut world, std::slice::from_ref(step), true);
            let mut keys: Vec<_> = world.known.open.iter().map(|alert| (alert.kind, &alert.subject)).collect();
            let count = keys.len();
            keys.sort();
            keys.dedup();
            prop_assert_eq!(keys.len(), count);
        }
    }

    #[test]
    fn reminders_grow_rarer(steps in life()) {
        let mut world = World::new(policy());
        // A clock that jumps back makes gaps look shorter than they were.
        let forward: Vec<_> = steps.into_iter().filter(|step| step.seconds >= 0).collect();
        live(&mut world, &forward, false);
        for story in by_alert(&world).into_values() {
            let mut reminders = 0_u32;
            for pair in story.windows(2) {
                if pair[1].1 == Occasion::Reminder {
                    let gap = pair[1].0.duration_since(pair[0].0);
                    prop_assert!(gap >= reminder_gap(reminders), "{:?}", story);
                    reminders += 1;
                }
            }
        }
    }

    #[test]
    fn nobody_is_told_of_what_an_open_outage_explains(steps in life()) {
        let mut world = World::new(policy());
        for step in &steps {
            let told = world.told.len();
            live(&mut world, std::slice::from_ref(step), true);
            let outage = world.known.open.iter().any(|alert| alert.kind == DOWN);
            for (_, kind, _, occasion) in &world.told[told..] {
                let is_explained = kind.causes().contains(&DOWN);
                prop_assert!(!(outage && is_explained) || *occasion == Occasion::Ended);
            }
        }
    }

    #[test]
    fn while_it_is_acknowledged_only_a_doubling_or_the_end_is_told(steps in life()) {
        let mut world = World::new(policy());
        for step in &steps {
            if step.acknowledges {
                world.acknowledge();
            }
            let silent: Vec<AlertId> = world
                .known
                .open
                .iter()
                .filter(|alert| alert.status() == AlertStatus::Acknowledged)
                .map(|alert| alert.id)
                .collect();
            let told = world.told.len();
            world.look(SignedDuration::from_secs(step.seconds), &step.found, &step.unknown);
            for (_, _, id, occasion) in &world.told[told..] {
                let quiet = matches!(occasion, Occasion::Worse | Occasion::Ended);
                prop_assert!(!silent.contains(id) || quiet, "{:?}", occasion);
            }
        }
    }

    #[test]
    fn a_restart_neither_repeats_nor_forgets(steps in life()) {
        let (mut steady, mut restarting) = (World::new(policy()), World::new(policy()));
        live(&mut steady, &steps, false);
        live(&mut restarting, &steps, true);
        prop_assert_eq!(steady.messages, restarting.messages);
        prop_assert_eq!(steady.known, restarting.known);
    }

    #[test]
    fn everything_ends_once_all_is_well_for_an_hour(steps in life()) {
        let mut world = World::new(policy());
        live(&mut world, &steps, true);
        world.minutes(61, &[]);
        prop_assert_eq!(&world.known.open, &[]);
        for (_, story) in by_alert(&world) {
            prop_assert_eq!(story.last().unwrap().1, Occasion::Ended);
        }
    }

    #[test]
    fn messages_are_few_however_long_it_lasts(kind in prop::sample::select(AlertKind::ALL.to_vec()), days in 1_usize..20) {
        let mut world = World::new(policy());
        world.minutes(days * 24 * 60, &[(kind, 10)]);
        prop_assert!(world.told.len() <= days + 4, "{:?}", world.story());
    }
}
