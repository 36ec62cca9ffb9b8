//! Writes of plain rows, which no rule decides about.

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, params};
use saldo_domain::ids::OrderKey;
use saldo_store::memory::name_taken;
use saldo_store::query::{Account, ApiKey};
use saldo_store::rows::role_word;

use crate::failure::Failure;
use crate::sql::{run, stored, to_json};

/// Keeps a wish to fetch an order; a repeat changes nothing.
pub(crate) fn put_wish(connection: &Connection, key: &OrderKey, now: Timestamp) -> Result<(), Failure> {
    let sql = "INSERT INTO wish (account, order_id, wished_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    run(
        connection,
        sql,
        params![key.account.as_uuid().as_bytes(), key.order.as_str(), stored(now)],
    )?;
    Ok(())
}

/// Forgets a wish.
pub(crate) fn remove_wish(connection: &Connection, key: &OrderKey) -> Result<(), Failure> {
    let sql = "DELETE FROM wish WHERE account = ?1 AND order_id = ?2";
    run(
        connection,
        sql,
        params![key.account.as_uuid().as_bytes(), key.order.as_str()],
    )?;
    Ok(())
}

/// Adds an account, or brings it up to date: a name is never forgotten, nor that it was added by hand.
pub(crate) fn put_account(connection: &Connection, account: &Account) -> Result<(), Failure> {
    run(
        connection,
        "INSERT INTO account (id, name, by_hand, created_at) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT DO UPDATE SET name = ifnull(excluded.name, name), by_hand = max(by_hand, excluded.by_hand)",
        params![
            account.id.as_uuid().as_bytes(),
            account.name,
            account.by_hand,
            stored(account.created_at)
        ],
    )?;
    Ok(())
}

/// Adds an API key.
pub(crate) fn put_api_key(connection: &Connection, key: &ApiKey) -> Result<(), Failure> {
    let added = run(
        connection,
        "INSERT INTO api_key (name, role, hash, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![key.name, role_word(key.role), key.hash, stored(key.created_at)],
    );
    match added {
        Err(Failure::Database(error))
            if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) =>
        {
            Err(name_taken(&key.name).into())
        }
        other => other.map(|_| ()),
    }
}

/// Revokes an API key; false when there is none of that name.
pub(crate) fn revoke_api_key(connection: &Connection, name: &str, now: Timestamp) -> Result<bool, Failure> {
    let sql = "UPDATE api_key SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL";
    Ok(run(connection, sql, params![name, stored(now)])? > 0)
}

/// Keeps the final HTTP answer beside what the decision recorded under the same key.
pub(crate) fn put_final_answer(
    connection: &Connection,
    key: &str,
    answer: &serde_json::Value,
) -> Result<bool, Failure> {
    let sql = "UPDATE answer SET final_answer = ?2 WHERE key = ?1";
    Ok(run(connection, sql, params![key, to_json(answer)?])? > 0)
}
