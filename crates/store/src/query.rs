//! Questions to a store, and the rows that answer them.

use jiff::Timestamp;
use saldo_domain::ids::{AccountId, OrderId, OrderKey};
use saldo_domain::operation::{LogEntry, Operation, OperationStatus, WaitingFor};
use saldo_domain::review::ReviewReason;
use saldo_domain::stock::{Movement, StockKey};
use saldo_domain::text::{Sku, Warehouse};

/// A SKU in a warehouse.
pub type StockLineKey = StockKey;

/// The most rows that a page may have.
pub const PAGE_ROWS_MAX: usize = 500;

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The `next_cursor` of the page before; none for the first.
    pub after: Option<String>,
    /// At most so many rows, 1 to [`PAGE_ROWS_MAX`].
    pub limit: usize,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; none after the last.
    pub next_cursor: Option<String>,
}

/// One page of an operation's log.
pub type LogPage = Page<LogEntry>;

/// Which operations. Fields that are none do not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationFilter {
    /// Of one account.
    pub account: Option<AccountId>,
    /// Of one order.
    pub order: Option<OrderId>,
    /// With a line of this SKU.
    pub sku: Option<Sku>,
    /// With a line in this warehouse.
    pub warehouse: Option<Warehouse>,
    /// In one of these statuses; empty: in any.
    pub statuses: Vec<OperationStatus>,
    /// Waiting for this.
    pub waiting_for: Option<WaitingFor>,
}

impl OperationFilter {
    /// Whether an operation is one of those asked for.
    #[must_use]
    pub fn matches(&self, operation: &Operation) -> bool {
        let order = operation.order.as_ref();
        self.account
            .is_none_or(|account| order.is_some_and(|order| order.account == account))
            && self
                .order
                .as_ref()
                .is_none_or(|id| order.is_some_and(|order| order.order == *id))
            && self
                .sku
                .as_ref()
                .is_none_or(|sku| operation.lines.iter().any(|line| line.sku.as_ref() == Some(sku)))
            && self
                .warehouse
                .as_ref()
                .is_none_or(|warehouse| operation.lines.iter().any(|line| line.warehouse == *warehouse))
            && (self.statuses.is_empty() || self.statuses.contains(&operation.status))
            && self
                .waiting_for
                .is_none_or(|waiting_for| operation.waiting_for == Some(waiting_for))
    }
}

/// Which reviews.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReviewFilter {
    /// Open ones, closed ones, or both.
    pub open: Option<bool>,
    /// Of one reason.
    pub reason: Option<ReviewReason>,
    /// Of one account.
    pub account: Option<AccountId>,
    /// Of one order.
    pub order: Option<OrderId>,
}

/// Which balances.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BalanceFilter {
    /// Of one SKU.
    pub sku: Option<Sku>,
    /// In one warehouse.
    pub warehouse: Option<Warehouse>,
    /// Below this many units.
    pub below: Option<i64>,
}

/// A movement, with the order that it was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovementRow {
    /// The movement.
    pub movement: Movement,
    /// The order, where it was for one.
    pub order: Option<OrderKey>,
}

/// Operations that are not finished. What waits for stock, payment or a person is counted apart from what waits for
/// delivery or an account: no trouble of the orders service keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// They wait for delivery or an account.
    pub pending: u64,
    /// They are under delivery.
    pub processing: u64,
    /// They were given up.
    pub failed: u64,
    /// They wait for stock.
    pub waiting_for_stock: u64,
    /// They wait for payment.
    pub waiting_for_payment: u64,
    /// They wait for a person.
    pub in_review: u64,
}

impl Unfinished {
    /// Adds so many of one kind; what is finished is not counted.
    pub const fn add(&mut self, status: OperationStatus, waiting_for: Option<WaitingFor>, count: u64) {
        match (status, waiting_for) {
            (OperationStatus::Pending, Some(WaitingFor::Delivery | WaitingFor::Account)) => {
                self.pending += count;
            }
            (OperationStatus::Pending, Some(WaitingFor::Stock)) => self.waiting_for_stock += count,
            (OperationStatus::Pending, Some(WaitingFor::Payment)) => self.waiting_for_payment += count,
            (OperationStatus::Pending, Some(WaitingFor::Review)) => self.in_review += count,
            (OperationStatus::Processing, _) => self.processing += count,
            (OperationStatus::Failed, _) => self.failed += count,
            (OperationStatus::Pending, None)
            | (OperationStatus::Completed | OperationStatus::RolledBack, _) => {}
        }
    }
}

/// Counts for the status page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Operations that are not finished.
    pub unfinished: Unfinished,
    /// Refunds among them; the others are deductions, since adjustments are finished at once.
    pub unfinished_refunds: Unfinished,
    /// Operations completed since midnight UTC.
    pub completed_today: u64,
    /// Pending for delivery or an account, and older than the stale bound.
    pub stale: u64,
    /// Open reviews by reason.
    pub reviews_open: Vec<(ReviewReason, u64)>,
    /// When the oldest operation that waits for delivery or an account was recorded.
    pub oldest_pending: Option<Timestamp>,
}

/// Operations that are not finished and have status and wait in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnfinishedGroup {
    /// Their status.
    pub status: OperationStatus,
    /// What they wait for.
    pub waiting_for: Option<WaitingFor>,
    /// How many there are.
    pub count: u64,
    /// How many of them were recorded before the stale bound.
    pub stale: u64,
    /// When the first of them was recorded.
    pub oldest: Option<Timestamp>,
    /// How many of them are refunds.
    pub refunds: u64,
}

impl Counts {
    /// Adds a group. Only what waits for delivery or an account can be stale.
    pub fn add(&mut self, group: &UnfinishedGroup) {
        let UnfinishedGroup {
            status, waiting_for, ..
        } = *group;
        self.unfinished.add(status, waiting_for, group.count);
        self.unfinished_refunds.add(status, waiting_for, group.refunds);
        let waits = matches!(waiting_for, Some(WaitingFor::Delivery | WaitingFor::Account));
        if status == OperationStatus::Pending && waits {
            self.stale += group.stale;
            self.oldest_pending = self.oldest_pending.into_iter().chain(group.oldest).min();
        }
    }
}

/// An account, as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Which account.
    pub id: AccountId,
    /// Its name at the orders service, or the one given by hand.
    pub name: Option<String>,
    /// Whether it was added by hand.
    pub by_hand: bool,
    /// When it became known.
    pub created_at: Timestamp,
}

/// What a key may do. Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Acts.
    Operator,
    /// Configures.
    Admin,
}

/// A key to the API. The key itself is shown once and never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name, unique among those not revoked; stands in logs and notes for who acted.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the key, in hexadecimal.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A broken invariant that was found in stored rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The number of the invariant in section 3 of the design; 0 for the database's own integrity.
    pub invariant: u8,
    /// Which row, and what is wrong with it.
    pub detail: String,
    /// How to mend it.
    pub mend: String,
}
