//! Durable intake in the process, on PostgreSQL.

use std::sync::Arc;

use saldo_store::Store;

use crate::Run;
use crate::intake::{Entrance, intake};
use crate::orders;
use crate::postgres::ledger::Server;
use crate::postgres::raw_loop::RawOrders;
use crate::report::{self, Beside, Goal, Row};
use crate::spread::Spread;

/// Orders of one transaction of the loop that writes many.
const ORDERS_TOGETHER: usize = 100;

/// A loop that is measured beside.
struct Loop {
    what: &'static str,
    connections: usize,
    together: usize,
    goal: Goal,
}

/// One order a transaction.
const fn single(what: &'static str, connections: usize, goal: Goal) -> Loop {
    Loop {
        what,
        connections,
        together: 1,
        goal,
    }
}

/// Measures.
pub(crate) async fn run(run: &Run) -> anyhow::Result<()> {
    let server = Server::find().await?;
    let eight = "one order a transaction, 8 connections";
    let alone = [single("one order a transaction, 1 connection", 1, Goal::None)];
    let few = [single(eight, 8, Goal::None)];
    let many = [
        single(eight, 8, Goal::RatioAtLeast(3.0)),
        Loop {
            what: "100 orders a statement",
            connections: 1,
            together: ORDERS_TOGETHER,
            goal: Goal::RatioAtLeast(0.45),
        },
    ];
    measure(run, &server, 1, 1_000, &alone).await?;
    measure(run, &server, 8, 5_000, &few).await?;
    measure(run, &server, 64, 20_000, &many).await
}

async fn measure(
    run: &Run,
    server: &Server,
    callers: usize,
    count: usize,
    loops: &[Loop],
) -> anyhow::Result<()> {
    let mut ours = Vec::new();
    let mut beside: Vec<Vec<f64>> = loops.iter().map(|_| Vec::new()).collect();
    for round in 0..run.rounds {
        let orders = orders::make(count, round as u64)?;
        let database = server.database().await?;
        let store: Arc<dyn Store> = database.open().await?;
        ours.push(intake(&store, Entrance::Store, orders, callers).await?);
        store.close().await?;
        let rows = Arc::new(RawOrders::read(&database).await?);
        database.remove().await?;
        for (raw, figures) in loops.iter().zip(&mut beside) {
            let database = server.database().await?;
            let rate = Arc::clone(&rows).write(&database, raw.connections, raw.together);
            figures.push(rate.await?);
            database.remove().await?;
        }
    }
    for (raw, figures) in loops.iter().zip(beside) {
        report::print(&Row {
            what: format!("PostgreSQL: intake in the process by the store, {callers} at once"),
            unit: "orders/s",
            ours: Spread::of(&ours),
            beside: Some(Beside {
                what: raw.what,
                figures: Spread::of(&figures),
                ratio: Spread::of_ratios(&ours, &figures),
            }),
            goal: raw.goal,
        });
    }
    Ok(())
}
