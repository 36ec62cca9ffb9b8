//! Several instances on one PostgreSQL database: what waits for the service is shared out among them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use saldo_store::Store;

use crate::clock::{instant, per_second};
use crate::deliveries::owed;
use crate::postgres::ledger::Server;
use crate::postgres::work::take_in;
use crate::report::{self, Beside, Goal, Row};
use crate::spread::Spread;
use crate::stub::Stub;
use crate::{Run, engine};

/// How long the service takes for an answer.
const LATENCY: Duration = Duration::from_millis(50);
/// Calls that an instance has in flight.
const IN_FLIGHT: usize = 32;
/// Orders for each instance.
const ORDERS_EACH: usize = 3_000;
/// Instances that are measured beside one.
const INSTANCES: usize = 3;
/// A round that takes longer has lost something.
const ROUND_MAX: Duration = Duration::from_secs(120);

/// Measures.
pub(crate) async fn run(run: &Run) -> anyhow::Result<()> {
    let server = Server::find().await?;
    let stub = Stub::start(LATENCY).await?;
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for round in 0..run.rounds {
        ours.push(deliver(&server, &stub, INSTANCES, round).await?);
        beside.push(deliver(&server, &stub, 1, round).await?);
    }
    report::print(&Row {
        what: format!("PostgreSQL: deliveries to a service that takes 50 ms, {INSTANCES} instances"),
        unit: "orders/s",
        ours: Spread::of(&ours),
        beside: Some(Beside {
            what: "one instance",
            figures: Spread::of(&beside),
            ratio: Spread::of_ratios(&ours, &beside),
        }),
        goal: Goal::RatioAtLeast(2.5),
    });
    Ok(())
}

async fn deliver(server: &Server, stub: &Stub, instances: usize, round: usize) -> anyhow::Result<f64> {
    let database = server.database().await?;
    let orders = ORDERS_EACH * instances;
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..instances {
        stores.push(database.open().await?);
    }
    take_in(stores[0].as_ref(), orders, round as u64).await?;
    let answered_before = stub.answered.load(Ordering::Relaxed);
    let began = instant();
    let mut engines = Vec::new();
    for store in &stores {
        engines.push(engine::start(Arc::clone(store), &stub.base_url(), IN_FLIGHT)?);
    }
    while stub.answered.load(Ordering::Relaxed) < answered_before + orders {
        anyhow::ensure!(began.elapsed() < ROUND_MAX, "the deliveries do not end");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    while owed(stores[0].as_ref()).await? > 0 {
        anyhow::ensure!(began.elapsed() < ROUND_MAX, "the outcomes are not recorded");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rate = per_second(orders, began.elapsed());
    for engine in engines {
        engine.stop().await;
    }
    for store in stores {
        store.close().await?;
    }
    database.remove().await?;
    Ok(rate)
}
