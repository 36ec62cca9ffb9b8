//! Calls of the orders service that are no deliveries: lists, flags, single orders.
//!
//! They share rate and slots with deliveries and yield to them. They open and close no circuit: only a delivery
//! tells whether deliveries are possible.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use saldo_domain::form::Source;
use saldo_domain::ids::{AccountId, OrderKey};
use saldo_orders_service::{CallError, ErrorClass, LiveOrders, OrderSource, Page, PageQuery};
use serde_json::Value;
use thiserror::Error;
use tokio::time::Instant;

use crate::clock::until;
use crate::engine::Core;
use crate::gate::ReadingTurn;

/// How long a call is waited for beyond the client's own timeout, in seconds.
const MARGIN_SECONDS: u64 = 5;

/// Why nothing was read.
#[derive(Debug, Clone, Error)]
pub(crate) enum ReadError {
    /// The service, or the account, is known not to answer now.
    #[error("the orders service cannot be used now")]
    Shut,
    /// The engine stops.
    #[error("Saldo is stopping")]
    Stopping,
    /// It was asked and did not answer well.
    #[error("{}", .0.message)]
    Failed(CallError),
}

impl ReadError {
    /// Whether the service refused it for good: asking again cannot help.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self, Self::Failed(error) if error.class == ErrorClass::Permanent)
    }
}

/// Makes calls, each in its turn, and counts them.
pub(crate) struct Reader {
    core: Arc<Core>,
    calls: AtomicU64,
}

impl Reader {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self {
            core: Arc::clone(core),
            calls: AtomicU64::new(0),
        }
    }

    /// Calls made since this was asked last.
    pub(crate) fn take_calls(&self) -> u64 {
        self.calls.swap(0, Ordering::Relaxed)
    }

    /// One page of the list.
    pub(crate) async fn list_page(&self, account: AccountId, query: PageQuery) -> Result<Page, ReadError> {
        let longest = self.core.settings.list_timeout_ms;
        let call = self.core.orders_service.list_page(account, query);
        self.call(account, longest, call).await
    }

    /// An order's flag: the only reading of it to trust.
    pub(crate) async fn read_flag(&self, key: &OrderKey) -> Result<bool, ReadError> {
        let longest = self.core.settings.call_timeout_ms;
        let call = self.core.orders_service.read_flag(key.account, &key.order);
        self.call(key.account, longest, call).await
    }

    /// One order's copy and where it came from; none when the service properly says that it has none.
    pub(crate) async fn find_order(&self, key: &OrderKey) -> Result<(Option<Value>, Source), ReadError> {
        let live = if self.core.live_orders() == Some(false) {
            LiveOrders::Broken
        } else {
            LiveOrders::Working
        };
        // It may ask twice, and for the accounts besides.
        let longest = self.core.settings.list_timeout_ms.saturating_mul(3);
        let call = self.core.orders_service.find_order(key.account, &key.order, live);
        let found = self.call(key.account, longest, call).await?;
        let source = match found.source {
            OrderSource::Live => Source::Live,
            OrderSource::Searched => Source::Searched,
        };
        Ok((found.form, source))
    }

    /// Makes one call in its turn. It is given up when its time is over, and a panic in it is one more lost answer.
    async fn call<T>(
        &self,
        account: AccountId,
        longest_ms: u64,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, ReadError> {
        let _slot = self.turn(account).await?;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let longest = Duration::from_millis(longest_ms) + Duration::from_secs(MARGIN_SECONDS);
        let guarded = AssertUnwindSafe(call).catch_unwind();
        let ended = tokio::select! {
            biased;
            // It only reads: leaving it is harmless.
            () = self.core.stop.cancelled() => return Err(ReadError::Stopping),
            ended = tokio::time::timeout(longest, guarded) => ended,
        };
        let answer = match ended {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(no_answer("the call ended in a panic")),
            Err(_) => Err(no_answer("the orders service did not answer in time")),
        };
        let is_answered = !answer.as_ref().is_err_and(may_be_cut_off);
        self.core.gate().learn_reading(is_answered, self.core.now());
        answer.map_err(ReadError::Failed)
    }

    async fn turn(&self, account: AccountId) -> Result<Slot<'_>, ReadError> {
        loop {
            if self.core.stop.is_cancelled() {
                return Err(ReadError::Stopping);
            }
            let now = self.core.now();
            let turn = self.core.gate().begin_reading(account, now);
            match turn {
                ReadingTurn::Begin => {
                    return Ok(Slot {
                        core: &self.core,
                        account,
                        began: Instant::now(),
                    });
                }
                ReadingTurn::Shut => return Err(ReadError::Shut),
                ReadingTurn::Wait { until: moment } => {
                    // A wait of nothing would go round without end.
                    let wait = until(now, moment).max(Duration::from_millis(1));
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

fn no_answer(message: &str) -> CallError {
    CallError {
        class: ErrorClass::Unknown,
        message: message.to_owned(),
        retry_after_seconds: None,
        status: None,
    }
}

/// Whether an error may come from this instance's own way to the service.
const fn may_be_cut_off(error: &CallError) -> bool {
    match error.class {
        ErrorClass::Transient | ErrorClass::Unknown | ErrorClass::Credentials => true,
        ErrorClass::Permanent | ErrorClass::AccountNotFound => false,
    }
}

/// A call under way; its slot is free again however it ends.
struct Slot<'c> {
    core: &'c Core,
    account: AccountId,
    began: Instant,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let now = self.core.now();
        self.core.gate().end_reading(self.account, took, now);
        // A delivery may wait for the slot.
        self.core.wake.notify_one();
    }
}
