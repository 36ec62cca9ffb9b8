//! Large databases: one order as the store wrote it, copied in bulk by SQL into the same tables.

use tokio_postgres::Client;

use crate::orders::SKUS;
use crate::postgres::rows;

/// Sequences of movements that are left free for the orders that are there already.
const SEQUENCES_LEFT: usize = 1_000;

/// Which order is copied.
#[derive(Clone, Copy)]
pub(crate) enum Copied {
    /// The one that is finished.
    Finished,
    /// The one that waits.
    Waiting,
}

/// Copies one order as often as there are numbers from `first` to `last`. What each copy has of its own, by column;
/// everything else is that of the order.
pub(crate) async fn multiply(
    client: &Client,
    copied: Copied,
    first: usize,
    last: usize,
) -> anyhow::Result<()> {
    let status = match copied {
        Copied::Finished => "= 'completed'",
        Copied::Waiting => "= 'pending'",
    };
    let template = format!(
        "(SELECT id AS operation_id, order_id AS template_order FROM saldo.operation \
         WHERE order_id IS NOT NULL AND order_id NOT LIKE 'copy-%' AND status {status} LIMIT 1)"
    );
    let tables: &[&str] = match copied {
        Copied::Finished => &["orders", "line_holder", "operation", "movement", "log"],
        Copied::Waiting => &[
            "orders",
            "line_holder",
            "operation",
            "movement",
            "log",
            "delivery",
        ],
    };
    for table in tables {
        let columns = rows::columns(client, table).await?;
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<String> = names.iter().map(|column| value(table, column)).collect();
        let of_order = match *table {
            "movement" | "log" => "operation = operation_id",
            _ => "order_id = template_order",
        };
        let sql = format!(
            "INSERT INTO saldo.{table} ({}) SELECT {} FROM generate_series({first}, {last}) AS n \
             CROSS JOIN (SELECT old.* FROM saldo.{table} AS old CROSS JOIN {template} AS template \
             WHERE {of_order}) AS old",
            names.join(", "),
            values.join(", ")
        );
        client.batch_execute(&sql).await?;
    }
    Ok(())
}

/// Brings the balances up to the movements, and the tables into the state in which a server keeps them.
pub(crate) async fn settle(client: &Client) -> anyhow::Result<()> {
    client
        .batch_execute(
            "UPDATE saldo.balance SET (quantity, movements) = (SELECT balance_after, sequence \
             FROM saldo.movement WHERE movement.sku = balance.sku AND movement.warehouse = balance.warehouse \
             ORDER BY sequence DESC LIMIT 1)",
        )
        .await?;
    client.batch_execute("VACUUM ANALYZE").await?;
    Ok(client.batch_execute("CHECKPOINT").await?)
}

fn value(table: &str, column: &str) -> String {
    let id = "lpad(to_hex(n), 32, '0')::uuid";
    let sequence = format!("(n / {SKUS} + {SEQUENCES_LEFT})");
    match (table, column) {
        (_, "order_id") => "'copy-' || lpad(to_hex(n), 8, '0') || '-7f6a-11f1-ac45-09db60ede9d6'".to_owned(),
        (_, "line_item_id") | ("movement", "line") => {
            "'copy-' || lpad(to_hex(n), 8, '0') || '-8f65-11f1-9c77-bedf604a2e2b'".to_owned()
        }
        ("operation", "id") | ("movement" | "log", "operation") | ("orders", "first_operation") => {
            id.to_owned()
        }
        ("orders", "operations") => format!("ARRAY[{id}]"),
        ("log", "id") => "lpad(to_hex(n * 16 + old.version), 32, '0')::uuid".to_owned(),
        ("movement", "sku") => format!("'KUB-330-' || lpad((n % {SKUS})::text, 4, '0')"),
        ("movement", "sequence") => sequence,
        ("movement", "balance_after") => format!("1000000 - {sequence}"),
        ("delivery", "lock_name") => "hashtextextended('copy', n)".to_owned(),
        _ => format!("old.{column}"),
    }
}
