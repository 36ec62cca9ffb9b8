//! The one place of the program where the real time and real randomness enter; everything else is given them.

use jiff::Timestamp;
use saldo_domain::ids::{IdSource, uuid_v7};
use saldo_engine::clock::Clock;
use uuid::Uuid;

/// The clock of this computer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

/// This moment.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge of the program: the real time enters here"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Random bits from the operating system, 122 of them.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge of the program: randomness enters here"
)]
fn random() -> u128 {
    Uuid::new_v4().as_u128()
}

/// A number that nobody can guess, to begin a generator with.
pub(crate) fn seed() -> u64 {
    // The low half of a random UUID has two fixed bits, which a generator does not mind.
    random() as u64
}

/// A new API key: 244 random bits behind a word that says whose key it is.
pub(crate) fn new_key() -> String {
    format!("saldo_{:032x}{:032x}", random(), random())
}

/// Random `UUIDv7`s that grow.
#[derive(Debug, Default)]
pub(crate) struct RandomIds {
    last: Option<(Timestamp, u64)>,
}

impl IdSource for RandomIds {
    fn next(&mut self, now: Timestamp) -> Uuid {
        // 61 random bits leave room to count upwards within a millisecond, and over a clock that was set back.
        let fresh = seed() >> 3;
        let (at, distinct) = match self.last {
            Some((at, distinct)) if now.as_millisecond() <= at.as_millisecond() => {
                (at, distinct + 1 + (fresh & 0xff_ffff))
            }
            _ => (now, fresh),
        };
        self.last = Some((at, distinct));
        uuid_v7(at, distinct)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_when_the_clock_is_set_back() {
        let mut ids = RandomIds::default();
        let mut last = ids.next(Timestamp::from_millisecond(1_700_000_000_000).unwrap());
        for millisecond in [0, 0, -5_000, 1, 1, -1, 2].into_iter().cycle().take(10_000) {
            let next = ids.next(Timestamp::from_millisecond(1_700_000_000_000 + millisecond).unwrap());
            assert!(next > last);
            assert_eq!(next.get_version_num(), 7);
            last = next;
        }
    }

    #[test]
    fn no_two_keys_are_alike() {
        let key = new_key();
        assert_eq!(key.len(), 70);
        assert_ne!(key, new_key());
    }
}
