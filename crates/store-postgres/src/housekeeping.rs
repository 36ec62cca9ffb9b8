//! Removing what is past its retention: each step a short transaction of its own. What may go is found along an
//! index, or along the key of a table, and never by looking through what stays. An order is locked before anything
//! of it goes; one that another transaction is at work on is left for the next time.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::ids::{AccountId, OperationId, OrderKey};
use saldo_domain::operation::OperationStatus;
use saldo_store::StoreError;
use saldo_store::housekeeping::{CleanedUp, Cutoffs, Housekeeping, InTheWay, Kind, Place, recorded_before};
use saldo_store::rows::optional_order_key;
use uuid::Uuid;

use crate::failure::Failure;
use crate::locks::{EVERYTHING, order_name};
use crate::session::Session;
use crate::sql::{get, id, moment, row_limit, stored, text, values};
use crate::store::PostgresStore;

#[async_trait]
impl Housekeeping for PostgresStore {
    async fn clean_up(
        &self,
        cutoffs: &Cutoffs,
        place: &Place,
        limit: usize,
    ) -> Result<CleanedUp, StoreError> {
        let (cutoffs, place) = (*cutoffs, place.clone());
        // Far above any sensible step, and within what the server can lock.
        let limit = limit.clamp(1, self.locks_max());
        self.write_all(move |session| {
            let place = place.clone();
            Box::pin(async move {
                let step = Step {
                    session,
                    cutoffs,
                    place,
                    limit,
                    may_go: HashMap::new(),
                    gone: BTreeMap::new(),
                };
                step.run().await
            })
        })
        .await
    }
}

/// A row that is old enough: its moment, and its key as bytes.
type Position = (Timestamp, Vec<u8>);

/// What an old row is known by, and the order that it is of.
struct Old {
    position: Position,
    id: Uuid,
    order: Option<OrderKey>,
}

/// One step, under way.
struct Step<'s> {
    session: &'s Session,
    cutoffs: Cutoffs,
    place: Place,
    limit: usize,
    /// Whether what is finished of an order may go: asked once an order and step.
    may_go: HashMap<OrderKey, bool>,
    /// Operations that went, by order.
    gone: BTreeMap<OrderKey, Vec<OperationId>>,
}

impl Step<'_> {
    async fn run(mut self) -> Result<CleanedUp, Failure> {
        // Before any order: whoever holds everything holds them all.
        let sql = "SELECT pg_advisory_xact_lock_shared($1) IS NULL";
        self.session.rows(sql, values![EVERYTHING]).await?;
        match self.place.kind {
            Kind::Completed => {
                let sql = "SELECT completed_at, id, account, order_id FROM saldo.operation \
                     WHERE status = 'completed' AND completed_at < $1 AND (completed_at, id) > ($2, $3) \
                     ORDER BY completed_at, id LIMIT $4";
                self.operations(sql, self.cutoffs.completed_before).await
            }
            Kind::RolledBack => {
                let sql = "SELECT updated_at, id, account, order_id FROM saldo.operation \
                     WHERE status = 'rolled_back' AND updated_at < $1 AND (updated_at, id) > ($2, $3) \
                     ORDER BY updated_at, id LIMIT $4";
                self.operations(sql, self.cutoffs.failed_before).await
            }
            Kind::Log => self.logs().await,
            Kind::Reviews => self.reviews().await,
            Kind::Discrepancies => {
                let sql = "SELECT closed_at, id, NULL::uuid, NULL::text FROM saldo.discrepancy \
                     WHERE closed_at IS NOT NULL AND closed_at < $1 AND (closed_at, id) > ($2, $3) \
                     ORDER BY closed_at, id LIMIT $4";
                self.rows(sql, "DELETE FROM saldo.discrepancy WHERE id = $1")
                    .await
            }
            Kind::Runs => {
                let sql = "SELECT ended_at, id, NULL::uuid, NULL::text FROM saldo.reconciliation_run \
                     WHERE ended_at IS NOT NULL AND ended_at < $1 AND (ended_at, id) > ($2, $3) \
                     ORDER BY ended_at, id LIMIT $4";
                self.rows(sql, "DELETE FROM saldo.reconciliation_run WHERE id = $1")
                    .await
            }
            Kind::ShadowOrders => self.shadow_orders().await,
            Kind::Answers => self.answers().await,
        }
    }

    /// The position to begin after.
    fn after(&self) -> (i64, Vec<u8>) {
        match &self.place.after {
            Some((at, key)) => (stored(*at), key.clone()),
            None => (i64::MIN, Vec::new()),
        }
    }

    /// Old rows along an index of moments and ids.
    async fn old(&self, sql: &str, before: Timestamp) -> Result<Vec<Old>, Failure> {
        let (after, key) = self.after();
        let key = Uuid::from_slice(&key).unwrap_or_default();
        self.session
            .many(
                sql,
                values![stored(before), after, key, row_limit(self.limit)],
                |row| {
                    let id: Uuid = get(row, 1)?;
                    let has_order: Option<&str> = get(row, 3)?;
                    // A review may be about an account, and about no order of it.
                    let order = match has_order {
                        Some(_) => optional_order_key(row, 2)?,
                        None => None,
                    };
                    Ok(Old {
                        position: (moment(row, 0)?, id.into_bytes().to_vec()),
                        id,
                        order,
                    })
                },
            )
            .await
    }

    /// What a step says that has looked at rows up to one.
    fn cleaned(&self, mut cleaned: CleanedUp, looked_at_all: bool, last: Option<Position>) -> CleanedUp {
        cleaned.next = Place::next(self.place.kind, last.filter(|_| !looked_at_all));
        cleaned
    }

    fn is_enough(&self, cleaned: &CleanedUp) -> bool {
        cleaned.rows() >= self.limit as u64
    }

    async fn operations(&mut self, sql: &str, before: Timestamp) -> Result<CleanedUp, Failure> {
        let rows = self.old(sql, before).await?;
        let (is_full, mut looked_at) = (rows.len() == self.limit, 0);
        let (count, mut cleaned, mut last) = (rows.len(), CleanedUp::default(), None);
        for old in rows {
            if self.is_enough(&cleaned) {
                break;
            }
            looked_at += 1;
            last = Some(old.position);
            if !self.may_go(old.order.as_ref()).await? {
                continue;
            }
            let id = OperationId::new(old.id);
            cleaned.log_entries += self.remove_log(id).await?;
            cleaned.operations += self
                .session
                .run("DELETE FROM saldo.operation WHERE id = $1", values![old.id])
                .await?;
            if let Some(key) = old.order {
                self.gone.entry(key).or_default().push(id);
            }
        }
        for (key, gone) in std::mem::take(&mut self.gone) {
            self.forget_operations(&key, &gone).await?;
        }
        Ok(self.cleaned(cleaned, !is_full && looked_at == count, last))
    }

    /// Whether what is finished of an order may go; of what is of no order, always.
    async fn may_go(&mut self, key: Option<&OrderKey>) -> Result<bool, Failure> {
        let Some(key) = key else { return Ok(true) };
        if let Some(may_go) = self.may_go.get(key) {
            return Ok(*may_go);
        }
        let is_free = self
            .session
            .one(
                "SELECT pg_try_advisory_xact_lock($1)",
                values![order_name(key)],
                |row| get::<bool>(row, 0),
            )
            .await?;
        let may_go = is_free == Some(true) && in_the_way(self.session, key).await?.may_go();
        self.may_go.insert(key.clone(), may_go);
        Ok(may_go)
    }

    /// Logs stand in the order of the operations' ids, which is that of recording.
    async fn logs(&mut self) -> Result<CleanedUp, Failure> {
        let (_, key) = self.after();
        let key = Uuid::from_slice(&key).unwrap_or_default();
        let mut ids = self
            .session
            .many(
                "WITH RECURSIVE logged (operation, place) AS ( \
                     (SELECT operation, 1::bigint FROM saldo.log WHERE operation > $1 ORDER BY operation LIMIT 1) \
                     UNION ALL \
                     SELECT (SELECT later.operation FROM saldo.log AS later \
                         WHERE later.operation > logged.operation ORDER BY later.operation LIMIT 1), place + 1 \
                     FROM logged WHERE logged.operation IS NOT NULL AND place < $2) \
                 SELECT operation FROM logged WHERE operation IS NOT NULL ORDER BY operation",
                values![key, row_limit(self.limit)],
                |row| id(row, 0, OperationId::new),
            )
            .await?;
        // Later ones cannot be old enough: they end the search.
        let old = ids.partition_point(|id| recorded_before(*id, self.cutoffs.log_before));
        ids.truncate(old);
        let (is_full, count) = (ids.len() == self.limit, ids.len());
        let (mut looked_at, mut cleaned, mut last) = (0, CleanedUp::default(), None);
        for id in ids {
            if self.is_enough(&cleaned) {
                break;
            }
            looked_at += 1;
            last = Some((Timestamp::UNIX_EPOCH, id.as_uuid().into_bytes().to_vec()));
            cleaned.log_entries += self.remove_old_log(id).await?;
        }
        Ok(self.cleaned(cleaned, !is_full && looked_at == count, last))
    }

    async fn remove_old_log(&mut self, id: OperationId) -> Result<u64, Failure> {
        let operation = self
            .session
            .one(
                "SELECT status, completed_at, updated_at, account, order_id FROM saldo.operation WHERE id = $1",
                values![id.as_uuid()],
                |row| {
                    let status: OperationStatus = text(row, 0, str::parse)?;
                    let ended_at = match status {
                        OperationStatus::Completed => Some(moment(row, 1)?),
                        OperationStatus::RolledBack => Some(moment(row, 2)?),
                        _ => None,
                    };
                    Ok((ended_at, optional_order_key(row, 3)?))
                },
            )
            .await?;
        let Some((Some(ended_at), order)) = operation else {
            return Ok(0);
        };
        if ended_at >= self.cutoffs.log_before || !self.may_go(order.as_ref()).await? {
            return Ok(0);
        }
        self.remove_log(id).await
    }

    async fn remove_log(&self, operation: OperationId) -> Result<u64, Failure> {
        let sql = "DELETE FROM saldo.log WHERE operation = $1";
        self.session.run(sql, values![operation.as_uuid()]).await
    }

    async fn reviews(&mut self) -> Result<CleanedUp, Failure> {
        let sql = "SELECT answered_at, id, account, order_id FROM saldo.review \
             WHERE answered_at IS NOT NULL AND answered_at < $1 AND (answered_at, id) > ($2, $3) \
             ORDER BY answered_at, id LIMIT $4";
        let rows = self.old(sql, self.cutoffs.log_before).await?;
        let is_full = rows.len() == self.limit;
        let (mut cleaned, mut last) = (CleanedUp::default(), None);
        for old in rows {
            last = Some(old.position);
            if self.may_go(old.order.as_ref()).await? {
                let sql = "DELETE FROM saldo.review WHERE id = $1";
                cleaned.reviews += self.session.run(sql, values![old.id]).await?;
            }
        }
        Ok(self.cleaned(cleaned, !is_full, last))
    }

    /// Rows that nothing stands in the way of.
    async fn rows(&mut self, question: &str, removal: &str) -> Result<CleanedUp, Failure> {
        let rows = self.old(question, self.cutoffs.log_before).await?;
        let is_full = rows.len() == self.limit;
        let (mut cleaned, mut last) = (CleanedUp::default(), None);
        for old in rows {
            last = Some(old.position);
            cleaned.other += self.session.run(removal, values![old.id]).await?;
        }
        Ok(self.cleaned(cleaned, !is_full, last))
    }

    async fn shadow_orders(&mut self) -> Result<CleanedUp, Failure> {
        let (after, key) = self.after();
        // The account's bytes, and then the order's id.
        let (account, order) = key.split_at(key.len().min(16));
        let account = Uuid::from_slice(account).unwrap_or_default();
        let order = String::from_utf8_lossy(order).into_owned();
        let rows = self
            .session
            .many(
                "SELECT seen_at, account, order_id FROM saldo.shadow_order \
                 WHERE seen_at < $1 AND (seen_at, account, order_id) > ($2, $3, $4) \
                 ORDER BY seen_at, account, order_id LIMIT $5",
                values![
                    stored(self.cutoffs.log_before),
                    after,
                    account,
                    order,
                    row_limit(self.limit)
                ],
                |row| {
                    let account = id(row, 1, AccountId::new)?;
                    Ok((moment(row, 0)?, account, get::<String>(row, 2)?))
                },
            )
            .await?;
        let is_full = rows.len() == self.limit;
        let (mut cleaned, mut last) = (CleanedUp::default(), None);
        for (seen_at, account, order) in rows {
            let sql = "DELETE FROM saldo.shadow_order WHERE account = $1 AND order_id = $2";
            cleaned.other += self
                .session
                .run(sql, values![account.as_uuid(), order.as_str()])
                .await?;
            let mut key = account.as_uuid().into_bytes().to_vec();
            key.extend(order.as_bytes());
            last = Some((seen_at, key));
        }
        Ok(self.cleaned(cleaned, !is_full, last))
    }

    /// Along the key: an index by age would cost every request that comes with one.
    async fn answers(&mut self) -> Result<CleanedUp, Failure> {
        let (_, key) = self.after();
        let after = String::from_utf8_lossy(&key).into_owned();
        let rows = self
            .session
            .many(
                "SELECT key, at FROM saldo.answer WHERE key > $1 ORDER BY key LIMIT $2",
                values![after, row_limit(self.limit)],
                |row| Ok((get::<String>(row, 0)?, moment(row, 1)?)),
            )
            .await?;
        let is_full = rows.len() == self.limit;
        let (mut cleaned, mut last) = (CleanedUp::default(), None);
        for (key, at) in rows {
            if at < self.cutoffs.answers_before {
                let sql = "DELETE FROM saldo.answer WHERE key = $1";
                cleaned.other += self.session.run(sql, values![key.as_str()]).await?;
            }
            last = Some((Timestamp::UNIX_EPOCH, key.into_bytes()));
        }
        Ok(self.cleaned(cleaned, !is_full, last))
    }

    /// Takes operations that went out of their order's row.
    async fn forget_operations(&self, key: &OrderKey, gone: &[OperationId]) -> Result<(), Failure> {
        let gone: Vec<Uuid> = gone.iter().map(|id| id.as_uuid()).collect();
        self.session
            .run(
                "UPDATE saldo.orders SET operations = ARRAY (SELECT id FROM unnest(operations) WITH ORDINALITY \
                     AS named (id, place) WHERE id <> ALL ($3::uuid[]) ORDER BY place), \
                 first_operation = CASE WHEN first_operation = ANY ($3::uuid[]) \
                     OR NOT (first_operation = ANY (operations)) THEN NULL ELSE first_operation END \
                 WHERE account = $1 AND order_id = $2",
                values![key.account.as_uuid(), key.order.as_str(), gone],
            )
            .await?;
        Ok(())
    }
}

/// What stands in the way of cleaning up after an order.
async fn in_the_way(session: &Session, key: &OrderKey) -> Result<InTheWay, Failure> {
    let found = session
        .one(
            "SELECT EXISTS (SELECT 1 FROM saldo.delivery WHERE account = $1 AND order_id = $2), \
             EXISTS (SELECT 1 FROM saldo.review WHERE account = $1 AND order_id = $2 AND order_id IS NOT NULL \
                 AND answered_at IS NULL), \
             EXISTS (SELECT 1 FROM saldo.orders CROSS JOIN unnest(orders.operations) AS named (id) \
                 JOIN saldo.operation ON operation.id = named.id \
                 WHERE orders.account = $1 AND orders.order_id = $2 \
                 AND operation.status IN ('pending', 'processing', 'failed'))",
            values![key.account.as_uuid(), key.order.as_str()],
            |row| {
                Ok(InTheWay {
                    owes_delivery: get(row, 0)?,
                    has_open_review: get(row, 1)?,
                    has_unfinished_operation: get(row, 2)?,
                })
            },
        )
        .await?;
    Ok(found.unwrap_or_default())
}
