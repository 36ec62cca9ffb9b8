//! The part of the contract by which instances tell each other to look.

use async_trait::async_trait;

/// What another instance should look at. It is no more than a hint: whoever missed it finds out by looking from time
/// to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// A delivery is due.
    Due,
    /// A circuit changed.
    Circuits,
}

impl Hint {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Due, Self::Circuits];

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Circuits => "circuits",
        }
    }
}

/// Hints between instances. A backend that one process uses, or that cannot tell, gives none and hears none.
#[async_trait]
pub trait Hints: Send + Sync {
    /// Tells the other instances soon. It never waits and never fails, and many hints may become one.
    fn hint(&self, hint: Hint);

    /// Waits for the next hint of another instance. One task of a process listens.
    async fn next_hint(&self) -> Hint;

    /// Whether hints of others arrive here, as it was tried; none where that is not known, or nobody listens.
    fn hints_arrive(&self) -> Option<bool>;
}
