//! Removing what is past its retention: each step a short transaction of the writer's, so that intake waits for at
//! most one step. What may go is found along an index, or along the key of a table, and never by looking through
//! what stays.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use saldo_domain::ids::{AccountId, OperationId, OrderKey};
use saldo_domain::operation::OperationStatus;
use saldo_store::StoreError;
use saldo_store::housekeeping::{CleanedUp, Cutoffs, Housekeeping, InTheWay, Kind, Place, recorded_before};
use saldo_store::rows::optional_order_key;

use crate::failure::Failure;
use crate::sql::{id, many, moment, one, operation_ids, run, run_on_one, stored, text};
use crate::store::SqliteStore;

#[async_trait]
impl Housekeeping for SqliteStore {
    async fn clean_up(
        &self,
        cutoffs: &Cutoffs,
        place: &Place,
        limit: usize,
    ) -> Result<CleanedUp, StoreError> {
        let (cutoffs, place) = (*cutoffs, place.clone());
        // Far above any sensible step.
        let limit = limit.clamp(1, 100_000);
        self.remove_all(move |connection| clean_up(connection, &cutoffs, &place, limit))
            .await
    }
}

/// One step.
pub(crate) fn clean_up(
    connection: &Connection,
    cutoffs: &Cutoffs,
    place: &Place,
    limit: usize,
) -> Result<CleanedUp, Failure> {
    let step = Step {
        connection,
        cutoffs,
        place,
        limit,
        may_go: HashMap::new(),
        gone: HashMap::new(),
    };
    step.run()
}

/// A row that is old enough: its moment, and its key as bytes.
type Position = (Timestamp, Vec<u8>);

/// One step, under way.
struct Step<'c> {
    connection: &'c Connection,
    cutoffs: &'c Cutoffs,
    place: &'c Place,
    limit: usize,
    /// Whether what is finished of an order may go: asked once an order and step.
    may_go: HashMap<OrderKey, bool>,
    /// Operations that went, by order.
    gone: HashMap<OrderKey, Vec<OperationId>>,
}

/// What an old operation is known by.
struct Old {
    id: OperationId,
    order: Option<OrderKey>,
}

impl Step<'_> {
    fn run(mut self) -> Result<CleanedUp, Failure> {
        match self.place.kind {
            Kind::Completed => self.operations(
                "SELECT completed_at, id, account, order_id FROM operation INDEXED BY operation_completed \
                 WHERE status = 'completed' AND completed_at < ?1 AND (completed_at, id) > (?2, ?3) \
                 ORDER BY completed_at, id LIMIT ?4",
                self.cutoffs.completed_before,
            ),
            Kind::RolledBack => self.operations(
                "SELECT updated_at, id, account, order_id FROM operation INDEXED BY operation_rolled_back \
                 WHERE status = 'rolled_back' AND updated_at < ?1 AND (updated_at, id) > (?2, ?3) \
                 ORDER BY updated_at, id LIMIT ?4",
                self.cutoffs.failed_before,
            ),
            Kind::Log => self.logs(),
            Kind::Reviews => self.reviews(),
            Kind::Discrepancies => self.rows(
                "SELECT closed_at, id FROM discrepancy INDEXED BY discrepancy_closed \
                 WHERE closed_at IS NOT NULL AND closed_at < ?1 AND (closed_at, id) > (?2, ?3) \
                 ORDER BY closed_at, id LIMIT ?4",
                "DELETE FROM discrepancy WHERE id = ?1",
            ),
            Kind::Runs => self.rows(
                "SELECT ended_at, id FROM reconciliation_run INDEXED BY reconciliation_run_ended \
                 WHERE ended_at IS NOT NULL AND ended_at < ?1 AND (ended_at, id) > (?2, ?3) \
                 ORDER BY ended_at, id LIMIT ?4",
                "DELETE FROM reconciliation_run WHERE id = ?1",
            ),
            Kind::ShadowOrders => self.shadow_orders(),
            Kind::Answers => self.answers(),
        }
    }

    /// The position to begin after.
    fn after(&self) -> (i64, Vec<u8>) {
        match &self.place.after {
            Some((at, key)) => (stored(*at), key.clone()),
            None => (i64::MIN, Vec::new()),
        }
    }

    /// Looks at rows in order, until `limit` were looked at or removed.
    fn each<T>(
        &mut self,
        rows: Vec<(Position, T)>,
        remove: impl Fn(&mut Self, T) -> Result<CleanedUp, Failure>,
    ) -> Result<CleanedUp, Failure> {
        let mut cleaned = CleanedUp::default();
        let mut last = None;
        let is_full = rows.len() == self.limit;
        let mut rows = rows.into_iter().peekable();
        while cleaned.rows() < self.limit as u64
            && let Some((position, row)) = rows.next()
        {
            cleaned.add(remove(self, row)?);
            last = Some(position);
        }
        let has_more = is_full || rows.peek().is_some();
        cleaned.next = Place::next(self.place.kind, last.filter(|_| has_more));
        Ok(cleaned)
    }

    fn operations(&mut self, sql: &str, before: Timestamp) -> Result<CleanedUp, Failure> {
        let (after, key) = self.after();
        let parameters = params![stored(before), after, key, self.limit as i64];
        let rows = many(self.connection, sql, parameters, |row| {
            let id = id(row, 1, OperationId::new)?;
            let order = optional_order_key(row, 2)?;
            Ok(((moment(row, 0)?, key_of(id.as_uuid())), Old { id, order }))
        })?;
        let cleaned = self.each(rows, Self::remove_operation)?;
        for (key, gone) in std::mem::take(&mut self.gone) {
            forget_operations(self.connection, &key, &gone)?;
        }
        Ok(cleaned)
    }

    fn remove_operation(&mut self, old: Old) -> Result<CleanedUp, Failure> {
        if !self.may_go(old.order.as_ref())? {
            return Ok(CleanedUp::default());
        }
        let log_entries = remove_log(self.connection, old.id)?;
        run_on_one(
            self.connection,
            "DELETE FROM operation WHERE id = ?1",
            [old.id.as_uuid().as_bytes()],
            || format!("the removal of operation {}", old.id),
        )?;
        if let Some(key) = old.order {
            self.gone.entry(key).or_default().push(old.id);
        }
        Ok(CleanedUp {
            operations: 1,
            log_entries,
            ..CleanedUp::default()
        })
    }

    /// Whether what is finished of an order may go; of what is of no order, always.
    fn may_go(&mut self, key: Option<&OrderKey>) -> Result<bool, Failure> {
        let Some(key) = key else { return Ok(true) };
        if let Some(may_go) = self.may_go.get(key) {
            return Ok(*may_go);
        }
        let may_go = in_the_way(self.connection, key)?.may_go();
        self.may_go.insert(key.clone(), may_go);
        Ok(may_go)
    }

    /// Logs stand in the order of the operations' ids, which is that of recording.
    fn logs(&mut self) -> Result<CleanedUp, Failure> {
        let (_, key) = self.after();
        let mut rows = many(
            self.connection,
            "SELECT DISTINCT operation FROM log WHERE operation > ?1 ORDER BY operation LIMIT ?2",
            params![key, self.limit as i64],
            |row| {
                let id = id(row, 0, OperationId::new)?;
                Ok(((Timestamp::UNIX_EPOCH, key_of(id.as_uuid())), id))
            },
        )?;
        let before = self.cutoffs.log_before;
        let old = rows.partition_point(|(_, id)| recorded_before(*id, before));
        rows.truncate(old);
        self.each(rows, Self::remove_old_log)
    }

    fn remove_old_log(&mut self, id: OperationId) -> Result<CleanedUp, Failure> {
        let operation = one(
            self.connection,
            "SELECT status, completed_at, updated_at, account, order_id FROM operation WHERE id = ?1",
            [id.as_uuid().as_bytes()],
            |row| {
                let status: OperationStatus = text(row, 0, str::parse)?;
                let ended_at = match status {
                    OperationStatus::Completed => Some(moment(row, 1)?),
                    OperationStatus::RolledBack => Some(moment(row, 2)?),
                    _ => None,
                };
                Ok((ended_at, optional_order_key(row, 3)?))
            },
        )?;
        let Some((Some(ended_at), order)) = operation else {
            return Ok(CleanedUp::default());
        };
        if ended_at >= self.cutoffs.log_before || !self.may_go(order.as_ref())? {
            return Ok(CleanedUp::default());
        }
        Ok(CleanedUp {
            log_entries: remove_log(self.connection, id)?,
            ..CleanedUp::default()
        })
    }

    fn reviews(&mut self) -> Result<CleanedUp, Failure> {
        let (after, key) = self.after();
        let rows = many(
            self.connection,
            "SELECT answered_at, id, account, order_id FROM review INDEXED BY review_closed \
             WHERE answered_at IS NOT NULL AND answered_at < ?1 AND (answered_at, id) > (?2, ?3) \
             ORDER BY answered_at, id LIMIT ?4",
            params![stored(self.cutoffs.log_before), after, key, self.limit as i64],
            |row| {
                let key: Vec<u8> = row.get(1)?;
                // A review may be about an account, and about no order of it.
                let order = match row.get_ref(3)? {
                    rusqlite::types::ValueRef::Null => None,
                    _ => optional_order_key(row, 2)?,
                };
                Ok(((moment(row, 0)?, key.clone()), (key, order)))
            },
        )?;
        self.each(rows, |step, (key, order)| {
            if !step.may_go(order.as_ref())? {
                return Ok(CleanedUp::default());
            }
            run(step.connection, "DELETE FROM review WHERE id = ?1", [key])?;
            Ok(CleanedUp {
                reviews: 1,
                ..CleanedUp::default()
            })
        })
    }

    /// Rows that nothing stands in the way of: those that a question finds.
    fn rows(&mut self, question: &str, removal: &'static str) -> Result<CleanedUp, Failure> {
        let (after, key) = self.after();
        let before = stored(self.cutoffs.log_before);
        let rows = many(
            self.connection,
            question,
            params![before, after, key, self.limit as i64],
            |row| {
                let key: Vec<u8> = row.get(1)?;
                Ok(((moment(row, 0)?, key.clone()), key))
            },
        )?;
        self.each(rows, |step, key| {
            run(step.connection, removal, [key])?;
            Ok(other())
        })
    }

    fn shadow_orders(&mut self) -> Result<CleanedUp, Failure> {
        let (after, key) = self.after();
        // The account's bytes, and then the order's id.
        let (account, order) = key.split_at(key.len().min(16));
        let order = String::from_utf8_lossy(order);
        let rows = many(
            self.connection,
            "SELECT seen_at, account, order_id FROM shadow_order INDEXED BY shadow_order_by_age \
             WHERE seen_at < ?1 AND (seen_at, account, order_id) > (?2, ?3, ?4) \
             ORDER BY seen_at, account, order_id LIMIT ?5",
            params![
                stored(self.cutoffs.log_before),
                after,
                account,
                order,
                self.limit as i64
            ],
            |row| {
                let account = id(row, 1, AccountId::new)?;
                let order: String = row.get(2)?;
                let mut key = key_of(account.as_uuid());
                key.extend(order.as_bytes());
                Ok(((moment(row, 0)?, key), (account, order)))
            },
        )?;
        self.each(rows, |step, (account, order)| {
            run(
                step.connection,
                "DELETE FROM shadow_order WHERE account = ?1 AND order_id = ?2",
                params![account.as_uuid().as_bytes(), order],
            )?;
            Ok(other())
        })
    }

    /// Along the key: an index by age would cost every request that comes with one.
    fn answers(&mut self) -> Result<CleanedUp, Failure> {
        let (_, key) = self.after();
        let rows = many(
            self.connection,
            "SELECT key, at FROM answer WHERE key > ?1 ORDER BY key LIMIT ?2",
            params![String::from_utf8_lossy(&key), self.limit as i64],
            |row| {
                let key: String = row.get(0)?;
                let at = moment(row, 1)?;
                Ok(((Timestamp::UNIX_EPOCH, key.clone().into_bytes()), (key, at)))
            },
        )?;
        self.each(rows, |step, (key, at)| {
            if at >= step.cutoffs.answers_before {
                return Ok(CleanedUp::default());
            }
            run(step.connection, "DELETE FROM answer WHERE key = ?1", [key])?;
            Ok(other())
        })
    }
}

/// What stands in the way of cleaning up after an order.
pub(crate) fn in_the_way(connection: &Connection, key: &OrderKey) -> Result<InTheWay, Failure> {
    let account = key.account.as_uuid();
    let exists = |sql: &str| {
        let of_order = params![account.as_bytes(), key.order.as_str()];
        Ok::<_, Failure>(one(connection, sql, of_order, |_| Ok(()))?.is_some())
    };
    let unfinished = "SELECT 1 FROM operation WHERE id = ?1 \
        AND (status = 'pending' OR status = 'processing' OR status = 'failed')";
    let mut has_unfinished_operation = false;
    for id in operations_of(connection, key)? {
        has_unfinished_operation |=
            one(connection, unfinished, [id.as_uuid().as_bytes()], |_| Ok(()))?.is_some();
    }
    Ok(InTheWay {
        owes_delivery: exists(
            "SELECT 1 FROM orders WHERE account = ?1 AND order_id = ?2 AND due_at IS NOT NULL",
        )?,
        has_open_review: exists(
            "SELECT 1 FROM review WHERE account = ?1 AND order_id = ?2 AND answered_at IS NULL LIMIT 1",
        )?,
        has_unfinished_operation,
    })
}

fn operations_of(connection: &Connection, key: &OrderKey) -> Result<Vec<OperationId>, Failure> {
    let ids = one(
        connection,
        "SELECT operations FROM orders WHERE account = ?1 AND order_id = ?2",
        params![key.account.as_uuid().as_bytes(), key.order.as_str()],
        |row| operation_ids(row, 0),
    )?;
    Ok(ids.unwrap_or_default())
}

fn remove_log(connection: &Connection, operation: OperationId) -> Result<u64, Failure> {
    let sql = "DELETE FROM log WHERE operation = ?1";
    Ok(run(connection, sql, [operation.as_uuid().as_bytes()])? as u64)
}

/// Takes operations that went out of their order's row.
fn forget_operations(connection: &Connection, key: &OrderKey, gone: &[OperationId]) -> Result<(), Failure> {
    let left: Vec<u8> = operations_of(connection, key)?
        .into_iter()
        .filter(|id| !gone.contains(id))
        .flat_map(|id| id.as_uuid().into_bytes())
        .collect();
    run_on_one(
        connection,
        "UPDATE orders SET operations = ?3, \
         first_operation = CASE WHEN instr(?3, first_operation) > 0 THEN first_operation END \
         WHERE account = ?1 AND order_id = ?2",
        params![key.account.as_uuid().as_bytes(), key.order.as_str(), left],
        || format!("the operations of order {key}"),
    )
}

fn key_of(id: uuid::Uuid) -> Vec<u8> {
    id.into_bytes().to_vec()
}

fn other() -> CleanedUp {
    CleanedUp {
        other: 1,
        ..CleanedUp::default()
    }
}
