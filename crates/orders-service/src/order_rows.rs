//! The rows of orders that list and search share. They come as texts, and each becomes values alone.

use std::collections::BTreeMap;

use saldo_domain::ids::{AccountId, OrderId};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::contract::ListedOrder;
use crate::{classify, parts};

/// The most that a list gives at once, and the size that was seen to page without holes also where it is filtered.
pub const ORDERS_PER_PAGE: u64 = 100;
/// The most that a search gives.
pub(crate) const ORDERS_PER_SEARCH: usize = 1000;

/// What an answer consists of, when it says that it succeeded. Success is checked first: the answer to a failed list also
/// has a list of orders, an empty one.
pub(crate) struct Rows<'b> {
    members: BTreeMap<String, &'b RawValue>,
    pub(crate) texts: Vec<&'b RawValue>,
}

impl<'b> Rows<'b> {
    pub(crate) fn take(body: &'b [u8], rows_max: usize) -> Result<Self, String> {
        let members =
            parts::members(body).map_err(|error| format!("its body is not JSON as agreed: {error}"))?;
        if members
            .get("success")
            .is_none_or(|success| success.get() != "true")
        {
            let said = members
                .get("error")
                .and_then(|error| serde_json::from_str::<String>(error.get()).ok());
            let said = said.as_deref().unwrap_or("no reason");
            return Err(format!("it does not say that it succeeded: {said}"));
        }
        let texts = members.get("orders").ok_or("it has no list of orders")?;
        let texts = parts::items(texts, rows_max)
            .map_err(|error| format!("its list of orders is not the one asked for: {error}"))?;
        Ok(Self { members, texts })
    }

    /// What it says of the page.
    pub(crate) fn pagination(&self) -> Result<Value, String> {
        let text = self.members.get("pagination").ok_or("it has no pagination")?;
        classify::json(text.get().as_bytes())
    }
}

/// One row. `allegro_order_id` is the key, as a form may lack `id` or have another one.
pub(crate) fn read(text: &RawValue, account: AccountId) -> Result<ListedOrder, String> {
    let row = classify::json(text.get().as_bytes())?;
    let id = id(&row).ok_or("it has no allegro_order_id")?;
    let order_id = OrderId::parse(id).map_err(|error| error.to_string())?;
    if !is_of(&row, account) {
        return Err("it is of another account".to_owned());
    }
    let flag = row
        .get("technical_flags")
        .and_then(|flags| flags.get("is_stock_updated"))
        .and_then(Value::as_bool)
        .ok_or("it names no flag")?;
    Ok(ListedOrder::read(order_id, &row, flag))
}

pub(crate) fn id(row: &Value) -> Option<&str> {
    row.get("allegro_order_id").and_then(Value::as_str)
}

pub(crate) fn is_of(row: &Value, account: AccountId) -> bool {
    row.get("token_id")
        .and_then(Value::as_str)
        .and_then(|id| id.parse().ok())
        == Some(account)
}
