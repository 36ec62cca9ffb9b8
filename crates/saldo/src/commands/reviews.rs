//! `saldo reviews`

use clap::{Args, ValueEnum};

use crate::commands::Context;
use crate::door::{Door, Question};
use crate::exit::End;
use crate::output::{items, rows, table};

/// Which reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    /// Those that wait for an answer.
    Open,
    /// Those that were answered, or whose cause is gone.
    Resolved,
    /// Both.
    All,
}

/// List the questions that wait for a person.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo reviews\n  saldo reviews --reason insufficient_stock")]
pub(crate) struct Arguments {
    /// Which ones.
    #[arg(long, value_enum, default_value = "open")]
    status: Status,
    /// Of one reason, such as insufficient_stock.
    #[arg(long)]
    reason: Option<String>,
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
    let status = match arguments.status {
        Status::Open => Some("open"),
        Status::Resolved => Some("resolved"),
        Status::All => None,
    };
    let question = Question::get("/api/v1/stock-sync/reviews")
        .with("status", status)
        .with("reason", arguments.reason)
        .with("token_id", arguments.account);
    let list = door.list(question, arguments.limit as usize).await?;
    context.output.show(&list, |list| {
        let headings = ["ID", "REASON", "ORDER", "STATUS", "OPENED", "ANSWER", "BY"];
        let paths = [
            "/id",
            "/reason",
            "/order_id",
            "/status",
            "/opened_at",
            "/resolution",
            "/resolved_by",
        ];
        table(&headings, &rows(items(list), &paths), "No reviews.")
    })?;
    door.close().await?;
    Ok(End::Well)
}
