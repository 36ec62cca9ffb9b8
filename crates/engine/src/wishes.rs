//! Orders wished for by a webhook: fetched at once, or kept until they can be.

use std::sync::Arc;

use saldo_domain::decide::TakeIn;
use saldo_domain::form::{Source, parse_form};
use saldo_domain::ids::OrderKey;
use saldo_domain::view::Refusal;
use saldo_orders_service::{CallError, FoundOrder, LiveOrders, OrderSource};
use saldo_store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::api::{Caller, SyncResult};
use crate::engine::Core;
use crate::service::StockSynchronizationService;

/// How often kept wishes are tried again, in seconds.
const RETRY_SECONDS: u64 = 60;
/// Wishes tried in one round.
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
        Err(FetchError::Unreadable(detail)) => Err(Refusal::conflict("order_unreadable", detail).into()),
        Err(FetchError::NotNow(reason)) => {
            tracing::info!(order = %key, reason, "the order cannot be fetched now; the wish is kept");
            core.store.put_wish(key, core.now()).await?;
            service.remember(caller).await?;
            Ok(None)
        }
    }
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

impl From<CallError> for FetchError {
    fn from(error: CallError) -> Self {
        Self::NotNow(error.message)
    }
}

/// The service's copy of an order. Its flag is confirmed by the flags call before anything is deducted.
async fn fetch(core: &Core, key: &OrderKey) -> Result<Option<TakeIn>, FetchError> {
    if core.gate().is_shut() {
        return Err(FetchError::NotNow(
            "the orders service cannot be used now".to_owned(),
        ));
    }
    let live = if core.live_orders() == Some(false) {
        LiveOrders::Broken
    } else {
        LiveOrders::Working
    };
    let FoundOrder { form, source } = core
        .orders_service
        .find_order(key.account, &key.order, live)
        .await?;
    let Some(form) = form else { return Ok(None) };
    let source = match source {
        OrderSource::Live => Source::Live,
        OrderSource::Searched => Source::Searched,
    };
    let copy = parse_form(&form, source).map_err(|problems| {
        let first = problems.first().map_or_else(String::new, |problem| {
            format!("{}: {}", problem.pointer, problem.message)
        });
        FetchError::Unreadable(format!(
            "the service's copy of order {key} cannot be read: {first}"
        ))
    })?;
    let remote_flag = core.orders_service.read_flag(key.account, &key.order).await?;
    Ok(Some(TakeIn {
        account: key.account,
        copy,
        warehouse: None,
        force: false,
        remote_flag: Some(remote_flag),
    }))
}

/// Tries kept wishes from time to time, until told to stop.
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
            () = tokio::time::sleep(std::time::Duration::from_secs(RETRY_SECONDS)) => {}
        }
        tokio::select! {
            biased;
            // A wish left half-way is kept, and a repeat is harmless.
            () = stop.cancelled() => return,
            () = round(&service, &caller, &mut last) => {}
        }
    }
}

async fn round(service: &StockSynchronizationService, caller: &Caller, last: &mut Option<OrderKey>) {
    let core = Arc::clone(service.core());
    let mut wishes = match core.store.wishes(LOOKED_AT_MAX).await {
        Ok(wishes) => wishes,
        Err(error) => {
            tracing::warn!(%error, "kept wishes could not be read");
            return;
        }
    };
    let after_last = wishes
        .iter()
        .position(|key| Some(key) == last.as_ref())
        .map_or(0, |position| position + 1);
    wishes.rotate_left(after_last);
    for key in wishes.into_iter().take(ROUND_MAX) {
        if core.gate().is_shut() {
            return;
        }
        fulfil(service, &key, caller).await;
        *last = Some(key);
    }
}

async fn fulfil(service: &StockSynchronizationService, key: &OrderKey, caller: &Caller) {
    match take_in_by_id(service, key, caller).await {
        Ok(None) => return,
        Ok(Some(_)) => {}
        Err(StoreError::Refused(refusal)) => {
            tracing::warn!(order = %key, reason = %refusal, "a wished order cannot be taken in");
        }
        Err(error) => {
            tracing::warn!(order = %key, %error, "a wished order could not be stored; trying again");
            return;
        }
    }
    if let Err(error) = service.core().store.remove_wish(key).await {
        tracing::warn!(order = %key, %error, "a fulfilled wish could not be removed; a repeat is harmless");
    }
}
