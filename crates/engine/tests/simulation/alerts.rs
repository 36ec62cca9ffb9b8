//! Who is told of what, in simulated hours: an outage, a restart, a channel that does not answer, a full disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use saldo_domain::alert::{
    AlertKind, AlertPolicy, AlertStatus, Channel, Message, MessageStatus, Occasion, QuietHours, Routes,
    Severity,
};
use saldo_domain::ids::{CountedIds, MessageId};
use saldo_domain::operation::OperationStatus;
use saldo_engine::Caller;
use saldo_engine::alerts::{AlertOptions, AlertWatch, Transport, TransportError};
use saldo_notify::{Composer, Language};
use saldo_store::alerts::{AlertFilter, Alerts};
use saldo_store::query::PageRequest;

use crate::support::faults::{Mode, Reaction, not_acceptable};
use crate::support::{Setup, World, account, hours, order, seconds, simulate};

/// What a channel does with what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Works,
    /// It answers 429 and asks to wait so many seconds.
    Busy(i64),
    /// It never answers.
    Hangs,
}

/// A way to people that writes down what they are told.
struct Recorder {
    line: Mutex<Line>,
    told: Mutex<Vec<(Timestamp, Message)>>,
    attempts: Mutex<BTreeMap<MessageId, u32>>,
}

impl Recorder {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            line: Mutex::new(Line::Works),
            told: Mutex::new(Vec::new()),
            attempts: Mutex::new(BTreeMap::new()),
        })
    }

    fn set(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }

    /// Every message with the minute after the start at which it arrived.
    fn story(&self, began: Timestamp) -> Vec<(i64, Vec<(Occasion, AlertKind)>)> {
        let told = self.told.lock().unwrap();
        told.iter()
            .map(|(at, message)| {
                let entries = message.entries.iter();
                let told = entries.map(|entry| (entry.occasion, entry.alert.kind)).collect();
                (at.duration_since(began).as_mins(), told)
            })
            .collect()
    }

    /// The same as people read it.
    fn texts(&self, language: Language, began: Timestamp) -> String {
        let zone = TimeZone::get("Europe/Warsaw").unwrap();
        let composer = Composer::new(language, zone, "https://saldo.example");
        let told = self.told.lock().unwrap();
        told.iter()
            .map(|(at, message)| {
                let minutes = at.duration_since(began).as_mins();
                let composed = composer.compose(&message.entries, message.created_at);
                let (hour, minute) = (minutes / 60, minutes % 60);
                format!(
                    "=== +{hour:02}:{minute:02} {}\n{}\n",
                    message.channel,
                    composed.plain()
                )
            })
            .collect()
    }
}

#[async_trait]
impl Transport for Recorder {
    async fn send(&self, message: &Message, now: Timestamp) -> Result<(), TransportError> {
        *self.attempts.lock().unwrap().entry(message.id).or_default() += 1;
        let line = *self.line.lock().unwrap();
        match line {
            Line::Works => {
                self.told.lock().unwrap().push((now, message.clone()));
                Ok(())
            }
            Line::Busy(wait) => Err(TransportError {
                reason: "429 Too Many Requests".to_owned(),
                retry_after: Some(SignedDuration::from_secs(wait)),
                is_refusal: false,
            }),
            Line::Hangs => std::future::pending().await,
        }
    }
}

fn policy() -> AlertPolicy {
    AlertPolicy {
        routes: Routes {
            set_up: vec![Channel::Telegram],
            // The simulated service's single-order call is broken, as shipped.
            by_kind: [(AlertKind::LiveOrdersBroken, Vec::new())].into(),
            ..Routes::default()
        },
        ..AlertPolicy::default()
    }
}

fn watch(world: &World, recorder: &Arc<Recorder>, policy: AlertPolicy) -> AlertWatch {
    let options = AlertOptions {
        policy,
        stale_check_minutes: 60,
        transport: recorder.clone(),
        ids: Box::new(CountedIds::default()),
    };
    AlertWatch::start(&world.saldo(), options)
}

async fn minutes(count: u64) {
    seconds(count * 60).await;
}

/// A world that works, in which an order was delivered.
async fn calm_world() -> World {
    let world = World::begin(Setup::default()).await;
    world.post(&order(3, 9_999)).await;
    world
}

use AlertKind::{
    AccountUnusable, FailedRetries, LowDiskSpace, OrdersServiceDown, StockShortage, StorageTrouble,
    SyncFailureRate,
};
use Occasion::{Begun, Ended, Reminder};

#[test]
fn an_outage_of_hours_is_three_messages_in_the_reader_s_language() {
    simulate(async {
        let world = calm_world().await;
        let recorder = Recorder::new();
        let alerts = watch(&world, &recorder, policy());
        minutes(10).await;
        let began = world.now();
        world.set_mode(Mode::Refuses);
        world.post_many(1, 300).await;
        minutes(60).await;
        world.post_many(2, 212).await;
        minutes(69).await;
        world.set_mode(Mode::Up);
        minutes(90).await;
        assert_eq!(
            recorder.story(began),
            [
                (3, vec![(Begun, OrdersServiceDown)]),
                (63, vec![(Reminder, OrdersServiceDown)]),
                (135, vec![(Ended, OrdersServiceDown)]),
            ]
        );
        for language in Language::ALL {
            let name = format!("outage_{}", language.tag());
            insta::assert_snapshot!(name, recorder.texts(language, began));
        }
        alerts.stop().await;
        world.assert_at_rest().await;
    });
}

#[test]
fn a_restart_in_the_middle_neither_repeats_nor_forgets() {
    simulate(async {
        let mut world = calm_world().await;
        let recorder = Recorder::new();
        let alerts = watch(&world, &recorder, policy());
        minutes(10).await;
        let began = world.now();
        world.set_mode(Mode::Refuses);
        world.post_many(1, 300).await;
        minutes(30).await;
        alerts.stop().await;
        world.stop().await;
        minutes(20).await;
        world.start();
        let alerts = watch(&world, &recorder, policy());
        minutes(50).await;
        world.set_mode(Mode::Up);
        minutes(90).await;
        let told: Vec<_> = recorder.story(began).into_iter().map(|(_, told)| told).collect();
        assert_eq!(
            told,
            [
                vec![(Begun, OrdersServiceDown)],
                vec![(Reminder, OrdersServiceDown)],
                vec![(Ended, OrdersServiceDown)],
            ]
        );
        alerts.stop().await;
    });
}

#[test]
fn an_outage_of_two_days_is_a_handful_of_messages_although_everything_was_given_up() {
    simulate(async {
        let world = calm_world().await;
        let recorder = Recorder::new();
        let _alerts = watch(&world, &recorder, policy());
        minutes(10).await;
        let began = world.now();
        world.set_mode(Mode::DatabaseDown);
        world.post_many(1, 500).await;
        hours(48).await;
        assert_eq!(world.count(OperationStatus::Failed), 500);
        world.set_mode(Mode::Up);
        hours(3).await;
        let told: Vec<_> = recorder.story(began).into_iter().map(|(_, told)| told).collect();
        let mut expected = vec![vec![(Begun, OrdersServiceDown)]];
        expected.extend(vec![vec![(Reminder, OrdersServiceDown)]; 4]);
        expected.push(vec![(Ended, OrdersServiceDown)]);
        assert_eq!(told, expected);
        world.assert_at_rest().await;
    });
}

#[test]
fn a_shortage_and_an_account_are_told_with_what_to_do_and_end_by_themselves() {
    simulate(async {
        let world = World::begin(Setup {
            stock: 1,
            ..Setup::default()
        })
        .await;
        let recorder = Recorder::new();
        let _alerts = watch(&world, &recorder, policy());
        let began = world.now();
        world.post_many(2, 4).await;
        world.remote.faults(|faults| {
            faults.gone.insert(account(1));
        });
        minutes(5).await;
        world.receive(100).await;
        world.post_many(1, 3).await;
        minutes(30).await;
        world.remote.faults(|faults| faults.gone.clear());
        minutes(30).await;
        assert_eq!(
            recorder.story(began),
            [
                (3, vec![(Begun, StockShortage)]),
                (6, vec![(Begun, AccountUnusable)]),
                (10, vec![(Ended, StockShortage)]),
                (41, vec![(Ended, AccountUnusable)]),
            ]
        );
        insta::assert_snapshot!("shortage_and_account_pl", recorder.texts(Language::Polish, began));
        world.assert_at_rest().await;
    });
}

#[test]
fn who_acknowledged_hears_only_of_the_end() {
    simulate(async {
        let world = calm_world().await;
        let recorder = Recorder::new();
        let _alerts = watch(&world, &recorder, policy());
        minutes(5).await;
        let began = world.now();
        world.set_mode(Mode::Refuses);
        world.post_many(1, 10).await;
        minutes(10).await;
        let saldo = world.saldo();
        let open = saldo.status().await.unwrap().alerts;
        let open: Vec<_> = open
            .iter()
            .filter(|alert| alert.kind == OrdersServiceDown)
            .collect();
        let note = Some("calling the provider".to_owned());
        let anna = Caller::named("anna");
        let alert = saldo
            .acknowledge_alert(open[0].id, note, &anna)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(alert.status(), AlertStatus::Acknowledged);
        hours(20).await;
        world.set_mode(Mode::Up);
        minutes(30).await;
        let told: Vec<_> = recorder.story(began).into_iter().map(|(_, told)| told).collect();
        assert_eq!(
            told,
            [vec![(Begun, OrdersServiceDown)], vec![(Ended, OrdersServiceDown)]]
        );
        let open = saldo.status().await.unwrap().alerts;
        assert!(
            open.iter().all(|alert| alert.kind != OrdersServiceDown),
            "{open:?}"
        );
    });
}

#[test]
fn a_channel_that_hangs_or_is_busy_holds_up_no_order_and_gets_the_message_once() {
    simulate(async {
        let world = calm_world().await;
        let recorder = Recorder::new();
        let _alerts = watch(&world, &recorder, policy());
        recorder.set(Line::Hangs);
        world.remote.faults(|faults| {
            faults.gone.insert(account(1));
        });
        world.post_many(1, 3).await;
        minutes(3).await;
        for number in 0..50 {
            world.post(&order(2, number)).await;
        }
        assert_eq!(
            world.count(OperationStatus::Completed),
            51,
            "while the message hangs"
        );
        minutes(5).await;
        recorder.set(Line::Busy(600));
        minutes(30).await;
        recorder.set(Line::Works);
        minutes(20).await;
        let told = recorder.told.lock().unwrap().clone();
        assert_eq!(told.len(), 1);
        let id = told[0].1.id;
        let outgoing = world.ledger.message(id).await.unwrap().unwrap();
        assert_eq!(outgoing.status, MessageStatus::Sent);
        let attempts = recorder.attempts.lock().unwrap()[&id];
        assert_eq!(outgoing.attempts, attempts);
        assert!((4..=12).contains(&attempts), "{attempts} attempts in an hour");
    });
}

#[test]
fn a_full_disk_is_told_without_the_database_and_its_end_with_it() {
    simulate(async {
        let world = calm_world().await;
        let recorder = Recorder::new();
        let _alerts = watch(&world, &recorder, policy());
        minutes(10).await;
        let began = world.now();
        world
            .ledger
            .set_failing(Some("the disk is full; free some space"));
        minutes(90).await;
        world.ledger.set_failing(None);
        minutes(30).await;
        assert_eq!(
            recorder.story(began),
            [
                (0, vec![(Begun, StorageTrouble)]),
                (60, vec![(Reminder, StorageTrouble)]),
                (95, vec![(Ended, StorageTrouble)]),
            ]
        );
        let page = PageRequest::first(10);
        let filter = AlertFilter {
            kind: Some(StorageTrouble),
            ..AlertFilter::default()
        };
        let kept = world.ledger.alerts(&filter, page).await.unwrap().items;
        assert_eq!(kept.len(), 1, "one alert from its beginning to its end");
        assert_eq!((kept[0].status(), kept[0].reminders), (AlertStatus::Ended, 1));
    });
}

#[test]
fn a_disk_that_fills_up_is_told_before_it_is_full() {
    simulate(async {
        let world = calm_world().await;
        let recorder = Recorder::new();
        let _alerts = watch(&world, &recorder, policy());
        minutes(10).await;
        let began = world.now();
        world.ledger.set_free_disk_bytes(1_023 << 20);
        minutes(30).await;
        // Not enough to begin an alert, and too little to end one.
        world.ledger.set_free_disk_bytes(1_100 << 20);
        minutes(30).await;
        world.ledger.set_free_disk_bytes(2_048 << 20);
        minutes(30).await;
        assert_eq!(
            recorder.story(began),
            [
                (0, vec![(Begun, LowDiskSpace)]),
                (65, vec![(Ended, LowDiskSpace)])
            ]
        );
    });
}

#[test]
fn at_night_a_shortage_waits_for_the_morning() {
    simulate(async {
        // The simulation begins at 08:00 UTC.
        let world = World::begin(Setup {
            stock: 0,
            ..Setup::default()
        })
        .await;
        let began = world.now();
        let quiet = QuietHours::parse("07:00-10:00", TimeZone::UTC, Severity::Critical).unwrap();
        let recorder = Recorder::new();
        let policy = AlertPolicy {
            quiet_hours: Some(quiet),
            ..policy()
        };
        let _alerts = watch(&world, &recorder, policy);
        world.receive(1).await;
        world.post_many(1, 3).await;
        minutes(150).await;
        assert_eq!(recorder.story(began), [(120, vec![(Begun, StockShortage)])]);
    });
}

#[test]
fn operations_that_the_service_refuses_are_told_once() {
    simulate(async {
        let world = calm_world().await;
        let recorder = Recorder::new();
        let _alerts = watch(&world, &recorder, policy());
        let began = world.now();
        world.remote.faults(|faults| {
            let refusal = Reaction::Fail(not_acceptable());
            faults.script.extend(std::iter::repeat_n(refusal, 40));
        });
        world.post_many(1, 40).await;
        minutes(50).await;
        let story = recorder.story(began);
        assert!(!story.is_empty() && story.len() <= 2, "{story:?}");
        assert_eq!(
            story[0],
            (1, vec![(Begun, SyncFailureRate), (Begun, FailedRetries)])
        );
    });
}

#[test]
fn looking_for_alerts_is_one_of_the_scheduled_tasks() {
    simulate(async {
        let world = calm_world().await;
        let recorder = Recorder::new();
        let _alerts = watch(&world, &recorder, policy());
        assert!(
            world
                .saldo()
                .tasks()
                .await
                .unwrap()
                .iter()
                .all(|task| task.name != "alerts")
        );
        minutes(10).await;
        let tasks = world.saldo().tasks().await.unwrap();
        let looking = tasks.iter().find(|task| task.name == "alerts").unwrap();
        assert_eq!(looking.last_succeeded, Some(true));
        assert!(looking.next_run_at.unwrap() > world.now() - SignedDuration::from_secs(1));
    });
}
