//! Where a store begins to look for due deliveries.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use saldo_domain::decide::{
    ClaimOrders, ClaimRequest, Command, Deduct, Outcome, Receipt, Request, Settle, StockLine,
};
use saldo_domain::delivery::{Claim, Outcome as AttemptOutcome};
use saldo_domain::ids::{AccountId, OrderId, OrderKey};
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_domain::view::DueRequest;
use saldo_store::Store;
use saldo_store_postgres::{PostgresOptions, PostgresStore};
use support::{shared, unsafe_options};
use uuid::Uuid;

/// Longer than any test.
const ALWAYS: u64 = 3_600_000;

async fn store(database: &str, queue_known_milliseconds: u64) -> PostgresStore {
    let options = PostgresOptions {
        queue_known_milliseconds,
        ..unsafe_options()
    };
    support::open(&shared().url(database), options).await
}

/// A moment of the tests.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_secs(seconds)
}

fn request(seconds: i64, command: Command) -> Request {
    Request {
        command,
        now: at(seconds),
        by: "tester".to_owned(),
        answer_key: None,
    }
}

async fn receive(store: &PostgresStore) {
    let key = StockKey {
        sku: Sku::parse("A").unwrap(),
        warehouse: Warehouse::parse("Ирина").unwrap(),
    };
    let receipt = Receipt {
        lines: vec![StockLine { key, quantity: 1_000 }],
        reference: None,
    };
    store
        .execute(request(0, Command::Receive(receipt)))
        .await
        .unwrap();
}

/// An order that is taken in, and due, at a moment.
fn deduct(seconds: i64, account: u128, name: &str) -> Request {
    let deduct = Deduct {
        key: OrderKey {
            account: AccountId::new(Uuid::from_u128(account)),
            order: OrderId::parse(name).unwrap(),
        },
        line: None,
        sku: Sku::parse("A").unwrap(),
        quantity: 1,
        warehouse: None,
    };
    request(seconds, Command::Deduct(deduct))
}

fn claim_request(seconds: i64, count_max: usize) -> Request {
    let due = DueRequest {
        now: at(seconds),
        after_account: None,
        excluded: Vec::new(),
        only: None,
        per_account_max: count_max,
        count_max,
    };
    let orders = ClaimOrders::Due(due);
    request(seconds, Command::Claim(ClaimRequest { orders }))
}

async fn claim(store: &PostgresStore, seconds: i64, count_max: usize) -> Vec<Claim> {
    match store.execute(claim_request(seconds, count_max)).await.unwrap() {
        Outcome::Claimed(claims) => claims,
        other => panic!("a claim was answered by {other:?}"),
    }
}

fn names(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.key.order.as_str()).collect()
}

async fn deliver(store: &PostgresStore, seconds: i64, claims: Vec<Claim>) {
    let settles = claims.into_iter().map(|claim| {
        let settle = Settle {
            key: claim.key,
            token: claim.token,
            outcome: AttemptOutcome::Delivered,
            draw: 0.5,
            took_ms: 1,
        };
        request(seconds, Command::Settle(settle))
    });
    for settled in store.execute_all(settles.collect()).await {
        settled.unwrap();
    }
}

/// How many entries of the queue's index were read, at least so many, by connections that have ended or are about to.
async fn entries_read(database: &str, at_least: i64) -> i64 {
    // A connection that ends tells the server what it counted.
    let client = shared().connect("postgres").await;
    let is_used = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = $1";
    while client.query_one(is_used, &[&database]).await.unwrap().get(0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let client = shared().connect(database).await;
    let counted = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'delivery_queue'";
    // PostgreSQL 14 tells of what was counted after a moment.
    for _ in 0..1_000 {
        let read = client.query_one(counted, &[]).await.unwrap().get(0);
        if read >= at_least {
            return read;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what was read is not counted");
}

/// The server keeps dead entries for as long as somebody holds a snapshot from before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_delivered_under_a_snapshot_is_not_read_again_by_every_claim() {
    const ORDERS: i64 = 400;
    let database = shared().database().await;
    let store = store(&database, ALWAYS).await;
    receive(&store).await;
    let orders = (1..=ORDERS).map(|number| deduct(number, 1, &format!("order-{number}")));
    for taken in store.execute_all(orders.collect()).await {
        taken.unwrap();
    }
    let holder = shared().connect(&database).await;
    holder
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM saldo.delivery")
        .await
        .unwrap();
    loop {
        let claims = claim(&store, ORDERS, 20).await;
        if claims.is_empty() {
            break;
        }
        deliver(&store, ORDERS, claims).await;
    }
    store.close().await.unwrap();
    drop(holder);
    let read = entries_read(&database, ORDERS).await;
    assert!(
        read < ORDERS * 8,
        "{read} entries were read for {ORDERS} deliveries"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_store_takes_in_is_claimed_whenever_it_was_due() {
    let database = shared().database().await;
    let store = store(&database, ALWAYS).await;
    receive(&store).await;
    for number in 11..=13 {
        store
            .execute(deduct(number, 1, &format!("order-{number}")))
            .await
            .unwrap();
    }
    assert_eq!(names(&claim(&store, 20, 2).await), ["order-11", "order-12"]);
    assert_eq!(store.next_due(&[]).await.unwrap(), Some(at(13)));
    // Another request's clock may be behind.
    store.execute(deduct(5, 1, "late")).await.unwrap();
    store.execute(deduct(4, 2, "of-another-account")).await.unwrap();
    assert_eq!(store.next_due(&[]).await.unwrap(), Some(at(4)));
    assert_eq!(
        names(&claim(&store, 20, 3).await),
        ["late", "of-another-account", "order-13"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_in_and_claimed_in_one_transaction_is_found() {
    let database = shared().database().await;
    let store = store(&database, ALWAYS).await;
    receive(&store).await;
    assert_eq!(store.next_due(&[]).await.unwrap(), None);
    let together = vec![deduct(11, 1, "order-11"), claim_request(11, 1)];
    let answers = store.execute_all(together).await;
    match answers.into_iter().last() {
        Some(Ok(Outcome::Claimed(claims))) => assert_eq!(names(&claims), ["order-11"]),
        other => panic!("a claim was answered by {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_instance_stores_before_the_known_place_is_found_by_looking_again() {
    let database = shared().database().await;
    let (first, second) = (store(&database, ALWAYS).await, store(&database, ALWAYS).await);
    let impatient = store(&database, 1).await;
    receive(&first).await;
    for number in 11..=13 {
        first
            .execute(deduct(number, 1, &format!("order-{number}")))
            .await
            .unwrap();
    }
    assert_eq!(names(&claim(&first, 20, 1).await), ["order-11"]);
    assert_eq!(names(&claim(&impatient, 20, 1).await), ["order-12"]);
    second.execute(deduct(5, 1, "late")).await.unwrap();
    // Not found yet, or nothing was tried here.
    assert_eq!(first.next_due(&[]).await.unwrap(), Some(at(13)));
    while impatient.next_due(&[]).await.unwrap() != Some(at(5)) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut claims = Vec::new();
    while claims.is_empty() {
        claims = claim(&impatient, 20, 1).await;
    }
    assert_eq!(names(&claims), ["late"]);
}

/// An integrator has thousands of accounts, and a claim has a few dozen deliveries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_of_few_deliveries_looks_at_few_accounts() {
    const ACCOUNTS: u8 = 200;
    const CLAIMS: i64 = 40;
    let database = shared().database().await;
    let store = store(&database, ALWAYS).await;
    receive(&store).await;
    let orders = (1..=ACCOUNTS).map(|number| deduct(1, number.into(), &format!("order-{number}")));
    for taken in store.execute_all(orders.collect()).await {
        taken.unwrap();
    }
    for _ in 0..CLAIMS {
        let claims = claim(&store, 2, 5).await;
        assert_eq!(claims.len(), 5);
        deliver(&store, 2, claims).await;
    }
    store.close().await.unwrap();
    let read = entries_read(&database, ACCOUNTS.into()).await;
    assert!(
        read < CLAIMS * i64::from(ACCOUNTS),
        "{read} entries were read by {CLAIMS} claims: one of each account would be {}",
        CLAIMS * i64::from(ACCOUNTS)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_late_because_a_clock_was_set_back_is_claimed_where_the_queue_is_known() {
    let database = shared().database().await;
    let store = store(&database, ALWAYS).await;
    receive(&store).await;
    assert!(
        claim(&store, 1, 1).await.is_empty(),
        "the whole queue was looked at"
    );
    store
        .execute(deduct(1_000_000, 1, "of-a-wrong-clock"))
        .await
        .unwrap();
    // Due later, in the same account and in another one.
    store.execute(deduct(90, 1, "soon")).await.unwrap();
    store.execute(deduct(95, 2, "too")).await.unwrap();
    assert_eq!(names(&claim(&store, 20, 5).await), ["of-a-wrong-clock"]);
    assert_eq!(names(&claim(&store, 100, 5).await), ["soon", "too"]);
}

/// The version before stores deliveries without a place in the queue, and an instance that dies leaves some in a place
/// that was theirs before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_claim_moves_a_thousand_that_strayed_and_the_next_one_more() {
    const ORDERS: i64 = 1_200;
    let database = shared().database().await;
    let store = store(&database, 1).await;
    receive(&store).await;
    receive(&store).await;
    let orders = (1..=ORDERS).map(|number| deduct(number, 1, &format!("order-{number}")));
    for taken in store.execute_all(orders.collect()).await {
        taken.unwrap();
    }
    let client = shared().connect(&database).await;
    client
        .execute("UPDATE saldo.delivery SET queued_at = 0", &[])
        .await
        .unwrap();
    let strayed = "SELECT count(*) FROM saldo.delivery WHERE queued_at = 0";
    assert_eq!(claim(&store, ORDERS, 5).await.len(), 5);
    assert_eq!(
        client.query_one(strayed, &[]).await.unwrap().get::<_, i64>(0),
        ORDERS - 1_000
    );
    assert_eq!(claim(&store, ORDERS, 5).await.len(), 5);
    assert_eq!(
        client.query_one(strayed, &[]).await.unwrap().get::<_, i64>(0),
        5,
        "those of the first claim are under way"
    );
}

/// What a claim has read of a delivery is written back with its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_somebody_changes_is_passed_over_and_then_claimed_as_it_is() {
    let database = shared().database().await;
    let store = store(&database, 1).await;
    receive(&store).await;
    store.execute(deduct(1, 1, "order-1")).await.unwrap();
    let client = shared().connect(&database).await;
    client
        .batch_execute("BEGIN; UPDATE saldo.delivery SET sent_false_at = 7")
        .await
        .unwrap();
    let claims = tokio::time::timeout(Duration::from_secs(5), claim(&store, 2, 5)).await;
    assert!(claims.unwrap().is_empty(), "and nobody waits for it");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(names(&claim(&store, 2, 5).await), ["order-1"]);
    let doubt = "SELECT sent_false_at FROM saldo.delivery WHERE lease_token IS NOT NULL";
    assert_eq!(
        client
            .query_one(doubt, &[])
            .await
            .unwrap()
            .get::<_, Option<i64>>(0),
        Some(7)
    );
}
