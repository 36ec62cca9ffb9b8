//! A clock that follows the simulation's time, until somebody sets it.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use saldo_engine::clock::{Clock, VirtualClock};

/// When the clock is to be set.
type When = Box<dyn Fn() -> bool + Send>;

/// Ahead of the simulation's time by as much as it was set forward, or behind.
pub(crate) struct SettableClock {
    steady: VirtualClock,
    ahead: Mutex<SignedDuration>,
    later: Mutex<Option<(When, SignedDuration)>>,
}

impl SettableClock {
    pub(crate) fn starting_at(moment: Timestamp) -> Self {
        Self {
            steady: VirtualClock::starting_at(moment),
            ahead: Mutex::new(SignedDuration::ZERO),
            later: Mutex::new(None),
        }
    }

    /// Sets it the first time that somebody asks for the time while something is so.
    pub(crate) fn jump_when(&self, when: impl Fn() -> bool + Send + 'static, by: SignedDuration) {
        *self.later.lock().unwrap() = Some((Box::new(when), by));
    }

    /// Sets it forward, or back.
    pub(crate) fn jump(&self, by: SignedDuration) {
        *self.ahead.lock().unwrap() += by;
    }
}

impl Clock for SettableClock {
    fn now(&self) -> Timestamp {
        let mut later = self.later.lock().unwrap();
        if let Some((_, by)) = later.take_if(|(when, _)| when()) {
            self.jump(by);
        }
        self.steady.now() + *self.ahead.lock().unwrap()
    }
}
