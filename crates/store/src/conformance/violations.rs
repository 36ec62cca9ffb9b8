//! Damage that a check must find.

use std::future::Future;

use saldo_domain::ids::{OperationId, OrderKey};
use saldo_domain::operation::OperationStatus;
use saldo_domain::stock::StockKey;

use super::forms::{at, claimed, done, due, order, receive, rules, simple, stock};
use super::{Fixture, must};
use crate::contract::Rules;
use crate::memory::MemoryStore;

/// One way to damage stored rows behind the rules' back.
#[derive(Debug, Clone)]
pub enum Damage {
    /// Changes a balance without a movement.
    Balance(StockKey),
    /// Removes the newest movement of a SKU.
    LastMovement(StockKey),
    /// Lets the first line of an order forget what it took.
    Taken(OrderKey),
    /// Forgets what an order owes.
    Delivery(OrderKey),
    /// Says that nothing of an order was ever moved.
    Touched(OrderKey),
    /// Forgets the claim of an order's delivery.
    Lease(OrderKey),
    /// Moves an operation to completed without a log entry.
    Status(OperationId),
    /// Removes the first entry of an operation's log.
    FirstLogEntry(OperationId),
}

impl Damage {
    /// The invariant that it breaks.
    const fn invariant(&self) -> u8 {
        match self {
            Self::Balance(_) | Self::LastMovement(_) => 1,
            Self::Taken(_) => 2,
            Self::Delivery(_) => 4,
            Self::Touched(_) => 6,
            Self::Lease(_) => 7,
            Self::Status(_) | Self::FirstLogEntry(_) => 8,
        }
    }

    /// Damages the model.
    pub(super) fn to_tables(&self, store: &MemoryStore) {
        store.tamper(|tables| match self {
            Self::Balance(key) => {
                if let Some(balance) = tables.balances.get_mut(key) {
                    balance.quantity += 1;
                }
            }
            Self::LastMovement(key) => {
                tables.movements.get_mut(key).and_then(Vec::pop);
            }
            Self::Taken(key) => {
                if let Some(order) = tables.orders.get_mut(key) {
                    order.lines[0].parts.clear();
                }
            }
            Self::Delivery(key) => {
                tables.deliveries.remove(key);
            }
            Self::Touched(key) => {
                if let Some(order) = tables.orders.get_mut(key) {
                    order.touched = false;
                }
            }
            Self::Lease(key) => {
                if let Some(delivery) = tables.deliveries.get_mut(key) {
                    delivery.lease = None;
                }
            }
            Self::Status(id) => {
                if let Some(operation) = tables.operations.get_mut(id) {
                    operation.status = OperationStatus::Completed;
                    operation.waiting_for = None;
                    operation.completed_at = Some(at(0));
                }
            }
            Self::FirstLogEntry(id) => {
                if let Some(log) = tables.log.get_mut(id) {
                    log.remove(0);
                }
            }
        });
    }
}

pub(super) async fn planted_violations_are_found<F, Made>(make: &F)
where
    F: Fn(Rules) -> Made,
    Made: Future<Output = Fixture>,
{
    for kind in 0..8 {
        let fixture = make(rules()).await;
        let store = &fixture.store;
        done(store, receive(0, "A", 10)).await;
        done(store, simple(1, &order(1, "waits"), "A")).await;
        done(store, simple(2, &order(2, "leased"), "A")).await;
        let only = saldo_domain::view::DueRequest {
            only: Some(order(2, "leased").account),
            ..due(3)
        };
        claimed(store, 3, only).await;
        assert_eq!(
            must!(store.check(at(4)).await, "check"),
            [],
            "nothing is wrong before"
        );
        let Some(plant) = &fixture.plant else { return };
        let Some(waits) = must!(store.order(&order(1, "waits")).await, "order") else {
            panic!("it is there")
        };
        let operation = waits.operations[0].id;
        let damage = [
            Damage::Balance(stock("A")),
            Damage::LastMovement(stock("A")),
            Damage::Taken(order(1, "waits")),
            Damage::Delivery(order(1, "waits")),
            Damage::Touched(order(1, "waits")),
            Damage::Lease(order(2, "leased")),
            Damage::Status(operation),
            Damage::FirstLogEntry(operation),
        ][kind]
            .clone();
        plant(damage.clone());
        let found = must!(store.check(at(4)).await, "check");
        assert!(
            found
                .iter()
                .any(|violation| violation.invariant == damage.invariant()),
            "{damage:?}: {found:?}"
        );
        assert!(
            found
                .iter()
                .all(|violation| !violation.detail.is_empty() && !violation.mend.is_empty())
        );
    }
}
