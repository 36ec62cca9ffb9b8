//! `saldo reviews`

use clap::{Args, ValueEnum};
use saldo_domain::decide::applies;
use saldo_domain::review::{Resolution, ReviewReason};
use serde_json::Value;

use crate::commands::Context;
use crate::door::{Door, Question};
use crate::exit::End;
use crate::output::{cell, items, list_at, listing, rows};

/// Which reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    /// Those that wait for an answer.
    Open,
    /// Those that were answered, or whose cause is gone.
    Resolved,
    /// Both.
    All,
}

/// List the questions that wait for a person.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo reviews\n  saldo reviews --reason insufficient_stock")]
pub(crate) struct Arguments {
    /// Which ones.
    #[arg(long, value_enum, default_value = "open")]
    status: Status,
    /// Of one reason, such as insufficient_stock.
    #[arg(long)]
    reason: Option<String>,
    /// Of one account.
    #[arg(long, value_name = "TOKEN_ID")]
    account: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Lists them.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let door = Door::open(context).await?;
    let status = match arguments.status {
        Status::Open => Some("open"),
        Status::Resolved => Some("resolved"),
        Status::All => None,
    };
    let question = Question::get("/api/v1/stock-sync/reviews")
        .with("status", status)
        .with("reason", arguments.reason)
        .with("token_id", arguments.account);
    let list = door.list(question, arguments.limit as usize).await?;
    context.output.show(&list, |list| {
        let headings = ["REVIEW", "REASON", "OPENED (UTC)"];
        let paths = ["/id", "/reason", "/opened_at"];
        let below: Vec<Vec<String>> = items(list).iter().map(below).collect();
        listing(&headings, &rows(items(list), &paths), &below, "No reviews.")
    })?;
    door.close().await?;
    Ok(End::Well)
}

/// Which answers fit a review of a reason.
fn answers(reason: &str) -> Option<String> {
    let reason = ReviewReason::ALL
        .into_iter()
        .find(|known| known.as_str() == reason)?;
    let fitting: Vec<&str> = Resolution::ALL
        .into_iter()
        .filter(|resolution| applies(reason, *resolution))
        .map(Resolution::as_str)
        .collect();
    Some(format!("answers that fit: {}", fitting.join(", ")))
}

/// What stands below the row of a review: what it is about, and how it was answered.
fn below(review: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if !review["order_id"].is_null() {
        lines.push(format!("order {}", cell(review, "/order_id")));
    }
    for line in list_at(review, "/details/lines") {
        let of = |name: &str| cell(line, &format!("/{name}"));
        if line.get("required").is_some() {
            let (sku, warehouse) = (of("sku"), of("warehouse"));
            let (required, available) = (of("required"), of("available"));
            lines.push(format!(
                "{sku} in {warehouse}: {required} needed, {available} there"
            ));
        } else if line.get("offer_id").is_some() {
            lines.push(format!("offer {}, quantity {}", of("offer_id"), of("quantity")));
        }
    }
    lines.extend(why(review));
    if review["status"] == "open" {
        lines.extend(answers(&cell(review, "/reason")));
    } else {
        let answer = cell(review, "/resolution");
        let (by, at) = (cell(review, "/resolved_by"), cell(review, "/resolved_at"));
        lines.push(match answer.as_str() {
            "-" => format!("closed by itself at {at}: its cause is gone"),
            answer => format!("answered with {answer} by {by} at {at}"),
        });
    }
    lines.extend(Some(cell(review, "/note")).filter(|note| note != "-"));
    lines
}

/// What a person must know to answer, besides the lines that are lacking.
fn why(review: &Value) -> Vec<String> {
    let of = |name: &str| Some(cell(review, &format!("/details/{name}"))).filter(|text| text != "-");
    let mut lines = Vec::new();
    lines.extend(of("error"));
    if let (Some(order), Some(account)) = (of("other_order"), of("other_account")) {
        lines.push(format!(
            "a line of it is held by order {order} of account {account}"
        ));
    }
    lines.extend(of("taken").map(|taken| format!("units taken: {taken}")));
    let copy = list_at(review, "/details/copy/lines").iter().map(|line| {
        let of = |name: &str| cell(line, &format!("/{name}"));
        let what = match line["external"].as_str() {
            Some(_) => of("external"),
            None => format!("offer {}", of("offer")),
        };
        format!("{} of {what}", of("quantity"))
    });
    let copy: Vec<String> = copy.collect();
    if !copy.is_empty() {
        lines.push(format!("the copy asks for {}", copy.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_review_tells_what_must_be_known_to_answer_it() {
        let mut review = json!({
            "status": "open", "reason": "malformed", "order_id": "o",
            "details": { "error": "/lineItems/0/quantity: must be a whole number" },
        });
        assert_eq!(below(&review)[1], "/lineItems/0/quantity: must be a whole number");
        review["details"] = json!({ "other_account": "a", "other_order": "p" });
        assert_eq!(below(&review)[1], "a line of it is held by order p of account a");
        review["details"] = json!({ "taken": 2, "copy": { "lines": [
            { "external": "MUG", "offer": "1", "quantity": 3 }, { "external": null, "offer": "2", "quantity": 1 },
        ] } });
        assert_eq!(
            below(&review)[1..3],
            ["units taken: 2", "the copy asks for 3 of MUG, 1 of offer 2"]
        );
    }

    #[test]
    fn a_review_tells_what_it_is_about_and_how_it_ended() {
        let line = json!({ "sku": "MUG", "warehouse": "Shop", "required": 3, "available": 1, "short": 2 });
        let mut review = json!({
            "status": "open", "reason": "remote_only", "order_id": "o", "details": { "lines": [line] },
        });
        let told = [
            "order o",
            "MUG in Shop: 3 needed, 1 there",
            "answers that fit: accept, force, cancel",
        ];
        assert_eq!(below(&review), told);
        review["status"] = json!("resolved");
        review["resolved_at"] = json!("2026-01-31T09:30:00Z");
        assert!(below(&review)[2].starts_with("closed by itself at 2026-01-31"));
        review["resolution"] = json!("accept");
        review["resolved_by"] = json!("anna");
        review["note"] = json!("counted");
        assert_eq!(
            below(&review)[2..],
            ["answered with accept by anna at 2026-01-31 09:30:00", "counted"]
        );
    }
}
