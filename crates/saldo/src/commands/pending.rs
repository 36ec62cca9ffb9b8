//! `saldo pending`

use clap::Args;
use serde_json::Value;

use crate::commands::Context;
use crate::door::{Door, Question};
use crate::exit::End;
use crate::output::{cell, items, listing, rows};

/// List the operations that wait or are under way.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo pending\n  saldo pending --sku KUB-330-GRA --limit 200")]
pub(crate) struct Arguments {
    /// Of one order.
    #[arg(long, value_name = "ID")]
    order: Option<String>,
    /// With a line of this SKU.
    #[arg(long)]
    sku: Option<String>,
    /// With a line in this warehouse.
    #[arg(long)]
    warehouse: Option<String>,
    /// Of one account.
    #[arg(long, value_name = "TOKEN_ID")]
    account: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Lists them.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let door = Door::open(context).await?;
    let question = Question::get("/api/v1/stock-sync/pending")
        .with("order_id", arguments.order)
        .with("sku", arguments.sku)
        .with("warehouse", arguments.warehouse)
        .with("token_id", arguments.account);
    let list = door.list(question, arguments.limit as usize).await?;
    context.output.show(&list, |list| {
        let headings = ["ORDER", "WAITS FOR", "RETRIES", "NEXT TRY (UTC)"];
        let paths = ["/order_id", "/waiting_for", "/retry_count", "/next_retry_at"];
        let below: Vec<Vec<String>> = items(list).iter().map(below).collect();
        listing(&headings, &rows(items(list), &paths), &below, "Nothing waits.")
    })?;
    door.close().await?;
    Ok(End::Well)
}

/// What stands below the row of an operation.
fn below(operation: &Value) -> Vec<String> {
    let kind = cell(operation, "/operation_type");
    let status = cell(operation, "/status");
    let mut lines = vec![format!("{kind} {}, {status}", cell(operation, "/id"))];
    lines.extend(Some(cell(operation, "/error_message")).filter(|error| error != "-"));
    lines
}
