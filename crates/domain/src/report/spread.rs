//! How long something took, over many times.

use hdrhistogram::Histogram;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How long something took, over many times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many times.
    pub count: u64,
    /// The mean, in milliseconds; none of none.
    pub mean_ms: Option<u64>,
    /// The median, in milliseconds, to two digits.
    pub median_ms: Option<u64>,
    /// The longest, in milliseconds.
    pub longest_ms: Option<u64>,
}

/// Digits to which a median is known: they bound the memory, whatever the number of times.
const DIGITS: u8 = 2;

/// A spread in the making.
#[derive(Debug, Default)]
pub(super) struct Spreading {
    sum_ms: u128,
    longest_ms: u64,
    /// Made with the first time: most reasons of a report have none.
    times: Option<Histogram<u64>>,
}

impl Spreading {
    /// Adds one. A clock that was set back makes no time negative.
    pub(super) fn add(&mut self, from: Timestamp, to: Timestamp) {
        let took_ms = u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0);
        if self.times.is_none() {
            self.times = Histogram::new(DIGITS).ok();
        }
        if let Some(times) = &mut self.times {
            // It grows with the longest time; what it cannot hold counts as the longest it can.
            times.auto(true);
            if times.record(took_ms).is_err() {
                times.saturating_record(took_ms);
            }
        }
        self.sum_ms += u128::from(took_ms);
        self.longest_ms = self.longest_ms.max(took_ms);
    }

    /// What was added.
    pub(super) fn finish(&self) -> Spread {
        let Some(times) = &self.times else {
            return Spread::default();
        };
        let count = times.len();
        let mean = self.sum_ms / u128::from(count.max(1));
        Spread {
            count,
            mean_ms: u64::try_from(mean).ok(),
            median_ms: Some(times.value_at_quantile(0.5).min(self.longest_ms)),
            longest_ms: Some(self.longest_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn mean_median_and_longest_are_told() {
        let mut spreading = Spreading::default();
        assert_eq!(spreading.finish(), Spread::default());
        for took in [100, 100, 100, 100, 9_600] {
            spreading.add(at(0), at(took));
        }
        let spread = spreading.finish();
        assert_eq!((spread.count, spread.mean_ms), (5, Some(2_000)));
        assert_eq!((spread.median_ms, spread.longest_ms), (Some(100), Some(9_600)));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_time_negative_and_a_long_one_is_kept() {
        let mut spreading = Spreading::default();
        spreading.add(at(5_000), at(0));
        assert_eq!(spreading.finish().longest_ms, Some(0));
        let ten_years = 10 * 366 * 24 * 3_600_000;
        spreading.add(at(0), at(ten_years));
        assert_eq!(spreading.finish().longest_ms, u64::try_from(ten_years).ok());
    }
}
