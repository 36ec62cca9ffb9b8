//! `saldo import`

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use saldo_store::copy::file::read;
use saldo_store::copy::{Comparison, Progress, Tally, parts};
use serde_json::{Value, json};

use crate::commands::Context;
use crate::copying::{STANDARD, copying, make_folder, watch};
use crate::exit::End;
use crate::output::{note, table};

/// Take a copy that `saldo export` made into an empty database, of either kind.
///
/// All of it is stored, or nothing: only when every row was read back as it was sent, and every invariant holds. The
/// comparison of both sides is printed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    SALDO_DATABASE=postgresql://saldo@db.example/saldo saldo import /backup/saldo.ndjson")]
pub(crate) struct Arguments {
    /// The copy; - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Takes it in.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let config = context.load()?.config;
    let (database, _) = copying(&config.database)?;
    let (sender, received) = parts();
    let file = arguments.file.clone();
    // Opened first: a name that is misspelt makes no database.
    let mut input = tokio::task::spawn_blocking(move || open(&file)).await??;
    make_folder(&config.database)?;
    let reading = tokio::task::spawn_blocking(move || read(&mut input, &sender));
    let watch = watch(context.output);
    let loaded = database.load(received, watch.clone()).await;
    watch(Progress::Ended);
    let comparison = loaded.with_context(|| format!("nothing was stored in {}", config.database))?;
    reading.await.context("the copy could not be read")?;
    context
        .output
        .show(&shown(&arguments.file, &comparison), |_| rows(&comparison))?;
    if comparison.holds() {
        return Ok(End::Well);
    }
    for violation in comparison.violations.iter().take(10) {
        note(&format!(
            "invariant {}: {}",
            violation.invariant, violation.detail
        ));
    }
    note("nothing was stored: the sides differ, or an invariant is broken; run `saldo doctor` on the source");
    Ok(End::Failed)
}

fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead + Send>> {
    if file == Path::new(STANDARD) {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let opened = std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(Box::new(BufReader::with_capacity(256 * 1024, opened)))
}

fn shown(file: &Path, comparison: &Comparison) -> Value {
    let tables: Vec<Value> = comparison
        .tables
        .iter()
        .map(|table| {
            let same = table.source == table.target;
            json!({ "table": table.table, "source": table.source, "target": table.target, "same": same })
        })
        .collect();
    let violations: Vec<Value> = comparison
        .violations
        .iter()
        .map(|violation| json!({ "invariant": violation.invariant, "detail": violation.detail }))
        .collect();
    json!({
        "file": file.display().to_string(),
        "stored": comparison.holds(),
        "tables": tables,
        "violations": violations,
    })
}

fn rows(comparison: &Comparison) -> String {
    let headings = ["TABLE", "SOURCE", "TARGET", "SUM OR STATES", "SAME"];
    let rows: Vec<Vec<String>> = comparison
        .tables
        .iter()
        .map(|table| {
            let (from, to) = (detail(&table.source), detail(&table.target));
            let same = if table.source == table.target { "yes" } else { "NO" };
            vec![
                table.table.to_owned(),
                table.source.rows.to_string(),
                table.target.rows.to_string(),
                if from == to {
                    from
                } else {
                    format!("{from} / {to}")
                },
                same.to_owned(),
            ]
        })
        .collect();
    let mut text = table(&headings, &rows, "");
    if comparison.holds() {
        text.push_str("both sides agree, row by row, and every invariant holds\n");
    }
    text
}

/// The sum, or the counts of each state.
fn detail(tally: &Tally) -> String {
    if let Some(sum) = tally.sum {
        return sum.to_string();
    }
    let states: Vec<String> = tally
        .by
        .iter()
        .map(|(state, count)| format!("{state} {count}"))
        .collect();
    states.join(", ")
}
