//! Copies of everything, to and from databases of any kind: see [`saldo_store::copy`].

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior, params_from_iter};
use saldo_store::StoreError;
use saldo_store::copy::{
    Batch, Collector, Comparison, CopyError, Copying, Kind, Part, PartSender, Parts, Progress, Row, TABLES,
    Table, Totals, Value, Watch, parts,
};
use uuid::Uuid;

use crate::connection::{check_library, open_reader, open_writer};
use crate::failure::Failure;
use crate::lock::ProcessLock;
use crate::options::SqliteOptions;
use crate::store::sync_directory;
use crate::{check, schema};

/// A database file, for copies.
pub struct SqliteCopying {
    path: PathBuf,
}

impl SqliteCopying {
    /// Names a file; nothing is opened yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

#[async_trait]
impl Copying for SqliteCopying {
    fn dump(&self) -> Parts {
        let (sender, parts) = parts();
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = send_all(&path, &sender) {
                // Whoever is gone need not be told.
                let _ = sender.blocking_send(Err(error));
            }
        });
        parts
    }

    async fn load(&self, parts: Parts, watch: Watch) -> Result<Comparison, CopyError> {
        let path = self.path.clone();
        let loading = tokio::task::spawn_blocking(move || load(&path, parts, &watch));
        loading
            .await
            .unwrap_or_else(|error| Err(StoreError::Defect(error.to_string()).into()))
    }
}

/// A failure as that of a copy.
fn failed(failure: impl Into<Failure>) -> CopyError {
    CopyError::Store(StoreError::from(failure.into()))
}

fn send_all(path: &Path, sender: &PartSender) -> Result<(), CopyError> {
    check_library()?;
    let connection = open_reader(path)?;
    // Everything is read within one transaction: it is of one moment, and writers do not wait for it.
    let moment = connection.unchecked_transaction().map_err(failed)?;
    schema::check_newest(&moment)?;
    let rows = count_all(&moment).map_err(failed)?;
    let send = |part| sender.blocking_send(Ok(part)).map_err(|_| CopyError::GivenUp);
    send(Part::Begin { rows })?;
    let totals = read_all(&moment, |batch| send(Part::Rows(batch)))?;
    send(Part::End(totals))
}

fn load(path: &Path, parts: Parts, watch: &Watch) -> Result<Comparison, CopyError> {
    check_library()?;
    let lock = ProcessLock::take(path)?;
    let was_there = path.exists();
    let loaded = load_locked(path, was_there, parts, watch);
    let is_stored = loaded.as_ref().is_ok_and(Comparison::holds);
    if !was_there && !is_stored {
        // It was made for this copy, and holds nothing.
        for suffix in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            // What cannot be removed is an empty database.
            let _ = std::fs::remove_file(PathBuf::from(name));
        }
    }
    drop(lock);
    loaded
}

fn load_locked(
    path: &Path,
    was_there: bool,
    mut parts: Parts,
    watch: &Watch,
) -> Result<Comparison, CopyError> {
    let mut connection = open_writer(path, &SqliteOptions::default())?;
    schema::migrate(&mut connection)?;
    if !was_there {
        sync_directory(path)?;
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    check_is_empty(&transaction)?;
    let source = take_all(&transaction, &mut parts, watch)?;
    let comparison = verify(&transaction, &source, watch)?;
    if comparison.holds() {
        transaction.commit().map_err(failed)?;
        // The whole database stands in its log, which would be read at every start until it is brought over.
        let query = "PRAGMA wal_checkpoint(truncate)";
        connection.query_row(query, [], |_| Ok(())).map_err(failed)?;
    }
    Ok(comparison)
}

fn check_is_empty(transaction: &Transaction<'_>) -> Result<(), CopyError> {
    let mut held = Vec::new();
    for table in TABLES {
        let rows = count(transaction, table).map_err(failed)?;
        if rows > 0 {
            held.push(format!("{}: {rows}", table.name));
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    Err(CopyError::NotEmpty(held.join(", ")))
}

fn take_all(transaction: &Transaction<'_>, parts: &mut Parts, watch: &Watch) -> Result<Totals, CopyError> {
    let mut copied = 0;
    while let Some(part) = parts.blocking_recv() {
        match part? {
            Part::Begin { rows } => watch(Progress::Begun { rows }),
            Part::Rows(batch) => {
                insert(transaction, batch.table, &batch.rows).map_err(failed)?;
                copied += batch.rows.len() as u64;
                watch(Progress::Copied { rows: copied });
            }
            Part::End(totals) => return Ok(totals),
        }
    }
    Err(CopyError::GivenUp)
}

fn verify(transaction: &Transaction<'_>, source: &Totals, watch: &Watch) -> Result<Comparison, CopyError> {
    let mut rows = 0;
    let target = read_all(transaction, |batch| {
        rows += batch.rows.len() as u64;
        watch(Progress::ReadBack { rows });
        Ok(())
    })?;
    watch(Progress::Checking);
    let violations = check::check(transaction).map_err(failed)?;
    Ok(Comparison::new(source, &target, violations))
}

/// Where the rows of a table are, in the order in which they are copied: that of their arrival, where it is known.
fn source_of(table: &Table) -> &'static str {
    match table.name {
        "orders" => "FROM orders ORDER BY number",
        "delivery" => "FROM orders WHERE due_at IS NOT NULL",
        "line_holder" => "FROM line_holder LEFT JOIN orders ON orders.number = line_holder.holder",
        "api_key" => "FROM api_key ORDER BY number",
        _ => "",
    }
}

fn count(connection: &Connection, table: &Table) -> Result<u64, Failure> {
    let sql = match table.name {
        "delivery" => "SELECT count(*) FROM orders WHERE due_at IS NOT NULL".to_owned(),
        name => format!("SELECT count(*) FROM {name}"),
    };
    let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

fn count_all(connection: &Connection) -> Result<u64, Failure> {
    TABLES.iter().map(|table| count(connection, table)).sum()
}

/// Reads every row of every table.
fn read_all(
    connection: &Connection,
    mut take: impl FnMut(Batch) -> Result<(), CopyError>,
) -> Result<Totals, CopyError> {
    let mut collector = Collector::default();
    for table in TABLES {
        let from = match source_of(table) {
            "" => format!("FROM {}", table.name),
            from => from.to_owned(),
        };
        let sql = format!("SELECT {} {from}", table.column_list());
        let mut statement = connection.prepare(&sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let row = read(table, row).map_err(failed)?;
            if let Some(batch) = collector.add(table, row)? {
                take(batch)?;
            }
        }
    }
    let (rest, totals) = collector.end();
    rest.map_or(Ok(()), take)?;
    Ok(totals)
}

fn read(table: &Table, row: &rusqlite::Row<'_>) -> Result<Row, Failure> {
    let mut values = Vec::with_capacity(table.columns.len());
    for (index, column) in table.columns.iter().enumerate() {
        let stored = row.get_ref(index)?;
        let value = value_of(column.kind, stored).ok_or_else(|| {
            Failure::Corrupt(format!(
                "{}.{} holds a {} that it cannot hold",
                table.name,
                column.name,
                stored.data_type()
            ))
        })?;
        values.push(value);
    }
    if table.name == "line_holder" && values.contains(&Value::Null) {
        return Err(Failure::Corrupt(
            "a line is held by an order that is not there".to_owned(),
        ));
    }
    Ok(values)
}

fn value_of(kind: Kind, stored: ValueRef<'_>) -> Option<Value> {
    Some(match (kind, stored) {
        (_, ValueRef::Null) => Value::Null,
        (Kind::Text, ValueRef::Text(text)) => Value::text(std::str::from_utf8(text).ok()?),
        (Kind::Integer, ValueRef::Integer(number)) => Value::Integer(number),
        (Kind::Flag, ValueRef::Integer(flag @ (0 | 1))) => Value::Flag(flag == 1),
        (Kind::Uuid, ValueRef::Blob(bytes)) => Value::Uuid(Uuid::from_slice(bytes).ok()?),
        (Kind::Uuids, ValueRef::Blob(bytes)) => {
            let ids = bytes.chunks(16).map(Uuid::from_slice);
            Value::Uuids(ids.collect::<Result<_, _>>().ok()?)
        }
        _ => return None,
    })
}

/// A value as it is stored here.
struct Stored<'v>(&'v Value);

impl ToSql for Stored<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Flag(flag) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*flag))),
            Value::Uuid(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
            Value::Uuids(ids) => {
                let bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
                ToSqlOutput::Owned(bytes.into())
            }
        })
    }
}

/// How a row of a table is stored; its values are numbered as the columns are.
fn insertion(table: &Table) -> String {
    let numbers: Vec<String> = (1..=table.columns.len())
        .map(|number| format!("?{number}"))
        .collect();
    match table.name {
        // It is a part of its order, which is there already.
        "delivery" => {
            let sets = table.columns.iter().zip(&numbers).skip(2);
            let sets: Vec<String> = sets
                .map(|(column, number)| format!("{} = {number}", column.name))
                .collect();
            format!(
                "UPDATE orders SET {} WHERE account = ?1 AND order_id = ?2 AND due_at IS NULL",
                sets.join(", ")
            )
        }
        "line_holder" => "INSERT INTO line_holder (line_item_id, holder) \
             SELECT ?1, number FROM orders WHERE account = ?2 AND order_id = ?3"
            .to_owned(),
        "stock_count" => "INSERT INTO stock_count (only, at) VALUES (1, ?1)".to_owned(),
        name => format!(
            "INSERT INTO {name} ({}) VALUES ({})",
            table.column_list(),
            numbers.join(", ")
        ),
    }
}

fn insert(transaction: &Transaction<'_>, table: &Table, rows: &[Row]) -> Result<(), Failure> {
    let sql = insertion(table);
    let mut statement = transaction.prepare_cached(&sql)?;
    for row in rows {
        let changed = statement.execute(params_from_iter(row.iter().map(Stored)))?;
        if changed != 1 {
            return Err(Failure::Corrupt(format!(
                "a row of {} belongs to no order",
                table.name
            )));
        }
    }
    Ok(())
}
