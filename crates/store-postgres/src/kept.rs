//! What claims read, kept until they end, so that their end need not read it again.
//!
//! A claim leaves its order's own row as it is; whatever else changes an order, what stands beside it, or its delivery's
//! lease, rewrites that row or gives the delivery another token. So the end of a claim writes the order only in the version
//! that the claim read, and the delivery only under the claim's token, and where either was changed all is given up
//! and begun again with what is stored. What is kept is never believed by itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use saldo_domain::ids::{LeaseToken, OrderKey};
use saldo_domain::view::OrderFile;

use crate::row_version::RowVersion;

/// The most claims that are kept. When one more comes all are forgotten, and their ends read again: claims whose worker is
/// gone are not missed, and others are few.
const KEPT_MAX: usize = 4_096;
/// Orders with more lines are read again: they are rare, and an order may have a thousand.
const KEPT_LINES_MAX: usize = 50;

/// An order with its claimed delivery, and the version of the order's row.
#[derive(Debug, Clone)]
pub(crate) struct KeptClaim {
    pub(crate) file: OrderFile,
    pub(crate) order_version: RowVersion,
}

impl KeptClaim {
    fn token(&self) -> Option<LeaseToken> {
        let lease = self.file.delivery.as_ref()?.lease.as_ref()?;
        Some(lease.token)
    }
}

/// The claims of one store.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<HashMap<OrderKey, KeptClaim>>);

impl Kept {
    /// Keeps claims, which are committed.
    pub(crate) fn keep(&self, claims: Vec<KeptClaim>) {
        let mut kept = self.kept();
        let small = |claim: &KeptClaim| claim.file.order.lines.len() <= KEPT_LINES_MAX;
        for claim in claims.into_iter().filter(small) {
            if kept.len() >= KEPT_MAX {
                kept.clear();
            }
            kept.insert(claim.file.order.key.clone(), claim);
        }
    }

    /// Takes a claim out, if it is the one of a token.
    pub(crate) fn take(&self, key: &OrderKey, token: LeaseToken) -> Option<KeptClaim> {
        self.kept()
            .remove(key)
            .filter(|claim| claim.token() == Some(token))
    }

    /// Forgets orders that this store has changed otherwise: that spares their end a vain attempt.
    pub(crate) fn forget(&self, orders: &[OrderKey]) {
        let mut kept = self.kept();
        if !kept.is_empty() {
            for key in orders {
                kept.remove(key);
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<OrderKey, KeptClaim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use saldo_domain::delivery::{Delivery, Doubts, Lease, Task};
    use saldo_domain::ids::{AccountId, LineItemId, OrderId};
    use saldo_domain::order::{Line, Order};
    use saldo_domain::text::Warehouse;
    use uuid::Uuid;

    use super::*;

    const TOKEN: LeaseToken = LeaseToken::new(Uuid::from_u128(7));

    fn key(number: usize) -> OrderKey {
        OrderKey {
            account: AccountId::new(Uuid::from_u128(1)),
            order: OrderId::parse(&format!("order-{number}")).unwrap(),
        }
    }

    fn claim(number: usize) -> KeptClaim {
        let now = Timestamp::UNIX_EPOCH;
        let warehouse = Warehouse::parse("Ирина").unwrap();
        let mut file = OrderFile::of(Order::first_heard_of(key(number), warehouse, now));
        file.delivery = Some(Delivery {
            key: key(number),
            due_at: now,
            owed_since: now,
            lease: Some(Lease {
                token: TOKEN,
                until: now,
                flag: true,
            }),
            doubts: Doubts::default(),
            task: Task::Send,
            failed_read_backs: 0,
        });
        let order_version = RowVersion::default();
        KeptClaim { file, order_version }
    }

    #[test]
    fn a_claim_is_taken_once_and_only_under_its_own_token() {
        let kept = Kept::default();
        kept.keep(vec![claim(1), claim(2)]);
        assert!(kept.take(&key(1), TOKEN).is_some());
        assert!(kept.take(&key(1), TOKEN).is_none());
        assert!(kept.take(&key(2), LeaseToken::new(Uuid::from_u128(8))).is_none());
    }

    #[test]
    fn what_was_changed_otherwise_is_forgotten() {
        let kept = Kept::default();
        kept.keep(vec![claim(1), claim(2)]);
        kept.forget(&[key(2), key(3)]);
        assert!(kept.take(&key(1), TOKEN).is_some());
        assert!(kept.take(&key(2), TOKEN).is_none());
    }

    #[test]
    fn no_more_are_kept_than_the_bound() {
        let kept = Kept::default();
        kept.keep((0..=KEPT_MAX).map(claim).collect());
        assert_eq!(
            kept.kept().len(),
            1,
            "the last one, once all before were forgotten"
        );
    }

    #[test]
    fn an_order_with_very_many_lines_is_not_kept() {
        let with_lines = |number: usize, lines: usize| {
            let mut claim = claim(number);
            let line = |line: usize| Line {
                id: LineItemId::parse(&format!("line-{line}")).unwrap(),
                made_up: false,
                offer: None,
                external: None,
                quantity: 1,
                parts: Vec::new(),
            };
            claim.file.order.lines = (0..lines).map(line).collect::<Vec<_>>().into();
            claim
        };
        let kept = Kept::default();
        kept.keep(vec![
            with_lines(1, KEPT_LINES_MAX),
            with_lines(2, KEPT_LINES_MAX + 1),
        ]);
        assert!(kept.take(&key(1), TOKEN).is_some());
        assert!(kept.take(&key(2), TOKEN).is_none());
    }
}
