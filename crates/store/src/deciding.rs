//! Running one decision: the loop between the rules and the rows that a backend loads for them.
//!
//! Every backend runs decisions through [`decide_with_loads`], so that a panic, an endless hunger for rows or
//! an abandoned run ends the same way everywhere.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::{Timestamp, Unit};
use saldo_domain::changes::Changes;
use saldo_domain::decide::{Command, Outcome, Request, decide};
use saldo_domain::delivery::Outcome as AttemptOutcome;
use saldo_domain::ids::IdSource;
use saldo_domain::policy::Policy;
use saldo_domain::view::{Key, Refusal, Stop, View};
use uuid::Uuid;

use crate::error::StoreError;

/// How often one decision may stop for missing rows. Each stop loads at least one row, so this bounds the rows
/// that one request can make a backend read.
pub const LOADS_MAX: usize = 10_000;

/// Ids that can be taken back: a decision that stops for a missing row is run again, and draws the same ids
/// again. So the ids that are stored do not depend on which rows a backend had loaded beforehand.
pub struct RewindingIds {
    source: Box<dyn IdSource + Send>,
    drawn: VecDeque<Uuid>,
    used: usize,
}

impl RewindingIds {
    /// Wraps a source.
    #[must_use]
    pub fn new(source: Box<dyn IdSource + Send>) -> Self {
        Self {
            source,
            drawn: VecDeque::new(),
            used: 0,
        }
    }

    /// Takes back everything drawn since the last [`RewindingIds::keep`].
    pub fn rewind(&mut self) {
        self.used = 0;
    }

    /// What was drawn is used, and never given out again.
    pub fn keep(&mut self) {
        self.drawn.drain(..self.used);
        self.used = 0;
    }
}

impl IdSource for RewindingIds {
    fn next(&mut self, now: Timestamp) -> Uuid {
        let id = match self.drawn.get(self.used) {
            Some(id) => *id,
            None => {
                let id = self.source.next(now);
                self.drawn.push_back(id);
                id
            }
        };
        self.used += 1;
        id
    }
}

/// Why a request came to no decision. Nothing was changed.
#[derive(Debug)]
pub enum Undecided<E> {
    /// The rules refuse it.
    Refused(Refusal),
    /// A rule would have been broken.
    Defect(String),
    /// The backend could not load a row.
    Load(E),
}

impl<E: Into<StoreError>> From<Undecided<E>> for StoreError {
    fn from(undecided: Undecided<E>) -> Self {
        match undecided {
            Undecided::Refused(refusal) => Self::Refused(refusal),
            Undecided::Defect(detail) => Self::Defect(detail),
            Undecided::Load(error) => error.into(),
        }
    }
}

/// Decides a request, loading rows as the rules ask for them. The view holds every row loaded, but none of the
/// changes: the caller stores those, and then applies them.
///
/// # Errors
/// [`Undecided`]; the view is still good for the next request.
pub fn decide_with_loads<E>(
    view: &mut View,
    request: &Request,
    policy: &Policy,
    ids: &mut RewindingIds,
    mut load: impl FnMut(&mut View, &[Key]) -> Result<(), E>,
) -> Result<(Changes, Outcome), Undecided<E>> {
    for _ in 0..LOADS_MAX {
        ids.rewind();
        // Safe to go on after a panic: `decide` has the view by shared reference and changes nothing but the
        // ids, which are rewound.
        let decided = catch_unwind(AssertUnwindSafe(|| decide(view, request, policy, ids)));
        let missing = match decided {
            Ok(Ok(decided)) => {
                ids.keep();
                return Ok(decided);
            }
            Ok(Err(Stop::Missing(keys))) => keys,
            Ok(Err(Stop::Refused(refusal))) => return Err(Undecided::Refused(refusal)),
            Ok(Err(Stop::Defect(detail))) => return Err(Undecided::Defect(detail)),
            Err(panic) => return Err(Undecided::Defect(panic_message(panic.as_ref()))),
        };
        let new: Vec<Key> = missing.into_iter().filter(|key| !view.has(key)).collect();
        if new.is_empty() {
            return Err(Undecided::Defect(
                "a decision asked again for rows that it has".to_owned(),
            ));
        }
        load(view, &new).map_err(Undecided::Load)?;
        if let Some(key) = new.iter().find(|key| !view.has(key)) {
            return Err(Undecided::Defect(format!("a row was not loaded: {key:?}")));
        }
    }
    Err(Undecided::Defect(format!(
        "a decision stopped {LOADS_MAX} times for missing rows"
    )))
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a decision panicked: {}", text.unwrap_or("no message"))
}

/// A request with its moments cut to the microsecond, as they are stored: what is decided now must not differ
/// from what is decided after the row was read back.
#[must_use]
pub fn in_microseconds(mut request: Request) -> Request {
    request.now = microsecond(request.now);
    match &mut request.command {
        Command::TakeIn(order) => {
            order.copy.updated_at = order.copy.updated_at.map(microsecond);
            order.copy.bought_at = order.copy.bought_at.map(microsecond);
        }
        Command::Settle(settle) => {
            if let AttemptOutcome::NotMade { again_at } = &mut settle.outcome {
                *again_at = microsecond(*again_at);
            }
        }
        _ => {}
    }
    request
}

fn microsecond(moment: Timestamp) -> Timestamp {
    if moment.subsec_nanosecond() % 1000 == 0 {
        return moment;
    }
    let rounding = jiff::TimestampRound::new()
        .smallest(Unit::Microsecond)
        .mode(jiff::RoundMode::Floor);
    // Rounding down to a unit that divides a day fails only outside the range of a timestamp.
    moment.round(rounding).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(u128);

    impl IdSource for Counter {
        fn next(&mut self, _: Timestamp) -> Uuid {
            self.0 += 1;
            Uuid::from_u128(self.0)
        }
    }

    #[test]
    fn an_abandoned_run_gives_its_ids_back() {
        let mut ids = RewindingIds::new(Box::new(Counter(0)));
        let now = Timestamp::UNIX_EPOCH;
        let abandoned = [ids.next(now), ids.next(now), ids.next(now)];
        ids.rewind();
        assert_eq!([ids.next(now), ids.next(now)], abandoned[..2]);
        ids.keep();
        assert_eq!(ids.next(now), abandoned[2]);
        assert_eq!(ids.next(now), Uuid::from_u128(4));
    }

    #[test]
    fn moments_are_cut_to_the_microsecond() {
        let fine = Timestamp::new(5, 123_456_789).unwrap();
        assert_eq!(microsecond(fine), Timestamp::new(5, 123_456_000).unwrap());
        let before_epoch = Timestamp::new(-5, -1).unwrap();
        assert_eq!(microsecond(before_epoch), Timestamp::new(-5, -1000).unwrap());
    }
}
