//! The front: the original's `StockSynchronizationService`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use saldo_domain::decide::{
    Command, Count, Deduct, DocumentOutcome, Map, OrderOutcome, OrdersOutcome, Outcome, Receipt, Refund,
    Request, Resolve, ResolveOutcome, RollBack, RollBackOutcome, SyncStatus, TakeIn, Then, Transfer,
};
use saldo_domain::ids::{AccountId, OperationId, OrderKey};
use saldo_domain::operation::{Operation, OperationStatus};
use saldo_domain::review::ReviewReason;
use saldo_domain::text::Warehouse;
use saldo_domain::view::{ListKey, Place, Refusal};
use saldo_store::query::{OperationFilter, PAGE_ROWS_MAX, PageRequest, StockLineKey};
use saldo_store::{SharedStore, StoreError};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::api::{
    Caller, Event, Health, ProcessingResult, RemoteFlag, ResolveResult, RollbackResult, Status, SuccessRate,
    SyncResult, average_retry_seconds,
};
use crate::engine::Core;
use crate::trace::TRACE_TARGET;
use crate::waiters::Waiter;
use crate::{delivery, instances, outages, wishes};

/// Rounds of trying again what waits for one SKU or offer, each of a bounded number of orders.
const WAITING_ROUNDS_MAX: usize = 1_000;
/// SKUs with stock that are waited for, read at once.
const SKUS_TOGETHER: usize = 10_000;

/// How soon one that waits for a delivery looks whether another instance made it: where only others deliver.
const LOOK_FIRST: Duration = Duration::from_millis(20);
/// The same where this instance most likely makes it itself.
const LOOK_BESIDE_OWN_WORK: Duration = Duration::from_millis(200);
/// The longest wait between two looks: they double.
const LOOK_LAST: Duration = Duration::from_millis(320);

/// Keeps stock and the orders service in balance. Cheap to clone; all clones are one service.
#[derive(Clone)]
pub struct StockSynchronizationService {
    core: Arc<Core>,
}

/// Which failed operations to try again. Fields that are none, or empty, do not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryFilter {
    /// Those before a person for this reason.
    pub reason: Option<ReviewReason>,
    /// Those of one account.
    pub account: Option<AccountId>,
    /// Exactly these.
    pub ids: Vec<OperationId>,
}

impl StockSynchronizationService {
    pub(crate) const fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    pub(crate) const fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The database, for reads.
    #[must_use]
    pub fn store(&self) -> &SharedStore {
        &self.core.store
    }

    /// This moment, by the engine's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// Where an order's lines are taken from when it does not say.
    #[must_use]
    pub fn default_warehouse(&self) -> Warehouse {
        self.core.default_warehouse.clone()
    }

    /// This instance is about to stop: from now on it says that it is not ready, and lets another one lead. It goes on
    /// with everything else.
    pub fn take_leave(&self) {
        self.core.leaving.cancel();
    }

    /// Whether this instance is about to stop.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.core.leaving.is_cancelled()
    }

    /// What changes, from now on. A hint for those who watch: the store is the truth.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.core.subscribe()
    }

    /// Takes in an order: deducts its stock once and durably, and tells the orders service at once, or later by
    /// retry.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn process_order_with_sync(
        &self,
        order: TakeIn,
        caller: &Caller,
    ) -> Result<SyncResult, StoreError> {
        let key = OrderKey {
            account: order.account,
            order: order.copy.order.clone(),
        };
        self.for_order(Command::TakeIn(order), Some(key), caller).await
    }

    /// The same for many orders, in order, in as few transactions as possible, without waiting for the
    /// immediate attempts. One result each; one that is refused spoils no other.
    pub async fn process_orders_with_sync(
        &self,
        orders: Vec<TakeIn>,
        caller: &Caller,
    ) -> Vec<Result<SyncResult, StoreError>> {
        let now = self.now();
        let requests = orders
            .into_iter()
            .map(|order| Request {
                command: Command::TakeIn(order),
                now,
                by: caller.by.clone(),
                answer_key: None,
            })
            .collect();
        let mut results = Vec::new();
        for outcome in self.core.store.execute_all(requests).await {
            results.push(match outcome {
                Ok(Outcome::Order(outcome)) => self.conclude(outcome).await,
                Ok(other) => Err(unexpected(&other)),
                Err(error) => Err(error),
            });
        }
        self.core.wake_for_delivery();
        results
    }

    /// Takes a single line's stock, and tells the orders service at once, or later by retry.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn sync_stock_deduction(
        &self,
        line: Deduct,
        caller: &Caller,
    ) -> Result<SyncResult, StoreError> {
        let key = line.key.clone();
        self.for_order(Command::Deduct(line), Some(key), caller).await
    }

    /// Brings some of an order's stock back.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn refund(&self, refund: Refund, caller: &Caller) -> Result<SyncResult, StoreError> {
        let key = refund.key.clone();
        self.for_order(Command::Refund(refund), Some(key), caller).await
    }

    /// Makes every delivery that is due now, once, and waits for the outcomes.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn process_pending_operations(&self) -> Result<ProcessingResult, StoreError> {
        delivery::round(&self.core, &CancellationToken::new()).await
    }

    /// Undoes an operation: restores what is still taken of its lines, and tells the orders service.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn rollback_operation(
        &self,
        request: RollBack,
        caller: &Caller,
    ) -> Result<RollbackResult, StoreError> {
        let key = self
            .core
            .store
            .operation(request.operation)
            .await?
            .and_then(|operation| operation.order);
        let waiter = self.waiter(key.as_ref(), caller);
        let RollBackOutcome {
            operation,
            undone_by,
            restored,
            owed,
            deliver,
        } = match self.execute(Command::RollBack(request), caller).await? {
            Outcome::RolledBack(outcome) => outcome,
            other => return Err(unexpected(&other)),
        };
        self.wait_for_attempt(waiter, deliver.as_ref(), caller).await?;
        self.tell_operations(&[Some(operation), undone_by]);
        let remote_flag = self.remote_flag(key.as_ref(), owed).await?;
        Ok(RollbackResult {
            success: true,
            operation_id: operation,
            refund_operation_id: undone_by,
            restored,
            remote_flag,
        })
    }

    async fn remote_flag(&self, key: Option<&OrderKey>, owed: bool) -> Result<RemoteFlag, StoreError> {
        let Some(key) = key else {
            return Ok(RemoteFlag::Unchanged);
        };
        let file = self.core.store.order(key).await?;
        let Some(file) = file else {
            return Ok(RemoteFlag::Unchanged);
        };
        if file.order.flag_confirmed == Some(false) && !file.order.level() {
            return Ok(RemoteFlag::Cleared);
        }
        Ok(if file.delivery.is_some() || owed {
            RemoteFlag::Pending
        } else {
            RemoteFlag::Unchanged
        })
    }

    /// Tries an operation now; one that had failed gets fresh retries.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn retry_operation(
        &self,
        operation: OperationId,
        caller: &Caller,
    ) -> Result<SyncResult, StoreError> {
        let key = self
            .core
            .store
            .operation(operation)
            .await?
            .and_then(|operation| operation.order);
        self.for_order(Command::Retry { operation }, key, caller).await
    }

    /// Tries again all failed operations that match; answers with how many.
    ///
    /// # Errors
    /// When the store cannot be reached; some may have been tried already, and a repeat is harmless.
    pub async fn retry_failed(&self, filter: RetryFilter, caller: &Caller) -> Result<u64, StoreError> {
        let mut ids = filter.ids.clone();
        if ids.is_empty() {
            ids = self.failed_operations(&filter).await?;
        }
        self.remember(caller).await?;
        // The key stands for the whole of it, and not for each operation.
        let keyless = Caller {
            answer_key: None,
            ..caller.clone()
        };
        let mut retried = 0;
        for chunk in ids.chunks(PAGE_ROWS_MAX) {
            let requests = chunk
                .iter()
                .map(|id| self.request(Command::Retry { operation: *id }, &keyless))
                .collect();
            for (result, id) in self.core.store.execute_all(requests).await.into_iter().zip(chunk) {
                match result {
                    Ok(_) => {
                        retried += 1;
                        self.core.tell(Event::Operation { id: *id });
                    }
                    Err(StoreError::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            self.core.wake_for_delivery();
        }
        Ok(retried)
    }

    /// Keeps the caller's idempotency key for what no single decision answers: another request under it is then
    /// refused, and a repeat can be answered alike.
    ///
    /// # Errors
    /// When the key was used for another request, or the store cannot be reached.
    pub async fn remember(&self, caller: &Caller) -> Result<(), StoreError> {
        if caller.answer_key.is_some() {
            self.execute(Command::Remember, caller).await?;
        }
        Ok(())
    }

    async fn failed_operations(&self, filter: &RetryFilter) -> Result<Vec<OperationId>, StoreError> {
        let wanted = OperationFilter {
            account: filter.account,
            statuses: vec![OperationStatus::Failed],
            ..OperationFilter::default()
        };
        let mut ids = Vec::new();
        let mut after = None;
        loop {
            let page = self
                .core
                .store
                .operations(
                    &wanted,
                    PageRequest {
                        after,
                        limit: PAGE_ROWS_MAX,
                    },
                )
                .await?;
            for operation in page.items {
                if self.is_under(&operation, filter.reason).await? {
                    ids.push(operation.id);
                }
            }
            after = page.next_cursor;
            if after.is_none() {
                return Ok(ids);
            }
        }
    }

    async fn is_under(
        &self,
        operation: &Operation,
        reason: Option<ReviewReason>,
    ) -> Result<bool, StoreError> {
        let (Some(reason), Some(review)) = (reason, operation.review) else {
            return Ok(reason.is_none());
        };
        Ok(self
            .core
            .store
            .review(review)
            .await?
            .is_some_and(|review| review.reason == reason))
    }

    /// Fetches an order from the orders service and takes it in; `None` when it cannot be fetched now, and the
    /// wish was stored.
    ///
    /// # Errors
    /// When the service holds no such order, or its copy cannot be read, or nothing could be stored.
    pub async fn take_in_by_id(
        &self,
        key: OrderKey,
        caller: &Caller,
    ) -> Result<Option<SyncResult>, StoreError> {
        wishes::take_in_by_id(self, &key, caller).await
    }

    /// Answers a review, and does what follows from it.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn resolve_review(
        &self,
        resolve: Resolve,
        caller: &Caller,
    ) -> Result<ResolveResult, StoreError> {
        let id = resolve.review;
        let key = self
            .core
            .store
            .review(id)
            .await?
            .and_then(|review| match review.subject {
                saldo_domain::review::Subject::Order(key) => Some(key),
                _ => None,
            });
        let waiter = self.waiter(key.as_ref(), caller);
        let ResolveOutcome { order, then, .. } = match self.execute(Command::Resolve(resolve), caller).await?
        {
            Outcome::Resolved(outcome) => outcome,
            other => return Err(unexpected(&other)),
        };
        let mut tried_again = 0;
        match then {
            Some(Then::TryOffer(offer)) => {
                tried_again = self
                    .try_waiting(|after| ListKey::AwaitingOffer(offer.clone(), after))
                    .await?
            }
            Some(Then::EndOutage(review)) => tried_again = outages::end(&self.core, review).await?,
            Some(Then::ProbeAccount(account)) => outages::probe_account(&self.core, account).await,
            Some(Then::EndUnpaid { review, deduct }) => {
                tried_again = self.rounds(|_| Command::EndUnpaid { review, deduct }).await?;
            }
            Some(Then::Fetch(key)) => tried_again = u64::from(wishes::fetch_again(self, &key).await?),
            None => {}
        }
        let deliver = order.as_ref().and_then(|order| order.deliver.as_ref());
        self.wait_for_attempt(waiter, deliver, caller).await?;
        self.core.tell(Event::Review { id });
        let order = match order {
            Some(outcome) => Some(
                self.conclude(OrderOutcome {
                    image: None,
                    ..outcome
                })
                .await?,
            ),
            None => None,
        };
        let review = self.core.store.review(id).await?;
        let review = review.ok_or_else(|| StoreError::Corrupt(format!("review {id} is gone")))?;
        Ok(ResolveResult {
            review,
            order,
            tried_again,
        })
    }

    /// Goods came in. Orders that waited for them are tried again before this answers.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn receive(
        &self,
        receipt: Receipt,
        caller: &Caller,
    ) -> Result<Option<OperationId>, StoreError> {
        self.document(Command::Receive(receipt), caller).await
    }

    /// Goods were counted: balances are set to what was found.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn count(&self, count: Count, caller: &Caller) -> Result<Option<OperationId>, StoreError> {
        self.document(Command::Count(count), caller).await
    }

    /// Goods went from one warehouse to another.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn transfer(
        &self,
        transfer: Transfer,
        caller: &Caller,
    ) -> Result<Option<OperationId>, StoreError> {
        self.document(Command::Transfer(transfer), caller).await
    }

    /// Says what an offer stands for, and tries again every order that waits for it; answers with how many.
    ///
    /// # Errors
    /// When it was refused or could not be stored: then nothing changed.
    pub async fn map_offer(&self, map: Map, caller: &Caller) -> Result<u64, StoreError> {
        let offer = map.key.clone();
        self.execute(Command::Map(map), caller).await?;
        self.try_waiting(|after| ListKey::AwaitingOffer(offer.clone(), after))
            .await
    }

    /// The overall state.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let now = self.now();
        let settings = &self.core.settings;
        let stale_before = now - jiff::SignedDuration::from_hours(settings.stale_operation_hours);
        let counts = self.core.store.counts(now, stale_before).await?;
        let rollout = self.mode().await?;
        let tasks = self.tasks().await?;
        let last_reconciliation = self.last_reconciliation().await?;
        let open = self.core.store.open_discrepancies().await?;
        let alerts = self.open_alerts().await?;
        let (instances, leader, attempts) = instances::status(&self.core, now).await?;
        let circuit = self.core.gate().circuit_state();
        let statistics = self.core.statistics();
        let success_rate = SuccessRate::new(settings.window_minutes, attempts);
        let is_degraded = self.core.gate().is_shut()
            || counts.unfinished.failed > 0
            || counts.stale > 0
            || counts.unfinished.pending > settings.max_pending_operations
            || success_rate
                .rate
                .is_some_and(|rate| 1.0 - rate > settings.failure_rate_max);
        Ok(Status {
            health: if is_degraded {
                Health::Degraded
            } else {
                Health::Healthy
            },
            counts,
            started_at: self.core.started_at,
            now,
            success_rate,
            average_retry_seconds: average_retry_seconds(attempts),
            circuit,
            live_orders: self.core.live_orders(),
            latency: statistics.latency(),
            last_error: statistics.last_error().map(ToOwned::to_owned),
            rollout,
            tasks,
            last_reconciliation,
            discrepancies_open: open.iter().map(|(_, _, count)| count).sum(),
            alerts,
            instances,
            leader,
            notifications_arrive: self.core.store.hints_arrive(),
        })
    }

    /// Tries again all orders that wait for a SKU.
    pub(crate) async fn try_waiting_for_stock(&self, key: &StockLineKey) -> Result<u64, StoreError> {
        self.try_waiting(|after| ListKey::AwaitingStock(key.clone(), after))
            .await
    }

    /// Tries again all orders that wait for SKUs of which there is stock, as far as those are meant. What cannot be
    /// tried now is tried by the next sweep.
    pub(crate) async fn try_all_that_wait_for_stock(&self, is_meant: impl Fn(&StockLineKey) -> bool) {
        let mut last = None;
        loop {
            let waiting = self
                .store()
                .waiting_with_stock(last.as_ref(), SKUS_TOGETHER)
                .await;
            let keys = match waiting {
                Ok(keys) => keys,
                Err(error) => {
                    tracing::warn!(%error, "what waits for stock could not be read, and is tried later");
                    return;
                }
            };
            for key in keys.iter().filter(|key| is_meant(key)) {
                if let Err(error) = self.try_waiting_for_stock(key).await {
                    tracing::warn!(sku = %key.sku, %error, "orders that wait for stock will be tried later");
                    if error.is_of_the_store() {
                        return;
                    }
                }
            }
            last = match keys.into_iter().last() {
                Some(key) => Some(key),
                None => return,
            };
        }
    }

    async fn try_waiting(&self, list: impl Fn(Option<Place>) -> ListKey) -> Result<u64, StoreError> {
        self.rounds(|after| Command::Waiting(list(after))).await
    }

    /// Runs a bounded command over several orders until none remains for it; answers with how many were tried.
    async fn rounds(&self, command: impl Fn(Option<Place>) -> Command) -> Result<u64, StoreError> {
        let mut tried_in_all = 0;
        let mut after = None;
        for _ in 0..WAITING_ROUNDS_MAX {
            let request = self.core.request(command(after.take()));
            let OrdersOutcome {
                deliver,
                tried,
                more,
                last,
            } = match self.core.store.execute(request).await? {
                Outcome::Orders(outcome) => outcome,
                other => return Err(unexpected(&other)),
            };
            tried_in_all += u64::try_from(tried).unwrap_or(u64::MAX);
            if !deliver.is_empty() {
                self.core.wake_for_delivery();
            }
            if !more {
                break;
            }
            after = last;
        }
        self.core.tell(Event::Status);
        Ok(tried_in_all)
    }

    async fn document(&self, command: Command, caller: &Caller) -> Result<Option<OperationId>, StoreError> {
        let DocumentOutcome { operation, grown } = match self.execute(command, caller).await? {
            Outcome::Document(outcome) => outcome,
            other => return Err(unexpected(&other)),
        };
        for key in grown {
            // The receipt is stored: what cannot be tried now is tried by the sweep.
            if let Err(error) = self.try_waiting_for_stock(&key).await {
                tracing::warn!(sku = %key.sku, %error, "orders that wait for stock will be tried later");
            }
        }
        self.tell_operations(&[operation]);
        Ok(operation)
    }

    /// Runs what concerns one order, and waits for its immediate attempt where the caller wants that.
    async fn for_order(
        &self,
        command: Command,
        key: Option<OrderKey>,
        caller: &Caller,
    ) -> Result<SyncResult, StoreError> {
        let waiter = self.waiter(key.as_ref(), caller);
        let began = tokio::time::Instant::now();
        let executed = self.execute(command, caller).await?;
        self.core.metrics.intake(began.elapsed().as_secs_f64());
        let mut outcome = match executed {
            Outcome::Order(outcome) => outcome,
            other => return Err(unexpected(&other)),
        };
        if self
            .wait_for_attempt(waiter, outcome.deliver.as_ref(), caller)
            .await?
        {
            outcome.image = None;
        }
        self.tell_operations(&[outcome.operation]);
        if let Some(id) = outcome.review {
            self.core.tell(Event::Review { id });
        }
        self.conclude(outcome).await
    }

    /// The waiter stands before the delivery can begin, so that its end is not missed.
    fn waiter(&self, key: Option<&OrderKey>, caller: &Caller) -> Option<Waiter<'_>> {
        let key = key.filter(|_| caller.wait)?;
        Some(self.core.waiters.register(key.clone()))
    }

    /// Has what is due delivered, and waits for that where the caller wants it and it can come soon; says
    /// whether it waited.
    async fn wait_for_attempt(
        &self,
        waiter: Option<Waiter<'_>>,
        deliver: Option<&OrderKey>,
        caller: &Caller,
    ) -> Result<bool, StoreError> {
        let Some(key) = deliver else {
            return Ok(false);
        };
        self.core.wake_for_delivery();
        let Some(waiter) = waiter else {
            return Ok(false);
        };
        if self.core.gate().is_account_shut_for_all(key.account) {
            return Ok(false);
        }
        // A repeated answer names what was due when it was given first.
        if caller.answer_key.is_some() && !self.is_owed(key).await? {
            return Ok(true);
        }
        let longest = Duration::from_millis(self.core.settings.immediate_timeout_ms);
        if self.core.store.is_shared() {
            tokio::select! {
                () = waiter.wait(longest) => {}
                settled = self.settled_elsewhere(key) => settled?,
            }
        } else {
            waiter.wait(longest).await;
        }
        Ok(true)
    }

    /// Waits until nothing is due for an order: another instance may make its delivery, and tells nobody here.
    async fn settled_elsewhere(&self, key: &OrderKey) -> Result<(), StoreError> {
        let mut wait = if self.core.delivers() {
            LOOK_BESIDE_OWN_WORK
        } else {
            LOOK_FIRST
        };
        loop {
            tokio::time::sleep(wait).await;
            if !self.is_owed(key).await? {
                return Ok(());
            }
            wait = (wait * 2).min(LOOK_LAST);
        }
    }

    async fn is_owed(&self, key: &OrderKey) -> Result<bool, StoreError> {
        let now = self.now();
        let file = self.core.store.order(key).await?;
        let delivery = file.and_then(|file| file.delivery);
        Ok(delivery.is_some_and(|delivery| delivery.lease.is_some() || delivery.due_at <= now))
    }

    fn tell_operations(&self, operations: &[Option<OperationId>]) {
        for id in operations.iter().flatten() {
            self.core.tell(Event::Operation { id: *id });
        }
        self.core.tell(Event::Status);
    }

    /// The caller's answer: the operation as it is stored now.
    async fn conclude(&self, outcome: OrderOutcome) -> Result<SyncResult, StoreError> {
        if outcome.status == SyncStatus::ModeOff {
            return Err(mode_off(&outcome.key).into());
        }
        let fresh = outcome.image.filter(|image| Some(image.id) == outcome.operation);
        let operation = match (fresh, outcome.operation) {
            (Some(image), _) => Some(*image),
            (None, Some(id)) => self.core.store.operation(id).await?,
            (None, None) => None,
        };
        let status = match (&operation, outcome.status) {
            (_, status @ (SyncStatus::Skipped | SyncStatus::Merged)) => status,
            (Some(operation), _) => sync_status(operation),
            // An operation that is not there any more was finished, and cleaned up.
            (None, SyncStatus::Pending) if outcome.operation.is_some() => SyncStatus::Completed,
            (None, status) => status,
        };
        let error = match &operation {
            Some(operation) if !matches!(status, SyncStatus::Skipped | SyncStatus::Merged) => {
                operation.error_message.clone()
            }
            _ => outcome.error,
        };
        Ok(SyncResult {
            success: matches!(
                status,
                SyncStatus::Completed | SyncStatus::Skipped | SyncStatus::Merged | SyncStatus::RolledBack
            ),
            status,
            duplicate: outcome.duplicate,
            review_id: operation
                .as_ref()
                .and_then(|operation| operation.review)
                .or(outcome.review),
            operation,
            error,
        })
    }

    fn request(&self, command: Command, caller: &Caller) -> Request {
        Request {
            command,
            now: self.now(),
            by: caller.by.clone(),
            answer_key: caller.answer_key.clone(),
        }
    }

    async fn execute(&self, command: Command, caller: &Caller) -> Result<Outcome, StoreError> {
        let span = tracing::trace_span!(target: TRACE_TARGET, "decide", command = command.name());
        self.core
            .store
            .execute(self.request(command, caller))
            .instrument(span)
            .await
    }
}

const fn sync_status(operation: &Operation) -> SyncStatus {
    match operation.status {
        OperationStatus::Pending | OperationStatus::Processing => SyncStatus::Pending,
        OperationStatus::Completed => SyncStatus::Completed,
        OperationStatus::Failed => SyncStatus::Failed,
        OperationStatus::RolledBack => SyncStatus::RolledBack,
    }
}

/// Whoever posts an order counts on its deduction, and must hear that there is none. That it was seen is stored.
fn mode_off(key: &OrderKey) -> Refusal {
    let detail = format!(
        "Saldo is off, so order {key} was not deducted; it belongs to the old way from now on, unless it is posted \
         with force"
    );
    Refusal::conflict("mode_off", detail)
}

fn unexpected(outcome: &Outcome) -> StoreError {
    StoreError::Defect(format!("the answer does not fit the request: {outcome:?}"))
}
