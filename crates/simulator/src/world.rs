//! The service's database and Allegro's, as far as the simulator needs them.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::dates::naive;
use crate::flags::{Flags, FlagsFull};
use crate::limits::{ACCOUNTS_MAX, ORDERS_MAX};
use crate::orders::Orders;

/// Why the world takes no more.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The bound on accounts is reached.
    #[error("the simulator keeps at most {ACCOUNTS_MAX} accounts")]
    TooManyAccounts,
    /// The bound on orders is reached.
    #[error("the simulator keeps at most {ORDERS_MAX} orders")]
    TooManyOrders,
    /// There is no such account.
    #[error("there is no account {0}")]
    UnknownAccount(Uuid),
    /// There is no such order.
    #[error("there is no order {0}")]
    UnknownOrder(String),
    /// An order without an id cannot be addressed.
    #[error("the order has no id")]
    OrderWithoutId,
    /// The bound on flag rows is reached.
    #[error(transparent)]
    FlagsFull(#[from] FlagsFull),
}

/// One seller account, which the service calls a token.
pub(crate) struct Account {
    pub(crate) token_id: Uuid,
    pub(crate) user_id: String,
    pub(crate) account_name: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) is_active: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) orders: Orders,
    pub(crate) flags: Flags,
    /// Stock per offer, as far as it was set; the rest follows from the seed.
    pub(crate) offer_stock: HashMap<String, i64>,
}

impl Account {
    /// The token record, as the token endpoints show it.
    pub(crate) fn record(&self) -> Value {
        json!({
            "id": self.token_id,
            "user_id": self.user_id,
            "account_name": self.account_name,
            "expires_at": naive(self.expires_at),
            "is_active": self.is_active,
            "created_at": naive(self.created_at),
            "updated_at": naive(self.updated_at),
        })
    }

    /// Whether calls that reach Allegro still work; lists and flags do not ask.
    pub(crate) fn is_usable(&self, now: Timestamp) -> bool {
        self.is_active && self.expires_at > now
    }
}

/// All accounts.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) accounts: HashMap<Uuid, Account>,
}

impl World {
    /// The account if it belongs to the caller; the service tells neither case from the other.
    pub(crate) fn owned(&mut self, token_id: Uuid, user_id: &str) -> Option<&mut Account> {
        self.accounts
            .get_mut(&token_id)
            .filter(|account| account.user_id == user_id)
    }

    pub(crate) fn insert(&mut self, account: Account) -> Result<(), WorldError> {
        if self.accounts.len() >= ACCOUNTS_MAX && !self.accounts.contains_key(&account.token_id) {
            return Err(WorldError::TooManyAccounts);
        }
        self.accounts.insert(account.token_id, account);
        Ok(())
    }

    pub(crate) fn account(&mut self, token_id: Uuid) -> Result<&mut Account, WorldError> {
        self.accounts
            .get_mut(&token_id)
            .ok_or(WorldError::UnknownAccount(token_id))
    }

    pub(crate) fn order_count(&self) -> usize {
        self.accounts.values().map(|account| account.orders.len()).sum()
    }
}
