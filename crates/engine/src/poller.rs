//! Pulling new and changed orders, so that nobody has to post them.
//!
//! An account's list is read from its watermark on, with overlap, the oldest first, so that the watermark moves page by
//! page over orders that have landed. While nothing changes, one call a period finds that out. Each account has its turns
//! by itself: one whose list takes minutes keeps no other one waiting.

mod land;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use saldo_domain::ids::AccountId;
use saldo_domain::rollout::{Mode, Rollout};
use saldo_store::StoreError;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::{self, Core};
use crate::gate::Gate;
use crate::leases::Held;
use crate::modes;
use crate::service::StockSynchronizationService;
use turn::{Ended, Polled};

/// Accounts that are pulled at once; the gate bounds their calls further. Those that fail come less and less often, so
/// that they leave room to the others.
const TOGETHER: usize = 8;
/// Those of them that were slow to answer of late take no room from the others, and are as many at most.
const SLOW_TOGETHER: usize = 6;
/// All of them, with those that turned out to be slow in their turn.
const TURNS_MAX: usize = 32;
/// How often new accounts are looked for, in seconds.
const DISCOVER_SECONDS: u64 = 300;
/// How often the accounts known are read at most: with thousands of them, every end of a turn would read them all.
const READ_ACCOUNTS: Duration = Duration::from_secs(1);
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
        turning: BTreeSet::new(),
        under_way: JoinSet::new(),
        discover_at: Instant::now(),
        read_at: Instant::now(),
        is_discovering: false,
    };
    let mut held: Option<Held> = None;
    while !stop.is_cancelled() {
        let poked = core.poll.notified();
        let look = async {
            if !core.leads() {
                poller.leave_off();
            }
            if held.is_none() {
                core.leading().await;
            }
            if lead(core, &mut held).await? {
                poller.begin_turns().await
            } else {
                poller.leave_off();
                Ok(Duration::from_secs(OTHER_INSTANCE_SECONDS))
            }
        };
        let wait = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            wait = look => wait,
        };
        let wait = wait.unwrap_or_else(|error| {
            tracing::warn!(%error, "orders could not be pulled; trying again");
            Duration::from_secs(core.settings.poll_seconds)
        });
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = lost(held.as_ref()) => poller.leave_off(),
            Some(ended) = poller.under_way.join_next() => poller.ended(ended),
            () = poked => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    // They may be left anywhere: what has landed is known, and the rest is pulled again.
    poller.under_way.shutdown().await;
    if let Some(held) = held {
        held.release().await;
    }
}

/// Ends when the lease that is held is lost.
async fn lost(held: Option<&Held>) {
    match held {
        Some(held) => held.lost().cancelled_owned().await,
        None => std::future::pending().await,
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

/// What runs beside the poller itself.
enum UnderWay {
    Turn {
        account: AccountId,
        polled: Polled,
        ended: Result<Ended, StoreError>,
    },
    /// New accounts were looked for.
    Discovery { is_answered: bool },
}

struct Poller<'s> {
    service: &'s StockSynchronizationService,
    /// Accounts between their turns.
    accounts: BTreeMap<AccountId, Polled>,
    /// Accounts that have their turn now.
    turning: BTreeSet<AccountId>,
    under_way: JoinSet<UnderWay>,
    discover_at: Instant,
    /// When the accounts known are read again.
    read_at: Instant,
    is_discovering: bool,
}

/// Whether there is room for another turn: of an account that was slow of late, and of any other.
struct Room {
    for_slow: bool,
    for_others: bool,
}

impl Room {
    fn is_for(&self, account: AccountId, gate: &Gate) -> bool {
        if gate.is_slow_to_read(account) {
            self.for_slow
        } else {
            self.for_others
        }
    }
}

impl Poller<'_> {
    /// Begins the turns of accounts that are due, those first that are due for longest; says when to look again.
    async fn begin_turns(&mut self) -> Result<Duration, StoreError> {
        let core = self.service.core();
        let period = Duration::from_secs(core.settings.poll_seconds);
        let rollout = modes::in_force(core).await?;
        if rollout.mode == Mode::Off {
            self.leave_off();
            return Ok(period);
        }
        self.discover();
        let reads = self.read_at <= Instant::now();
        if reads {
            for account in core.store.accounts().await? {
                if !self.turning.contains(&account.id) {
                    self.accounts.entry(account.id).or_default();
                }
            }
            self.read_at = Instant::now() + READ_ACCOUNTS;
        }
        let mut due: Vec<(Instant, AccountId)> = self
            .accounts
            .iter()
            .map(|(account, polled)| (polled.due_at, *account))
            .collect();
        due.sort_unstable();
        let now = Instant::now();
        let mut room = self.room();
        for (_, account) in due.iter().take_while(|(due_at, _)| *due_at <= now) {
            if !room.for_slow && !room.for_others {
                break;
            }
            if room.is_for(*account, &core.gate()) {
                self.begin_turn(*account, rollout.clone());
                room = self.room();
            }
        }
        // For those that there is no room for, the end of a turn makes some.
        let gate = core.gate();
        let next = due
            .iter()
            .filter(|(_, account)| self.accounts.contains_key(account))
            .find(|(_, account)| room.is_for(*account, &gate))
            .map(|(due_at, _)| *due_at);
        drop(gate);
        // What made this look come early may have been a new account.
        let next = next.into_iter().chain((!reads).then_some(self.read_at)).min();
        let wait = next.map_or(period, |next| next.duration_since(now));
        // Two looks in one instant would find the same.
        Ok(wait.max(Duration::from_millis(10)).min(period))
    }

    /// Who may have a turn besides those that have one now.
    fn room(&self) -> Room {
        let gate = self.service.core().gate();
        let slow = self
            .turning
            .iter()
            .filter(|account| gate.is_slow_to_read(**account));
        let (slow, all) = (slow.count(), self.turning.len());
        Room {
            for_slow: slow < SLOW_TOGETHER && all < TURNS_MAX,
            for_others: all - slow < TOGETHER && all < TURNS_MAX,
        }
    }

    fn begin_turn(&mut self, account: AccountId, rollout: Rollout) {
        let Some(mut polled) = self.accounts.remove(&account) else {
            return;
        };
        self.turning.insert(account);
        let service = self.service.clone();
        self.under_way.spawn(async move {
            let ended = turn::turn(&service, &rollout, account, &mut polled).await;
            UnderWay::Turn {
                account,
                polled,
                ended,
            }
        });
    }

    fn ended(&mut self, ended: Result<UnderWay, JoinError>) {
        let core = self.service.core();
        let period = Duration::from_secs(core.settings.poll_seconds);
        match ended {
            Ok(UnderWay::Turn {
                account,
                mut polled,
                ended,
            }) => {
                polled.due_at = Instant::now() + wait_after(account, ended, &mut polled, period);
                self.turning.remove(&account);
                self.accounts.insert(account, polled);
            }
            Ok(UnderWay::Discovery { is_answered }) => {
                self.is_discovering = false;
                let wait = if is_answered {
                    DISCOVER_SECONDS
                } else {
                    core.settings.poll_seconds
                };
                self.discover_at = Instant::now() + Duration::from_secs(wait);
            }
            Err(error) => {
                tracing::warn!(%error, "pulling was lost, and begins anew");
                self.leave_off();
            }
        }
    }

    /// Leaves all turns where they are: what has landed is known, and the rest is pulled again.
    fn leave_off(&mut self) {
        self.under_way = JoinSet::new();
        self.accounts.clear();
        self.read_at = Instant::now();
        self.turning.clear();
        self.is_discovering = false;
    }

    /// Looks for new accounts, now and then.
    fn discover(&mut self) {
        if self.is_discovering || self.discover_at > Instant::now() {
            return;
        }
        self.is_discovering = true;
        let service = self.service.clone();
        self.under_way.spawn(async move {
            let found = engine::discover(service.core()).await;
            if let Err(reason) = &found {
                tracing::debug!(reason, "accounts could not be looked for; those known are pulled");
            }
            UnderWay::Discovery {
                is_answered: found.is_ok(),
            }
        });
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
