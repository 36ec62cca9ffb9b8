//! `saldo show ID`

mod order;

use clap::Args;
use serde_json::{Value, json};

use crate::commands::Context;
use crate::door::{Door, Question, Refused, segment};
use crate::exit::End;
use crate::output::{cell, facts, items, list_at, listing, rows};

/// How much of a history is shown.
const ROWS_MAX: usize = 500;

/// Show one operation with its history, or one order.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo show 019a8f0e-7c1e-7000-8000-000000000001\n  \
                        saldo show 29738e61-7f6a-11f1-ac45-09db60ede9d6 --account TOKEN_ID"
)]
pub(crate) struct Arguments {
    /// An operation's id, or an order's.
    id: String,
    /// The account of the order: then everything known of it is shown.
    #[arg(long, value_name = "TOKEN_ID")]
    account: Option<String>,
}

/// Shows it.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let door = Door::open(context).await?;
    if let Some(account) = &arguments.account {
        let path = format!(
            "/api/v1/stock-sync/orders/{}/{}",
            segment(account),
            segment(&arguments.id)
        );
        let order = door.ask(Question::get(path)).await?;
        context.output.show(&order, order::human)?;
        door.close().await?;
        return Ok(End::Well);
    }
    let found = match operation(&door, &arguments.id).await? {
        Some(operation) => {
            context.output.show(&operation, human)?;
            End::Well
        }
        None => of_order(&door, &arguments.id, context).await?,
    };
    door.close().await?;
    Ok(found)
}

/// An operation with its log; none when the id is no operation's.
async fn operation(door: &Door, id: &str) -> anyhow::Result<Option<Value>> {
    let path = format!("/api/v1/stock-sync/operations/{}", segment(id));
    let operation = match door.ask(Question::get(&path)).await {
        Ok(operation) => operation,
        Err(error) => {
            let status = error.downcast_ref::<Refused>().map(|refused| refused.status);
            return if matches!(status, Some(400 | 404 | 422)) {
                Ok(None)
            } else {
                Err(error)
            };
        }
    };
    let log = door.list(Question::get(format!("{path}/log")), ROWS_MAX).await?;
    Ok(Some(json!({ "operation": operation, "log": items(&log) })))
}

async fn of_order(door: &Door, id: &str, context: &Context) -> anyhow::Result<End> {
    let question = Question::get("/api/v1/stock-sync/operations").with("order_id", Some(id));
    let list = door.list(question, ROWS_MAX).await?;
    if items(&list).is_empty() {
        anyhow::bail!("no operation and no order is known under {id}");
    }
    context
        .output
        .show(&list, |list| order::operations(items(list)))?;
    Ok(End::Well)
}

fn human(shown: &Value) -> String {
    let operation = &shown["operation"];
    let of = |name: &str| cell(operation, &format!("/{name}"));
    let mut text = facts(&[
        ("operation", of("id")),
        ("type", of("operation_type")),
        ("status", of("status")),
        ("order", of("order_id")),
        ("account", of("token_id")),
        ("waits for", of("waiting_for")),
        (
            "retries",
            format!("{} of {}", of("retry_count"), of("max_retries")),
        ),
        ("next try", of("next_retry_at")),
        ("error", of("error_message")),
        ("review", of("review_id")),
        ("created", of("created_at")),
        ("stock moved", of("stock_applied_at")),
        ("completed", of("completed_at")),
    ]);
    text.push('\n');
    let lines = list_at(operation, "/lines");
    let line_ids: Vec<Vec<String>> = lines
        .iter()
        .map(|line| vec![format!("line {}", cell(line, "/line_item_id"))])
        .collect();
    let paths = ["/sku", "/quantity", "/warehouse", "/offer_id"];
    text.push_str(&listing(
        &["SKU", "QUANTITY", "WAREHOUSE", "OFFER"],
        &rows(lines, &paths),
        &line_ids,
        "No lines.\n",
    ));
    text.push('\n');
    let log = list_at(shown, "/log");
    let facts: Vec<Vec<String>> = log.iter().map(details).collect();
    let paths = ["/timestamp", "/action", "/status", "/execution_time_ms"];
    text.push_str(&listing(
        &["WHEN (UTC)", "WHAT", "STATUS", "MS"],
        &rows(log, &paths),
        &facts,
        "No history.\n",
    ));
    text
}

/// What a log entry says besides, in one line; nothing when that is nothing.
fn details(entry: &Value) -> Vec<String> {
    let Some(details) = entry.get("details").and_then(Value::as_object) else {
        return Vec::new();
    };
    let told: Vec<String> = details
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, _)| {
            format!(
                "{}: {}",
                name.replace('_', " "),
                cell(entry, &format!("/details/{name}"))
            )
        })
        .collect();
    if told.is_empty() {
        return Vec::new();
    }
    vec![told.join(", ")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_entry_tells_what_it_holds() {
        let entry = json!({ "details": { "flag": true, "error": null, "waiting_for": "delivery" } });
        assert_eq!(details(&entry), ["flag: yes, waiting for: delivery"]);
        assert!(details(&json!({ "details": {} })).is_empty());
    }
}
