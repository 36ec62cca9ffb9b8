//! A whole Saldo in virtual time: ledger, engine, and a simulated orders service.

pub(crate) mod checkout;
mod clock;
pub(crate) mod cut_off;
pub(crate) mod faults;
pub(crate) mod history;
pub(crate) mod orders_service;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use saldo_domain::decide::{Deduct, Receipt, Request, RollBack, StockLine, TakeIn};
use saldo_domain::form::{CopyLine, FormStatus, OrderCopy, Source};
use saldo_domain::ids::{AccountId, IdSource, LineItemId, OperationId, OrderId, OrderKey, uuid_v7};
use saldo_domain::operation::{Operation, OperationStatus};
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::review::{Review, ReviewReason};
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_engine::settings::{Settings, lease_seconds};
use saldo_engine::{Caller, Engine, EngineOptions, RollbackResult, StockSynchronizationService, SyncResult};
use saldo_orders_service::OrdersService;
use saldo_store::instances::ServerRole;
use saldo_store::memory::MemoryStore;
use saldo_store::query::{PageRequest, ReviewFilter};
use saldo_store::{Rules, Store, StoreError};
use tokio::time::sleep;
use uuid::Uuid;

use clock::SettableClock;
use faults::Mode;
use orders_service::SimulatedOrdersService;

/// Ids that go on where they were when Saldo is started again.
#[derive(Debug, Clone, Default)]
struct NumberedIds(Arc<AtomicU64>);

impl IdSource for NumberedIds {
    fn next(&mut self, now: Timestamp) -> Uuid {
        uuid_v7(now, self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Runs a simulation: hours pass in an instant.
pub(crate) fn simulate<F: Future>(simulation: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(simulation)
}

/// How a world is set up.
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) accounts: u128,
    pub(crate) stock: i64,
    pub(crate) settings: Settings,
    pub(crate) retry: RetryPolicy,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            accounts: 3,
            stock: 1_000_000,
            settings: Settings::default(),
            retry: RetryPolicy {
                jitter: false,
                ..RetryPolicy::default()
            },
        }
    }
}

/// Everything of one simulation.
pub(crate) struct World {
    pub(crate) remote: Arc<SimulatedOrdersService>,
    pub(crate) ledger: Arc<MemoryStore>,
    clock: Arc<SettableClock>,
    settings: Settings,
    seed: u64,
    policy: Policy,
    ids: NumberedIds,
    starts: AtomicU64,
    engine: Option<Engine>,
    service: Option<StockSynchronizationService>,
}

pub(crate) fn account(number: u128) -> AccountId {
    AccountId::new(Uuid::from_u128(number))
}

/// An order of an account, by its number.
pub(crate) fn order(of: u128, number: u64) -> OrderKey {
    OrderKey {
        account: account(of),
        order: OrderId::parse(&format!("order-{of}-{number}")).unwrap(),
    }
}

pub(crate) fn warehouse() -> Warehouse {
    Warehouse::parse("Ирина").unwrap()
}

pub(crate) fn sku() -> Sku {
    Sku::parse("cup").unwrap()
}

/// A ready form with one line of the given number of cups.
pub(crate) fn form(key: &OrderKey, quantity: i64) -> TakeIn {
    let line = CopyLine {
        id: Some(LineItemId::parse(&format!("line-of-{}", key.order)).unwrap()),
        offer: None,
        external: Some(sku()),
        quantity,
    };
    let copy = OrderCopy {
        order: key.order.clone(),
        source: Source::Posted,
        status: FormStatus::Ready,
        fulfillment_cancelled: false,
        shipped: false,
        returned: false,
        fulfilled_by_allegro: false,
        revision: None,
        updated_at: None,
        bought_at: None,
        lines: vec![line],
    };
    TakeIn {
        account: key.account,
        copy,
        warehouse: None,
        force: false,
        remote_flag: None,
    }
}

/// A caller that does not wait for the immediate attempt.
pub(crate) fn hasty() -> Caller {
    Caller {
        wait: false,
        ..Caller::named("test")
    }
}

impl World {
    /// A world with stock, and an engine that runs.
    pub(crate) async fn begin(setup: Setup) -> Self {
        let mut world = Self::without_engine(setup).await;
        world.start();
        world
    }

    pub(crate) async fn without_engine(setup: Setup) -> Self {
        let policy = Policy {
            default_warehouse: warehouse(),
            deduct_when_bought: false,
            allow_negative: false,
            retry: setup.retry,
            circuit_enabled: setup.settings.circuit.enabled,
            lease_seconds: lease_seconds(setup.settings.call_timeout_ms),
            verify_after_seconds: 60,
            give_up_hours: i64::from(setup.settings.circuit.give_up_hours),
            initial_mode: setup.settings.initial_mode,
            start_from: setup.settings.start_from,
        };
        let ids = NumberedIds::default();
        let ledger = Arc::new(MemoryStore::new(Rules {
            policy: policy.clone(),
            ids: Box::new(ids.clone()),
        }));
        let accounts: BTreeSet<_> = (1..=setup.accounts).map(account).collect();
        let remote = Arc::new(SimulatedOrdersService::new(
            setup.seed,
            accounts,
            Arc::clone(&ledger),
        ));
        let began_at = Timestamp::from_second(1_800_000_000).unwrap();
        let world = Self {
            remote,
            ledger,
            clock: Arc::new(SettableClock::starting_at(began_at)),
            settings: setup.settings,
            seed: setup.seed,
            policy,
            ids,
            starts: AtomicU64::new(0),
            engine: None,
            service: None,
        };
        world.receive(setup.stock).await;
        world
    }

    fn options(&self, orders_service: Arc<dyn OrdersService>) -> EngineOptions {
        EngineOptions {
            store: self.ledger.clone(),
            orders_service,
            clock: self.clock.clone(),
            seed: self.seed,
            default_warehouse: warehouse(),
            settings: self.settings.clone(),
        }
    }

    /// Starts an engine over what the ledger holds.
    pub(crate) fn start(&mut self) {
        self.start_with(self.remote.clone());
    }

    /// The same with another service in front of the simulated one.
    pub(crate) fn start_with(&mut self, orders_service: Arc<dyn OrdersService>) {
        let engine = Engine::start(self.options(orders_service));
        self.service = Some(engine.service());
        self.engine = Some(engine);
    }

    /// Starts a further engine on the ledger, which must be shared. Each start is another instance.
    pub(crate) fn start_beside(&self, number: u64, role: ServerRole) -> Engine {
        self.start_beside_with(number, role, self.remote.clone())
    }

    /// The same with a way to the service of its own.
    pub(crate) fn start_beside_with(
        &self,
        number: u64,
        role: ServerRole,
        orders_service: Arc<dyn OrdersService>,
    ) -> Engine {
        let starts = self.starts.fetch_add(1, Ordering::Relaxed);
        let mut options = self.options(orders_service);
        options.seed = self.seed + 1_000 * (starts + 1);
        options.settings.instance_name = format!("saldo-{number}");
        options.settings.role = role;
        Engine::start(options)
    }

    /// Sets the clock of this machine forward, or back.
    pub(crate) fn jump(&self, by: SignedDuration) {
        self.clock.jump(by);
    }

    /// Sets it forward as soon as a delivery is claimed, before its call begins: as where a machine is suspended there.
    pub(crate) fn jump_between_claim_and_call(&self, by: SignedDuration) {
        let ledger = Arc::clone(&self.ledger);
        let is_claimed = move || {
            let tables = ledger.dump();
            tables
                .deliveries
                .values()
                .any(|delivery| delivery.lease.is_some())
        };
        self.clock.jump_when(is_claimed, by);
    }

    /// Stops the engine gracefully.
    pub(crate) async fn stop(&mut self) {
        self.engine.take().unwrap().stop().await;
    }

    /// Kills Saldo, whatever it does: from now on nothing that it does is stored, and another one begins where the
    /// ledger is.
    pub(crate) async fn kill(&mut self) {
        self.ledger.close().await.unwrap();
        let rules = Rules {
            policy: self.policy.clone(),
            ids: Box::new(self.ids.clone()),
        };
        self.ledger = Arc::new(MemoryStore::with_tables(rules, self.ledger.dump()));
        self.remote.follow(Arc::clone(&self.ledger));
        if let Some(killed) = self.engine.take() {
            tokio::spawn(killed.stop());
        }
        self.start();
    }

    /// The front: the engine's, or one without any tasks behind it.
    pub(crate) fn saldo(&self) -> StockSynchronizationService {
        match &self.service {
            Some(service) => service.clone(),
            None => Engine::service_only(self.options(self.remote.clone())),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        saldo_engine::clock::Clock::now(self.clock.as_ref())
    }

    /// Cups come in.
    pub(crate) async fn receive(&self, quantity: i64) {
        if quantity == 0 {
            return;
        }
        let key = StockKey {
            sku: sku(),
            warehouse: warehouse(),
        };
        let receipt = Receipt {
            lines: vec![StockLine { key, quantity }],
            reference: None,
        };
        self.saldo().receive(receipt, &hasty()).await.unwrap();
    }

    /// Posts an order of one cup and waits for the immediate attempt.
    pub(crate) async fn post(&self, key: &OrderKey) -> SyncResult {
        self.saldo()
            .process_order_with_sync(form(key, 1), &Caller::named("test"))
            .await
            .unwrap()
    }

    /// Posts an order of one cup without waiting.
    pub(crate) async fn post_hastily(&self, key: &OrderKey) -> SyncResult {
        self.saldo()
            .process_order_with_sync(form(key, 1), &hasty())
            .await
            .unwrap()
    }

    /// Stores the first orders of an account, in one go.
    pub(crate) async fn post_many(&self, of: u128, count: u64) {
        let orders = (0..count).map(|number| form(&order(of, number), 1)).collect();
        for result in self.saldo().process_orders_with_sync(orders, &hasty()).await {
            result.unwrap();
        }
    }

    pub(crate) async fn roll_back(&self, operation: OperationId) -> Result<RollbackResult, StoreError> {
        let request = RollBack {
            operation,
            reason: "test".to_owned(),
            force: false,
        };
        self.saldo().rollback_operation(request, &hasty()).await
    }

    pub(crate) async fn deduct_line(&self, key: &OrderKey, quantity: i64) -> Result<SyncResult, StoreError> {
        let line = Deduct {
            key: key.clone(),
            line: None,
            sku: sku(),
            quantity,
            warehouse: None,
        };
        self.saldo().sync_stock_deduction(line, &hasty()).await
    }

    /// A request of the engine's own kind, for tests that play a worker.
    pub(crate) fn request(&self, command: saldo_domain::decide::Command) -> Request {
        Request {
            command,
            now: self.now(),
            by: "test".to_owned(),
            answer_key: None,
        }
    }

    pub(crate) async fn operation(&self, id: OperationId) -> Operation {
        self.ledger.operation(id).await.unwrap().unwrap()
    }

    pub(crate) async fn stock(&self) -> i64 {
        let key = StockKey {
            sku: sku(),
            warehouse: warehouse(),
        };
        self.ledger.balances_of(&[key]).await.unwrap()[0].quantity
    }

    /// All reviews of a reason, the newest first.
    pub(crate) async fn reviews(&self, reason: ReviewReason) -> Vec<Review> {
        let filter = ReviewFilter {
            reason: Some(reason),
            ..ReviewFilter::default()
        };
        let page = PageRequest {
            after: None,
            limit: 500,
        };
        self.ledger.reviews(&filter, page).await.unwrap().items
    }

    pub(crate) async fn all_reviews(&self) -> Vec<Review> {
        let page = PageRequest {
            after: None,
            limit: 500,
        };
        self.ledger
            .reviews(&ReviewFilter::default(), page)
            .await
            .unwrap()
            .items
    }

    /// How many operations of orders stand in a status.
    pub(crate) fn count(&self, status: OperationStatus) -> usize {
        let tables = self.ledger.dump();
        let of_orders = tables
            .operations
            .values()
            .filter(|operation| operation.order.is_some());
        of_orders.filter(|operation| operation.status == status).count()
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.remote.faults(|faults| faults.mode = mode);
    }

    /// Panics when anything was done that must never be done.
    pub(crate) async fn assert_safe(&self) {
        let violations = self.ledger.check(self.now()).await.unwrap();
        assert_eq!(violations, [], "seed {}", self.seed);
        assert_eq!(self.remote.offences(), [] as [String; 0], "seed {}", self.seed);
        let with_readings = self.settings.poll_seconds == 0;
        let overlap = self.remote.history().overlap(with_readings);
        assert_eq!(overlap, None, "seed {}", self.seed);
    }

    /// Orders of which the service's flag is not the ledger's level.
    pub(crate) fn disagreements(&self) -> Vec<OrderKey> {
        let tables = self.ledger.dump();
        let touched = tables.orders.values().filter(|order| order.touched);
        touched
            .filter(|order| self.remote.flag(&order.key) != order.level())
            .map(|order| order.key.clone())
            .collect()
    }

    /// All that happened to one order, for a failed test.
    fn story(&self, key: &OrderKey) -> String {
        let mut story = format!("order {key}: the service holds {}\n", self.remote.flag(key));
        for call in self
            .remote
            .history()
            .0
            .iter()
            .filter(|call| call.key.as_ref() == Some(key))
        {
            story += &format!(
                "{} ms: {:?}, until {:?} ms, succeeded: {}\n",
                call.began_ms, call.asked, call.ended_ms, call.succeeded
            );
        }
        let tables = self.ledger.dump();
        for id in tables.order_operations.get(key).into_iter().flatten() {
            for entry in &tables.log[id] {
                let operation = &tables.operations[id];
                story += &format!(
                    "{} {id} {}: {} {} {}\n",
                    entry.at, operation.operation_type, entry.action, entry.status, entry.details
                );
            }
        }
        story
    }

    /// Panics unless nothing is owed and both sides agree.
    pub(crate) async fn assert_at_rest(&self) {
        self.assert_safe().await;
        assert_eq!(
            self.ledger.next_due(&[]).await.unwrap(),
            None,
            "seed {}: something is still owed",
            self.seed
        );
        let disagreements = self.disagreements();
        let stories: Vec<String> = disagreements.iter().map(|key| self.story(key)).collect();
        assert!(
            disagreements.is_empty(),
            "seed {}: {}",
            self.seed,
            stories.join("\n")
        );
    }
}

pub(crate) async fn seconds(count: u64) {
    sleep(Duration::from_secs(count)).await;
}

pub(crate) async fn milliseconds(count: u64) {
    sleep(Duration::from_millis(count)).await;
}

pub(crate) async fn hours(count: u64) {
    seconds(count * 3_600).await;
}

/// Waits, a second at a time, until something is so; panics when it is not so in time.
pub(crate) async fn until_so(within_seconds: u64, what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..within_seconds {
        if is_so() {
            return;
        }
        seconds(1).await;
    }
    assert!(is_so(), "not within {within_seconds} s: {what}");
}
