//! Deliveries: claim, call, record, over HTTP to a stub in the same process.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use futures::StreamExt;
use saldo_domain::decide::{Command, Outcome};
use saldo_engine::clock::Clock;
use saldo_store::Store;

use crate::clock::{RealClock, instant, per_second};
use crate::cpu::{WriterWork, writer_microseconds};
use crate::ledger::{self, Ledger};
use crate::orders;
use crate::peer::Peer;
use crate::report::{self, Beside, Goal, Row};
use crate::spread::Spread;
use crate::stub::Stub;
use crate::{Run, engine};

/// Orders of one round.
const ORDERS: usize = 20_000;
/// Calls that the bare client has in flight.
const BARE_IN_FLIGHT: usize = 32;
/// A round that takes longer has lost something.
const ROUND_MAX: Duration = Duration::from_secs(300);

/// Measures.
pub(crate) async fn run(run: &Run) -> anyhow::Result<()> {
    let stub = Stub::start(Duration::ZERO).await?;
    let riverqueue = Peer::riverqueue();
    let mut riverqueue_figures = Vec::new();
    let (mut ours, mut beside, mut work) = (Vec::new(), Vec::new(), WriterWork::default());
    for round in 0..run.rounds {
        ours.push(deliver(&stub, round, &mut work).await?);
        beside.push(bare(&stub.base_url(), round).await?);
        if let Some(riverqueue) = &riverqueue {
            riverqueue_figures.push(riverqueue.jobs_per_second(ORDERS, None).await?);
        }
    }
    let what = "deliveries to a stub, claim and record included";
    report::print(&Row {
        what: what.to_owned(),
        unit: "orders/s",
        ours: Spread::of(&ours),
        beside: Some(Beside {
            what: "bare client",
            figures: Spread::of(&beside),
            ratio: Spread::of_ratios(&ours, &beside),
        }),
        goal: Goal::AtLeast(8_000.0),
    });
    if !riverqueue_figures.is_empty() {
        report::print(&Row {
            what: format!("{what}, beside jobs that do nothing"),
            unit: "orders/s",
            ours: Spread::of(&ours),
            beside: Some(Beside {
                what: "riverqueue on SQLite",
                figures: Spread::of(&riverqueue_figures),
                ratio: Spread::of_ratios(&ours, &riverqueue_figures),
            }),
            goal: Goal::RatioAtLeast(1.0),
        });
    }
    report::print_work(what, &work);
    Ok(())
}

/// Takes in orders, and then measures how fast what they owe is worked off.
async fn deliver(stub: &Stub, round: usize, work: &mut WriterWork) -> anyhow::Result<f64> {
    let ledger = Ledger::new().await?;
    let requests = orders::make(ORDERS, round as u64)?
        .into_iter()
        .map(|order| ledger::request(Command::TakeIn(order.take_in)))
        .collect();
    for result in ledger.store.execute_all(requests).await {
        anyhow::ensure!(matches!(result?, Outcome::Order(_)), "an order was not taken in");
    }
    let answered_before = stub.answered.load(Ordering::Relaxed);
    let (began, worked) = (instant(), writer_microseconds());
    let engine = engine::start(ledger.store.clone(), &stub.base_url(), engine::IN_FLIGHT)?;
    while stub.answered.load(Ordering::Relaxed) < answered_before + ORDERS {
        anyhow::ensure!(began.elapsed() < ROUND_MAX, "the deliveries do not end");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // The last calls are answered; what remains is to record them.
    while owed(ledger.store.as_ref()).await? > 0 {
        anyhow::ensure!(began.elapsed() < ROUND_MAX, "the outcomes are not recorded");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let rate = per_second(ORDERS, began.elapsed());
    work.note(worked, ORDERS);
    engine.stop().await;
    Ok(rate)
}

pub(crate) async fn owed(store: &dyn Store) -> anyhow::Result<u64> {
    let now = RealClock.now();
    let counts = store.counts(now, now).await?;
    Ok(counts.unfinished.pending + counts.unfinished.processing)
}

/// The same calls without anything behind them.
async fn bare(base_url: &str, round: usize) -> anyhow::Result<f64> {
    let client = reqwest::Client::builder()
        .http1_only()
        .no_proxy()
        .tcp_nodelay(true)
        .tls_certs_only([])
        .build()?;
    let orders = orders::make(ORDERS, round as u64)?;
    let calls: Vec<_> = orders
        .iter()
        .map(|order| {
            let (account, order) = (order.account, &order.take_in.copy.order);
            client
                .patch(format!(
                    "{base_url}/api/v1/orders/{order}/stock-status?token_id={account}"
                ))
                .header("content-type", "application/json")
                .header("authorization", "Bearer bench")
                .body(Bytes::from_static(b"{\"is_stock_updated\":true}"))
        })
        .collect();
    let began = instant();
    let answers = futures::stream::iter(calls)
        .map(|call| tokio::spawn(async move { call.send().await?.error_for_status()?.bytes().await }))
        .buffer_unordered(BARE_IN_FLIGHT);
    let ended: Vec<_> = answers.collect().await;
    for answer in ended {
        answer?.context("a call of the bare client failed")?;
    }
    Ok(per_second(ORDERS, began.elapsed()))
}
