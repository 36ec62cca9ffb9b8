//! Durable intake in the process: what is answered has reached the disk.

use std::sync::Arc;

use saldo_domain::decide::{Command, TakeIn};
use saldo_engine::Caller;
use saldo_engine::StockSynchronizationService;
use saldo_store::Store;
use tokio::task::JoinSet;

use crate::clock::{instant, per_second};
use crate::cpu::{WriterWork, writer_microseconds};
use crate::ledger::{self, Ledger};
use crate::orders::{self, Order};
use crate::raw_loop::RawOrders;
use crate::report::{self, Beside, Goal, Row};
use crate::spread::Spread;
use crate::{Run, engine};

/// By which entrance orders come in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    Store,
    Service,
}

/// Measures.
pub(crate) async fn run(run: &Run) -> anyhow::Result<()> {
    for (callers, orders, goal) in [
        (1, 2_000, Goal::None),
        (8, 8_000, Goal::None),
        (64, 20_000, Goal::RatioAtLeast(0.55)),
    ] {
        for entrance in [Entrance::Store, Entrance::Service] {
            measure(run, entrance, callers, orders, goal).await?;
        }
    }
    Ok(())
}

async fn measure(
    run: &Run,
    entrance: Entrance,
    callers: usize,
    orders: usize,
    goal: Goal,
) -> anyhow::Result<()> {
    let (mut ours, mut beside, mut work) = (Vec::new(), Vec::new(), WriterWork::default());
    for round in 0..run.rounds {
        let orders = orders::make(orders, round as u64)?;
        let ledger = Ledger::new().await?;
        let store: Arc<dyn Store> = Arc::clone(&ledger.store) as _;
        let (count, before) = (orders.len(), writer_microseconds());
        ours.push(intake(&store, entrance, orders, callers).await?);
        work.note(before, count);
        drop(store);
        let directory = ledger.close().await?;
        let rows = RawOrders::read(&directory.path().join("saldo.db"))?;
        beside.push(raw(&rows).await?);
    }
    let way = match entrance {
        Entrance::Store => "store",
        Entrance::Service => "service",
    };
    let what = format!("intake in the process by the {way}, {callers} at once");
    report::print(&Row {
        what: what.clone(),
        unit: "orders/s",
        ours: Spread::of(&ours),
        beside: Some(Beside {
            what: "raw loop",
            figures: Spread::of(&beside),
            ratio: Spread::of_ratios(&ours, &beside),
        }),
        goal,
    });
    report::print_work(&what, &work);
    Ok(())
}

/// The raw loop, in a database of its own.
pub(crate) async fn raw(rows: &RawOrders) -> anyhow::Result<f64> {
    let ledger = Ledger::new().await?;
    let directory = ledger.close().await?;
    rows.write(&directory.path().join("saldo.db"))
}

/// Takes in orders by so many callers; says how many a second.
pub(crate) async fn intake(
    store: &Arc<dyn Store>,
    entrance: Entrance,
    orders: Vec<Order>,
    callers: usize,
) -> anyhow::Result<f64> {
    let count = orders.len();
    let service = engine::without_deliveries(Arc::clone(store))?;
    let mut shares: Vec<Vec<TakeIn>> = (0..callers).map(|_| Vec::new()).collect();
    for (number, order) in orders.into_iter().enumerate() {
        shares[number % callers].push(order.take_in);
    }
    let began = instant();
    let mut tasks = JoinSet::new();
    for share in shares {
        match entrance {
            Entrance::Store => tasks.spawn(by_store(Arc::clone(store), share)),
            Entrance::Service => tasks.spawn(by_service(service.clone(), share)),
        };
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(per_second(count, began.elapsed()))
}

async fn by_store(store: Arc<dyn Store>, orders: Vec<TakeIn>) -> anyhow::Result<()> {
    for order in orders {
        store.execute(ledger::request(Command::TakeIn(order))).await?;
    }
    Ok(())
}

async fn by_service(service: StockSynchronizationService, orders: Vec<TakeIn>) -> anyhow::Result<()> {
    let caller = Caller {
        wait: false,
        ..Caller::named("bench")
    };
    for order in orders {
        service.process_order_with_sync(order, &caller).await?;
    }
    Ok(())
}
