use saldo_domain::alert::{AlertSubject, Facts, TaskName};
use saldo_domain::ids::{AccountId, AlertId, OrderId};
use saldo_domain::text::{Sku, Warehouse};
use uuid::Uuid;

use super::*;
use crate::telegram;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
}

fn composer(language: Language) -> Composer {
    let zone = TimeZone::get("Europe/Warsaw").unwrap();
    Composer::new(language, zone, "https://saldo.example/")
}

fn example(kind: AlertKind) -> Example {
    let account = AccountId::new(Uuid::from_u128(7));
    Example {
        account: Some(account),
        account_name: Some("Sklep „Łódź” <b>".to_owned()),
        order: Some(OrderId::parse("29738e61-7f6a-11f1-ac45-09db60ede9d6").unwrap()),
        sku: (kind == AlertKind::StockShortage).then(|| Sku::parse("KUB-330-GRA").unwrap()),
        warehouse: Some(Warehouse::parse("Ирина").unwrap()),
        required: Some(5),
        available: Some(2),
        short: Some(3),
        at: Some(at(-30)),
        error: Some("400 & \"bad\"".to_owned()),
    }
}

fn alert(kind: AlertKind) -> Alert {
    let subject = match kind {
        AlertKind::AccountUnusable => AlertSubject::Account(AccountId::new(Uuid::from_u128(7))),
        AlertKind::TaskMissed => AlertSubject::Task(TaskName::parse("reconcile").unwrap()),
        _ => AlertSubject::Whole,
    };
    let has_examples = matches!(
        kind,
        AlertKind::StockShortage | AlertKind::FailedRetries | AlertKind::AccountUnusable
    );
    let has_error = matches!(
        kind,
        AlertKind::OrdersServiceDown | AlertKind::SyncFailureRate | AlertKind::StorageTrouble
    );
    Alert {
        id: AlertId::new(Uuid::from_u128(0xa1e7)),
        kind,
        subject,
        severity: kind.severity(),
        facts: Facts {
            count: 512,
            limit: Some(100),
            failed_permille: Some(375),
            window_minutes: Some(30),
            since: Some(at(-30)),
            error: has_error.then(|| "503 Service Unavailable".to_owned()),
            examples: if has_examples {
                vec![example(kind)]
            } else {
                Vec::new()
            },
        },
        peak: 512,
        begun_at: at(0),
        cleared_at: None,
        quiet_seconds: 300,
        first_told_at: Some(at(2)),
        told_at: Some(at(2)),
        told_count: 512,
        reminders: 0,
        acknowledged: None,
        ended_at: None,
        delivered: None,
        version: 1,
    }
}

fn entry(kind: AlertKind, occasion: Occasion) -> Entry {
    let mut alert = alert(kind);
    if occasion == Occasion::Ended {
        alert.cleared_at = Some(at(130));
        alert.ended_at = Some(at(135));
        alert.delivered = kind.counts_deliveries().then_some(512);
    }
    Entry { occasion, alert }
}

#[test]
fn every_kind_is_told_in_every_language() {
    for language in Language::ALL {
        let composer = composer(language);
        let mut text = String::new();
        for kind in AlertKind::ALL {
            for occasion in [Occasion::Begun, Occasion::Ended] {
                let composed = composer.compose(&[entry(kind, occasion)], at(135));
                text.push_str(&composed.plain());
                text.push_str("----\n");
            }
        }
        assert!(
            !text.contains("{$") && !text.contains("{ $"),
            "a variable is missing"
        );
        insta::assert_snapshot!(format!("every_kind_{}", language.tag()), text);
    }
}

#[test]
fn reminders_tell_how_long_it_lasts_and_worse_ones_that_it_grew() {
    let lasting = |language, minutes| {
        let composed = composer(language).compose(
            &[entry(AlertKind::StorageTrouble, Occasion::Reminder)],
            at(minutes),
        );
        composed.subject
    };
    assert_eq!(
        lasting(Language::English, 63),
        "Saldo: Still so, for 1 h 3 min: The database fails"
    );
    assert_eq!(
        lasting(Language::Polish, 2 * 1_440 + 61),
        "Saldo: Nadal trwa (2 dni 1 godz.): Baza danych zawodzi"
    );
    assert_eq!(
        lasting(Language::Russian, 5 * 1_440),
        "Saldo: Всё ещё, уже 5 дней 0 ч: База данных не работает"
    );
    let worse =
        composer(Language::English).compose(&[entry(AlertKind::StockShortage, Occasion::Worse)], at(90));
    assert_eq!(
        worse.subject,
        "Saldo: Warning, twice as many as before: The stock does not suffice"
    );
}

#[test]
fn several_alerts_are_one_message_whose_subject_counts_them() {
    let entries = [
        entry(AlertKind::StorageTrouble, Occasion::Begun),
        entry(AlertKind::StockShortage, Occasion::Begun),
        entry(AlertKind::FailedRetries, Occasion::Reminder),
    ];
    for (language, expected) in [
        (
            Language::English,
            "Saldo: Critical: The database fails (and 2 more)",
        ),
        (
            Language::Polish,
            "Saldo: Krytyczne: Baza danych zawodzi (i jeszcze 2 alerty)",
        ),
        (
            Language::Russian,
            "Saldo: Критично: База данных не работает (и ещё 2 оповещения)",
        ),
    ] {
        let composed = composer(language).compose(&entries, at(60));
        assert_eq!((composed.subject.as_str(), composed.items.len()), (expected, 3));
    }
}

#[test]
fn without_an_address_there_are_no_links() {
    let composer = Composer::new(Language::English, TimeZone::UTC, "");
    let composed = composer.compose(&[entry(AlertKind::StorageTrouble, Occasion::Begun)], at(1));
    assert_eq!(composed.items[0].link, None);
}

#[test]
fn a_chat_message_fits_however_many_alerts_there_are() {
    for language in Language::ALL {
        let composer = composer(language);
        for count in [1, 3, 10, 200] {
            let entries = vec![entry(AlertKind::StockShortage, Occasion::Begun); count];
            let text = telegram::render(&composer, &composer.compose(&entries, at(1)));
            assert!(text.encode_utf16().count() <= telegram::TELEGRAM_UNITS_MAX);
            assert_eq!(text.matches("<b>").count(), text.matches("</b>").count());
            assert_eq!(text.matches("<code>").count(), text.matches("</code>").count());
            assert!(count < 200 || text.lines().last().unwrap().contains(char::is_numeric));
        }
    }
}
