//! `saldo reconcile`

use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use saldo_domain::text::one_line;
use serde_json::{Value, json};

use crate::commands::discrepancies::{HEADINGS, PATHS, below};
use crate::commands::{Context, account_id};
use crate::door::{Door, Question};
use crate::exit::End;
use crate::output::{cell, counted, facts, is_watched, list_at, listing, rows, wrapped};

/// How often a person is shown how far it has come.
const LOOK: Duration = Duration::from_millis(500);
/// Characters at the most of what a run tells besides its differences.
const TOLD_CHARACTERS: usize = 4_000;

/// Compare the ledger with the orders service, order by order, and put right what is safe to put right.
///
/// Without bounds every order of every account is compared. While another run goes on, this one waits for it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo reconcile\n  saldo reconcile --report-only --from 2026-07-01T00:00:00Z"
)]
pub(crate) struct Arguments {
    /// Only this account.
    #[arg(long, value_name = "TOKEN_ID", value_parser = account_id)]
    account: Option<uuid::Uuid>,
    /// Only orders bought at or after this moment.
    #[arg(long, value_name = "MOMENT")]
    from: Option<Timestamp>,
    /// Only orders bought at or before this moment.
    #[arg(long, value_name = "MOMENT")]
    to: Option<Timestamp>,
    /// At most so many orders of an account, the newest first.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    limit: Option<u64>,
    /// Only from where the last pass ended, with overlap, as the scheduled task does.
    #[arg(long, conflicts_with_all = ["from", "to", "limit"])]
    since_last: bool,
    /// Put right what is safe to put right, whatever the configuration says.
    #[arg(long, conflicts_with = "report_only")]
    fix: bool,
    /// Report differences and change nothing, whatever the configuration says.
    #[arg(long)]
    report_only: bool,
}

impl Arguments {
    fn body(&self) -> Value {
        json!({
            "token_id": self.account,
            "from": self.from,
            "to": self.to,
            "limit": self.limit,
            "since_watermark": self.since_last,
            "auto_fix": match (self.fix, self.report_only) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            },
        })
    }
}

/// Compares; exit code 1 when something could not be looked at.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let door = Door::open_to_deliver(context).await?;
    let question = Question::post("/api/v1/stock-sync/reconcile", &arguments.body()).taking_its_time();
    let result = watched(&door, question).await?;
    // What was put right owes its flags.
    door.deliver().await?;
    door.close().await?;
    context.output.show(&result, human)?;
    Ok(End::well_if(cell(&result, "/outcome") == "completed"))
}

/// Asks, and shows a person how far it has come.
async fn watched(door: &Door, question: Question) -> anyhow::Result<Value> {
    if !is_watched() {
        return door.ask(question).await;
    }
    let bar = bar();
    let answer = door.ask(question);
    tokio::pin!(answer);
    let answer = loop {
        tokio::select! {
            answer = &mut answer => break answer,
            () = tokio::time::sleep(LOOK) => {}
        }
        // How far it has come is nice to know: what fails here fails nothing.
        let newest = Question::get("/api/v1/stock-sync/reconciliations").with("limit", Some(1));
        if let Ok(runs) = door.ask(newest).await {
            show_progress(&bar, runs.pointer("/items/0").unwrap_or(&Value::Null));
        }
    };
    bar.finish_and_clear();
    answer
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template("{bar:40} {pos}/{len} orders, {eta} left {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn show_progress(bar: &ProgressBar, run: &Value) {
    if run["outcome"] != "running" {
        return;
    }
    bar.set_length(run["total_expected"].as_u64().unwrap_or(0));
    bar.set_position(run["total_checked"].as_u64().unwrap_or(0));
    bar.set_message(counted(
        cell(run, "/discrepancies_found"),
        "difference",
        "differences",
    ));
}

fn human(result: &Value) -> String {
    let of = |name: &str| cell(result, &format!("/{name}"));
    let seconds = result["duration_ms"].as_f64().unwrap_or(0.0) / 1_000.0;
    let mut text = facts(&[
        (
            "compared",
            format!(
                "{} in {seconds:.1} s",
                counted(of("total_checked"), "order", "orders")
            ),
        ),
        ("calls", of("calls")),
        ("differences", of("discrepancies_found")),
        ("put right", of("auto_fixed")),
        ("for a person", of("requires_manual_review")),
    ]);
    let found = list_at(result, "/discrepancies");
    if !found.is_empty() {
        let notes: Vec<Vec<String>> = found.iter().map(below).collect();
        text.push('\n');
        text.push_str(&listing(&HEADINGS, &rows(found, &PATHS), &notes, ""));
    }
    let told = told(result);
    if let Some(told) = &told {
        let heading = if result["outcome"] == "completed" {
            "Worth knowing"
        } else {
            "Not everything could be looked at"
        };
        text.push_str(&format!("\n{}\n", wrapped(&format!("{heading}: {told}"), 0)));
    }
    if told.is_none() && found.is_empty() {
        text.push_str("\nBoth sides agree.\n");
    }
    text
}

/// What a run tells people besides what it found: what it could not look at, and lists that did not look right.
fn told(result: &Value) -> Option<String> {
    let error = result["error"].as_str()?;
    // Each account may have its say.
    Some(one_line(error, TOLD_CHARACTERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_told_with_what_differs() {
        let mut result = json!({
            "total_checked": 4315, "calls": 47, "discrepancies_found": 0, "auto_fixed": 0,
            "requires_manual_review": 0, "duration_ms": 1234, "outcome": "completed", "error": null,
            "discrepancies": [],
        });
        let text = human(&result);
        assert!(
            text.contains("4315 orders in 1.2 s") && text.contains("Both sides agree."),
            "{text}"
        );
        result["outcome"] = json!("failed");
        result["error"] = json!("account shop: its list could not be read");
        result["discrepancies"] = json!([{
            "kind": "not_delivered", "order_id": "o", "resolution": "auto_fixed",
            "local": "deducted", "remote": "flag false",
        }]);
        let text = human(&result);
        assert!(text.contains("here: deducted; there: flag false"), "{text}");
        assert!(
            text.contains("its list could not be read") && !text.contains("agree"),
            "{text}"
        );
        // A list that lies is looked at to its end, and still nobody may believe that all is well.
        result["outcome"] = json!("completed");
        result["error"] = json!("account shop: its list did not look right; nothing was done on its word");
        result["discrepancies"] = json!([]);
        let text = human(&result);
        assert!(
            text.contains("its list did not look right") && !text.contains("agree"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        // Nor is the last of many accounts left out.
        let each =
            (0..20).map(|number| format!("account {number}: its list could not be read from row 0 on"));
        result["error"] = json!(each.collect::<Vec<_>>().join("; "));
        assert!(
            human(&result).replace('\n', " ").contains("account 19"),
            "{result}"
        );
    }
}
