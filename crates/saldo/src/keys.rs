//! Making API keys.

use clap::ValueEnum;
use saldo_store::SharedStore;
use saldo_store::query::{ApiKey, Role};

use crate::edge::{new_key, now};

/// A role, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Reads.
    Viewer,
    /// Acts.
    Operator,
    /// Configures.
    Admin,
}

impl RoleName {
    /// The role.
    pub(crate) const fn role(self) -> Role {
        match self {
            Self::Viewer => Role::Viewer,
            Self::Operator => Role::Operator,
            Self::Admin => Role::Admin,
        }
    }
}

/// A role in a word.
pub(crate) const fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

/// Makes a key and stores its hash. The key itself is returned once, and kept nowhere.
///
/// # Errors
/// When the name is taken, or the database cannot store it.
pub(crate) async fn make(store: &SharedStore, name: &str, role: Role) -> anyhow::Result<String> {
    let key = new_key();
    let hash = saldo_web::api_key_hash(&key);
    store
        .put_api_key(ApiKey {
            name: name.to_owned(),
            role,
            hash,
            created_at: now(),
        })
        .await?;
    Ok(key)
}
