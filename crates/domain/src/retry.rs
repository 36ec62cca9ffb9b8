//! When a delivery that did not succeed is tried again.

use jiff::SignedDuration;

/// The longest delay that may be configured, in seconds: 30 days. It keeps every sum of times in range.
pub const DELAY_SECONDS_MAX: u64 = 30 * 24 * 3600;

/// The schedule of retries: exponential backoff with a cap. Its defaults are the original's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// Retries after the first attempt; then the operation has failed. 0: no retries.
    pub max_retries: u32,
    /// The delay before the first retry, in seconds.
    pub initial_delay_seconds: u64,
    /// The longest delay, in seconds. It bounds what the service asks to wait, too.
    pub max_delay_seconds: u64,
    /// By how much each delay is longer than the one before: at least 1.
    pub exponential_base: f64,
    /// Whether waits are drawn from the upper half of the delay, so that what failed together does not come
    /// back together.
    pub jitter: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 5,
            initial_delay_seconds: 60,
            max_delay_seconds: 3600,
            exponential_base: 2.0,
            jitter: true,
        }
    }
}

impl RetryPolicy {
    /// Checks a configured schedule.
    ///
    /// # Errors
    /// Every problem at once, each naming the key of the configuration.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        if !self.exponential_base.is_finite() || self.exponential_base < 1.0 {
            problems.push(format!(
                "retry.exponential_base must be a number of at least 1, not {}",
                self.exponential_base
            ));
        }
        if self.max_delay_seconds == 0 || self.max_delay_seconds > DELAY_SECONDS_MAX {
            problems.push(format!(
                "retry.max_delay must be from 1 to {DELAY_SECONDS_MAX} seconds, not {}",
                self.max_delay_seconds
            ));
        }
        if self.initial_delay_seconds > self.max_delay_seconds {
            problems.push(format!(
                "retry.initial_delay ({} s) must not be longer than retry.max_delay ({} s)",
                self.initial_delay_seconds, self.max_delay_seconds
            ));
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// The longest delay, in seconds, also of a policy that was never validated.
    fn cap_seconds(&self) -> u64 {
        self.max_delay_seconds.min(DELAY_SECONDS_MAX)
    }

    /// The delay before the n-th retry, in seconds and before jitter:
    /// `min(initial_delay · exponential_base^(n−1), max_delay)`. Retries count from 1; 0 is taken for 1.
    #[must_use]
    pub fn delay_seconds(&self, retry: u32) -> f64 {
        if self.initial_delay_seconds == 0 {
            return 0.0;
        }
        let growth = self.exponential_base.powf(f64::from(retry.saturating_sub(1)));
        // An infinite product is capped by `min`, and so is one that is not a number.
        (self.initial_delay_seconds as f64 * growth)
            .min(self.cap_seconds() as f64)
            .max(0.0)
    }

    /// How long to wait before the n-th retry (counted from 1).
    ///
    /// With jitter the wait is uniform in [delay/2, delay], picked by `draw`, a random number in [0, 1). What
    /// the service asked for by `Retry-After` is a lower bound, itself bounded by the longest delay.
    #[must_use]
    pub fn wait(&self, retry: u32, draw: f64, retry_after_seconds: Option<u64>) -> SignedDuration {
        let delay = self.delay_seconds(retry);
        let draw = if (0.0..1.0).contains(&draw) { draw } else { 0.0 };
        let share = if self.jitter { 0.5 + draw / 2.0 } else { 1.0 };
        let asked = retry_after_seconds.unwrap_or(0).min(self.cap_seconds());
        let seconds = (delay * share).max(asked as f64);
        // Rounded up to the millisecond, so that no bound from below is missed.
        SignedDuration::from_millis((seconds * 1000.0).ceil() as i64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn without_jitter() -> RetryPolicy {
        RetryPolicy {
            jitter: false,
            ..RetryPolicy::default()
        }
    }

    #[test]
    fn the_default_schedule_doubles_from_a_minute_to_an_hour() {
        let policy = without_jitter();
        let waits: Vec<i64> = (1..=8)
            .map(|retry| policy.wait(retry, 0.3, None).as_secs())
            .collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(policy.max_retries, 5);
        assert_eq!(policy.wait(u32::MAX, 0.0, None).as_secs(), 3600);
    }

    #[test]
    fn retries_count_from_one() {
        assert_eq!(
            without_jitter().delay_seconds(0),
            without_jitter().delay_seconds(1)
        );
    }

    #[test]
    fn without_an_initial_delay_there_is_none_however_often_it_is_tried() {
        let policy = RetryPolicy {
            initial_delay_seconds: 0,
            ..without_jitter()
        };
        assert_eq!(policy.delay_seconds(1), 0.0);
        assert_eq!(policy.delay_seconds(u32::MAX), 0.0);
    }

    #[test]
    fn a_wait_is_rounded_up_to_the_millisecond() {
        let policy = RetryPolicy {
            exponential_base: 1.000_001,
            ..without_jitter()
        };
        assert_eq!(policy.wait(2, 0.0, None), SignedDuration::from_millis(60_001));
    }

    #[test]
    fn a_base_of_one_keeps_the_delay() {
        let policy = RetryPolicy {
            exponential_base: 1.0,
            ..without_jitter()
        };
        assert_eq!(policy.delay_seconds(1), 60.0);
        assert_eq!(policy.delay_seconds(1_000_000), 60.0);
    }

    #[test]
    fn jitter_draws_from_the_upper_half_of_the_delay() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.wait(1, 0.0, None), SignedDuration::from_secs(30));
        assert_eq!(policy.wait(1, 0.5, None), SignedDuration::from_secs(45));
        assert!(policy.wait(1, 0.999_999, None) <= SignedDuration::from_secs(60));
    }

    #[test]
    fn retry_after_is_a_lower_bound_and_is_bounded_itself() {
        let policy = without_jitter();
        assert_eq!(policy.wait(1, 0.0, Some(5)).as_secs(), 60);
        assert_eq!(policy.wait(1, 0.0, Some(600)).as_secs(), 600);
        assert_eq!(policy.wait(1, 0.0, Some(u64::MAX)).as_secs(), 3600);
    }

    #[test]
    fn a_schedule_that_makes_no_sense_is_refused_with_every_problem() {
        assert_eq!(RetryPolicy::default().validate(), Ok(()));
        for base in [0.5, -2.0, f64::NAN, f64::INFINITY] {
            let problems = RetryPolicy {
                exponential_base: base,
                ..RetryPolicy::default()
            }
            .validate();
            assert!(problems.unwrap_err()[0].contains("exponential_base"), "{base}");
        }
        let bad = RetryPolicy {
            exponential_base: 0.0,
            initial_delay_seconds: 7,
            max_delay_seconds: 0,
            ..RetryPolicy::default()
        };
        assert_eq!(bad.validate().unwrap_err().len(), 3);
        let endless = RetryPolicy {
            max_delay_seconds: u64::MAX,
            ..RetryPolicy::default()
        };
        assert_eq!(endless.validate().unwrap_err().len(), 1);
    }

    proptest! {
        #[test]
        fn any_wait_is_bounded_whatever_the_numbers(
            initial in any::<u64>(), max in any::<u64>(), base in prop::num::f64::ANY, jitter in any::<bool>(),
            retry in any::<u32>(), draw in prop::num::f64::ANY, retry_after in any::<Option<u64>>(),
        ) {
            let policy = RetryPolicy {
                max_retries: 5, initial_delay_seconds: initial, max_delay_seconds: max,
                exponential_base: base, jitter,
            };
            prop_assert!(policy.delay_seconds(retry) >= 0.0);
            let wait = policy.wait(retry, draw, retry_after);
            prop_assert!(wait >= SignedDuration::ZERO);
            prop_assert!(wait.as_secs() as u64 <= max.min(DELAY_SECONDS_MAX));
        }

        #[test]
        fn delays_never_shrink_and_jitter_keeps_to_the_upper_half(
            initial in 0_u64..10_000, more in 1_u64..100_000, base in 1.0_f64..10.0,
            retry in 1_u32..100, draw in 0.0_f64..1.0,
        ) {
            let policy = RetryPolicy {
                max_retries: 5, initial_delay_seconds: initial, max_delay_seconds: initial + more,
                exponential_base: base, jitter: true,
            };
            prop_assert_eq!(policy.validate(), Ok(()));
            let delay = policy.delay_seconds(retry);
            prop_assert!(delay <= policy.delay_seconds(retry + 1));
            let wait = policy.wait(retry, draw, None).as_secs_f64();
            prop_assert!(wait >= delay / 2.0 - 1e-6 && wait <= delay + 0.001 + 1e-6);
        }
    }
}
