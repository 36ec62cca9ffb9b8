//! The tasks that there are.

use futures::future::BoxFuture;

use crate::api::{Caller, ReconciliationRequest};
use crate::service::StockSynchronizationService;
use crate::{cleanup, delivery, reports};

/// What a task did, or why it failed; either way for people.
pub(crate) type Ended = Result<String, String>;

/// One task: its name, and what it does.
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) run: fn(StockSynchronizationService, Caller) -> BoxFuture<'static, Ended>,
}

/// All tasks, by name.
pub(crate) const JOBS: &[Job] = &[
    Job {
        name: "cleanup",
        run: |service, _| Box::pin(clean_up(service)),
    },
    Job {
        name: "process_pending",
        run: |service, _| Box::pin(process_pending(service)),
    },
    Job {
        name: "reconcile",
        run: |service, caller| Box::pin(reconcile(service, caller)),
    },
    Job {
        name: "report",
        run: |service, _| Box::pin(async move { reports::make_weekly(&service).await }),
    },
];

/// The names of all jobs.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    JOBS.iter().map(|job| job.name)
}

/// The job of a name.
pub(crate) fn named(name: &str) -> Option<&'static Job> {
    JOBS.iter().find(|job| job.name == name)
}

/// The scheduled round over the queue: a safety net, as due retries run at their time.
async fn process_pending(service: StockSynchronizationService) -> Ended {
    let core = service.core();
    let round = delivery::round(core, &core.stop).await;
    let result = round.map_err(|error| error.to_string())?;
    Ok(format!(
        "{} deliveries tried, {} delivered",
        result.attempted, result.delivered
    ))
}

async fn reconcile(service: StockSynchronizationService, caller: Caller) -> Ended {
    let request = ReconciliationRequest {
        since_watermark: true,
        ..ReconciliationRequest::default()
    };
    let result = service
        .reconcile_stock_status(request, &caller)
        .await
        .map_err(|error| error.to_string())?;
    let told = format!(
        "{} orders compared, {} differences, {} put right, {} for a person",
        result.total_checked, result.discrepancies_found, result.auto_fixed, result.requires_manual_review
    );
    match result.error {
        None => Ok(told),
        Some(error) => Err(format!("{told}; {error}")),
    }
}

async fn clean_up(service: StockSynchronizationService) -> Ended {
    let removed = cleanup::clean_up(service.core())
        .await
        .map_err(|error| error.to_string())?;
    let rest = if removed.next.is_some() {
        "; more remains"
    } else {
        ""
    };
    Ok(format!(
        "{} operations, {} log entries, {} reviews and {} other rows removed{rest}",
        removed.operations, removed.log_entries, removed.reviews, removed.other
    ))
}
