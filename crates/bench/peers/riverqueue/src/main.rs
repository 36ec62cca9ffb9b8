//! Works off jobs that do nothing with riverqueue, on SQLite, or on the PostgreSQL database whose address is the second
//! argument, and prints how many a second.
//!
//! All jobs are there before the first is worked, as are the orders whose deliveries are measured. What it
//! acknowledges is as safe as what Saldo does: a write-ahead log that is synced with every commit.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use anyhow::Context;
use riverqueue::migrate::{PostgresMigrator, SqliteMigrator};
use riverqueue::sqlx::postgres::PgPoolOptions;
use riverqueue::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use riverqueue::{
    Client, ClientBuilder, EventKind, InsertOpts, Job, JobArgs, QueueConfig, SubscribeConfig, WorkContext, WorkOutcome,
    Workers,
};
use serde::{Deserialize, Serialize};

/// Jobs that are worked at once: what riverqueue's own benchmark takes.
const WORKERS: usize = 2_000;
/// Jobs that one transaction inserts.
const INSERTED_TOGETHER: usize = 5_000;
/// How long to rest between fetches: what riverqueue's own benchmark takes.
const FETCH_COOLDOWN: Duration = Duration::from_millis(2);
/// Connections that may be open at once.
const CONNECTIONS: u32 = 10;
/// A run that takes longer has lost something.
const RUN_MAX: Duration = Duration::from_secs(120);

/// A job that does nothing.
#[derive(Clone, Debug, Deserialize, JobArgs, Serialize)]
#[river(kind = "nothing")]
struct Nothing {
    number: usize,
}

async fn work(_: WorkContext, _: Job<Nothing>) -> Result<WorkOutcome, std::convert::Infallible> {
    Ok(WorkOutcome::Complete)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let argument = std::env::args().nth(1);
    let count: usize = argument.context("say how many jobs")?.parse()?;
    let address = std::env::args().nth(2);
    let Some(address) = address else {
        return on_sqlite(count).await;
    };
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(RUN_MAX)
        .connect(&address)
        .await?;
    PostgresMigrator::new(pool.clone()).migrate_up().await?;
    work_off(Client::builder(pool), count).await
}

async fn on_sqlite(count: usize) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("river.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(30));
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(RUN_MAX)
        .connect_with(options)
        .await?;
    SqliteMigrator::new(pool.clone()).migrate_up().await?;
    work_off(Client::builder(pool), count).await
}

async fn work_off(client: ClientBuilder, count: usize) -> anyhow::Result<()> {
    let mut workers = Workers::new();
    workers.add_fn(work)?;
    let queue = QueueConfig::new(WORKERS)
        .with_fetch_cooldown(FETCH_COOLDOWN)
        .with_fetch_poll_interval(FETCH_COOLDOWN);
    let client = client
        .workers(workers)
        .queue("default", queue)
        .build()?;
    let numbers: Vec<usize> = (0..count).collect();
    for together in numbers.chunks(INSERTED_TOGETHER) {
        let jobs = together
            .iter()
            .map(|number| (Nothing { number: *number }, InsertOpts::default()));
        client.insert_many(jobs).await?;
    }

    let capacity = NonZeroUsize::new(count + 1).unwrap_or(NonZeroUsize::MIN);
    let events = SubscribeConfig::new([EventKind::JobCompleted])?.with_buffer_capacity(capacity);
    let mut events = client.subscribe_config(events)?;
    let began = Instant::now();
    let mut run = client.start()?;
    for _ in 0..count {
        tokio::time::timeout(RUN_MAX, events.recv())
            .await
            .context("the jobs do not end")??;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{:.0}", count as f64 / seconds);
    run.stop().await?;
    Ok(())
}
