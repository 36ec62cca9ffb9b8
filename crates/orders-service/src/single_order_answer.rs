//! The answer of the single-order call: status 200 whatever happened, and only its text tells what.

use saldo_domain::ids::OrderId;
use serde_json::Value;

pub(crate) enum SingleOrder {
    /// The form, as Allegro has it now.
    Found(Value),
    /// Allegro has no such order.
    NotFound,
    /// «Токен … недействителен …»: the service as shipped says so for every account. A mended one says so when the
    /// account's access has expired or the account is deactivated.
    AccountInvalid,
    /// Allegro answered with an error, so the call as such works.
    AllegroRefused(String),
    /// Anything else that failed on the way to Allegro.
    Failed(String),
}

pub(crate) fn read(mut body: Value, order: &OrderId) -> Result<SingleOrder, String> {
    match body.get("success") {
        Some(Value::Bool(true)) => {
            let form = body.get_mut("order").map(Value::take).unwrap_or_default();
            match form.get("id").and_then(Value::as_str) {
                Some(id) if id == order.as_str() => Ok(SingleOrder::Found(form)),
                Some(_) => Err("it is about another order".to_owned()),
                None => Err("it says that it succeeded, without an order".to_owned()),
            }
        }
        Some(Value::Bool(false)) => match body.get_mut("error").map(Value::take) {
            Some(Value::String(error)) => Ok(failed(error, order)),
            _ => Err("it says that it failed, without a reason".to_owned()),
        },
        _ => Err("it does not say whether it succeeded".to_owned()),
    }
}

fn failed(error: String, order: &OrderId) -> SingleOrder {
    if error == format!("Заказ {order} не найден") {
        SingleOrder::NotFound
    } else if error.starts_with("Токен ") && error.contains("недействителен") {
        SingleOrder::AccountInvalid
    } else if error.starts_with("HTTP ошибка ") {
        SingleOrder::AllegroRefused(error)
    } else {
        SingleOrder::Failed(error)
    }
}
