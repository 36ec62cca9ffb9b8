//! The part of the contract that pulled orders and reconciliation need.

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::discrepancy::{Discrepancy, DiscrepancyKind, DiscrepancyResolution, Found, Run, Watermark};
use saldo_domain::ids::{AccountId, DiscrepancyId, OrderId, OrderKey, RunId, uuid_v7};
use saldo_domain::view::{OrderFile, Refusal};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::StoreError;
use crate::query::{Page, PageRequest};
use crate::tasks::TaskLease;

/// The most orders that one question may name.
pub const KEYS_MAX: usize = 500;

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

impl DiscrepancyFilter {
    /// Whether a discrepancy is one of those asked for.
    #[must_use]
    pub fn matches(&self, discrepancy: &Discrepancy) -> bool {
        let found = &discrepancy.found;
        self.open
            .is_none_or(|open| discrepancy.closed_at.is_none() == open)
            && self.run.is_none_or(|run| discrepancy.run == run)
            && self.kind.is_none_or(|kind| found.kind == kind)
            && self
                .resolution
                .is_none_or(|resolution| found.resolution == resolution)
            && self.account.is_none_or(|account| found.key.account == account)
            && self.order.as_ref().is_none_or(|order| found.key.order == *order)
    }
}

/// Where a discrepancy stands in a list that has the last found first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DiscrepancyPlace {
    /// When it was last seen.
    pub last_seen_at: Timestamp,
    /// Which one it is.
    pub id: DiscrepancyId,
}

impl DiscrepancyPlace {
    /// The place of a discrepancy.
    #[must_use]
    pub const fn of(discrepancy: &Discrepancy) -> Self {
        Self {
            last_seen_at: discrepancy.last_seen_at,
            id: discrepancy.id,
        }
    }
}

/// The row to keep for what a run found, given the one that is open for its order and kind: so that every backend
/// counts alike. None when that one stays as it is.
#[must_use]
pub fn seen(open: Option<&Discrepancy>, run: RunId, found: Found, now: Timestamp) -> Option<Discrepancy> {
    match open {
        Some(open) if open.run == run => None,
        Some(open) => Some(Discrepancy {
            found,
            run,
            times_seen: open.times_seen.saturating_add(1),
            last_seen_at: now,
            ..open.clone()
        }),
        None => Some(Discrepancy {
            id: discrepancy_id(run, &found, now),
            found,
            run,
            times_seen: 1,
            first_seen_at: now,
            last_seen_at: now,
            closed_at: None,
        }),
    }
}

/// The id of a discrepancy that a run finds now. It is made from what it is about, so that all backends make the
/// same one, and a write that is made again makes no second row. A run that loses a discrepancy and finds it
/// again within one millisecond finds the same one.
fn discrepancy_id(run: RunId, found: &Found, now: Timestamp) -> DiscrepancyId {
    let name = format!("{}\0{}\0{}", found.key.account, found.key.order, found.kind);
    let (_, distinct) = Uuid::new_v5(&run.as_uuid(), name.as_bytes()).as_u64_pair();
    DiscrepancyId::new(uuid_v7(now, distinct))
}

/// What becomes of a discrepancy that went away: one that was put right stays so, the others are gone.
#[must_use]
pub const fn resolution_when_closed(resolution: DiscrepancyResolution) -> DiscrepancyResolution {
    match resolution {
        DiscrepancyResolution::AutoFixed => DiscrepancyResolution::AutoFixed,
        _ => DiscrepancyResolution::Gone,
    }
}

/// Refuses a question that names too many orders: a mistake of the caller's.
///
/// # Errors
/// [`StoreError::Defect`] above [`KEYS_MAX`].
pub fn check_keys(keys: &[OrderKey]) -> Result<(), StoreError> {
    if keys.len() <= KEYS_MAX {
        return Ok(());
    }
    Err(StoreError::Defect(format!(
        "{} orders were named in one question; at most {KEYS_MAX} may be",
        keys.len()
    )))
}

/// What one is told that runs without the right to: another instance has it by now, or had it since. It must stop.
#[must_use]
pub fn taken_over() -> Refusal {
    Refusal::conflict(
        "run_taken_over",
        "another instance has taken over the right to compare both sides, and goes on with the run",
    )
}

/// What reconciliation remembers, and what it asks about orders.
#[async_trait]
pub trait Reconciliations: Send + Sync {
    /// The live files of these orders (as a decision sees them: without what is finished), in the order asked for;
    /// none for one that is not known. At most [`KEYS_MAX`].
    async fn order_files(&self, keys: &[OrderKey]) -> Result<Vec<Option<OrderFile>>, StoreError>;

    /// Orders of an account that a movement of ours was ever applied for, the newest first; at most `limit`.
    async fn touched_orders(&self, range: &BoughtRange, limit: usize)
    -> Result<Vec<BoughtOrder>, StoreError>;

    /// How far each account's orders have landed.
    async fn watermarks(&self) -> Result<Vec<Watermark>, StoreError>;

    /// Replaces an account's watermark.
    async fn put_watermark(&self, watermark: &Watermark) -> Result<(), StoreError>;

    /// Adds a run, or replaces it; refused ([`taken_over`]) once `under` is another holder's, or another term's.
    async fn put_run(&self, run: &Run, under: &TaskLease) -> Result<(), StoreError>;

    /// One run.
    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError>;

    /// Runs, newest first.
    async fn runs(&self, page: PageRequest) -> Result<Page<Run>, StoreError>;

    /// Keeps what a run found, in one transaction. One that is open already for its order and kind is the same
    /// one: it is seen once more, and says what was found last. Within one run, only the first sight counts: what
    /// a run finds again changes nothing ([`seen`]). Answers with the rows as they are kept, in the order given. Refused
    /// ([`taken_over`]) once `under` is another holder's, or another term's.
    async fn record_discrepancies(
        &self,
        run: RunId,
        found: Vec<Found>,
        now: Timestamp,
        under: &TaskLease,
    ) -> Result<Vec<Discrepancy>, StoreError>;

    /// Closes the open discrepancies of these orders that this run did not see; says how many. Those put right stay
    /// so, the others are gone ([`resolution_when_closed`]). At most [`KEYS_MAX`] orders. Refused ([`taken_over`]) once
    /// `under` is another holder's, or another term's.
    async fn close_discrepancies(
        &self,
        run: RunId,
        orders: &[OrderKey],
        now: Timestamp,
        under: &TaskLease,
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
