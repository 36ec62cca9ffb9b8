//! One instance's own way to the orders service, which can be cut while the others' is not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use saldo_domain::ids::{AccountId, OrderId};
use saldo_orders_service::{
    CallError, FoundOrder, Health, LiveOrders, OrdersService, Page, PageQuery, RemoteAccount,
};

use super::orders_service::SimulatedOrdersService;

/// The way to the service, and what lies in it.
pub(crate) struct OwnWay {
    service: Arc<SimulatedOrdersService>,
    obstacle: Mutex<Option<Obstacle>>,
    /// Flags that were not sent because of it.
    stopped: AtomicUsize,
    /// Flags that were sent.
    passed: AtomicUsize,
}

/// What lies in the way of one instance.
#[derive(Debug, Clone)]
pub(crate) enum Obstacle {
    /// Every call fails so.
    Everything(CallError),
    /// Flags cannot be sent, and all else can be asked.
    Flags(CallError),
}

impl OwnWay {
    pub(crate) fn to(service: &Arc<SimulatedOrdersService>) -> Arc<Self> {
        Arc::new(Self {
            service: Arc::clone(service),
            obstacle: Mutex::new(None),
            stopped: AtomicUsize::new(0),
            passed: AtomicUsize::new(0),
        })
    }

    pub(crate) fn cut(&self, obstacle: Obstacle) {
        *self.obstacle.lock().unwrap() = Some(obstacle);
    }

    pub(crate) fn mend(&self) {
        *self.obstacle.lock().unwrap() = None;
    }

    pub(crate) fn stopped(&self) -> usize {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn passed(&self) -> usize {
        self.passed.load(Ordering::Relaxed)
    }

    fn pass(&self) -> Result<&SimulatedOrdersService, CallError> {
        match &*self.obstacle.lock().unwrap() {
            Some(Obstacle::Everything(error)) => Err(error.clone()),
            Some(Obstacle::Flags(_)) | None => Ok(&self.service),
        }
    }
}

#[async_trait]
impl OrdersService for OwnWay {
    async fn set_flag(&self, account: AccountId, order: &OrderId, flag: bool) -> Result<(), CallError> {
        let obstacle = self.obstacle.lock().unwrap().clone();
        if let Some(Obstacle::Everything(error) | Obstacle::Flags(error)) = obstacle {
            self.stopped.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
        self.passed.fetch_add(1, Ordering::Relaxed);
        self.service.set_flag(account, order, flag).await
    }

    async fn read_flag(&self, account: AccountId, order: &OrderId) -> Result<bool, CallError> {
        self.pass()?.read_flag(account, order).await
    }

    async fn accounts(&self) -> Result<Vec<RemoteAccount>, CallError> {
        self.pass()?.accounts().await
    }

    async fn health(&self) -> Result<Health, CallError> {
        // As of the real one: health asks for no token.
        match &*self.obstacle.lock().unwrap() {
            Some(Obstacle::Everything(error)) if error.status.is_none() => return Err(error.clone()),
            _ => {}
        }
        self.service.health().await
    }

    async fn find_order(
        &self,
        account: AccountId,
        order: &OrderId,
        live: LiveOrders,
    ) -> Result<FoundOrder, CallError> {
        self.pass()?.find_order(account, order, live).await
    }

    async fn live_orders_work(&self, account: AccountId, order: &OrderId) -> Result<bool, CallError> {
        self.pass()?.live_orders_work(account, order).await
    }

    async fn list_page(&self, account: AccountId, query: PageQuery) -> Result<Page, CallError> {
        self.pass()?.list_page(account, query).await
    }
}
