//! A right that one instance holds, renewed while it is used.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use saldo_store::StoreError;
use saldo_store::tasks::TaskLease;
use tokio_util::sync::CancellationToken;

use crate::engine::Core;

/// How long a lease lasts unless it is renewed, in seconds: how long another instance waits after a crash.
pub(crate) const LEASE_SECONDS: i64 = 60;
/// How often it is renewed, in seconds. Two renewals may fail before it ends.
const RENEW_SECONDS: u64 = 20;

/// A lease that is held until it is released or dropped. Dropped without [`Held::release`], it ends by itself.
pub(crate) struct Held {
    core: Arc<Core>,
    lease: TaskLease,
    lost: CancellationToken,
    renewal: tokio::task::JoinHandle<()>,
}

impl Held {
    /// Takes a lease; none when another instance holds it.
    pub(crate) async fn take(core: &Arc<Core>, name: &str) -> Result<Option<Self>, StoreError> {
        let Some(lease) = take_until(core, name).await? else {
            return Ok(None);
        };
        let lost = CancellationToken::new();
        let renewal = tokio::spawn(renew(Arc::clone(core), name.to_owned(), lease.term, lost.clone()));
        Ok(Some(Self {
            core: Arc::clone(core),
            lease,
            lost,
            renewal,
        }))
    }

    /// Tells when another instance has it, or may have it: nothing more may be done under it then.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.lost.clone()
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

async fn take_until(core: &Core, name: &str) -> Result<Option<TaskLease>, StoreError> {
    let now = core.now();
    let until = now
        .checked_add(SignedDuration::from_secs(LEASE_SECONDS))
        .unwrap_or(now);
    core.store.take_lease(name, &core.instance, now, until).await
}

/// Renews a lease until it is lost: to another instance, or because the store did not answer for so long that
/// another may have it.
async fn renew(core: Arc<Core>, name: String, term: u64, lost: CancellationToken) {
    let mut until = tokio::time::Instant::now() + Duration::from_secs(LEASE_SECONDS.unsigned_abs());
    loop {
        tokio::time::sleep(Duration::from_secs(RENEW_SECONDS)).await;
        let began = tokio::time::Instant::now();
        match take_until(&core, &name).await {
            Ok(Some(lease)) if lease.term == term => {
                until = began + Duration::from_secs(LEASE_SECONDS.unsigned_abs());
            }
            Ok(_) => {
                tracing::warn!(lease = name, "a lease was lost to another instance");
                lost.cancel();
                return;
            }
            Err(error) => {
                tracing::warn!(lease = name, %error, "a lease could not be renewed yet");
                if tokio::time::Instant::now() + Duration::from_secs(RENEW_SECONDS) >= until {
                    lost.cancel();
                    return;
                }
            }
        }
    }
}
