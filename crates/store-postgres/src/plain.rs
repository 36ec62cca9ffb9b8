//! Writes of plain rows, which no rule decides about.

use jiff::Timestamp;
use saldo_domain::ids::OrderKey;
use saldo_store::memory::name_taken;
use saldo_store::query::{Account, ApiKey};
use saldo_store::rows::role_word;

use crate::failure::Failure;
use crate::session::Session;
use crate::sql::{storable, stored, to_json, values};

/// One such write. It may be run again, when the transaction that it was in did not come to an end.
#[derive(Debug, Clone)]
pub(crate) enum Plain {
    /// Keeps a wish to fetch an order; a repeat changes nothing.
    PutWish(OrderKey, Timestamp),
    /// Forgets a wish.
    RemoveWish(OrderKey),
    /// Adds accounts, or brings them up to date.
    PutAccounts(Vec<Account>),
    /// Adds an API key.
    PutApiKey(ApiKey),
    /// Revokes an API key.
    RevokeApiKey(String, Timestamp),
    /// Keeps the final HTTP answer beside what the decision recorded under the same key.
    PutFinalAnswer(String, serde_json::Value),
}

impl Plain {
    /// By what the writes of a transaction are sorted, so that all transactions go the same way.
    pub(crate) fn place(&self) -> (u8, String) {
        match self {
            Self::PutWish(key, _) | Self::RemoveWish(key) => (0, key.to_string()),
            Self::PutAccounts(_) => (1, String::new()),
            Self::PutApiKey(key) => (2, key.name.clone()),
            Self::RevokeApiKey(name, _) => (2, name.clone()),
            Self::PutFinalAnswer(key, _) => (3, key.clone()),
        }
    }

    /// Writes. False when there was nothing of that name.
    pub(crate) async fn write(&self, session: &Session) -> Result<bool, Failure> {
        match self {
            Self::PutWish(key, now) => {
                let sql = "INSERT INTO saldo.wish (account, order_id, wished_at) VALUES ($1, $2, $3) \
                     ON CONFLICT DO NOTHING";
                session
                    .run(
                        sql,
                        values![key.account.as_uuid(), key.order.as_str(), stored(*now)],
                    )
                    .await?;
                Ok(true)
            }
            Self::RemoveWish(key) => {
                let sql = "DELETE FROM saldo.wish WHERE account = $1 AND order_id = $2";
                session
                    .run(sql, values![key.account.as_uuid(), key.order.as_str()])
                    .await?;
                Ok(true)
            }
            Self::PutAccounts(accounts) => put_accounts(session, accounts).await.map(|()| true),
            Self::PutApiKey(key) => put_api_key(session, key).await.map(|()| true),
            Self::RevokeApiKey(name, now) => {
                let sql = "UPDATE saldo.api_key SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL";
                Ok(session.run(sql, values![storable(name), stored(*now)]).await? > 0)
            }
            Self::PutFinalAnswer(key, answer) => {
                let sql = "UPDATE saldo.answer SET final_answer = $2 WHERE key = $1";
                Ok(session.run(sql, values![key.as_str(), to_json(answer)?]).await? > 0)
            }
        }
    }
}

/// A name is never forgotten, nor that an account was added by hand.
async fn put_accounts(session: &Session, accounts: &[Account]) -> Result<(), Failure> {
    let mut sorted: Vec<&Account> = accounts.iter().collect();
    sorted.sort_by_key(|account| account.id);
    for account in sorted {
        session
            .run(
                "INSERT INTO saldo.account (id, name, by_hand, created_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (id) DO UPDATE SET name = coalesce(excluded.name, account.name), \
                 by_hand = account.by_hand OR excluded.by_hand",
                values![
                    account.id.as_uuid(),
                    account.name.as_deref().map(storable),
                    account.by_hand,
                    stored(account.created_at)
                ],
            )
            .await?;
    }
    Ok(())
}

async fn put_api_key(session: &Session, key: &ApiKey) -> Result<(), Failure> {
    let added = session
        .run(
            "INSERT INTO saldo.api_key (name, role, hash, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING",
            values![
                storable(&key.name),
                role_word(key.role),
                key.hash.as_str(),
                stored(key.created_at)
            ],
        )
        .await?;
    if added == 0 {
        return Err(name_taken(&key.name).into());
    }
    Ok(())
}
