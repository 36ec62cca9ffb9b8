//! The answer to a search for one full order id.

use saldo_domain::ids::{AccountId, OrderId};
use serde_json::Value;

use crate::classify;
use crate::order_rows::{self, ORDERS_PER_SEARCH, Rows};

/// The order with exactly this id.
///
/// The search matches parts of many fields without regard to case, and `_` in the id stands for any character. It
/// never says that it was cut, so a full answer without the order proves nothing.
pub(crate) fn find(body: &[u8], account: AccountId, order: &OrderId) -> Result<Option<Value>, String> {
    let rows = Rows::take(body, ORDERS_PER_SEARCH)?;
    let was_full = rows.texts.len() == ORDERS_PER_SEARCH;
    let mut wanted = None;
    for text in rows.texts {
        let row = classify::json(text.get().as_bytes())?;
        if order_rows::id(&row) == Some(order.as_str()) {
            wanted = Some(row);
            break;
        }
    }
    match wanted {
        Some(row) if order_rows::is_of(&row, account) => Ok(Some(row)),
        Some(_) => Err("it found the order in another account".to_owned()),
        None if was_full => Err("it is full, and the order may have been cut off".to_owned()),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_full_answer_without_the_order_proves_nothing() {
        let account: AccountId = "6f652857-8798-5791-b345-f84d5a9ec333".parse().unwrap();
        let wanted = OrderId::parse("wanted").unwrap();
        let other = json!({"allegro_order_id": "WANTED", "token_id": account.to_string()});
        let answer = |count| json!({"success": true, "orders": vec![other.clone(); count]}).to_string();
        assert_eq!(find(answer(999).as_bytes(), account, &wanted), Ok(None));
        assert!(find(answer(1000).as_bytes(), account, &wanted).is_err());
        assert!(find(answer(1001).as_bytes(), account, &wanted).is_err());
    }
}
