//! Starting the tasks, and stopping them gracefully.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use saldo_domain::decide::{Command, Request};
use saldo_domain::ids::OrderKey;
use saldo_domain::text::Warehouse;
use saldo_orders_service::{OrdersService, RemoteAccount};
use saldo_store::hints::Hint;
use saldo_store::query::{Account, OperationFilter, PageRequest};
use saldo_store::{SharedStore, StoreError};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::api::{Event, ReconciliationProgress};
use crate::clock::Clock;
use crate::gate::{Gate, ShareUntil};
use crate::instances;
use crate::leader::{self, Leadership};
use crate::metrics::Metrics;
use crate::pace::Share;
use crate::reports::ReportDesk;
use crate::service::StockSynchronizationService;
use crate::settings::Settings;
use crate::statistics::Statistics;
use crate::under_way::UnderWay;
use crate::waiters::Waiters;
use crate::{delivery, outages, poller, reconciliation, tasks, unpaid, wishes};

/// Everything that the engine is given.
pub struct EngineOptions {
    /// The database.
    pub store: SharedStore,
    /// The orders service.
    pub orders_service: Arc<dyn OrdersService>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub seed: u64,
    /// Where an order's lines are taken from when it does not say.
    pub default_warehouse: Warehouse,
    /// Bounds and periods.
    pub settings: Settings,
}

/// Events kept for a listener that is slow; beyond it the listener is told that it missed some.
const EVENTS_KEPT: usize = 1_024;
/// How long a stop waits for calls in flight beyond their own timeout, in seconds.
const STOP_MARGIN_SECONDS: u64 = 5;
/// How often the accounts' names are read from the service, and the single-order call is tried, in seconds.
const ACQUAINTANCE_SECONDS: u64 = 24 * 60 * 60;
/// How soon it is tried again when the service did not answer, in seconds.
const ACQUAINTANCE_RETRY_SECONDS: u64 = 60;

/// What all tasks share.
pub(crate) struct Core {
    pub(crate) store: SharedStore,
    pub(crate) orders_service: Arc<dyn OrdersService>,
    pub(crate) settings: Settings,
    pub(crate) default_warehouse: Warehouse,
    pub(crate) wake: Notify,
    pub(crate) waiters: Waiters,
    pub(crate) under_way: UnderWay,
    pub(crate) gate: Mutex<Gate>,
    pub(crate) started_at: Timestamp,
    clock: Arc<dyn Clock>,
    random: Mutex<ChaCha8Rng>,
    statistics: Mutex<Statistics>,
    pub(crate) metrics: Metrics,
    live_orders: Mutex<Option<bool>>,
    events: broadcast::Sender<Event>,
    /// Names this start of this instance, in leases and elsewhere.
    pub(crate) instance: String,
    /// Makes it look at the other instances at once.
    pub(crate) look: Notify,
    /// Circuits are told and taken over by one at a time.
    pub(crate) circuits: tokio::sync::Mutex<()>,
    /// The right to lead, while it is held.
    pub(crate) leadership: watch::Sender<Option<Leadership>>,
    /// Told before it stops: it goes on, and nobody should begin anything here.
    pub(crate) leaving: CancellationToken,
    /// Told when the engine stops: what takes long looks at it from time to time.
    pub(crate) stop: CancellationToken,
    /// What outlives its caller, waited for at a stop.
    pub(crate) runs: TaskTracker,
    /// One run of reconciliation at a time; the others wait here.
    pub(crate) reconciling: tokio::sync::Mutex<()>,
    pub(crate) progress: watch::Sender<Option<ReconciliationProgress>>,
    /// Wakes the poller.
    pub(crate) poll: Notify,
    /// Told when calls are possible again that were not: what was put off is tried at once.
    pub(crate) reopened: Notify,
    /// Watermarks are read, changed and written by one at a time.
    pub(crate) watermarks: tokio::sync::Mutex<()>,
    running_tasks: Mutex<BTreeSet<&'static str>>,
    pub(crate) reports: ReportDesk,
}

impl Core {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A number from 0 to below 1.
    pub(crate) fn draw(&self) -> f64 {
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random()
    }

    pub(crate) fn statistics(&self) -> std::sync::MutexGuard<'_, Statistics> {
        self.statistics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn live_orders(&self) -> Option<bool> {
        *self.live_orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tasks that run in this process now; never across an await.
    pub(crate) fn running_tasks(&self) -> std::sync::MutexGuard<'_, BTreeSet<&'static str>> {
        self.running_tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number to make an id of.
    pub(crate) fn distinct(&self) -> u64 {
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .random()
    }

    /// Tells those who watch. Without a listener there is nobody to tell.
    pub(crate) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Something is due: this instance delivers it, or tells those that do.
    pub(crate) fn wake_for_delivery(&self) {
        self.wake.notify_one();
        if !self.delivers() {
            self.store.hint(Hint::Due);
        }
    }

    /// Whether this instance makes deliveries now, as far as the others do.
    pub(crate) fn delivers(&self) -> bool {
        self.settings.role.works() && !self.gate().is_on_trial()
    }

    /// A request of Saldo's own, for now.
    pub(crate) fn request(&self, command: Command) -> Request {
        Request {
            command,
            now: self.now(),
            by: "saldo".to_owned(),
            answer_key: None,
        }
    }
}

/// The running engine.
pub struct Engine {
    service: StockSynchronizationService,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    stop_within: Duration,
}

impl Engine {
    /// A service without any tasks behind it: deliveries are made only by
    /// [`StockSynchronizationService::process_pending_operations`].
    #[must_use]
    pub fn service_only(options: EngineOptions) -> StockSynchronizationService {
        // A stream of its own: what is drawn for jitter does not depend on it.
        let instance = ChaCha8Rng::seed_from_u64(!options.seed).random();
        let instance = Uuid::from_u128(instance).to_string();
        let gate = Gate::new(&options.settings, &instance);
        let core = Core {
            started_at: options.clock.now(),
            statistics: Mutex::new(Statistics::new(options.settings.window_minutes)),
            metrics: Metrics::default(),
            gate: Mutex::new(gate),
            store: options.store,
            orders_service: options.orders_service,
            clock: options.clock,
            random: Mutex::new(ChaCha8Rng::seed_from_u64(options.seed)),
            settings: options.settings,
            default_warehouse: options.default_warehouse,
            wake: Notify::new(),
            waiters: Waiters::default(),
            under_way: UnderWay::default(),
            live_orders: Mutex::new(None),
            events: broadcast::Sender::new(EVENTS_KEPT),
            instance,
            look: Notify::new(),
            circuits: tokio::sync::Mutex::new(()),
            leadership: watch::Sender::new(None),
            leaving: CancellationToken::new(),
            stop: CancellationToken::new(),
            runs: TaskTracker::new(),
            reconciling: tokio::sync::Mutex::new(()),
            progress: watch::Sender::new(None),
            poll: Notify::new(),
            reopened: Notify::new(),
            watermarks: tokio::sync::Mutex::new(()),
            running_tasks: Mutex::new(BTreeSet::new()),
            reports: ReportDesk::default(),
        };
        StockSynchronizationService::new(Arc::new(core))
    }

    /// Starts the tasks. Call it within a tokio runtime.
    #[must_use]
    pub fn start(options: EngineOptions) -> Self {
        let stop_within = Duration::from_millis(options.settings.call_timeout_ms.saturating_mul(2))
            + Duration::from_secs(STOP_MARGIN_SECONDS);
        let service = Self::service_only(options);
        let core = Arc::clone(service.core());
        let stop = core.stop.clone();
        // No call before it is known which other instances there are, and which circuits are open.
        core.gate().set_share(Share::WHOLE, ShareUntil::NotYet);
        let mut tasks = vec![
            tokio::spawn(instances::watch(Arc::clone(&core), stop.clone())),
            tokio::spawn(instances::listen(Arc::clone(&core), stop.clone())),
            tokio::spawn(acquaint(Arc::clone(&core), stop.clone())),
        ];
        if core.settings.role.works() {
            tasks.extend(Self::work(&service, &stop));
        }
        if core.settings.role.works() && core.settings.may_lead {
            tasks.push(tokio::spawn(leader::watch(core, stop.clone())));
        }
        Self {
            service,
            stop,
            tasks,
            stop_within,
        }
    }

    /// The tasks of an instance that works off what is owed.
    fn work(service: &StockSynchronizationService, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        let core = service.core();
        vec![
            tokio::spawn(delivery::dispatch(Arc::clone(core), stop.clone())),
            tokio::spawn(outages::watch(Arc::clone(core), stop.clone())),
            tokio::spawn(wishes::watch(service.clone(), stop.clone())),
            tokio::spawn(unpaid::watch(service.clone(), stop.clone())),
            tokio::spawn(sweep(service.clone(), stop.clone())),
            tokio::spawn(poller::watch(service.clone(), stop.clone())),
            tokio::spawn(reconciliation::take_up(service.clone(), stop.clone())),
            tokio::spawn(tasks::watch(service.clone(), stop.clone())),
        ]
    }

    /// The front.
    #[must_use]
    pub fn service(&self) -> StockSynchronizationService {
        self.service.clone()
    }

    /// Ends at once, whatever it does, as a crash would: for simulations.
    pub fn abort(self) {
        for task in self.tasks {
            task.abort();
        }
    }

    /// Stops: claims nothing more, finishes what is in flight, returns the rest. What does not end in time is
    /// left to the end of its lease; nothing is lost either way.
    pub async fn stop(self) {
        self.stop.cancel();
        let runs = &self.service.core().runs;
        runs.close();
        let all = futures::future::join(futures::future::join_all(self.tasks), runs.wait());
        if tokio::time::timeout(self.stop_within, all).await.is_err() {
            tracing::warn!("some calls did not end in time; their leases will");
        }
        instances::leave(self.service.core()).await;
    }
}

/// Looks through what waits from time to time: a net under the wake-ups, and under a crash after a receipt.
async fn sweep(service: StockSynchronizationService, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            // What was asked for is done; the rest is tried after the next start.
            () = stop.cancelled() => return,
            () = service.try_all_that_wait_for_stock(|_| true) => {}
        }
        service.core().wake.notify_one();
        let period = Duration::from_secs(service.core().settings.sweep_seconds.max(1));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(period) => {}
        }
    }
}

/// Learns the accounts' names, and whether the single-order call works, at start and daily.
async fn acquaint(core: Arc<Core>, stop: CancellationToken) {
    loop {
        let learned = tokio::select! {
            biased;
            // It only reads: leaving it is harmless.
            () = stop.cancelled() => return,
            learned = learn_accounts(&core) => learned,
        };
        let wait = match learned {
            Ok(()) => ACQUAINTANCE_SECONDS,
            Err(reason) => {
                tracing::debug!(
                    reason,
                    "the orders service could not be asked about its accounts yet"
                );
                ACQUAINTANCE_RETRY_SECONDS
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(wait)) => {}
        }
    }
}

/// Learns which accounts the service has, and their names.
pub(crate) async fn discover(core: &Core) -> Result<Vec<RemoteAccount>, String> {
    if core.gate().is_shut() {
        return Err("the orders service cannot be used now".to_owned());
    }
    let remote = core
        .orders_service
        .accounts()
        .await
        .map_err(|error| error.message)?;
    let now = core.now();
    let accounts = remote
        .iter()
        .map(|account| Account {
            id: account.id,
            name: Some(account.name.clone()),
            by_hand: false,
            created_at: now,
        })
        .collect();
    core.store
        .put_accounts(accounts)
        .await
        .map_err(|error| error.to_string())?;
    Ok(remote)
}

async fn learn_accounts(core: &Core) -> Result<(), String> {
    let remote = discover(core).await?;
    let now = core.now();
    for account in remote.iter().filter(|account| account.is_active) {
        if account
            .expires_at
            .is_some_and(|expiry| expiry < now + SignedDuration::from_hours(1))
        {
            continue;
        }
        let Some(order) = any_order(core, account.id)
            .await
            .map_err(|error| error.to_string())?
        else {
            continue;
        };
        let works = core
            .orders_service
            .live_orders_work(order.account, &order.order)
            .await;
        let works = works.map_err(|error| error.message)?;
        if !works {
            tracing::warn!(
                "the orders service's single-order call is broken, as shipped: changes reach Saldo as posted forms only"
            );
        }
        *core.live_orders.lock().unwrap_or_else(PoisonError::into_inner) = Some(works);
        return Ok(());
    }
    Err("no order is known yet to try the single-order call with".to_owned())
}

/// Some order of an account that is known here.
async fn any_order(
    core: &Core,
    account: saldo_domain::ids::AccountId,
) -> Result<Option<OrderKey>, StoreError> {
    let filter = OperationFilter {
        account: Some(account),
        ..OperationFilter::default()
    };
    let page = core
        .store
        .operations(
            &filter,
            PageRequest {
                after: None,
                limit: 1,
            },
        )
        .await?;
    Ok(page.items.into_iter().find_map(|operation| operation.order))
}
