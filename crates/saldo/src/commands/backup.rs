//! `saldo backup`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use saldo_store_sqlite::{BackupProgress, back_up};
use serde_json::json;

use crate::commands::Context;
use crate::config::Place;
use crate::exit::End;
use crate::output::is_watched;

/// Copy an SQLite database to a file, also while a server runs.
///
/// The copy is of one moment and in one file, checked and synced before it gets its name. Nobody waits for it. A file
/// that exists is never overwritten. docs/operations.md says how to go back to a copy.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo backup /backup/saldo-2026-07-01.db")]
pub(crate) struct Arguments {
    /// The copy. Its folder must exist.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Copies.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let config = context.load()?.config;
    let database = match config.database.place().map_err(anyhow::Error::msg)? {
        Place::Sqlite(path) => path,
        Place::Postgres(_) => bail!(
            "{} is on a PostgreSQL server, and this command copies SQLite databases: copy it with the server's own \
             means, such as pg_dump --format=custom; docs/operations.md says how",
            config.database
        ),
    };
    let copy = arguments.file.clone();
    let bar = bar();
    let copying = tokio::task::spawn_blocking(move || {
        let watch = |progress: BackupProgress| {
            bar.set_length(progress.pages);
            bar.set_position(progress.pages_done);
        };
        let made = back_up(&database, &copy, watch);
        bar.finish_and_clear();
        made
    });
    let made = copying.await.context("the copy ended in the middle")??;
    let file = arguments.file.display().to_string();
    let result = json!({ "file": file, "bytes": made.bytes, "schema_version": made.schema_version });
    context.output.show(&result, |_| {
        format!("{file} holds a copy of the database: {} bytes", made.bytes)
    })?;
    Ok(End::Well)
}

fn bar() -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} of about {duration}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}
