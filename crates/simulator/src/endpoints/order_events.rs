//! `GET /api/v1/orders/events`: fails as shipped. Mended it answers with no events, as no journal is simulated.

use serde_json::{Value, json};

use super::{Answered, Call, token_invalid_text, token_not_found};
use crate::answer::Answer;
use crate::validation::Inputs;

const LIMIT_MAX: i128 = 1_000;

pub(super) fn answer(call: &Call<'_>) -> Answered {
    let user_id = call.user_id()?;
    let mut inputs = Inputs::new(call.request);
    let token_id = inputs.token_id();
    inputs.integer("limit", 100, 1, Some(LIMIT_MAX));
    inputs.date("from_timestamp");
    inputs.finish()?;
    let is_usable = call
        .with_account(&user_id, token_id, |account| account.is_usable(call.now))
        .ok_or_else(|| token_not_found(token_id))?;
    let is_working = call.shared.is_mended() && is_usable;
    let error = if is_working {
        Value::Null
    } else {
        Value::from(token_invalid_text(token_id))
    };
    Ok(Answer::ok(
        &json!({"events": [], "total_count": 0, "has_more": false, "error": error}),
    ))
}
