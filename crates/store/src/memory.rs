//! The model of a store: the whole contract over maps in memory, simple enough to be seen to be right.
//!
//! It is what the other backends are compared with, and what most simulations run on. Every method completes at
//! once: nothing blocks, and nothing is spawned.

mod alerts;
mod check;
mod housekeeping;
mod instances;
mod lists;
mod reads;
mod reconciliations;
mod reports;
mod rollouts;
mod tables;
mod tasks;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::decide::{Outcome, Request, first_keys};
use saldo_domain::ids::{AccountId, OperationId, OrderKey, ReviewId};
use saldo_domain::operation::Operation;
use saldo_domain::policy::Policy;
use saldo_domain::review::{Review, ReviewReason};
use saldo_domain::stock::{Balance, Mapping, OfferKey};
use saldo_domain::text::Sku;
use saldo_domain::view::{OrderFile, Refusal, View};

pub use instances::KeptCircuit;
pub use tables::{KeptAnswer, Tables};
pub use tasks::KeptLease;

use crate::contract::{Rules, Store};
use crate::deciding::{RewindingIds, decide_with_loads, in_microseconds};
use crate::error::StoreError;
use crate::moves::{Moves, UncommittedMoves};
use crate::query::{
    Account, ApiKey, BalanceFilter, Counts, LogPage, MovementRow, OperationFilter, Page, PageRequest,
    ReviewFilter, StockLineKey, Violation,
};

/// A store in memory. What it holds is gone with it.
pub struct MemoryStore {
    state: Mutex<State>,
    moves: Arc<Moves>,
}

struct State {
    tables: Tables,
    moves: Arc<Moves>,
    policy: Policy,
    ids: RewindingIds,
    closed: bool,
    failing: Option<String>,
    free_disk_bytes: u64,
    shared: bool,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self::with_tables(rules, Tables::default())
    }

    /// A store with what an earlier one held: a restart, for simulations.
    #[must_use]
    pub fn with_tables(rules: Rules, tables: Tables) -> Self {
        let ids = RewindingIds::new(rules.ids);
        let moves = Arc::new(Moves::default());
        Self {
            moves: Arc::clone(&moves),
            state: Mutex::new(State {
                tables,
                moves,
                policy: rules.policy,
                ids,
                closed: false,
                failing: None,
                free_disk_bytes: u64::MAX,
                shared: false,
            }),
        }
    }

    /// Everything stored, for checks.
    #[must_use]
    pub fn dump(&self) -> Tables {
        self.lock().tables.clone()
    }

    /// Changes rows behind the rules' back, to test what notices it.
    pub fn tamper(&self, change: impl FnOnce(&mut Tables)) {
        change(&mut self.lock().tables);
    }

    /// From now on everything fails for this reason, as with a disk that is full; with none it works again.
    pub fn set_failing(&self, reason: Option<&str>) {
        self.lock().failing = reason.map(ToOwned::to_owned);
    }

    /// How much there is room for from now on; without end at first.
    pub fn set_free_disk_bytes(&self, bytes: u64) {
        self.lock().free_disk_bytes = bytes;
    }

    /// From now on other engines may work on it at the same time.
    pub fn share(&self) {
        self.lock().shared = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock can only come from a reader: decisions catch theirs.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.lock();
        match &state.failing {
            _ if state.closed => Err(StoreError::Closed),
            Some(reason) => Err(StoreError::Unavailable(reason.clone())),
            None => Ok(state),
        }
    }
}

impl State {
    fn execute(&mut self, request: Request) -> Result<Outcome, StoreError> {
        let request = in_microseconds(request);
        let tables = &self.tables;
        let mut view = View::default();
        for key in first_keys(&request, &self.policy) {
            view.insert(tables.load(&key));
        }
        let load = |view: &mut View, keys: &[_]| {
            for key in keys {
                view.insert(tables.load(key));
            }
            Ok::<(), StoreError>(())
        };
        let (changes, outcome) = decide_with_loads(&mut view, &request, &self.policy, &mut self.ids, load)?;
        let mut moves = UncommittedMoves::default();
        moves.add(&changes);
        self.tables.apply(changes);
        self.moves.commit(&mut moves);
        Ok(outcome)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn execute(&self, request: Request) -> Result<Outcome, StoreError> {
        self.open()?.execute(request)
    }

    async fn execute_all(&self, requests: Vec<Request>) -> Vec<Result<Outcome, StoreError>> {
        requests
            .into_iter()
            .map(|request| self.open().and_then(|mut state| state.execute(request)))
            .collect()
    }

    fn moves(&self) -> &Moves {
        &self.moves
    }

    async fn set_policy(&self, policy: Policy) -> Result<(), StoreError> {
        self.open()?.policy = policy;
        Ok(())
    }

    async fn order(&self, key: &OrderKey) -> Result<Option<OrderFile>, StoreError> {
        Ok(self.open()?.tables.whole_order(key))
    }

    async fn operation(&self, id: OperationId) -> Result<Option<Operation>, StoreError> {
        Ok(self.open()?.tables.operations.get(&id).cloned())
    }

    async fn log(&self, id: OperationId, page: PageRequest) -> Result<LogPage, StoreError> {
        self.open()?.tables.log_page(id, &page)
    }

    async fn operations(
        &self,
        filter: &OperationFilter,
        page: PageRequest,
    ) -> Result<Page<Operation>, StoreError> {
        self.open()?.tables.operations_page(filter, &page)
    }

    async fn review(&self, id: ReviewId) -> Result<Option<Review>, StoreError> {
        Ok(self.open()?.tables.reviews.get(&id).cloned())
    }

    async fn reviews(&self, filter: &ReviewFilter, page: PageRequest) -> Result<Page<Review>, StoreError> {
        self.open()?.tables.reviews_page(filter, &page)
    }

    async fn balances(&self, filter: &BalanceFilter, page: PageRequest) -> Result<Page<Balance>, StoreError> {
        self.open()?.tables.balances_page(filter, &page)
    }

    async fn balances_of(&self, keys: &[StockLineKey]) -> Result<Vec<Balance>, StoreError> {
        let state = self.open()?;
        Ok(keys
            .iter()
            .filter_map(|key| state.tables.balances.get(key).cloned())
            .collect())
    }

    async fn movements(&self, sku: &Sku, page: PageRequest) -> Result<Page<MovementRow>, StoreError> {
        self.open()?.tables.movements_page(sku, &page)
    }

    async fn mapping(&self, key: &OfferKey) -> Result<Option<Mapping>, StoreError> {
        Ok(self.open()?.tables.mappings.get(key).cloned())
    }

    async fn counts(&self, now: Timestamp, stale_before: Timestamp) -> Result<Counts, StoreError> {
        Ok(self.open()?.tables.counts(now, stale_before))
    }

    async fn next_due(&self, excluded: &[AccountId]) -> Result<Option<Timestamp>, StoreError> {
        let state = self.open()?;
        let owed = state.tables.deliveries.values();
        Ok(owed
            .filter(|delivery| !excluded.contains(&delivery.key.account))
            .map(|delivery| delivery.due_at)
            .min())
    }

    async fn waiting_with_stock(
        &self,
        after: Option<&StockLineKey>,
        limit: usize,
    ) -> Result<Vec<StockLineKey>, StoreError> {
        Ok(self.open()?.tables.waiting_with_stock(after, limit))
    }

    async fn open_wide_reviews(
        &self,
        reason: ReviewReason,
        after: Option<ReviewId>,
        limit: usize,
    ) -> Result<Vec<Review>, StoreError> {
        Ok(self.open()?.tables.open_wide_reviews(reason, after, limit))
    }

    async fn put_wish(&self, key: &OrderKey, now: Timestamp) -> Result<(), StoreError> {
        self.open()?.tables.wishes.entry(key.clone()).or_insert(now);
        Ok(())
    }

    async fn wishes(&self, limit: usize) -> Result<Vec<OrderKey>, StoreError> {
        let state = self.open()?;
        let mut wishes: Vec<_> = state
            .tables
            .wishes
            .iter()
            .map(|(key, since)| (*since, key.clone()))
            .collect();
        wishes.sort();
        Ok(wishes.into_iter().take(limit).map(|(_, key)| key).collect())
    }

    async fn remove_wish(&self, key: &OrderKey) -> Result<(), StoreError> {
        self.open()?.tables.wishes.remove(key);
        Ok(())
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        Ok(self.open()?.tables.accounts.values().cloned().collect())
    }

    async fn put_accounts(&self, accounts: Vec<Account>) -> Result<(), StoreError> {
        let mut state = self.open()?;
        for account in accounts {
            state.tables.put_account(account);
        }
        Ok(())
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        Ok(self.open()?.tables.api_keys.values().cloned().collect())
    }

    async fn put_api_key(&self, key: ApiKey) -> Result<(), StoreError> {
        let mut state = self.open()?;
        if state.tables.api_keys.contains_key(&key.name) {
            return Err(name_taken(&key.name).into());
        }
        state.tables.api_keys.insert(key.name.clone(), key);
        Ok(())
    }

    async fn revoke_api_key(&self, name: &str, _: Timestamp) -> Result<bool, StoreError> {
        Ok(self.open()?.tables.api_keys.remove(name).is_some())
    }

    async fn put_final_answer(&self, key: &str, answer: serde_json::Value) -> Result<(), StoreError> {
        if let Some(kept) = self.open()?.tables.answers.get_mut(key) {
            kept.final_answer = Some(answer);
        }
        Ok(())
    }

    async fn final_answer(&self, key: &str) -> Result<Option<(String, serde_json::Value)>, StoreError> {
        let state = self.open()?;
        Ok(state.tables.answers.get(key).and_then(|kept| {
            let answer = kept.final_answer.clone()?;
            Some((kept.recorded.fingerprint.clone(), answer))
        }))
    }

    async fn check(&self, _: Timestamp) -> Result<Vec<Violation>, StoreError> {
        Ok(check::check(&self.open()?.tables))
    }

    async fn describe(&self) -> Result<Vec<(String, String)>, StoreError> {
        let state = self.open()?;
        Ok(vec![
            ("kind".to_owned(), "memory".to_owned()),
            ("durability".to_owned(), "none: a model for tests".to_owned()),
            ("orders".to_owned(), state.tables.orders.len().to_string()),
            ("operations".to_owned(), state.tables.operations.len().to_string()),
        ])
    }

    async fn free_disk_bytes(&self) -> Result<Option<u64>, StoreError> {
        Ok(Some(self.open()?.free_disk_bytes))
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.open()?.closed = true;
        Ok(())
    }
}

/// Why a second API key of a name is refused: names tell in logs and notes who acted.
#[must_use]
pub fn name_taken(name: &str) -> Refusal {
    let detail =
        format!("there is an API key named {name:?} already; choose another name, or revoke that one");
    Refusal::conflict("api_key_name_taken", detail)
}
