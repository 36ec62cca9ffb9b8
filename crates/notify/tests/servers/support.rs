//! Messages to send.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use saldo_domain::alert::{
    Alert, AlertKind, AlertSubject, Channel, Entry, Example, Facts, Message, Occasion,
};
use saldo_domain::ids::{AlertId, MessageId, OrderId};
use saldo_domain::text::{Sku, Warehouse};
use saldo_notify::{Composer, Language, Notifier, NotifierOptions, SendError};
use uuid::Uuid;

pub(crate) fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
}

/// This moment, for those who compare clocks.
#[expect(
    clippy::disallowed_methods,
    reason = "the receiver in the test has the real time, too"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

pub(crate) fn notifier(options: &NotifierOptions) -> Notifier {
    let composer = Composer::new(Language::English, TimeZone::UTC, "https://saldo.example");
    Notifier::new(composer, options).unwrap()
}

/// A stock shortage whose SKU is as hostile as its seller may make it.
fn shortage(sku: &str) -> Alert {
    let example = Example {
        account_name: Some("Sklep <i>„Łódź”</i> & @syn".to_owned()),
        order: Some(OrderId::parse("29738e61-7f6a-11f1-ac45-09db60ede9d6").unwrap()),
        sku: Some(Sku::parse(sku).unwrap()),
        warehouse: Some(Warehouse::parse("Ирина").unwrap()),
        required: Some(5),
        available: Some(2),
        short: Some(3),
        at: Some(at(-30)),
        ..Example::default()
    };
    Alert {
        id: AlertId::new(Uuid::from_u128(0xa1e7)),
        kind: AlertKind::StockShortage,
        subject: AlertSubject::Whole,
        severity: AlertKind::StockShortage.severity(),
        facts: Facts {
            count: 3,
            examples: vec![example],
            ..Facts::default()
        },
        peak: 3,
        begun_at: at(0),
        cleared_at: None,
        quiet_seconds: 300,
        first_told_at: Some(at(2)),
        told_at: Some(at(2)),
        told_count: 3,
        reminders: 0,
        acknowledged: None,
        ended_at: None,
        delivered: None,
        version: 1,
    }
}

/// A message of so many alerts.
pub(crate) fn message(channel: Channel, sku: &str, alerts: usize) -> Message {
    let entry = Entry {
        occasion: Occasion::Begun,
        alert: shortage(sku),
    };
    Message {
        id: MessageId::new(Uuid::from_u128(0x3e55a6e)),
        channel,
        created_at: at(2),
        due_at: at(2),
        entries: vec![entry; alerts],
    }
}

/// The reason of a failure, which must not hold a secret.
pub(crate) fn failed(result: Result<(), SendError>, secret: &str) -> SendError {
    let error = result.unwrap_err();
    assert!(!format!("{error:?}").contains(secret), "{error:?}");
    error
}
