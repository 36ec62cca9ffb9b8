//! The technical flags of one account, and the PATCH calls each order has seen.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::dates::naive;
use crate::limits::{FLAG_ROWS_MAX, PATCHES_MAX, PATCHES_PER_ORDER_MAX};

/// The bound on flag rows is reached.
#[derive(Debug, thiserror::Error)]
#[error("the simulator keeps at most {FLAG_ROWS_MAX} flag rows")]
pub struct FlagsFull;

/// When a call ended, in microseconds since 1970; zero while it is under way.
pub(crate) type EndedAtUs = Arc<AtomicI64>;

/// One PATCH call that was applied.
#[derive(Debug, Clone)]
pub(crate) struct PatchRecord {
    value: bool,
    received_at_us: i64,
    applied_at_us: i64,
    ended_at_us: EndedAtUs,
}

impl PatchRecord {
    fn view(&self) -> Value {
        let ended_at_us = Some(self.ended_at_us.load(Ordering::Acquire)).filter(|at_us| *at_us != 0);
        json!({
            "value": self.value,
            "received_at_us": self.received_at_us,
            "applied_at_us": self.applied_at_us,
            "ended_at_us": ended_at_us,
        })
    }
}

/// The flags of one order.
#[derive(Debug, Clone)]
pub(crate) struct FlagRow {
    pub(crate) is_stock_updated: bool,
    pub(crate) has_invoice_created: bool,
    pub(crate) invoice_id: Option<String>,
    /// Also the answer to "updated at": the service never changes that column.
    pub(crate) created_at: Timestamp,
    patch_count: u64,
    patches: VecDeque<PatchRecord>,
}

impl FlagRow {
    fn new(created_at: Timestamp) -> Self {
        Self {
            is_stock_updated: false,
            has_invoice_created: false,
            invoice_id: None,
            created_at,
            patch_count: 0,
            patches: VecDeque::new(),
        }
    }

    pub(crate) fn patch_count(&self) -> u64 {
        self.patch_count
    }

    pub(crate) fn patches(&self) -> Vec<Value> {
        self.patches.iter().map(PatchRecord::view).collect()
    }

    /// The three flags, without times, as a list shows them.
    pub(crate) fn brief(&self) -> Value {
        json!({
            "is_stock_updated": self.is_stock_updated,
            "has_invoice_created": self.has_invoice_created,
            "invoice_id": self.invoice_id,
        })
    }

    /// The flags with their times.
    pub(crate) fn full(&self) -> Value {
        let mut flags = self.brief();
        flags["created_at"] = Value::from(naive(self.created_at));
        flags["updated_at"] = Value::from(naive(self.created_at));
        flags
    }
}

/// What the flags read as when the service cannot read them, and says nothing about it.
pub(crate) fn default_flags() -> Value {
    json!({"is_stock_updated": false, "has_invoice_created": false, "invoice_id": null})
}

/// Rows and remembered calls over all accounts, to keep both bounded.
#[derive(Debug, Default)]
pub(crate) struct FlagTotals {
    rows: AtomicUsize,
    patches: AtomicUsize,
}

/// The flag rows of one account. A row exists only once something touched the order.
pub(crate) struct Flags {
    rows: HashMap<Box<str>, FlagRow>,
    totals: Arc<FlagTotals>,
}

impl Flags {
    pub(crate) fn new(totals: Arc<FlagTotals>) -> Self {
        Self {
            rows: HashMap::new(),
            totals,
        }
    }

    pub(crate) fn get(&self, order_id: &str) -> Option<&FlagRow> {
        self.rows.get(order_id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &FlagRow)> {
        self.rows.iter().map(|(order_id, row)| (order_id.as_ref(), row))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The row of an order, made now if it did not exist: reading is enough to create it.
    pub(crate) fn touch(&mut self, order_id: &str, now: Timestamp) -> Result<&mut FlagRow, FlagsFull> {
        if !self.rows.contains_key(order_id) {
            if self.totals.rows.load(Ordering::Relaxed) >= FLAG_ROWS_MAX {
                return Err(FlagsFull);
            }
            self.totals.rows.fetch_add(1, Ordering::Relaxed);
        }
        Ok(self
            .rows
            .entry(order_id.into())
            .or_insert_with(|| FlagRow::new(now)))
    }

    /// Applies a PATCH and remembers it.
    pub(crate) fn patch(
        &mut self,
        order_id: &str,
        value: bool,
        received_at: Timestamp,
        ended_at_us: EndedAtUs,
        now: Timestamp,
    ) -> Result<&FlagRow, FlagsFull> {
        let is_room_left = self.totals.patches.load(Ordering::Relaxed) < PATCHES_MAX;
        let totals = self.totals.clone();
        let row = self.touch(order_id, now)?;
        row.is_stock_updated = value;
        row.patch_count += 1;
        if row.patches.len() >= PATCHES_PER_ORDER_MAX || (!is_room_left && !row.patches.is_empty()) {
            row.patches.pop_front();
        } else if is_room_left {
            totals.patches.fetch_add(1, Ordering::Relaxed);
        } else {
            return Ok(row);
        }
        row.patches.push_back(PatchRecord {
            value,
            received_at_us: received_at.as_microsecond(),
            applied_at_us: now.as_microsecond(),
            ended_at_us,
        });
        Ok(row)
    }
}

impl Drop for Flags {
    fn drop(&mut self) {
        let remembered = self.rows.values().map(|row| row.patches.len()).sum();
        self.totals.rows.fetch_sub(self.rows.len(), Ordering::Relaxed);
        self.totals.patches.fetch_sub(remembered, Ordering::Relaxed);
    }
}
