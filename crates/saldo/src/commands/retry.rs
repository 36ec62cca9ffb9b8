//! `saldo retry`

use clap::Args;
use serde_json::{Map, Value, json};

use crate::commands::{Context, sync_result};
use crate::door::{Door, Question, segment};
use crate::exit::End;
use crate::output::cell;

/// Try an operation again now, or all that have failed.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo retry 019a8f0e-7c1e-7000-8000-000000000001\n  saldo retry --failed"
)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["id", "failed"]))]
pub(crate) struct Arguments {
    /// The operation.
    id: Option<String>,
    /// All operations that have failed.
    #[arg(long)]
    failed: bool,
    /// With --failed: only those with an open review of this reason.
    #[arg(long, requires = "failed")]
    reason: Option<String>,
    /// With --failed: only those of one account.
    #[arg(long, requires = "failed", value_name = "TOKEN_ID")]
    account: Option<String>,
}

/// Tries again.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let door = Door::open_to_deliver(context).await?;
    let end = match arguments.id {
        Some(id) => {
            let path = format!("/api/v1/stock-sync/retry/{}", segment(&id));
            let result = door.ask(Question::post(path, &json!({}))).await?;
            context.output.show(&result, sync_result::human)?;
            sync_result::end(&result)
        }
        None => {
            let mut filter = Map::from_iter([("status".to_owned(), json!("failed"))]);
            filter.extend(
                arguments
                    .reason
                    .map(|reason| ("reason".to_owned(), json!(reason))),
            );
            filter.extend(
                arguments
                    .account
                    .map(|account| ("token_id".to_owned(), json!(account))),
            );
            let result = door
                .ask(Question::post("/api/v1/stock-sync/retry", &Value::Object(filter)))
                .await?;
            context.output.show(&result, |result| {
                format!("Tried again: {}", cell(result, "/retried"))
            })?;
            End::Well
        }
    };
    door.close().await?;
    Ok(end)
}
