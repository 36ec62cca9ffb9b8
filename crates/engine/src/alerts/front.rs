//! What people ask about alerts.

use saldo_domain::alert::{Acknowledgement, Alert};
use saldo_domain::ids::AlertId;
use saldo_store::StoreError;
use saldo_store::alerts::AlertFilter;
use saldo_store::query::PageRequest;

use crate::api::{Caller, Event};
use crate::service::StockSynchronizationService;

/// Open alerts that the status tells; a list tells all.
const STATUS_ALERTS_MAX: usize = 100;

impl StockSynchronizationService {
    /// Says that someone knows of an alert: it reminds no more, until it ends or doubles. None when there is no such
    /// alert; one that has ended, or that someone acknowledged before, stays as it is.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn acknowledge_alert(
        &self,
        id: AlertId,
        note: Option<String>,
        caller: &Caller,
    ) -> Result<Option<Alert>, StoreError> {
        self.remember(caller).await?;
        let acknowledgement = Acknowledgement {
            by: caller.by.clone(),
            at: super::observer::microsecond(self.now()),
            note,
        };
        let alert = self.core().store.acknowledge_alert(id, acknowledgement).await?;
        if alert.is_some() {
            self.core().tell(Event::Alert { id });
        }
        Ok(alert)
    }

    /// Alerts that have not ended, the newest first, at most 100.
    pub(crate) async fn open_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        let filter = AlertFilter {
            open: Some(true),
            ..AlertFilter::default()
        };
        let page = PageRequest::first(STATUS_ALERTS_MAX);
        Ok(self.core().store.alerts(&filter, page).await?.items)
    }
}
