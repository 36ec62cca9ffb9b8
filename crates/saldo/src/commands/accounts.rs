//! `saldo accounts …`

use clap::{Args, Subcommand};
use serde_json::json;

use crate::commands::{Context, account_id};
use crate::door::{Door, Question};
use crate::exit::End;
use crate::output::{cell, items, rows, table};

/// List the accounts, or add one by hand.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo accounts\n  saldo accounts list --json")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the accounts known.
    #[command(after_help = "Example:\n  saldo accounts list --json")]
    List,
    /// Add an account by hand; those of the orders service become known by themselves.
    #[command(after_help = "Example:\n  saldo accounts add 0c3f3a0e-1df6-4a94-9d0e-1f2d3c4b5a69 --name shop")]
    Add {
        /// The orders service's token_id.
        #[arg(value_name = "TOKEN_ID", value_parser = account_id)]
        account: uuid::Uuid,
        /// A name for people.
        #[arg(long)]
        name: String,
    },
}

/// Does it.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    const PATH: &str = "/api/v1/stock-sync/accounts";
    const ACCOUNTS_MAX: usize = 100_000;
    let action = arguments.action.unwrap_or(Action::List);
    let door = match action {
        Action::Add { .. } => Door::open_or_make(context).await?,
        _ => Door::open(context).await?,
    };
    match action {
        Action::List => {
            let list = door.list(Question::get(PATH), ACCOUNTS_MAX).await?;
            context.output.show(&list, |list| {
                let paths = ["/token_id", "/name", "/by_hand", "/created_at"];
                table(
                    &["ACCOUNT", "NAME", "BY HAND", "KNOWN SINCE (UTC)"],
                    &rows(items(list), &paths),
                    "No accounts.",
                )
            })?;
        }
        Action::Add { account, name } => {
            let added = door
                .ask(Question::post(
                    PATH,
                    &json!({ "token_id": account, "name": name }),
                ))
                .await?;
            context.output.show(&added, |added| {
                format!("Account {} is known.", cell(added, "/token_id"))
            })?;
        }
    }
    door.close().await?;
    Ok(End::Well)
}
