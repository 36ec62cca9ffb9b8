//! What SQLite can do at best: a loop that writes the very rows that the store wrote, 100 orders a transaction,
//! with the same schema and the same settings, and decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::Context;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, Statement};

use crate::clock::{instant, per_second};

/// Orders of one transaction.
const ORDERS_PER_TRANSACTION: usize = 100;

/// The tables that an order has rows in, each with the column that tells whose row it is.
const TABLES: [(&str, &str); 5] = [
    ("orders", "order_id"),
    (
        "line_holder",
        "(SELECT order_id FROM orders WHERE number = holder)",
    ),
    ("operation", "order_id"),
    ("movement", "operation"),
    ("log", "operation"),
];
const MOVEMENT: usize = 3;

/// The rows of one order, each with the place of its table in [`TABLES`].
#[derive(Default)]
struct RawOrder {
    rows: Vec<(usize, Vec<Value>)>,
}

/// Rows to write.
pub(crate) struct RawOrders {
    orders: Vec<RawOrder>,
    columns: Vec<usize>,
}

impl RawOrders {
    /// Reads what a store wrote of its orders, in the order in which they were taken in.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        let mut by_id: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut orders = Vec::new();
        let mut statement = connection
            .prepare("SELECT id, order_id FROM operation WHERE order_id IS NOT NULL ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            by_id.insert(bytes(row, 0)?, orders.len());
            by_id.insert(bytes(row, 1)?, orders.len());
            orders.push(RawOrder::default());
        }
        let mut columns = Vec::new();
        for (table, (name, owner)) in TABLES.iter().enumerate() {
            let mut statement = connection.prepare(&format!("SELECT {owner}, * FROM {name}"))?;
            let count = statement.column_count() - 1;
            columns.push(count);
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let Some(order) = by_id.get(&bytes(row, 0)?) else {
                    continue;
                };
                let values = (1..=count)
                    .map(|column| row.get(column))
                    .collect::<Result<_, _>>()?;
                orders[*order].rows.push((table, values));
            }
        }
        Ok(Self { orders, columns })
    }

    /// How many orders.
    pub(crate) const fn len(&self) -> usize {
        self.orders.len()
    }

    /// Writes them into a database that has the schema and the stock, and says how many orders a second.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<f64> {
        let connection = open(path)?;
        let mut inserts = self
            .columns
            .iter()
            .zip(TABLES)
            .map(|(columns, (table, _))| insert(&connection, table, *columns))
            .collect::<Result<Vec<_>, _>>()?;
        let mut begin = connection.prepare("BEGIN IMMEDIATE")?;
        let mut commit = connection.prepare("COMMIT")?;
        let mut balance = connection.prepare(
            "UPDATE balance SET quantity = ?3, movements = ?4, updated_at = ?5 WHERE sku = ?1 AND warehouse = ?2",
        )?;
        let began = instant();
        for orders in self.orders.chunks(ORDERS_PER_TRANSACTION) {
            begin.execute([])?;
            for (table, values) in orders.iter().flat_map(|order| &order.rows) {
                run(&mut inserts[*table], values.iter())?;
            }
            for movement in last_movements(orders).into_values() {
                run(&mut balance, [0, 1, 4, 2, 8].map(|column| &movement[column]))?;
            }
            commit.execute([])?;
        }
        Ok(per_second(self.orders.len(), began.elapsed()))
    }
}

/// The last movement of each SKU: its balance is written once a transaction, as the store does it.
fn last_movements(orders: &[RawOrder]) -> BTreeMap<&str, &Vec<Value>> {
    let mut last = BTreeMap::new();
    for (table, values) in orders.iter().flat_map(|order| &order.rows) {
        if let (MOVEMENT, Some(Value::Text(sku))) = (*table, values.first()) {
            last.insert(sku.as_str(), values);
        }
    }
    last
}

fn open(path: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(path).context("the database of the raw loop")?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.pragma_update(None, "cache_size", -64 * 1024)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

fn insert<'c>(connection: &'c Connection, table: &str, columns: usize) -> rusqlite::Result<Statement<'c>> {
    let places = vec!["?"; columns].join(", ");
    connection.prepare(&format!("INSERT INTO {table} VALUES ({places})"))
}

fn run<'v>(
    statement: &mut Statement<'_>,
    values: impl IntoIterator<Item = &'v Value>,
) -> rusqlite::Result<()> {
    for (index, value) in values.into_iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    statement.raw_execute().map(|_| ())
}

/// An id in whichever form it is stored.
fn bytes(row: &Row<'_>, column: usize) -> anyhow::Result<Vec<u8>> {
    Ok(row
        .get_ref(column)?
        .as_bytes_or_null()?
        .unwrap_or_default()
        .to_vec())
}
