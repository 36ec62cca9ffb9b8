//! What reconciliation remembers, and what it asks about orders.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::discrepancy::{Discrepancy, DiscrepancyKind, DiscrepancyResolution, Found, Run, Watermark};
use saldo_domain::ids::{OrderKey, RunId};
use saldo_domain::view::{OrderFile, Refusal};

use super::MemoryStore;
use super::tables::Tables;
use crate::error::StoreError;
use crate::query::{Page, PageRequest};
use crate::reconciliations::{
    BoughtOrder, BoughtRange, DiscrepancyFilter, DiscrepancyPlace, Reconciliations, check_keys,
    resolution_when_closed, seen, taken_over,
};
use crate::tasks::TaskLease;

#[async_trait]
impl Reconciliations for MemoryStore {
    async fn order_files(&self, keys: &[OrderKey]) -> Result<Vec<Option<OrderFile>>, StoreError> {
        check_keys(keys)?;
        let state = self.open()?;
        Ok(keys.iter().map(|key| state.tables.live_order(key)).collect())
    }

    async fn touched_orders(
        &self,
        range: &BoughtRange,
        limit: usize,
    ) -> Result<Vec<BoughtOrder>, StoreError> {
        Ok(self.open()?.tables.touched_orders(range, limit))
    }

    async fn watermarks(&self) -> Result<Vec<Watermark>, StoreError> {
        Ok(self.open()?.tables.watermarks.values().cloned().collect())
    }

    async fn put_watermark(&self, watermark: &Watermark) -> Result<(), StoreError> {
        let watermarks = &mut self.open()?.tables.watermarks;
        watermarks.insert(watermark.account, watermark.clone());
        Ok(())
    }

    async fn put_run(&self, run: &Run, under: &TaskLease) -> Result<(), StoreError> {
        let tables = &mut self.open()?.tables;
        tables.check_held(under)?;
        tables.runs.insert(run.id, run.clone());
        Ok(())
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        Ok(self.open()?.tables.runs.get(&id).cloned())
    }

    async fn runs(&self, page: PageRequest) -> Result<Page<Run>, StoreError> {
        self.open()?.tables.runs_page(&page)
    }

    async fn record_discrepancies(
        &self,
        run: RunId,
        found: Vec<Found>,
        now: Timestamp,
        under: &TaskLease,
    ) -> Result<Vec<Discrepancy>, StoreError> {
        let tables = &mut self.open()?.tables;
        tables.check_held(under)?;
        Ok(found
            .into_iter()
            .map(|found| tables.record_discrepancy(run, found, now))
            .collect())
    }

    async fn close_discrepancies(
        &self,
        run: RunId,
        orders: &[OrderKey],
        now: Timestamp,
        under: &TaskLease,
    ) -> Result<u64, StoreError> {
        check_keys(orders)?;
        let tables = &mut self.open()?.tables;
        tables.check_held(under)?;
        Ok(tables.close_discrepancies(run, orders, now))
    }

    async fn discrepancies(
        &self,
        filter: &DiscrepancyFilter,
        page: PageRequest,
    ) -> Result<Page<Discrepancy>, StoreError> {
        self.open()?.tables.discrepancies_page(filter, &page)
    }

    async fn open_discrepancies(
        &self,
    ) -> Result<Vec<(DiscrepancyKind, DiscrepancyResolution, u64)>, StoreError> {
        Ok(self.open()?.tables.open_discrepancies())
    }
}

impl Tables {
    fn check_held(&self, under: &TaskLease) -> Result<(), Refusal> {
        self.is_held(under).then_some(()).ok_or_else(taken_over)
    }

    fn touched_orders(&self, range: &BoughtRange, limit: usize) -> Vec<BoughtOrder> {
        let touched = self
            .orders
            .values()
            .filter(|order| order.key.account == range.account && order.touched);
        let mut orders: Vec<BoughtOrder> = touched
            .map(|order| BoughtOrder {
                bought_at: order.bought_at.unwrap_or(order.created_at),
                order: order.key.order.clone(),
            })
            .filter(|place| range.from.is_none_or(|from| place.bought_at >= from))
            .filter(|place| range.to.is_none_or(|to| place.bought_at <= to))
            .filter(|place| range.after.as_ref().is_none_or(|after| place < after))
            .collect();
        orders.sort_by(|one, other| other.cmp(one));
        orders.truncate(limit);
        orders
    }

    fn runs_page(&self, page: &PageRequest) -> Result<Page<Run>, StoreError> {
        let before: Option<RunId> = page.position()?;
        let runs = self.runs.values().rev();
        let rows = runs
            .filter(|run| before.is_none_or(|before| run.id < before))
            .take(page.limit + 1)
            .cloned()
            .collect();
        Ok(Page::from_rows(rows, page.limit, |run: &Run| run.id))
    }

    fn record_discrepancy(&mut self, run: RunId, found: Found, now: Timestamp) -> Discrepancy {
        let open = self.discrepancies.values().find(|other| {
            other.closed_at.is_none() && other.found.key == found.key && other.found.kind == found.kind
        });
        let kept = seen(open, run, found, now).or_else(|| open.cloned());
        let Some(kept) = kept else {
            unreachable!("what is not open is kept as a new row");
        };
        self.discrepancies.insert(kept.id, kept.clone());
        kept
    }

    fn close_discrepancies(&mut self, run: RunId, orders: &[OrderKey], now: Timestamp) -> u64 {
        let mut closed = 0;
        for discrepancy in self.discrepancies.values_mut() {
            let is_open = discrepancy.closed_at.is_none();
            if is_open && discrepancy.run != run && orders.contains(&discrepancy.found.key) {
                discrepancy.closed_at = Some(now);
                discrepancy.found.resolution = resolution_when_closed(discrepancy.found.resolution);
                closed += 1;
            }
        }
        closed
    }

    fn discrepancies_page(
        &self,
        filter: &DiscrepancyFilter,
        page: &PageRequest,
    ) -> Result<Page<Discrepancy>, StoreError> {
        let before: Option<DiscrepancyPlace> = page.position()?;
        let mut rows: Vec<Discrepancy> = self
            .discrepancies
            .values()
            .filter(|discrepancy| before.is_none_or(|before| DiscrepancyPlace::of(discrepancy) < before))
            .filter(|discrepancy| filter.matches(discrepancy))
            .cloned()
            .collect();
        rows.sort_by_key(|discrepancy| std::cmp::Reverse(DiscrepancyPlace::of(discrepancy)));
        rows.truncate(page.limit + 1);
        Ok(Page::from_rows(rows, page.limit, DiscrepancyPlace::of))
    }

    fn open_discrepancies(&self) -> Vec<(DiscrepancyKind, DiscrepancyResolution, u64)> {
        let mut counts: BTreeMap<(DiscrepancyKind, DiscrepancyResolution), u64> = BTreeMap::new();
        for discrepancy in self.discrepancies.values() {
            if discrepancy.closed_at.is_none() {
                let found = &discrepancy.found;
                *counts.entry((found.kind, found.resolution)).or_default() += 1;
            }
        }
        counts
            .into_iter()
            .map(|((kind, resolution), count)| (kind, resolution, count))
            .collect()
    }
}
