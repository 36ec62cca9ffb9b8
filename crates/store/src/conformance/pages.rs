//! Lists for people: paging, filters, counts.

use saldo_domain::delivery::Outcome as AttemptOutcome;
use saldo_domain::operation::{OperationStatus, WaitingFor};
use saldo_domain::review::ReviewReason;

use super::dump::all_pages;
use super::forms::{
    account, at, claimed, done, due, line, order, receive, settle, simple, sku, stock, take_in,
};
use super::{Fixture, must};
use crate::contract::SharedStore;
use crate::query::{BalanceFilter, OperationFilter, Page, PageRequest, ReviewFilter, Unfinished};

/// Ten delivered or waiting orders of two accounts, two that lack stock, and three receipts.
async fn fill(store: &SharedStore) {
    for (seconds, text, quantity) in [(0, "A", 100), (1, "B", 100), (2, "C", 1)] {
        done(store, receive(seconds, text, quantity)).await;
    }
    for number in 0..10_u8 {
        let key = order(1 + number % 2, &format!("order-{number}"));
        done(
            store,
            simple(10 + i64::from(number), &key, if number < 5 { "A" } else { "B" }),
        )
        .await;
    }
    let lines = vec![line("two-a", "A", 1), line("two-c", "C", 2)];
    done(store, take_in(30, &order(1, "lacks-c"), lines)).await;
    done(store, simple(31, &order(2, "never-held"), "X")).await;
    let mut first_four = due(40);
    first_four.count_max = 4;
    for claim in claimed(store, 40, first_four).await {
        done(store, settle(41, &claim, AttemptOutcome::Delivered)).await;
    }
}

pub(super) async fn every_list_is_paged_without_gaps_or_repeats(fixture: &Fixture) {
    let store = &fixture.store;
    fill(store).await;
    let filter = OperationFilter::default();
    let whole = must!(
        store.operations(&filter, PageRequest::first(500)).await,
        "operations"
    );
    assert_eq!((whole.items.len(), &whole.next_cursor), (15, &None));
    assert!(
        whole.items.windows(2).all(|pair| pair[0].id > pair[1].id),
        "newest first"
    );
    for limit in 1..=15 {
        assert_eq!(
            all_pages!(limit, |page| store.operations(&filter, page.clone())),
            whole.items
        );
    }
    let order_file = must!(store.order(&order(1, "order-0")).await, "order");
    let Some(file) = order_file else {
        panic!("the order is there")
    };
    assert_eq!(file.operations.len(), 1, "finished operations, too");
    let log = must!(
        store.log(file.operations[0].id, PageRequest::first(500)).await,
        "log"
    );
    assert_eq!(log.items.len(), file.operations[0].version as usize);
    assert!(
        log.items
            .iter()
            .map(|entry| entry.version)
            .eq(1..=file.operations[0].version),
        "oldest first"
    );
    let movements = must!(
        store.movements(&sku("A"), PageRequest::first(500)).await,
        "movements"
    );
    assert!(
        movements
            .items
            .windows(2)
            .all(|pair| pair[0].movement.sequence > pair[1].movement.sequence)
    );
    assert_eq!(movements.items[0].order, Some(order(1, "order-4")));
    for limit in [0, 501] {
        assert!(
            store
                .operations(&filter, PageRequest::first(limit))
                .await
                .is_err(),
            "limit {limit}"
        );
    }
    let strange = PageRequest {
        after: Some("strange".to_owned()),
        limit: 5,
    };
    assert!(
        store.balances(&BalanceFilter::default(), strange).await.is_err(),
        "a strange cursor"
    );
    assert_eq!(must!(store.order(&order(1, "nowhere")).await, "order"), None);
}

async fn operations_found(store: &SharedStore, filter: OperationFilter) -> usize {
    all_pages!(3, |page| store.operations(&filter, page.clone())).len()
}

pub(super) async fn filters_leave_out_what_does_not_match(fixture: &Fixture) {
    use OperationStatus::{Completed, Failed, Pending, Processing};
    let store = &fixture.store;
    fill(store).await;
    let any = OperationFilter::default;
    let cases = [
        (
            OperationFilter {
                account: Some(account(1)),
                ..any()
            },
            6,
        ),
        (
            OperationFilter {
                account: Some(account(2)),
                order: Some(order(2, "order-1").order),
                ..any()
            },
            1,
        ),
        (
            OperationFilter {
                account: Some(account(1)),
                order: Some(order(2, "order-1").order),
                ..any()
            },
            0,
        ),
        (
            OperationFilter {
                order: Some(order(2, "order-1").order),
                ..any()
            },
            1,
        ),
        (
            OperationFilter {
                sku: Some(sku("A")),
                ..any()
            },
            7,
        ),
        (
            OperationFilter {
                warehouse: Some(stock("A").warehouse),
                ..any()
            },
            15,
        ),
        (
            OperationFilter {
                statuses: vec![Pending],
                ..any()
            },
            8,
        ),
        (
            OperationFilter {
                statuses: vec![Pending, Processing, Failed],
                sku: Some(sku("B")),
                ..any()
            },
            5,
        ),
        (
            OperationFilter {
                statuses: vec![Completed],
                account: Some(account(2)),
                ..any()
            },
            2,
        ),
        (
            OperationFilter {
                statuses: vec![Completed, Pending],
                ..any()
            },
            15,
        ),
        (
            OperationFilter {
                statuses: vec![Pending],
                waiting_for: Some(WaitingFor::Delivery),
                ..any()
            },
            6,
        ),
        (
            OperationFilter {
                waiting_for: Some(WaitingFor::Stock),
                ..any()
            },
            2,
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(
            operations_found(store, filter.clone()).await,
            expected,
            "{filter:?}"
        );
    }
    let any = ReviewFilter::default;
    let cases = [
        (any(), 2),
        (
            ReviewFilter {
                open: Some(true),
                ..any()
            },
            2,
        ),
        (
            ReviewFilter {
                open: Some(false),
                ..any()
            },
            0,
        ),
        (
            ReviewFilter {
                open: Some(true),
                reason: Some(ReviewReason::InsufficientStock),
                ..any()
            },
            1,
        ),
        (
            ReviewFilter {
                account: Some(account(2)),
                ..any()
            },
            1,
        ),
        (
            ReviewFilter {
                open: Some(true),
                order: Some(order(2, "never-held").order),
                ..any()
            },
            1,
        ),
    ];
    for (filter, expected) in cases {
        let found = all_pages!(1, |page| store.reviews(&filter, page.clone()));
        assert_eq!(found.len(), expected, "{filter:?}");
    }
    let cases = [
        (BalanceFilter::default(), 3),
        (
            BalanceFilter {
                sku: Some(sku("B")),
                ..BalanceFilter::default()
            },
            1,
        ),
        (
            BalanceFilter {
                below: Some(95),
                ..BalanceFilter::default()
            },
            1,
        ),
        (
            BalanceFilter {
                warehouse: Some(stock("A").warehouse),
                below: Some(96),
                ..BalanceFilter::default()
            },
            3,
        ),
    ];
    for (filter, expected) in cases {
        let found = all_pages!(1, |page| store.balances(&filter, page.clone()));
        assert_eq!(found.len(), expected, "{filter:?}");
    }
}

pub(super) async fn pages_stay_stable_while_rows_are_added(fixture: &Fixture) {
    let store = &fixture.store;
    fill(store).await;
    let filter = OperationFilter::default();
    let before = all_pages!(500, |page| store.operations(&filter, page.clone()));
    let first = must!(
        store.operations(&filter, PageRequest::first(4)).await,
        "operations"
    );
    done(store, simple(50, &order(1, "newer"), "A")).await;
    let next = PageRequest {
        after: first.next_cursor,
        limit: 4,
    };
    let second: Page<_> = must!(store.operations(&filter, next).await, "operations");
    let seen: Vec<_> = first
        .items
        .iter()
        .chain(&second.items)
        .map(|operation| operation.id)
        .collect();
    assert!(
        seen.iter().eq(before[..8].iter().map(|operation| &operation.id)),
        "nothing moved"
    );
}

pub(super) async fn counts_tell_what_waits_and_what_is_done(fixture: &Fixture) {
    let store = &fixture.store;
    fill(store).await;
    let counts = must!(store.counts(at(60), at(16)).await, "counts");
    let expected = Unfinished {
        pending: 6,
        waiting_for_stock: 2,
        ..Unfinished::default()
    };
    assert_eq!(
        counts.unfinished, expected,
        "what waits for stock is counted apart"
    );
    assert_eq!(counts.unfinished_refunds, Unfinished::default());
    assert_eq!(counts.completed_today, 7, "four orders and three receipts");
    let reasons = [
        (ReviewReason::InsufficientStock, 1),
        (ReviewReason::SkuUnknown, 1),
    ];
    assert_eq!(counts.reviews_open, reasons);
    assert_eq!(
        counts.oldest_pending,
        Some(at(14)),
        "the first four were delivered"
    );
    assert_eq!(counts.stale, 2);
    let tomorrow = must!(store.counts(at(24 * 3600), at(16)).await, "counts");
    assert_eq!(tomorrow.completed_today, 0);
    assert_eq!(must!(store.check(at(60)).await, "check"), []);
}
