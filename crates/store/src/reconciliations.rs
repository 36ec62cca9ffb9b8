//! The part of the contract that pulled orders and reconciliation need.

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::discrepancy::{Discrepancy, DiscrepancyKind, DiscrepancyResolution, Found, Run, Watermark};
use saldo_domain::ids::{AccountId, OrderId, OrderKey, RunId};
use saldo_domain::view::OrderFile;

use crate::error::StoreError;
use crate::query::{Page, PageRequest};

/// An order with the moment that lists are sorted by: when it was bought, or first heard of where that is not
/// known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BoughtOrder {
    /// The moment.
    pub bought_at: Timestamp,
    /// The order, within its account.
    pub order: OrderId,
}

/// Which orders of an account to go through, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoughtRange {
    /// The account.
    pub account: AccountId,
    /// Bought at or after this moment.
    pub from: Option<Timestamp>,
    /// Bought at or before this moment.
    pub to: Option<Timestamp>,
    /// Only those after (older than) this place.
    pub after: Option<BoughtOrder>,
}

/// Which discrepancies. Fields that are none do not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiscrepancyFilter {
    /// Open ones, closed ones, or both.
    pub open: Option<bool>,
    /// Last seen by this run.
    pub run: Option<RunId>,
    /// Of one kind.
    pub kind: Option<DiscrepancyKind>,
    /// That this became of.
    pub resolution: Option<DiscrepancyResolution>,
    /// Of one account.
    pub account: Option<AccountId>,
    /// Of one order.
    pub order: Option<OrderId>,
}

/// What reconciliation remembers, and what it asks about orders.
#[async_trait]
pub trait Reconciliations: Send + Sync {
    /// The live files of these orders (as a decision sees them: without what is finished), in the order asked for;
    /// none for one that is not known. At most 500 keys.
    async fn order_files(&self, keys: &[OrderKey]) -> Result<Vec<Option<OrderFile>>, StoreError>;

    /// Orders of an account that a movement of ours was ever applied for, the newest first; at most `limit`.
    async fn touched_orders(&self, range: &BoughtRange, limit: usize)
    -> Result<Vec<BoughtOrder>, StoreError>;

    /// How far each account's orders have landed.
    async fn watermarks(&self) -> Result<Vec<Watermark>, StoreError>;

    /// Replaces an account's watermark.
    async fn put_watermark(&self, watermark: &Watermark) -> Result<(), StoreError>;

    /// Adds a run, or replaces it.
    async fn put_run(&self, run: &Run) -> Result<(), StoreError>;

    /// One run.
    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError>;

    /// Runs, newest first.
    async fn runs(&self, page: PageRequest) -> Result<Page<Run>, StoreError>;

    /// Keeps what a run found, in one transaction. One that is open already for its order and kind is the same
    /// one: it is seen once more, and says what was found last. Within one run, only the first sight counts.
    /// Answers with the rows as they are kept, in the order given.
    async fn record_discrepancies(
        &self,
        run: RunId,
        found: Vec<Found>,
        now: Timestamp,
    ) -> Result<Vec<Discrepancy>, StoreError>;

    /// Closes the open discrepancies of these orders that this run did not see, as gone; says how many.
    async fn close_discrepancies(
        &self,
        run: RunId,
        orders: &[OrderKey],
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// Discrepancies, last found first.
    async fn discrepancies(
        &self,
        filter: &DiscrepancyFilter,
        page: PageRequest,
    ) -> Result<Page<Discrepancy>, StoreError>;

    /// Open discrepancies by kind and by what became of them so far: from an index.
    async fn open_discrepancies(
        &self,
    ) -> Result<Vec<(DiscrepancyKind, DiscrepancyResolution, u64)>, StoreError>;
}
