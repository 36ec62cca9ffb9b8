//! Which instance leads: it alone starts scheduled tasks, pulls orders, and looks for alerts.
//!
//! That one does not begin what another one is doing does not rest on it: each of these has a lease of its own below.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use saldo_store::StoreError;
use saldo_store::tasks::TaskLease;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::Core;
use crate::leases::Held;

/// The name of its lease.
pub(crate) const LEADER: &str = "leader";
/// How often an instance that does not lead looks whether somebody does, in seconds.
const LOOK_SECONDS: u64 = 2;
/// How many looks in a row must find the lead free before one that stands aside takes it: it can neither pull nor
/// compare, so others go first.
const ASIDE_LOOKS: u32 = 5;
/// How long it leads then before it lets others try again, in seconds.
const ASIDE_TERM_SECONDS: u64 = 300;

/// The right to lead, while it is held.
pub(crate) struct Leadership {
    lease: TaskLease,
    trusted_until: Arc<Mutex<Instant>>,
}

impl Leadership {
    fn is_trusted(&self) -> bool {
        let until = *self.trusted_until.lock().unwrap_or_else(PoisonError::into_inner);
        Instant::now() < until
    }
}

impl Core {
    /// Whether this instance leads now. It says no before another one can say yes.
    pub(crate) fn leads(&self) -> bool {
        self.leads_under().is_some()
    }

    /// The lease under which this instance leads now.
    pub(crate) fn leads_under(&self) -> Option<TaskLease> {
        let leadership = self.leadership.borrow();
        let trusted = leadership.as_ref().filter(|leadership| leadership.is_trusted());
        trusted.map(|leadership| leadership.lease.clone())
    }

    /// Waits until this instance leads.
    pub(crate) async fn leading(&self) {
        let mut leadership = self.leadership.subscribe();
        while !self.leads() {
            // The sender lives as long as this.
            let _ = tokio::time::timeout(Duration::from_secs(LOOK_SECONDS), leadership.changed()).await;
        }
    }
}

/// Tries to lead, until told to stop; then lets others lead at once.
pub(crate) async fn watch(core: Arc<Core>, stop: CancellationToken) {
    // Whoever takes leave does not lead either.
    let leaving = core.leaving.clone();
    let mut found_free = 0;
    while !stop.is_cancelled() && !leaving.is_cancelled() {
        let taken = take(&core, &mut found_free).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "nobody knows who leads; trying again");
            None
        });
        let Some(held) = taken else {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = leaving.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(LOOK_SECONDS)) => {}
            }
            continue;
        };
        tracing::info!(term = held.lease().term, "this instance leads");
        core.leadership.send_replace(Some(Leadership {
            lease: held.lease().clone(),
            trusted_until: held.trusted_until(),
        }));
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = leaving.cancelled() => {}
            () = held.lost().cancelled_owned() => {}
            () = time_to_yield(&core) => {
                tracing::info!("this instance stands aside and lets another one lead");
            }
        }
        found_free = 0;
        core.leadership.send_replace(None);
        held.release().await;
    }
}

/// Takes the lease when nobody holds it. Looking costs no write.
async fn take(core: &Arc<Core>, found_free: &mut u32) -> Result<Option<Held>, StoreError> {
    if is_another(core, core.now()).await? {
        *found_free = 0;
        return Ok(None);
    }
    *found_free = found_free.saturating_add(1);
    if *found_free < ASIDE_LOOKS && is_aside(core) {
        return Ok(None);
    }
    Held::take(core, LEADER).await
}

/// Waits until another one should lead: as soon as this one comes to stand aside, and after a while where it took the
/// lead because nobody else did.
async fn time_to_yield(core: &Core) {
    if is_aside(core) {
        tokio::time::sleep(Duration::from_secs(ASIDE_TERM_SECONDS)).await;
    }
    while !is_aside(core) {
        tokio::time::sleep(Duration::from_secs(LOOK_SECONDS)).await;
    }
}

fn is_aside(core: &Core) -> bool {
    core.gate().aside_since().is_some()
}

/// Whether another instance leads.
pub(crate) async fn is_another(core: &Core, now: Timestamp) -> Result<bool, StoreError> {
    let leases = core.store.leases().await?;
    Ok(leases
        .iter()
        .any(|lease| lease.name == LEADER && lease.until > now && lease.holder != core.instance))
}
