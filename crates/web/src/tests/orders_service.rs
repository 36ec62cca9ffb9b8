//! An orders service in process that confirms every flag, or does not answer.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use saldo_domain::ids::{AccountId, OrderId, OrderKey};
use saldo_orders_service::{
    CallError, ErrorClass, FoundOrder, Health, LiveOrders, OrderSource, OrdersService, Page, PageQuery,
    RemoteAccount,
};
use serde_json::Value;

#[derive(Default)]
pub(super) struct FakeOrdersService {
    pub(super) down: AtomicBool,
    pub(super) refuses_flags: AtomicBool,
    pub(super) flags: Mutex<BTreeMap<OrderKey, bool>>,
    pub(super) forms: Mutex<BTreeMap<OrderKey, Value>>,
}

impl FakeOrdersService {
    fn answers(&self) -> Result<(), CallError> {
        if !self.down.load(Ordering::SeqCst) {
            return Ok(());
        }
        let message = "the service is down".to_owned();
        Err(CallError {
            class: ErrorClass::Transient,
            message,
            retry_after_seconds: None,
            status: Some(503),
        })
    }
}

#[async_trait]
impl OrdersService for FakeOrdersService {
    async fn set_flag(&self, account: AccountId, order: &OrderId, flag: bool) -> Result<(), CallError> {
        self.answers()?;
        if self.refuses_flags.load(Ordering::SeqCst) {
            return Err(CallError {
                class: ErrorClass::Permanent,
                message: "the service refuses".to_owned(),
                retry_after_seconds: None,
                status: Some(422),
            });
        }
        self.flags.lock().unwrap().insert(
            OrderKey {
                account,
                order: order.clone(),
            },
            flag,
        );
        Ok(())
    }

    async fn read_flag(&self, account: AccountId, order: &OrderId) -> Result<bool, CallError> {
        self.answers()?;
        let key = OrderKey {
            account,
            order: order.clone(),
        };
        Ok(self.flags.lock().unwrap().get(&key).copied().unwrap_or(false))
    }

    async fn accounts(&self) -> Result<Vec<RemoteAccount>, CallError> {
        self.answers()?;
        Ok(Vec::new())
    }

    async fn health(&self) -> Result<Health, CallError> {
        self.answers()?;
        Ok(Health {
            database_connected: true,
        })
    }

    async fn find_order(
        &self,
        account: AccountId,
        order: &OrderId,
        _: LiveOrders,
    ) -> Result<FoundOrder, CallError> {
        self.answers()?;
        let key = OrderKey {
            account,
            order: order.clone(),
        };
        let form = self.forms.lock().unwrap().get(&key).cloned();
        Ok(FoundOrder {
            form,
            source: OrderSource::Live,
        })
    }

    async fn live_orders_work(&self, _: AccountId, _: &OrderId) -> Result<bool, CallError> {
        self.answers()?;
        Ok(true)
    }

    async fn list_page(&self, _: AccountId, _: PageQuery) -> Result<Page, CallError> {
        self.answers()?;
        Ok(Page {
            orders: Vec::new(),
            unreadable: Vec::new(),
            total: 0,
            has_next: false,
            took_ms: 1,
            suspect: false,
        })
    }
}
