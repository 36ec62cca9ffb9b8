//! The real orders service, over HTTP.

use std::fmt;

use async_trait::async_trait;
use saldo_domain::ids::{AccountId, OrderId};

use crate::client::Client;
use crate::contract::{FoundOrder, Health, LiveOrders, OrdersService, Page, PageQuery, RemoteAccount};
use crate::credentials::Bearer;
use crate::error::CallError;
use crate::failure::Failure;
use crate::options::{HttpOptions, Now, OptionsError};
use crate::paths::Paths;
use crate::transport::Transport;

/// Speaks to the orders service. Cheap to call, made once: it keeps the connections and the token.
pub struct HttpOrdersService {
    client: Client,
}

impl HttpOrdersService {
    /// Sets up the connection; nothing is sent yet. `now` tells the time, for tokens and for waits given as dates.
    ///
    /// # Errors
    /// When the options cannot be used.
    pub fn new(options: HttpOptions, now: Now) -> Result<Self, OptionsError> {
        let base = options.check()?;
        let bearer = Bearer::new(options.credentials.clone())?;
        let transport = Transport::new(&options, &base, bearer, now)?;
        let client = Client {
            transport,
            paths: Paths::new(base),
            timeout_ms: options.timeout_ms,
            list_timeout_ms: options.list_timeout_ms,
            suspect_after_ms: options.suspect_after_ms,
        };
        Ok(Self { client })
    }

    fn report(&self, failure: Failure) -> CallError {
        failure.into_call_error(self.client.transport.bearer().secret())
    }
}

impl fmt::Debug for HttpOrdersService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base_url = self.client.paths.base().as_str();
        formatter
            .debug_struct("HttpOrdersService")
            .field("base_url", &base_url)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl OrdersService for HttpOrdersService {
    async fn set_flag(&self, account: AccountId, order: &OrderId, flag: bool) -> Result<(), CallError> {
        self.client
            .set_flag(account, order, flag)
            .await
            .map_err(|failure| self.report(failure))
    }

    async fn read_flag(&self, account: AccountId, order: &OrderId) -> Result<bool, CallError> {
        self.client
            .read_flag(account, order)
            .await
            .map_err(|failure| self.report(failure))
    }

    async fn accounts(&self) -> Result<Vec<RemoteAccount>, CallError> {
        self.client
            .accounts()
            .await
            .map_err(|failure| self.report(failure))
    }

    async fn health(&self) -> Result<Health, CallError> {
        self.client.health().await.map_err(|failure| self.report(failure))
    }

    async fn find_order(
        &self,
        account: AccountId,
        order: &OrderId,
        live: LiveOrders,
    ) -> Result<FoundOrder, CallError> {
        self.client
            .find_order(account, order, live)
            .await
            .map_err(|failure| self.report(failure))
    }

    async fn live_orders_work(&self, account: AccountId, order: &OrderId) -> Result<bool, CallError> {
        self.client
            .live_orders_work(account, order)
            .await
            .map_err(|failure| self.report(failure))
    }

    async fn list_page(&self, account: AccountId, query: PageQuery) -> Result<Page, CallError> {
        self.client
            .list_page(account, query)
            .await
            .map_err(|failure| self.report(failure))
    }
}
