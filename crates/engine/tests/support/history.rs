//! What the simulated service saw: every call with its beginning and end.

use std::collections::BTreeMap;

use saldo_domain::ids::{AccountId, OrderKey};

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    SetFlag(bool),
    /// Under a claim of the order's delivery.
    ReadFlag,
    /// Without one: somebody only looks.
    LookAtFlag,
    List,
    Health,
    Accounts,
    Find,
}

/// One call. Moments are milliseconds since the simulation began.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) asked: Asked,
    pub(crate) key: Option<OrderKey>,
    pub(crate) began_ms: u64,
    /// None while it is under way.
    pub(crate) ended_ms: Option<u64>,
    /// Whether its caller stopped waiting for it.
    pub(crate) abandoned: bool,
    pub(crate) succeeded: bool,
}

impl Call {
    pub(crate) fn is_flag(&self) -> bool {
        matches!(self.asked, Asked::SetFlag(_))
    }

    fn account(&self) -> Option<AccountId> {
        self.key.as_ref().map(|key| key.account)
    }
}

/// All calls, in the order in which they began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct History(pub(crate) Vec<Call>);

impl History {
    /// Calls that sent a flag.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &Call> {
        self.0.iter().filter(|call| call.is_flag())
    }

    /// How many calls about an order began within a time, its end excluded.
    pub(crate) fn began_within(&self, from_ms: u64, until_ms: u64) -> usize {
        let within = |call: &&Call| (from_ms..until_ms).contains(&call.began_ms);
        self.0
            .iter()
            .filter(|call| call.key.is_some())
            .filter(within)
            .count()
    }

    /// Two calls of one order that were under way at once: of those that send its flag, and where nobody but
    /// deliveries reads flags, of those that read it back.
    pub(crate) fn overlap(&self, with_readings: bool) -> Option<(Call, Call)> {
        let mut last: BTreeMap<&OrderKey, &Call> = BTreeMap::new();
        for call in self
            .0
            .iter()
            .filter(|call| call.is_flag() || (with_readings && call.asked == Asked::ReadFlag))
        {
            let key = call.key.as_ref()?;
            if let Some(before) = last.insert(key, call)
                && before.ended_ms.is_none_or(|ended| ended > call.began_ms)
            {
                return Some((before.clone(), call.clone()));
            }
        }
        None
    }

    /// The most calls about orders under way at once: in all, and of one account.
    pub(crate) fn most_at_once(&self) -> (usize, usize) {
        // At one moment ends count before beginnings.
        let mut steps: Vec<(u64, bool, Option<AccountId>)> = Vec::new();
        for call in self.0.iter().filter(|call| call.key.is_some()) {
            steps.push((call.began_ms, true, call.account()));
            steps.push((call.ended_ms.unwrap_or(u64::MAX), false, call.account()));
        }
        steps.sort_unstable();
        let (mut now, mut most, mut most_of_one) = (0_usize, 0, 0);
        let mut by_account: BTreeMap<Option<AccountId>, usize> = BTreeMap::new();
        for (_, begins, account) in steps {
            let own = by_account.entry(account).or_default();
            if begins {
                now += 1;
                *own += 1;
            } else {
                now = now.saturating_sub(1);
                *own = own.saturating_sub(1);
            }
            most = most.max(now);
            most_of_one = most_of_one.max(*own);
        }
        (most, most_of_one)
    }

    /// The most calls about orders that began within any time of this length.
    pub(crate) fn most_within(&self, length_ms: u64) -> usize {
        let mut moments: Vec<u64> = self
            .0
            .iter()
            .filter(|call| call.key.is_some())
            .map(|call| call.began_ms)
            .collect();
        moments.sort_unstable();
        let mut first = 0;
        let mut most = 0;
        for (position, moment) in moments.iter().enumerate() {
            while moments[first] + length_ms <= *moment {
                first += 1;
            }
            most = most.max(position + 1 - first);
        }
        most
    }
}
