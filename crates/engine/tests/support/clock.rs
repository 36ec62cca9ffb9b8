//! A clock that follows the simulation's time, until somebody sets it.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use saldo_engine::clock::{Clock, VirtualClock};

/// Ahead of the simulation's time by as much as it was set forward, or behind.
pub(crate) struct SettableClock {
    steady: VirtualClock,
    ahead: Mutex<SignedDuration>,
}

impl SettableClock {
    pub(crate) fn starting_at(moment: Timestamp) -> Self {
        Self {
            steady: VirtualClock::starting_at(moment),
            ahead: Mutex::new(SignedDuration::ZERO),
        }
    }

    /// Sets it forward, or back.
    pub(crate) fn jump(&self, by: SignedDuration) {
        *self.ahead.lock().unwrap() += by;
    }
}

impl Clock for SettableClock {
    fn now(&self) -> Timestamp {
        self.steady.now() + *self.ahead.lock().unwrap()
    }
}
