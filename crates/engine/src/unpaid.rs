//! Orders that stand unpaid: asked for singly where the service can, put before a person where it cannot
//! (section 5, "Frozen service").

use jiff::{SignedDuration, Timestamp};
use saldo_domain::decide::{Command, OutageOutcome, Outcome};
use saldo_domain::operation::{OperationStatus, WaitingFor};
use saldo_domain::review::ReviewReason;
use saldo_store::StoreError;
use saldo_store::query::{OperationFilter, PAGE_ROWS_MAX, PageRequest};
use tokio_util::sync::CancellationToken;

use crate::api::{Caller, Event};
use crate::service::StockSynchronizationService;
use crate::wide_reviews;

/// How often unpaid orders are looked at, in seconds.
const WATCH_SECONDS: u64 = 60 * 60;
/// Unpaid orders asked for singly in one round; the rest have their turn in the next.
const ASKED_FOR_MAX: usize = 500;
/// Pages of unpaid orders that are looked through for the oldest; the watch for stuck ones sees them all.
const PAGES_MAX: usize = 20;

/// Looks at unpaid orders from time to time, until told to stop.
pub(crate) async fn watch(service: StockSynchronizationService, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(std::time::Duration::from_secs(WATCH_SECONDS)) => {}
        }
        let looked = tokio::select! {
            biased;
            // What was left half-way is looked at again, and a repeat is harmless.
            () = stop.cancelled() => return,
            looked = look(&service) => looked,
        };
        if let Err(error) = looked {
            tracing::warn!(%error, "unpaid orders could not be looked at; trying again in an hour");
        }
    }
}

async fn look(service: &StockSynchronizationService) -> Result<(), StoreError> {
    let core = service.core();
    let patience = match core.live_orders() {
        Some(true) => {
            ask_for_each(service).await?;
            SignedDuration::from_hours(core.settings.unpaid_days.saturating_mul(24))
        }
        Some(false) => SignedDuration::from_hours(core.settings.unpaid_hours_frozen),
        // Not known yet: nothing is concluded from what was not seen.
        None => return Ok(()),
    };
    ask_a_person(
        service,
        core.now().checked_sub(patience).unwrap_or(Timestamp::MIN),
    )
    .await?;
    for review in wide_reviews::open(core.store.as_ref(), ReviewReason::StuckUnpaid).await? {
        core.store
            .execute(core.request(Command::CloseUnpaid { review: review.id }))
            .await?;
    }
    Ok(())
}

/// Takes in the live copies of the orders that have waited longest.
async fn ask_for_each(service: &StockSynchronizationService) -> Result<(), StoreError> {
    let filter = OperationFilter {
        statuses: vec![OperationStatus::Pending],
        waiting_for: Some(WaitingFor::Payment),
        ..OperationFilter::default()
    };
    let mut unpaid = Vec::new();
    let mut after = None;
    for _ in 0..PAGES_MAX {
        let page = service
            .store()
            .operations(
                &filter,
                PageRequest {
                    after,
                    limit: PAGE_ROWS_MAX,
                },
            )
            .await?;
        unpaid.extend(page.items.into_iter().filter_map(|operation| operation.order));
        after = page.next_cursor;
        if after.is_none() {
            break;
        }
    }
    let caller = Caller {
        wait: false,
        ..Caller::named("saldo")
    };
    // The store lists the newest first.
    for key in unpaid.into_iter().rev().take(ASKED_FOR_MAX) {
        if service.core().gate().is_shut() {
            break;
        }
        match service.take_in_by_id(key.clone(), &caller).await {
            Ok(_) => {}
            Err(StoreError::Refused(refusal)) => {
                tracing::info!(order = %key, reason = %refusal, "an unpaid order could not be asked for");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn ask_a_person(service: &StockSynchronizationService, before: Timestamp) -> Result<(), StoreError> {
    let core = service.core();
    loop {
        match core
            .store
            .execute(core.request(Command::AskAboutUnpaid { before }))
            .await?
        {
            Outcome::Outage(OutageOutcome { moved, more, review }) => {
                if let Some(id) = review.filter(|_| moved > 0) {
                    core.tell(Event::Review { id });
                }
                if !more || moved == 0 {
                    return Ok(());
                }
            }
            other => {
                return Err(StoreError::Defect(format!(
                    "unpaid orders were answered by {other:?}"
                )));
            }
        }
    }
}
