//! Callers that wait for an order's immediate attempt.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use saldo_domain::ids::OrderKey;
use tokio::sync::oneshot;

/// Who waits for which order. Bounded by the requests under way.
#[derive(Default)]
pub(crate) struct Waiters {
    waiting: Mutex<HashMap<OrderKey, Vec<oneshot::Sender<()>>>>,
}

impl Waiters {
    /// Begins to wait; to be called before the order's delivery can begin, so that its end is not missed.
    pub(crate) fn register(&self, key: OrderKey) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.lock().entry(key).or_default().push(sender);
        receiver
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
    pub(crate) fn forget(&self, key: &OrderKey) {
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
