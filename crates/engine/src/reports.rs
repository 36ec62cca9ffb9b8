//! Reports: counted by the store, kept, and sent to people.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use saldo_domain::ids::{AccountId, ReportId, uuid_v7};
use saldo_domain::report::{Period, Report, ReportCause, ReportHead};
use saldo_store::StoreError;
use tokio::sync::Semaphore;

use crate::api::Caller;
use crate::service::StockSynchronizationService;

/// Reports that may be asked for at once; the store counts one at a time, and the others wait.
const WAITING_MAX: usize = 8;
/// How long a report that could not be sent waits before it is sent again, in seconds.
const SEND_AGAIN_SECONDS: [u64; 3] = [30, 300, 1_800];

/// The way of a report to people: given, as the engine knows neither mail nor pages.
#[async_trait]
pub trait ReportPost: Send + Sync + 'static {
    /// Sends a report once; says to whom, or nothing when nobody is to get it. A repeat of the same report can be
    /// recognised by its id.
    ///
    /// # Errors
    /// Why it was not taken, in one line without secrets.
    async fn send(&self, report: &Report) -> Result<Option<String>, String>;
}

/// What reports need between two of them.
pub(crate) struct ReportDesk {
    places: Semaphore,
    post: OnceLock<Arc<dyn ReportPost>>,
}

impl Default for ReportDesk {
    fn default() -> Self {
        Self {
            places: Semaphore::new(WAITING_MAX),
            post: OnceLock::new(),
        }
    }
}

impl StockSynchronizationService {
    /// Says how scheduled reports reach people. The first one given stays.
    pub fn send_reports_by(&self, post: Arc<dyn ReportPost>) {
        if self.core().reports.post.set(post).is_err() {
            tracing::warn!("how reports reach people was said before; that stays");
        }
    }

    /// Makes a report of a period, of one account or of all, and keeps it.
    ///
    /// # Errors
    /// When too many are asked for, or the store cannot be reached: then none is kept.
    pub async fn make_report(
        &self,
        period: Period,
        account: Option<AccountId>,
        caller: &Caller,
    ) -> Result<Report, StoreError> {
        self.remember(caller).await?;
        self.make(period, account, ReportCause::Asked, &caller.by).await
    }

    async fn make(
        &self,
        period: Period,
        account: Option<AccountId>,
        cause: ReportCause,
        by: &str,
    ) -> Result<Report, StoreError> {
        let core = self.core();
        let Ok(_place) = core.reports.places.try_acquire() else {
            return Err(StoreError::Busy);
        };
        let figures = core.store.report_figures(period, account).await?;
        let account_name = match account {
            None => None,
            Some(account) => {
                let accounts = core.store.accounts().await?;
                accounts
                    .into_iter()
                    .find(|known| known.id == account)
                    .and_then(|known| known.name)
            }
        };
        let now = core.now();
        let report = Report {
            head: ReportHead {
                id: ReportId::new(uuid_v7(now, core.distinct())),
                cause,
                made_at: now,
                made_by: by.to_owned(),
                period,
                account,
                account_name,
            },
            figures,
        };
        core.store.put_report(&report).await?;
        tracing::info!(report.id = %report.head.id, report.cause = %cause, "a report was made");
        Ok(report)
    }
}

/// The scheduled report: of the last whole week and all accounts, kept, and sent. One that cannot be sent is sent
/// again; it is kept in any case.
pub(crate) async fn make_weekly(service: &StockSynchronizationService) -> Result<String, String> {
    let period = Period::last_week(service.now()).map_err(|error| error.to_string())?;
    let report = service
        .make(period, None, ReportCause::Scheduled, "saldo")
        .await
        .map_err(|error| error.to_string())?;
    let made = format!(
        "report {} of {} to {} was made",
        report.head.id,
        period.from().strftime("%Y-%m-%d"),
        period.to().strftime("%Y-%m-%d")
    );
    match send(service, &report).await {
        Ok(Some(receivers)) => Ok(format!("{made} and sent to {receivers}")),
        Ok(None) => Ok(made),
        Err(reason) => Err(format!("{made}, and could not be sent: {reason}")),
    }
}

async fn send(service: &StockSynchronizationService, report: &Report) -> Result<Option<String>, String> {
    let core = service.core();
    let Some(post) = core.reports.post.get() else {
        return Ok(None);
    };
    let mut waits = SEND_AGAIN_SECONDS.into_iter();
    loop {
        let reason = match post.send(report).await {
            Ok(receivers) => return Ok(receivers),
            Err(reason) => reason,
        };
        tracing::warn!(report.id = %report.head.id, reason, "a report could not be sent");
        let Some(wait) = waits.next() else {
            return Err(reason);
        };
        tokio::select! {
            biased;
            () = core.stop.cancelled() => return Err(reason),
            () = tokio::time::sleep(Duration::from_secs(wait)) => {}
        }
    }
}
