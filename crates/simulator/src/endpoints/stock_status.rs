//! `PATCH /api/v1/orders/{id}/stock-status`.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Answered, Call, token_not_found};
use crate::answer::Answer;
use crate::dates::naive;
use crate::validation::{Body, Inputs, Refusal, boolean_from};

const FIELD: &str = "is_stock_updated";

pub(super) fn answer(call: &Call<'_>) -> Answered {
    // The framework parses the body before it looks at the caller.
    let body = Body::read(call.request)?;
    let user_id = call.user_id()?;
    let mut inputs = Inputs::new(call.request);
    let token_id = inputs.token_id();
    let value = read_value(body, &mut inputs);
    inputs.finish()?;
    let order_id = call.argument;
    let patched = call
        .with_account(&user_id, token_id, |account| {
            // The account is checked before the missing field.
            let value = value.ok_or_else(field_required)?;
            let ended_at_us = call.ended_at_us.clone();
            let row = account
                .flags
                .patch(order_id, value, call.received_at, ended_at_us, call.now)?;
            Ok::<_, Answer>((value, row.created_at))
        })
        .ok_or_else(|| token_not_found(token_id))?;
    let (value, created_at) = patched?;
    let shown = if value { "True" } else { "False" };
    Ok(Answer::ok(&json!({
        "success": true,
        "order_id": order_id,
        "is_stock_updated": value,
        "updated_at": naive(created_at),
        "message": format!("Статус списания стока обновлен на {shown}"),
    })))
}

fn field_required() -> Answer {
    Answer::detail(
        StatusCode::UNPROCESSABLE_ENTITY,
        "Поле 'is_stock_updated' обязательно",
    )
}

/// The body is a mapping of text to booleans: every value must be one, whatever its name.
fn read_value(body: Body, inputs: &mut Inputs<'_>) -> Option<bool> {
    let not_a_mapping =
        |input| Refusal::new("dict_type", "Input should be a valid dictionary").entry(json!(["body"]), input);
    let object = match body {
        Body::Absent => {
            inputs.refuse(Refusal::missing().entry(json!(["body"]), Value::Null));
            return None;
        }
        Body::Text(text) => {
            inputs.refuse(not_a_mapping(Value::from(text)));
            return None;
        }
        Body::Json(Value::Object(object)) => object,
        Body::Json(other) => {
            inputs.refuse(not_a_mapping(other));
            return None;
        }
    };
    let mut wanted = None;
    for (key, value) in object {
        match boolean_from(&value) {
            Ok(value) if key == FIELD => wanted = Some(value),
            Ok(_) => {}
            Err(refusal) => inputs.refuse(refusal.entry(json!(["body", key]), value)),
        }
    }
    wanted
}
