//! `saldo export`

use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use saldo_store::copy::file::{Origin, write};
use saldo_store::copy::{Parts, Progress, Totals, Watch};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::commands::Context;
use crate::copying::{STANDARD, copying, watch};
use crate::edge::now;
use crate::exit::End;
use crate::exit::Usage;
use crate::output::{Output, note};

/// Copy a whole database to a file that `saldo import` takes, into a database of either kind.
///
/// The copy is of one moment, also while servers run, and nobody waits for it. What comes after that moment is not in
/// it: docs/operations.md says how to change over without losing anything. A file that exists is never overwritten.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo export /backup/saldo.ndjson\n  \
    saldo export - | SALDO_DATABASE=postgresql://saldo@db.example/saldo saldo import -")]
pub(crate) struct Arguments {
    /// The file, in a folder that exists; - for standard output.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Copies.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let config = context.load()?.config;
    let to_output = arguments.file == Path::new(STANDARD);
    if to_output && std::io::stdout().is_terminal() {
        return Err(Usage(
            "a copy is not for reading: name a file, or lead the output into a program".to_owned(),
        )
        .into());
    }
    let (database, kind) = copying(&config.database)?;
    let origin = Origin {
        saldo: env!("CARGO_PKG_VERSION").to_owned(),
        database: kind.to_owned(),
        made_at: now(),
    };
    let (file, watch) = (arguments.file.clone(), watch(context.output));
    if !to_output && std::fs::symlink_metadata(&file).is_ok() {
        bail!(
            "{} exists already and is left as it is; name another file",
            file.display()
        );
    }
    let parts = database.dump();
    let writing = tokio::task::spawn_blocking(move || {
        if to_output {
            write_to(&mut std::io::stdout().lock(), parts, &origin, &watch)
        } else {
            write_file(&file, parts, &origin, &watch)
        }
    });
    let totals = writing
        .await
        .context("the copy ended in the middle")?
        .with_context(|| format!("no copy of {} was made", config.database))?;
    told(context, &arguments.file, to_output, &totals)?;
    Ok(End::Well)
}

fn write_to(out: &mut dyn Write, parts: Parts, origin: &Origin, watch: &Watch) -> anyhow::Result<Totals> {
    let mut out = BufWriter::new(out);
    let written = write(parts, &mut out, origin, |progress| watch(progress));
    watch(Progress::Ended);
    Ok(written?)
}

/// Writes under another name, and gives the file its name once it is whole and on the disk.
fn write_file(file: &Path, parts: Parts, origin: &Origin, watch: &Watch) -> anyhow::Result<Totals> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let cannot = || format!("{} cannot be written", file.display());
    // Only its owner may read it: it holds orders, and hashes of keys.
    let mut partial = NamedTempFile::with_suffix_in(".partial", folder).with_context(cannot)?;
    let totals = write_to(&mut partial, parts, origin, watch)?;
    partial.as_file().sync_all().with_context(cannot)?;
    partial
        .persist_noclobber(file)
        .map_err(|failed| failed.error)
        .with_context(cannot)?;
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(cannot)?;
    Ok(totals)
}

fn told(context: &Context, file: &Path, to_output: bool, totals: &Totals) -> anyhow::Result<()> {
    let rows: u64 = totals.values().map(|tally| tally.rows).sum();
    let result = json!({ "file": file.display().to_string(), "rows": rows, "tables": totals });
    let orders = totals.get("orders").map_or(0, |tally| tally.rows);
    let text = format!("a copy of one moment was made: {rows} rows, {orders} orders");
    if to_output {
        // Standard output is the copy.
        match context.output {
            Output::Json => note(&result.to_string()),
            Output::Human => note(&text),
        }
        return Ok(());
    }
    context
        .output
        .show(&result, |_| format!("{}: {text}", file.display()))
}
