//! Claiming due deliveries on PostgreSQL: beside much that is finished and much that waits, where many accounts owe, and
//! under a snapshot that somebody keeps open, which keeps the server from clearing dead rows away.

use std::sync::Arc;

use saldo_store::Store;

use crate::Run;
use crate::claims::{CLAIMED_TOGETHER, CLAIMS, claim_time};
use crate::orders::{self, ACCOUNTS};
use crate::postgres::copies::{self, Copied};
use crate::postgres::ledger::{Database, Server};
use crate::postgres::work::{complete, take_in, take_in_all};
use crate::report::{self, Beside, Goal, Row};
use crate::spread::Spread;

/// Deliveries that are completed while the snapshot is open.
const COMPLETED_MEANWHILE: usize = 10_000;
/// Accounts of an integrator, who has more of them than a claim has deliveries.
const MANY_ACCOUNTS: u128 = 3_000;
/// Deliveries that they owe.
const OF_MANY_ACCOUNTS: usize = 9_000;
/// Finished operations for each one that waits.
const FINISHED_PER_WAITING: usize = 10;

/// Measures.
pub(crate) async fn run(run: &Run) -> anyhow::Result<()> {
    let server = Server::find().await?;
    beside_much(run, &server).await?;
    of_many_accounts(run, &server).await?;
    under_a_snapshot(run, &server).await
}

async fn beside_much(run: &Run, server: &Server) -> anyhow::Result<()> {
    let waiting = run.many / FINISHED_PER_WAITING;
    let few = prepared(server, run.rounds, 0, 0).await?;
    let many = prepared(server, run.rounds, run.many, waiting).await?;
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        ours.push(claim_time(many.store.as_ref()).await?);
        beside.push(claim_time(few.store.as_ref()).await?);
    }
    report::print(&Row {
        what: format!(
            "PostgreSQL: a claim of {CLAIMED_TOGETHER} beside {} finished and {waiting} waiting operations",
            run.many
        ),
        unit: "ms",
        ours: Spread::of(&ours),
        beside: Some(Beside {
            what: "a database with nothing else",
            figures: Spread::of(&beside),
            ratio: Spread::of_ratios(&ours, &beside),
        }),
        goal: Goal::RatioBelow(1.3),
    });
    few.remove().await?;
    many.remove().await
}

async fn of_many_accounts(run: &Run, server: &Server) -> anyhow::Result<()> {
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        for (accounts, figures) in [(MANY_ACCOUNTS, &mut ours), (ACCOUNTS, &mut beside)] {
            let database = server.database().await?;
            let store: Arc<dyn Store> = database.open().await?;
            take_in_all(store.as_ref(), orders::make_for(accounts, OF_MANY_ACCOUNTS, 7)?).await?;
            // The first claim looks at the whole queue.
            anyhow::ensure!(complete(store.as_ref(), 1).await? == 1, "nothing was due");
            figures.push(claim_time(store.as_ref()).await?);
            Prepared { store, database }.remove().await?;
        }
    }
    report::print(&Row {
        what: format!(
            "PostgreSQL: a claim of {CLAIMED_TOGETHER} where {MANY_ACCOUNTS} accounts owe {OF_MANY_ACCOUNTS} deliveries"
        ),
        unit: "ms",
        ours: Spread::of(&ours),
        beside: Some(Beside {
            what: "where 8 accounts do",
            figures: Spread::of(&beside),
            ratio: Spread::of_ratios(&ours, &beside),
        }),
        goal: Goal::RatioBelow(1.3),
    });
    Ok(())
}

async fn under_a_snapshot(run: &Run, server: &Server) -> anyhow::Result<()> {
    let (mut ours, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..run.rounds {
        for (is_held, figures) in [(true, &mut ours), (false, &mut beside)] {
            let ledger = prepared(server, 1, 0, 0).await?;
            take_in(ledger.store.as_ref(), COMPLETED_MEANWHILE, 77).await?;
            let holder = ledger.database.connect().await?;
            if is_held {
                holder
                    .batch_execute(
                        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM saldo.account",
                    )
                    .await?;
            }
            let mut completed = 0;
            while completed < COMPLETED_MEANWHILE {
                completed += complete(ledger.store.as_ref(), 256).await?;
            }
            figures.push(claim_time(ledger.store.as_ref()).await?);
            drop(holder);
            ledger.remove().await?;
        }
    }
    report::print(&Row {
        what: format!(
            "PostgreSQL: a claim of {CLAIMED_TOGETHER} under a snapshot that was there before {COMPLETED_MEANWHILE} \
             deliveries"
        ),
        unit: "ms",
        ours: Spread::of(&ours),
        beside: Some(Beside {
            what: "without the snapshot",
            figures: Spread::of(&beside),
            ratio: Spread::of_ratios(&ours, &beside),
        }),
        goal: Goal::RatioBelow(2.0),
    });
    Ok(())
}

struct Prepared {
    store: Arc<dyn Store>,
    database: Database,
}

impl Prepared {
    async fn remove(self) -> anyhow::Result<()> {
        self.store.close().await?;
        self.database.remove().await
    }
}

/// A ledger with finished and waiting operations, and enough due ones for all rounds.
async fn prepared(
    server: &Server,
    rounds: usize,
    finished: usize,
    waiting: usize,
) -> anyhow::Result<Prepared> {
    let database = server.database().await?;
    let store: Arc<dyn Store> = database.open().await?;
    if finished > 0 {
        take_in(store.as_ref(), 1, u64::MAX).await?;
        anyhow::ensure!(complete(store.as_ref(), 1).await? == 1, "nothing was due");
        take_in(store.as_ref(), 1, u64::MAX - 1).await?;
        let client = database.connect().await?;
        copies::multiply(&client, Copied::Finished, 1, finished).await?;
        copies::multiply(&client, Copied::Waiting, finished + 1, finished + waiting).await?;
        copies::settle(&client).await?;
    }
    take_in(store.as_ref(), (rounds + 1) * CLAIMS * CLAIMED_TOGETHER, 1).await?;
    Ok(Prepared { store, database })
}
