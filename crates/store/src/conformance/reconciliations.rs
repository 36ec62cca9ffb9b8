//! What reconciliation remembers, and what it asks about orders.

use saldo_domain::decide::{Command, Request, TakeIn};
use saldo_domain::delivery::Outcome as AttemptOutcome;
use saldo_domain::discrepancy::{
    Discrepancy, DiscrepancyKind, DiscrepancyResolution, Found, Run, RunOutcome, RunScope, RunTally,
    Watermark,
};
use saldo_domain::ids::{OrderKey, ReviewId, RunId};
use saldo_domain::view::OrderFile;
use serde_json::json;
use uuid::Uuid;

use super::dump::all_pages;
use super::forms::{account, at, claimed, copy, done, due, line, order, receive, request, settle, simple};
use super::{Fixture, must};
use crate::error::StoreError;
use crate::query::{Page, PageRequest};
use crate::reconciliations::{BoughtOrder, BoughtRange, DiscrepancyFilter, KEYS_MAX};
use crate::tasks::TaskLease;

/// A paid order of one unit that was bought at a moment.
fn bought(seconds: i64, key: &OrderKey, bought_at: i64) -> Request {
    let lines = vec![line(&format!("line-of-{}", key.order), "A", 1)];
    let mut copy = copy(key, lines);
    copy.bought_at = Some(at(bought_at));
    let command = Command::TakeIn(TakeIn {
        account: key.account,
        copy,
        warehouse: None,
        force: false,
        remote_flag: None,
    });
    request(seconds, command)
}

pub(super) async fn live_files_come_in_the_order_asked_for(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, receive(0, "A", 2)).await;
    let (told, owed, waits) = (order(1, "told"), order(2, "owed"), order(1, "waits"));
    done(store, simple(1, &told, "A")).await;
    for claim in claimed(store, 2, due(2)).await {
        done(store, settle(3, &claim, AttemptOutcome::Delivered)).await;
    }
    done(store, simple(4, &owed, "A")).await;
    done(store, simple(5, &waits, "A")).await;
    let asked = [
        waits.clone(),
        order(1, "unknown"),
        told.clone(),
        owed.clone(),
        told.clone(),
    ];
    let files = must!(store.order_files(&asked).await, "order_files");
    assert_eq!(files.len(), asked.len());
    assert_eq!(files[1], None);
    assert_eq!(files[2], files[4]);
    for (key, file) in asked.iter().zip(&files) {
        let Some(file) = file else { continue };
        assert_eq!(file.order.key, *key);
        let Some(whole) = must!(store.order(key).await, "order") else {
            panic!("{key} is known")
        };
        // Live: without what is finished, and the oldest first.
        let mut expected = OrderFile {
            operations: Vec::new(),
            reviews: Vec::new(),
            ..whole.clone()
        };
        let unfinished = whole.operations.into_iter().rev();
        expected.operations = unfinished
            .filter(|operation| operation.status.is_unfinished())
            .collect();
        expected.reviews = whole
            .reviews
            .into_iter()
            .rev()
            .filter(|review| review.is_open())
            .collect();
        assert_eq!(*file, expected);
    }
    let unfinished = |file: &Option<OrderFile>| file.as_ref().map(|file| file.operations.len());
    assert_eq!(unfinished(&files[2]), Some(0), "what is finished is left out");
    assert_eq!(unfinished(&files[3]), Some(1));
    assert_eq!(files[0].as_ref().map(|file| file.reviews.len()), Some(1));
    assert_eq!(must!(store.order_files(&[]).await, "no keys"), []);
    let many: Vec<OrderKey> = (0..=KEYS_MAX)
        .map(|number| order(1, &format!("o{number}")))
        .collect();
    let most = must!(store.order_files(&many[1..]).await, "as many as may be");
    assert!(most.len() == KEYS_MAX && most.iter().all(Option::is_none));
    let too_many = store.order_files(&many).await;
    assert!(matches!(too_many, Err(StoreError::Defect(_))), "{too_many:?}");
}

pub(super) async fn orders_with_movements_are_walked_by_purchase(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, receive(0, "A", 9)).await;
    // One that was never bought, as far as is known, stands where it was first heard of.
    let heard = order(1, "heard");
    done(store, simple(25, &heard, "A")).await;
    for (number, bought_at) in [30, 10, 20, 20, 20].into_iter().enumerate() {
        let key = order(1, &format!("order-{number}"));
        done(store, bought(40, &key, bought_at)).await;
    }
    done(store, bought(40, &order(2, "other"), 15)).await;
    // No warehouse ever held this one: nothing of ours was moved, so Saldo has no opinion on its flag.
    done(store, simple(41, &order(1, "untouched"), "B")).await;
    let place = |seconds: i64, id: &str| BoughtOrder {
        bought_at: at(seconds),
        order: order(1, id).order,
    };
    let all = [
        place(30, "order-0"),
        place(25, "heard"),
        place(20, "order-4"),
        place(20, "order-3"),
        place(20, "order-2"),
        place(10, "order-1"),
    ];
    let range = |from: Option<i64>, to: Option<i64>, after: Option<&BoughtOrder>| BoughtRange {
        account: account(1),
        from: from.map(at),
        to: to.map(at),
        after: after.cloned(),
    };
    let walk = |range: BoughtRange, limit| async move {
        must!(store.touched_orders(&range, limit).await, "touched_orders")
    };
    assert_eq!(walk(range(None, None, None), 100).await, all);
    assert_eq!(walk(range(None, None, None), 3).await, all[..3]);
    for first in 0..all.len() {
        let rest = walk(range(None, None, Some(&all[first])), 2).await;
        assert_eq!(
            rest,
            all[first + 1..(first + 3).min(all.len())],
            "pages end inside a moment"
        );
    }
    assert_eq!(
        walk(range(Some(20), Some(25), None), 100).await,
        all[1..5],
        "both ends are included"
    );
    assert_eq!(
        walk(range(Some(20), Some(25), Some(&all[2])), 100).await,
        all[3..5]
    );
    assert_eq!(walk(range(Some(31), Some(40), None), 100).await, []);
}

pub(super) async fn watermarks_are_replaced(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(must!(store.watermarks().await, "watermarks"), []);
    let empty = |number| Watermark {
        account: account(number),
        landed: None,
        last_pass_at: None,
        last_full_pass_at: None,
        last_full_total: None,
    };
    let full = Watermark {
        landed: Some(at(5)),
        last_pass_at: Some(at(6)),
        last_full_pass_at: Some(at(7)),
        last_full_total: Some(100_000),
        ..empty(1)
    };
    must!(store.put_watermark(&empty(2)).await, "put_watermark");
    must!(store.put_watermark(&full).await, "put_watermark");
    assert_eq!(must!(store.watermarks().await, "watermarks"), [full, empty(2)]);
    must!(store.put_watermark(&empty(1)).await, "put_watermark");
    assert_eq!(
        must!(store.watermarks().await, "watermarks"),
        [empty(1), empty(2)]
    );
}

fn run_id(number: u64) -> RunId {
    RunId::new(saldo_domain::ids::uuid_v7(at(0), number))
}

fn run(number: u64) -> Run {
    Run {
        id: run_id(number),
        scope: RunScope {
            account: None,
            from: None,
            to: None,
            limit: None,
            since_watermark: true,
            auto_fix: true,
        },
        by: "saldo".to_owned(),
        started_at: at(0),
        ended_at: None,
        outcome: RunOutcome::Running,
        error: None,
        tally: RunTally::default(),
        place: json!(null),
    }
}

/// The right to run, for 10 s from a moment on.
pub(super) async fn right(fixture: &Fixture, holder: &str, from: i64) -> TaskLease {
    let taken = fixture
        .store
        .take_lease("reconciliation", holder, at(from), at(from + 10));
    let Some(lease) = must!(taken.await, "take_lease") else {
        panic!("another one holds the right to run")
    };
    lease
}

pub(super) async fn who_lost_the_right_to_run_changes_nothing_of_a_run(fixture: &Fixture) {
    use DiscrepancyKind::{MissedOrder, NotDelivered};
    use DiscrepancyResolution::Reported;
    let store = &fixture.store;
    let key = order(1, "one");
    let first = right(fixture, "one", 0).await;
    must!(store.put_run(&run(1), &first).await, "put_run");
    let seen = vec![found(&key, NotDelivered, Reported)];
    let kept = must!(
        store.record_discrepancies(run_id(1), seen, at(5), &first).await,
        "record"
    );
    let second = right(fixture, "two", 10).await;
    let renewed = right(fixture, "two", 15).await;
    assert_eq!(second.term, renewed.term);
    let taken_up = Run {
        error: Some("taken up".to_owned()),
        ..run(1)
    };
    must!(store.put_run(&taken_up, &second).await, "put_run");
    must!(store.release_lease(&second).await, "release_lease");
    let third = right(fixture, "one", 20).await;
    let never = TaskLease {
        name: "never".to_owned(),
        ..third.clone()
    };
    for (old, why) in [
        (&first, "the same holder, two terms ago"),
        (&second, "it was given back"),
        (&never, "it was never taken"),
    ] {
        let refused = |result: Result<(), StoreError>| match result {
            Err(StoreError::Refused(refusal)) => assert_eq!(refusal.code, "run_taken_over", "{why}"),
            other => panic!("{why}: {other:?}"),
        };
        for late in [run(1), run(2)] {
            refused(store.put_run(&late, old).await);
        }
        let other = vec![found(&key, MissedOrder, Reported)];
        let recorded = store.record_discrepancies(run_id(2), other, at(25), old).await;
        refused(recorded.map(|_| ()));
        let closed = store
            .close_discrepancies(run_id(2), std::slice::from_ref(&key), at(25), old)
            .await;
        refused(closed.map(|_| ()));
    }
    assert_eq!(must!(store.run(run_id(1)).await, "run"), Some(taken_up));
    assert_eq!(must!(store.run(run_id(2)).await, "run"), None);
    let page = PageRequest {
        after: None,
        limit: 9,
    };
    let all = DiscrepancyFilter::default();
    let listed = must!(store.discrepancies(&all, page).await, "discrepancies");
    assert_eq!(listed.items, kept, "nothing of it came in");
    must!(store.put_run(&run(1), &third).await, "put_run");
}

pub(super) async fn runs_are_recorded_and_replaced(fixture: &Fixture) {
    let store = &fixture.store;
    assert_eq!(must!(store.run(run_id(1)).await, "run"), None);
    let right = right(fixture, "one", 0).await;
    for number in 1..=7 {
        must!(store.put_run(&run(number), &right).await, "put_run");
    }
    let ended = Run {
        scope: RunScope {
            account: Some(account(1)),
            from: Some(at(1)),
            to: Some(at(2)),
            limit: Some(300),
            since_watermark: false,
            auto_fix: false,
        },
        ended_at: Some(at(50)),
        outcome: RunOutcome::Failed,
        error: Some("the list ended early: ä".to_owned()),
        tally: RunTally {
            checked: 1,
            found: 2,
            fixed: 3,
            for_review: 4,
            calls: 5,
            expected: 6,
        },
        place: json!({ "page": 7, "accounts": [1, 2] }),
        ..run(3)
    };
    must!(store.put_run(&ended, &right).await, "put_run");
    assert_eq!(must!(store.run(run_id(3)).await, "run"), Some(ended.clone()));
    let listed = all_pages!(2, |page| store.runs(page.clone()));
    let mut expected: Vec<Run> = (1..=7).rev().map(run).collect();
    expected[4] = ended;
    assert_eq!(listed, expected, "newest first");
}

fn found(key: &OrderKey, kind: DiscrepancyKind, resolution: DiscrepancyResolution) -> Found {
    Found {
        key: key.clone(),
        kind,
        local: "deducted".to_owned(),
        remote: "flag false".to_owned(),
        resolution,
        review: None,
    }
}

async fn recorded(fixture: &Fixture, run: u64, seconds: i64, found: Vec<Found>) -> Vec<Discrepancy> {
    let right = right(fixture, "one", 0).await;
    let recorded = fixture
        .store
        .record_discrepancies(run_id(run), found, at(seconds), &right);
    must!(recorded.await, "record_discrepancies")
}

pub(super) async fn a_discrepancy_seen_again_is_the_same_one(fixture: &Fixture) {
    use DiscrepancyKind::{MissedOrder, NotDelivered};
    use DiscrepancyResolution::{AutoFixed, Gone, Reported, Review, Watched};
    let store = &fixture.store;
    let right = right(fixture, "one", 0).await;
    let (one, other) = (order(1, "one"), order(2, "one"));
    let first = recorded(
        fixture,
        1,
        10,
        vec![
            found(&one, NotDelivered, Reported),
            found(&other, NotDelivered, Watched),
            found(&one, MissedOrder, Review),
            found(&one, NotDelivered, Review),
        ],
    )
    .await;
    assert_eq!(first.len(), 4);
    assert_eq!(first[0], first[3], "within one run only the first sight counts");
    for (kept, found) in first.iter().zip([Reported, Watched, Review]) {
        assert_eq!(
            (kept.times_seen, kept.run, kept.found.resolution),
            (1, run_id(1), found)
        );
        assert_eq!(
            (kept.first_seen_at, kept.last_seen_at, kept.closed_at),
            (at(10), at(10), None)
        );
    }
    let ids: std::collections::BTreeSet<_> = first.iter().map(|kept| kept.id).collect();
    assert_eq!(ids.len(), 3, "an order and a kind have one");
    let changed = Found {
        local: "deducted, two units".to_owned(),
        remote: "ä".to_owned(),
        review: Some(ReviewId::new(Uuid::from_u128(9))),
        ..found(&one, NotDelivered, AutoFixed)
    };
    let again = recorded(fixture, 2, 20, vec![changed.clone()]).await;
    let expected = Discrepancy {
        found: changed,
        run: run_id(2),
        times_seen: 2,
        last_seen_at: at(20),
        ..first[0].clone()
    };
    assert_eq!(
        again,
        std::slice::from_ref(&expected),
        "it says what was found last"
    );
    let again = recorded(fixture, 2, 25, vec![found(&one, NotDelivered, Watched)]).await;
    assert_eq!(again, [expected], "and not twice in a run");
    // What the run saw stays open, what it looked at and did not see is gone, what it did not look at stays.
    let looked_at = [one.clone(), order(1, "never")];
    let closed = must!(
        store
            .close_discrepancies(run_id(2), &looked_at, at(30), &right)
            .await,
        "close"
    );
    assert_eq!(closed, 1);
    let listed = all_pages!(1, |page| store
        .discrepancies(&DiscrepancyFilter::default(), page.clone()));
    let told: Vec<_> = listed
        .iter()
        .map(|kept| (kept.found.kind, kept.found.resolution, kept.closed_at))
        .collect();
    let mut expected = vec![(MissedOrder, Gone, Some(at(30))), (NotDelivered, Watched, None)];
    if listed[1].found.key != one {
        // Of those seen at one moment the order is that of their ids, which tell nothing.
        expected.reverse();
    }
    expected.insert(0, (NotDelivered, AutoFixed, None));
    assert_eq!(told[0], expected[0], "last found first");
    assert!(expected.iter().all(|row| told.contains(row)), "{told:?}");
    let again = must!(
        store
            .close_discrepancies(run_id(2), &looked_at, at(31), &right)
            .await,
        "close"
    );
    assert_eq!(again, 0, "what is closed stays closed");
    let closed = must!(
        store
            .close_discrepancies(run_id(3), &looked_at, at(40), &right)
            .await,
        "close"
    );
    assert_eq!(closed, 1);
    let fixed = all_pages!(9, |page| store.discrepancies(
        &DiscrepancyFilter {
            resolution: Some(AutoFixed),
            ..DiscrepancyFilter::default()
        },
        page.clone()
    ));
    assert_eq!(fixed.len(), 1, "what was put right stays so when it goes away");
    assert_eq!(fixed[0].closed_at, Some(at(40)));
    let anew = recorded(fixture, 3, 50, vec![found(&one, NotDelivered, Reported)]).await;
    assert_ne!(
        anew[0].id, first[0].id,
        "what comes back after it was closed is another one"
    );
    assert_eq!((anew[0].times_seen, anew[0].first_seen_at), (1, at(50)));
}

pub(super) async fn discrepancies_are_listed_and_counted(fixture: &Fixture) {
    let store = &fixture.store;
    let right = right(fixture, "one", 0).await;
    let kinds = DiscrepancyKind::ALL;
    let resolutions = &DiscrepancyResolution::ALL[..4];
    let mut kept: Vec<Discrepancy> = Vec::new();
    for number in 0..48_usize {
        let key = order(1 + (number % 3) as u8, &format!("order-{}", number / 4));
        let found = found(
            &key,
            kinds[number % kinds.len()],
            resolutions[number % resolutions.len()],
        );
        let run = 1 + number as u64 / 12;
        let new = recorded(fixture, run, 100 + (number as i64) / 5, vec![found]).await;
        kept.retain(|other| other.id != new[0].id);
        kept.extend(new);
    }
    let some: Vec<OrderKey> = (1..=3)
        .flat_map(|account| (0..6).map(move |number| order(account, &format!("order-{number}"))))
        .collect();
    let closed = must!(
        store.close_discrepancies(run_id(9), &some, at(500), &right).await,
        "close"
    );
    let mut expected_closed = 0;
    for discrepancy in &mut kept {
        if some.contains(&discrepancy.found.key) {
            discrepancy.closed_at = Some(at(500));
            discrepancy.found.resolution =
                crate::reconciliations::resolution_when_closed(discrepancy.found.resolution);
            expected_closed += 1;
        }
    }
    assert_eq!(closed, expected_closed);
    kept.sort_by_key(|discrepancy| std::cmp::Reverse((discrepancy.last_seen_at, discrepancy.id)));
    for filter in filters() {
        let listed = all_pages!(4, |page| store.discrepancies(&filter, page.clone()));
        let expected: Vec<_> = kept.iter().filter(|kept| filter.matches(kept)).cloned().collect();
        assert_eq!(listed, expected, "{filter:?}");
    }
    let mut counts: Vec<(DiscrepancyKind, DiscrepancyResolution, u64)> = Vec::new();
    for kind in kinds {
        for resolution in DiscrepancyResolution::ALL {
            let open = kept.iter().filter(|kept| kept.closed_at.is_none());
            let of = open.filter(|kept| (kept.found.kind, kept.found.resolution) == (kind, resolution));
            let count = of.count() as u64;
            if count > 0 {
                counts.push((kind, resolution, count));
            }
        }
    }
    assert!(!counts.is_empty());
    assert_eq!(
        must!(store.open_discrepancies().await, "open_discrepancies"),
        counts
    );
    let page = store
        .discrepancies(&DiscrepancyFilter::default(), PageRequest::first(0))
        .await;
    assert!(matches!(page, Err(StoreError::Refused(_))), "a page has rows");
    let Page { items, .. } = must!(store.runs(PageRequest::first(5)).await, "runs");
    assert_eq!(items, [], "a discrepancy needs no row of its run");
}

/// Every combination of a value and none in each field.
fn filters() -> Vec<DiscrepancyFilter> {
    let mut filters = vec![DiscrepancyFilter::default()];
    let mut combine = |set: &dyn Fn(&mut DiscrepancyFilter)| {
        let mut more = filters.clone();
        more.iter_mut().for_each(set);
        filters.extend(more);
    };
    combine(&|filter| filter.run = Some(run_id(2)));
    combine(&|filter| filter.kind = Some(DiscrepancyKind::RemoteOnly));
    combine(&|filter| filter.resolution = Some(DiscrepancyResolution::AutoFixed));
    combine(&|filter| filter.account = Some(account(2)));
    combine(&|filter| filter.order = Some(order(2, "order-7").order));
    let open = |open| {
        move |filter: &DiscrepancyFilter| DiscrepancyFilter {
            open,
            ..filter.clone()
        }
    };
    [None, Some(true), Some(false)]
        .into_iter()
        .flat_map(|state| filters.iter().map(open(state)).collect::<Vec<_>>())
        .collect()
}
