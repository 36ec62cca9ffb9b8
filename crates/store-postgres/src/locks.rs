//! Locks on what decisions look at, over all instances.
//!
//! Every row that a decision reads is locked until the transaction ends, under a name that is there even when the
//! row is not. A transaction waits for locks once, at its beginning, in the order of their names; what turns out to
//! be needed later is only taken when it is free, and otherwise all is given back and begun again. So nobody waits
//! for a lock while holding a later one, and there are no deadlocks. The locks are those of the transaction
//! (`pg_advisory_xact_lock`): a pooler may give each transaction another connection.

use std::collections::BTreeMap;

use saldo_domain::ids::OrderKey;
use saldo_domain::stock::OfferKey;
use saldo_domain::view::{Key, ListKey};
use sha2::{Digest, Sha256};

/// Names of locks, each with whether nobody else may hold it.
pub(crate) type Names = BTreeMap<i64, bool>;

/// Orders share the locks of mappings, which they only read: few are enough.
const MAPPING_LOCKS: u8 = 32;

/// The name of a lock: the same in every version and on every machine.
fn name(kind: &str, parts: &[&[u8]]) -> i64 {
    let mut digest = Sha256::new();
    digest.update(b"saldo\0");
    digest.update(kind.as_bytes());
    for part in parts {
        digest.update(b"\0");
        digest.update(part);
    }
    let digest = digest.finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(bytes)
}

/// Everything at once. It stands before all others, so that it is taken first.
pub(crate) const EVERYTHING: i64 = i64::MIN;

/// The lock under which the schema is changed.
pub(crate) fn migration_name() -> i64 {
    name("migration", &[])
}

/// The lock on an order, with all that stands beside it.
pub(crate) fn order_name(key: &OrderKey) -> i64 {
    name(
        "order",
        &[key.account.as_uuid().as_bytes(), key.order.as_str().as_bytes()],
    )
}

/// The lock on an operation that belongs to no order.
pub(crate) fn operation_name(id: saldo_domain::ids::OperationId) -> i64 {
    name("operation", &[id.as_uuid().as_bytes()])
}

/// The lock on all reviews about more than an order: they are rare, and decided one after the other.
pub(crate) fn wide_reviews_name() -> i64 {
    name("wide_reviews", &[])
}

/// The lock on a mapping, which it shares with others.
pub(crate) fn mapping_name(key: &OfferKey) -> i64 {
    let whole = name(
        "mapping",
        &[key.account.as_uuid().as_bytes(), key.offer.as_str().as_bytes()],
    );
    name("mappings", &[&[whole.to_be_bytes()[7] % MAPPING_LOCKS]])
}

/// The lock on the mode in force, which decisions share with others.
pub(crate) fn rollout_name() -> i64 {
    name("rollout", &[])
}

/// The locks of a row, as far as its key alone tells them; operations and reviews must be looked up first.
pub(crate) fn add_names(names: &mut Names, key: &Key) {
    let exclusive = match key {
        Key::Order(key) => order_name(key),
        Key::Line(line) => name("line", &[line.as_str().as_bytes()]),
        Key::Balance(key) => name(
            "balance",
            &[key.sku.as_str().as_bytes(), key.warehouse.as_str().as_bytes()],
        ),
        Key::Mapping(key) => {
            names.entry(mapping_name(key)).or_insert(false);
            return;
        }
        Key::Answer(key) => name("answer", &[key.as_bytes()]),
        Key::Rollout => {
            names.entry(rollout_name()).or_insert(false);
            return;
        }
        // It is only ever made newer.
        Key::StockCounted => return,
        Key::Shadow(key) => order_name(key),
        Key::OpenReview(..) => wide_reviews_name(),
        Key::List(list) => match list {
            // Their orders are locked one by one.
            ListKey::Due { .. } | ListKey::AwaitingStock(..) | ListKey::AwaitingOffer(..) => return,
            // What comes into these lists, or leaves them, does so under a review.
            ListKey::OwedSince { .. }
            | ListKey::FailedUnder(_)
            | ListKey::UnpaidSince { .. }
            | ListKey::UnpaidUnder(_) => wide_reviews_name(),
        },
        Key::Operation(_) | Key::Review(_) => return,
    };
    names.insert(exclusive, true);
}

/// The locks that a transaction holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    names: Names,
}

impl Held {
    /// What is not held yet, or only shared where nobody else may hold it.
    pub(crate) fn missing(&self, wanted: &Names) -> Names {
        if self.names.get(&EVERYTHING) == Some(&true) {
            return Names::new();
        }
        let is_missing = |name: &i64, exclusive: bool| match self.names.get(name) {
            Some(true) => false,
            Some(false) => exclusive,
            None => true,
        };
        wanted
            .iter()
            .filter(|(name, exclusive)| is_missing(name, **exclusive))
            .map(|(name, exclusive)| (*name, *exclusive))
            .collect()
    }

    pub(crate) fn add(&mut self, names: &Names) {
        for (name, exclusive) in names {
            *self.names.entry(*name).or_default() |= exclusive;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }
}

/// What a transaction locks at its beginning: the names with a share in everything, or everything itself when they
/// are too many.
pub(crate) fn at_the_beginning(mut names: Names, locks_max: usize) -> Names {
    if names.len() >= locks_max || names.get(&EVERYTHING) == Some(&true) {
        return Names::from([(EVERYTHING, true)]);
    }
    names.insert(EVERYTHING, false);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_change() {
        // Two versions that run beside each other must mean the same lock.
        assert_eq!(migration_name(), name("migration", &[]));
        assert_ne!(name("line", &[b"ab", b"c"]), name("line", &[b"a", b"bc"]));
        assert_ne!(name("line", &[b"a"]), name("order", &[b"a"]));
    }

    #[test]
    fn a_shared_lock_is_no_exclusive_one() {
        let mut held = Held::default();
        held.add(&Names::from([(1, false), (2, true)]));
        let wanted = Names::from([(1, true), (2, false), (3, false)]);
        assert_eq!(held.missing(&wanted), Names::from([(1, true), (3, false)]));
        assert!(held.missing(&Names::from([(1, false), (2, true)])).is_empty());
    }

    #[test]
    fn everything_stands_for_any_name_and_comes_first() {
        let names = at_the_beginning(Names::from([(-5, true)]), 10);
        assert_eq!(names.iter().next(), Some((&EVERYTHING, &false)));
        let names = at_the_beginning((0..10).map(|name| (name, true)).collect(), 10);
        assert_eq!(names, Names::from([(EVERYTHING, true)]));
        let mut held = Held::default();
        held.add(&names);
        assert!(held.missing(&Names::from([(77, true)])).is_empty());
    }
}
