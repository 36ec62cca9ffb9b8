//! Slots of calls that are no deliveries: how many there may be at once, and whose turn it is.
//!
//! A slow account holds its slots for long. So it leaves some to the others, as do all that were slow last together, and a
//! slot that is free goes to the account that has the fewest calls under way, of these to the one that waits longest.
//!
//! Nobody can tell of a call beforehand that it will be slow: when all slots are taken by accounts that were quick until
//! now, the others wait once, for as long as a call may take.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use saldo_domain::ids::AccountId;

/// How soon a call that found no free slot looks again, in milliseconds.
pub(crate) const SLOT_WAIT_MILLISECONDS: i64 = 10;
/// Who has not looked again for so long waits no more, in milliseconds.
const FORGOTTEN_AFTER_MILLISECONDS: i64 = 20 * SLOT_WAIT_MILLISECONDS;

/// An account is slow when a call took so long. A page of the list takes a tenth of a second, and half of one from a
/// service under load.
const SLOW: Duration = Duration::from_secs(5);
/// For how long after such a call, in minutes: longer than the longest wait before it is asked again.
const SLOW_FOR_MINUTES: i64 = 15;

/// Since when an account waits for a slot, and when it looked last.
#[derive(Debug)]
struct Waiting {
    since: Timestamp,
    looked_at: Timestamp,
}

/// The slots. What it remembers is bounded by the calls under way, and by the accounts that wait or are slow.
#[derive(Debug)]
pub(crate) struct ReadingSlots {
    max: usize,
    /// What one account may hold, and what all that are slow may hold together: three quarters.
    share_max: usize,
    /// When accounts had a slow call.
    slow: BTreeMap<AccountId, Timestamp>,
    under_way: BTreeMap<AccountId, usize>,
    waiting: BTreeMap<AccountId, Waiting>,
}

impl ReadingSlots {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(1);
        Self {
            max,
            share_max: (max * 3).div_ceil(4),
            slow: BTreeMap::new(),
            under_way: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Whether an account may have a slot now, when so many calls may begin besides those under way. One that may not
    /// waits from now on.
    pub(crate) fn may_begin(&mut self, account: AccountId, free: usize, now: Timestamp) -> bool {
        let long_ago = SignedDuration::from_millis(FORGOTTEN_AFTER_MILLISECONDS);
        // After a jump of the clock nobody waits, and everybody looks again at once.
        self.waiting
            .retain(|_, waiting| now.duration_since(waiting.looked_at).abs() <= long_ago);
        let slow_for = SignedDuration::from_mins(SLOW_FOR_MINUTES);
        self.slow
            .retain(|_, slow_at| now.duration_since(*slow_at).abs() <= slow_for);
        let since = self.waiting.get(&account).map_or(now, |waiting| waiting.since);
        let total: usize = self.under_way.values().sum();
        let is_slow_full = self.slow_under_way() >= self.share_max;
        let is_allowed = |account: AccountId| {
            self.of(account) < self.share_max && !(is_slow_full && self.is_slow(account))
        };
        let is_free = total < self.max && free > 0 && is_allowed(account);
        let own = (self.of(account), since, account);
        let is_next = self
            .waiting
            .iter()
            .all(|(other, waiting)| !is_allowed(*other) || own <= (self.of(*other), waiting.since, *other));
        if is_free && is_next {
            self.waiting.remove(&account);
            return true;
        }
        let looked_at = now;
        self.waiting.insert(account, Waiting { since, looked_at });
        false
    }

    pub(crate) fn began(&mut self, account: AccountId) {
        *self.under_way.entry(account).or_default() += 1;
    }

    pub(crate) fn ended(&mut self, account: AccountId, took: Duration, now: Timestamp) {
        if took >= SLOW {
            self.slow.insert(account, now);
        }
        if let Some(under_way) = self.under_way.get_mut(&account) {
            *under_way = under_way.saturating_sub(1);
            if *under_way == 0 {
                self.under_way.remove(&account);
            }
        }
    }

    /// Whether an account had a slow call of late.
    pub(crate) fn is_slow(&self, account: AccountId) -> bool {
        self.slow.contains_key(&account)
    }

    fn slow_under_way(&self) -> usize {
        let slow = self
            .under_way
            .iter()
            .filter(|(account, _)| self.is_slow(**account));
        slow.map(|(_, under_way)| under_way).sum()
    }

    fn of(&self, account: AccountId) -> usize {
        self.under_way.get(&account).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId::new(uuid::Uuid::from_u128(number))
    }

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + millisecond).unwrap()
    }

    fn begins(slots: &mut ReadingSlots, number: u128, millisecond: i64) -> bool {
        let may = slots.may_begin(account(number), 100, at(millisecond));
        if may {
            slots.began(account(number));
        }
        may
    }

    const QUICK: Duration = Duration::from_millis(40);

    fn ends(slots: &mut ReadingSlots, number: u128, took: Duration, millisecond: i64) {
        slots.ended(account(number), took, at(millisecond));
    }

    #[test]
    fn accounts_that_were_slow_leave_slots_to_the_others_however_many_they_are() {
        let mut slots = ReadingSlots::new(8);
        assert!(
            (1..=8).all(|number| begins(&mut slots, number, 0)),
            "nobody is known yet"
        );
        (1..=8).for_each(|number| ends(&mut slots, number, SLOW, 5_000));
        let begun: Vec<u128> = (1..=8)
            .filter(|number| begins(&mut slots, *number, 5_010))
            .collect();
        assert_eq!(begun, [1, 2, 3, 4, 5, 6]);
        // Those that wait longer, and may not begin, keep the quick ones from nothing.
        assert!(begins(&mut slots, 9, 5_020) && begins(&mut slots, 10, 5_020));
        ends(&mut slots, 9, QUICK, 5_030);
        assert!(
            !begins(&mut slots, 7, 5_030),
            "a quick call made no room for the slow ones"
        );
        // A quick one among slow ones: their list takes long, and their flags do not.
        ends(&mut slots, 1, QUICK, 5_040);
        assert!(begins(&mut slots, 7, 5_040));
        assert!(!begins(&mut slots, 1, 5_050));
        let later = 5_060 + SLOW_FOR_MINUTES * 60_000;
        assert!(begins(&mut slots, 1, later), "that was long ago");
    }

    #[test]
    fn one_account_leaves_slots_to_the_others() {
        let mut slots = ReadingSlots::new(8);
        let begun = (0..20).filter(|_| begins(&mut slots, 1, 0)).count();
        assert_eq!(begun, 6);
        assert!(begins(&mut slots, 2, 0) && begins(&mut slots, 3, 0));
        assert!(!begins(&mut slots, 4, 0), "no more than there are");
    }

    #[test]
    fn a_slot_goes_to_who_has_the_fewest_and_of_these_to_who_waits_longest() {
        let mut slots = ReadingSlots::new(1);
        assert!(begins(&mut slots, 1, 0));
        assert!(!begins(&mut slots, 3, 1) && !begins(&mut slots, 2, 2));
        ends(&mut slots, 1, QUICK, 4);
        assert!(
            !begins(&mut slots, 1, 5),
            "the account that had it waits behind the others"
        );
        assert!(!begins(&mut slots, 2, 6), "another one waits for longer");
        assert!(begins(&mut slots, 3, 7));
        ends(&mut slots, 3, QUICK, 7);
        assert!(begins(&mut slots, 2, 8));
        ends(&mut slots, 2, QUICK, 7);
        assert!(begins(&mut slots, 1, 9));
    }

    #[test]
    fn who_waits_no_more_keeps_nobody_waiting() {
        let mut slots = ReadingSlots::new(1);
        assert!(begins(&mut slots, 1, 0));
        assert!(!begins(&mut slots, 2, 1));
        ends(&mut slots, 1, QUICK, 7);
        assert!(!begins(&mut slots, 1, 100));
        assert!(begins(&mut slots, 1, 300));
        assert!(slots.waiting.is_empty());
    }
}
