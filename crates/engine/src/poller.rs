//! Pulling new and changed orders, so that nobody has to post them.
//!
//! An account's list is read from its watermark on, with overlap, the oldest first, so that the watermark moves page by
//! page over orders that have landed. While nothing changes, one call a round finds that out.

mod land;
mod turn;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use saldo_domain::ids::AccountId;
use saldo_domain::rollout::Mode;
use saldo_store::StoreError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::{self, Core};
use crate::leases::Held;
use crate::modes;
use crate::service::StockSynchronizationService;
use turn::{Ended, Polled};

/// Accounts that are pulled at once; the gate bounds their calls further.
const TOGETHER: usize = 4;
/// How often new accounts are looked for, in seconds.
const DISCOVER_SECONDS: u64 = 300;
/// The longest wait after failures, in seconds.
const BACKOFF_SECONDS_MAX: u64 = 600;
/// How long to wait while another instance still pulls, in seconds.
const OTHER_INSTANCE_SECONDS: u64 = 5;

/// Pulls orders of all accounts, until told to stop.
pub(crate) async fn watch(service: StockSynchronizationService, stop: CancellationToken) {
    let core = service.core();
    if core.settings.poll_seconds == 0 {
        return;
    }
    let mut poller = Poller {
        service: &service,
        accounts: BTreeMap::new(),
        discover_at: Instant::now(),
    };
    let mut held: Option<Held> = None;
    while !stop.is_cancelled() {
        let poked = core.poll.notified();
        let round = async {
            if held.is_none() {
                core.leading().await;
            }
            if lead(core, &mut held).await? {
                poller.round().await
            } else {
                Ok(Duration::from_secs(OTHER_INSTANCE_SECONDS))
            }
        };
        let wait = tokio::select! {
            biased;
            // It may be left anywhere: what has landed is known, and the rest is pulled again.
            () = stop.cancelled() => break,
            wait = round => wait,
        };
        let wait = wait.unwrap_or_else(|error| {
            tracing::warn!(%error, "orders could not be pulled; trying again");
            Duration::from_secs(core.settings.poll_seconds)
        });
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = poked => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    if let Some(held) = held {
        held.release().await;
    }
}

/// Whether this instance is the one that pulls: it leads, and the one before has ended.
async fn lead(core: &Arc<Core>, held: &mut Option<Held>) -> Result<bool, StoreError> {
    if !core.leads() {
        if let Some(held) = held.take() {
            held.release().await;
        }
        return Ok(false);
    }
    if held.as_ref().is_none_or(|held| held.lost().is_cancelled()) {
        *held = Held::take(core, "poller").await?;
    }
    Ok(held.is_some())
}

struct Poller<'s> {
    service: &'s StockSynchronizationService,
    accounts: BTreeMap<AccountId, Polled>,
    discover_at: Instant,
}

impl Poller<'_> {
    /// One turn of every account that is due; says how long to wait for the next.
    async fn round(&mut self) -> Result<Duration, StoreError> {
        let core = self.service.core();
        let period = Duration::from_secs(core.settings.poll_seconds);
        let rollout = modes::in_force(core).await?;
        if rollout.mode == Mode::Off {
            self.accounts.clear();
            return Ok(period);
        }
        self.discover().await?;
        let now = Instant::now();
        let due: Vec<(AccountId, Polled)> = self
            .accounts
            .iter_mut()
            .filter(|(_, polled)| polled.due_at <= now)
            .map(|(account, polled)| (*account, std::mem::take(polled)))
            .collect();
        let (service, rollout) = (self.service, &rollout);
        let turns: Vec<BoxFuture<'_, _>> = due
            .into_iter()
            .map(|(account, mut polled)| {
                async move {
                    let ended = turn::turn(service, rollout, account, &mut polled).await;
                    (account, polled, ended)
                }
                .boxed()
            })
            .collect();
        let ended: Vec<_> = futures::stream::iter(turns)
            .buffer_unordered(TOGETHER)
            .collect()
            .await;
        for (account, mut polled, ended) in ended {
            polled.due_at = Instant::now() + wait_after(account, ended, &mut polled, period);
            self.accounts.insert(account, polled);
        }
        let next = self.accounts.values().map(|polled| polled.due_at).min();
        let wait = next.map_or(period, |next| next.duration_since(Instant::now()));
        // Others have their turn between two rounds.
        Ok(wait.clamp(Duration::from_millis(10), period))
    }

    async fn discover(&mut self) -> Result<(), StoreError> {
        let core = self.service.core();
        let now = Instant::now();
        if self.discover_at <= now {
            let wait = match engine::discover(core).await {
                Ok(_) => DISCOVER_SECONDS,
                Err(reason) => {
                    tracing::debug!(reason, "accounts could not be looked for; those known are pulled");
                    core.settings.poll_seconds
                }
            };
            self.discover_at = now + Duration::from_secs(wait);
        }
        for account in core.store.accounts().await? {
            self.accounts.entry(account.id).or_default();
        }
        Ok(())
    }
}

fn wait_after(
    account: AccountId,
    ended: Result<Ended, StoreError>,
    polled: &mut Polled,
    period: Duration,
) -> Duration {
    let why = match ended {
        Ok(Ended::More) => return Duration::ZERO,
        Ok(Ended::Done) => {
            polled.failures = 0;
            return period;
        }
        Ok(Ended::Failed(why)) => why,
        Err(error) => error.to_string(),
    };
    polled.failures = polled.failures.saturating_add(1);
    tracing::info!(%account, why, failures = polled.failures, "an account's orders could not be pulled; trying again");
    let longest = Duration::from_secs(BACKOFF_SECONDS_MAX).max(period);
    period
        .saturating_mul(2_u32.saturating_pow(polled.failures.min(10) - 1))
        .min(longest)
}
