//! The contract of a backend.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::decide::{Outcome, Request};
use saldo_domain::ids::{AccountId, IdSource, OperationId, OrderKey, ReviewId};
use saldo_domain::operation::Operation;
use saldo_domain::policy::Policy;
use saldo_domain::review::{Review, ReviewReason};
use saldo_domain::stock::{Balance, Mapping, OfferKey};
use saldo_domain::view::OrderFile;

use crate::alerts::Alerts;
use crate::circuits::Circuits;
use crate::error::StoreError;
use crate::hints::Hints;
use crate::housekeeping::Housekeeping;
use crate::instances::Instances;
use crate::moves::Moves;
use crate::query::{
    Account, ApiKey, BalanceFilter, Counts, LogPage, MovementRow, OperationFilter, Page, PageRequest,
    ReviewFilter, StockLineKey, Violation,
};
use crate::reconciliations::Reconciliations;
use crate::reports::Reports;
use crate::rollouts::Rollouts;
use crate::tasks::Tasks;

/// What a store needs to run the rules: injected, so that a seed gives the same history every time.
pub struct Rules {
    /// The settings that decisions depend on.
    pub policy: Policy,
    /// Where new ids come from.
    pub ids: Box<dyn IdSource + Send>,
}

/// A database that keeps the ledger.
///
/// Every method is bounded in rows and time by the backend. What a write method acknowledged has reached the
/// disk.
#[async_trait]
pub trait Store:
    Reconciliations
    + Rollouts
    + Tasks
    + Instances
    + Circuits
    + Hints
    + Housekeeping
    + Reports
    + Alerts
    + Send
    + Sync
    + 'static
{
    /// Decides a request and stores what it changes, in one transaction that it may share with other requests
    /// waiting at the same moment. A request that is refused spoils no other.
    async fn execute(&self, request: Request) -> Result<Outcome, StoreError>;

    /// The same for several requests, in order, in as few transactions as the backend can; one result each.
    async fn execute_all(&self, requests: Vec<Request>) -> Vec<Result<Outcome, StoreError>>;

    /// What became of the operations that this process has committed: counters, not a question to the tables.
    fn moves(&self) -> &Moves;

    /// Replaces the settings, for decisions from now on.
    async fn set_policy(&self, policy: Policy) -> Result<(), StoreError>;

    /// Everything of an order: all of its operations, finished too (newest first, at most 500), and all of its
    /// reviews, closed too.
    async fn order(&self, key: &OrderKey) -> Result<Option<OrderFile>, StoreError>;

    /// One operation.
    async fn operation(&self, id: OperationId) -> Result<Option<Operation>, StoreError>;

    /// An operation's log, oldest first.
    async fn log(&self, id: OperationId, page: PageRequest) -> Result<LogPage, StoreError>;

    /// Operations, newest first.
    async fn operations(
        &self,
        filter: &OperationFilter,
        page: PageRequest,
    ) -> Result<Page<Operation>, StoreError>;

    /// One review.
    async fn review(&self, id: ReviewId) -> Result<Option<Review>, StoreError>;

    /// Reviews, newest first.
    async fn reviews(&self, filter: &ReviewFilter, page: PageRequest) -> Result<Page<Review>, StoreError>;

    /// Balances, by SKU and warehouse.
    async fn balances(&self, filter: &BalanceFilter, page: PageRequest) -> Result<Page<Balance>, StoreError>;

    /// Balances of exactly these; those never held are left out.
    async fn balances_of(&self, keys: &[StockLineKey]) -> Result<Vec<Balance>, StoreError>;

    /// A SKU's movements over all warehouses, newest first within a warehouse.
    async fn movements(
        &self,
        sku: &saldo_domain::text::Sku,
        page: PageRequest,
    ) -> Result<Page<MovementRow>, StoreError>;

    /// What an offer stands for.
    async fn mapping(&self, key: &OfferKey) -> Result<Option<Mapping>, StoreError>;

    /// Counts for the status page: from indexes, cheap at any size of history.
    async fn counts(&self, now: Timestamp, stale_before: Timestamp) -> Result<Counts, StoreError>;

    /// When the next delivery is due, of accounts that are not excluded; none when nothing is owed.
    async fn next_due(&self, excluded: &[AccountId]) -> Result<Option<Timestamp>, StoreError>;

    /// SKUs that orders wait for although there is stock again, by SKU and warehouse, those behind `after`, at most `limit`:
    /// what a crash after a receipt may have left undone.
    async fn waiting_with_stock(
        &self,
        after: Option<&StockLineKey>,
        limit: usize,
    ) -> Result<Vec<StockLineKey>, StoreError>;

    /// Open reviews of a reason that are about no single order, oldest first after one, at most `limit`.
    async fn open_wide_reviews(
        &self,
        reason: ReviewReason,
        after: Option<ReviewId>,
        limit: usize,
    ) -> Result<Vec<Review>, StoreError>;

    /// Keeps the wish to fetch an order and take it in, until [`Store::remove_wish`]. A repeat changes nothing.
    async fn put_wish(&self, key: &OrderKey, now: Timestamp) -> Result<(), StoreError>;

    /// Orders that are wished for, oldest first, at most `limit`.
    async fn wishes(&self, limit: usize) -> Result<Vec<OrderKey>, StoreError>;

    /// Forgets a wish that was fulfilled.
    async fn remove_wish(&self, key: &OrderKey) -> Result<(), StoreError>;

    /// The accounts known.
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// Adds accounts, or brings their names up to date.
    async fn put_accounts(&self, accounts: Vec<Account>) -> Result<(), StoreError>;

    /// API keys that were not revoked.
    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError>;

    /// Adds an API key.
    async fn put_api_key(&self, key: ApiKey) -> Result<(), StoreError>;

    /// Revokes an API key by name; false when there is none of that name.
    async fn revoke_api_key(&self, name: &str, now: Timestamp) -> Result<bool, StoreError>;

    /// Replaces what is kept as the final HTTP answer under an idempotency key, so that a repeat reads the same.
    async fn put_final_answer(&self, key: &str, answer: serde_json::Value) -> Result<(), StoreError>;

    /// The final HTTP answer kept under an idempotency key, with its fingerprint.
    async fn final_answer(&self, key: &str) -> Result<Option<(String, serde_json::Value)>, StoreError>;

    /// Checks every invariant of section 3 that can be checked on stored rows, and the database's own
    /// integrity. At most 1,000 violations.
    async fn check(&self, now: Timestamp) -> Result<Vec<Violation>, StoreError>;

    /// Facts about the database for people: kind, version, durability settings, size.
    async fn describe(&self) -> Result<Vec<(String, String)>, StoreError>;

    /// Bytes that the database may still grow by, where the backend can tell: of a server elsewhere it cannot.
    async fn free_disk_bytes(&self) -> Result<Option<u64>, StoreError>;

    /// Finishes what waits, and closes. Later calls answer [`StoreError::Closed`].
    async fn close(&self) -> Result<(), StoreError>;
}

/// A store shared by the tasks of a process.
pub type SharedStore = Arc<dyn Store>;
