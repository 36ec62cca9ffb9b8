//! `GET /api/v1/orders/{id}`: always a failure as shipped, the live form when mended.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answered, Call, token_invalid_text, token_not_found};
use crate::answer::Answer;
use crate::faults::AllegroFailure;
use crate::forms::Form;
use crate::world::Account;

pub(super) fn answer(call: &Call<'_>) -> Answered {
    let (user_id, token_id) = call.user_and_token()?;
    call.with_account(&user_id, token_id, |account| read(account, token_id, call))
        .ok_or_else(|| token_not_found(token_id))?
}

fn read(account: &mut Account, token_id: Uuid, call: &Call<'_>) -> Answered {
    if !call.shared.is_mended() || !account.is_usable(call.now) {
        return Ok(failure(&token_invalid_text(token_id)));
    }
    let order_id = call.argument;
    if let Some(allegro) = call.allegro {
        return Ok(failure(&failure_text(order_id, allegro)));
    }
    let Some(live) = account
        .orders
        .get(order_id)
        .and_then(|order| order.live.as_ref())
        .map(Form::object)
    else {
        return Ok(failure(&failure_text(order_id, AllegroFailure::NotFound)));
    };
    let mut order = live;
    let flags = if call.are_flags_unreadable {
        Value::Null
    } else {
        account.flags.touch(order_id, call.now)?.full()
    };
    order.insert("technical_flags".to_owned(), flags);
    Ok(Answer::ok(
        &json!({"success": true, "order": order, "error": null}),
    ))
}

/// Every failure is a 200; only the text differs.
fn failure(error: &str) -> Answer {
    Answer::ok(&json!({"success": false, "order": null, "error": error}))
}

fn failure_text(order_id: &str, failure: AllegroFailure) -> String {
    let status = |code: u16| format!("HTTP ошибка при получении заказа {order_id}: {code}");
    let other = |text: &str| format!("Ошибка при получении заказа {order_id}: {text}");
    match failure {
        AllegroFailure::NotFound => format!("Заказ {order_id} не найден"),
        AllegroFailure::Unauthorized => status(401),
        AllegroFailure::Forbidden => status(403),
        AllegroFailure::TooManyRequests => status(429),
        AllegroFailure::InternalError => status(500),
        AllegroFailure::Unavailable => status(503),
        AllegroFailure::TimedOut => other("timed out"),
        AllegroFailure::Refused => other("[Errno 111] Connection refused"),
        AllegroFailure::Dropped => other(
            "peer closed connection without sending complete message body (received 12 bytes, expected 500)",
        ),
        AllegroFailure::BadJson => other("Unterminated string starting at: line 1 column 8 (char 7)"),
    }
}
