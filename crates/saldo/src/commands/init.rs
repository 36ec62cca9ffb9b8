//! `saldo init`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use jiff::{Timestamp, Unit};
use saldo_store::query::Role;
use serde_json::{Value, json};

use crate::commands::{Context, keys::human_key};
use crate::config::{self, DEFAULT_TOML, Overrides};
use crate::edge::now;
use crate::exit::End;
use crate::keys;
use crate::ledger::open_store;
use crate::output::cell;

/// The name of the first key.
const FIRST_KEY: &str = "admin";

/// Write a commented saldo.toml, make the database, print the first admin key.
///
/// Orders bought before this moment are left to the old way (intake.start_from).
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo init\n  saldo init --config /etc/saldo/saldo.toml \
                        --database sqlite:///var/lib/saldo/saldo.db"
)]
pub(crate) struct Arguments {}

/// Sets Saldo up in this folder.
pub(crate) async fn run(_: Arguments, context: &Context) -> anyhow::Result<End> {
    let path = context
        .global
        .config
        .clone()
        .unwrap_or_else(|| PathBuf::from("saldo.toml"));
    if path.exists() {
        anyhow::bail!(
            "{} is there already and stays as it is; edit it, or name another file",
            path.display()
        );
    }
    let text = configuration(now(), context.global.database.as_deref());
    write_new(&path, &text)?;
    let overrides = Overrides {
        file: Some(path.clone()),
        ..context.overrides()
    };
    let config = config::load(&overrides)?.config;
    let store = open_store(&config).await?;
    let has_keys = !store.api_keys().await?.is_empty();
    let key = if has_keys {
        None
    } else {
        Some(keys::make(&store, FIRST_KEY, Role::Admin).await?)
    };
    store.close().await?;
    let made = json!({
        "config": path.display().to_string(),
        "database": config.database.to_string(),
        "name": FIRST_KEY,
        "role": keys::word(Role::Admin),
        "key": key,
    });
    context.output.show(&made, human)?;
    Ok(End::Well)
}

/// The commented defaults, with what differs for this installation.
fn configuration(now: Timestamp, database: Option<&str>) -> String {
    let second = now.round(Unit::Second).unwrap_or(now);
    let mut text = DEFAULT_TOML.replacen("start_from = \"\"", &format!("start_from = \"{second}\""), 1);
    if let Some(database) = database {
        let value = toml::Value::String(database.to_owned());
        text = text.replacen(
            "database = \"sqlite://saldo.db\"",
            &format!("database = {value}"),
            1,
        );
    }
    text
}

/// Writes a file that is not there yet; secrets will stand in it, so it is its owner's alone.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("{} cannot be written", path.display()))
}

fn human(made: &Value) -> String {
    let mut text = format!(
        "Wrote {}.\nThe database {} is ready.\n\nNext: set base_url and jwt_secret in [orders_service], then run \
         `saldo doctor` and `saldo serve`.\n\n",
        cell(made, "/config"),
        cell(made, "/database")
    );
    match made.get("key").and_then(Value::as_str) {
        Some(_) => text.push_str(&human_key(made)),
        None => text.push_str("The database has keys already; `saldo keys add` makes another."),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_written_is_the_commented_defaults_from_now_on() {
        let text = configuration(
            "2026-01-31T10:00:00.4Z".parse().unwrap(),
            Some("sqlite:///srv/s.db"),
        );
        let written: toml::Table = toml::from_str(&text).unwrap();
        assert_eq!(
            written["intake"]["start_from"].as_str(),
            Some("2026-01-31T10:00:00Z")
        );
        assert_eq!(written["database"].as_str(), Some("sqlite:///srv/s.db"));
        assert_eq!(text.lines().count(), DEFAULT_TOML.lines().count());
    }
}
