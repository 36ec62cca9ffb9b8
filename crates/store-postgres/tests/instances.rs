//! Several stores on one database, and connections that end in the middle of what they do.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use saldo_domain::decide::{
    ClaimOrders, ClaimRequest, Command, Deduct, Outcome, Receipt, Refund, RefundLine, Request, Settle,
    StockLine,
};
use saldo_domain::delivery::{Claim, Outcome as AttemptOutcome};
use saldo_domain::ids::{AccountId, IdSource, OrderId, OrderKey};
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_domain::view::DueRequest;
use saldo_store::instances::{AttemptCounts, Instance, Instances, ServerRole};
use saldo_store::query::{BalanceFilter, PageRequest};
use saldo_store::{Rules, Store, StoreError};
use saldo_store_postgres::PostgresStore;
use support::{shared, unsafe_options};
use uuid::Uuid;

/// Ids that no other instance of a test draws.
struct InstanceIds(u64);

impl IdSource for InstanceIds {
    fn next(&mut self, now: Timestamp) -> Uuid {
        self.0 += 1;
        saldo_domain::ids::uuid_v7(now, self.0)
    }
}

async fn instance(database: &str, number: u64) -> Arc<PostgresStore> {
    let rules = Rules {
        policy: support::rules().policy,
        ids: Box::new(InstanceIds(number << 40)),
    };
    let url = shared().url(database);
    let mut options = unsafe_options();
    options.old_index_kept_milliseconds = 0;
    if number == 3 {
        // So few that one lock stands for all, beside instances that take them one by one.
        options.locks_max = 4;
    }
    Arc::new(PostgresStore::open(&url, rules, options).await.unwrap())
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn request(command: Command) -> Request {
    Request {
        command,
        now: now(),
        by: "tester".to_owned(),
        answer_key: None,
    }
}

fn stock(sku: &str) -> StockKey {
    StockKey {
        sku: Sku::parse(sku).unwrap(),
        warehouse: Warehouse::parse("Ирина").unwrap(),
    }
}

fn receive(sku: &str, quantity: i64) -> Request {
    let lines = vec![StockLine {
        key: stock(sku),
        quantity,
    }];
    request(Command::Receive(Receipt {
        lines,
        reference: None,
    }))
}

fn order(number: usize) -> OrderKey {
    OrderKey {
        account: AccountId::new(Uuid::from_u128(number as u128 % 3 + 1)),
        order: OrderId::parse(&format!("order-{number}")).unwrap(),
    }
}

fn deduct(number: usize) -> Request {
    request(Command::Deduct(Deduct {
        key: order(number),
        line: None,
        sku: Sku::parse(if number.is_multiple_of(2) { "A" } else { "B" }).unwrap(),
        quantity: 1,
        warehouse: None,
    }))
}

fn claim_due(count_max: usize) -> Request {
    request(Command::Claim(ClaimRequest {
        orders: ClaimOrders::Due(DueRequest {
            now: now(),
            after_account: None,
            excluded: Vec::new(),
            only: None,
            per_account_max: count_max,
            count_max,
        }),
    }))
}

fn claimed(outcome: Outcome) -> Vec<Claim> {
    match outcome {
        Outcome::Claimed(claims) => claims,
        other => panic!("a claim was answered by {other:?}"),
    }
}

fn delivered(claim: &Claim) -> Request {
    request(Command::Settle(Settle {
        key: claim.key.clone(),
        token: claim.token,
        outcome: AttemptOutcome::Delivered,
        draw: 0.5,
        took_ms: 1,
    }))
}

/// One more line of an order whose first is of SKU A.
fn another_line(number: usize) -> Request {
    match deduct(number).command {
        Command::Deduct(deduct) => request(Command::Deduct(Deduct {
            sku: Sku::parse("B").unwrap(),
            ..deduct
        })),
        other => panic!("{other:?}"),
    }
}

async fn total(store: &PostgresStore) -> i64 {
    let page = store
        .balances(&BalanceFilter::default(), PageRequest::first(10))
        .await
        .unwrap();
    page.items.iter().map(|balance| balance.quantity).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_orders_given_to_three_instances_at_once_are_taken_once() {
    const ORDERS: usize = 120;
    let database = shared().database().await;
    let first = instance(&database, 1).await;
    for sku in ["A", "B"] {
        first.execute(receive(sku, 1_000)).await.unwrap();
    }
    let mut callers = tokio::task::JoinSet::new();
    for number in [1, 2, 3] {
        let store = instance(&database, number + 1).await;
        for begin in 0..6 {
            let store = Arc::clone(&store);
            callers.spawn(async move {
                // Each caller goes through all orders, from another place on.
                for step in 0..ORDERS {
                    store.execute(deduct((begin * 20 + step) % ORDERS)).await.unwrap();
                }
            });
        }
    }
    callers.join_all().await;
    assert_eq!(total(&first).await, 2_000 - ORDERS as i64);
    assert_eq!(first.check(now()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_instances_claim_a_delivery_and_a_stale_outcome_changes_nothing() {
    const ORDERS: usize = 100;
    let database = shared().database().await;
    let first = instance(&database, 1).await;
    for sku in ["A", "B"] {
        first.execute(receive(sku, 1_000)).await.unwrap();
    }
    for result in first.execute_all((0..ORDERS).map(deduct).collect()).await {
        result.unwrap();
    }
    let mut workers = tokio::task::JoinSet::new();
    for number in [2, 3, 4] {
        let store = instance(&database, number).await;
        workers.spawn(async move {
            let mut all = Vec::new();
            // One that finds all of them at work elsewhere looks again.
            for _ in 0..60 {
                all.extend(claimed(store.execute(claim_due(7)).await.unwrap()));
            }
            all
        });
    }
    let claims = workers.join_all().await.concat();
    let orders: BTreeSet<&OrderKey> = claims.iter().map(|claim| &claim.key).collect();
    assert_eq!(claims.len(), ORDERS, "each was claimed");
    assert_eq!(orders.len(), ORDERS, "and none twice");
    let stale = Settle {
        key: claims[0].key.clone(),
        token: claims[1].token,
        outcome: AttemptOutcome::Delivered,
        draw: 0.5,
        took_ms: 1,
    };
    let settled = first.execute(request(Command::Settle(stale))).await.unwrap();
    assert_eq!(
        settled,
        Outcome::Settled(saldo_domain::decide::SettleOutcome::Stale)
    );
    assert_eq!(first.check(now()).await.unwrap(), []);
}

/// A store keeps what its claims read until they end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_instance_changed_since_a_claim_is_seen_by_its_end() {
    let database = shared().database().await;
    let (first, second) = (instance(&database, 1).await, instance(&database, 2).await);
    for sku in ["A", "B"] {
        first.execute(receive(sku, 1_000)).await.unwrap();
    }
    for number in [0, 2, 4, 6] {
        first.execute(deduct(number)).await.unwrap();
    }
    let claims = claimed(first.execute(claim_due(4)).await.unwrap());
    assert_eq!(claims.len(), 4);
    second.execute(another_line(2)).await.unwrap();
    second.execute(another_line(4)).await.unwrap();
    for settled in first.execute_all(claims.iter().map(delivered).collect()).await {
        settled.unwrap();
    }
    let claims = claimed(second.execute(claim_due(4)).await.unwrap());
    let mut owed: Vec<OrderKey> = claims.into_iter().map(|claim| claim.key).collect();
    owed.sort_by(|left, right| left.order.cmp(&right.order));
    assert_eq!(owed, [order(2), order(4)], "only what came since is owed");
    assert_eq!(first.check(now()).await.unwrap(), []);
}

/// A change of an order before the end of its claim, in one transaction: all of the row is written, and not only where the
/// claim found it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_instance_changed_is_seen_also_where_more_than_the_end_of_the_claim_is_written() {
    let database = shared().database().await;
    let (first, second) = (instance(&database, 1).await, instance(&database, 2).await);
    for sku in ["A", "B"] {
        first.execute(receive(sku, 1_000)).await.unwrap();
    }
    first.execute(deduct(0)).await.unwrap();
    let claims = claimed(first.execute(claim_due(1)).await.unwrap());
    second.execute(another_line(0)).await.unwrap();
    let back = request(Command::Refund(Refund {
        key: order(0),
        lines: vec![RefundLine {
            sku: Sku::parse("A").unwrap(),
            quantity: 1,
            warehouse: None,
        }],
        reason: "returned".to_owned(),
    }));
    for done in first.execute_all(vec![back, delivered(&claims[0])]).await {
        done.unwrap();
    }
    let file = second.order(&order(0)).await.unwrap().unwrap();
    assert_eq!(file.order.lines.len(), 2, "{file:?}");
    assert!(file.delivery.is_some(), "one line is still to be told");
    assert_eq!(first.check(now()).await.unwrap(), []);
}

/// Connections are cut at any moment, also between a commit and its answer: what was acknowledged is there once, and
/// what was refused is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_stored_once_whatever_becomes_of_the_connections() {
    const RECEIPTS: usize = 400;
    let database = shared().database().await;
    let store = instance(&database, 1).await;
    store.execute(receive("A", 1)).await.unwrap();
    let killer = {
        let database = database.clone();
        tokio::spawn(async move {
            let client = shared().connect("postgres").await;
            loop {
                client
                    .execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                         WHERE datname = $1 AND state <> 'idle'",
                        &[&database],
                    )
                    .await
                    .unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(40)).await;
            }
        })
    };
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            let (mut stored, mut unknown) = (0, 0);
            for _ in 0..RECEIPTS / 4 {
                match store.execute(receive("A", 1)).await {
                    Ok(_) => stored += 1,
                    Err(StoreError::Unknown(_)) => unknown += 1,
                    Err(StoreError::Unavailable(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            (stored, unknown)
        });
    }
    let results = callers.join_all().await;
    killer.abort();
    let stored: i64 = results.iter().map(|(stored, _)| stored).sum();
    let unknown: i64 = results.iter().map(|(_, unknown)| unknown).sum();
    let found = total(&store).await - 1;
    assert!(stored > 0);
    assert!(
        (stored..=stored + unknown).contains(&found),
        "{stored} were acknowledged and {unknown} unknown, and {found} are there"
    );
    assert_eq!(store.check(now()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_logged_is_not_done() {
    let database = shared().database().await;
    let store = instance(&database, 1).await;
    let other = shared().connect(&database).await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql \
         AS $$ BEGIN RAISE 'no log'; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT ON saldo.log FOR EACH ROW EXECUTE FUNCTION refuse()";
    other.batch_execute(refuse).await.unwrap();
    store.execute(receive("A", 10)).await.unwrap_err();
    for table in ["operation", "movement", "balance"] {
        let counted = format!("SELECT count(*) FROM saldo.{table}");
        let rows: i64 = other.query_one(&counted, &[]).await.unwrap().get(0);
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_of_the_version_before_stays_as_long_as_an_instance_of_it_runs() {
    let database = shared().database().await;
    let store = instance(&database, 1).await;
    let client = shared().connect(&database).await;
    let is_there = async || -> bool {
        let asked = "SELECT to_regclass('saldo.delivery_due') IS NOT NULL";
        client.query_one(asked, &[]).await.unwrap().get(0)
    };
    assert!(!is_there().await, "nothing needs it in a new database");
    // As it is while one of three is upgraded.
    let before = "CREATE INDEX delivery_due ON saldo.delivery (account, due_at, order_id); \
        INSERT INTO saldo.instance (id, name, version, role, started_at, heartbeat_at, deliveries, attempts, \
        successes, retried, retried_ms) VALUES ('before', 'before', '0.0.1', 'all', 1, 1, 0, 0, 0, 0, 0)";
    client.batch_execute(before).await.unwrap();
    let own = Instance {
        id: "own".to_owned(),
        name: "own".to_owned(),
        version: "0.0.2".to_owned(),
        role: ServerRole::All,
        started_at: now(),
        heartbeat_at: now(),
        deliveries: 0,
        counts: AttemptCounts::default(),
        aside_since: None,
    };
    store.put_instance(&own).await.unwrap();
    assert!(is_there().await, "the other one claims along it");
    store.remove_instance("before", None).await.unwrap();
    store.put_instance(&own).await.unwrap();
    assert!(!is_there().await, "nobody needs it any more");
}
