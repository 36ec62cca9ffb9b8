//! API keys: those that are good, making one, and revoking one.
//!
//! A key is made by whoever asks, and only its hash is sent: no answer, and no answer that is kept under an idempotency
//! key, ever holds a secret.

use saldo_store::StoreError;
use saldo_store::query::{ApiKey, Page, Role};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::Answer;
use crate::app::App;
use crate::authentication::word;
use crate::call::Call;
use crate::fields::{Problems, note, text};
use crate::problem::Problem;
use crate::wire::words::RoleWord;
use crate::wire::{KeyBody, PageBody, page};

/// Characters of a key's name.
const NAME_CHARACTERS_MAX: usize = 100;

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRequest, example = json!({
    "name": "till-1", "role": "operator",
    "hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
}))]
pub struct KeyRequest {
    /// Its name: stands in logs and notes for who acted.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// What it may do.
    pub role: RoleWord,
    /// SHA-256 of the key, in lower-case hexadecimal. The key itself is text of your own making that nobody can guess.
    #[schema(min_length = 64, max_length = 64, pattern = "^[0-9a-f]{64}$")]
    pub hash: String,
}

/// Lists the keys that are good
///
/// By their names, without what they are made of.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/keys", tag = "keys",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<u32>, Query, description = "Rows of a page.", minimum = 1, maximum = 500),
    ),
    responses((status = 200, description = "A page of keys.", body = PageBody<KeyBody>))
)]
pub(crate) async fn list_keys(app: App, call: Call) -> Result<Answer, Problem> {
    let request = call.page()?;
    let last: Option<String> = request.position()?;
    let mut keys = app.service.store().api_keys().await?;
    keys.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    keys.retain(|key| last.as_ref().is_none_or(|last| key.name > *last));
    keys.truncate(request.limit + 1);
    let keys = Page::from_rows(keys, request.limit, |key| key.name.clone());
    Answer::ok(&page(&keys, KeyBody::new))
}

/// Makes a key good
///
/// The first one must be an `admin`'s: it closes the server to everyone else.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/keys", tag = "keys",
    request_body = KeyRequest,
    responses((status = 200, description = "The key.", body = KeyBody))
)]
pub(crate) async fn post_key(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    let (name, role, hash) = read(&call.json()?, problems)?;
    let store = app.service.store();
    // Whoever has the database itself can always make another.
    let has_database = app.options.sole_caller.is_some();
    if role != Role::Admin && !has_database && store.api_keys().await?.is_empty() {
        let detail = "with it as the only one nobody could make another; make an admin's key first";
        return Err(Problem::new("admin_key_first", detail));
    }
    app.service.remember(&call.caller(false)).await?;
    let key = ApiKey {
        name,
        role,
        hash,
        created_at: app.service.now(),
    };
    store.put_api_key(key.clone()).await?;
    app.keys.forget();
    tracing::info!(key = key.name, role = word(role), by = %call.identity.name, "an API key was made");
    let stored = store.api_keys().await?;
    let found = stored.iter().find(|known| known.name == key.name);
    Answer::ok(&KeyBody::new(found.unwrap_or(&key)))
}

/// Revokes a key
///
/// It stops working within two seconds, on every instance. What it did stays under its name.
#[utoipa::path(
    delete, path = "/api/v1/stock-sync/keys/{name}", tag = "keys",
    params(("name" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "The key that was revoked.", body = KeyBody),
        (status = 404, description = "There is no such key."),
        (status = 409, description = "It is the key that asks."),
    )
)]
pub(crate) async fn delete_key(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    let name = call.segment("name");
    let store = app.service.store();
    let unknown = || Problem::new("api_key_unknown", "there is no good key of that name");
    let keys = store.api_keys().await?;
    let key = keys.iter().find(|key| key.name == name).ok_or_else(unknown)?;
    if app.options.sole_caller.is_none() && name == call.identity.name.as_ref() {
        let detail = "a key cannot revoke itself, so that one is left to make others with";
        return Err(Problem::new("own_key", detail));
    }
    let revoked: Result<bool, StoreError> = store.revoke_api_key(name, app.service.now()).await;
    if !revoked? {
        return Err(unknown());
    }
    app.keys.forget();
    tracing::info!(key = name, by = %call.identity.name, "an API key was revoked");
    Answer::ok(&KeyBody::new(key))
}

fn read(body: &Value, problems: Problems) -> Result<(String, Role, String), Problem> {
    let fields = problems.body(body, &["name", "role", "hash"]);
    let name = fields.required("name", |name| {
        let name = note(name)?;
        if name.chars().count() > NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
            return Err(format!(
                "must be one line of at most {NAME_CHARACTERS_MAX} characters"
            ));
        }
        Ok(name)
    });
    let role = fields.required("role", |role| {
        let role = text(role)?;
        [Role::Viewer, Role::Operator, Role::Admin]
            .into_iter()
            .find(|known| word(*known) == role)
            .ok_or_else(|| "must be viewer, operator or admin".to_owned())
    });
    let hash = fields.required("hash", |hash| {
        let hash = text(hash)?;
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hash.len() != 64 || !hash.bytes().all(digits) {
            return Err("must be the SHA-256 of the key: 64 lower-case hexadecimal digits".to_owned());
        }
        Ok(hash.to_owned())
    });
    problems.finish(
        name.zip(role)
            .zip(hash)
            .map(|((name, role), hash)| (name, role, hash)),
    )
}
