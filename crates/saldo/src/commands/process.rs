//! `saldo process FILE…`

mod forms;

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::commands::{Context, account_id};
use crate::door::{Door, Question, Refused};
use crate::exit::{End, Usage};
use crate::output::{Output, cell, is_watched, line, list_at, listing};
use forms::Entry;

/// Orders sent together, and the most bytes of them: well below the server's limit of 4 MiB.
const ORDERS_TOGETHER_MAX: usize = 200;
const BYTES_TOGETHER_MAX: usize = 1024 * 1024;
/// Orders from which on progress is shown, and only those are listed that need a look.
const MANY_ORDERS: usize = 50;

/// Take in checkout forms from files or standard input: JSON (one or an array of them) or NDJSON.
///
/// Each is a checkout form as Allegro gives it, with --account, or {"token_id": …, "order": …}. The same order
/// again changes nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo process orders.ndjson --account TOKEN_ID\n  cat forms.json | saldo process -"
)]
pub(crate) struct Arguments {
    /// Files; standard input when none is given, and for -.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The account of forms that do not name one.
    #[arg(long, value_name = "TOKEN_ID", value_parser = account_id)]
    account: Option<uuid::Uuid>,
    /// The warehouse to take the stock from; the default warehouse otherwise.
    #[arg(long)]
    warehouse: Option<String>,
    /// Your word to deduct orders that were given back, settled, or left to the old way; cancelled ones stay cancelled.
    #[arg(long)]
    force: bool,
}

/// Takes them in; exit code 1 when one of them could not be.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let mut entries = Vec::new();
    for (name, text) in texts(&arguments.files)? {
        entries.extend(forms::entries(
            &name,
            &text,
            arguments.account,
            arguments.warehouse.as_deref(),
        ));
    }
    if entries.is_empty() {
        return Err(Usage("there is no order in the input".to_owned()).into());
    }
    if arguments.force {
        entries.iter_mut().for_each(Entry::force);
    }
    let door = Door::open_or_make_to_deliver(context).await?;
    let progress = progress(entries.len());
    let mut results = Vec::new();
    if entries.len() < MANY_ORDERS {
        for entry in &entries {
            results.push(send_one(&door, entry).await?);
        }
    } else {
        for batch in batches(&entries) {
            results.extend(send(&door, batch).await?);
            progress.set_position(results.len() as u64);
        }
        progress.set_message("delivering");
        door.deliver().await?;
    }
    progress.finish_and_clear();
    door.close().await?;
    show(&entries, &results, context.output)?;
    Ok(End::well_if(results.iter().all(|result| !has_failed(result))))
}

/// The input by name.
fn texts(files: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let from_input = || -> anyhow::Result<(String, String)> {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("standard input cannot be read as text")?;
        Ok(("standard input".to_owned(), text))
    };
    if files.is_empty() {
        return Ok(vec![from_input()?]);
    }
    files
        .iter()
        .map(|file| {
            if file.as_os_str() == "-" {
                return from_input();
            }
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            Ok((file.display().to_string(), text))
        })
        .collect()
}

fn progress(count: usize) -> ProgressBar {
    if count < MANY_ORDERS || !is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count as u64);
    match ProgressStyle::with_template("{bar:40} {pos}/{len} orders, {per_sec}, {eta} left {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Neighbours that are sent together.
fn batches(entries: &[Entry]) -> Vec<&[Entry]> {
    let mut batches = Vec::new();
    let mut begin = 0;
    let mut bytes = 0;
    for (index, entry) in entries.iter().enumerate() {
        let size = entry.line.as_ref().map_or(0, String::len);
        if index > begin && (index - begin >= ORDERS_TOGETHER_MAX || bytes + size > BYTES_TOGETHER_MAX) {
            batches.push(&entries[begin..index]);
            (begin, bytes) = (index, 0);
        }
        bytes += size;
    }
    batches.push(&entries[begin..]);
    batches
}

/// The result of one order, after its immediate delivery.
async fn send_one(door: &Door, entry: &Entry) -> anyhow::Result<Value> {
    let line = match &entry.line {
        Ok(line) => line,
        Err(problem) => return Ok(refused(problem)),
    };
    let body: Value = serde_json::from_str(line)?;
    match door.ask(Question::post("/api/v1/stock-sync/orders", &body)).await {
        Ok(result) => Ok(result),
        Err(error) => match error.downcast_ref::<Refused>() {
            // What concerns every order, such as a wrong key, is no result of this one.
            Some(refused) if matches!(refused.status, 400 | 404 | 409 | 413 | 422) => {
                Ok(refused.problem.clone())
            }
            _ => Err(error),
        },
    }
}

fn refused(problem: &str) -> Value {
    json!({ "success": false, "status": "refused", "error": problem })
}

/// One result for each entry, in order; what could not be read is not sent.
async fn send(door: &Door, batch: &[Entry]) -> anyhow::Result<Vec<Value>> {
    let lines: Vec<&str> = batch
        .iter()
        .filter_map(|entry| entry.line.as_deref().ok())
        .collect();
    let mut answers = Vec::new();
    if !lines.is_empty() {
        let mut body = lines.join("\n");
        body.push('\n');
        let text = door
            .ask_for_text(Question::post_lines("/api/v1/stock-sync/orders/batch", body))
            .await?;
        for answer in text.lines().filter(|line| !line.trim().is_empty()) {
            let mut answer: Value =
                serde_json::from_str(answer).context("a line of the answer is not JSON")?;
            let part = if answer.get("result").is_some() {
                "result"
            } else {
                "problem"
            };
            answers.push(answer[part].take());
        }
        anyhow::ensure!(
            answers.len() == lines.len(),
            "{} orders were sent and {} answers came; send them again: a repeat is harmless",
            lines.len(),
            answers.len()
        );
    }
    let mut answers = answers.into_iter();
    let result = |entry: &Entry| match &entry.line {
        Ok(_) => answers.next().unwrap_or(Value::Null),
        Err(problem) => refused(problem),
    };
    Ok(batch.iter().map(result).collect())
}

/// A result is a refusal, or says that the order has failed.
fn has_failed(result: &Value) -> bool {
    !matches!(
        word(result).as_str(),
        "completed" | "pending" | "skipped" | "merged" | "rolled_back"
    )
}

/// How an order stands, in a word. A refused one answers with a problem, whose status is a number.
fn word(result: &Value) -> String {
    result
        .get("status")
        .and_then(Value::as_str)
        .map_or_else(|| "refused".to_owned(), str::to_owned)
}

fn show(entries: &[Entry], results: &[Value], output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        for result in results {
            line(&result.to_string())?;
        }
        return Ok(());
    }
    let all = entries.len() < MANY_ORDERS;
    let shown = |result: &Value| all || needs_a_look(result);
    let (rows, reasons): (Vec<Vec<String>>, Vec<Vec<String>>) = entries
        .iter()
        .zip(results)
        .filter(|(_, result)| shown(result))
        .map(|(entry, result)| {
            let again = result.get("duplicate").and_then(Value::as_bool) == Some(true);
            let known = if again { " (known)" } else { "" };
            let row = vec![
                entry.name.clone(),
                format!("{}{known}", word(result)),
                cell(result, "/operation/waiting_for"),
            ];
            (row, reasons(result))
        })
        .unzip();
    if !rows.is_empty() {
        line(&listing(&["ORDER", "STATUS", "WAITS FOR"], &rows, &reasons, ""))?;
    }
    let mut counts = std::collections::BTreeMap::new();
    for result in results {
        *counts.entry(word(result)).or_insert(0) += 1;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let orders = if results.len() == 1 { "order" } else { "orders" };
    line(&format!("{} {orders}: {}", results.len(), counts.join(", ")))
}

/// Whether an order is worth a line among many: one that is done, or goes to the orders service by itself, is not.
fn needs_a_look(result: &Value) -> bool {
    match word(result).as_str() {
        "completed" | "skipped" | "merged" => false,
        "pending" => cell(result, "/operation/waiting_for") != "delivery",
        _ => true,
    }
}

/// What is in the way of an order: everything that is wrong with it, where it was refused.
fn reasons(result: &Value) -> Vec<String> {
    let errors = list_at(result, "/errors");
    if errors.is_empty() {
        let texts = ["/error", "/detail"].map(|path| cell(result, path));
        return texts.into_iter().find(|text| text != "-").into_iter().collect();
    }
    errors
        .iter()
        .map(|error| format!("{}: {}", cell(error, "/pointer"), cell(error, "/message")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize) -> Entry {
        Entry {
            name: "o".to_owned(),
            line: Ok("x".repeat(bytes)),
        }
    }

    #[test]
    fn batches_hold_every_order_once_and_keep_to_their_bounds() {
        let entries: Vec<Entry> = (0..250).map(|_| entry(10)).collect();
        let sizes: Vec<usize> = batches(&entries).iter().map(|batch| batch.len()).collect();
        assert_eq!(sizes, [200, 50]);
        let entries = [entry(BYTES_TOGETHER_MAX), entry(BYTES_TOGETHER_MAX), entry(1)];
        assert_eq!(batches(&entries).len(), 3);
    }

    #[test]
    fn among_many_orders_those_that_go_on_by_themselves_are_not_listed() {
        let waits = |what: &str| json!({ "status": "pending", "operation": { "waiting_for": what } });
        assert!(!needs_a_look(&waits("delivery")) && needs_a_look(&waits("stock")));
        assert!(!needs_a_look(&json!({ "status": "completed" })));
        assert!(needs_a_look(&json!({ "status": "failed" })) && needs_a_look(&json!({ "status": 422 })));
    }

    #[test]
    fn a_refused_order_tells_all_that_is_wrong_with_it() {
        let error = |pointer: &str| json!({ "pointer": pointer, "message": "is required" });
        let result = json!({ "status": 422, "detail": "2 things", "errors": [error("/a"), error("/b")] });
        assert_eq!(reasons(&result), ["/a: is required", "/b: is required"]);
        assert_eq!(reasons(&json!({ "error": "too little" })), ["too little"]);
        assert!(reasons(&json!({ "error": null })).is_empty());
    }

    #[test]
    fn a_refusal_fails_and_waiting_does_not() {
        assert!(has_failed(&json!({ "status": 422, "detail": "x" })));
        assert!(has_failed(&json!({ "status": "failed" })));
        assert!(!has_failed(&json!({ "status": "pending" })));
    }
}
