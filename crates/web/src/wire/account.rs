//! Accounts.

use jiff::Timestamp;
use saldo_domain::ids::AccountId;
use saldo_store::query::Account;
use serde::Serialize;
use utoipa::ToSchema;

/// One Allegro seller account, as it is known here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountBody<'a> {
    /// Which account.
    #[schema(value_type = Uuid)]
    pub token_id: AccountId,
    /// Its name.
    #[schema(required)]
    pub name: Option<&'a str>,
    /// Whether it was added by hand.
    pub by_hand: bool,
    /// When it became known.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl<'a> AccountBody<'a> {
    pub(crate) fn new(account: &'a Account) -> Self {
        Self {
            token_id: account.id,
            name: account.name.as_deref(),
            by_hand: account.by_hand,
            created_at: account.created_at,
        }
    }
}
