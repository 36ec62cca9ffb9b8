//! Intake over HTTP: the real interface beside an axum echo, under the same load generator.

use std::time::Duration;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use saldo_web::WebOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cpu::{WriterWork, writer_microseconds};
use crate::intake::raw;
use crate::ledger::Ledger;
use crate::load::{Target, flat_out, p99_ms, paced};
use crate::orders::{self, Order};
use crate::raw_loop::RawOrders;
use crate::report::{self, Beside, Goal, Row};
use crate::spread::Spread;
use crate::{Run, engine};

/// Connections of the load generator.
const CONNECTIONS: usize = 64;
/// Orders of one round.
const ORDERS: usize = 20_000;
/// The pace at which delays are measured: 2,000 a second.
const PACE: Duration = Duration::from_micros(500);
/// Orders of one round at that pace.
const PACED_ORDERS: usize = 8_000;

const ONE_ORDER: &str = "/api/v1/stock-sync/orders?wait=false";
const BATCH: &str = "/api/v1/stock-sync/orders/batch";

/// Measures.
pub(crate) async fn run(run: &Run) -> anyhow::Result<()> {
    one_by_one(run).await?;
    delays(run).await?;
    batches(run).await
}

async fn one_by_one(run: &Run) -> anyhow::Result<()> {
    let echo = Served::echo().await?;
    let (mut ours, mut beside, mut work) = (Vec::new(), Vec::new(), WriterWork::default());
    for round in 0..run.rounds {
        let bodies = bodies(&orders::make(ORDERS, round as u64)?);
        let ledger = Ledger::new().await?;
        let saldo = Served::saldo(&ledger).await?;
        let before = writer_microseconds();
        ours.push(flat_out(&saldo.target(ONE_ORDER, CONNECTIONS), bodies.clone()).await?);
        work.note(before, ORDERS);
        beside.push(flat_out(&echo.target("/", CONNECTIONS), bodies).await?);
    }
    let what = format!("intake over HTTP, one order a request, {CONNECTIONS} connections");
    report::print(&Row {
        what: what.clone(),
        unit: "orders/s",
        ours: Spread::of(&ours),
        beside: Some(Beside {
            what: "axum echo",
            figures: Spread::of(&beside),
            ratio: Spread::of_ratios(&ours, &beside),
        }),
        goal: Goal::RatioAtLeast(0.4),
    });
    report::print_work(&what, &work);
    Ok(())
}

async fn delays(run: &Run) -> anyhow::Result<()> {
    let mut delays_ms = Vec::new();
    for round in 0..run.rounds {
        let bodies = bodies(&orders::make(PACED_ORDERS, round as u64)?);
        let ledger = Ledger::new().await?;
        let saldo = Served::saldo(&ledger).await?;
        let delays = paced(&saldo.target(ONE_ORDER, CONNECTIONS), bodies, PACE).await?;
        delays_ms.push(p99_ms(&delays)?);
    }
    report::print(&Row {
        what: "intake over HTTP at 2,000 orders/s, p99 of the delay".to_owned(),
        unit: "ms",
        ours: Spread::of(&delays_ms),
        beside: None,
        goal: Goal::Below(10.0),
    });
    Ok(())
}

async fn batches(run: &Run) -> anyhow::Result<()> {
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for round in 0..run.rounds {
        let lines = bodies(&orders::make(ORDERS, round as u64)?);
        let body = Bytes::from(lines.join(&b'\n'));
        let ledger = Ledger::new().await?;
        let saldo = Served::saldo(&ledger).await?;
        let batches_per_second = flat_out(&saldo.target(BATCH, 1), vec![body]).await?;
        #[expect(clippy::cast_precision_loss, reason = "a count of orders is small")]
        ours.push(batches_per_second * ORDERS as f64);
        drop(saldo);
        let directory = ledger.close().await?;
        let rows = RawOrders::read(&directory.path().join("saldo.db"))?;
        anyhow::ensure!(rows.len() == ORDERS, "{} orders were taken in", rows.len());
        beside.push(raw(&rows).await?);
    }
    report::print(&Row {
        what: "intake over HTTP, one batch".to_owned(),
        unit: "orders/s",
        ours: Spread::of(&ours),
        beside: Some(Beside {
            what: "raw loop",
            figures: Spread::of(&beside),
            ratio: Spread::of_ratios(&ours, &beside),
        }),
        goal: Goal::RatioAtLeast(0.5),
    });
    Ok(())
}

fn bodies(orders: &[Order]) -> Vec<Bytes> {
    let body = |order: &Order| format!("{{\"token_id\":\"{}\",\"order\":{}}}", order.account, order.form);
    orders.iter().map(|order| Bytes::from(body(order))).collect()
}

/// A server in this process, until it is dropped.
struct Served {
    port: u16,
    stop: CancellationToken,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Served {
    async fn saldo(ledger: &Ledger) -> anyhow::Result<Self> {
        let (listener, served) = Self::listen().await?;
        let options = WebOptions {
            open: true,
            ..WebOptions::default()
        };
        let router = saldo_web::router(engine::without_deliveries(ledger.store.clone())?, options);
        tokio::spawn(saldo_web::serve(
            listener,
            router,
            served.stop.clone().cancelled_owned(),
        ));
        Ok(served)
    }

    async fn echo() -> anyhow::Result<Self> {
        use axum::serve::ListenerExt;
        let (listener, served) = Self::listen().await?;
        let router = Router::new().route("/", post(|body: Bytes| async { body }));
        let listener = listener.tap_io(|stream| {
            // An echo that waits for more to send would be slower than it is.
            let _ = stream.set_nodelay(true);
        });
        let serving =
            axum::serve(listener, router).with_graceful_shutdown(served.stop.clone().cancelled_owned());
        tokio::spawn(async move { serving.await });
        Ok(served)
    }

    async fn listen() -> anyhow::Result<(TcpListener, Self)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let stop = CancellationToken::new();
        Ok((listener, Self { port, stop }))
    }

    const fn target(&self, path: &'static str, connections: usize) -> Target {
        Target {
            port: self.port,
            path,
            connections,
        }
    }
}
