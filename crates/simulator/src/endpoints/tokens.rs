//! `GET /api/v1/tokens/` and `GET /api/v1/tokens/{id}`.

use std::hash::{DefaultHasher, Hash, Hasher};

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Answered, Call};
use crate::answer::Answer;
use crate::validation::{Inputs, parse_uuid, unprocessable};

const PER_PAGE_MAX: i128 = 100;

/// The list of accounts: clamped silently, in no particular order, and empty without a database.
pub(super) fn list(call: &Call<'_>) -> Answered {
    let user_id = call.user_id()?;
    let mut inputs = Inputs::new(call.request);
    let page = inputs.integer_any("page", 1).clamp(1, 1_000_000) as usize;
    let per_page = inputs.integer_any("per_page", 10).clamp(1, PER_PAGE_MAX) as usize;
    let is_active_only = inputs.boolean("active_only").unwrap_or(true);
    inputs.finish()?;
    if call.is_database_down {
        return Ok(Answer::ok(
            &json!({"tokens": [], "total": 0, "page": page, "per_page": per_page}),
        ));
    }
    let mut world = call.shared.world();
    let mut accounts: Vec<_> = world
        .accounts
        .values_mut()
        .filter(|account| account.user_id == user_id && (account.is_active || !is_active_only))
        .collect();
    accounts.sort_by_cached_key(|account| {
        let mut hasher = DefaultHasher::new();
        (call.shared.seed, account.token_id).hash(&mut hasher);
        hasher.finish()
    });
    let records: Vec<Value> = accounts
        .iter()
        .skip((page - 1) * per_page)
        .take(per_page)
        .map(|account| account.record())
        .collect();
    Ok(Answer::ok(
        &json!({"tokens": records, "total": accounts.len(), "page": page, "per_page": per_page}),
    ))
}

/// One account. An unknown one is a 500, because the service catches its own 404.
pub(super) fn by_id(call: &Call<'_>) -> Answered {
    let user_id = call.user_id()?;
    let token_id = parse_uuid(call.argument).map_err(|refusal| {
        unprocessable(vec![
            refusal.entry(json!(["path", "token_id"]), Value::from(call.argument)),
        ])
    })?;
    call.with_account(&user_id, token_id, |account| Answer::ok(&account.record()))
        .ok_or_else(|| Answer::detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"))
}
