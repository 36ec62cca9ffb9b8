//! What stands in for the orders service while there are no credentials for it.

use async_trait::async_trait;
use saldo_domain::ids::{AccountId, OrderId};
use saldo_orders_service::{
    CallError, ErrorClass, FoundOrder, Health, LiveOrders, OrdersService, Page, PageQuery, RemoteAccount,
};

/// Refuses every call as one without credentials: so deliveries wait, keep their retries, and say why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoOrdersService;

fn refused<T>() -> Result<T, CallError> {
    Err(CallError {
        class: ErrorClass::Credentials,
        message: "there are no credentials for the orders service: set orders_service.jwt_secret".to_owned(),
        retry_after_seconds: None,
        status: None,
    })
}

#[async_trait]
impl OrdersService for NoOrdersService {
    async fn set_flag(&self, _: AccountId, _: &OrderId, _: bool) -> Result<(), CallError> {
        refused()
    }

    async fn read_flag(&self, _: AccountId, _: &OrderId) -> Result<bool, CallError> {
        refused()
    }

    async fn accounts(&self) -> Result<Vec<RemoteAccount>, CallError> {
        refused()
    }

    async fn health(&self) -> Result<Health, CallError> {
        refused()
    }

    async fn find_order(&self, _: AccountId, _: &OrderId, _: LiveOrders) -> Result<FoundOrder, CallError> {
        refused()
    }

    async fn live_orders_work(&self, _: AccountId, _: &OrderId) -> Result<bool, CallError> {
        refused()
    }

    async fn list_page(&self, _: AccountId, _: PageQuery) -> Result<Page, CallError> {
        refused()
    }
}
