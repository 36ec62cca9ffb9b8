//! What reports are made of, and where they are kept.

use std::collections::BTreeMap;

use async_trait::async_trait;
use saldo_domain::ids::{AccountId, OperationId, ReportId};
use saldo_domain::report::{
    AttemptEnd, AttemptFact, DiscrepancyFact, Figures, Gathering, OperationFact, Period, Report, ReportHead,
    ReviewFact, ShadowFact, SkuMoves,
};
use saldo_domain::stock::Movement;
use saldo_domain::text::Sku;

use super::MemoryStore;
use super::tables::Tables;
use crate::error::StoreError;
use crate::query::{Page, PageRequest};
use crate::reports::{REPORTS_KEPT_MAX, Reports};

#[async_trait]
impl Reports for MemoryStore {
    async fn report_figures(
        &self,
        period: Period,
        account: Option<AccountId>,
    ) -> Result<Figures, StoreError> {
        Ok(self.open()?.tables.report_figures(period, account))
    }

    async fn put_report(&self, report: &Report) -> Result<(), StoreError> {
        let reports = &mut self.open()?.tables.reports;
        reports.insert(report.head.id, report.clone());
        while reports.len() > REPORTS_KEPT_MAX {
            reports.pop_first();
        }
        Ok(())
    }

    async fn reports(&self, page: PageRequest) -> Result<Page<ReportHead>, StoreError> {
        let before: Option<ReportId> = page.position()?;
        let state = self.open()?;
        let heads = state.tables.reports.values().rev().map(|report| &report.head);
        let rows = heads
            .filter(|head| before.is_none_or(|before| head.id < before))
            .take(page.limit + 1)
            .cloned()
            .collect();
        Ok(Page::from_rows(rows, page.limit, |head: &ReportHead| head.id))
    }

    async fn report(&self, id: ReportId) -> Result<Option<Report>, StoreError> {
        Ok(self.open()?.tables.reports.get(&id).cloned())
    }
}

impl Tables {
    fn report_figures(&self, period: Period, account: Option<AccountId>) -> Figures {
        let mut gathering = Gathering::new(period);
        for operation in self.operations.values() {
            if self.is_of(operation.id, account) {
                gathering.operation(&OperationFact {
                    operation_type: operation.operation_type,
                    status: operation.status,
                    waiting_for: operation.waiting_for,
                    created_at: operation.created_at,
                });
            }
        }
        for (operation, entries) in &self.log {
            let calls = entries.iter().filter(|entry| entry.execution_time_ms.is_some());
            for entry in calls.filter(|_| self.is_of(*operation, account)) {
                gathering.attempt(&AttemptFact {
                    operation: *operation,
                    at: entry.at,
                    end: AttemptEnd::of(entry.action),
                });
            }
        }
        self.gather_skus(&mut gathering, period, account);
        for review in self.reviews.values() {
            if account.is_none() || review.subject.account() == account {
                gathering.review(&ReviewFact {
                    reason: review.reason,
                    opened_at: review.opened_at,
                    closed_at: review.answer.as_ref().map(|answer| answer.at),
                    by_person: review
                        .answer
                        .as_ref()
                        .is_some_and(|answer| answer.resolution.is_some()),
                    details: &review.details,
                });
            }
        }
        for discrepancy in self.discrepancies.values() {
            if account.is_none_or(|account| discrepancy.found.key.account == account) {
                gathering.discrepancy(&DiscrepancyFact {
                    kind: discrepancy.found.kind,
                    resolution: discrepancy.found.resolution,
                    first_seen_at: discrepancy.first_seen_at,
                    is_open: discrepancy.closed_at.is_none(),
                });
            }
        }
        for order in self.shadow_orders.values() {
            if account.is_none_or(|account| order.key.account == account) {
                gathering.shadow(&ShadowFact {
                    would: order.would,
                    verdict: order.verdict,
                    seen_at: order.seen_at,
                });
            }
        }
        gathering.finish()
    }

    /// Whether an operation belongs to the account that is asked about; what belongs to none, only to all.
    fn is_of(&self, operation: OperationId, account: Option<AccountId>) -> bool {
        let Some(account) = account else { return true };
        let order = self
            .operations
            .get(&operation)
            .and_then(|operation| operation.order.as_ref());
        order.is_some_and(|order| order.account == account)
    }

    fn gather_skus(&self, gathering: &mut Gathering, period: Period, account: Option<AccountId>) {
        let mut moved: BTreeMap<&Sku, (SkuMoves, SkuMoves)> = BTreeMap::new();
        for (key, movements) in &self.movements {
            let of_orders = movements.iter().filter(|movement| movement.line.is_some());
            for movement in of_orders.filter(|movement| self.is_of(movement.operation, account)) {
                let moves = moved.entry(&key.sku).or_default();
                if period.contains(movement.at) {
                    add(&mut moves.0, movement);
                } else if period.before().contains(movement.at) {
                    add(&mut moves.1, movement);
                }
            }
        }
        for (sku, (now, before)) in moved {
            gathering.sku(sku.clone(), now, before);
        }
    }
}

fn add(moves: &mut SkuMoves, movement: &Movement) {
    if movement.quantity < 0 {
        moves.units_taken += movement.quantity.unsigned_abs();
        moves.times_taken += 1;
    } else {
        moves.units_returned += movement.quantity.unsigned_abs();
    }
}
