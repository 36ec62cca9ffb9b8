//! Large databases: one order as the store wrote it, copied in bulk by SQL into the same tables.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use rusqlite::{Connection, params};

use crate::orders::SKUS;

/// Copies of one statement.
const COPIES_PER_STEP: usize = 50_000;
/// Sequences of movements that are left free for the orders that are there already.
const SEQUENCES_LEFT: usize = 1_000;

const TABLES: [&str; 5] = ["orders", "line_holder", "operation", "movement", "log"];

/// Copies the one order of a closed database so many times. What each copy has of its own, by column; everything
/// else is that of the order.
pub(crate) fn multiply(path: &Path, copies: usize) -> anyhow::Result<()> {
    let connection = Connection::open(path)?;
    // Only while the database is made: nothing would be lost by a crash but the making.
    connection.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "off")?;
    let statements = TABLES
        .iter()
        .map(|table| copying(&connection, table))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let progress = ProgressBar::new(copies as u64).with_style(ProgressStyle::with_template(
        "making a database: {pos} of {len} orders, {elapsed}",
    )?);
    let mut done = 0;
    while done < copies {
        let last = copies.min(done + COPIES_PER_STEP);
        for statement in &statements {
            connection.execute(statement, params![done as i64 + 1, last as i64])?;
        }
        done = last;
        progress.set_position(done as u64);
    }
    connection.execute(
        "UPDATE balance SET movements = ?1, quantity = (SELECT balance_after FROM movement \
         WHERE movement.sku = balance.sku AND movement.warehouse = balance.warehouse \
         ORDER BY sequence DESC LIMIT 1)",
        [(copies / SKUS + SEQUENCES_LEFT + 1) as i64],
    )?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    progress.finish_and_clear();
    Ok(())
}

/// The statement that copies the rows of the order in one table, for the numbers from ?1 to ?2.
fn copying(connection: &Connection, table: &str) -> anyhow::Result<String> {
    let mut statement = connection.prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
    let columns: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let values: Vec<String> = columns.iter().map(|column| value(table, column)).collect();
    // The order's own rows are kept apart before the first copy stands among them.
    let of_order = match table {
        "movement" => "line IS NOT NULL",
        "log" => "operation IN (SELECT id FROM operation WHERE order_id IS NOT NULL)",
        "line_holder" => "true",
        _ => "order_id IS NOT NULL",
    };
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE template_{table} AS SELECT * FROM main.{table} WHERE {of_order}"
    ))?;
    Ok(format!(
        "WITH RECURSIVE number (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM number WHERE n < ?2) \
         INSERT INTO {table} ({}) SELECT {} FROM number CROSS JOIN template_{table}",
        columns.join(", "),
        values.join(", ")
    ))
}

fn value(table: &str, column: &str) -> String {
    let sequence = format!("(n / {SKUS} + {SEQUENCES_LEFT})");
    match (table, column) {
        (_, "order_id") => "printf('copy-%08x-7f6a-11f1-ac45-09db60ede9d6', n)".to_owned(),
        (_, "line_item_id") | ("movement", "line") => {
            "printf('copy-%08x-8f65-11f1-9c77-bedf604a2e2b', n)".to_owned()
        }
        ("operation", "id")
        | ("movement" | "log", "operation")
        | ("orders", "first_operation" | "operations") => "unhex(printf('%032x', n))".to_owned(),
        // The first number is that of the order itself.
        ("orders", "number") | ("line_holder", "holder") => "n + 1".to_owned(),
        ("log", "id") => "unhex(printf('%032x', n * 16 + version))".to_owned(),
        ("movement", "sku") => format!("printf('KUB-330-%04d', n % {SKUS})"),
        ("movement", "sequence") => format!("{sequence} + 1"),
        ("movement", "balance_after") => format!("balance_after + {sequence} * quantity"),
        _ => column.to_owned(),
    }
}
