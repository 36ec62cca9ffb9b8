//! What people and the engine read.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};
use saldo_domain::ids::{OperationId, OrderKey, ReviewId};
use saldo_domain::operation::{Operation, OperationStatus, OperationType};
use saldo_domain::review::{Review, ReviewReason, Subject};
use saldo_domain::stock::{Balance, Movement};
use saldo_domain::text::{Sku, Warehouse};
use saldo_domain::view::OrderFile;

use super::tables::Tables;
use crate::error::StoreError;
use crate::query::{
    BalanceFilter, Counts, LogPage, MovementRow, OperationFilter, Page, PageRequest, ReviewFilter,
    UnfinishedGroup,
};

impl Tables {
    pub(super) fn whole_order(&self, key: &OrderKey) -> Option<OrderFile> {
        let order = self.orders.get(key)?.clone();
        Some(OrderFile {
            order,
            operations: self.operations_of(key).rev().take(500).cloned().collect(),
            delivery: self.deliveries.get(key).cloned(),
            reviews: self.reviews_of(key).rev().cloned().collect(),
        })
    }

    pub(super) fn log_page(&self, id: OperationId, page: &PageRequest) -> Result<LogPage, StoreError> {
        let after: u32 = page.position()?.unwrap_or(0);
        let entries = self
            .log
            .get(&id)
            .into_iter()
            .flatten()
            .filter(|entry| entry.version > after);
        let rows = entries.take(page.limit + 1).cloned().collect();
        Ok(Page::from_rows(
            rows,
            page.limit,
            |entry: &saldo_domain::operation::LogEntry| entry.version,
        ))
    }

    pub(super) fn operations_page(
        &self,
        filter: &OperationFilter,
        page: &PageRequest,
    ) -> Result<Page<Operation>, StoreError> {
        let before: Option<OperationId> = page.position()?;
        let operations = self.operations.values().rev();
        let rows = operations
            .filter(|operation| before.is_none_or(|before| operation.id < before))
            .filter(|operation| filter.matches(operation))
            .take(page.limit + 1)
            .cloned()
            .collect();
        Ok(Page::from_rows(rows, page.limit, |operation: &Operation| {
            operation.id
        }))
    }

    pub(super) fn reviews_page(
        &self,
        filter: &ReviewFilter,
        page: &PageRequest,
    ) -> Result<Page<Review>, StoreError> {
        let before: Option<ReviewId> = page.position()?;
        let reviews = self.reviews.values().rev();
        let rows = reviews
            .filter(|review| before.is_none_or(|before| review.id < before))
            .filter(|review| matches_review(filter, review))
            .take(page.limit + 1)
            .cloned()
            .collect();
        Ok(Page::from_rows(rows, page.limit, |review: &Review| review.id))
    }

    pub(super) fn balances_page(
        &self,
        filter: &BalanceFilter,
        page: &PageRequest,
    ) -> Result<Page<Balance>, StoreError> {
        let after: Option<(Sku, Warehouse)> = page.position()?;
        let balances = self.balances.values();
        let rows = balances
            .filter(|balance| {
                let key = (&balance.key.sku, &balance.key.warehouse);
                after
                    .as_ref()
                    .is_none_or(|(sku, warehouse)| key > (sku, warehouse))
                    && filter.sku.as_ref().is_none_or(|sku| sku == key.0)
                    && filter
                        .warehouse
                        .as_ref()
                        .is_none_or(|warehouse| warehouse == key.1)
                    && filter.below.is_none_or(|below| balance.quantity < below)
            })
            .take(page.limit + 1)
            .cloned()
            .collect();
        let position = |balance: &Balance| (balance.key.sku.clone(), balance.key.warehouse.clone());
        Ok(Page::from_rows(rows, page.limit, position))
    }

    pub(super) fn movements_page(
        &self,
        sku: &Sku,
        page: &PageRequest,
    ) -> Result<Page<MovementRow>, StoreError> {
        let after: Option<(Warehouse, i64)> = page.position()?;
        let is_after = |movement: &Movement| {
            after.as_ref().is_none_or(|(warehouse, sequence)| {
                movement.key.warehouse > *warehouse
                    || (movement.key.warehouse == *warehouse && movement.sequence < *sequence)
            })
        };
        let of_sku = self.movements.iter().filter(|(key, _)| key.sku == *sku);
        let rows = of_sku
            .flat_map(|(_, movements)| movements.iter().rev())
            .filter(|movement| is_after(movement))
            .take(page.limit + 1)
            .map(|movement| MovementRow {
                movement: movement.clone(),
                order: match self.operations.get(&movement.operation) {
                    Some(operation) => operation.order.clone(),
                    // The operation was cleaned up; the line is still known.
                    None => movement
                        .line
                        .as_ref()
                        .and_then(|line| self.line_holders.get(line).cloned()),
                },
            })
            .collect();
        let position = |row: &MovementRow| (row.movement.key.warehouse.clone(), row.movement.sequence);
        Ok(Page::from_rows(rows, page.limit, position))
    }

    pub(super) fn counts(&self, now: Timestamp, stale_before: Timestamp) -> Counts {
        let midnight = midnight_before(now);
        let mut counts = Counts::default();
        for operation in self.operations.values() {
            if operation.status == OperationStatus::Completed {
                let today = operation.completed_at.is_some_and(|at| at >= midnight);
                counts.completed_today += u64::from(today);
            }
            counts.add(&UnfinishedGroup {
                status: operation.status,
                waiting_for: operation.waiting_for,
                count: 1,
                stale: u64::from(operation.created_at < stale_before),
                oldest: Some(operation.created_at),
                refunds: u64::from(operation.operation_type == OperationType::Refund),
            });
        }
        let mut reasons: BTreeMap<ReviewReason, u64> = BTreeMap::new();
        for review in self.reviews.values().filter(|review| review.is_open()) {
            *reasons.entry(review.reason).or_default() += 1;
        }
        counts.reviews_open = reasons.into_iter().collect();
        counts
    }

    pub(super) fn open_wide_reviews(
        &self,
        reason: ReviewReason,
        after: Option<ReviewId>,
        limit: usize,
    ) -> Vec<Review> {
        let open = self.reviews.values().filter(|review| review.is_open());
        open.filter(|review| !matches!(review.subject, Subject::Order(_)))
            .filter(|review| review.reason == reason && after.is_none_or(|after| review.id > after))
            .take(limit)
            .cloned()
            .collect()
    }
}

/// The midnight UTC that a moment's day began with.
#[must_use]
pub(crate) fn midnight_before(now: Timestamp) -> Timestamp {
    let seconds = now.as_second().rem_euclid(24 * 3600);
    let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
    // Only the first day of the calendar has no midnight before it.
    whole.checked_sub(seconds.seconds()).unwrap_or(now)
}

fn matches_review(filter: &ReviewFilter, review: &Review) -> bool {
    filter.open.is_none_or(|open| review.is_open() == open)
        && filter.reason.is_none_or(|reason| review.reason == reason)
        && filter
            .account
            .is_none_or(|account| review.subject.account() == Some(account))
        && filter
            .order
            .as_ref()
            .is_none_or(|order| review.subject.order() == Some(order))
}
