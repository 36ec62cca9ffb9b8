//! Orders wished for by a webhook: fetched at once, or kept until they can be.

use std::sync::Arc;
use std::time::Duration;

use saldo_domain::decide::{Command, Outcome, TakeIn};
use saldo_domain::form::{first_problem, parse_form};
use saldo_domain::ids::OrderKey;
use saldo_domain::view::Refusal;
use saldo_store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::api::{Caller, Event, SyncResult};
use crate::engine::Core;
use crate::reading::{ReadError, Reader};
use crate::service::StockSynchronizationService;

/// How often kept wishes are tried again, in seconds, besides when a circuit closes.
const RETRY_SECONDS: u64 = 60;
/// Wishes tried in one round. While some of them are fulfilled, the next round follows at once.
const ROUND_MAX: usize = 100;
/// Wishes looked at in one round, the oldest first. The rounds go on where the one before ended, so that wishes
/// that cannot be fulfilled do not hold up the others.
const LOOKED_AT_MAX: usize = 10_000;

/// Fetches an order and takes it in; `None` when it cannot be fetched now and the wish was stored.
pub(crate) async fn take_in_by_id(
    service: &StockSynchronizationService,
    key: &OrderKey,
    caller: &Caller,
) -> Result<Option<SyncResult>, StoreError> {
    let core = service.core();
    match fetch(core, key).await {
        Ok(Some(request)) => service.process_order_with_sync(request, caller).await.map(Some),
        Ok(None) => {
            let detail = format!("the orders service holds no order {key}");
            Err(Refusal::not_found("order_not_found", detail).into())
        }
        Err(FetchError::Unreadable(problem)) => {
            ask_about(core, key, problem.clone()).await?;
            let detail = format!("the service's copy of order {key} cannot be read: {problem}");
            Err(Refusal::conflict("order_unreadable", detail).into())
        }
        Err(FetchError::NotNow(reason)) => {
            tracing::info!(order = %key, reason, "the order cannot be fetched now; the wish is kept");
            core.store.put_wish(key, core.now()).await?;
            service.remember(caller).await?;
            Ok(None)
        }
    }
}

/// Puts an order before a person whose copy cannot be read, as one is that is pulled: its sender may not ask again.
async fn ask_about(core: &Core, key: &OrderKey, problem: String) -> Result<(), StoreError> {
    let command = Command::AskAboutMalformed {
        order: key.clone(),
        detail: problem,
    };
    if let Outcome::Order(outcome) = core.store.execute(core.request(command)).await?
        && let Some(id) = outcome.review
    {
        core.tell(Event::Review { id });
    }
    Ok(())
}

/// Fetches an order again because a person asked for it; when it cannot be taken in now, the wish is kept. Says whether
/// it was taken in.
pub(crate) async fn fetch_again(
    service: &StockSynchronizationService,
    key: &OrderKey,
) -> Result<bool, StoreError> {
    let caller = Caller {
        wait: false,
        ..Caller::named("saldo")
    };
    match take_in_by_id(service, key, &caller).await {
        Ok(taken_in) => Ok(taken_in.is_some()),
        // It is still missing, or still cannot be read: the review stays open.
        Err(StoreError::Refused(refusal)) => {
            tracing::info!(order = %key, reason = %refusal, "the order is still not to be had");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

enum FetchError {
    NotNow(String),
    Unreadable(String),
}

impl From<ReadError> for FetchError {
    fn from(error: ReadError) -> Self {
        Self::NotNow(error.to_string())
    }
}

/// The service's copy of an order, asked for within the rates. Who waits for it is not kept longer than a slow answer
/// takes.
async fn fetch(core: &Arc<Core>, key: &OrderKey) -> Result<Option<TakeIn>, FetchError> {
    let patience = Duration::from_millis(core.settings.list_timeout_ms);
    let late = |_| Err(FetchError::NotNow("it takes too long".to_owned()));
    let fetched = tokio::time::timeout(patience, fetch_in_turn(core, key)).await;
    fetched.unwrap_or_else(late)
}

/// Its flag is confirmed by the flags call before anything is deducted.
async fn fetch_in_turn(core: &Arc<Core>, key: &OrderKey) -> Result<Option<TakeIn>, FetchError> {
    let reader = Reader::new(core);
    let (form, source) = reader.find_order(key).await?;
    let Some(form) = form else { return Ok(None) };
    let copy =
        parse_form(&form, source).map_err(|problems| FetchError::Unreadable(first_problem(&problems)))?;
    let remote_flag = reader.read_flag(key).await?;
    Ok(Some(TakeIn {
        account: key.account,
        copy,
        warehouse: None,
        force: false,
        remote_flag: Some(remote_flag),
    }))
}

/// Tries kept wishes when a circuit has closed, and from time to time, until told to stop.
pub(crate) async fn watch(service: StockSynchronizationService, stop: CancellationToken) {
    let caller = Caller {
        wait: false,
        ..Caller::named("saldo")
    };
    let mut last = None;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = service.core().reopened.notified() => {}
            () = tokio::time::sleep(Duration::from_secs(RETRY_SECONDS)) => {}
        }
        tokio::select! {
            biased;
            // A wish left half-way is kept, and a repeat is harmless.
            () = stop.cancelled() => return,
            () = rounds(&service, &caller, &mut last) => {}
        }
    }
}

/// Goes on while it gets on: each round but the last has one wish fewer before it.
async fn rounds(service: &StockSynchronizationService, caller: &Caller, last: &mut Option<OrderKey>) {
    while round(service, caller, last).await {}
}

/// Says whether some were fulfilled, and others have not been tried yet.
async fn round(service: &StockSynchronizationService, caller: &Caller, last: &mut Option<OrderKey>) -> bool {
    let core = Arc::clone(service.core());
    let mut wishes = match core.store.wishes(LOOKED_AT_MAX).await {
        Ok(wishes) => wishes,
        Err(error) => {
            tracing::warn!(%error, "kept wishes could not be read");
            return false;
        }
    };
    let after_last = wishes
        .iter()
        .position(|key| Some(key) == last.as_ref())
        .map_or(0, |position| position + 1);
    wishes.rotate_left(after_last);
    let are_more = wishes.len() > ROUND_MAX;
    let mut fulfilled = 0;
    for key in wishes.into_iter().take(ROUND_MAX) {
        if core.gate().is_shut() {
            return false;
        }
        fulfilled += usize::from(fulfil(service, &key, caller).await);
        *last = Some(key);
    }
    are_more && fulfilled > 0
}

/// Says whether it is done with, one way or the other.
async fn fulfil(service: &StockSynchronizationService, key: &OrderKey, caller: &Caller) -> bool {
    match take_in_by_id(service, key, caller).await {
        Ok(None) => return false,
        Ok(Some(_)) => {}
        Err(StoreError::Refused(refusal)) => {
            tracing::warn!(order = %key, reason = %refusal, "a wished order cannot be taken in");
        }
        Err(error) => {
            tracing::warn!(order = %key, %error, "a wished order could not be stored; trying again");
            return false;
        }
    }
    let removed = service.core().store.remove_wish(key).await;
    if let Err(error) = &removed {
        tracing::warn!(order = %key, %error, "a fulfilled wish could not be removed; a repeat is harmless");
    }
    removed.is_ok()
}
