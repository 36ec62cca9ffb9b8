//! Accounts: those known, and adding one by hand.

use saldo_store::query::Account;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, note, uuid};
use crate::problem::Problem;
use crate::wire::{AccountBody, PageBody};

/// Characters of an account's name.
const NAME_CHARACTERS_MAX: usize = 200;

/// An account to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountRequest, example = json!({
    "token_id": "6f652857-8798-5791-b345-f84d5a9ec333", "name": "kubki-pl"
}))]
pub struct AccountRequest {
    /// The account, as the orders service knows it.
    pub token_id: Uuid,
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
}

/// Lists the accounts known
#[utoipa::path(
    get, path = "/api/v1/stock-sync/accounts", tag = "accounts",
    responses((status = 200, description = "All accounts; there is no second page.", body = PageBody<AccountBody>))
)]
pub(crate) async fn list_accounts(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    let accounts = app.service.store().accounts().await?;
    let items = accounts.iter().map(AccountBody::new).collect();
    Answer::ok(&PageBody {
        items,
        next_cursor: None,
    })
}

/// Adds an account by hand
///
/// One that is known gets the name.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/accounts", tag = "accounts",
    request_body = AccountRequest,
    responses((status = 200, description = "The account.", body = AccountBody))
)]
pub(crate) async fn post_account(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    let (id, name) = read(&call.json()?, problems)?;
    app.service.remember(&call.caller(false)).await?;
    let account = Account {
        id,
        name: Some(name),
        by_hand: true,
        created_at: app.service.now(),
    };
    let store = app.service.store();
    store.put_accounts(vec![account.clone()]).await?;
    app.names.forget();
    let stored = store.accounts().await?;
    Answer::ok(&AccountBody::new(
        stored.iter().find(|known| known.id == id).unwrap_or(&account),
    ))
}

fn read(body: &Value, problems: Problems) -> Result<(saldo_domain::ids::AccountId, String), Problem> {
    let fields = problems.body(body, &["token_id", "name"]);
    let id = fields.required("token_id", uuid);
    let name = fields.required("name", |name| {
        let name = note(name)?;
        if name.chars().count() > NAME_CHARACTERS_MAX || name.chars().any(char::is_control) {
            return Err(format!(
                "must be one line of at most {NAME_CHARACTERS_MAX} characters"
            ));
        }
        Ok(name)
    });
    problems.finish(id.zip(name))
}
