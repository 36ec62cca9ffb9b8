//! `saldo discrepancies`

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::commands::{Context, account_id};
use crate::door::{Door, Question};
use crate::exit::End;
use crate::output::{cell, items, listing, rows};

/// Above the columns of differences.
pub(crate) const HEADINGS: [&str; 3] = ["ORDER", "DIFFERENCE", "RESOLUTION"];
/// What stands in them.
pub(crate) const PATHS: [&str; 3] = ["/order_id", "/kind", "/resolution"];

/// Which differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    /// Those that are still there, as far as it was seen.
    Open,
    /// Those that went away.
    Closed,
    /// Both.
    All,
}

/// List what reconciliation found: where the ledger and the orders service differ.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo discrepancies\n  saldo discrepancies --kind missed_order --status all"
)]
pub(crate) struct Arguments {
    /// Which ones.
    #[arg(long, value_enum, default_value = "open")]
    status: Status,
    /// Of one kind, such as not_delivered.
    #[arg(long)]
    kind: Option<String>,
    /// Of one account.
    #[arg(long, value_name = "TOKEN_ID", value_parser = account_id)]
    account: Option<uuid::Uuid>,
    /// Of one order.
    #[arg(long, value_name = "ORDER_ID")]
    order: Option<String>,
    /// Seen last by this run.
    #[arg(long, value_name = "RUN_ID")]
    run: Option<uuid::Uuid>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Lists them.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let door = Door::open(context).await?;
    let status = match arguments.status {
        Status::Open => Some("open"),
        Status::Closed => Some("closed"),
        Status::All => None,
    };
    let question = Question::get("/api/v1/stock-sync/discrepancies")
        .with("status", status)
        .with("kind", arguments.kind)
        .with("token_id", arguments.account)
        .with("order_id", arguments.order)
        .with("run_id", arguments.run);
    let list = door.list(question, arguments.limit as usize).await?;
    context.output.show(&list, |list| {
        let notes: Vec<Vec<String>> = items(list).iter().map(below).collect();
        listing(&HEADINGS, &rows(items(list), &PATHS), &notes, "No differences.")
    })?;
    door.close().await?;
    Ok(End::Well)
}

/// What stands below the row of a difference.
pub(crate) fn below(discrepancy: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "here: {}; there: {}",
        cell(discrepancy, "/local"),
        cell(discrepancy, "/remote")
    )];
    if discrepancy["times_seen"].as_u64() > Some(1) {
        let of = |name: &str| cell(discrepancy, &format!("/{name}"));
        lines.push(format!(
            "seen {} times since {}",
            of("times_seen"),
            of("first_seen_at")
        ));
    }
    if let Some(review) = discrepancy["review_id"].as_str() {
        lines.push(format!("review {review}"));
    }
    lines
}
