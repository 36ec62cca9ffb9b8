//! A real PgBouncer between stores and the server, which gives every transaction another connection.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use saldo_domain::decide::{Command, Deduct, Receipt, Request, StockLine};
use saldo_domain::ids::{AccountId, IdSource, OrderId, OrderKey};
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::query::{BalanceFilter, PageRequest};
use saldo_store::{Rules, Store};
use saldo_store_postgres::PostgresStore;
use support::pooler::Pooler;
use support::{shared, unsafe_options};
use uuid::Uuid;

/// Ids that no other instance draws.
struct InstanceIds(u64);

impl IdSource for InstanceIds {
    fn next(&mut self, now: Timestamp) -> Uuid {
        self.0 += 1;
        saldo_domain::ids::uuid_v7(now, self.0)
    }
}

async fn instance(url: &str) -> Arc<PostgresStore> {
    static INSTANCES: AtomicU64 = AtomicU64::new(0);
    let rules = Rules {
        ids: Box::new(InstanceIds(INSTANCES.fetch_add(1, Ordering::Relaxed) << 40)),
        ..support::rules()
    };
    Arc::new(PostgresStore::open(url, rules, unsafe_options()).await.unwrap())
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

fn receive(sku: &str, quantity: i64) -> Request {
    let key = StockKey {
        sku: Sku::parse(sku).unwrap(),
        warehouse: Warehouse::parse("Ирина").unwrap(),
    };
    request(Command::Receive(Receipt {
        lines: vec![StockLine { key, quantity }],
        reference: None,
    }))
}

fn deduct(number: usize) -> Request {
    request(Command::Deduct(Deduct {
        key: OrderKey {
            account: AccountId::new(Uuid::from_u128(number as u128 % 3 + 1)),
            order: OrderId::parse(&format!("order-{number}")).unwrap(),
        },
        line: None,
        sku: Sku::parse(if number.is_multiple_of(2) { "A" } else { "B" }).unwrap(),
        quantity: 1,
        warehouse: None,
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_behind_a_pooler_take_the_same_orders_once() {
    const ORDERS: usize = 90;
    let pooler = Pooler::start(shared()).await;
    let url = pooler.url(&shared().database().await);
    let first = instance(&url).await;
    for sku in ["A", "B"] {
        first.execute(receive(sku, 1_000)).await.unwrap();
    }
    let mut callers = tokio::task::JoinSet::new();
    for store in [Arc::clone(&first), instance(&url).await] {
        for begin in 0..4 {
            let store = Arc::clone(&store);
            callers.spawn(async move {
                for step in 0..ORDERS {
                    store.execute(deduct((begin * 20 + step) % ORDERS)).await.unwrap();
                }
            });
        }
    }
    callers.join_all().await;
    let page = first
        .balances(&BalanceFilter::default(), PageRequest::first(10))
        .await
        .unwrap();
    let total: i64 = page.items.iter().map(|balance| balance.quantity).sum();
    assert_eq!(total, 2_000 - ORDERS as i64);
    assert_eq!(first.check(now()).await.unwrap(), []);
}
