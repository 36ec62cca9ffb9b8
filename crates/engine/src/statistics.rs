//! What happened lately: attempts, successes and delays, a minute to a slot.

use std::collections::VecDeque;

use jiff::Timestamp;
use saldo_store::instances::AttemptCounts;

use crate::api::Latency;

/// Upper bounds of the delay's slots, in milliseconds.
const DELAY_BOUNDS_MS: [u64; 14] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000,
];

/// One minute.
#[derive(Debug, Clone)]
struct Minute {
    index: i64,
    attempts: u64,
    successes: u64,
    retried: u64,
    retried_ms: u64,
    delays: [u64; DELAY_BOUNDS_MS.len()],
}

/// The last minutes; bounded by the window.
#[derive(Debug)]
pub(crate) struct Statistics {
    window_minutes: u32,
    minutes: VecDeque<Minute>,
    last_error: Option<String>,
}

impl Statistics {
    pub(crate) fn new(window_minutes: u32) -> Self {
        Self {
            window_minutes: window_minutes.max(1),
            minutes: VecDeque::new(),
            last_error: None,
        }
    }

    fn minute(&mut self, now: Timestamp) -> &mut Minute {
        let index = now.as_second().div_euclid(60);
        let oldest = index - i64::from(self.window_minutes);
        self.minutes
            .retain(|minute| minute.index > oldest && minute.index <= index);
        if self.minutes.back().is_none_or(|minute| minute.index != index) {
            self.minutes.push_back(Minute {
                index,
                attempts: 0,
                successes: 0,
                retried: 0,
                retried_ms: 0,
                delays: [0; DELAY_BOUNDS_MS.len()],
            });
        }
        let last = self.minutes.len() - 1;
        &mut self.minutes[last]
    }

    /// An attempt ended.
    pub(crate) fn attempt(&mut self, now: Timestamp, took_ms: u64, error: Option<&str>) {
        let slot = DELAY_BOUNDS_MS.iter().position(|bound| took_ms <= *bound);
        let minute = self.minute(now);
        minute.attempts += 1;
        minute.successes += u64::from(error.is_none());
        minute.delays[slot.unwrap_or(DELAY_BOUNDS_MS.len() - 1)] += 1;
        if let Some(error) = error {
            self.last_error = Some(error.to_owned());
        }
    }

    /// What needed a retry was confirmed after so many milliseconds.
    pub(crate) fn retried(&mut self, now: Timestamp, after_ms: u64) {
        let minute = self.minute(now);
        minute.retried += 1;
        minute.retried_ms = minute.retried_ms.saturating_add(after_ms);
    }

    /// What was counted within the window.
    pub(crate) fn counts(&mut self, now: Timestamp) -> AttemptCounts {
        self.minute(now);
        let sum = |of: fn(&Minute) -> u64| self.minutes.iter().map(of).sum();
        AttemptCounts {
            attempts: sum(|minute| minute.attempts),
            successes: sum(|minute| minute.successes),
            retried: sum(|minute| minute.retried),
            retried_ms: sum(|minute| minute.retried_ms),
        }
    }

    pub(crate) fn latency(&self) -> Latency {
        Latency {
            p50_ms: self.percentile(50),
            p99_ms: self.percentile(99),
        }
    }

    /// The upper bound of the slot in which a percentile lies.
    fn percentile(&self, percent: u64) -> Option<u64> {
        let total: u64 = self.minutes.iter().map(|minute| minute.attempts).sum();
        if total == 0 {
            return None;
        }
        let wanted = (total * percent).div_ceil(100);
        let mut seen = 0;
        for (slot, bound) in DELAY_BOUNDS_MS.iter().enumerate() {
            seen += self.minutes.iter().map(|minute| minute.delays[slot]).sum::<u64>();
            if seen >= wanted {
                return Some(*bound);
            }
        }
        None
    }

    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_older_than_the_window_are_forgotten() {
        let mut statistics = Statistics::new(30);
        let begin = Timestamp::from_second(1_700_000_000).unwrap();
        statistics.attempt(begin, 3, None);
        statistics.attempt(begin, 700, Some("503"));
        let counts = statistics.counts(begin);
        assert_eq!((counts.attempts, counts.successes), (2, 1));
        assert_eq!(
            statistics.latency(),
            Latency {
                p50_ms: Some(5),
                p99_ms: Some(1_000)
            }
        );
        let later = begin + jiff::SignedDuration::from_mins(31);
        assert_eq!(statistics.counts(later).attempts, 0);
        assert_eq!(statistics.last_error(), Some("503"));
    }
}
