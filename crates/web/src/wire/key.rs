//! API keys.

use jiff::Timestamp;
use saldo_store::query::ApiKey;
use serde::Serialize;
use utoipa::ToSchema;

use super::words::RoleWord;
use crate::authentication::word;

/// One API key, without anything that opens something.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyBody<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it may do.
    #[schema(value_type = RoleWord)]
    pub role: &'static str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl<'a> KeyBody<'a> {
    pub(crate) fn new(key: &'a ApiKey) -> Self {
        Self {
            name: &key.name,
            role: word(key.role),
            created_at: key.created_at,
        }
    }
}
