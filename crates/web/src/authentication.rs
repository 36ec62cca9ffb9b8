//! Who asks, and whether they may.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use saldo_store::query::{ApiKey, Role};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::origin;
use crate::problem::Problem;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone: it tells nothing that is worth hiding.
    Everyone,
    /// A key of this role, or of a higher one.
    Role(Role),
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The key's name; stands in the log for who acted.
    pub(crate) name: Arc<str>,
    role: Role,
}

impl Identity {
    pub(crate) const fn new(name: Arc<str>, role: Role) -> Self {
        Self { name, role }
    }
}

/// The keys that were not revoked.
pub(crate) struct KeyRing(Vec<KnownKey>);

struct KnownKey {
    hash: [u8; 32],
    identity: Identity,
}

/// SHA-256 of a key in hexadecimal: what is stored of it.
#[must_use]
pub fn api_key_hash(key: &str) -> String {
    Sha256::digest(key.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl KeyRing {
    fn new(keys: Vec<ApiKey>) -> Self {
        Self(keys.into_iter().filter_map(KnownKey::new).collect())
    }

    /// The owner of a key. Every hash is compared to its end, so that the time tells nothing.
    fn owner(&self, key: &str) -> Option<&Identity> {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut owner = None;
        for known in &self.0 {
            if bool::from(known.hash.ct_eq(&hash)) {
                owner = Some(&known.identity);
            }
        }
        owner
    }
}

impl KnownKey {
    fn new(key: ApiKey) -> Option<Self> {
        let mut hash = [0; 32];
        let readable = key.hash.is_ascii()
            && key.hash.len() == 64
            && hash.iter_mut().enumerate().all(|(index, byte)| {
                let parsed = u8::from_str_radix(&key.hash[2 * index..2 * index + 2], 16);
                parsed.map(|parsed| *byte = parsed).is_ok()
            });
        if !readable {
            tracing::error!(
                key = key.name,
                "the stored hash of an API key cannot be read: it opens nothing"
            );
            return None;
        }
        Some(Self {
            hash,
            identity: Identity {
                name: Arc::from(key.name),
                role: key.role,
            },
        })
    }
}

/// Finds out who asks, and refuses those who may not.
pub(crate) async fn authenticate(app: &App, headers: &HeaderMap, needed: Role) -> Result<Identity, Problem> {
    if let Some(name) = &app.options.sole_caller {
        return Ok(Identity {
            name: Arc::from(name.as_str()),
            role: Role::Admin,
        });
    }
    let now = app.service.now();
    let ring = app.keys.get(now, load(app)).await?;
    if ring.0.is_empty() && app.options.open {
        origin::check_loopback(headers)?;
        return Ok(Identity {
            name: Arc::from("local"),
            role: Role::Admin,
        });
    }
    let Some(key) = bearer(headers) else {
        let detail = if ring.0.is_empty() {
            "there are no keys yet, and this server does not listen on loopback only; make one with `saldo keys`"
        } else {
            "send Authorization: Bearer <key>"
        };
        return Err(Problem::new("unauthorized", detail).challenge("Bearer realm=\"saldo\""));
    };
    let identity = match ring.owner(key) {
        Some(identity) => identity.clone(),
        // It may have been made a moment ago.
        None => app
            .keys
            .look_again(now, load(app))
            .await?
            .owner(key)
            .cloned()
            .ok_or_else(|| {
                let detail = "the key is not known, or was revoked";
                Problem::new("unauthorized", detail)
                    .challenge("Bearer realm=\"saldo\", error=\"invalid_token\"")
            })?,
    };
    if identity.role < needed {
        let detail = format!(
            "this needs the role {}, and the key's is {}",
            word(needed),
            word(identity.role)
        );
        return Err(Problem::new("forbidden", detail));
    }
    Ok(identity)
}

async fn load(app: &App) -> Result<KeyRing, Problem> {
    Ok(KeyRing::new(app.service.store().api_keys().await?))
}

/// The key of an `Authorization` header that is there once.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// The stable word for a role.
pub(crate) const fn word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}
