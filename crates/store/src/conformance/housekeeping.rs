//! The clean-up: what goes, what stays, and that nobody notices it but in what is no longer listed.

use std::future::Future;

use saldo_domain::decide::{
    AnswerKey, Command, Count, Deduct, OrderOutcome, Outcome, Refund, RefundLine, Request, RollBack,
    StockLine, SyncStatus, TakeIn, Transfer,
};
use saldo_domain::delivery::Outcome as AttemptOutcome;
use saldo_domain::discrepancy::{
    DiscrepancyKind, DiscrepancyResolution, Found, Run, RunOutcome, RunScope, RunTally,
};
use saldo_domain::form::{FormStatus, OrderCopy};
use saldo_domain::ids::{OperationId, OrderKey, RunId};
use saldo_domain::operation::OperationStatus;
use saldo_domain::stock::Movement;
use saldo_domain::view::OrderFile;

use super::dump::all_pages;
use super::forms::{
    account, at, claimed, copy, done, due, line, order, receive, request, rules, settle, simple, sku, stock,
    warehouse,
};
use super::reconciliations::right;
use super::{Fixture, must};
use crate::contract::{Rules, SharedStore, Store};
use crate::housekeeping::{CleanedUp, Cutoffs, Place};
use crate::query::{BalanceFilter, OperationFilter, Page, PageRequest, ReviewFilter};
use crate::reconciliations::DiscrepancyFilter;

pub(super) async fn exercise<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    a_repeat_of_a_cleaned_up_order_changes_nothing(&make(rules()).await).await;
    nothing_goes_of_an_order_that_is_not_done(&make(rules()).await).await;
    everything_stays_until_its_time(&make(rules()).await).await;
    a_log_goes_before_its_operation_and_goes_on_where_it_was(&make(rules()).await).await;
    what_went_is_told_as_unknown(&make(rules()).await).await;
    rows_that_decisions_keep_in_memory_go_as_well(&make(rules()).await).await;
    what_stands_in_the_way_is_passed_by_once(&make(rules()).await).await;
}

/// Everything that ended before a moment.
pub(super) fn before(seconds: i64) -> Cutoffs {
    Cutoffs {
        completed_before: at(seconds),
        failed_before: at(seconds),
        log_before: at(seconds),
        answers_before: at(seconds),
    }
}

/// Cleans up to the end, in steps as small as they are asked for, and says what went.
pub(super) async fn clean_up(store: &dyn Store, cutoffs: &Cutoffs, limit: usize) -> CleanedUp {
    /// More entries than the log of one operation has in any test.
    const LOG_ENTRIES_MAX: u64 = 60;
    let mut all = CleanedUp {
        next: Some(Place::start()),
        ..CleanedUp::default()
    };
    for _ in 0..10_000 {
        let Some(place) = all.next.take() else { return all };
        let step = must!(store.clean_up(cutoffs, &place, limit).await, "clean_up");
        assert!(
            step.rows() <= limit as u64 + LOG_ENTRIES_MAX,
            "a step of {limit} removed {step:?}"
        );
        assert_ne!(step.next.as_ref(), Some(&place), "a step goes on");
        all.add(step);
    }
    panic!("the clean-up comes to no end: {all:?}");
}

fn taken_in(seconds: i64, key: &OrderKey, copy: OrderCopy) -> Request {
    let command = Command::TakeIn(TakeIn {
        account: key.account,
        copy,
        warehouse: None,
        force: false,
        remote_flag: None,
    });
    request(seconds, command)
}

async fn taken(store: &SharedStore, request: Request) -> OrderOutcome {
    match done(store, request).await {
        Outcome::Order(outcome) => outcome,
        other => panic!("an order was answered with {other:?}"),
    }
}

/// Delivers all that is owed.
async fn deliver(store: &SharedStore, seconds: i64) {
    for claim in claimed(store, seconds, due(seconds)).await {
        done(store, settle(seconds, &claim, AttemptOutcome::Delivered)).await;
    }
}

async fn file(store: &dyn Store, key: &OrderKey) -> OrderFile {
    match must!(store.order(key).await, "order") {
        Some(file) => file,
        None => panic!("order {key} is not known"),
    }
}

async fn first_operation(store: &dyn Store, key: &OrderKey) -> OperationId {
    match file(store, key).await.order.first_operation {
        Some(id) => id,
        None => panic!("order {key} has no operation"),
    }
}

fn roll_back(seconds: i64, operation: OperationId) -> Request {
    let command = Command::RollBack(RollBack {
        operation,
        reason: "a mistake".to_owned(),
        force: false,
    });
    request(seconds, command)
}

fn refund(seconds: i64, key: &OrderKey, quantity: i64) -> Request {
    let command = Command::Refund(Refund {
        key: key.clone(),
        lines: vec![RefundLine {
            sku: sku("A"),
            quantity,
            warehouse: None,
        }],
        reason: "it came back".to_owned(),
    });
    request(seconds, command)
}

/// The posted copies of orders, one for each way in which an order can end.
fn ended_copies() -> Vec<(OrderKey, OrderCopy)> {
    let of = |id: &str, quantity| {
        let key = order(1, id);
        let copy = copy(&key, vec![line(&format!("line-{id}"), "A", quantity)]);
        (key, copy)
    };
    let mut allegro = of("allegro", 1);
    allegro.1.fulfilled_by_allegro = true;
    let mut cancelled = of("cancelled-early", 1);
    cancelled.1.status = FormStatus::Cancelled;
    let mut merged = of("winner", 1);
    merged.1.lines = vec![line("line-loser", "A", 1), line("line-winner", "A", 1)];
    vec![
        of("done", 2),
        of("rolled-back", 1),
        of("refunded", 1),
        of("refunded-in-part", 3),
        of("cancelled", 1),
        cancelled,
        allegro,
        of("loser", 1),
        merged,
    ]
}

/// One order of each kind that ended, with stock documents beside them.
async fn ended(store: &SharedStore) -> Vec<(OrderKey, OrderCopy)> {
    done(store, receive(0, "A", 50)).await;
    let copies = ended_copies();
    for (key, copy) in &copies {
        taken(store, taken_in(1, key, copy.clone())).await;
    }
    deliver(store, 2).await;
    let rolled_back = first_operation(&**store, &order(1, "rolled-back")).await;
    done(store, roll_back(3, rolled_back)).await;
    done(store, refund(3, &order(1, "refunded"), 1)).await;
    done(store, refund(3, &order(1, "refunded-in-part"), 1)).await;
    if let Some((key, copy)) = copies.iter().find(|(key, _)| key.order.as_str() == "cancelled") {
        let mut copy = copy.clone();
        copy.status = FormStatus::Cancelled;
        taken(store, taken_in(3, key, copy)).await;
    }
    let single = Deduct {
        key: order(2, "single"),
        line: None,
        sku: sku("A"),
        quantity: 1,
        warehouse: None,
    };
    taken(store, request(3, Command::Deduct(single))).await;
    let counted = vec![StockLine {
        key: stock("A"),
        quantity: 30,
    }];
    let count = Count {
        lines: counted,
        reason: "a count".to_owned(),
    };
    done(store, request(4, Command::Count(count))).await;
    let transfer = Transfer {
        sku: sku("A"),
        from: stock("A").warehouse,
        to: warehouse("second"),
        quantity: 5,
    };
    done(store, request(4, Command::Transfer(transfer))).await;
    deliver(store, 5).await;
    deliver(store, 500).await;
    copies
}

/// What must look the same before and after.
async fn ledger(store: &dyn Store) -> (Vec<String>, Vec<Movement>) {
    let balances = all_pages!(50, |page| store.balances(&BalanceFilter::default(), page.clone()));
    let movements = all_pages!(50, |page| store.movements(&sku("A"), page.clone()));
    (
        balances.iter().map(|balance| format!("{balance:?}")).collect(),
        movements.into_iter().map(|row| row.movement).collect(),
    )
}

async fn a_repeat_of_a_cleaned_up_order_changes_nothing(fixture: &Fixture) {
    let store = &fixture.store;
    let copies = ended(store).await;
    let before_it = ledger(&**store).await;
    let operations = all_pages!(50, |page| store
        .operations(&OperationFilter::default(), page.clone()));
    assert!(
        operations
            .iter()
            .all(|operation| !operation.status.is_unfinished())
    );
    let cleaned = clean_up(&**store, &before(10_000), 3).await;
    assert_eq!(cleaned.operations, operations.len() as u64, "all of them go");
    assert!(cleaned.log_entries > cleaned.operations);
    let left = all_pages!(50, |page| store
        .operations(&OperationFilter::default(), page.clone()));
    assert_eq!(left, []);
    assert_eq!(ledger(&**store).await, before_it, "movements and balances stay");
    assert_eq!(must!(store.check(at(10_001)).await, "check"), []);
    for (key, copy) in &copies {
        let again = taken(store, taken_in(10_002, key, copy.clone())).await;
        assert!(again.duplicate, "{key} was answered {again:?}");
        assert_eq!(again.operation, None, "{key} was answered {again:?}");
        let expected = match key.order.as_str() {
            "rolled-back" | "refunded" => SyncStatus::RolledBack,
            "cancelled" | "cancelled-early" | "allegro" => SyncStatus::Skipped,
            "loser" => SyncStatus::Merged,
            _ => SyncStatus::Completed,
        };
        assert_eq!(again.status, expected, "{key} was answered {again:?}");
    }
    let single = Deduct {
        key: order(2, "single"),
        line: None,
        sku: sku("A"),
        quantity: 1,
        warehouse: None,
    };
    let again = taken(store, request(10_003, Command::Deduct(single))).await;
    assert!(again.duplicate && again.operation.is_none(), "{again:?}");
    assert_eq!(ledger(&**store).await, before_it, "a repeat moves nothing");
    assert_eq!(must!(store.check(at(10_004)).await, "check"), []);
    assert_eq!(clean_up(&**store, &before(10_000), 3).await.rows(), 0);
    // What was cleaned up can still be given back, and the rest of what was taken in part.
    done(store, refund(10_005, &order(1, "refunded-in-part"), 2)).await;
    let too_much = store.execute(refund(10_006, &order(1, "done"), 3)).await;
    assert!(too_much.is_err(), "never more than is still taken: {too_much:?}");
    done(store, refund(10_006, &order(1, "done"), 2)).await;
    deliver(store, 10_007).await;
    assert!(!file(&**store, &order(1, "done")).await.order.level());
    assert_eq!(must!(store.check(at(10_008)).await, "check"), []);
}

async fn nothing_goes_of_an_order_that_is_not_done(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, receive(0, "A", 6)).await;
    let line_of = |key: &OrderKey, quantity| vec![line(&format!("line-{}", key.order), "A", quantity)];
    let (owes, asked, unpaid) = (order(1, "owes"), order(1, "asked"), order(1, "unpaid"));
    // Delivered once, and owed again.
    taken(store, taken_in(1, &owes, copy(&owes, line_of(&owes, 2)))).await;
    // Delivered, then changed: the difference waits for stock, which is asked about.
    let mut small = copy(&asked, line_of(&asked, 1));
    small.revision = Some("1".to_owned());
    taken(store, taken_in(1, &asked, small)).await;
    deliver(store, 2).await;
    done(store, refund(3, &owes, 2)).await;
    let mut large = copy(&asked, line_of(&asked, 30));
    large.revision = Some("2".to_owned());
    taken(store, taken_in(3, &asked, large)).await;
    // Never delivered: it waits for its payment.
    let mut bought = copy(&unpaid, line_of(&unpaid, 1));
    bought.status = FormStatus::Bought;
    taken(store, taken_in(3, &unpaid, bought)).await;
    let keys = [&owes, &asked, &unpaid];
    let mut kept = Vec::new();
    for key in keys {
        let file = file(&**store, key).await;
        for operation in &file.operations {
            kept.push(format!(
                "{:?}",
                must!(store.log(operation.id, PageRequest::first(50)).await, "log")
            ));
        }
        kept.push(format!("{file:?}"));
    }
    let cleaned = clean_up(&**store, &before(10_000), 2).await;
    assert_eq!(cleaned.operations, 1, "only the receipt goes: {cleaned:?}");
    let mut left = Vec::new();
    for key in keys {
        let file = file(&**store, key).await;
        for operation in &file.operations {
            left.push(format!(
                "{:?}",
                must!(store.log(operation.id, PageRequest::first(50)).await, "log")
            ));
        }
        left.push(format!("{file:?}"));
    }
    assert_eq!(left, kept);
    // Once it is done, it goes as any other.
    deliver(store, 10_001).await;
    let cleaned = clean_up(&**store, &before(20_000), 2).await;
    assert_eq!(cleaned.operations, 2, "the deduction and the refund: {cleaned:?}");
    assert_eq!(must!(store.check(at(20_001)).await, "check"), []);
}

async fn everything_stays_until_its_time(fixture: &Fixture) {
    let store = &fixture.store;
    let run_id = RunId::new(saldo_domain::ids::uuid_v7(at(0), 1));
    let run = Run {
        id: run_id,
        scope: RunScope {
            account: None,
            from: None,
            to: None,
            limit: None,
            since_watermark: true,
            auto_fix: true,
        },
        by: "saldo".to_owned(),
        started_at: at(100),
        ended_at: Some(at(100)),
        outcome: RunOutcome::Completed,
        error: None,
        tally: RunTally::default(),
        place: serde_json::Value::Null,
    };
    let right = right(fixture, "one", 0).await;
    must!(store.put_run(&run, &right).await, "put_run");
    let running = Run {
        id: RunId::new(saldo_domain::ids::uuid_v7(at(0), 2)),
        ended_at: None,
        outcome: RunOutcome::Running,
        ..run.clone()
    };
    must!(store.put_run(&running, &right).await, "put_run");
    let found = |id: &str| Found {
        key: order(1, id),
        kind: DiscrepancyKind::MissedOrder,
        local: String::new(),
        remote: String::new(),
        resolution: DiscrepancyResolution::Reported,
        review: None,
    };
    must!(
        store
            .record_discrepancies(run_id, vec![found("gone"), found("open")], at(99), &right)
            .await,
        "record_discrepancies"
    );
    must!(
        store
            .close_discrepancies(running.id, &[order(1, "gone")], at(100), &right)
            .await,
        "close_discrepancies"
    );
    // Waits for a SKU that no warehouse ever held, and is asked about until the goods come at second 100.
    done(store, simple(99, &order(1, "done"), "A")).await;
    let mut received = receive(100, "A", 5);
    received.answer_key = Some(AnswerKey {
        key: "key".to_owned(),
        fingerprint: "f".to_owned(),
    });
    done(store, received).await;
    done(
        store,
        request(
            100,
            Command::TryAgain {
                order: order(1, "done"),
            },
        ),
    )
    .await;
    deliver(store, 100).await;
    done(store, simple(99, &order(1, "undone"), "A")).await;
    let undone = first_operation(&**store, &order(1, "undone")).await;
    deliver(store, 99).await;
    done(store, roll_back(100, undone)).await;
    deliver(store, 100).await;
    let wish = order(1, "wished-for");
    must!(store.put_wish(&wish, at(0)).await, "put_wish");
    let lease = must!(store.take_lease("lead", "one", at(0), at(1)).await, "take_lease");

    assert_eq!(
        clean_up(&**store, &before(100), 5).await.rows(),
        0,
        "each ended at second 100"
    );
    let nothing = before(0);
    let completed = Cutoffs {
        completed_before: at(101),
        ..nothing
    };
    let cleaned = clean_up(&**store, &completed, 5).await;
    assert_eq!(
        (cleaned.operations, cleaned.other, cleaned.reviews),
        (3, 0, 0),
        "{cleaned:?}"
    );
    let failed = Cutoffs {
        failed_before: at(101),
        ..nothing
    };
    let cleaned = clean_up(&**store, &failed, 5).await;
    assert_eq!(
        (cleaned.operations, cleaned.other, cleaned.reviews),
        (1, 0, 0),
        "{cleaned:?}"
    );
    let log = Cutoffs {
        log_before: at(101),
        ..nothing
    };
    let cleaned = clean_up(&**store, &log, 5).await;
    assert_eq!(
        (cleaned.operations, cleaned.other, cleaned.reviews),
        (0, 2, 1),
        "{cleaned:?}"
    );
    let answers = Cutoffs {
        answers_before: at(101),
        ..nothing
    };
    let cleaned = clean_up(&**store, &answers, 5).await;
    assert_eq!(
        (cleaned.operations, cleaned.other, cleaned.reviews),
        (0, 1, 0),
        "{cleaned:?}"
    );

    let runs = must!(store.runs(PageRequest::first(5)).await, "runs").items;
    assert_eq!(runs, [running], "what goes on stays");
    let open = all_pages!(5, |page| store
        .discrepancies(&DiscrepancyFilter::default(), page.clone()));
    assert_eq!(
        open.iter().map(|kept| kept.found.clone()).collect::<Vec<_>>(),
        [found("open")]
    );
    let reviews = all_pages!(5, |page| store.reviews(&ReviewFilter::default(), page.clone()));
    assert_eq!(reviews, []);
    assert_eq!(
        must!(store.wishes(5).await, "wishes"),
        [wish],
        "a wish stays until it is fulfilled"
    );
    let leases = must!(store.leases().await, "leases");
    assert_eq!(
        Some(&leases[0]),
        lease.as_ref(),
        "and so does a lease, for its term"
    );
    assert_eq!(must!(store.check(at(200)).await, "check"), []);
}

async fn a_log_goes_before_its_operation_and_goes_on_where_it_was(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, receive(0, "A", 5)).await;
    done(store, simple(1, &order(1, "done"), "A")).await;
    deliver(store, 2).await;
    let waits = order(1, "waits");
    done(store, simple(1, &waits, "B")).await;
    let id = first_operation(&**store, &order(1, "done")).await;
    let log_only = Cutoffs {
        log_before: at(100),
        ..before(0)
    };
    let cleaned = clean_up(&**store, &log_only, 2).await;
    assert_eq!((cleaned.operations, cleaned.reviews, cleaned.other), (0, 0, 0));
    assert!(cleaned.log_entries >= 3, "{cleaned:?}");
    let log = async |id| must!(store.log(id, PageRequest::first(50)).await, "log").items;
    assert_eq!(log(id).await, []);
    let unfinished = first_operation(&**store, &waits).await;
    assert!(!log(unfinished).await.is_empty(), "what goes on keeps its log");
    assert_eq!(must!(store.check(at(101)).await, "check"), []);
    let Some(operation) = must!(store.operation(id).await, "operation") else {
        panic!("the operation stays")
    };
    done(store, roll_back(102, id)).await;
    let entries = log(id).await;
    assert_eq!(
        entries.first().map(|entry| entry.version),
        Some(operation.version + 1)
    );
    assert_eq!(must!(store.check(at(103)).await, "check"), []);
    deliver(store, 104).await;
    clean_up(&**store, &before(200), 2).await;
    assert_eq!(must!(store.operation(id).await, "operation"), None);
    assert_eq!(must!(store.check(at(201)).await, "check"), []);
}

async fn what_went_is_told_as_unknown(fixture: &Fixture) {
    let store = &fixture.store;
    ended(store).await;
    let id = first_operation(&**store, &order(1, "done")).await;
    let merged_away = first_operation(&**store, &order(1, "loser")).await;
    clean_up(&**store, &before(10_000), 100).await;
    for id in [id, merged_away] {
        assert_eq!(must!(store.operation(id).await, "operation"), None);
        assert_eq!(must!(store.log(id, PageRequest::first(5)).await, "log").items, []);
        let again = store.execute(roll_back(10_001, id)).await;
        assert!(again.is_err(), "{again:?}");
    }
    let file = file(&**store, &order(1, "done")).await;
    assert_eq!((file.operations.len(), file.order.first_operation), (0, None));
    assert!(file.order.level(), "what it took is known");
    let movements = all_pages!(50, |page| store.movements(&sku("A"), page.clone()));
    for row in movements.iter().filter(|row| row.movement.line.is_some()) {
        assert!(row.order.is_some(), "the line tells the order of {row:?}");
    }
    let of_line = |id: &str| {
        let row = movements
            .iter()
            .find(|row| row.movement.line.as_ref().is_some_and(|line| line.as_str() == id));
        row.and_then(|row| row.order.clone())
    };
    assert_eq!(of_line("line-done"), Some(order(1, "done")));
    assert_eq!(
        of_line("line-loser"),
        Some(order(1, "winner")),
        "whoever holds the line now"
    );
}

/// A backend may keep rows from one decision to the next; what is cleaned up must not live on there.
async fn rows_that_decisions_keep_in_memory_go_as_well(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, receive(0, "A", 50)).await;
    let key = order(1, "done");
    let keyed = |seconds, name: &str| {
        let mut request = simple(seconds, &key, "A");
        request.answer_key = Some(AnswerKey {
            key: name.to_owned(),
            fingerprint: "f".to_owned(),
        });
        request
    };
    let first = taken(store, keyed(1, "key")).await;
    deliver(store, 2).await;
    // Makes a backend read the finished operation and the answer.
    let repeat = taken(store, keyed(3, "other")).await;
    assert_eq!(repeat.operation, first.operation);
    let again = taken(store, keyed(3, "key")).await;
    assert_eq!(
        (again.operation, again.duplicate),
        (first.operation, false),
        "its recorded answer"
    );
    clean_up(&**store, &before(100), 100).await;
    let repeat = taken(store, simple(101, &key, "A")).await;
    assert!(repeat.duplicate && repeat.operation.is_none(), "{repeat:?}");
    let again = taken(store, keyed(102, "key")).await;
    assert!(
        again.duplicate && again.operation.is_none(),
        "its answer is forgotten: {again:?}"
    );
    let Some(id) = first.operation else {
        panic!("it was deducted")
    };
    assert!(store.execute(roll_back(103, id)).await.is_err());
    assert_eq!(must!(store.check(at(104)).await, "check"), []);
}

async fn what_stands_in_the_way_is_passed_by_once(fixture: &Fixture) {
    const ORDERS: usize = 30;
    let store = &fixture.store;
    done(store, receive(0, "A", 500)).await;
    for number in 0..ORDERS {
        done(store, simple(1, &order(1, &format!("owes-{number}")), "A")).await;
        done(store, simple(1, &order(2, &format!("done-{number}")), "A")).await;
    }
    deliver(store, 2).await;
    deliver(store, 3).await;
    for number in 0..ORDERS {
        done(store, refund(4, &order(1, &format!("owes-{number}")), 1)).await;
    }
    let cutoffs = before(10_000);
    let mut steps = 0;
    let mut cleaned = CleanedUp {
        next: Some(Place::start()),
        ..CleanedUp::default()
    };
    while let Some(place) = cleaned.next.take() {
        cleaned.add(must!(store.clean_up(&cutoffs, &place, 10).await, "clean_up"));
        steps += 1;
    }
    assert_eq!(cleaned.operations, ORDERS as u64 + 1);
    // Each step looks at ten rows or removes that many: operations twice, once for themselves and once for their
    // log, and the log entries that went.
    let rows = 2 * (2 * ORDERS + 1) + 2 * ORDERS + usize::try_from(cleaned.rows()).unwrap_or(usize::MAX);
    assert!(steps <= rows / 10 + 20, "{steps} steps");
    let left = all_pages!(50, |page| store.operations(
        &OperationFilter {
            statuses: vec![OperationStatus::Completed],
            ..OperationFilter::default()
        },
        page.clone()
    ));
    assert_eq!(left.len(), ORDERS);
    assert!(
        left.iter().all(|operation| operation
            .order
            .as_ref()
            .is_some_and(|key| key.account == account(1))),
        "what owes a delivery stays"
    );
}
