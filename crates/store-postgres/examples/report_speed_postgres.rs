//! How long a report takes on a PostgreSQL server, and how much memory of the process that asks, beside any number of
//! operations: the same rows as `report_speed` of `saldo-store-sqlite` makes. An empty database is filled first.
//!
//! `scripts/postgres cargo run --release -p saldo-store-postgres --example report_speed_postgres -- [OPERATIONS]`

#[path = "../../store-sqlite/examples/report_speed/measure.rs"]
mod measure;

use measure::{BEGIN, Fallible, SECONDS, TOGETHER, measure, rules};
use saldo_store::Store as _;
use saldo_store_postgres::{PostgresOptions, PostgresStore};
use tokio_postgres::{Client, NoTls};

/// Every row is made of its number `n`; `moment` is when it happened, in microseconds.
const STATEMENTS: [(&str, &str); 5] = [
    (
        "INSERT INTO saldo.operation (id, operation_type, status, account, order_id, lines, retry_count, max_retries, \
         waiting_for, created_at, updated_at, stock_applied_at, completed_at, version)",
        "SELECT id, CASE WHEN n % 20 = 0 THEN 'refund' ELSE 'deduction' END, \
         CASE WHEN n % 50 = 1 THEN 'pending' ELSE 'completed' END, lpad(to_hex(1 + n % 4), 32, '0')::uuid, \
         'order-' || n, format('[{\"line\":\"line-%s\",\"sku\":\"KUB-330-%s\",\"quantity\":1,\"warehouse\":\"main\"}]', \
         n, lpad((n % 5000)::text, 5, '0')), (n % 10 = 0)::int, 5, CASE WHEN n % 50 = 1 THEN 'stock' END, moment, \
         moment, moment, CASE WHEN n % 50 <> 1 THEN moment + 900000 END, 4 FROM made",
    ),
    (
        "INSERT INTO saldo.log (operation, version, id, action, status, details, at, execution_time_ms)",
        "SELECT id, step.version, gen_random_uuid(), step.action, step.status, '{\"lines\":1,\"flag\":true}', \
         moment + step.version * 100000, step.took FROM made CROSS JOIN \
         (VALUES (1, 'created', 'pending', NULL), (2, 'applied', 'pending', NULL), \
          (3, 'claimed', 'processing', NULL), (4, 'completed', 'completed', 35)) AS step (version, action, status, took)",
    ),
    (
        "INSERT INTO saldo.log (operation, version, id, action, status, details, at, execution_time_ms)",
        "SELECT id, step.version, gen_random_uuid(), step.action, step.status, '{\"error\":\"503\"}', \
         moment + step.version * 60000000, step.took FROM made CROSS JOIN \
         (VALUES (5, 'retry', 'pending', 120), (6, 'claimed', 'processing', NULL), \
          (7, 'completed', 'completed', 40)) AS step (version, action, status, took) WHERE n % 10 = 0",
    ),
    (
        "INSERT INTO saldo.movement (sku, warehouse, sequence, quantity, balance_after, operation, line, \
         negative_allowed, at)",
        "SELECT 'KUB-330-' || lpad((n % 5000)::text, 5, '0'), 'main', n / 5000 + 1, \
         CASE WHEN n % 20 = 0 THEN 1 ELSE -1 END, 100000, id, 'line-' || n, false, moment FROM made",
    ),
    (
        "INSERT INTO saldo.review (id, reason, account, order_id, operation, details, opened_at, answered_at, answered_by)",
        "SELECT id, 'insufficient_stock', lpad(to_hex(1 + n % 4), 32, '0')::uuid, 'order-' || n, id, \
         format('{\"lines\":[{\"sku\":\"KUB-330-%s\",\"warehouse\":\"main\",\"required\":3,\"available\":1,\
         \"short\":2,\"known\":true}]}', lpad((n % 5000)::text, 5, '0')), moment, moment + 3600000000, 'saldo' \
         FROM made WHERE n % 50 = 1",
    ),
];

async fn fill(client: &Client, count: i64) -> Fallible<()> {
    for first in (0..count).step_by(usize::try_from(TOGETHER)?) {
        let last = count.min(first + TOGETHER) - 1;
        for (insert, select) in STATEMENTS {
            let sql = format!(
                "{insert} WITH at AS (SELECT n, {BEGIN} + n * {SECONDS} / {count} AS second \
                 FROM generate_series({first}::bigint, {last}) AS n), \
                 made AS (SELECT n, second * 1000000 AS moment, (lpad(to_hex(second * 1000), 12, '0') || '7000' \
                 || lpad(to_hex(n), 16, '0'))::uuid AS id FROM at) {select}"
            );
            client.batch_execute(&sql).await?;
        }
    }
    // What the server does by itself, in its own time.
    client.batch_execute("VACUUM ANALYZE").await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let count: i64 = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |count| count.parse())?;
    let url = std::env::var("SALDO_DATABASE")
        .map_err(|_| "set SALDO_DATABASE to the address of a database, or use scripts/postgres")?;
    let store = PostgresStore::open(&url, rules()?, PostgresOptions::default()).await?;
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    let is_empty = client.query("SELECT FROM saldo.operation LIMIT 1", &[]).await?;
    if is_empty.is_empty() {
        fill(&client, count).await?;
    }
    let row = client
        .query_one(
            "SELECT count(*), pg_database_size(current_database()) / 1048576 FROM saldo.operation",
            &[],
        )
        .await?;
    println!(
        "{} operations, {} MiB",
        row.get::<_, i64>(0),
        row.get::<_, i64>(1)
    );
    measure(&store).await?;
    store.close().await?;
    Ok(())
}
