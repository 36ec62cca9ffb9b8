//! What all endpoints share.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use saldo_domain::ids::AccountId;
use saldo_engine::StockSynchronizationService;
use tokio::sync::Semaphore;

use crate::authentication::KeyRing;
use crate::cached::Cached;
use crate::limits::{BATCHES_MAX, LISTENERS_MAX};
use crate::options::WebOptions;
use crate::problem::Problem;

/// The names of the accounts known.
pub(crate) type Names = HashMap<AccountId, String>;

/// What all endpoints share; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) service: StockSynchronizationService,
    pub(crate) options: WebOptions,
    pub(crate) keys: Cached<KeyRing>,
    pub(crate) names: Cached<Names>,
    pub(crate) listeners: Arc<Semaphore>,
    pub(crate) batches: Arc<Semaphore>,
}

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub(crate) fn new(service: StockSynchronizationService, options: WebOptions) -> Self {
        Self(Arc::new(Shared {
            service,
            options,
            keys: Cached::default(),
            names: Cached::default(),
            listeners: Arc::new(Semaphore::new(LISTENERS_MAX)),
            batches: Arc::new(Semaphore::new(BATCHES_MAX)),
        }))
    }

    /// The names of the accounts, at most two seconds old.
    pub(crate) async fn names(&self) -> Result<Arc<Names>, Problem> {
        let load = async {
            let accounts = self.service.store().accounts().await?;
            let named = accounts
                .into_iter()
                .filter_map(|account| Some((account.id, account.name?)));
            Ok::<_, Problem>(named.collect())
        };
        self.names.get(self.service.now(), load).await
    }
}
