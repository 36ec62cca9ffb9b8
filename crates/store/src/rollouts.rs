//! The part of the contract that switching Saldo on step by step needs.

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::ids::{AccountId, OrderKey};
use saldo_domain::rollout::{Rollout, ShadowOrder, Verdict};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::query::{Page, PageRequest};

/// Which orders in shadow. Fields that are none do not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShadowFilter {
    /// Of one account.
    pub account: Option<AccountId>,
    /// First heard of at or after this moment.
    pub from: Option<Timestamp>,
    /// First heard of before this moment.
    pub to: Option<Timestamp>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
}

impl ShadowFilter {
    /// Whether an order in shadow is one of those asked for.
    #[must_use]
    pub fn matches(&self, order: &ShadowOrder) -> bool {
        self.account.is_none_or(|account| order.key.account == account)
            && self.from.is_none_or(|from| order.seen_at >= from)
            && self.to.is_none_or(|to| order.seen_at < to)
            && self.verdict.is_none_or(|verdict| order.verdict == verdict)
    }
}

/// Where an order in shadow stands in a list that has the newest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShadowPlace {
    /// When it was first heard of.
    pub seen_at: Timestamp,
    /// The order.
    pub order: OrderKey,
}

impl ShadowPlace {
    /// The place of an order in shadow.
    #[must_use]
    pub fn of(order: &ShadowOrder) -> Self {
        Self {
            seen_at: order.seen_at,
            order: order.key.clone(),
        }
    }
}

/// How far Saldo in shadow would have acted as the old way did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShadowCounts {
    /// Orders where it would have.
    pub same: u64,
    /// Orders where it would not.
    pub differs: u64,
    /// Orders where it is too early to tell.
    pub undecided: u64,
}

/// The mode and its history, and the orders seen in shadow.
#[async_trait]
pub trait Rollouts: Send + Sync {
    /// The rollout in force; none before it was first set. It is changed by
    /// [`Command::SetMode`](saldo_domain::decide::Command::SetMode) alone.
    async fn rollout(&self) -> Result<Option<Rollout>, StoreError>;

    /// Every rollout that was ever in force, newest first.
    async fn rollout_changes(&self, page: PageRequest) -> Result<Page<Rollout>, StoreError>;

    /// Orders seen in shadow, the newest first.
    async fn shadow_orders(
        &self,
        filter: &ShadowFilter,
        page: PageRequest,
    ) -> Result<Page<ShadowOrder>, StoreError>;

    /// The orders in shadow among these, in the order asked for; none for one that is not. At most
    /// [`KEYS_MAX`](crate::reconciliations::KEYS_MAX).
    async fn shadow_orders_of(&self, keys: &[OrderKey]) -> Result<Vec<Option<ShadowOrder>>, StoreError>;

    /// Stores what comparisons said: the flag, when, and the verdict. An order that is not in shadow is left out.
    async fn put_verdicts(
        &self,
        verdicts: Vec<(OrderKey, bool, Verdict)>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Counts by verdict; the filter's own verdict is not looked at.
    async fn shadow_counts(&self, filter: &ShadowFilter) -> Result<ShadowCounts, StoreError>;
}
