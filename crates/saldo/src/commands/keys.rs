//! `saldo keys …`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::commands::Context;
use crate::door::is_held;
use crate::edge::now;
use crate::exit::End;
use crate::keys::{self, RoleName, word};
use crate::ledger::open_store;
use crate::output::{cell, items, rows, table};

/// Make, list and revoke API keys.
///
/// Keys are kept in the database. On SQLite the server must not be running meanwhile; on PostgreSQL a change counts
/// within two seconds.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo keys add till-1 --role operator")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
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
    let config = context.load()?.config;
    if is_held(&config)? {
        anyhow::bail!("a running server holds the database; stop it, change the keys, and start it again");
    }
    let store = open_store(&config).await?;
    let end = match arguments.action {
        Action::Add { name, role } => {
            let key = keys::make(&store, &name, role.role()).await?;
            let made = json!({ "name": name, "role": word(role.role()), "key": key });
            context.output.show(&made, human_key)?;
            End::Well
        }
        Action::List => {
            let keys: Vec<Value> = store
                .api_keys()
                .await?
                .iter()
                .map(|key| json!({ "name": key.name, "role": word(key.role), "created_at": key.created_at }))
                .collect();
            context.output.show(&json!({ "items": keys }), |list| {
                table(
                    &["NAME", "ROLE", "MADE (UTC)"],
                    &rows(items(list), &["/name", "/role", "/created_at"]),
                    "No keys.",
                )
            })?;
            End::Well
        }
        Action::Revoke { name } => {
            let revoked = store.revoke_api_key(&name, now()).await?;
            let json = json!({ "name": name, "revoked": revoked });
            context.output.show(&json, |_| {
                if revoked {
                    format!("Revoked {name}.")
                } else {
                    format!("There is no key called {name}.")
                }
            })?;
            End::well_if(revoked)
        }
    };
    store.close().await?;
    Ok(end)
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
