//! How long a report takes, and how much memory, beside any number of operations: four weeks of orders with their
//! logs, movements and reviews, made by SQL.
//!
//! `cargo run --release -p saldo-store-sqlite --example report_speed -- [OPERATIONS] [DIRECTORY]`

mod measure;

use std::path::Path;

use measure::{BEGIN, Fallible, SECONDS, TOGETHER, measure, rules};
use rusqlite::{Connection, params};
use saldo_store::Store as _;
use saldo_store_sqlite::{SqliteOptions, SqliteStore};

/// Every row is made of its number `n`; `moment` is when it happened, in microseconds.
const STATEMENTS: [(&str, &str); 5] = [
    (
        "INSERT INTO operation (id, operation_type, status, account, order_id, lines, retry_count, max_retries, \
         waiting_for, created_at, updated_at, stock_applied_at, completed_at, version)",
        "SELECT id, iif(n % 20 = 0, 'refund', 'deduction'), iif(n % 50 = 1, 'pending', 'completed'), \
         unhex(printf('%032x', 1 + n % 4)), printf('order-%d', n), \
         printf('[{\"line\":\"line-%d\",\"sku\":\"KUB-330-%05d\",\"quantity\":1,\"warehouse\":\"main\"}]', \
         n, n % 5000), n % 10 = 0, 5, iif(n % 50 = 1, 'stock', NULL), moment, moment, moment, \
         iif(n % 50 = 1, NULL, moment + 900000), 4 FROM made",
    ),
    (
        "INSERT INTO log (operation, version, id, action, status, details, at, execution_time_ms)",
        "SELECT id, step.column1, randomblob(16), step.column2, step.column3, '{\"lines\":1,\"flag\":true}', \
         moment + step.column1 * 100000, step.column4 FROM made CROSS JOIN \
         (VALUES (1, 'created', 'pending', NULL), (2, 'applied', 'pending', NULL), \
          (3, 'claimed', 'processing', NULL), (4, 'completed', 'completed', 35)) AS step",
    ),
    (
        "INSERT INTO log (operation, version, id, action, status, details, at, execution_time_ms)",
        "SELECT id, step.column1, randomblob(16), step.column2, step.column3, '{\"error\":\"503\"}', \
         moment + step.column1 * 60000000, step.column4 FROM made CROSS JOIN \
         (VALUES (5, 'retry', 'pending', 120), (6, 'claimed', 'processing', NULL), \
          (7, 'completed', 'completed', 40)) AS step WHERE n % 10 = 0",
    ),
    (
        "INSERT INTO movement (sku, warehouse, sequence, quantity, balance_after, operation, line, \
         negative_allowed, at)",
        "SELECT printf('KUB-330-%05d', n % 5000), 'main', n / 5000 + 1, iif(n % 20 = 0, 1, -1), 100000, id, \
         printf('line-%d', n), 0, moment FROM made",
    ),
    (
        "INSERT INTO review (id, reason, account, order_id, operation, details, opened_at, answered_at, answered_by)",
        "SELECT id, 'insufficient_stock', unhex(printf('%032x', 1 + n % 4)), printf('order-%d', n), id, \
         printf('{\"lines\":[{\"sku\":\"KUB-330-%05d\",\"warehouse\":\"main\",\"required\":3,\"available\":1,\
         \"short\":2,\"known\":true}]}', n % 5000), moment, moment + 3600000000, 'saldo' \
         FROM made WHERE n % 50 = 1",
    ),
];

fn fill(path: &Path, count: i64) -> Fallible<()> {
    let connection = Connection::open(path)?;
    // Only while the database is made: nothing would be lost by a crash but the making.
    connection.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "off")?;
    for first in (0..count).step_by(usize::try_from(TOGETHER)?) {
        let last = count.min(first + TOGETHER) - 1;
        for (insert, select) in STATEMENTS {
            let sql = format!(
                "{insert} WITH RECURSIVE number (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM number WHERE n < ?2), \
                 at (n, second) AS (SELECT n, {BEGIN} + n * {SECONDS} / ?3 FROM number), \
                 made (n, moment, id) AS (SELECT n, second * 1000000, \
                 unhex(printf('%012x7000%016x', second * 1000, n)) FROM at) {select}"
            );
            connection.execute(&sql, params![first, last, count])?;
        }
    }
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    Ok(())
}

fn open(path: &Path) -> Fallible<SqliteStore> {
    Ok(SqliteStore::open(path, rules()?, SqliteOptions::default())?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let mut arguments = std::env::args().skip(1);
    let count: i64 = arguments.next().map_or(Ok(1_000_000), |count| count.parse())?;
    let directory = arguments.next().unwrap_or_else(|| ".".to_owned());
    let path = Path::new(&directory).join(format!("report-speed-{count}.db"));
    if !path.exists() {
        open(&path)?.close().await?;
        fill(&path, count)?;
        println!("made {}; run again to measure", path.display());
        return Ok(());
    }
    println!(
        "{count} operations, {} MiB",
        std::fs::metadata(&path)?.len() >> 20
    );
    let store = open(&path)?;
    measure(&store).await?;
    store.close().await?;
    Ok(())
}
