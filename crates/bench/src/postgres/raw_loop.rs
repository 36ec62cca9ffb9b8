//! What a program written for nothing else can do: a loop that writes the very rows that the store wrote, so many orders
//! a transaction, one statement a table, and decides nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Statement};

use crate::clock::{instant, per_second};
use crate::postgres::ledger::Database;
use crate::postgres::rows::{self, Column, List, Value};

/// The tables that an order has rows in, each with what tells whose row it is.
const TABLES: [(&str, &str); 6] = [
    ("orders", "order_id"),
    ("line_holder", "order_id"),
    ("operation", "order_id"),
    ("movement", "operation"),
    ("log", "operation"),
    ("delivery", "order_id"),
];
const MOVEMENT: usize = 3;
/// Columns of a movement that its balance shows: SKU, warehouse, quantity, count of movements, moment.
const SHOWN: [usize; 5] = [0, 1, 4, 2, 8];

const BALANCE: &str = "UPDATE saldo.balance SET quantity = new.quantity, movements = new.movements, \
    updated_at = new.updated_at \
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) \
    AS new (sku, warehouse, quantity, movements, updated_at) \
    WHERE balance.sku = new.sku AND balance.warehouse = new.warehouse";

/// As in the store, rows are looked for by an index.
pub(crate) const PLANS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off; SET jit = off";

/// The rows of one order, table by table.
#[derive(Default)]
struct RawOrder {
    rows: [Vec<Vec<Value>>; TABLES.len()],
}

/// Rows to write.
pub(crate) struct RawOrders {
    orders: Vec<RawOrder>,
    columns: Vec<Vec<Column>>,
}

impl RawOrders {
    /// Reads what a store wrote of its orders, in the order in which they were taken in.
    pub(crate) async fn read(database: &Database) -> anyhow::Result<Self> {
        let client = database.connect().await?;
        let mut by_owner: HashMap<String, usize> = HashMap::new();
        let sql = "SELECT id::text, order_id FROM saldo.operation WHERE order_id IS NOT NULL ORDER BY id";
        let operations = client.query(sql, &[]).await?;
        for (index, row) in operations.iter().enumerate() {
            by_owner.insert(row.try_get(0)?, index);
            by_owner.insert(row.try_get(1)?, index);
        }
        let mut orders: Vec<RawOrder> = operations.iter().map(|_| RawOrder::default()).collect();
        let mut columns = Vec::new();
        for (table, (name, owner)) in TABLES.iter().enumerate() {
            let of_table = rows::columns(&client, name).await?;
            for (owner, row) in rows::read(&client, name, owner, &of_table).await? {
                if let Some(order) = by_owner.get(&owner) {
                    orders[*order].rows[table].push(row);
                }
            }
            columns.push(of_table);
        }
        Ok(Self { orders, columns })
    }

    /// Writes them into a database that has the schema and the stock, and says how many orders a second.
    pub(crate) async fn write(
        self: Arc<Self>,
        database: &Database,
        connections: usize,
        together: usize,
    ) -> anyhow::Result<f64> {
        let mut writers = Vec::new();
        for _ in 0..connections {
            writers.push(Writer::new(database.connect().await?, &self.columns).await?);
        }
        let next = Arc::new(AtomicUsize::new(0));
        let began = instant();
        let mut tasks = JoinSet::new();
        for writer in writers {
            let (orders, next) = (Arc::clone(&self), Arc::clone(&next));
            tasks.spawn(async move {
                loop {
                    let chunk = next.fetch_add(1, Ordering::Relaxed);
                    let Some(orders) = orders.orders.chunks(together).nth(chunk) else {
                        return anyhow::Ok(());
                    };
                    writer.write(orders).await?;
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(per_second(self.orders.len(), began.elapsed()))
    }
}

/// One connection with its statements.
struct Writer {
    client: Client,
    inserts: Vec<Statement>,
    balance: Statement,
}

impl Writer {
    async fn new(client: Client, columns: &[Vec<Column>]) -> anyhow::Result<Self> {
        client.batch_execute(PLANS).await?;
        let mut inserts = Vec::new();
        for (columns, (table, _)) in columns.iter().zip(TABLES) {
            inserts.push(client.prepare(&rows::insert(table, columns)).await?);
        }
        let balance = client.prepare(BALANCE).await?;
        Ok(Self {
            client,
            inserts,
            balance,
        })
    }

    /// Writes orders in one transaction.
    async fn write(&self, orders: &[RawOrder]) -> anyhow::Result<()> {
        self.client.batch_execute("BEGIN").await?;
        for (table, insert) in self.inserts.iter().enumerate() {
            let of_table = orders.iter().flat_map(|order| &order.rows[table]);
            let of_table: Vec<&[Value]> = of_table.map(Vec::as_slice).collect();
            let indexes: Vec<usize> = (0..of_table.first().map_or(0, |row| row.len())).collect();
            self.run(insert, &of_table, &indexes).await?;
        }
        // The last movement of each SKU, in the order of the SKUs: two transactions never wait for each other.
        let mut last: BTreeMap<&str, &[Value]> = BTreeMap::new();
        for movement in orders.iter().flat_map(|order| &order.rows[MOVEMENT]) {
            if let Some(Value::Text(Some(sku))) = movement.first() {
                last.insert(sku, movement);
            }
        }
        let last: Vec<&[Value]> = last.into_values().collect();
        self.run(&self.balance, &last, &SHOWN).await?;
        Ok(self.client.batch_execute("COMMIT").await?)
    }

    async fn run(&self, statement: &Statement, rows: &[&[Value]], columns: &[usize]) -> anyhow::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let lists: Vec<List<'_>> = columns
            .iter()
            .map(|column| rows::list(rows, *column))
            .collect::<anyhow::Result<_>>()?;
        let values = lists.iter().map(|list| list.as_ref() as _);
        let changed = self
            .client
            .execute_raw(
                statement,
                values.collect::<Vec<&(dyn tokio_postgres::types::ToSql + Sync)>>(),
            )
            .await
            .context("a row of the raw loop")?;
        anyhow::ensure!(
            changed == rows.len() as u64,
            "{changed} of {} rows were written",
            rows.len()
        );
        Ok(())
    }
}
