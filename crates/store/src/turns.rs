//! Fair turns between accounts.

use saldo_domain::ids::{AccountId, OrderKey};
use saldo_domain::limits::RETRIED_TOGETHER_MAX;
use saldo_domain::view::DueRequest;

/// The most orders that a list of a decision names, where its request does not say otherwise.
pub const LIST_ORDERS_MAX: usize = RETRIED_TOGETHER_MAX;

/// Whether an account takes part in a search for due deliveries.
#[must_use]
pub fn takes_part(request: &DueRequest, account: AccountId) -> bool {
    request.only.is_none_or(|only| only == account) && request.excluded.binary_search(&account).is_err()
}

/// Lets accounts take turns: the first of each, then the second of each, and so on, until enough are named.
/// The accounts stand in the order in which they are served, each with its orders, the longest due first.
#[must_use]
pub fn take_turns(accounts: Vec<Vec<OrderKey>>, count_max: usize) -> Vec<OrderKey> {
    let mut waiting: Vec<_> = accounts.into_iter().map(Vec::into_iter).collect();
    let mut named = Vec::new();
    while named.len() < count_max && !waiting.is_empty() {
        waiting.retain_mut(|orders| match orders.next() {
            Some(order) => {
                named.push(order);
                true
            }
            None => false,
        });
    }
    named.truncate(count_max);
    named
}

#[cfg(test)]
mod tests {
    use saldo_domain::ids::OrderId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_account_with_many_orders_does_not_hold_up_the_others() {
        let order = |account: u128, order: &str| OrderKey {
            account: AccountId::new(Uuid::from_u128(account)),
            order: OrderId::parse(order).unwrap(),
        };
        let accounts = vec![
            vec![order(1, "a"), order(1, "b"), order(1, "c")],
            vec![order(2, "d")],
        ];
        let named = take_turns(accounts.clone(), 3);
        assert_eq!(named, [order(1, "a"), order(2, "d"), order(1, "b")]);
        assert_eq!(take_turns(accounts, 10).len(), 4);
    }
}
