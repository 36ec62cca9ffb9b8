//! The token list: all accounts, page by page.
//!
//! The service sorts nothing, so an account may come on two pages and another on none. A list counts only when it
//! has as many different accounts as the service says there are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use saldo_domain::ids::AccountId;
use serde_json::Value;

use crate::contract::RemoteAccount;

/// The most that the service gives at once.
pub(crate) const ACCOUNTS_PER_PAGE: u64 = 100;
/// Ten thousand accounts: more than any seller has.
const PAGES_MAX: u64 = 100;

/// Gathers the pages.
#[derive(Default)]
pub(crate) struct TokenList {
    accounts: BTreeMap<AccountId, RemoteAccount>,
    pages: u64,
    rows: u64,
    /// As the first page said.
    total: Option<u64>,
}

impl TokenList {
    /// The number of the page to ask for next; `None` when all rows have come.
    pub(crate) fn next_page(&self) -> Option<u64> {
        match self.total {
            Some(total) if self.rows >= total => None,
            _ => Some(self.pages + 1),
        }
    }

    /// Takes the page that [`TokenList::next_page`] named.
    pub(crate) fn add(&mut self, body: &mut Value) -> Result<(), String> {
        let total = whole_number(body, "total")?;
        if *self.total.get_or_insert(total) != total {
            return Err("the number of accounts changed between two pages".to_owned());
        }
        if total > PAGES_MAX * ACCOUNTS_PER_PAGE {
            return Err(format!("{total} accounts are more than can be"));
        }
        if whole_number(body, "page")? != self.pages + 1 {
            return Err("it is another page than the one asked for".to_owned());
        }
        let Some(Value::Array(rows)) = body.get_mut("tokens").map(Value::take) else {
            return Err("it has no list of accounts".to_owned());
        };
        self.pages += 1;
        if self.rows < total && (rows.is_empty() || self.pages > PAGES_MAX) {
            return Err(format!("its pages end after {} of {total} accounts", self.rows));
        }
        for row in &rows {
            self.rows += 1;
            let account = read_row(row)?;
            self.accounts.insert(account.id, account);
        }
        Ok(())
    }

    /// The accounts, sorted by id.
    pub(crate) fn finish(self) -> Result<Vec<RemoteAccount>, String> {
        let found = u64::try_from(self.accounts.len()).unwrap_or(u64::MAX);
        match self.total {
            Some(total) if total == found => Ok(self.accounts.into_values().collect()),
            total => Err(format!(
                "its pages hold {found} accounts, but it counts {}",
                total.unwrap_or(0)
            )),
        }
    }
}

fn whole_number(body: &Value, name: &str) -> Result<u64, String> {
    body.get(name)
        .and_then(Value::as_u64)
        .ok_or_else(|| format!("its {name} is not a number"))
}

fn read_row(row: &Value) -> Result<RemoteAccount, String> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let id = text("id")
        .and_then(|id| id.parse().ok())
        .ok_or("an account has no id")?;
    let is_active = row
        .get("is_active")
        .and_then(Value::as_bool)
        .ok_or("an account is neither active nor not")?;
    let name = text("account_name").unwrap_or_default().to_owned();
    Ok(RemoteAccount {
        id,
        name,
        is_active,
        expires_at: text("expires_at").and_then(read_time),
    })
}

/// The service writes UTC without a zone.
fn read_time(text: &str) -> Option<Timestamp> {
    if let Ok(aware) = text.parse() {
        return Some(aware);
    }
    let naive: DateTime = text.parse().ok()?;
    TimeZone::UTC.to_timestamp(naive).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(number: u8) -> Value {
        let id = format!("00000000-0000-4000-8000-0000000000{number:02}");
        json!({"id": id, "account_name": "sklep", "is_active": true, "expires_at": "2035-01-01T00:00:00"})
    }

    fn gather(pages: Vec<Value>) -> Result<Vec<RemoteAccount>, String> {
        let mut list = TokenList::default();
        for mut page in pages {
            list.add(&mut page)?;
        }
        list.finish()
    }

    #[test]
    fn pages_are_gathered_and_sorted() {
        let pages = vec![
            json!({"tokens": [row(2), row(3)], "total": 3, "page": 1}),
            json!({"tokens": [row(1)], "total": 3, "page": 2}),
        ];
        let accounts = gather(pages).unwrap();
        assert!(accounts.is_sorted_by_key(|account| account.id));
        assert_eq!(accounts.len(), 3);
        assert_eq!(
            accounts[0].expires_at,
            Some("2035-01-01T00:00:00Z".parse().unwrap())
        );
    }

    #[test]
    fn pages_that_do_not_add_up_are_refused() {
        let refused = [
            vec![json!({"tokens": [row(1), row(1)], "total": 2, "page": 1})],
            vec![json!({"tokens": [row(1)], "total": 0, "page": 1})],
            vec![json!({"tokens": [], "total": 1, "page": 1})],
            vec![json!({"tokens": [row(1)], "total": 1, "page": 2})],
            vec![
                json!({"tokens": [row(1)], "total": 2, "page": 1}),
                json!({"tokens": [], "total": 3, "page": 2}),
            ],
            vec![json!({"tokens": [], "total": 10_001, "page": 1})],
            vec![json!({"tokens": [{"id": "x", "is_active": true}], "total": 1, "page": 1})],
            vec![json!({"tokens": null, "total": 0, "page": 1})],
            vec![],
        ];
        for pages in refused {
            assert!(gather(pages.clone()).is_err(), "{pages:?}");
        }
    }
}
