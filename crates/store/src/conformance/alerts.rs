//! Alerts, and the outbox of messages about them.

use std::future::Future;

use jiff::Timestamp;
use saldo_domain::alert::{
    Acknowledgement, Alert, AlertKind, AlertPolicy, AlertStatus, AlertSubject, Channel, Decision, Example,
    Facts, Finding, Findings, MessageOutcome, MessageStatus, Routes, TaskName, watch,
};
use saldo_domain::delivery::Outcome as AttemptOutcome;
use saldo_domain::ids::{AlertId, IdSource, MessageId};
use saldo_domain::view::RefusalKind;

use super::dump::all_pages;
use super::forms::{self, account, at, claimed, done, due, order, receive, settle, simple, sku, warehouse};
use super::{Fixture, GrowingIds, must};
use crate::alerts::{AlertFilter, OutboxCounts};
use crate::contract::{Rules, SharedStore};
use crate::error::StoreError;
use crate::query::{Page, PageRequest};

pub(super) async fn exercise<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    alerts_are_kept_from_their_beginning_to_their_end(&make(forms::rules()).await).await;
    a_decision_over_changed_alerts_is_refused_as_a_whole(&make(forms::rules()).await).await;
    messages_wait_until_they_are_sent_or_given_up(&make(forms::rules()).await).await;
    what_was_delivered_since_a_moment_is_counted(&make(forms::rules()).await).await;
}

fn policy() -> AlertPolicy {
    AlertPolicy {
        routes: Routes {
            set_up: vec![Channel::Telegram, Channel::Webhook],
            ..Routes::default()
        },
        ..AlertPolicy::default()
    }
}

fn facts(count: u64) -> Facts {
    Facts {
        count,
        limit: Some(3),
        failed_permille: Some(125),
        window_minutes: Some(30),
        since: Some(at(-70)),
        error: Some("503 «nie działa»".to_owned()),
        examples: vec![Example {
            account: Some(account(1)),
            account_name: Some("Sklep".to_owned()),
            order: Some(order(1, "short").order),
            sku: Some(sku("KUB-330")),
            warehouse: Some(warehouse("Ирина")),
            required: Some(5),
            available: Some(2),
            short: Some(3),
            at: Some(at(-60)),
            error: None,
        }],
    }
}

/// Finds these, decides, and stores what was decided.
async fn look(
    store: &SharedStore,
    ids: &mut dyn IdSource,
    seconds: i64,
    found: &[(AlertKind, AlertSubject, u64)],
) -> Decision {
    let known = must!(store.known_alerts(at(seconds - 7_200)).await, "known_alerts");
    let mut findings = Findings::default();
    for (kind, subject, count) in found {
        findings.insert(*kind, subject.clone(), Finding::Present(facts(*count)));
    }
    let decision = watch(&known, &findings, &policy(), at(seconds), ids);
    must!(store.apply_alerts(&decision).await, "apply_alerts");
    decision
}

fn of_account(number: u8) -> (AlertKind, AlertSubject, u64) {
    (
        AlertKind::AccountUnusable,
        AlertSubject::Account(account(number)),
        1,
    )
}

fn whole(kind: AlertKind) -> (AlertKind, AlertSubject, u64) {
    (kind, AlertSubject::Whole, 7)
}

async fn all(store: &SharedStore, filter: &AlertFilter) -> Vec<Alert> {
    must!(store.alerts(filter, PageRequest::first(500)).await, "alerts").items
}

pub(super) async fn alerts_are_kept_from_their_beginning_to_their_end(fixture: &Fixture) {
    let store = &fixture.store;
    let ids = &mut GrowingIds::default();
    let task = AlertSubject::Task(must!(TaskName::parse("report"), "a task"));
    let found = [
        of_account(1),
        of_account(2),
        whole(AlertKind::StorageTrouble),
        (AlertKind::TaskMissed, task, 1),
    ];
    let begun = look(store, ids, 0, &found).await;
    assert_eq!((begun.alerts.len(), begun.messages.len()), (4, 2));
    let filter = AlertFilter::default();
    let listed = all(store, &filter).await;
    let mut expected = begun.alerts.clone();
    expected.sort_by_key(|alert| std::cmp::Reverse(alert.id));
    assert_eq!(listed, expected, "newest first, as they were decided");
    for limit in 1..=4 {
        assert_eq!(
            all_pages!(limit, |page| store.alerts(&filter, page.clone())),
            listed
        );
    }
    look(store, ids, 60, &found[..2]).await;
    look(store, ids, 120, &found[..2]).await;
    let ended = look(store, ids, 400, &found[..2]).await;
    assert_eq!(ended.alerts.len(), 2, "two ended");
    let known = must!(store.known_alerts(at(400)).await, "known_alerts");
    assert_eq!((known.open.len(), known.ended.len()), (2, 2));
    let later = must!(store.known_alerts(at(401)).await, "known_alerts");
    assert_eq!((later.open, later.ended.len()), (known.open.clone(), 0));
    let one = must!(store.alert(known.ended[0].id).await, "alert");
    assert_eq!(one.as_ref(), known.ended.first());
    assert_filters(store).await;
    assert_eq!(must!(store.forget_alerts(at(400), 100).await, "forget_alerts"), 0);
    assert_eq!(must!(store.forget_alerts(at(401), 1).await, "forget_alerts"), 1);
    assert_eq!(must!(store.forget_alerts(at(401), 100).await, "forget_alerts"), 1);
    assert_eq!(
        all(store, &filter).await.len(),
        2,
        "what is open is never forgotten"
    );
}

async fn assert_filters(store: &SharedStore) {
    let everything = all(store, &AlertFilter::default()).await;
    let filters = [
        AlertFilter {
            open: Some(true),
            ..AlertFilter::default()
        },
        AlertFilter {
            open: Some(false),
            ..AlertFilter::default()
        },
        AlertFilter {
            kind: Some(AlertKind::AccountUnusable),
            account: Some(account(2)),
            ..AlertFilter::default()
        },
        AlertFilter {
            status: Some(AlertStatus::Ended),
            ..AlertFilter::default()
        },
        AlertFilter {
            status: Some(AlertStatus::Begun),
            kind: Some(AlertKind::StorageTrouble),
            ..AlertFilter::default()
        },
    ];
    for (filter, expected) in filters.iter().zip([2, 2, 1, 2, 0]) {
        let found = all(store, filter).await;
        assert_eq!(found.len(), expected, "{filter:?}");
        let wanted: Vec<_> = everything
            .iter()
            .filter(|alert| filter.matches(alert))
            .cloned()
            .collect();
        assert_eq!(found, wanted, "{filter:?}");
    }
}

async fn a_decision_over_changed_alerts_is_refused_as_a_whole(fixture: &Fixture) {
    let store = &fixture.store;
    let ids = &mut GrowingIds::default();
    look(store, ids, 0, &[of_account(1)]).await;
    let known = must!(store.known_alerts(at(0)).await, "known_alerts");
    let mut findings = Findings::default();
    for (kind, subject, count) in [of_account(1), of_account(2)] {
        findings.insert(kind, subject, Finding::Present(facts(count + 1)));
    }
    let decision = watch(&known, &findings, &policy(), at(3_700), ids);
    let by = Acknowledgement {
        by: "anna".to_owned(),
        at: at(30),
        note: Some("seen".to_owned()),
    };
    let id = known.open[0].id;
    let acknowledged = must!(store.acknowledge_alert(id, by.clone()).await, "acknowledge_alert");
    let acknowledged = acknowledged.unwrap_or_else(|| panic!("the alert is there"));
    assert_eq!(acknowledged.status(), AlertStatus::Acknowledged);
    let before = must!(store.outbox_counts().await, "outbox_counts");
    assert_refused(store, &decision).await;
    // The same beginning twice is one too many.
    let mut again = Decision {
        alerts: vec![known.open[0].clone()],
        messages: Vec::new(),
    };
    again.alerts[0].id = AlertId::new(ids.next(at(1)));
    again.alerts[0].version = 1;
    assert_refused(store, &again).await;
    assert_eq!(must!(store.outbox_counts().await, "outbox_counts"), before);
    let kept = all(store, &AlertFilter::default()).await;
    assert_eq!(kept, std::slice::from_ref(&acknowledged));

    let other = Acknowledgement {
        by: "boris".to_owned(),
        ..by
    };
    let twice = must!(
        store.acknowledge_alert(id, other.clone()).await,
        "acknowledge_alert"
    );
    assert_eq!(twice, Some(acknowledged), "the first one counts");
    let nobody = AlertId::new(ids.next(at(1)));
    assert_eq!(
        must!(store.acknowledge_alert(nobody, other).await, "acknowledge_alert"),
        None
    );
}

async fn assert_refused(store: &SharedStore, decision: &Decision) {
    match store.apply_alerts(decision).await {
        Err(StoreError::Refused(refusal)) => {
            assert_eq!(
                (refusal.kind, refusal.code),
                (RefusalKind::Conflict, "alert_changed")
            );
        }
        other => panic!("a decision over changed alerts: {other:?}"),
    }
}

async fn messages_wait_until_they_are_sent_or_given_up(fixture: &Fixture) {
    let store = &fixture.store;
    let ids = &mut GrowingIds::default();
    assert_eq!(must!(store.next_message_at().await, "next_message_at"), None);
    let mut messages = look(store, ids, 10, &[of_account(1)]).await.messages;
    messages.sort_by_key(|message| message.id);
    assert_eq!(
        must!(store.next_message_at().await, "next_message_at"),
        Some(at(10))
    );
    assert_eq!(must!(store.due_messages(at(9), 10).await, "due_messages"), []);
    let due = must!(store.due_messages(at(10), 10).await, "due_messages");
    let told: Vec<_> = due.iter().map(|outgoing| outgoing.message.clone()).collect();
    assert_eq!(told, messages);
    assert_eq!(
        must!(store.due_messages(at(10), 1).await, "due_messages"),
        due[..1]
    );

    let (first, second) = (messages[0].id, messages[1].id);
    let begin = |id: MessageId, attempts, seconds| store.begin_message(id, attempts, at(seconds));
    assert!(must!(begin(first, 0, 70).await, "begin_message"));
    assert!(
        !must!(begin(first, 0, 70).await, "begin_message"),
        "another was faster"
    );
    let due = must!(store.due_messages(at(69), 10).await, "due_messages");
    assert_eq!(
        due.iter().map(|outgoing| outgoing.message.id).collect::<Vec<_>>(),
        [second]
    );
    let retry = MessageOutcome::Retry {
        error: "429".to_owned(),
        next_at: at(100),
    };
    must!(store.end_message(first, retry, at(11)).await, "end_message");
    assert!(must!(begin(second, 0, 70).await, "begin_message"));
    must!(
        store.end_message(second, MessageOutcome::Sent, at(12)).await,
        "end_message"
    );
    assert!(!must!(begin(second, 1, 70).await, "begin_message"), "it was sent");
    assert_eq!(
        must!(store.next_message_at().await, "next_message_at"),
        Some(at(100))
    );
    assert!(must!(begin(first, 1, 130).await, "begin_message"));
    let failed = MessageOutcome::Failed {
        error: "403".to_owned(),
    };
    must!(store.end_message(first, failed, at(101)).await, "end_message");
    must!(
        store.end_message(first, MessageOutcome::Sent, at(102)).await,
        "end_message"
    );
    assert_ended(store, first, (MessageStatus::Failed, 2, Some("403"), at(101))).await;
    assert_ended(store, second, (MessageStatus::Sent, 1, None, at(12))).await;
    let counts = OutboxCounts {
        waiting: 0,
        failed: 1,
    };
    assert_eq!(must!(store.outbox_counts().await, "outbox_counts"), counts);
    assert_eq!(must!(store.forget_alerts(at(200), 100).await, "forget_alerts"), 2);
    assert_eq!(must!(store.message(first).await, "message"), None);
}

async fn assert_ended(
    store: &SharedStore,
    id: MessageId,
    expected: (MessageStatus, u32, Option<&str>, Timestamp),
) {
    let outgoing = must!(store.message(id).await, "message");
    let outgoing = outgoing.unwrap_or_else(|| panic!("the message is there"));
    assert_eq!(
        (
            outgoing.status,
            outgoing.attempts,
            outgoing.last_error.as_deref(),
            outgoing.ended_at
        ),
        (expected.0, expected.1, expected.2, Some(expected.3))
    );
}

async fn what_was_delivered_since_a_moment_is_counted(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, receive(0, "A", 10)).await;
    for (number, seconds) in [(1, 10), (2, 20), (3, 30)] {
        done(store, simple(seconds, &order(1, &format!("order-{number}")), "A")).await;
        for claim in claimed(store, seconds, due(seconds)).await {
            done(store, settle(seconds, &claim, AttemptOutcome::Delivered)).await;
        }
    }
    for (since, expected) in [(0, 3), (10, 3), (11, 2), (30, 1), (31, 0)] {
        let count = must!(store.completed_since(at(since)).await, "completed_since");
        assert_eq!(count, expected, "since {since}");
    }
}
