//! The only file that reads the real clock; everything else is given a [`Clock`].

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// Where the simulator takes the time from, so that a test can stand still or jump.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that answers with whatever the closure answers.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The clock of this computer.
    #[expect(
        clippy::disallowed_methods,
        reason = "the edge of the simulator: the real time enters here and nowhere else"
    )]
    pub fn system() -> Self {
        Self::from_fn(Timestamp::now)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}
