//! Slots of calls that are no deliveries: how many there may be at once, and whose turn it is.
//!
//! A slow account holds its slots for long. So it leaves some to the others, and a slot that is free goes to the account
//! that has the fewest calls under way, of these to the one that waits longest.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use saldo_domain::ids::AccountId;

/// How soon a call that found no free slot looks again, in milliseconds.
pub(crate) const SLOT_WAIT_MILLISECONDS: i64 = 10;
/// Who has not looked again for so long waits no more, in milliseconds.
const FORGOTTEN_AFTER_MILLISECONDS: i64 = 20 * SLOT_WAIT_MILLISECONDS;

/// Since when an account waits for a slot, and when it looked last.
#[derive(Debug)]
struct Waiting {
    since: Timestamp,
    looked_at: Timestamp,
}

/// The slots. What it remembers is bounded by the calls under way, and by the accounts that wait.
#[derive(Debug)]
pub(crate) struct ReadingSlots {
    max: usize,
    per_account_max: usize,
    under_way: BTreeMap<AccountId, usize>,
    waiting: BTreeMap<AccountId, Waiting>,
}

impl ReadingSlots {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(1);
        Self {
            max,
            per_account_max: (max * 3).div_ceil(4),
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
        let since = self.waiting.get(&account).map_or(now, |waiting| waiting.since);
        let total: usize = self.under_way.values().sum();
        let is_free = total < self.max && free > 0 && self.of(account) < self.per_account_max;
        let own = (self.of(account), since, account);
        let is_next = self.waiting.iter().all(|(other, waiting)| {
            let of_other = self.of(*other);
            of_other >= self.per_account_max || own <= (of_other, waiting.since, *other)
        });
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

    pub(crate) fn ended(&mut self, account: AccountId) {
        if let Some(under_way) = self.under_way.get_mut(&account) {
            *under_way = under_way.saturating_sub(1);
            if *under_way == 0 {
                self.under_way.remove(&account);
            }
        }
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
        slots.ended(account(1));
        assert!(
            !begins(&mut slots, 1, 5),
            "the account that had it waits behind the others"
        );
        assert!(!begins(&mut slots, 2, 6), "another one waits for longer");
        assert!(begins(&mut slots, 3, 7));
        slots.ended(account(3));
        assert!(begins(&mut slots, 2, 8));
        slots.ended(account(2));
        assert!(begins(&mut slots, 1, 9));
    }

    #[test]
    fn who_waits_no_more_keeps_nobody_waiting() {
        let mut slots = ReadingSlots::new(1);
        assert!(begins(&mut slots, 1, 0));
        assert!(!begins(&mut slots, 2, 1));
        slots.ended(account(1));
        assert!(!begins(&mut slots, 1, 100));
        assert!(begins(&mut slots, 1, 300));
        assert!(slots.waiting.is_empty());
    }
}
