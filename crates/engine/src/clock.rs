//! Time, passed in.

use jiff::{SignedDuration, Timestamp};

/// Tells the time. Waiting goes through tokio's timers, which a simulation runs in virtual time.
pub trait Clock: Send + Sync + 'static {
    /// This moment.
    fn now(&self) -> Timestamp;
}

/// A clock that follows tokio's own time: in a runtime whose time is paused, hours pass in an instant.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    began_at: Timestamp,
    began: tokio::time::Instant,
}

impl VirtualClock {
    /// A clock that stands at a moment now. Call it within a tokio runtime.
    #[must_use]
    pub fn starting_at(moment: Timestamp) -> Self {
        Self {
            began_at: moment,
            began: tokio::time::Instant::now(),
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.began.elapsed()).unwrap_or(SignedDuration::MAX);
        self.began_at.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

/// How long to sleep until a moment; nothing when it has passed, and never longer than an hour, so that a clock
/// that was set back does not stop anything for long.
#[must_use]
pub fn until(now: Timestamp, moment: Timestamp) -> std::time::Duration {
    let wait = moment
        .duration_since(now)
        .clamp(SignedDuration::ZERO, SignedDuration::from_hours(1));
    wait.unsigned_abs()
}
