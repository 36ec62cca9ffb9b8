//! How fast the store takes in orders and works off deliveries, beside a bare loop that writes the same rows.
//!
//! `cargo run --release -p saldo-store-sqlite --example speed -- [DIRECTORY] [ORDERS]`

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow_free::Fallible;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use saldo_domain::decide::{
    ClaimOrders, ClaimRequest, Command, Outcome, Receipt, Request, Settle, StockLine, TakeIn,
};
use saldo_domain::delivery::Outcome as AttemptOutcome;
use saldo_domain::form::{CopyLine, FormStatus, OrderCopy, Source};
use saldo_domain::ids::{AccountId, CountedIds, LineItemId, OfferId, OrderId};
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_domain::view::DueRequest;
use saldo_store::{Rules, Store};
use saldo_store_sqlite::{SqliteOptions, SqliteStore};
use uuid::Uuid;

mod anyhow_free {
    /// Any error ends a measurement.
    pub(crate) type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
}

const CALLERS: usize = 64;
const SKUS: usize = 500;
const CLAIMED_TOGETHER: usize = 64;
const BARE_TOGETHER: usize = 100;

fn rules() -> Fallible<Rules> {
    let policy = Policy {
        default_warehouse: Warehouse::parse("main")?,
        deduct_when_bought: false,
        allow_negative: false,
        retry: RetryPolicy::default(),
        circuit_enabled: true,
        lease_seconds: 90,
        verify_after_seconds: 60,
        give_up_hours: 24,
        initial_mode: saldo_domain::rollout::Mode::On,
        start_from: None,
    };
    Ok(Rules {
        policy,
        ids: Box::new(CountedIds::default()),
    })
}

fn moment(number: usize) -> Fallible<Timestamp> {
    Ok(Timestamp::from_millisecond(1_800_000_000_000 + number as i64)?)
}

fn request(number: usize, command: Command) -> Fallible<Request> {
    Ok(Request {
        command,
        now: moment(number)?,
        by: "bench".to_owned(),
        answer_key: None,
    })
}

fn sku(number: usize) -> Fallible<Sku> {
    Ok(Sku::parse(&format!("SKU-{:05}", number % SKUS))?)
}

/// Ids as Allegro's: without order.
fn scattered(number: usize, salt: u128) -> Uuid {
    let mixed = (number as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) ^ salt;
    Uuid::from_u128(mixed.rotate_left(61))
}

fn take_in(number: usize) -> Fallible<Request> {
    let lines = 1 + number % 2;
    let line = |index: usize| -> Fallible<CopyLine> {
        Ok(CopyLine {
            id: Some(LineItemId::parse(
                &scattered(number, index as u128 + 1).to_string(),
            )?),
            offer: Some(OfferId::parse(&format!(
                "{}",
                10_000_000 + (number * 7 + index) % 2_000
            ))?),
            external: Some(sku(number * 7 + index)?),
            quantity: 1,
        })
    };
    let copy = OrderCopy {
        order: OrderId::parse(&scattered(number, 0).to_string())?,
        source: Source::Posted,
        status: FormStatus::Ready,
        fulfillment_cancelled: false,
        shipped: false,
        returned: false,
        fulfilled_by_allegro: false,
        revision: Some("819b5836".to_owned()),
        updated_at: Some(moment(number)?),
        bought_at: Some(moment(number)?),
        lines: (0..lines).map(line).collect::<Fallible<_>>()?,
    };
    let account = AccountId::new(Uuid::from_u128(number as u128 % 3 + 1));
    request(
        number,
        Command::TakeIn(TakeIn {
            account,
            copy,
            warehouse: None,
            force: false,
            remote_flag: None,
        }),
    )
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn stopwatch() -> Instant {
    Instant::now()
}

fn tell(what: &str, count: usize, begun: Instant) -> f64 {
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    println!("{what:<46} {rate:>9.0} /s");
    rate
}

async fn intake(store: &Arc<SqliteStore>, orders: usize) -> Fallible<f64> {
    for chunk in (0..SKUS).collect::<Vec<_>>().chunks(100) {
        let line = |number: &usize| -> Fallible<StockLine> {
            let key = StockKey {
                sku: sku(*number)?,
                warehouse: Warehouse::parse("main")?,
            };
            Ok(StockLine {
                key,
                quantity: 1_000_000,
            })
        };
        let lines = chunk.iter().map(line).collect::<Fallible<_>>()?;
        store
            .execute(request(
                0,
                Command::Receive(Receipt {
                    lines,
                    reference: None,
                }),
            )?)
            .await?;
    }
    let requests = (0..orders).map(take_in).collect::<Fallible<Vec<_>>>()?;
    let mut shares: Vec<Vec<Request>> = vec![Vec::new(); CALLERS];
    for (number, request) in requests.into_iter().enumerate() {
        shares[number % CALLERS].push(request);
    }
    let begun = stopwatch();
    let mut callers = tokio::task::JoinSet::new();
    for share in shares {
        let store = Arc::clone(store);
        callers.spawn(async move {
            for request in share {
                store.execute(request).await?;
            }
            Ok::<_, saldo_store::StoreError>(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(tell("intake, 64 callers", orders, begun))
}

async fn deliveries(store: &Arc<SqliteStore>, orders: usize) -> Fallible<f64> {
    let begun = stopwatch();
    let mut done = 0;
    let mut number = orders;
    let mut settling: Vec<Request> = Vec::new();
    while done < orders {
        number += 1;
        let due = DueRequest {
            now: moment(number)?,
            after_account: None,
            excluded: Vec::new(),
            only: None,
            per_account_max: CLAIMED_TOGETHER,
            count_max: CLAIMED_TOGETHER,
        };
        // The next claim goes with the outcomes of the one before, as in a worker that keeps its slots full.
        let mut requests = std::mem::take(&mut settling);
        requests.push(request(
            number,
            Command::Claim(ClaimRequest {
                orders: ClaimOrders::Due(due),
            }),
        )?);
        for outcome in store.execute_all(requests).await {
            match outcome? {
                Outcome::Settled(_) => done += 1,
                Outcome::Claimed(claims) => {
                    for claim in claims {
                        let (key, token) = (claim.key, claim.token);
                        let settle = Settle {
                            key,
                            token,
                            outcome: AttemptOutcome::Delivered,
                            draw: 0.5,
                            took_ms: 5,
                        };
                        settling.push(request(number, Command::Settle(settle))?);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(tell("claim and settle, 64 together", orders, begun))
}

/// Writes the rows that the store has written, from a copy of them, with nothing decided.
fn bare(from: &Path, to: &Path, orders: usize) -> Fallible<f64> {
    const TABLES: [&str; 6] = [
        "orders",
        "line_holder",
        "operation",
        "movement",
        "log",
        "delivery",
    ];
    let source = Connection::open(from)?;
    let target = Connection::open(to)?;
    target.pragma_update(None, "journal_mode", "wal")?;
    target.pragma_update(None, "synchronous", "full")?;
    target.pragma_update(None, "cache_size", -65_536)?;
    target.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    let mut plans = Vec::new();
    for table in TABLES {
        let columns = source
            .prepare(&format!("SELECT * FROM {table} LIMIT 0"))?
            .column_count();
        let marks = vec!["?"; columns].join(", ");
        let sql = match table {
            "movement" | "log" => format!(
                "SELECT * FROM {table} WHERE operation IN (SELECT id FROM operation WHERE order_id = ?1)"
            ),
            _ => format!("SELECT * FROM {table} WHERE order_id = ?1"),
        };
        plans.push((sql, format!("INSERT INTO {table} VALUES ({marks})"), columns));
    }
    let mut rows: Vec<Vec<(usize, Vec<rusqlite::types::Value>)>> = Vec::with_capacity(orders);
    // Movements are looked up by operation, which only this measurement does.
    source.execute_batch("CREATE INDEX IF NOT EXISTS bench_movement ON movement (operation)")?;
    source.execute_batch("CREATE INDEX IF NOT EXISTS bench_operation ON operation (order_id)")?;
    source.execute_batch("CREATE INDEX IF NOT EXISTS bench_holder ON line_holder (order_id)")?;
    source.execute_batch("CREATE INDEX IF NOT EXISTS bench_delivery ON delivery (order_id)")?;
    source.execute_batch("CREATE INDEX IF NOT EXISTS bench_orders ON orders (order_id)")?;
    for number in 0..orders {
        let order = scattered(number, 0).to_string();
        let mut of_order = Vec::new();
        for (plan, (sql, _, columns)) in plans.iter().enumerate() {
            let mut statement = source.prepare_cached(sql)?;
            let mut found = statement.query([&order])?;
            while let Some(row) = found.next()? {
                of_order.push((
                    plan,
                    (0..*columns)
                        .map(|column| row.get(column))
                        .collect::<Result<_, _>>()?,
                ));
            }
        }
        rows.push(of_order);
    }
    let begun = stopwatch();
    for together in rows.chunks(BARE_TOGETHER) {
        target.execute_batch("BEGIN IMMEDIATE")?;
        for (plan, values) in together.iter().flatten() {
            target
                .prepare_cached(&plans[*plan].1)?
                .execute(rusqlite::params_from_iter(values))?;
            if plans[*plan].1.contains("INTO movement") {
                target
                    .prepare_cached("UPDATE balance SET quantity = quantity + ?3, movements = movements + 1, updated_at = 1 WHERE sku = ?1 AND warehouse = ?2 AND quantity + ?3 >= 0")?
                    .execute(params![values[0], values[1], values[3]])?;
            }
        }
        target.execute_batch("COMMIT")?;
    }
    Ok(tell("bare loop of the same rows, 100 together", orders, begun))
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let orders: usize = arguments.next().map_or(Ok(40_000), |text| text.parse())?;
    let directory = tempfile::tempdir_in(directory)?;
    let path = directory.path().join("saldo.db");
    let store = Arc::new(SqliteStore::open(&path, rules()?, SqliteOptions::default())?);
    let taken_in = intake(&store, orders).await?;
    store.close().await?;
    drop(store);
    let bare_path = directory.path().join("bare.db");
    std::fs::copy(&path, &bare_path)?;
    let prepared = Connection::open(&bare_path)?;
    prepared.execute_batch(
        "DROP TRIGGER movement_is_never_removed; DROP TRIGGER log_is_never_removed; \
         DELETE FROM orders; DELETE FROM line_holder; DELETE FROM operation; \
         DELETE FROM movement; DELETE FROM log; DELETE FROM delivery; VACUUM",
    )?;
    drop(prepared);
    let copy = directory.path().join("copy.db");
    std::fs::copy(&path, &copy)?;
    let bare = bare(&copy, &bare_path, orders)?;
    println!(
        "{:<46} {:>9.2}",
        "intake, as a share of the bare loop",
        taken_in / bare
    );
    let store = Arc::new(SqliteStore::open(&path, rules()?, SqliteOptions::default())?);
    deliveries(&store, orders).await?;
    let begun = stopwatch();
    let violations = store.check(moment(0)?).await?;
    tell("check", orders, begun);
    if violations.is_empty() {
        Ok(())
    } else {
        Err(format!("{violations:?}").into())
    }
}
