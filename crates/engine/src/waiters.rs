//! Callers that wait for an order's immediate attempt.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use saldo_domain::ids::OrderKey;
use tokio::sync::oneshot;

/// Who waits for which order. Bounded by the requests under way.
#[derive(Default)]
pub(crate) struct Waiters {
    waiting: Mutex<HashMap<OrderKey, Vec<oneshot::Sender<()>>>>,
}

/// One caller that waits. Dropped, it is forgotten, whatever became of its request.
pub(crate) struct Waiter<'w> {
    waiters: &'w Waiters,
    key: OrderKey,
    receiver: oneshot::Receiver<()>,
}

impl Waiters {
    /// Begins to wait; to be called before the order's delivery can begin, so that its end is not missed.
    pub(crate) fn register(&self, key: OrderKey) -> Waiter<'_> {
        let (sender, receiver) = oneshot::channel();
        self.lock().entry(key.clone()).or_default().push(sender);
        Waiter {
            waiters: self,
            key,
            receiver,
        }
    }

    /// Wakes all who wait for an order.
    pub(crate) fn wake(&self, key: &OrderKey) {
        let waiting = self.lock().remove(key);
        for waiter in waiting.into_iter().flatten() {
            // A caller that gave up waiting has dropped its end: nobody is left to tell.
            let _ = waiter.send(());
        }
    }

    /// Forgets callers of an order that have stopped waiting.
    fn forget(&self, key: &OrderKey) {
        let mut waiting = self.lock();
        if let Some(waiters) = waiting.get_mut(key) {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                waiting.remove(key);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<OrderKey, Vec<oneshot::Sender<()>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    /// Waits for the end of an attempt. Whether it came in time or not, the store tells how the order stands.
    pub(crate) async fn wait(mut self, longest: Duration) {
        let _ = tokio::time::timeout(longest, &mut self.receiver).await;
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        self.waiters.forget(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use saldo_domain::ids::{AccountId, OrderId};

    use super::*;

    #[test]
    fn a_caller_that_went_away_is_not_remembered() {
        let waiters = Waiters::default();
        let key = OrderKey {
            account: AccountId::new(uuid::Uuid::nil()),
            order: OrderId::parse("order").unwrap(),
        };
        let first = waiters.register(key.clone());
        let second = waiters.register(key.clone());
        drop(first);
        assert_eq!(waiters.lock()[&key].len(), 1);
        drop(second);
        assert!(waiters.lock().is_empty());
    }
}
