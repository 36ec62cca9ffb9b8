//! Removing what is past its retention.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::ids::{OperationId, OrderKey};
use saldo_domain::operation::{Operation, OperationStatus};
use saldo_domain::review::{Review, Subject};

use super::MemoryStore;
use super::tables::Tables;
use crate::error::StoreError;
use crate::housekeeping::{CleanedUp, Cutoffs, Housekeeping, InTheWay, Kind, Place, recorded_before};

#[async_trait]
impl Housekeeping for MemoryStore {
    async fn clean_up(
        &self,
        cutoffs: &Cutoffs,
        place: &Place,
        limit: usize,
    ) -> Result<CleanedUp, StoreError> {
        Ok(self.open()?.tables.clean_up(cutoffs, place, limit.max(1)))
    }
}

/// A row that is old enough: its moment and its key, in the order in which rows go.
type Old<K> = BTreeMap<(Timestamp, Vec<u8>), K>;

impl Tables {
    fn clean_up(&mut self, cutoffs: &Cutoffs, place: &Place, limit: usize) -> CleanedUp {
        match place.kind {
            Kind::Completed => {
                let old = self.finished(OperationStatus::Completed, cutoffs.completed_before);
                self.remove_each(old, place, limit, Self::remove_operation)
            }
            Kind::RolledBack => {
                let old = self.finished(OperationStatus::RolledBack, cutoffs.failed_before);
                self.remove_each(old, place, limit, Self::remove_operation)
            }
            Kind::Log => {
                let old = self.old_logs(cutoffs.log_before);
                let remove = |tables: &mut Self, id| tables.remove_log(id, cutoffs.log_before);
                self.remove_each(old, place, limit, remove)
            }
            Kind::Reviews => {
                let old = self.old_reviews(cutoffs.log_before);
                self.remove_each(old, place, limit, Self::remove_review)
            }
            Kind::Discrepancies => {
                let closed = self.discrepancies.values().filter_map(|discrepancy| {
                    let at = discrepancy.closed_at.filter(|at| *at < cutoffs.log_before)?;
                    Some(((at, key_of(discrepancy.id.as_uuid())), discrepancy.id))
                });
                self.remove_each(closed.collect(), place, limit, |tables, id| {
                    tables.discrepancies.remove(&id);
                    other(1)
                })
            }
            Kind::Runs => {
                let ended = self.runs.values().filter_map(|run| {
                    let at = run.ended_at.filter(|at| *at < cutoffs.log_before)?;
                    Some(((at, key_of(run.id.as_uuid())), run.id))
                });
                self.remove_each(ended.collect(), place, limit, |tables, id| {
                    tables.runs.remove(&id);
                    other(1)
                })
            }
            Kind::ShadowOrders => {
                let old = self.old_shadow_orders(cutoffs.log_before);
                self.remove_each(old, place, limit, |tables, key| {
                    tables.shadow_orders.remove(&key);
                    other(1)
                })
            }
            Kind::Answers => {
                let old = self.answers.iter().filter_map(|(key, kept)| {
                    let is_old = kept.recorded.at < cutoffs.answers_before;
                    is_old.then(|| ((Timestamp::UNIX_EPOCH, key.clone().into_bytes()), key.clone()))
                });
                self.remove_each(old.collect(), place, limit, |tables, key| {
                    tables.answers.remove(&key);
                    other(1)
                })
            }
        }
    }

    /// Goes through old rows after a place, until `limit` were looked at or removed.
    fn remove_each<K>(
        &mut self,
        old: Old<K>,
        place: &Place,
        limit: usize,
        remove: impl Fn(&mut Self, K) -> CleanedUp,
    ) -> CleanedUp {
        let mut cleaned = CleanedUp::default();
        let mut looked_at = 0;
        let mut last = None;
        for (position, key) in old {
            if place.after.as_ref().is_some_and(|after| position <= *after) {
                continue;
            }
            if looked_at == limit || cleaned.rows() >= limit as u64 {
                cleaned.next = Place::next(place.kind, last);
                return cleaned;
            }
            cleaned.add(remove(self, key));
            looked_at += 1;
            last = Some(position);
        }
        cleaned.next = Place::next(place.kind, None);
        cleaned
    }

    fn finished(&self, status: OperationStatus, before: Timestamp) -> Old<OperationId> {
        let finished = self.operations.values().filter_map(|operation| {
            let at = ended_at(operation).filter(|at| *at < before)?;
            let id = operation.id;
            (operation.status == status).then(|| ((at, key_of(id.as_uuid())), id))
        });
        finished.collect()
    }

    fn may_go(&self, key: &OrderKey) -> bool {
        let in_the_way = InTheWay {
            owes_delivery: self.deliveries.contains_key(key),
            has_open_review: self.reviews_of(key).any(Review::is_open),
            has_unfinished_operation: self
                .operations_of(key)
                .any(|operation| operation.status.is_unfinished()),
        };
        in_the_way.may_go()
    }

    fn remove_operation(&mut self, id: OperationId) -> CleanedUp {
        let order = self
            .operations
            .get(&id)
            .and_then(|operation| operation.order.clone());
        if order.as_ref().is_some_and(|key| !self.may_go(key)) {
            return CleanedUp::default();
        }
        if let Some(key) = order {
            if let Some(ids) = self.order_operations.get_mut(&key) {
                ids.remove(&id);
            }
            if let Some(order) = self.orders.get_mut(&key)
                && order.first_operation == Some(id)
            {
                order.first_operation = None;
            }
        }
        self.operations.remove(&id);
        CleanedUp {
            operations: 1,
            log_entries: self.log.remove(&id).map_or(0, |log| log.len() as u64),
            ..CleanedUp::default()
        }
    }

    fn old_logs(&self, before: Timestamp) -> Old<OperationId> {
        let old = self.log.keys().filter(|id| recorded_before(**id, before));
        old.map(|id| ((Timestamp::UNIX_EPOCH, key_of(id.as_uuid())), *id))
            .collect()
    }

    fn remove_log(&mut self, id: OperationId, before: Timestamp) -> CleanedUp {
        let Some(operation) = self.operations.get(&id) else {
            return CleanedUp::default();
        };
        let has_ended = ended_at(operation).is_some_and(|at| at < before);
        if !has_ended || operation.order.as_ref().is_some_and(|key| !self.may_go(key)) {
            return CleanedUp::default();
        }
        CleanedUp {
            log_entries: self.log.remove(&id).map_or(0, |log| log.len() as u64),
            ..CleanedUp::default()
        }
    }

    fn old_reviews(&self, before: Timestamp) -> Old<saldo_domain::ids::ReviewId> {
        let closed = self.reviews.values().filter_map(|review| {
            let at = review.answer.as_ref().map(|answer| answer.at)?;
            (at < before).then(|| ((at, key_of(review.id.as_uuid())), review.id))
        });
        closed.collect()
    }

    fn remove_review(&mut self, id: saldo_domain::ids::ReviewId) -> CleanedUp {
        let subject = self.reviews.get(&id).map(|review| review.subject.clone());
        if let Some(Subject::Order(key)) = &subject {
            if !self.may_go(key) {
                return CleanedUp::default();
            }
            if let Some(ids) = self.order_reviews.get_mut(key) {
                ids.remove(&id);
            }
        }
        self.reviews.remove(&id);
        CleanedUp {
            reviews: 1,
            ..CleanedUp::default()
        }
    }

    fn old_shadow_orders(&self, before: Timestamp) -> Old<OrderKey> {
        let old = self.shadow_orders.values().filter(|order| order.seen_at < before);
        old.map(|order| {
            let mut key = key_of(order.key.account.as_uuid());
            key.extend(order.key.order.as_str().as_bytes());
            ((order.seen_at, key), order.key.clone())
        })
        .collect()
    }
}

/// When an operation was finished; none while it is not.
fn ended_at(operation: &Operation) -> Option<Timestamp> {
    match operation.status {
        OperationStatus::Completed => operation.completed_at,
        OperationStatus::RolledBack => Some(operation.updated_at),
        _ => None,
    }
}

fn key_of(id: uuid::Uuid) -> Vec<u8> {
    id.into_bytes().to_vec()
}

fn other(rows: u64) -> CleanedUp {
    CleanedUp {
        other: rows,
        ..CleanedUp::default()
    }
}
