//! Accounts: those known, and adding one by hand.

use saldo_domain::ids::AccountId;
use saldo_store::query::{Account, PageRequest};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Problems, note, uuid};
use crate::problem::Problem;
use crate::query::Parameters;
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
///
/// By their ids.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/accounts", tag = "accounts",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<u32>, Query, description = "Rows of a page.", minimum = 1, maximum = 500),
    ),
    responses((status = 200, description = "A page of accounts.", body = PageBody<AccountBody>))
)]
pub(crate) async fn list_accounts(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let request = Parameters::new(&call.uri, &["cursor", "limit"], &problems).page();
    let request = problems.finish(Some(request))?;
    let mut accounts = app.service.store().accounts().await?;
    accounts.sort_unstable_by_key(|account| account.id);
    let (rows, next_cursor) = page_of(&accounts, &request)?;
    Answer::ok(&PageBody {
        items: rows.iter().map(AccountBody::new).collect(),
        next_cursor: next_cursor.as_deref(),
    })
}

/// The rows after the cursor, which is the id of the last row of the page before.
fn page_of<'a>(
    accounts: &'a [Account],
    request: &PageRequest,
) -> Result<(&'a [Account], Option<String>), Problem> {
    let begin = match &request.after {
        None => 0,
        Some(cursor) => {
            let last: AccountId = cursor.parse().map_err(|_| {
                Problem::new(
                    "cursor_invalid",
                    "the cursor is none of ours; take next_cursor of the page before as it is",
                )
            })?;
            accounts.partition_point(|account| account.id <= last)
        }
    };
    let rest = &accounts[begin..];
    let rows = &rest[..rest.len().min(request.limit)];
    let more = rows.len() < rest.len();
    let last = rows.last().filter(|_| more);
    Ok((rows, last.map(|account| account.id.to_string())))
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

fn read(body: &Value, problems: Problems) -> Result<(AccountId, String), Problem> {
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
