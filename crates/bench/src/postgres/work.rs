//! Claiming and completing deliveries on PostgreSQL without any call, beside systems that work off jobs that do nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use saldo_domain::decide::{Command, Settle};
use saldo_domain::delivery::Outcome as AttemptOutcome;
use saldo_store::Store;
use tokio::task::JoinSet;

use crate::Run;
use crate::claims::claim;
use crate::clock::{instant, per_second};
use crate::ledger;
use crate::orders::{self, Order};
use crate::peer::Peer;
use crate::postgres::ledger::Server;
use crate::postgres::raw_deliveries;
use crate::report::{self, Beside, Goal, Row};
use crate::spread::Spread;

/// Orders of one round.
const ORDERS: usize = 20_000;
/// Workers that claim and complete: so many that a transaction waits whenever one is written to the disk.
const WORKERS: usize = 8;
/// Deliveries of one claim: as many requests as one transaction holds. The others take 5,000 jobs together.
const CLAIMED_TOGETHER: usize = 256;
/// Connections on which the server is told to write the same by itself: more made it no faster.
const RAW_CONNECTIONS: usize = 3;
/// A round that takes longer has lost something.
const ROUND_MAX: Duration = Duration::from_secs(120);

/// Measures.
pub(crate) async fn run(run: &Run) -> anyhow::Result<()> {
    let server = Server::find().await?;
    let peers = [
        ("riverqueue on PostgreSQL", Peer::riverqueue()),
        ("graphile_worker", Peer::graphile_worker()),
    ];
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    let mut beside: Vec<Vec<f64>> = peers.iter().map(|_| Vec::new()).collect();
    for round in 0..run.rounds {
        ours.push(ours_once(&server, round).await?);
        raw.push(raw_once(&server, round).await?);
        for ((_, peer), figures) in peers.iter().zip(&mut beside) {
            if let Some(peer) = peer {
                let database = server.empty().await?;
                figures.push(peer.jobs_per_second(ORDERS, Some(&database.address)).await?);
                database.remove().await?;
            }
        }
    }
    report::print(&Row {
        what: "PostgreSQL: claim and complete".to_owned(),
        unit: "orders/s",
        ours: Spread::of(&ours),
        beside: Some(Beside {
            what: "statements in the server that write the same",
            figures: Spread::of(&raw),
            ratio: Spread::of_ratios(&ours, &raw),
        }),
        goal: Goal::None,
    });
    for ((what, _), figures) in peers.iter().zip(beside) {
        let is_measured = !figures.is_empty();
        report::print(&Row {
            what: "PostgreSQL: claim and complete".to_owned(),
            unit: "orders/s",
            ours: Spread::of(&ours),
            beside: is_measured.then(|| Beside {
                what,
                figures: Spread::of(&figures),
                ratio: Spread::of_ratios(&ours, &figures),
            }),
            goal: if is_measured {
                Goal::RatioAtLeast(1.0)
            } else {
                Goal::None
            },
        });
    }
    Ok(())
}

async fn ours_once(server: &Server, round: usize) -> anyhow::Result<f64> {
    let database = server.database().await?;
    let store: Arc<dyn Store> = database.open().await?;
    take_in(store.as_ref(), ORDERS, round as u64).await?;
    let began = instant();
    let done = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..WORKERS {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tasks.spawn(async move {
            while done.load(Ordering::Relaxed) < ORDERS {
                done.fetch_add(
                    complete(store.as_ref(), CLAIMED_TOGETHER).await?,
                    Ordering::Relaxed,
                );
                anyhow::ensure!(began.elapsed() < ROUND_MAX, "the deliveries do not end");
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let rate = per_second(ORDERS, began.elapsed());
    store.close().await?;
    database.remove().await?;
    Ok(rate)
}

async fn raw_once(server: &Server, round: usize) -> anyhow::Result<f64> {
    let database = server.database().await?;
    let store = database.open().await?;
    take_in(store.as_ref(), ORDERS, round as u64).await?;
    store.close().await?;
    let rate = raw_deliveries::work_off(&database, RAW_CONNECTIONS, CLAIMED_TOGETHER, ORDERS).await?;
    database.remove().await?;
    Ok(rate)
}

/// Takes in so many new orders.
pub(crate) async fn take_in(store: &dyn Store, count: usize, seed: u64) -> anyhow::Result<()> {
    take_in_all(store, orders::make(count, seed)?).await
}

/// Takes in orders.
pub(crate) async fn take_in_all(store: &dyn Store, orders: Vec<Order>) -> anyhow::Result<()> {
    let requests = orders
        .into_iter()
        .map(|order| ledger::request(Command::TakeIn(order.take_in)))
        .collect();
    for result in store.execute_all(requests).await {
        result?;
    }
    Ok(())
}

/// Claims some deliveries and completes them; says how many.
pub(crate) async fn complete(store: &dyn Store, count: usize) -> anyhow::Result<usize> {
    let claims = claim(store, count).await?;
    let claimed = claims.len();
    let settles = claims.into_iter().map(|claim| {
        let settle = Settle {
            key: claim.key,
            token: claim.token,
            outcome: AttemptOutcome::Delivered,
            draw: 0.5,
            took_ms: 1,
        };
        ledger::request(Command::Settle(settle))
    });
    for settled in store.execute_all(settles.collect()).await {
        settled?;
    }
    Ok(claimed)
}
