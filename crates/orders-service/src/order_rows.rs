//! The rows of orders that list and search share.

use saldo_domain::ids::{AccountId, OrderId};
use serde_json::Value;

use crate::contract::ListedOrder;

/// The most that a list gives at once, and the size that was seen to page without holes also where it is filtered.
pub const ORDERS_PER_PAGE: u64 = 100;
/// The most that a search gives.
pub(crate) const ORDERS_PER_SEARCH: usize = 1000;

/// The rows of an answer that says it succeeded. Success is checked first: the answer to a failed list also has a
/// list of orders, an empty one.
pub(crate) fn take(body: &mut Value, rows_max: usize) -> Result<Vec<Value>, String> {
    if body.get("success") != Some(&Value::Bool(true)) {
        let said = body.get("error").and_then(Value::as_str).unwrap_or("no reason");
        return Err(format!("it does not say that it succeeded: {said}"));
    }
    match body.get_mut("orders").map(Value::take) {
        Some(Value::Array(rows)) if rows.len() <= rows_max => Ok(rows),
        Some(Value::Array(rows)) => Err(format!("it has {} orders, more than asked for", rows.len())),
        _ => Err("it has no list of orders".to_owned()),
    }
}

/// One row. `allegro_order_id` is the key, as a form may lack `id` or have another one.
pub(crate) fn read(row: Value, account: AccountId) -> Result<ListedOrder, String> {
    let id = row
        .get("allegro_order_id")
        .and_then(Value::as_str)
        .ok_or("it has no allegro_order_id")?;
    let order_id = OrderId::parse(id).map_err(|error| error.to_string())?;
    if !is_of(&row, account) {
        return Err("it is of another account".to_owned());
    }
    let flag = row
        .get("technical_flags")
        .and_then(|flags| flags.get("is_stock_updated"))
        .and_then(Value::as_bool)
        .ok_or("it names no flag")?;
    Ok(ListedOrder {
        order_id,
        form: row,
        flag,
    })
}

pub(crate) fn is_of(row: &Value, account: AccountId) -> bool {
    row.get("token_id")
        .and_then(Value::as_str)
        .and_then(|id| id.parse().ok())
        == Some(account)
}
