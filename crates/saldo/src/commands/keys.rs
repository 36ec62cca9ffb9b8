//! `saldo keys …`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::commands::Context;
use crate::door::{Door, Question, segment};
use crate::edge::new_key;
use crate::exit::End;
use crate::keys::{RoleName, word};
use crate::output::{cell, items, rows, table};

/// Make, list and revoke API keys.
///
/// A running server need not be stopped: it is asked, with an admin's key, and a change counts within two seconds.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo keys\n  saldo keys add till-1 --role operator")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it: the only time that it is shown.
    #[command(after_help = "Example:\n  saldo keys add dashboard --role viewer")]
    Add {
        /// Its name: stands in logs and notes for who acted.
        name: String,
        /// What it may do.
        #[arg(long, value_enum, default_value = "operator")]
        role: RoleName,
    },
    /// List the keys that are good.
    #[command(after_help = "Example:\n  saldo keys list")]
    List,
    /// Revoke a key.
    #[command(after_help = "Example:\n  saldo keys revoke dashboard")]
    Revoke {
        /// Its name.
        name: String,
    },
}

/// Does it.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    const PATH: &str = "/api/v1/stock-sync/keys";
    const KEYS_MAX: usize = 100_000;
    let action = arguments.action.unwrap_or(Action::List);
    let door = match action {
        Action::Add { .. } => Door::open_or_make(context).await?,
        _ => Door::open(context).await?,
    };
    match action {
        Action::Add { name, role } => {
            // Made here, so that it goes over no wire: the server is told the hash alone.
            let key = new_key();
            let role = word(role.role());
            let request = json!({ "name": name, "role": role, "hash": saldo_web::api_key_hash(&key) });
            let stored = door.ask(Question::post(PATH, &request)).await?;
            let made = json!({ "name": stored["name"], "role": stored["role"], "key": key });
            context.output.show(&made, human_key)?;
        }
        Action::List => {
            let list = door.list(Question::get(PATH), KEYS_MAX).await?;
            context.output.show(&list, |list| {
                table(
                    &["NAME", "ROLE", "MADE (UTC)"],
                    &rows(items(list), &["/name", "/role", "/created_at"]),
                    "No keys.",
                )
            })?;
        }
        Action::Revoke { name } => {
            let question = Question::delete(format!("{PATH}/{}", segment(&name)));
            door.ask(question).await?;
            let json = json!({ "name": name, "revoked": true });
            context.output.show(&json, |_| format!("Revoked {name}."))?;
        }
    }
    door.close().await?;
    Ok(End::Well)
}

/// The one time that a key is shown.
pub(crate) fn human_key(made: &Value) -> String {
    format!(
        "{}\nThis is the key of {} ({}). It is shown this once and kept nowhere: save it now.",
        cell(made, "/key"),
        cell(made, "/name"),
        cell(made, "/role")
    )
}
