//! One attempt: the calls, and what their end means (the table of outcomes of section 5).

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use saldo_domain::delivery::{Claim, Failure, Outcome, Task};
use saldo_orders_service::{CallError, ErrorClass, OrdersService};
use tokio::time::Instant;

use crate::gate::CallEnd;

/// Everything that one attempt needs.
pub(crate) struct Attempt<'a> {
    orders_service: &'a dyn OrdersService,
    claim: &'a Claim,
    /// Whether a failure counts against the retries.
    counts: bool,
    /// How long one call may take.
    call_timeout: Duration,
    calls: AtomicU32,
}

/// What a call answers in time. Once that is over the call gets no further, not even by one step: an instance that was
/// paused must not begin to send when it wakes, and a timeout of tokio's would let the call go on before it looks at the
/// clock.
async fn in_time<T>(longest: Duration, call: impl Future<Output = T>) -> Option<T> {
    let deadline = Instant::now() + longest;
    let mut over = pin!(tokio::time::sleep_until(deadline));
    let mut call = pin!(call);
    poll_fn(|context| {
        if Instant::now() >= deadline || over.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        call.as_mut().poll(context).map(Some)
    })
    .await
}

impl<'a> Attempt<'a> {
    pub(crate) const fn new(
        orders_service: &'a dyn OrdersService,
        claim: &'a Claim,
        counts: bool,
        call_timeout: Duration,
    ) -> Self {
        Self {
            orders_service,
            claim,
            counts,
            call_timeout,
            calls: AtomicU32::new(0),
        }
    }

    /// Makes the calls of the claim.
    pub(crate) async fn make(&self) -> Outcome {
        match self.claim.task {
            Task::Verify => self.verify().await,
            Task::Send => self.send().await,
        }
    }

    /// How many calls it took so far.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// One call. It is given up when its time is over, and a panic in it is one more lost reply: whatever the
    /// client does, an attempt comes to its end before its lease does (invariant 7).
    async fn call<T>(&self, call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let unknown = |message: &str| CallError {
            class: ErrorClass::Unknown,
            message: message.to_owned(),
            retry_after_seconds: None,
            status: None,
        };
        let guarded = AssertUnwindSafe(call).catch_unwind();
        match in_time(self.call_timeout, guarded).await {
            Some(Ok(answer)) => answer,
            Some(Err(_)) => Err(unknown("the call ended in a panic")),
            None => Err(unknown("the orders service did not answer in time")),
        }
    }

    async fn send(&self) -> Outcome {
        let (account, order, flag) = (self.claim.key.account, &self.claim.key.order, self.claim.flag);
        if let Err(error) = self
            .call(self.orders_service.set_flag(account, order, flag))
            .await
        {
            return self.classify(error, true).await;
        }
        if !self.claim.read_back {
            return Outcome::Delivered;
        }
        match self.call(self.orders_service.read_flag(account, order)).await {
            Ok(read) if read == flag => Outcome::Delivered,
            Ok(_) => Outcome::Unknown(Failure {
                message: "the flag read back is not the one sent: an earlier call arrived late".to_owned(),
                retry_after_seconds: None,
                counts: self.counts,
            }),
            // Whatever is wrong with the reading, the flag was sent: what the service held before is not known.
            Err(error) => Outcome::Unknown(Failure {
                message: error.message,
                retry_after_seconds: error.retry_after_seconds,
                counts: self.counts,
            }),
        }
    }

    async fn verify(&self) -> Outcome {
        let (account, order) = (self.claim.key.account, &self.claim.key.order);
        match self.call(self.orders_service.read_flag(account, order)).await {
            Ok(flag) if flag == self.claim.flag => Outcome::Delivered,
            Ok(_) => Outcome::Differs,
            Err(error) => self.classify(error, false).await,
        }
    }

    /// What an error means. A 404 is believed to be about the account only when the service's database is
    /// connected and its complete, non-empty list of accounts lacks this one: with its database down the service
    /// says "not found" of every account.
    async fn classify(&self, error: CallError, was_sent: bool) -> Outcome {
        let failure = |counts: bool| Failure {
            message: error.message.clone(),
            retry_after_seconds: error.retry_after_seconds,
            counts,
        };
        match error.class {
            // A gateway's error says nothing about what the service behind it did.
            ErrorClass::Transient if was_sent && error.status.is_some_and(|status| status >= 500) => {
                Outcome::Unknown(failure(self.counts))
            }
            // A reading that got no answer changed nothing.
            ErrorClass::Unknown if !was_sent => Outcome::Transient(failure(self.counts)),
            ErrorClass::Transient => Outcome::Transient(failure(self.counts)),
            ErrorClass::Unknown => Outcome::Unknown(failure(self.counts)),
            ErrorClass::Credentials => Outcome::Credentials(failure(false)),
            ErrorClass::Permanent => Outcome::Permanent(failure(self.counts)),
            ErrorClass::AccountNotFound => {
                if self.is_account_gone().await {
                    Outcome::AccountUnusable(failure(false))
                } else {
                    Outcome::Transient(failure(self.counts))
                }
            }
        }
    }

    async fn is_account_gone(&self) -> bool {
        let health = self.call(self.orders_service.health()).await;
        if !health.is_ok_and(|health| health.database_connected) {
            return false;
        }
        match self.call(self.orders_service.accounts()).await {
            Ok(accounts) => {
                !accounts.is_empty()
                    && accounts
                        .iter()
                        .all(|account| account.id != self.claim.key.account)
            }
            Err(_) => false,
        }
    }
}

/// What circuits learn from an outcome.
pub(crate) const fn call_end(outcome: &Outcome) -> CallEnd {
    match outcome {
        Outcome::Delivered | Outcome::Differs => CallEnd::Succeeded,
        Outcome::Transient(_) | Outcome::Unknown(_) => CallEnd::FailedTransiently,
        Outcome::Credentials(_) => CallEnd::CredentialsRefused,
        Outcome::AccountUnusable(_) => CallEnd::AccountUnusable,
        Outcome::Permanent(_) => CallEnd::Answered,
        Outcome::NotMade { .. } => CallEnd::NotMade,
    }
}

/// The message of an outcome that is not a success.
pub(crate) fn error_of(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Delivered | Outcome::Differs | Outcome::NotMade { .. } => None,
        Outcome::Transient(failure)
        | Outcome::Unknown(failure)
        | Outcome::Credentials(failure)
        | Outcome::AccountUnusable(failure)
        | Outcome::Permanent(failure) => Some(&failure.message),
    }
}

/// An attempt that was not made.
pub(crate) const fn not_made(again_at: Timestamp) -> Outcome {
    Outcome::NotMade { again_at }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_wakes_after_its_deadline_takes_no_further_step() {
        let steps = AtomicU32::new(0);
        let call = async {
            steps.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_secs(2)).await;
            steps.fetch_add(1, Ordering::Relaxed);
        };
        let mut timed = pin!(in_time(Duration::from_secs(1), call));
        assert!(futures::poll!(&mut timed).is_pending());
        // As after a pause of the process: both the call's turn and its deadline have come.
        advance(Duration::from_secs(3)).await;
        assert_eq!(timed.await, None);
        assert_eq!(steps.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_ends_before_its_deadline_is_answered() {
        let call = async {
            sleep(Duration::from_secs(1)).await;
            "answer"
        };
        assert_eq!(in_time(Duration::from_secs(2), call).await, Some("answer"));
    }
}
