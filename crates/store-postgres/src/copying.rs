//! Copies of everything, to and from databases of any kind: see [`saldo_store::copy`].

use async_trait::async_trait;
use futures::{SinkExt, TryStreamExt};
use saldo_domain::ids::{AccountId, OrderId, OrderKey};
use saldo_store::StoreError;
use saldo_store::copy::{
    Batch, Collector, Comparison, CopyError, Copying, Kind, Part, PartSender, Parts, Progress, Row, TABLES,
    Table, Totals, Value, Watch, parts,
};
use uuid::Uuid;

use crate::address::Address;
use crate::check;
use crate::failure::{Failure, explain};
use crate::locks::{EVERYTHING, order_name};
use crate::options::PostgresOptions;
use crate::schema;
use crate::server;
use crate::session::{Session, Sessions};
use crate::sql::{get, number, values};

/// One snapshot of everything. Whoever takes the rows may be slow, but not for ever: an open snapshot keeps the server
/// from clearing away what others changed.
const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; \
     SET LOCAL idle_in_transaction_session_timeout = '1h'; SET LOCAL jit = off";

const BEGIN_WRITING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = 0; \
     SET LOCAL lock_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '1h'; SET LOCAL jit = off; \
     SET LOCAL client_min_messages = warning";

/// A database on a server, for copies.
pub struct PostgresCopying {
    url: String,
    options: PostgresOptions,
}

impl PostgresCopying {
    /// Names a database by its address; nothing is opened yet.
    #[must_use]
    pub fn new(url: impl Into<String>, options: PostgresOptions) -> Self {
        let url = url.into();
        Self { url, options }
    }
}

#[async_trait]
impl Copying for PostgresCopying {
    fn dump(&self) -> Parts {
        let (sender, parts) = parts();
        let (url, options) = (self.url.clone(), self.options.clone());
        tokio::spawn(async move {
            if let Err(error) = send_all(&url, &options, &sender).await {
                // Whoever is gone need not be told.
                let _ = sender.send(Err(error)).await;
            }
        });
        parts
    }

    async fn load(&self, mut parts: Parts, watch: Watch) -> Result<Comparison, CopyError> {
        let session = open(&self.url, &self.options).await?;
        session.batch(BEGIN_WRITING).await.map_err(failed)?;
        let loaded = load(&session, &mut parts, &watch).await;
        if !loaded.as_ref().is_ok_and(Comparison::holds) {
            session.roll_back().await;
            return loaded;
        }
        match session.batch("COMMIT").await {
            Ok(()) => loaded,
            Err(failure) => {
                session.discard();
                let told = match &failure {
                    Failure::Database(error) => explain(error),
                    other => format!("{other:?}"),
                };
                let asked = format!("{told}; import again: when it was stored, the database is not empty");
                Err(StoreError::Unknown(asked).into())
            }
        }
    }
}

/// A failure as that of a copy.
fn failed(failure: Failure) -> CopyError {
    CopyError::Store(failure.into())
}

/// A connection of its own, to a server that may be trusted with a ledger.
async fn open(url: &str, options: &PostgresOptions) -> Result<Session, CopyError> {
    let address = Address::parse(url)?;
    let mut session = Sessions::new(&address, options)?.take().await.map_err(failed)?;
    session.prepare_nothing();
    server::check(&session, options).await.map_err(failed)?;
    Ok(session)
}

async fn send_all(url: &str, options: &PostgresOptions, sender: &PartSender) -> Result<(), CopyError> {
    let session = open(url, options).await?;
    session.batch(BEGIN_READING).await.map_err(failed)?;
    schema::check_newest(&session).await.map_err(failed)?;
    let mut rows = 0;
    for table in TABLES {
        rows += count(&session, table).await.map_err(failed)?;
    }
    send(sender, Part::Begin { rows }).await?;
    let totals = read_all(&session, To::Target(sender)).await?;
    session.batch("COMMIT").await.map_err(failed)?;
    send(sender, Part::End(totals)).await
}

async fn send(sender: &PartSender, part: Part) -> Result<(), CopyError> {
    sender.send(Ok(part)).await.map_err(|_| CopyError::GivenUp)
}

async fn load(session: &Session, parts: &mut Parts, watch: &Watch) -> Result<Comparison, CopyError> {
    // The schema is made in the same transaction: a copy that is given up leaves not even that, and an instance that
    // starts meanwhile waits.
    schema::migrate_within(session).await.map_err(failed)?;
    lock_out_others(session).await.map_err(failed)?;
    check_is_empty(session).await?;
    let source = take_all(session, parts, watch).await?;
    // The checks are planned by what the tables hold now.
    for table in TABLES {
        session
            .batch(&format!("ANALYZE saldo.{}", table.name))
            .await
            .map_err(failed)?;
    }
    let target = read_all(session, To::Nowhere { watch, rows: 0 }).await?;
    watch(Progress::Checking);
    let violations = check::check(session).await.map_err(failed)?;
    Ok(Comparison::new(&source, &target, violations))
}

/// Nobody decides or writes anything until the copy is there, or given up.
async fn lock_out_others(session: &Session) -> Result<(), Failure> {
    session
        .rows("SELECT pg_advisory_xact_lock($1)", values![EVERYTHING])
        .await?;
    let names: Vec<String> = TABLES
        .iter()
        .map(|table| format!("saldo.{}", table.name))
        .collect();
    session
        .batch(&format!(
            "LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE",
            names.join(", ")
        ))
        .await
}

async fn check_is_empty(session: &Session) -> Result<(), CopyError> {
    let mut held = Vec::new();
    for table in TABLES {
        let rows = count(session, table).await.map_err(failed)?;
        if rows > 0 {
            held.push(format!("{}: {rows}", table.name));
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    Err(CopyError::NotEmpty(held.join(", ")))
}

async fn count(session: &Session, table: &Table) -> Result<u64, Failure> {
    let sql = format!("SELECT count(*) FROM saldo.{}", table.name);
    let count = session.one(&sql, &[], |row| number::<u64, _>(row, 0)).await?;
    Ok(count.unwrap_or(0))
}

async fn take_all(session: &Session, parts: &mut Parts, watch: &Watch) -> Result<Totals, CopyError> {
    let mut copied = 0;
    while let Some(part) = parts.recv().await {
        match part? {
            Part::Begin { rows } => watch(Progress::Begun { rows }),
            Part::Rows(batch) => {
                copied += batch.rows.len() as u64;
                insert(session, &batch).await.map_err(failed)?;
                watch(Progress::Copied { rows: copied });
            }
            Part::End(totals) => return Ok(totals),
        }
    }
    Err(CopyError::GivenUp)
}

/// In the order in which rows came, where that matters to whom they are copied to.
fn order_of(table: &Table) -> &'static str {
    match table.name {
        "orders" => "ORDER BY created_at, account, order_id",
        "api_key" => "ORDER BY number",
        _ => "",
    }
}

/// Where rows go that were read.
enum To<'t> {
    /// To whoever takes them up.
    Target(&'t PartSender),
    /// They are only counted.
    Nowhere { watch: &'t Watch, rows: u64 },
}

impl To<'_> {
    async fn take(&mut self, batch: Batch) -> Result<(), CopyError> {
        match self {
            Self::Target(sender) => send(sender, Part::Rows(batch)).await,
            Self::Nowhere { watch, rows } => {
                *rows += batch.rows.len() as u64;
                watch(Progress::ReadBack { rows: *rows });
                Ok(())
            }
        }
    }
}

/// Reads every row of every table, a few at a time.
async fn read_all(session: &Session, mut to: To<'_>) -> Result<Totals, CopyError> {
    let mut collector = Collector::default();
    for table in TABLES {
        let sql = format!(
            "SELECT {} FROM saldo.{} {}",
            table.column_list(),
            table.name,
            order_of(table)
        );
        let rows = session.stream(&sql).await.map_err(failed)?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.try_next().await.map_err(|error| failed(error.into()))? {
            let row = read(table, &row).map_err(failed)?;
            if let Some(batch) = collector.add(table, row)? {
                to.take(batch).await?;
            }
        }
    }
    let (rest, totals) = collector.end();
    if let Some(batch) = rest {
        to.take(batch).await?;
    }
    Ok(totals)
}

fn read(table: &Table, row: &tokio_postgres::Row) -> Result<Row, Failure> {
    let value = |(index, kind): (usize, Kind)| {
        let value = match kind {
            Kind::Text => get::<Option<&str>>(row, index)?.map(Value::text),
            Kind::Integer => get::<Option<i64>>(row, index)?.map(Value::Integer),
            Kind::Flag => get::<Option<bool>>(row, index)?.map(Value::Flag),
            Kind::Uuid => get::<Option<Uuid>>(row, index)?.map(Value::Uuid),
            Kind::Uuids => get::<Option<Vec<Uuid>>>(row, index)?.map(Value::Uuids),
        };
        Ok(value.unwrap_or(Value::Null))
    };
    let kinds = table.columns.iter().map(|column| column.kind);
    kinds.enumerate().map(value).collect()
}

/// Stores rows, by the server's own way of taking up many.
async fn insert(session: &Session, batch: &Batch) -> Result<(), Failure> {
    let table = batch.table;
    let extra = match table.name {
        // What has a place or a name only here.
        "delivery" => ", lock_name, queued_at",
        "stock_count" => ", number",
        _ => "",
    };
    let mut text = String::new();
    for row in &batch.rows {
        for (index, value) in row.iter().enumerate() {
            if index > 0 {
                text.push('\t');
            }
            push_value(&mut text, value);
        }
        match table.name {
            "delivery" => text.push_str(&format!("\t{}\t{}", lock_name_of(row)?, due_at_of(row)?)),
            "stock_count" => text.push_str("\t1"),
            _ => {}
        }
        text.push('\n');
    }
    let sql = format!(
        "COPY saldo.{} ({}{extra}) FROM STDIN",
        table.name,
        table.column_list()
    );
    let sink = session.copy_in(&sql).await?;
    let mut sink = std::pin::pin!(sink);
    sink.send(std::io::Cursor::new(text.into_bytes())).await?;
    let stored = sink.finish().await?;
    if stored == batch.rows.len() as u64 {
        return Ok(());
    }
    Err(Failure::Defect(format!(
        "{stored} rows of {} were stored instead of {}",
        table.name,
        batch.rows.len()
    )))
}

/// The lock on the order of a delivery.
fn lock_name_of(row: &Row) -> Result<i64, Failure> {
    let [Value::Uuid(account), Value::Text(order), ..] = row.as_slice() else {
        return Err(Failure::Corrupt("a delivery names no order".to_owned()));
    };
    let order = OrderId::parse(order).map_err(|error| Failure::Corrupt(error.to_string()))?;
    Ok(order_name(&OrderKey {
        account: AccountId::new(*account),
        order,
    }))
}

/// When a delivery is due.
fn due_at_of(row: &Row) -> Result<i64, Failure> {
    match row.as_slice() {
        [_, _, Value::Integer(due_at), ..] => Ok(*due_at),
        _ => Err(Failure::Corrupt("a delivery is not due at any moment".to_owned())),
    }
}

/// A value in the text format of `COPY`.
fn push_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("\\N"),
        Value::Text(value) => {
            for character in value.chars() {
                match character {
                    '\\' => text.push_str("\\\\"),
                    '\t' => text.push_str("\\t"),
                    '\n' => text.push_str("\\n"),
                    '\r' => text.push_str("\\r"),
                    other => text.push(other),
                }
            }
        }
        Value::Integer(number) => text.push_str(&number.to_string()),
        Value::Flag(flag) => text.push(if *flag { 't' } else { 'f' }),
        Value::Uuid(id) => text.push_str(&id.to_string()),
        Value::Uuids(ids) => {
            let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
            text.push_str(&format!("{{{}}}", ids.join(",")));
        }
    }
}
