//! The mode and its history, and the orders seen in shadow.

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::ids::OrderKey;
use saldo_domain::rollout::{Rollout, ShadowOrder, Verdict};

use super::MemoryStore;
use super::tables::Tables;
use crate::error::StoreError;
use crate::query::{Page, PageRequest};
use crate::reconciliations::check_keys;
use crate::rollouts::{Rollouts, ShadowCounts, ShadowFilter, ShadowPlace};

#[async_trait]
impl Rollouts for MemoryStore {
    async fn rollout(&self) -> Result<Option<Rollout>, StoreError> {
        Ok(self.open()?.tables.rollouts.last().cloned())
    }

    async fn rollout_changes(&self, page: PageRequest) -> Result<Page<Rollout>, StoreError> {
        self.open()?.tables.rollouts_page(&page)
    }

    async fn shadow_orders(
        &self,
        filter: &ShadowFilter,
        page: PageRequest,
    ) -> Result<Page<ShadowOrder>, StoreError> {
        self.open()?.tables.shadow_orders_page(filter, &page)
    }

    async fn shadow_orders_of(&self, keys: &[OrderKey]) -> Result<Vec<Option<ShadowOrder>>, StoreError> {
        check_keys(keys)?;
        let state = self.open()?;
        let of = |key| state.tables.shadow_orders.get(key).cloned();
        Ok(keys.iter().map(of).collect())
    }

    async fn put_verdicts(
        &self,
        verdicts: Vec<(OrderKey, bool, Verdict)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tables = &mut self.open()?.tables;
        for (key, flag, verdict) in verdicts {
            if let Some(order) = tables.shadow_orders.get_mut(&key) {
                order.remote_flag = Some(flag);
                order.compared_at = Some(now);
                order.verdict = verdict;
            }
        }
        Ok(())
    }

    async fn shadow_counts(&self, filter: &ShadowFilter) -> Result<ShadowCounts, StoreError> {
        Ok(self.open()?.tables.shadow_counts(filter))
    }
}

impl Tables {
    fn rollouts_page(&self, page: &PageRequest) -> Result<Page<Rollout>, StoreError> {
        // A rollout's number is its place in the history, from 1.
        let before: Option<usize> = page.position()?;
        let numbered = self.rollouts.iter().enumerate().rev();
        let rows: Vec<(usize, Rollout)> = numbered
            .map(|(index, rollout)| {
                let told = Rollout {
                    earlier: Vec::new(),
                    ..rollout.clone()
                };
                (index + 1, told)
            })
            .filter(|(number, _)| before.is_none_or(|before| *number < before))
            .take(page.limit + 1)
            .collect();
        let page = Page::from_rows(rows, page.limit, |(number, _)| *number);
        Ok(Page {
            items: page.items.into_iter().map(|(_, rollout)| rollout).collect(),
            next_cursor: page.next_cursor,
        })
    }

    fn shadow_orders_page(
        &self,
        filter: &ShadowFilter,
        page: &PageRequest,
    ) -> Result<Page<ShadowOrder>, StoreError> {
        let before: Option<ShadowPlace> = page.position()?;
        let mut rows: Vec<ShadowOrder> = self
            .shadow_orders
            .values()
            .filter(|order| {
                let is_older = |before: &ShadowPlace| ShadowPlace::of(order) < *before;
                before.as_ref().is_none_or(is_older) && filter.matches(order)
            })
            .cloned()
            .collect();
        rows.sort_by_cached_key(|order| std::cmp::Reverse(ShadowPlace::of(order)));
        rows.truncate(page.limit + 1);
        Ok(Page::from_rows(rows, page.limit, ShadowPlace::of))
    }

    fn shadow_counts(&self, filter: &ShadowFilter) -> ShadowCounts {
        let filter = ShadowFilter {
            verdict: None,
            ..filter.clone()
        };
        let mut counts = ShadowCounts::default();
        for order in self.shadow_orders.values().filter(|order| filter.matches(order)) {
            match order.verdict {
                Verdict::Same => counts.same += 1,
                Verdict::Differs => counts.differs += 1,
                Verdict::Undecided => counts.undecided += 1,
            }
        }
        counts
    }
}
