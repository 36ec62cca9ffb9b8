//! Orders of the ledger that the list did not show: each is asked for singly before it counts as missing.

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use saldo_domain::discrepancy::{Discrepancy, DiscrepancyKind};
use saldo_domain::form::Source;
use saldo_domain::ids::{OrderId, OrderKey};
use saldo_domain::reconcile::{Flag, Missing, Word};
use saldo_store::StoreError;
use saldo_store::query::{PAGE_ROWS_MAX, PageRequest};
use saldo_store::reconciliations::DiscrepancyFilter;

use super::compare::Row;
use super::pass::{ABSENT_MAX, Pass};
use super::stopping;
use crate::reading::ReadError;

/// Orders asked for in one go, between two checkpoints.
const CHUNK: usize = 50;
/// Orders asked for at once; the gate bounds it further.
const TOGETHER: usize = 8;

impl Pass<'_> {
    /// Asks for what the list lacks, unless the list proves nothing.
    pub(super) async fn absent(&mut self) -> Result<(), StoreError> {
        if self.at.absent.is_empty() || self.at.is_suspect {
            return Ok(());
        }
        if self.at.absent_overflow {
            self.remark(&format!(
                "its list lacks more than {ABSENT_MAX} orders that are known here; that proves nothing"
            ));
            return Ok(());
        }
        if self.has_shrunk() {
            self.remark(&format!(
                "its list has only {} orders, far fewer than before; what it lacks is not concluded from",
                self.total()
            ));
            return Ok(());
        }
        if self.at.from.is_none() && self.total() == 0 {
            self.remark("its list is empty although orders of it are known here; that proves nothing");
            return Ok(());
        }
        while !self.at.absent.is_empty() {
            self.check_held()?;
            let chunk: Vec<OrderId> = self.at.absent.iter().take(CHUNK).cloned().collect();
            self.ask_for(&chunk).await?;
            for order in &chunk {
                self.at.absent.remove(order);
            }
            self.checkpoint().await?;
        }
        Ok(())
    }

    async fn ask_for(&mut self, orders: &[OrderId]) -> Result<(), StoreError> {
        let account = self.account;
        let mut rows: Vec<Row> = orders
            .iter()
            .map(|order| {
                let order = order.clone();
                Row::absent(OrderKey { account, order }, Word::Single)
            })
            .collect();
        self.load_files(&mut rows).await?;
        // Of an order that has nothing taken, nobody needs to know that it is gone.
        let (rows, given_back): (Vec<Row>, Vec<Row>) = rows
            .into_iter()
            .partition(|row| row.file.as_ref().is_some_and(|file| file.order.level()));
        self.no_longer_missing(given_back).await?;
        let reader = &self.reader;
        let asked: Vec<BoxFuture<'_, Result<Option<Row>, ReadError>>> =
            rows.iter().map(|row| find(reader, &row.key).boxed()).collect();
        let found: Vec<_> = futures::stream::iter(asked).buffered(TOGETHER).collect().await;
        let mut certain = Vec::new();
        for (mut row, found) in rows.into_iter().zip(found) {
            match found {
                Ok(Some(mut shown)) => {
                    shown.file = row.file.take();
                    certain.push(shown);
                }
                Ok(None) => {
                    row.missing = self.missing(&row.key).await?;
                    certain.push(row);
                }
                Err(ReadError::Stopping) => return Err(stopping()),
                Err(error) => {
                    tracing::debug!(order = %row.key, %error, "an order could not be asked for");
                    self.at.unread += 1;
                }
            }
        }
        self.compare(certain).await
    }

    /// Of orders whose stock came back, it is no difference any more that they are missing.
    async fn no_longer_missing(&self, rows: Vec<Row>) -> Result<(), StoreError> {
        let mut keys = Vec::new();
        for row in rows {
            if self.known_missing(&row.key).await?.is_some() {
                keys.push(row.key);
            }
        }
        if !keys.is_empty() {
            self.close(&keys).await?;
        }
        Ok(())
    }

    /// Of orders that nothing was taken for, nobody needs to know any more once the service lacks them: what was open
    /// of them is gone when a whole list shows them no longer.
    pub(super) async fn close_vanished(&self) -> Result<(), StoreError> {
        let is_complete = self.at.offset >= self.total() && !self.has_shrunk();
        if !self.closes || !self.is_trusted() || !is_complete {
            return Ok(());
        }
        let core = self.service.core();
        let filter = DiscrepancyFilter {
            open: Some(true),
            account: Some(self.account),
            ..DiscrepancyFilter::default()
        };
        let mut after = None;
        loop {
            self.check_held()?;
            let page = PageRequest {
                after,
                limit: PAGE_ROWS_MAX,
            };
            let page = core.store.discrepancies(&filter, page).await?;
            let mut open: Vec<OrderKey> = page
                .items
                .into_iter()
                .filter(|open| open.run != self.run.id)
                .map(|open| open.found.key)
                .collect();
            open.dedup();
            let files = core.store.order_files(&open).await?;
            let vanished: Vec<OrderKey> = open
                .into_iter()
                .zip(files)
                .filter(|(_, file)| file.as_ref().is_none_or(|file| !file.order.touched))
                .map(|(key, _)| key)
                .collect();
            if !vanished.is_empty() {
                self.close(&vanished).await?;
            }
            after = page.next_cursor;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// The open difference that an order is missing, if there is one.
    async fn known_missing(&self, key: &OrderKey) -> Result<Option<Discrepancy>, StoreError> {
        let filter = DiscrepancyFilter {
            open: Some(true),
            kind: Some(DiscrepancyKind::MissingRemotely),
            account: Some(key.account),
            order: Some(key.order.clone()),
            ..DiscrepancyFilter::default()
        };
        let page = PageRequest {
            after: None,
            limit: 1,
        };
        let store = self.service.store();
        Ok(store.discrepancies(&filter, page).await?.items.pop())
    }

    /// For how long an order has been missing, as the runs before found.
    async fn missing(&self, key: &OrderKey) -> Result<Missing, StoreError> {
        let core = self.service.core();
        let known = self.known_missing(key).await?;
        let hours = core.settings.reconciliation.missing_after_hours.clamp(0, 876_000);
        Ok(match known.filter(|known| known.run != self.run.id) {
            None => Missing::AtFirst,
            Some(known) => {
                let since = core.now().duration_since(known.first_seen_at);
                if since >= jiff::SignedDuration::from_hours(hours) {
                    Missing::ForLong
                } else {
                    Missing::NotForLong
                }
            }
        })
    }
}

/// Asks for one order, and for its flag where there is such an order.
async fn find(reader: &crate::reading::Reader, key: &OrderKey) -> Result<Option<Row>, ReadError> {
    let (form, source) = reader.find_order(key).await?;
    let Some(form) = form else { return Ok(None) };
    let word = if source == Source::Live {
        Word::Live
    } else {
        Word::Single
    };
    let mut row = Row::shown(key.clone(), &form, source, word);
    row.flag = Flag::Confirmed(reader.read_flag(key).await?);
    Ok(Some(row))
}
