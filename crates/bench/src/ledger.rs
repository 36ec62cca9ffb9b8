//! A database of its own for each round, with stock to take from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use saldo_domain::decide::{Command, Receipt, Request, StockLine};
use saldo_domain::ids::CountedIds;
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_engine::clock::Clock;
use saldo_store::{Rules, Store};
use saldo_store_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use crate::clock::RealClock;
use crate::orders;

/// Units of each SKU: more than any round takes.
const UNITS: i64 = 1_000_000;

/// A store on a file that is removed with it.
pub(crate) struct Ledger {
    pub(crate) store: Arc<SqliteStore>,
    directory: TempDir,
}

impl Ledger {
    /// An empty one with stock.
    pub(crate) async fn new() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("a directory for the database")?;
        let store = open(directory.path().join("saldo.db"))?;
        let ledger = Self { store, directory };
        receive(ledger.store.as_ref()).await?;
        Ok(ledger)
    }

    /// Closes the store, so that another program may open the file.
    pub(crate) async fn close(self) -> anyhow::Result<TempDir> {
        self.store.close().await?;
        // The writer lets go of the file when the store is dropped.
        let Self { store, directory } = self;
        drop(store);
        Ok(directory)
    }

    /// Closes it, has the file changed by other means, and opens it again.
    pub(crate) async fn changed_offline(
        self,
        change: impl FnOnce(&Path) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let directory = self.close().await?;
        let path = directory.path().join("saldo.db");
        let changed = path.clone();
        tokio::task::spawn_blocking(move || change(&changed)).await??;
        Ok(Self {
            store: open(path)?,
            directory,
        })
    }
}

/// Takes stock in, enough for any round.
pub(crate) async fn receive(store: &dyn Store) -> anyhow::Result<()> {
    let numbers: Vec<usize> = (0..orders::SKUS).collect();
    for numbers in numbers.chunks(500) {
        let lines = numbers
            .iter()
            .map(|number| stock_line(*number))
            .collect::<anyhow::Result<_>>()?;
        let receipt = Receipt {
            lines,
            reference: None,
        };
        store.execute(request(Command::Receive(receipt))).await?;
    }
    Ok(())
}

fn stock_line(number: usize) -> anyhow::Result<StockLine> {
    let key = StockKey {
        sku: Sku::parse(&orders::sku(number))?,
        warehouse: warehouse()?,
    };
    Ok(StockLine { key, quantity: UNITS })
}

/// Opens a store with the settings that Saldo is shipped with.
pub(crate) fn open(path: PathBuf) -> anyhow::Result<Arc<SqliteStore>> {
    Ok(Arc::new(SqliteStore::open(
        path,
        rules()?,
        SqliteOptions::default(),
    )?))
}

/// The rules of all stores.
pub(crate) fn rules() -> anyhow::Result<Rules> {
    Ok(Rules {
        policy: policy()?,
        ids: Box::new(CountedIds::default()),
    })
}

/// The warehouse of all orders.
pub(crate) fn warehouse() -> anyhow::Result<Warehouse> {
    Ok(Warehouse::parse("MAIN")?)
}

fn policy() -> anyhow::Result<Policy> {
    Ok(Policy {
        default_warehouse: warehouse()?,
        deduct_when_bought: false,
        allow_negative: false,
        retry: RetryPolicy::default(),
        circuit_enabled: true,
        lease_seconds: saldo_engine::settings::lease_seconds(10_000),
        verify_after_seconds: 60,
        give_up_hours: 24,
        initial_mode: saldo_domain::rollout::Mode::On,
        start_from: None,
    })
}

/// A request of now.
pub(crate) fn request(command: Command) -> Request {
    Request {
        command,
        now: RealClock.now(),
        by: "bench".to_owned(),
        answer_key: None,
    }
}
