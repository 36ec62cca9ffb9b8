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

/// Looks at unpaid orders from time to time, until told to stop.
pub(crate) async fn watch(service: StockSynchronizationService, stop: CancellationToken) {
    let mut next = None;
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
            looked = look(&service, &mut next) => looked,
        };
        if let Err(error) = looked {
            tracing::warn!(%error, "unpaid orders could not be looked at; trying again in an hour");
        }
    }
}

async fn look(service: &StockSynchronizationService, next: &mut Option<String>) -> Result<(), StoreError> {
    let core = service.core();
    let patience = match core.live_orders() {
        Some(true) => {
            ask_for_each(service, next).await?;
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

/// Takes in the live copies of unpaid orders, so many in one round: the newest, which are paid soonest, and the others in
/// turns from where the round before ended, so that orders that are never paid keep no other from its turn.
async fn ask_for_each(
    service: &StockSynchronizationService,
    next: &mut Option<String>,
) -> Result<(), StoreError> {
    let asked_for_max = service.core().settings.unpaid_asked_for_max;
    let newest = PAGE_ROWS_MAX.min(asked_for_max / 2).max(1);
    let behind = ask_for_page(service, None, newest).await?;
    let mut left = asked_for_max.saturating_sub(newest);
    if next.is_none() {
        *next = behind;
    }
    while left > 0 && next.is_some() {
        let limit = left.min(PAGE_ROWS_MAX);
        *next = ask_for_page(service, next.clone(), limit).await?;
        left -= limit;
    }
    Ok(())
}

/// The same of one page of them; says where the next page begins.
async fn ask_for_page(
    service: &StockSynchronizationService,
    after: Option<String>,
    limit: usize,
) -> Result<Option<String>, StoreError> {
    let filter = OperationFilter {
        statuses: vec![OperationStatus::Pending],
        waiting_for: Some(WaitingFor::Payment),
        ..OperationFilter::default()
    };
    let caller = Caller {
        wait: false,
        ..Caller::named("saldo")
    };
    let page = service
        .store()
        .operations(
            &filter,
            PageRequest {
                after: after.clone(),
                limit,
            },
        )
        .await?;
    for key in page.items.into_iter().filter_map(|operation| operation.order) {
        if service.core().gate().is_shut() {
            // The same page the next time.
            return Ok(after);
        }
        match service.take_in_by_id(key.clone(), &caller).await {
            Ok(_) => {}
            Err(error) if error.is_of_the_store() => return Err(error),
            Err(error) => tracing::info!(order = %key, %error, "an unpaid order could not be asked for"),
        }
    }
    Ok(page.next_cursor)
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
