//! A database of its own for each round, copied from one that has the schema and the stock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use saldo_store::Store;
use saldo_store_postgres::{PostgresOptions, PostgresStore};
use tokio_postgres::{Client, NoTls};

use crate::ledger;

/// Names the server: the address of any database on it.
const SERVER: &str = "SALDO_DATABASE";
/// How often a database is copied anew while its last connections are still going away.
const TRIES_MAX: usize = 100;

/// Databases made so far by this process: no name is given twice.
static DATABASES: AtomicUsize = AtomicUsize::new(0);

/// A server, with a template of a ledger that has stock.
pub(crate) struct Server {
    address: String,
    template: String,
}

impl Server {
    /// The one that the environment names.
    pub(crate) async fn find() -> anyhow::Result<Self> {
        let address = std::env::var(SERVER)
            .ok()
            .filter(|url| url.starts_with("postgres"));
        let address = address.with_context(|| {
            format!("{SERVER} names no PostgreSQL server; scripts/bench starts one of its own")
        })?;
        let mut server = Self {
            address,
            template: "template1".to_owned(),
        };
        let database = server.database().await?;
        let store = database.open().await?;
        ledger::receive(store.as_ref()).await?;
        store.close().await?;
        server.template.clone_from(&database.name);
        Ok(server)
    }

    /// A new database with the schema and the stock.
    pub(crate) async fn database(&self) -> anyhow::Result<Database> {
        self.copy_of(&self.template).await
    }

    /// A new database without anything.
    pub(crate) async fn empty(&self) -> anyhow::Result<Database> {
        self.copy_of("template1").await
    }

    async fn copy_of(&self, template: &str) -> anyhow::Result<Database> {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("bench_{}_{number}", std::process::id());
        let client = connect(&self.address).await?;
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        for tried in 1.. {
            match client.batch_execute(&sql).await {
                Ok(()) => break,
                Err(error) if tried == TRIES_MAX => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        let (server, options) = self.address.split_once('?').unwrap_or((&self.address, ""));
        let (server, _) = server.rsplit_once('/').context("the address names no database")?;
        Ok(Database {
            address: format!("{server}/{name}?{options}")
                .trim_end_matches('?')
                .to_owned(),
            server: self.address.clone(),
            name,
        })
    }
}

/// One database.
pub(crate) struct Database {
    /// Where it is.
    pub(crate) address: String,
    server: String,
    name: String,
}

impl Database {
    /// A store on it, with the settings that Saldo is shipped with.
    pub(crate) async fn open(&self) -> anyhow::Result<Arc<PostgresStore>> {
        let options = PostgresOptions::default();
        Ok(Arc::new(
            PostgresStore::open(&self.address, ledger::rules()?, options).await?,
        ))
    }

    /// A connection past the store.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        connect(&self.address).await
    }

    /// Removes it.
    pub(crate) async fn remove(self) -> anyhow::Result<()> {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        Ok(connect(&self.server).await?.batch_execute(&sql).await?)
    }
}

async fn connect(address: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(address, NoTls)
        .await
        .with_context(|| format!("{address} cannot be reached"))?;
    tokio::spawn(connection);
    // Nothing may hang.
    client.batch_execute("SET statement_timeout = '10min'").await?;
    Ok(client)
}
