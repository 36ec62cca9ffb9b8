//! How fast calls may begin, how many may be under way, and whose turn it is.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::ids::AccountId;

const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

/// A bound on the rate of calls: a bucket of tokens that fills evenly, and each call takes one.
///
/// What it holds is counted as the time that it took to fill, so that there is no rounding: whoever waits as
/// long as told finds a token, unless somebody else took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenBucket {
    /// The time in which one token comes, in nanoseconds.
    token_nanoseconds: i64,
    /// A full bucket, in nanoseconds.
    full_nanoseconds: i64,
    /// What it holds, in nanoseconds: from zero to full.
    held_nanoseconds: i64,
    /// When it was last looked at.
    seen_at: Option<Timestamp>,
}

impl TokenBucket {
    /// A full bucket that gives `per_second` tokens a second, and `burst` at once when it is full. Of both, 0 is
    /// taken for 1: a bucket that never gives anything would stop its user for ever.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        let token_nanoseconds = (NANOSECONDS_PER_SECOND / i64::from(per_second.max(1))).max(1);
        let full_nanoseconds = token_nanoseconds * i64::from(burst.max(1));
        Self {
            token_nanoseconds,
            full_nanoseconds,
            held_nanoseconds: full_nanoseconds,
            seen_at: None,
        }
    }

    /// Changes how fast tokens come, and how many it holds at most. What it holds stays, as far as there is room.
    pub fn change(&mut self, token_nanoseconds: u64, burst: u32) {
        let token = i64::try_from(token_nanoseconds).unwrap_or(i64::MAX).max(1);
        let full = token.saturating_mul(i64::from(burst.max(1)));
        let held = i128::from(self.held_nanoseconds) * i128::from(token) / i128::from(self.token_nanoseconds);
        self.held_nanoseconds = i64::try_from(held).unwrap_or(i64::MAX).min(full);
        self.full_nanoseconds = full;
        self.token_nanoseconds = token;
    }

    /// Takes one token. A clock set back neither takes nor gives any; one set forward fills the bucket at most.
    ///
    /// # Errors
    /// How long to wait for a token when there is none.
    pub fn take(&mut self, now: Timestamp) -> Result<(), SignedDuration> {
        let passed = self
            .seen_at
            .map_or(0, |seen_at| now.duration_since(seen_at).as_nanos());
        self.seen_at = Some(now);
        let missing = self.full_nanoseconds - self.held_nanoseconds;
        // More than fits into an `i64` fills the bucket, too.
        self.held_nanoseconds += i64::try_from(passed.max(0)).unwrap_or(i64::MAX).min(missing);
        if self.held_nanoseconds < self.token_nanoseconds {
            return Err(SignedDuration::from_nanos(
                self.token_nanoseconds - self.held_nanoseconds,
            ));
        }
        self.held_nanoseconds -= self.token_nanoseconds;
        Ok(())
    }
}

/// The calls under way, and fair turns between accounts.
///
/// An account without a call under way may use any free slot. One that has some never takes the last quarter
/// of the slots, nor more than half of all, so that a slow account never keeps the others waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    max_in_flight: usize,
    in_flight: usize,
    /// Calls under way of each account that has any.
    by_account: BTreeMap<AccountId, usize>,
}

impl Flight {
    /// No calls under way, of at most `max_in_flight` (0 is taken for 1).
    #[must_use]
    pub fn new(max_in_flight: usize) -> Self {
        Self {
            max_in_flight: max_in_flight.max(1),
            in_flight: 0,
            by_account: BTreeMap::new(),
        }
    }

    /// Slots that no call uses.
    #[must_use]
    pub const fn free(&self) -> usize {
        self.max_in_flight.saturating_sub(self.in_flight)
    }

    /// Slots that calls use.
    #[must_use]
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many further calls an account may begin now, if no other account does.
    #[must_use]
    pub fn allowance(&self, account: AccountId) -> usize {
        let own = self.by_account.get(&account).copied().unwrap_or(0);
        let first = usize::from(own == 0 && self.free() > 0);
        let before_last_quarter = (self.free() - first).saturating_sub(self.max_in_flight.div_ceil(4));
        let up_to_half = (self.max_in_flight / 2).saturating_sub(own + first);
        first + before_last_quarter.min(up_to_half)
    }

    /// Whether an account may begin one further call now.
    #[must_use]
    pub fn may_start(&self, account: AccountId) -> bool {
        self.allowance(account) > 0
    }

    /// A call of an account begins. It is counted even when it was not allowed.
    pub fn started(&mut self, account: AccountId) {
        self.in_flight += 1;
        *self.by_account.entry(account).or_insert(0) += 1;
    }

    /// A call of an account has ended, however. Of an account that has none under way it changes nothing.
    pub fn ended(&mut self, account: AccountId) {
        let Some(own) = self.by_account.get_mut(&account) else {
            return;
        };
        *own -= 1;
        if *own == 0 {
            self.by_account.remove(&account);
        }
        self.in_flight -= 1;
    }

    /// The accounts with calls under way.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.by_account.keys().copied()
    }

    /// The accounts with calls under way that may not begin another now: those to leave out when the next work
    /// is chosen. Without a free slot nobody may; see [`free`](Self::free).
    pub fn busy_accounts(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.by_account
            .keys()
            .copied()
            .filter(|account| !self.may_start(*account))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + millisecond).unwrap()
    }

    fn account(number: u8) -> AccountId {
        AccountId::new(Uuid::from_u128(u128::from(number)))
    }

    fn taken_at_once(bucket: &mut TokenBucket, now: Timestamp) -> usize {
        (0..1_000).take_while(|_| bucket.take(now).is_ok()).count()
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_says_how_long_to_wait() {
        let mut bucket = TokenBucket::new(50, 3);
        assert_eq!(taken_at_once(&mut bucket, at(0)), 3);
        assert_eq!(bucket.take(at(0)), Err(SignedDuration::from_millis(20)));
        assert_eq!(bucket.take(at(5)), Err(SignedDuration::from_millis(15)));
        assert_eq!(bucket.take(at(20)), Ok(()));
        assert!(bucket.take(at(20)).is_err());
    }

    #[test]
    fn whoever_waits_as_long_as_told_finds_a_token() {
        let mut bucket = TokenBucket::new(7, 1);
        let mut now = at(0);
        for _ in 0..100 {
            while let Err(wait) = bucket.take(now) {
                now += wait;
                assert_eq!(bucket.clone().take(now), Ok(()));
            }
        }
        assert!(
            now >= at(14_142) && now <= at(14_143),
            "99 further tokens at 7 a second: {now}"
        );
    }

    #[test]
    fn a_clock_set_back_neither_takes_nor_gives_tokens() {
        let mut bucket = TokenBucket::new(10, 2);
        assert_eq!(bucket.take(at(0)), Ok(()));
        assert_eq!(bucket.take(at(-3_600_000)), Ok(()));
        assert_eq!(bucket.take(at(-3_600_000)), Err(SignedDuration::from_millis(100)));
        assert_eq!(bucket.take(at(-3_599_900)), Ok(()));
    }

    #[test]
    fn a_clock_set_forward_fills_the_burst_and_no_more() {
        let mut bucket = TokenBucket::new(10, 4);
        assert_eq!(taken_at_once(&mut bucket, Timestamp::MIN), 4);
        assert_eq!(taken_at_once(&mut bucket, Timestamp::MAX), 4);
    }

    #[test]
    fn a_rate_that_changes_keeps_the_tokens_as_far_as_there_is_room() {
        let mut bucket = TokenBucket::new(10, 4);
        assert_eq!(bucket.take(at(0)), Ok(()));
        bucket.change(200_000_000, 2);
        assert_eq!(taken_at_once(&mut bucket, at(0)), 2);
        assert_eq!(bucket.take(at(0)), Err(SignedDuration::from_millis(200)));
        bucket.change(100_000_000, 4);
        assert_eq!(bucket.take(at(0)), Err(SignedDuration::from_millis(100)));
        assert_eq!(taken_at_once(&mut bucket, at(10_000)), 4);
    }

    #[test]
    fn zero_is_taken_for_one() {
        let mut bucket = TokenBucket::new(0, 0);
        assert_eq!(bucket.take(at(0)), Ok(()));
        assert_eq!(bucket.take(at(0)), Err(SignedDuration::from_secs(1)));
        assert!(Flight::new(0).may_start(account(1)));
    }

    #[test]
    fn an_account_never_has_more_than_half_of_the_slots() {
        let mut flight = Flight::new(32);
        assert_eq!(flight.allowance(account(1)), 16);
        for _ in 0..16 {
            assert!(flight.may_start(account(1)));
            flight.started(account(1));
        }
        assert!(!flight.may_start(account(1)));
        assert_eq!(flight.free(), 16);
        assert_eq!(
            flight.allowance(account(2)),
            8,
            "the last quarter is not for the second one either"
        );
    }

    #[test]
    fn the_last_quarter_is_for_accounts_without_a_call_under_way() {
        let mut flight = Flight::new(8);
        for number in [1, 1, 1, 2, 2, 2] {
            assert!(flight.may_start(account(number)));
            flight.started(account(number));
        }
        assert_eq!(flight.free(), 2);
        assert!(!flight.may_start(account(1)) && !flight.may_start(account(2)));
        assert_eq!(
            flight.busy_accounts().collect::<Vec<_>>(),
            [account(1), account(2)]
        );
        assert_eq!(flight.allowance(account(3)), 1);
        flight.started(account(3));
        assert_eq!(flight.allowance(account(4)), 1);
        flight.started(account(4));
        assert!(!flight.may_start(account(5)));
    }

    #[test]
    fn few_slots_still_give_every_account_a_turn() {
        for slots in 1..=4 {
            let mut flight = Flight::new(slots);
            for number in 0..slots {
                let account = account(u8::try_from(number).unwrap());
                assert!(flight.may_start(account), "{number} of {slots}");
                flight.started(account);
            }
            assert_eq!(flight.free(), 0);
        }
    }

    #[test]
    fn an_account_whose_calls_have_ended_is_not_remembered() {
        let mut flight = Flight::new(2);
        flight.started(account(1));
        assert_eq!(flight.busy_accounts().count(), 1);
        flight.ended(account(2));
        flight.ended(account(1));
        flight.ended(account(1));
        assert_eq!(flight, Flight::new(2));
    }

    proptest! {
        #[test]
        fn a_bucket_gives_at_most_burst_and_rate_over_any_time(
            per_second in 1_u32..1_000, burst in 1_u32..50,
            steps in prop::collection::vec(0_i64..2_000, 1..200),
        ) {
            let mut bucket = TokenBucket::new(per_second, burst);
            let (mut now, mut taken) = (0, 0);
            for step in steps {
                now += step;
                taken += i64::from(bucket.take(at(now)).is_ok());
                let allowed = i64::from(burst) + now * i64::from(per_second) / 1_000 + 1;
                prop_assert!(taken <= allowed);
            }
        }

        #[test]
        fn an_allowance_is_what_an_account_can_really_begin(
            slots in 1_usize..40, begun in prop::collection::vec(0_u8..6, 0..60), number in 0_u8..8,
        ) {
            let mut flight = Flight::new(slots);
            for number in begun {
                if flight.may_start(account(number)) {
                    flight.started(account(number));
                }
            }
            let allowance = flight.allowance(account(number));
            let mut possible = 0;
            while flight.may_start(account(number)) {
                flight.started(account(number));
                possible += 1;
            }
            prop_assert_eq!(allowance, possible);
        }
    }
}
