//! `GET .../{id}/technical-flags` and `GET .../technical-flags/summary`.

use serde_json::{Value, json};

use super::{Answered, Call, token_not_found};
use crate::answer::Answer;
use crate::dates::naive;

/// The flags of one order. Any text is an order id here, and reading makes a row for it.
pub(super) fn of_order(call: &Call<'_>) -> Answered {
    let (user_id, token_id) = call.user_and_token()?;
    let order_id = call.argument;
    let flags = call
        .with_account(&user_id, token_id, |account| {
            account.flags.touch(order_id, call.now).map(|row| row.full())
        })
        .ok_or_else(|| token_not_found(token_id))??;
    Ok(Answer::ok(
        &json!({"order_id": order_id, "technical_flags": flags}),
    ))
}

/// Counts flag rows, not orders.
pub(super) fn summary(call: &Call<'_>) -> Answered {
    let (user_id, token_id) = call.user_and_token()?;
    let (total, stock_updated, invoices) = call
        .with_account(&user_id, token_id, |account| {
            let stock_updated = account
                .flags
                .iter()
                .filter(|(_, row)| row.is_stock_updated)
                .count();
            let invoices = account
                .flags
                .iter()
                .filter(|(_, row)| row.has_invoice_created)
                .count();
            (account.flags.len(), stock_updated, invoices)
        })
        .ok_or_else(|| token_not_found(token_id))?;
    // An integer zero when there is nothing to divide by, a float otherwise.
    let percentage = |part: usize| match total {
        0 => Value::from(0),
        _ => Value::from(part as f64 / total as f64 * 100.0),
    };
    Ok(Answer::ok(&json!({
        "token_id": token_id,
        "summary": {
            "total_orders_with_flags": total,
            "stock_updated_orders": stock_updated,
            "invoices_created_orders": invoices,
            "stock_updated_percentage": percentage(stock_updated),
            "invoices_created_percentage": percentage(invoices),
        },
        "generated_at": naive(call.now),
    })))
}
