//! A right that one instance holds, renewed while it is used.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use saldo_store::StoreError;
use saldo_store::tasks::TaskLease;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::Core;

/// How long a lease lasts unless it is renewed, in seconds: how long another instance waits after a crash.
pub(crate) const LEASE_SECONDS: i64 = 60;
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(20);
/// How soon a renewal that failed is tried again.
const RENEW_AGAIN: Duration = Duration::from_secs(5);
/// How long before its end it is trusted no more: clocks differ.
const MARGIN: Duration = Duration::from_secs(10);

const _: () = assert!(LEASE_SECONDS as u64 > RENEW.as_secs() + RENEW_AGAIN.as_secs() + MARGIN.as_secs());

/// A lease that is held until it is released or dropped. Dropped without [`Held::release`], it ends by itself.
pub(crate) struct Held {
    core: Arc<Core>,
    lease: TaskLease,
    lost: CancellationToken,
    trusted_until: Arc<Mutex<Instant>>,
    renewal: tokio::task::JoinHandle<()>,
}

impl Held {
    /// Takes a lease; none when another instance holds it.
    pub(crate) async fn take(core: &Arc<Core>, name: &str) -> Result<Option<Self>, StoreError> {
        let began = Instant::now();
        let Some(lease) = take_until(core, name).await? else {
            return Ok(None);
        };
        let lost = CancellationToken::new();
        let trusted_until = Arc::new(Mutex::new(trusted_from(began)));
        let renewal = Renewal {
            core: Arc::clone(core),
            name: name.to_owned(),
            term: lease.term,
            trusted_until: Arc::clone(&trusted_until),
        };
        let renewal = tokio::spawn(renewal.run(lost.clone()));
        Ok(Some(Self {
            core: Arc::clone(core),
            lease,
            lost,
            trusted_until,
            renewal,
        }))
    }

    /// Tells when another instance has it, or may have it: nothing more may be done under it then.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// The lease as it was taken: what is stored under it is refused once another instance has it.
    pub(crate) const fn lease(&self) -> &TaskLease {
        &self.lease
    }

    /// Until when no other instance can have it, as it is renewed: also for one that was paused, and does not know yet
    /// that it was lost.
    pub(crate) fn trusted_until(&self) -> Arc<Mutex<Instant>> {
        Arc::clone(&self.trusted_until)
    }

    /// Gives it back, so that nobody waits for its end.
    pub(crate) async fn release(self) {
        self.renewal.abort();
        if let Err(error) = self.core.store.release_lease(&self.lease).await {
            tracing::warn!(lease = self.lease.name, %error, "a lease could not be given back; it will end by itself");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// How long a lease is trusted that was asked for at a moment: it cannot have begun before.
fn trusted_from(asked: Instant) -> Instant {
    asked + Duration::from_secs(LEASE_SECONDS.unsigned_abs()) - MARGIN
}

async fn take_until(core: &Core, name: &str) -> Result<Option<TaskLease>, StoreError> {
    let now = core.now();
    let until = now
        .checked_add(SignedDuration::from_secs(LEASE_SECONDS))
        .unwrap_or(now);
    core.store.take_lease(name, &core.instance, now, until).await
}

/// Renews a lease until it is lost: to another instance, or because the store did not answer for so long that
/// another may have it.
struct Renewal {
    core: Arc<Core>,
    name: String,
    term: u64,
    trusted_until: Arc<Mutex<Instant>>,
}

impl Renewal {
    async fn run(self, lost: CancellationToken) {
        let mut wait = RENEW;
        loop {
            tokio::time::sleep(wait).await;
            let asked = Instant::now();
            let trusted_until = *self.lock();
            let renewed = tokio::time::timeout_at(trusted_until, take_until(&self.core, &self.name)).await;
            wait = match renewed {
                Ok(Ok(Some(lease))) if lease.term == self.term => {
                    *self.lock() = trusted_from(asked);
                    RENEW
                }
                Ok(Ok(_)) => {
                    tracing::warn!(lease = self.name, "a lease was lost to another instance");
                    lost.cancel();
                    return;
                }
                Ok(Err(error)) => {
                    tracing::warn!(lease = self.name, %error, "a lease could not be renewed yet");
                    RENEW_AGAIN
                }
                Err(_) => {
                    tracing::warn!(lease = self.name, "a lease could not be renewed in time");
                    lost.cancel();
                    return;
                }
            };
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.trusted_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
