//! What `saldo export` and `saldo import` share: the configured database, and how far a copy has come.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use saldo_store::copy::{Copying, Progress, Watch};
use saldo_store_postgres::{PostgresCopying, PostgresOptions};
use saldo_store_sqlite::SqliteCopying;
use serde_json::json;

use crate::config::{Database, Place};
use crate::output::{Output, is_watched, note};

/// The name that stands for standard input and output.
pub(crate) const STANDARD: &str = "-";

/// The configured database, for copies, and its kind.
///
/// # Errors
/// When the address cannot be used.
pub(crate) fn copying(database: &Database) -> anyhow::Result<(Box<dyn Copying>, &'static str)> {
    Ok(match database.place().map_err(anyhow::Error::msg)? {
        Place::Sqlite(path) => (Box::new(SqliteCopying::new(path)), "sqlite"),
        Place::Postgres(address) => {
            let copying = PostgresCopying::new(address, PostgresOptions::default());
            (Box::new(copying), "postgresql")
        }
    })
}

/// Makes the folder of a database file that is not there yet.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_folder(database: &Database) -> anyhow::Result<()> {
    let Place::Sqlite(path) = database.place().map_err(anyhow::Error::msg)? else {
        return Ok(());
    };
    match path.parent() {
        Some(folder) if folder != Path::new("") => std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display())),
        _ => Ok(()),
    }
}

/// Tells how far a copy has come, on standard error: a bar for a person, a line of JSON for each hundredth with `--json`.
pub(crate) fn watch(output: Output) -> Watch {
    match output {
        Output::Json => lines(),
        Output::Human => bar(),
    }
}

fn bar() -> Watch {
    if !is_watched() {
        return Arc::new(|_| {});
    }
    let style =
        ProgressStyle::with_template("{msg:12} {bar:40} {percent:>3} %  {elapsed} of about {duration}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style).with_message("copying");
    Arc::new(move |progress| match progress {
        Progress::Begun { rows } => bar.set_length(rows),
        Progress::Copied { rows } => bar.set_position(rows),
        Progress::ReadBack { rows } => {
            bar.set_message("reading back");
            bar.set_position(rows);
        }
        Progress::Checking => bar.set_message("checking"),
        Progress::Ended => bar.finish_and_clear(),
    })
}

/// What was told last.
#[derive(Default)]
struct Told {
    rows: u64,
    hundredths: Option<(&'static str, u64)>,
}

fn lines() -> Watch {
    let told = Mutex::new(Told::default());
    Arc::new(move |progress| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        let (step, rows) = match progress {
            Progress::Begun { rows } => {
                told.rows = rows;
                ("begun", 0)
            }
            Progress::Copied { rows } => ("copied", rows),
            Progress::ReadBack { rows } => ("read_back", rows),
            Progress::Checking => ("checking", told.rows),
            Progress::Ended => return,
        };
        let now = (step, rows.saturating_mul(100) / told.rows.max(1));
        if told.hundredths.replace(now) != Some(now) {
            note(&json!({ "progress": step, "rows": rows, "of": told.rows }).to_string());
        }
    })
}
