//! The orders of which this process has a call under way.
//!
//! Leases keep the calls of one order apart, over all instances; but they are judged by the clock, and a clock that is set
//! forward ends all of them at once. Within a process no clock is needed.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use saldo_domain::ids::OrderKey;

/// At most as many as there may be calls in flight.
#[derive(Debug, Default)]
pub(crate) struct UnderWay(Mutex<HashSet<OrderKey>>);

impl UnderWay {
    /// Enters an order until the answer is dropped; none while it is entered already.
    pub(crate) fn enter<'a>(&'a self, order: &'a OrderKey) -> Option<Entered<'a>> {
        let is_new = self.lock().insert(order.clone());
        is_new.then(|| Entered {
            under_way: self,
            order,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<OrderKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An order with a call under way.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    under_way: &'a UnderWay,
    order: &'a OrderKey,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.under_way.lock().remove(self.order);
    }
}
