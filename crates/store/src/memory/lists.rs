//! Lists of orders that decisions ask for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use saldo_domain::ids::{AccountId, OrderId, OrderKey};
use saldo_domain::operation::{Operation, OperationStatus, WaitingFor};
use saldo_domain::order::Order;
use saldo_domain::review::ReviewReason;
use saldo_domain::stock::StockKey;
use saldo_domain::view::{DueRequest, ListKey, Place};

use super::tables::Tables;
use crate::turns::{LIST_ORDERS_MAX, take_turns, takes_part};

impl Tables {
    pub(super) fn list(&self, list: &ListKey) -> Vec<OrderKey> {
        match list {
            ListKey::Due {
                request,
                stranded_after,
            } => self.due(request, *stranded_after),
            ListKey::AwaitingStock(key, after) => {
                let waiting = self.orders.values().filter(|order| order.awaited.contains(key));
                oldest_first(waiting, after.as_ref())
            }
            ListKey::AwaitingOffer(offer, after) => oldest_first(
                self.orders.values().filter(|order| {
                    order.key.account == offer.account
                        && order
                            .lines
                            .iter()
                            .any(|line| line.offer.as_ref() == Some(&offer.offer))
                        && self.asks_for_sku(&order.key)
                }),
                after.as_ref(),
            ),
            ListKey::OwedSince { account, before } => self.owed_since(*account, *before),
            ListKey::FailedUnder(review) => {
                let mut orders: Vec<OrderKey> = Vec::new();
                for operation in self.operations.values() {
                    let failed = operation.status == OperationStatus::Failed;
                    if let Some(order) = &operation.order
                        && failed
                        && operation.review == Some(*review)
                        && !orders.contains(order)
                    {
                        orders.push(order.clone());
                    }
                }
                orders.truncate(LIST_ORDERS_MAX);
                orders
            }
            ListKey::UnpaidSince { before } => {
                self.unpaid(|operation| operation.review.is_none() && operation.created_at < *before)
            }
            ListKey::UnpaidUnder(review) => self.unpaid(|operation| operation.review == Some(*review)),
        }
    }

    /// Orders with operations that wait for payment, of a kind.
    fn unpaid(&self, is_wanted: impl Fn(&Operation) -> bool) -> Vec<OrderKey> {
        let unpaid = self.operations.values().filter(|operation| {
            operation.status == OperationStatus::Pending
                && operation.waiting_for == Some(WaitingFor::Payment)
                && is_wanted(operation)
        });
        unpaid
            .filter_map(|operation| operation.order.clone())
            .take(LIST_ORDERS_MAX)
            .collect()
    }

    fn asks_for_sku(&self, key: &OrderKey) -> bool {
        self.reviews_of(key).any(|review| {
            review.is_open() && matches!(review.reason, ReviewReason::SkuMissing | ReviewReason::SkuUnknown)
        })
    }

    fn due(&self, request: &DueRequest, stranded_after: Timestamp) -> Vec<OrderKey> {
        let mut due: BTreeMap<AccountId, Vec<(Timestamp, OrderId)>> = BTreeMap::new();
        for delivery in self.deliveries.values() {
            let is_due = delivery.due_at <= request.now || delivery.due_at > stranded_after;
            if is_due && takes_part(request, delivery.key.account) {
                let orders = due.entry(delivery.key.account).or_default();
                orders.push((delivery.due_at, delivery.key.order.clone()));
            }
        }
        // Those after the account that was served last come first, then the others.
        let mut accounts: Vec<_> = due.into_iter().collect();
        accounts.sort_by_key(|(account, _)| {
            (
                request.after_account.is_some_and(|last| *account <= last),
                *account,
            )
        });
        let turns = accounts.into_iter().map(|(account, mut orders)| {
            orders.sort();
            orders.truncate(request.per_account_max);
            orders
                .into_iter()
                .map(|(_, order)| OrderKey { account, order })
                .collect()
        });
        take_turns(turns.collect(), request.count_max)
    }

    fn owed_since(&self, account: Option<AccountId>, before: Timestamp) -> Vec<OrderKey> {
        let mut owed: Vec<(Timestamp, OrderKey)> = self
            .deliveries
            .values()
            .filter(|delivery| account.is_none_or(|account| account == delivery.key.account))
            .filter(|delivery| delivery.owed_since < before)
            .map(|delivery| (delivery.owed_since, delivery.key.clone()))
            .collect();
        owed.sort();
        owed.into_iter()
            .take(LIST_ORDERS_MAX)
            .map(|(_, key)| key)
            .collect()
    }

    pub(super) fn waiting_with_stock(&self, after: Option<&StockKey>, limit: usize) -> Vec<StockKey> {
        let mut keys: Vec<StockKey> = self
            .orders
            .values()
            .flat_map(|order| order.awaited.clone())
            .collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| self.balances.get(key).is_some_and(|balance| balance.quantity > 0));
        keys.retain(|key| after.is_none_or(|after| key > after));
        keys.truncate(limit);
        keys
    }
}

fn oldest_first<'o>(orders: impl Iterator<Item = &'o Order>, after: Option<&Place>) -> Vec<OrderKey> {
    let mut places: Vec<Place> = orders
        .map(|order| Place {
            created_at: order.created_at,
            order: order.key.clone(),
        })
        .filter(|place| after.is_none_or(|after| place > after))
        .collect();
    places.sort();
    places
        .into_iter()
        .take(LIST_ORDERS_MAX)
        .map(|place| place.order)
        .collect()
}
