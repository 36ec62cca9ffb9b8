//! The answer with one page of a list.

use saldo_domain::ids::AccountId;
use serde_json::Value;

use crate::contract::{Page, PageQuery, UnreadableRow};
use crate::order_rows::{self, Rows};

/// Which page was asked for, and how the answer came.
pub(crate) struct Asked {
    pub(crate) account: AccountId,
    pub(crate) query: PageQuery,
    pub(crate) took_ms: u64,
    pub(crate) suspect_after_ms: u64,
}

/// Reads a page. A row that cannot be read does not hide the others.
pub(crate) fn read(body: &[u8], asked: &Asked) -> Result<Page, String> {
    let rows_max = usize::try_from(asked.query.rows).unwrap_or(usize::MAX);
    let rows = Rows::take(body, rows_max)?;
    let pagination = rows.pagination()?;
    let number = |name: &str| {
        pagination
            .get(name)
            .and_then(Value::as_u64)
            .ok_or_else(|| format!("its pagination has no {name}"))
    };
    let total = number("total")?;
    if number("offset")? != asked.query.offset || number("limit")? != asked.query.rows {
        return Err("it is another page than the one asked for".to_owned());
    }
    let has_next = pagination
        .get("has_next")
        .and_then(Value::as_bool)
        .ok_or("its pagination has no has_next")?;
    if rows.texts.is_empty() && has_next {
        return Err("it is empty, yet says that more follow".to_owned());
    }
    let mut orders = Vec::with_capacity(rows.texts.len());
    let mut unreadable = Vec::new();
    for (position, row) in rows.texts.into_iter().enumerate() {
        match order_rows::read(row, asked.account) {
            Ok(order) => orders.push(order),
            Err(reason) => unreadable.push(UnreadableRow { position, reason }),
        }
    }
    let suspect = asked.took_ms > asked.suspect_after_ms;
    Ok(Page {
        orders,
        unreadable,
        total,
        has_next,
        took_ms: asked.took_ms,
        suspect,
    })
}
