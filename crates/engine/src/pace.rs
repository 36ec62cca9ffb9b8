//! How fast calls may begin: a bucket of tokens, and calls that were made without one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use saldo_domain::ids::AccountId;
use saldo_domain::pacing::TokenBucket;

/// The part of a limit that this instance may use: the others use the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    own: u32,
    all: u32,
}

impl Share {
    /// All of it.
    pub(crate) const WHOLE: Self = Self { own: 1, all: 1 };

    /// So many parts of all of them.
    pub(crate) fn new(own: u32, all: u32) -> Self {
        let own = own.max(1);
        Self {
            own,
            all: all.max(own),
        }
    }

    /// How long one call of a rate takes at this share, in nanoseconds.
    fn nanoseconds(self, per_second: u32) -> u64 {
        const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;
        let calls = u64::from(per_second.max(1)) * u64::from(self.own);
        (NANOSECONDS_PER_SECOND * u64::from(self.all)).div_ceil(calls)
    }

    /// What there is of a number at this share; at least one.
    fn of(self, number: u32) -> u32 {
        let part = u64::from(number) * u64::from(self.own) / u64::from(self.all);
        u32::try_from(part).unwrap_or(u32::MAX).max(1)
    }
}

/// A rate of calls. A call that turns out to need further ones (a read-back) makes them at once, and what
/// comes after it waits for their tokens.
#[derive(Debug)]
pub(crate) struct Pace {
    bucket: TokenBucket,
    /// All of the limit, of which a share is in force.
    limit: (u32, u32),
    burst: u32,
    /// Calls made without a token.
    owed: u32,
}

impl Pace {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            bucket: TokenBucket::new(per_second, burst),
            limit: (per_second, burst),
            burst: burst.max(1),
            owed: 0,
        }
    }

    /// From now on so much of the limit is in force.
    pub(crate) fn set_share(&mut self, share: Share) {
        let (per_second, burst) = self.limit;
        self.burst = share.of(burst);
        self.bucket.change(share.nanoseconds(per_second), self.burst);
    }

    /// How many calls may begin now, at least one and at most the burst; or how long to wait for the first.
    pub(crate) fn spare(&mut self, now: Timestamp) -> Result<usize, SignedDuration> {
        while self.owed > 0 {
            self.bucket.take(now)?;
            self.owed -= 1;
        }
        let mut bucket = self.bucket.clone();
        bucket.take(now)?;
        let further = (1..self.burst).take_while(|_| bucket.take(now).is_ok());
        Ok(1 + further.count())
    }

    /// How many calls may begin at once at most.
    pub(crate) fn burst(&self) -> usize {
        usize::try_from(self.burst).unwrap_or(usize::MAX)
    }

    /// So many calls begin, whether there are tokens for them or not.
    pub(crate) fn charge(&mut self, calls: u32, now: Timestamp) {
        for _ in 0..calls {
            if self.bucket.take(now).is_err() {
                self.owed = self.owed.saturating_add(1);
            }
        }
    }

    fn is_full(&mut self, now: Timestamp) -> bool {
        let burst = self.burst();
        self.spare(now).is_ok_and(|spare| spare >= burst)
    }
}

/// The rate of each account. One that was not heard of lately has all of its burst, so only the others are
/// remembered: no more than the service's own rate lets call within a burst's time.
#[derive(Debug)]
pub(crate) struct AccountPaces {
    /// None where the service's own rate is the stricter one.
    rate: Option<(u32, u32)>,
    share: Share,
    known: BTreeMap<AccountId, Pace>,
}

impl AccountPaces {
    pub(crate) fn new(per_second: u32, burst: u32, service_per_second: u32) -> Self {
        Self {
            rate: (per_second < service_per_second).then_some((per_second, burst)),
            share: Share::WHOLE,
            known: BTreeMap::new(),
        }
    }

    /// From now on so much of each limit is in force.
    pub(crate) fn set_share(&mut self, share: Share) {
        self.share = share;
        for pace in self.known.values_mut() {
            pace.set_share(share);
        }
    }

    pub(crate) fn charge(&mut self, account: AccountId, calls: u32, now: Timestamp) {
        if let Some((per_second, burst)) = self.rate {
            let share = self.share;
            let pace = self.known.entry(account).or_insert_with(|| {
                let mut pace = Pace::new(per_second, burst);
                pace.set_share(share);
                pace
            });
            pace.charge(calls, now);
        }
    }

    /// Of each account that has not all of its burst: how many calls may begin now, or how long it must wait.
    pub(crate) fn limited(&mut self, now: Timestamp) -> Vec<(AccountId, Result<usize, SignedDuration>)> {
        self.known.retain(|_, pace| !pace.is_full(now));
        let known = self.known.iter_mut();
        known.map(|(account, pace)| (*account, pace.spare(now))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + millisecond).unwrap()
    }

    #[test]
    fn looking_takes_nothing_and_what_is_owed_is_paid_first() {
        let mut pace = Pace::new(10, 3);
        assert_eq!(pace.spare(at(0)), Ok(3));
        assert_eq!(pace.spare(at(0)), Ok(3));
        pace.charge(5, at(0));
        assert_eq!(pace.spare(at(0)), Err(SignedDuration::from_millis(100)));
        assert_eq!(pace.spare(at(200)), Err(SignedDuration::from_millis(100)));
        assert_eq!(pace.spare(at(300)), Ok(1));
    }

    #[test]
    fn shares_add_up_to_the_limit() {
        let mut paces: Vec<Pace> = (0..3).map(|_| Pace::new(50, 32)).collect();
        let mut calls = 0;
        for pace in &mut paces {
            pace.set_share(Share::new(10, 30));
            for millisecond in 0..10_000 {
                while pace.spare(at(millisecond)).is_ok() {
                    pace.charge(1, at(millisecond));
                    calls += 1;
                }
            }
        }
        assert!((500..=532).contains(&calls), "{calls} in ten seconds");
        assert_eq!(Share::new(1, 1_000).of(32), 1, "nobody is left without any");
    }

    #[test]
    fn an_account_with_all_of_its_burst_is_forgotten() {
        let account = AccountId::new(uuid::Uuid::nil());
        let mut paces = AccountPaces::new(2, 2, 50);
        paces.charge(account, 2, at(0));
        assert_eq!(
            paces.limited(at(0)),
            [(account, Err(SignedDuration::from_millis(500)))]
        );
        assert_eq!(paces.limited(at(500)), [(account, Ok(1))]);
        assert_eq!(paces.limited(at(1_000)), []);
        assert!(paces.known.is_empty());
    }
}
