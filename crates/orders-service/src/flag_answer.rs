//! The answers about one stock flag.

use saldo_domain::ids::OrderId;
use serde_json::Value;

/// Whether the answer to a sent flag confirms it: this order and this flag, by name.
pub(crate) fn confirm(body: &Value, order: &OrderId, flag: bool) -> Result<(), String> {
    if body.get("success") != Some(&Value::Bool(true)) {
        let said = body
            .get("error")
            .or_else(|| body.get("message"))
            .and_then(Value::as_str)
            .unwrap_or("no reason");
        return Err(format!("it does not say that it succeeded: {said}"));
    }
    check_order(body, order)?;
    match body.get("is_stock_updated") {
        Some(Value::Bool(echoed)) if *echoed == flag => Ok(()),
        Some(Value::Bool(_)) => Err("it confirms the other flag".to_owned()),
        _ => Err("it names no flag".to_owned()),
    }
}

/// The flag in the answer to a question for it.
pub(crate) fn read(body: &Value, order: &OrderId) -> Result<bool, String> {
    check_order(body, order)?;
    body.get("technical_flags")
        .and_then(|flags| flags.get("is_stock_updated"))
        .and_then(Value::as_bool)
        .ok_or_else(|| "it names no flag".to_owned())
}

fn check_order(body: &Value, order: &OrderId) -> Result<(), String> {
    match body.get("order_id").and_then(Value::as_str) {
        Some(echoed) if echoed == order.as_str() => Ok(()),
        Some(_) => Err("it is about another order".to_owned()),
        None => Err("it names no order".to_owned()),
    }
}
