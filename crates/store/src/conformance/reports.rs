//! Reports: what they count, and where they are kept.

use saldo_domain::delivery::{Failure, Outcome as AttemptOutcome};
use saldo_domain::discrepancy::{DiscrepancyKind, DiscrepancyResolution, Found};
use saldo_domain::ids::{AccountId, ReportId, RunId, uuid_v7};
use saldo_domain::report::{Period, Report, ReportCause, ReportHead};
use uuid::Uuid;

use super::dump::all_pages;
use super::forms::{account, at, claimed, done, due, line, order, receive, settle, simple, stock, take_in};
use super::reconciliations::right;
use super::{Fixture, must};
use crate::contract::{SharedStore, Store};
use crate::query::{Page, PageRequest};
use crate::reports::REPORTS_KEPT_MAX;

const HOUR: i64 = 3_600;

fn period(from_seconds: i64, to_seconds: i64) -> Period {
    must!(Period::new(at(from_seconds), at(to_seconds)), "a period")
}

/// What reports count of whatever is stored, one line a report: for comparisons with the model.
pub(super) async fn figures(store: &dyn Store) -> Vec<String> {
    let mut lines = Vec::new();
    let periods = [period(0, 100_000), period(300, 1_200), period(40, 41)];
    for period in periods {
        for account in [None, Some(account(1)), Some(account(2))] {
            let figures = must!(store.report_figures(period, account).await, "report_figures");
            lines.push(format!("{period:?} {account:?} {figures:?}"));
        }
    }
    lines
}

fn failure() -> AttemptOutcome {
    AttemptOutcome::Transient(Failure {
        message: "503".to_owned(),
        retry_after_seconds: None,
        counts: true,
    })
}

/// Three orders of the first account and one of the second: one is delivered at once, one by a retry, one lacks
/// stock, and one is delivered an hour later.
async fn an_hour(store: &SharedStore) {
    done(store, receive(0, "A", 100)).await;
    done(store, receive(0, "B", 1)).await;
    done(store, simple(10, &order(1, "at-once"), "A")).await;
    let at_once = claimed(store, 11, due(11)).await;
    done(store, settle(12, &at_once[0], AttemptOutcome::Delivered)).await;
    done(store, simple(20, &order(1, "retried"), "A")).await;
    let first = claimed(store, 21, due(21)).await;
    done(store, settle(22, &first[0], failure())).await;
    let second = claimed(store, 600, due(600)).await;
    done(store, settle(622, &second[0], AttemptOutcome::Delivered)).await;
    let lacking = vec![line("lacks", "B", 5)];
    done(store, take_in(700, &order(1, "lacks"), lacking)).await;
    done(store, simple(HOUR + 5, &order(2, "later"), "A")).await;
    let later = claimed(store, HOUR + 6, due(HOUR + 6)).await;
    done(store, settle(HOUR + 7, &later[0], AttemptOutcome::Delivered)).await;
}

pub(super) async fn figures_tell_what_happened(fixture: &Fixture) {
    let store = &fixture.store;
    an_hour(store).await;
    let figures = must!(
        store.report_figures(period(0, HOUR), None).await,
        "report_figures"
    );
    let totals = &figures.totals;
    assert_eq!((totals.deductions(), totals.recorded()), (3, 5), "two receipts");
    assert_eq!(
        (totals.operations[0].completed, totals.operations[0].waiting),
        (2, 1)
    );
    assert_eq!((totals.attempts.made, totals.attempts.delivered), (3, 2));
    assert_eq!((totals.retries.made, totals.retries.operations), (1, 1));
    assert_eq!(totals.retries.time.mean_ms, Some(600_000));
    assert_eq!((totals.reviews_opened(), totals.reviews_open()), (1, 1));
    assert_eq!((totals.stock.units_taken, totals.stock.shortages), (2, 1));
    let [short] = &figures.shortages[..] else {
        panic!("{:?}", figures.shortages)
    };
    assert_eq!(
        (&short.sku, &short.warehouse),
        (&stock("B").sku, &stock("B").warehouse)
    );
    assert_eq!((short.units_short, short.open), (4, 1));
    let next = must!(
        store.report_figures(period(HOUR, 2 * HOUR), None).await,
        "report_figures"
    );
    assert_eq!(next.before, figures.totals, "the trend is the hour before");
    assert_eq!((next.totals.deductions(), next.totals.reviews_open()), (1, 1));
    assert_eq!(next.busiest_skus[0].units_taken_before, 2);
}

pub(super) async fn figures_of_an_account_leave_out_the_others(fixture: &Fixture) {
    let store = &fixture.store;
    an_hour(store).await;
    let of = async |account: AccountId| {
        must!(
            store.report_figures(period(0, 2 * HOUR), Some(account)).await,
            "report_figures"
        )
        .totals
    };
    let (first, second) = (of(account(1)).await, of(account(2)).await);
    assert_eq!(
        (first.recorded(), second.recorded()),
        (3, 1),
        "receipts are nobody's"
    );
    assert_eq!((first.attempts.made, second.attempts.made), (3, 1));
    assert_eq!((first.stock.units_taken, second.stock.units_taken), (2, 1));
    assert_eq!((first.reviews_opened(), second.reviews_opened()), (1, 0));
    assert_eq!(of(account(9)).await.recorded(), 0);
}

pub(super) async fn figures_tell_of_differences(fixture: &Fixture) {
    let store = &fixture.store;
    let right = right(fixture, "one", 0).await;
    let found = |account_number, kind| Found {
        key: order(account_number, "any"),
        kind,
        local: "deducted".to_owned(),
        remote: "false".to_owned(),
        resolution: DiscrepancyResolution::AutoFixed,
        review: None,
    };
    let run = |number: u128| RunId::new(Uuid::from_u128(number));
    let both = vec![
        found(1, DiscrepancyKind::NotDelivered),
        found(2, DiscrepancyKind::NotDelivered),
    ];
    must!(
        store.record_discrepancies(run(1), both, at(10), &right).await,
        "record_discrepancies"
    );
    // The first is seen again, and the second is gone.
    let again = vec![found(1, DiscrepancyKind::NotDelivered)];
    must!(
        store.record_discrepancies(run(2), again, at(5_000), &right).await,
        "record_discrepancies"
    );
    let gone = [order(2, "any")];
    must!(
        store.close_discrepancies(run(2), &gone, at(5_000), &right).await,
        "close_discrepancies"
    );
    let all = must!(
        store.report_figures(period(0, HOUR), None).await,
        "report_figures"
    );
    let [totals] = &all.totals.discrepancies[..] else {
        panic!("{:?}", all.totals.discrepancies)
    };
    assert_eq!((totals.found, totals.auto_fixed, totals.open), (2, 2, 1));
    let second = must!(
        store.report_figures(period(0, HOUR), Some(account(2))).await,
        "report_figures"
    );
    assert_eq!(second.totals.discrepancies_open(), 0);
    let later = must!(
        store.report_figures(period(HOUR, 2 * HOUR), None).await,
        "report_figures"
    );
    assert_eq!(later.totals.discrepancies_found(), 0, "first seen before");
}

async fn report(store: &SharedStore, number: u64) -> Report {
    let period = period(0, HOUR);
    Report {
        head: ReportHead {
            id: ReportId::new(uuid_v7(at(0), number)),
            cause: ReportCause::Asked,
            made_at: at(i64::try_from(number).unwrap_or(0)),
            made_by: "ä key".to_owned(),
            period,
            account: number.is_multiple_of(2).then(|| account(1)),
            account_name: None,
        },
        figures: must!(store.report_figures(period, None).await, "report_figures"),
    }
}

pub(super) async fn reports_are_kept_and_listed(fixture: &Fixture) {
    let store = &fixture.store;
    an_hour(store).await;
    let mut kept = Vec::new();
    for number in 0..7 {
        let report = report(store, number).await;
        must!(store.put_report(&report).await, "put_report");
        kept.push(report);
    }
    for report in &kept {
        let got = must!(store.report(report.head.id).await, "report");
        assert_eq!(got.as_ref(), Some(report));
    }
    kept.reverse();
    let heads: Vec<ReportHead> = kept.iter().map(|report| report.head.clone()).collect();
    for limit in 1..=8 {
        assert_eq!(all_pages!(limit, |page| store.reports(page.clone())), heads);
    }
    let mut changed = kept[0].clone();
    changed.head.made_by = "another".to_owned();
    must!(store.put_report(&changed).await, "put_report");
    let got = must!(store.report(changed.head.id).await, "report");
    assert_eq!(got, Some(changed));
    let nowhere = ReportId::new(Uuid::from_u128(1));
    assert_eq!(must!(store.report(nowhere).await, "report"), None);
}

pub(super) async fn the_oldest_reports_go(fixture: &Fixture) {
    let store = &fixture.store;
    let mut one = report(store, 0).await;
    let count = REPORTS_KEPT_MAX as u64 + 2;
    for number in 0..count {
        one.head.id = ReportId::new(uuid_v7(at(0), number));
        must!(store.put_report(&one).await, "put_report");
    }
    let kept = all_pages!(500, |page| store.reports(page.clone()));
    assert_eq!(kept.len(), REPORTS_KEPT_MAX);
    assert_eq!(
        kept.last().map(|head| head.id),
        Some(ReportId::new(uuid_v7(at(0), 2)))
    );
}
