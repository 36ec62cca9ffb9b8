//! How an order is shown to people.

use serde_json::Value;

use crate::output::{cell, facts, list_at, listing, rows};

/// All that is known of an order.
pub(super) fn human(order: &Value) -> String {
    let of = |name: &str| cell(order, &format!("/{name}"));
    let mut text = facts(&[
        ("order", of("order_id")),
        ("account", format!("{} ({})", of("token_id"), of("account_name"))),
        ("standing", of("standing")),
        ("skipped because", of("skip_reason")),
        ("merged into", of("merged_into")),
        ("shipped", of("shipped")),
        ("flag here", flag(order, "/flag/level")),
        ("flag confirmed", flag(order, "/flag/confirmed")),
        ("next delivery", of("flag/due_at")),
    ]);
    let lines = list_at(order, "/lines");
    let ids: Vec<Vec<String>> = lines
        .iter()
        .map(|line| vec![format!("line {}", cell(line, "/line_item_id"))])
        .collect();
    text.push('\n');
    text.push_str(&listing(
        &["SKU", "QUANTITY", "TAKEN", "OFFER"],
        &rows(lines, &["/sku", "/quantity", "/taken", "/offer_id"]),
        &ids,
        "No lines.\n",
    ));
    text.push('\n');
    text.push_str(&operations(list_at(order, "/operations")));
    for review in list_at(order, "/reviews") {
        let (reason, status) = (cell(review, "/reason"), cell(review, "/status"));
        text.push_str(&format!(
            "\nreview {} ({reason}, {status})\n",
            cell(review, "/id")
        ));
    }
    text
}

/// The operations of an order.
pub(super) fn operations(operations: &[Value]) -> String {
    let below: Vec<Vec<String>> = operations
        .iter()
        .map(|operation| {
            let mut lines = vec![format!("created {}", cell(operation, "/created_at"))];
            lines.extend(Some(cell(operation, "/error_message")).filter(|error| error != "-"));
            lines
        })
        .collect();
    listing(
        &["OPERATION", "TYPE", "STATUS", "WAITS FOR"],
        &rows(operations, &["/id", "/operation_type", "/status", "/waiting_for"]),
        &below,
        "No operations.\n",
    )
}

/// A flag in words.
fn flag(order: &Value, path: &str) -> String {
    match order.pointer(path).and_then(Value::as_bool) {
        Some(true) => "stock is taken".to_owned(),
        Some(false) => "stock is not taken".to_owned(),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_order_is_told_within_eighty_columns() {
        let id = "29738e61-7f6a-11f1-ac45-09db60ede9d6";
        let operation = json!({
            "id": id, "operation_type": "deduction", "status": "rolled_back", "waiting_for": null,
            "created_at": "2026-01-31T09:30:00Z", "error_message": null,
        });
        let order = json!({
            "order_id": id, "token_id": id, "account_name": "kubki-pl", "standing": "applied", "shipped": false,
            "flag": { "level": true, "confirmed": null, "due_at": null },
            "lines": [{ "line_item_id": id, "offer_id": "15234567890", "sku": "MUG", "quantity": 2, "taken": 2 }],
            "operations": [operation], "reviews": [{ "id": id, "reason": "returned", "status": "open" }],
        });
        let text = human(&order);
        assert!(
            text.contains("stock is taken") && text.contains("(returned, open)"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
