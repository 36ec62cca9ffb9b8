//! How fast the store takes in orders and works off deliveries, beside a loop that writes the same rows one order a
//! transaction on 8 connections, and one that writes 100 orders a statement. It starts a cluster of its own, which
//! syncs every commit.
//!
//! `cargo run --release -p saldo-store-postgres --example speed -- [ORDERS]`
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement ends where something is not as expected, and has a clock"
)]

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "speed/loops.rs"]
mod loops;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use saldo_domain::decide::{
    ClaimOrders, ClaimRequest, Command, Outcome, Receipt, Request, Settle, StockLine, TakeIn,
};
use saldo_domain::delivery::Outcome as AttemptOutcome;
use saldo_domain::form::{CopyLine, FormStatus, OrderCopy, Source};
use saldo_domain::ids::{AccountId, LineItemId, OfferId, OrderId};
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_domain::view::DueRequest;
use saldo_store::Store;
use saldo_store_postgres::{PostgresOptions, PostgresStore};
use uuid::Uuid;

const SKUS: usize = 500;
const WAREHOUSE: &str = "Ирина";
const CLAIMED_TOGETHER: usize = 64;

fn moment(number: usize) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + number as i64).unwrap()
}

fn request(number: usize, command: Command) -> Request {
    Request {
        command,
        now: moment(number),
        by: "bench".to_owned(),
        answer_key: None,
    }
}

fn sku(number: usize) -> String {
    format!("SKU-{:05}", number % SKUS)
}

/// Ids as Allegro's: without order.
fn scattered(number: usize, salt: u128) -> Uuid {
    let mixed = (number as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) ^ salt;
    Uuid::from_u128(mixed.rotate_left(61))
}

fn account(number: usize) -> Uuid {
    Uuid::from_u128(number as u128 % 3 + 1)
}

/// The line ids and SKUs of an order: one line and a half on average.
fn lines(number: usize) -> Vec<(String, String)> {
    (0..1 + number % 2)
        .map(|index| {
            let id = scattered(number, index as u128 + 1).to_string();
            (id, sku(number * 7 + index))
        })
        .collect()
}

fn take_in(number: usize) -> Request {
    let line = |(index, (id, sku)): (usize, (String, String))| CopyLine {
        id: Some(LineItemId::parse(&id).unwrap()),
        offer: Some(OfferId::parse(&(10_000_000 + (number * 7 + index) % 2_000).to_string()).unwrap()),
        external: Some(Sku::parse(&sku).unwrap()),
        quantity: 1,
    };
    let copy = OrderCopy {
        order: OrderId::parse(&scattered(number, 0).to_string()).unwrap(),
        source: Source::Posted,
        status: FormStatus::Ready,
        fulfillment_cancelled: false,
        shipped: false,
        returned: false,
        fulfilled_by_allegro: false,
        revision: Some("819b5836".to_owned()),
        updated_at: Some(moment(number)),
        bought_at: Some(moment(number)),
        lines: lines(number).into_iter().enumerate().map(line).collect(),
    };
    request(
        number,
        Command::TakeIn(TakeIn {
            account: AccountId::new(account(number)),
            copy,
            warehouse: None,
            force: false,
            remote_flag: None,
        }),
    )
}

/// Something done so many times, and how fast.
fn tell(what: &str, count: usize, begun: Instant) -> f64 {
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    println!("{what:<58} {rate:>9.0} /s");
    rate
}

async fn stock_up(store: &PostgresStore) {
    for chunk in (0..SKUS).collect::<Vec<_>>().chunks(100) {
        let line = |number: &usize| StockLine {
            key: StockKey {
                sku: Sku::parse(&sku(*number)).unwrap(),
                warehouse: Warehouse::parse(WAREHOUSE).unwrap(),
            },
            quantity: 1_000_000,
        };
        let lines = chunk.iter().map(line).collect();
        let receipt = Command::Receive(Receipt {
            lines,
            reference: None,
        });
        store.execute(request(0, receipt)).await.unwrap();
    }
}

async fn intake(store: &Arc<PostgresStore>, callers: usize, from: usize, orders: usize) -> f64 {
    let next = Arc::new(AtomicUsize::new(from));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (store, next) = (Arc::clone(store), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= from + orders {
                    return;
                }
                store.execute(take_in(number)).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    tell(&format!("intake, {callers} callers"), orders, begun)
}

/// Claims what is due and settles it as delivered, by several workers.
async fn deliver(store: &Arc<PostgresStore>, workers: usize, orders: usize, later: usize) -> f64 {
    let delivered = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..workers {
        let (store, delivered) = (Arc::clone(store), Arc::clone(&delivered));
        tasks.spawn(async move {
            while delivered.load(Ordering::Relaxed) < orders {
                let due = DueRequest {
                    now: moment(later),
                    after_account: None,
                    excluded: Vec::new(),
                    only: None,
                    per_account_max: CLAIMED_TOGETHER,
                    count_max: CLAIMED_TOGETHER,
                };
                let claim = Command::Claim(ClaimRequest {
                    orders: ClaimOrders::Due(due),
                });
                let Ok(Outcome::Claimed(claims)) = store.execute(request(later, claim)).await else {
                    panic!("a claim failed")
                };
                if claims.is_empty() {
                    tokio::task::yield_now().await;
                }
                let settles = claims.into_iter().map(|claim| {
                    let settle = Settle {
                        key: claim.key,
                        token: claim.token,
                        outcome: AttemptOutcome::Delivered,
                        draw: 0.5,
                        took_ms: 3,
                    };
                    request(later, Command::Settle(settle))
                });
                for settled in store.execute_all(settles.collect()).await {
                    settled.unwrap();
                    delivered.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    tasks.join_all().await;
    tell(
        &format!("claimed and completed, {workers} workers of {CLAIMED_TOGETHER}"),
        delivered.load(Ordering::Relaxed),
        begun,
    )
}

#[tokio::main]
async fn main() {
    let orders: usize = std::env::args()
        .nth(1)
        .map_or(20_000, |text| text.parse().unwrap());
    let cluster = support::Cluster::start(&["shared_buffers = 512MB", "max_wal_size = 4GB"]);
    let writers = std::env::var("WRITERS").ok().and_then(|text| text.parse().ok());
    let mut options = PostgresOptions::default();
    if let Some(writers) = writers {
        options.writers = writers;
    }
    let database = cluster.database().await;
    let store = support::open(&cluster.url(&database), options.clone()).await;
    let store = Arc::new(store);
    stock_up(&store).await;
    let alone = intake(&store, 1, 0, orders / 20).await;
    let few = intake(&store, 8, orders, orders / 4).await;
    let many = intake(&store, 64, 2 * orders, orders).await;

    let beside = cluster.database().await;
    let other = support::open(&cluster.url(&beside), options).await;
    stock_up(&other).await;
    let single_alone = loops::one_a_transaction(&cluster, &beside, 1, 0, orders / 20).await;
    let single = loops::one_a_transaction(&cluster, &beside, 8, orders, orders / 2).await;
    let together = loops::many_a_statement(&cluster, &beside, 2 * orders, orders).await;

    let waiting = orders / 20 + orders / 4 + orders;
    let claimed = deliver(&store, 2, waiting, 10 * orders).await;
    println!();
    let ratio = |what: &str, ratio: f64| println!("{what:<58} {ratio:>9.2}");
    ratio("1 caller, by the loop on 1 connection", alone / single_alone);
    ratio("8 callers, by the loop on 8 connections", few / single);
    ratio("64 callers, by the loop on 8 connections (goal 3)", many / single);
    ratio(
        "64 callers, by 100 orders a statement (goal 0.45)",
        many / together,
    );
    ratio("claimed and completed, by intake at 64 callers", claimed / many);
    assert_eq!(store.check(moment(0)).await.unwrap(), []);
}
