//! `saldo mode`

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::commands::{Context, account_id};
use crate::door::{Door, Question};
use crate::exit::End;
use crate::output::{cell, facts, items, list_at, listing, rows};

const PATH: &str = "/api/v1/stock-sync/mode";

/// Show how far Saldo is switched on, and switch it.
///
/// off: nothing new is deducted. shadow: what would be done is recorded and compared; nothing is changed or sent.
/// partial: some accounts, or a share of the orders, are on; the others are in shadow. on: everything is on. What was
/// taken in before is finished in every mode. docs/rollout.md walks through it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo mode\n  saldo mode set shadow\n  saldo mode report --days 7\n  \
                  saldo mode set partial --percent 10"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the mode in force.
    #[command(after_help = "Example:\n  saldo mode show --json")]
    Show,
    /// Switch the mode, from the next order on.
    #[command(
        after_help = "Example:\n  saldo mode set shadow\n  saldo mode set partial --account TOKEN_ID --percent 10\n  \
                      saldo mode set on"
    )]
    Set(Set),
    /// List every mode that was ever set.
    #[command(after_help = "Example:\n  saldo mode history")]
    History {
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Show what Saldo in shadow would have done otherwise than the old way.
    #[command(after_help = "Example:\n  saldo mode report --days 7\n  saldo mode report --verdict undecided")]
    Report(Report),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Off,
    Shadow,
    Partial,
    On,
}

#[derive(Debug, Args)]
struct Set {
    /// The mode.
    mode: Mode,
    /// For partial: an account that is on; say it again for another.
    #[arg(long = "account", value_name = "TOKEN_ID", value_parser = account_id)]
    accounts: Vec<uuid::Uuid>,
    /// For partial: the share of the other accounts' orders that is on. The same orders stay on while it grows.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    percent: Option<u8>,
    /// Your word that the stock is right, where it was not counted or imported since the last switch.
    #[arg(long)]
    stock_is_right: bool,
}

#[derive(Debug, Args)]
struct Report {
    /// Orders first heard of in so many days before now.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3_660))]
    days: u32,
    /// Of one account.
    #[arg(long, value_name = "TOKEN_ID", value_parser = account_id)]
    account: Option<uuid::Uuid>,
    /// Which orders to list.
    #[arg(long, value_enum, default_value = "differs")]
    verdict: Verdict,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verdict {
    /// Saldo would have acted otherwise.
    Differs,
    /// Saldo would have acted as the old way.
    Same,
    /// It is too early to tell.
    Undecided,
}

/// Shows or switches.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let action = arguments.action.unwrap_or(Action::Show);
    let door = match action {
        Action::Set(_) => Door::open_or_make(context).await?,
        _ => Door::open(context).await?,
    };
    let shown = match action {
        Action::Show => {
            let mode = door.ask(Question::get(PATH)).await?;
            context.output.show(&mode, human)
        }
        Action::Set(set) => {
            let mode = door.ask(Question::put(PATH, &body(&set))).await?;
            context.output.show(&mode, human)
        }
        Action::History { limit } => {
            let list = door
                .list(Question::get(format!("{PATH}/history")), limit as usize)
                .await?;
            context.output.show(&list, |list| {
                let headings = ["SINCE (UTC)", "MODE", "PERCENT", "BY"];
                let paths = ["/changed_at", "/mode", "/percent", "/changed_by"];
                let below: Vec<Vec<String>> = items(list).iter().map(accounts_on).collect();
                let rows = rows(items(list), &paths);
                listing(&headings, &rows, &below, "The mode was never set.")
            })
        }
        Action::Report(report) => {
            let question = Question::get("/api/v1/stock-sync/shadow")
                .with("days", Some(report.days))
                .with("token_id", report.account)
                .with("verdict", Some(word(report.verdict)))
                .with("limit", Some(report.limit));
            let told = door.ask(question).await?;
            context.output.show(&told, human_report)
        }
    };
    shown?;
    door.close().await?;
    Ok(End::Well)
}

fn body(set: &Set) -> Value {
    json!({
        "mode": word(set.mode),
        "accounts": set.accounts,
        "percent": set.percent,
        "stock_is_right": set.stock_is_right,
    })
}

/// The word for a value on the command line, which is that of the API.
fn word(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

fn human(mode: &Value) -> String {
    let of = |name: &str| cell(mode, &format!("/{name}"));
    let mut told = vec![("mode", of("mode"))];
    if mode["mode"] == "partial" {
        let accounts: Vec<&str> = list_at(mode, "/accounts")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        if !accounts.is_empty() {
            told.push(("accounts on", accounts.join(" ")));
        }
        told.push(("of the others", format!("{} % of the orders", of("percent"))));
    }
    told.push(("begins with orders of", of("start_from")));
    told.push(("set", format!("{} by {}", of("changed_at"), of("changed_by"))));
    facts(&told)
}

/// What stands below a switch: the accounts that it was for.
fn accounts_on(mode: &Value) -> Vec<String> {
    let accounts = list_at(mode, "/accounts").iter().filter_map(Value::as_str);
    accounts.map(|account| format!("account {account}")).collect()
}

fn human_report(report: &Value) -> String {
    let orders = items(report);
    let mut text = format!("{}\n", cell(report, "/summary"));
    if orders.is_empty() {
        return text;
    }
    let headings = ["ORDER", "SALDO WOULD", "FLAG THERE", "SEEN (UTC)"];
    let paths = ["/order_id", "/would", "/remote_flag", "/seen_at"];
    let notes: Vec<Vec<String>> = orders.iter().map(below).collect();
    text.push('\n');
    text.push_str(&listing(&headings, &rows(orders, &paths), &notes, ""));
    if !report["next_cursor"].is_null() {
        text.push_str("\nThere are more; --limit shows them.\n");
    }
    text
}

/// What stands below an order in shadow: what it would have taken, or why not.
fn below(order: &Value) -> Vec<String> {
    let mut lines: Vec<String> = list_at(order, "/details/lines")
        .iter()
        .map(|line| {
            let of = |name: &str| cell(line, &format!("/{name}"));
            format!("{} of {} from {}", of("quantity"), of("sku"), of("warehouse"))
        })
        .collect();
    lines.extend(Some(cell(order, "/details/why")).filter(|why| why != "-"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_ends_with_the_orders_that_differ() {
        let order = json!({
            "order_id": "o", "would": "deduct", "remote_flag": false, "seen_at": "2026-07-14T12:00:00Z",
            "details": { "lines": [{ "sku": "MUG", "quantity": 2, "warehouse": "Shop" }] },
        });
        let report = json!({ "summary": "In 7 days …", "items": [order], "next_cursor": null });
        let text = human_report(&report);
        assert!(text.starts_with("In 7 days …\n"), "{text}");
        assert!(
            text.contains("2 of MUG from Shop") && text.contains("deduct"),
            "{text}"
        );
    }

    #[test]
    fn a_partial_mode_tells_what_is_on() {
        let mode = json!({
            "mode": "partial", "accounts": ["a", "b"], "percent": 10, "start_from": null,
            "changed_at": "2026-07-14T12:00:00Z", "changed_by": "anna",
        });
        let text = human(&mode);
        assert!(
            text.contains("a b") && text.contains("10 % of the orders"),
            "{text}"
        );
    }
}
