//! What the server alone can do: statements in it that write what the claims and ends of deliveries write, for rows that
//! are there already, and decide, read and send nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::clock::{instant, per_second};
use crate::postgres::ledger::Database;
use crate::postgres::raw_loop::PLANS;

/// The deliveries by number, and which order and operation each has.
const WORK: &str = "CREATE TABLE saldo.work AS \
     SELECT row_number() OVER (ORDER BY queued_at, order_id) AS number, account, order_id, orders.operations[1] AS operation \
     FROM saldo.delivery JOIN saldo.orders USING (account, order_id); \
     ALTER TABLE saldo.work ADD PRIMARY KEY (number); ANALYZE saldo.work";

/// The moments and the details are of no matter, and neither is who holds the lease.
const CLAIM: [&str; 3] = [
    "UPDATE saldo.delivery AS old SET lease_token = work.operation, lease_until = old.due_at + 60000000, \
     lease_flag = true, due_at = old.due_at + 60000000 FROM saldo.work \
     WHERE number BETWEEN $1 AND $2 AND old.account = work.account AND old.order_id = work.order_id",
    "UPDATE saldo.operation AS old SET status = 'processing', version = old.version + 1, \
     updated_at = old.updated_at + 1 FROM saldo.work WHERE number BETWEEN $1 AND $2 AND old.id = work.operation",
    "INSERT INTO saldo.log (operation, version, id, action, status, details, at) \
     SELECT operation, 1001, gen_random_uuid(), 'claimed', 'processing', '{}', number FROM saldo.work \
     WHERE number BETWEEN $1 AND $2",
];
const END: [&str; 4] = [
    "UPDATE saldo.orders AS old SET flag_confirmed = true, flag_confirmed_at = old.updated_at + 2, \
     updated_at = old.updated_at + 2 FROM saldo.work \
     WHERE number BETWEEN $1 AND $2 AND old.account = work.account AND old.order_id = work.order_id",
    "UPDATE saldo.operation AS old SET status = 'completed', version = old.version + 1, \
     updated_at = old.updated_at + 1, completed_at = old.updated_at + 1, waiting_for = NULL FROM saldo.work \
     WHERE number BETWEEN $1 AND $2 AND old.id = work.operation",
    "INSERT INTO saldo.log (operation, version, id, action, status, details, at, execution_time_ms) \
     SELECT operation, 1002, gen_random_uuid(), 'completed', 'completed', '{\"flag\":true}', number, 1 \
     FROM saldo.work WHERE number BETWEEN $1 AND $2",
    "DELETE FROM saldo.delivery AS old USING saldo.work WHERE number BETWEEN $1 AND $2 \
     AND old.account = work.account AND old.order_id = work.order_id AND old.lease_token = work.operation",
];

/// Works off the deliveries of a database, so many together; says how many a second.
pub(crate) async fn work_off(
    database: &Database,
    connections: usize,
    together: usize,
    count: usize,
) -> anyhow::Result<f64> {
    database.connect().await?.batch_execute(WORK).await?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for _ in 0..connections {
        let client = database.connect().await?;
        client.batch_execute(PLANS).await?;
        clients.push(client);
    }
    let began = instant();
    let mut tasks = JoinSet::new();
    for client in clients {
        let next = Arc::clone(&next);
        tasks.spawn(async move {
            loop {
                let first = next.fetch_add(together, Ordering::Relaxed);
                if first >= count {
                    return anyhow::Ok(());
                }
                let numbers = (i64::try_from(first + 1)?, i64::try_from(first + together)?);
                transaction(&client, &CLAIM, numbers).await?;
                transaction(&client, &END, numbers).await?;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let rate = per_second(count, began.elapsed());
    let left = database
        .connect()
        .await?
        .query_one("SELECT count(*) FROM saldo.delivery", &[])
        .await?
        .try_get::<_, i64>(0)?;
    anyhow::ensure!(left == 0, "{left} deliveries are left");
    Ok(rate)
}

async fn transaction(client: &Client, statements: &[&str], (first, last): (i64, i64)) -> anyhow::Result<()> {
    client.batch_execute("BEGIN").await?;
    for sql in statements {
        let statement = client.prepare(sql).await?;
        client.execute(&statement, &[&first, &last]).await?;
    }
    client.batch_execute("COMMIT").await?;
    Ok(())
}
