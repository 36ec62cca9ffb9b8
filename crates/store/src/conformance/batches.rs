//! Many requests in one transaction.

use saldo_domain::decide::Request;

use super::dump::dump;
use super::forms::{at, claim, due, line, order, receive, simple, stock, take_in};
use super::{Fixture, must};
use crate::error::StoreError;

fn requests() -> Vec<Request> {
    let mut requests = vec![receive(0, "A", 5)];
    for number in 0..8 {
        requests.push(simple(1 + number, &order(1, &format!("order-{number}")), "A"));
    }
    requests.push(take_in(20, &order(1, "order-0"), vec![line("another", "A", 9)]));
    requests.push(claim(30, due(30)));
    requests.push(receive(40, "A", 1));
    requests.push(simple(41, &order(1, "order-6"), "A"));
    requests
}

pub(super) async fn a_batch_is_the_same_as_one_by_one(together: &Fixture, alone: &Fixture) {
    let at_once = together.store.execute_all(requests()).await;
    let mut one_by_one = Vec::new();
    for request in requests() {
        one_by_one.push(alone.store.execute(request).await);
    }
    assert_eq!(format!("{at_once:?}"), format!("{one_by_one:?}"));
    let keys: Vec<_> = (0..8)
        .map(|number| order(1, &format!("order-{number}")))
        .collect();
    let dumps = [
        dump(&*together.store, &keys, &[]).await,
        dump(&*alone.store, &keys, &[]).await,
    ];
    assert_eq!(dumps[0], dumps[1]);
}

pub(super) async fn a_refused_request_spoils_no_other(fixture: &Fixture) {
    let store = &fixture.store;
    let unknown = saldo_domain::decide::Command::Retry {
        operation: saldo_domain::ids::OperationId::new(uuid::Uuid::from_u128(7)),
    };
    let requests = vec![
        receive(0, "A", 5),
        super::forms::request(1, unknown),
        simple(2, &order(1, "after"), "A"),
        receive(3, "A", i64::MAX),
        simple(4, &order(1, "last"), "A"),
    ];
    let results = store.execute_all(requests).await;
    assert!(
        matches!(results[1], Err(StoreError::Refused(_))),
        "{:?}",
        results[1]
    );
    assert!(results[3].is_err(), "{:?}", results[3]);
    for index in [0, 2, 4] {
        assert!(results[index].is_ok(), "{:?}", results[index]);
    }
    let balances = must!(store.balances_of(&[stock("A")]).await, "balances_of");
    assert_eq!(balances[0].quantity, 3);
    assert_eq!(must!(store.check(at(5)).await, "check"), []);
}

pub(super) async fn callers_at_once_lose_nothing(fixture: &Fixture) {
    const CALLERS: usize = 40;
    let store = &fixture.store;
    must!(store.execute(receive(0, "A", 30)).await, "a receipt");
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..CALLERS {
        let store = std::sync::Arc::clone(store);
        callers.spawn(async move {
            let key = order(1, &format!("order-{}", number / 2));
            store.execute(simple(1, &key, "A")).await
        });
    }
    for result in callers.join_all().await {
        must!(result, "an order that came at the same time as others");
    }
    let balances = must!(store.balances_of(&[stock("A")]).await, "balances_of");
    assert_eq!(
        balances[0].quantity,
        30 - CALLERS as i64 / 2,
        "each order was taken once"
    );
    assert_eq!(must!(store.check(at(5)).await, "check"), []);
}

pub(super) async fn what_became_of_operations_is_counted_once_committed(fixture: &Fixture) {
    let store = &fixture.store;
    let results = store
        .execute_all(vec![
            receive(0, "A", 5),
            simple(1, &order(1, "counted"), "A"),
            simple(2, &order(1, "counted"), "A"),
            receive(3, "A", i64::MAX),
        ])
        .await;
    assert!(results[3].is_err(), "{:?}", results[3]);
    let mut counted: Vec<_> = store
        .moves()
        .counts()
        .filter(|(_, _, count)| *count > 0)
        .map(|(operation_type, outcome, count)| format!("{operation_type} {outcome} {count}"))
        .collect();
    counted.sort();
    assert_eq!(
        counted,
        [
            "adjustment completed 1",
            "adjustment created 1",
            "deduction created 1"
        ]
    );
}
