//! Who asks: accounts, API keys, and the answers kept for repeated requests.

use saldo_domain::ids::AccountId;
use saldo_domain::view::RecordedAnswer;

use crate::cells::{Cells, flag, id, json, moment, optional_string, string, text};
use crate::query::{Account, ApiKey, Role};

/// The columns of [`recorded_answer`].
#[macro_export]
macro_rules! answer_columns {
    () => {
        "key, fingerprint, outcome, at"
    };
}

/// What was answered to a request, under its idempotency key.
pub fn recorded_answer<E>(row: &impl Cells<E>) -> Result<RecordedAnswer, E> {
    Ok(RecordedAnswer {
        key: string(row, 0)?,
        fingerprint: string(row, 1)?,
        outcome: json(row, 2)?,
        at: moment(row, 3)?,
    })
}

/// The columns of [`account`].
#[macro_export]
macro_rules! account_columns {
    () => {
        "id, name, by_hand, created_at"
    };
}

/// An account.
pub fn account<E>(row: &impl Cells<E>) -> Result<Account, E> {
    Ok(Account {
        id: id(row, 0, AccountId::new)?,
        name: optional_string(row, 1)?,
        by_hand: flag(row, 2)?,
        created_at: moment(row, 3)?,
    })
}

/// The columns of [`api_key`].
#[macro_export]
macro_rules! api_key_columns {
    () => {
        "name, role, hash, created_at"
    };
}

/// An API key.
pub fn api_key<E>(row: &impl Cells<E>) -> Result<ApiKey, E> {
    Ok(ApiKey {
        name: string(row, 0)?,
        role: text(row, 1, role)?,
        hash: string(row, 2)?,
        created_at: moment(row, 3)?,
    })
}

fn role(word: &str) -> Result<Role, String> {
    [Role::Viewer, Role::Operator, Role::Admin]
        .into_iter()
        .find(|role| role_word(*role) == word)
        .ok_or_else(|| format!("unknown role {word:?}"))
}

/// The word of a role.
#[must_use]
pub const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}
