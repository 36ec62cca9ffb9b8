//! `saldo stock import FILE`

mod columns;
pub(crate) mod delimited;
pub(crate) mod encoding;
pub(crate) mod lines;
pub(crate) mod sheet;
mod workbook;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use saldo_domain::text::Warehouse;
use serde_json::{Value, json};

use crate::commands::Context;
use crate::door::{Door, Question, Refused};
use crate::exit::End;
use crate::output::{Output, cell, counted, is_watched, line, list_at, note, rows, table};
use lines::{Line, Mistake};
use sheet::Hints;

/// Changes that a preview shows; the others are counted.
const CHANGES_SHOWN: usize = 20;
/// Mistakes that are told one by one.
const MISTAKES_TOLD_MAX: usize = 1_000;

/// Bring a stock list over from a CSV file or an XLSX workbook: every balance in it is set to its figure.
///
/// The heading names the columns: sku, quantity (or counted), and warehouse where there are several; Polish and
/// Russian names are known, too. Shows what would change, and asks on a terminal. All of it is booked, or, when
/// anything is wrong, nothing; the same file again changes nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo stock import stock.csv --dry-run\n  saldo stock import stock.xlsx --warehouse Shop --yes"
)]
pub(crate) struct Arguments {
    /// The file; what kind it is, its content says.
    #[arg(value_name = "FILE.csv|FILE.xlsx")]
    file: PathBuf,
    /// The warehouse of rows that do not name one; the default warehouse otherwise.
    #[arg(long, value_parser = |text: &str| Warehouse::parse(text).map_err(|error| error.0))]
    warehouse: Option<Warehouse>,
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// The encoding of a text file, such as windows-1250, where it cannot be told.
    #[arg(long)]
    encoding: Option<String>,
    /// The sheet of a workbook; the first otherwise.
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// Why, for the log; the file's name otherwise.
    #[arg(long)]
    reason: Option<String>,
}

/// Imports it.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let progress = progress(1, "reading the file");
    let hints = Hints {
        encoding: arguments.encoding.clone(),
        sheet: arguments.sheet.clone(),
    };
    let path = arguments.file.clone();
    // A file that upsets a reader must not end the program.
    let sheet = tokio::task::spawn_blocking(move || sheet::read(&path, &hints))
        .await
        .map_err(|_| anyhow::anyhow!("it is damaged"))
        .and_then(|read| read)
        .with_context(|| format!("{} cannot be imported", arguments.file.display()))?;
    let read = lines::read(&sheet, arguments.warehouse.as_ref());
    progress.finish_and_clear();
    if let Some(told) = &sheet.note {
        note(told);
    }
    match read {
        Ok(lines) => import(&arguments, &lines, context).await,
        Err(mistakes) => {
            show_mistakes(&mistakes, context.output)?;
            Ok(End::Failed)
        }
    }
}

async fn import(arguments: &Arguments, lines: &[Line], context: &Context) -> anyhow::Result<End> {
    let reason = arguments.reason.clone().unwrap_or_else(|| {
        let name = arguments.file.file_name().unwrap_or_default().to_string_lossy();
        format!("import of {}", saldo_domain::text::one_line(&name, 200))
    });
    let door = if arguments.dry_run {
        Door::open_to_look(context).await?
    } else {
        Door::open_or_make(context).await?
    };
    let ended = book(&door, lines, &reason, arguments, context.output).await;
    door.close().await?;
    match ended {
        Ok(end) => Ok(end),
        Err(error) => match refused_lines(&error, lines) {
            Some(mistakes) => {
                show_mistakes(&mistakes, context.output)?;
                Ok(End::Failed)
            }
            None => Err(error),
        },
    }
}

/// Compares, asks, and books.
async fn book(
    door: &Door,
    lines: &[Line],
    reason: &str,
    arguments: &Arguments,
    output: Output,
) -> anyhow::Result<End> {
    let comparing = progress(2, "comparing with the balances");
    let preview = send(door, lines, reason, true, comparing).await?;
    let changes = ["/new", "/raised", "/lowered"].map(|path| count(&preview, path));
    let changes: u64 = changes.iter().sum();
    if arguments.dry_run {
        output.show(&preview, told_preview)?;
        return Ok(End::Well);
    }
    if output == Output::Human {
        line(&told_preview(&preview))?;
        if changes > 0 && !arguments.yes && !agreed(&format!("Change {changes} balances?"))? {
            note("Nothing was changed.");
            return Ok(End::Failed);
        }
    }
    // Also where all is the same: that stock was counted is what switching on asks for.
    let done = send(door, lines, reason, false, progress(3, "booking")).await?;
    output.show(&done, |done| {
        let operations = list_at(done, "/operation_ids");
        let ids: Vec<&str> = operations.iter().filter_map(Value::as_str).collect();
        match ids.as_slice() {
            [] => "Done; no stock had to move.".to_owned(),
            [one] => format!("Done, as operation {one}."),
            several => format!(
                "Done, as {} operations; `saldo rollback` undoes each of them:\n  {}",
                several.len(),
                several.join("\n  ")
            ),
        }
    })?;
    Ok(End::Well)
}

/// Sends a stock list, in one piece: it is booked whole or not at all.
pub(crate) async fn send(
    door: &Door,
    lines: &[Line],
    reason: &str,
    dry_run: bool,
    progress: ProgressBar,
) -> anyhow::Result<Value> {
    let mut body = String::with_capacity(lines.len() * 64);
    for line in lines {
        body.push_str(&line.json().to_string());
        body.push('\n');
    }
    let question = Question::post_lines("/api/v1/stock/imports", body)
        .with("dry_run", Some(dry_run))
        .with("reason", Some(reason));
    let answer = door.ask(question).await;
    progress.finish_and_clear();
    answer
}

pub(crate) fn count(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_default()
}

/// What would change, in a few lines.
pub(crate) fn told_preview(preview: &Value) -> String {
    let changes = list_at(preview, "/changes");
    let shown = &changes[..changes.len().min(CHANGES_SHOWN)];
    let mut text = String::new();
    if !shown.is_empty() {
        let headings = ["SKU", "WAREHOUSE", "KNOWN", "COUNTED", ""];
        let paths = ["/sku", "/warehouse", "/known", "/counted", "/difference"];
        text.push_str(&table(&headings, &rows(shown, &paths), ""));
        let more = count(preview, "/new") + count(preview, "/raised") + count(preview, "/lowered");
        if more > shown.len() as u64 {
            text.push_str(&format!("… and {} more changes\n", more - shown.len() as u64));
        }
        text.push('\n');
    }
    let of = |name: &str| cell(preview, &format!("/{name}"));
    text.push_str(&format!(
        "{}: {} new, {} raised, {} lowered, {} the same",
        counted(of("lines"), "line", "lines"),
        of("new"),
        of("raised"),
        of("lowered"),
        of("same")
    ));
    text
}

/// Asks on a terminal. Elsewhere nobody could answer, and whoever runs it there has decided.
pub(crate) fn agreed(question: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(true);
    }
    let mut asked = std::io::stderr();
    write!(asked, "{question} [y/N] ")?;
    asked.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let answer = answer.trim().to_lowercase();
    Ok(["y", "yes", "t", "tak", "д", "да"].contains(&answer.as_str()))
}

/// How far an import is: each of its three steps is one piece of work, and the last one a single transaction.
fn progress(step: u64, message: &'static str) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(3).with_position(step - 1).with_message(message);
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    match ProgressStyle::with_template("{spinner} {bar:24} {pos} of {len} done; {msg} ({elapsed})") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Lines that only the ledger can tell to be wrong, such as those of its default warehouse, by their rows.
fn refused_lines(error: &anyhow::Error, lines: &[Line]) -> Option<Vec<Mistake>> {
    let refused = error.downcast_ref::<Refused>()?;
    let mistakes = list_at(&refused.problem, "/errors").iter().map(|error| {
        let pointer = cell(error, "/pointer");
        let mut parts = pointer.trim_start_matches('/').split('/');
        let line: Option<usize> = parts.next().and_then(|number| number.parse().ok());
        Mistake {
            row: line
                .and_then(|number| lines.get(number.checked_sub(1)?))
                .map(|line| line.row),
            column: parts.next().map(str::to_owned),
            message: cell(error, "/message"),
        }
    });
    let mistakes: Vec<Mistake> = mistakes.collect();
    (!mistakes.is_empty()).then_some(mistakes)
}

fn show_mistakes(mistakes: &[Mistake], output: Output) -> anyhow::Result<()> {
    let told = &mistakes[..mistakes.len().min(MISTAKES_TOLD_MAX)];
    if output == Output::Json {
        let errors: Vec<Value> = told.iter().map(Mistake::json).collect();
        return line(&serde_json::to_string_pretty(
            &json!({ "errors": errors, "errors_in_all": mistakes.len() }),
        )?);
    }
    for mistake in told {
        note(&mistake.to_string());
    }
    if mistakes.len() > told.len() {
        note(&format!("… and {} more", mistakes.len() - told.len()));
    }
    let things = if mistakes.len() == 1 {
        "thing is"
    } else {
        "things are"
    };
    note(&format!(
        "Nothing was imported: {} {things} wrong with the file.",
        mistakes.len()
    ));
    Ok(())
}
