//! How far Saldo is switched on (section 8): off, shadow, partial, on.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, OrderKey};
use crate::operation::{UnknownWord, words};
use crate::policy::Policy;

/// What is done with orders that nothing is known of yet. What is owed already is finished in every mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing new is deducted; everything stays as it was before Saldo.
    Off,
    /// What would be done is recorded and compared; nothing is changed or sent.
    Shadow,
    /// Some accounts, or a share of the orders, are on; the others are in shadow.
    Partial,
    /// Everything is on.
    On,
}

words!(Mode { Off => "off", Shadow => "shadow", Partial => "partial", On => "on" });

/// How one order is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acting {
    /// It is left alone.
    Off,
    /// What would be done is recorded.
    Shadow,
    /// It is taken in.
    On,
}

/// The mode, with what it is limited to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The mode.
    pub mode: Mode,
    /// In [`Mode::Partial`]: these accounts are on.
    pub accounts: BTreeSet<AccountId>,
    /// In [`Mode::Partial`]: this share of the orders of all other accounts is on, 0 to 100.
    pub percent: u8,
    /// Pulled orders bought before this moment belong to the old way.
    pub start_from: Option<Timestamp>,
    /// When it was last changed.
    pub changed_at: Timestamp,
    /// Who changed it.
    pub changed_by: String,
    /// What was in force before, the newest first, at most [`EARLIER_MAX`].
    #[serde(default)]
    pub earlier: Vec<Earlier>,
}

/// Switches that are looked back over: who switches more often has begun long ago.
pub const EARLIER_MAX: usize = 50;

/// What was on before the rollout in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The mode.
    pub mode: Mode,
    /// See [`Rollout::accounts`].
    pub accounts: BTreeSet<AccountId>,
    /// See [`Rollout::percent`].
    pub percent: u8,
    /// When it came into force.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub changed_at: Timestamp,
}

impl Rollout {
    /// What is in force: the one that was set last, or what the configuration begins with.
    #[must_use]
    pub fn in_force(stored: Option<&Self>, policy: &Policy) -> Self {
        stored.cloned().unwrap_or_else(|| Self {
            mode: policy.initial_mode,
            accounts: BTreeSet::new(),
            percent: 0,
            start_from: None,
            changed_at: Timestamp::UNIX_EPOCH,
            changed_by: "configuration".to_owned(),
            earlier: Vec::new(),
        })
    }

    /// Pulled orders bought before this moment belong to the old way: the latest of what the configuration says, of what
    /// was written when Saldo was switched on, and of when an order like this one came to be Saldo's, as accounts or
    /// the share grew.
    #[must_use]
    pub fn begins_at(&self, key: &OrderKey, configured: Option<Timestamp>) -> Option<Timestamp> {
        self.start_from.max(configured).max(self.grew_over(key))
    }

    /// When the part that is on grew over an order, if it did since Saldo was switched on.
    fn grew_over(&self, key: &OrderKey) -> Option<Timestamp> {
        if self.acting(key) != Acting::On {
            return None;
        }
        let mut on_since = self.changed_at;
        for earlier in self.earlier.iter().take_while(|earlier| is_acting(earlier.mode)) {
            if acting(earlier.mode, &earlier.accounts, earlier.percent, key) != Acting::On {
                return Some(on_since);
            }
            on_since = earlier.changed_at;
        }
        None
    }

    /// This one, as it is looked back on.
    #[must_use]
    pub fn as_earlier(&self) -> Earlier {
        Earlier {
            mode: self.mode,
            accounts: self.accounts.clone(),
            percent: self.percent,
            changed_at: self.changed_at,
        }
    }

    /// Whether it deducts anything new.
    #[must_use]
    pub const fn is_acting(&self) -> bool {
        is_acting(self.mode)
    }

    /// How an order is dealt with. The same order is always dealt with alike while the rollout stays as it is,
    /// and a larger share keeps every order of a smaller one.
    #[must_use]
    pub fn acting(&self, key: &OrderKey) -> Acting {
        acting(self.mode, &self.accounts, self.percent, key)
    }
}

const fn is_acting(mode: Mode) -> bool {
    matches!(mode, Mode::Partial | Mode::On)
}

fn acting(mode: Mode, accounts: &BTreeSet<AccountId>, percent: u8, key: &OrderKey) -> Acting {
    match mode {
        Mode::Off => Acting::Off,
        Mode::Shadow => Acting::Shadow,
        Mode::On => Acting::On,
        Mode::Partial => {
            if accounts.contains(&key.account) || share_of(key) < percent {
                Acting::On
            } else {
                Acting::Shadow
            }
        }
    }
}

/// A number from 0 to 99 that stays the same for an order: FNV-1a over its account and id.
fn share_of(key: &OrderKey) -> u8 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let account = key.account.as_uuid();
    let bytes = account.as_bytes().iter().chain(key.order.as_str().as_bytes());
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME));
    // The high bits are the better mixed ones. Below 100, so it fits.
    u8::try_from((hash >> 32) % 100).unwrap_or(0)
}

/// What Saldo would have done with an order in shadow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Would {
    /// Deduct it and send the flag.
    Deduct,
    /// Wait for its payment.
    Wait,
    /// Ask a person; the details say why.
    Ask,
    /// Leave it alone: cancelled, Allegro's own, merged, or given back.
    Nothing,
}

words!(Would { Deduct => "deduct", Wait => "wait", Ask => "ask", Nothing => "nothing" });

/// Whether the old way did what Saldo would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is too early to tell.
    Undecided,
    /// The service's flag is as Saldo would have left it.
    Same,
    /// It is not.
    Differs,
}

words!(Verdict { Undecided => "undecided", Same => "same", Differs => "differs" });

/// One order in shadow: what would have been done, beside what the service shows was done.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowOrder {
    /// The order.
    pub key: OrderKey,
    /// When Saldo first heard of it.
    pub seen_at: Timestamp,
    /// What would have been done.
    pub would: Would,
    /// The lines that would have been taken, or why not, for people.
    pub details: serde_json::Value,
    /// The service's flag, confirmed by the flags call, once it was compared.
    pub remote_flag: Option<bool>,
    /// When it was last compared.
    pub compared_at: Option<Timestamp>,
    /// What the comparison says.
    pub verdict: Verdict,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::OrderId;
    use uuid::Uuid;

    fn rollout(percent: u8) -> Rollout {
        Rollout {
            mode: Mode::Partial,
            accounts: BTreeSet::new(),
            percent,
            start_from: None,
            changed_at: Timestamp::UNIX_EPOCH,
            changed_by: "test".to_owned(),
            earlier: Vec::new(),
        }
    }

    #[test]
    fn an_order_is_saldo_s_since_the_part_that_is_on_grew_over_it() {
        let at = |second: i64| Timestamp::from_second(1_700_000_000 + second).unwrap();
        let keys: Vec<OrderKey> = (0..200)
            .map(|number| OrderKey {
                account: AccountId::new(Uuid::from_u128(7)),
                order: OrderId::parse(&format!("order-{number}")).unwrap(),
            })
            .collect();
        let switched = |percent: u8, second: i64, earlier: &[Earlier]| Rollout {
            start_from: Some(at(0)),
            changed_at: at(second),
            earlier: earlier.to_vec(),
            ..rollout(percent)
        };
        let shadow = Rollout {
            mode: Mode::Shadow,
            ..switched(0, -10, &[])
        };
        let history = |percents: &[(u8, i64)]| {
            let mut earlier = vec![shadow.as_earlier()];
            let mut now = shadow.clone();
            for (percent, second) in percents {
                now = switched(*percent, *second, &earlier);
                earlier.insert(0, now.as_earlier());
            }
            now
        };
        let grown = history(&[(10, 0), (50, 100), (80, 200)]);
        let shrunk_meanwhile = history(&[(50, 0), (10, 100), (50, 200)]);
        let on = Rollout {
            mode: Mode::On,
            ..history(&[(10, 0), (0, 300)])
        };
        for key in &keys {
            let expected = match share_of(key) {
                0..10 => [0, 0, 0],
                10..50 => [100, 200, 300],
                50..80 => [200, 0, 300],
                _ => [0, 0, 300],
            };
            for (rollout, second) in [&grown, &shrunk_meanwhile, &on].into_iter().zip(expected) {
                assert_eq!(
                    rollout.begins_at(key, None),
                    Some(at(second)),
                    "{rollout:?} {key}"
                );
            }
            assert_eq!(grown.begins_at(key, Some(at(900))), Some(at(900)));
        }
    }

    #[test]
    fn a_larger_share_keeps_every_order_of_a_smaller_one() {
        let mut on_before = 0;
        for number in 0..2_000_u32 {
            let key = OrderKey {
                account: AccountId::new(Uuid::from_u128(7)),
                order: OrderId::parse(&format!("order-{number}")).unwrap(),
            };
            let few = rollout(20).acting(&key) == Acting::On;
            let many = rollout(60).acting(&key) == Acting::On;
            assert!(!few || many, "{key} was on at 20 % and is not at 60 %");
            assert_eq!(rollout(0).acting(&key), Acting::Shadow);
            assert_eq!(rollout(100).acting(&key), Acting::On);
            on_before += usize::from(few);
        }
        assert!((300..500).contains(&on_before), "{on_before} of 2,000 at 20 %");
    }
}
