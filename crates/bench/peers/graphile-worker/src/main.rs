//! Works off jobs that do nothing with `graphile_worker`, and prints how many a second.
//!
//! All jobs are there before the first is worked, as are the orders whose deliveries are measured; the time ends when
//! the last one is gone from the table. The settings are those of its own benchmark.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, WorkerContext, WorkerOptions,
};
use serde::{Deserialize, Serialize};
use tokio_postgres::NoTls;

/// Jobs that are worked at once.
const WORKERS: usize = 500;
/// Jobs that are fetched together.
const FETCHED_TOGETHER: usize = 5_000;
/// How long completions wait for others.
const COMPLETION_DELAY: Duration = Duration::from_millis(5);
/// Jobs that one statement inserts.
const INSERTED_TOGETHER: usize = 5_000;
/// Connections that may be open at once.
const CONNECTIONS: u32 = 10;
/// A run that takes longer has lost something.
const RUN_MAX: Duration = Duration::from_secs(120);

#[derive(Clone, Debug)]
struct Done(Arc<AtomicUsize>);

/// A job that does nothing.
#[derive(Deserialize, Serialize)]
struct Nothing {
    number: usize,
}

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        if let Some(done) = context.get_ext::<Done>() {
            done.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<(), String>(())
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().context("say how many jobs")?.parse()?;
    let address = arguments.next().context("say where the database is")?;
    tokio::time::timeout(RUN_MAX, work_off(count, &address))
        .await
        .context("the jobs do not end")?
}

async fn work_off(count: usize, address: &str) -> anyhow::Result<()> {
    let done = Done(Arc::new(AtomicUsize::new(0)));
    let worker = WorkerOptions::default()
        .database_url(address)
        .max_pg_conn(CONNECTIONS)
        .schema("graphile_worker")
        .concurrency(WORKERS)
        .poll_interval(Duration::from_millis(5))
        .complete_job_batch_delay(COMPLETION_DELAY)
        .local_queue(LocalQueueConfig::default().with_size(FETCHED_TOGETHER))
        .add_extension(done.clone())
        .define_job::<Nothing>()
        .init()
        .await?;
    let worker = Arc::new(worker);
    let jobs: Vec<RawJobSpec> = (0..count)
        .map(|number| RawJobSpec {
            identifier: "nothing".into(),
            payload: serde_json::json!({ "number": number }),
            spec: JobSpec::default(),
        })
        .collect();
    let utils = worker.create_utils();
    for together in jobs.chunks(INSERTED_TOGETHER) {
        utils.add_raw_jobs(together).await?;
    }

    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    tokio::spawn(connection);
    let began = Instant::now();
    let running = Arc::clone(&worker);
    let running = tokio::spawn(async move { running.run().await });
    while done.0.load(Ordering::Relaxed) < count {
        anyhow::ensure!(!running.is_finished(), "the worker ended before its jobs");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    loop {
        let row = client
            .query_one("SELECT EXISTS (SELECT 1 FROM graphile_worker._private_jobs)", &[])
            .await?;
        if !row.get::<_, bool>(0) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("{:.0}", count as f64 / began.elapsed().as_secs_f64());
    worker.request_shutdown();
    running.await??;
    Ok(())
}
