//! The instances on one database: telling of oneself, knowing the others, and what part of the limits is one's own.
//!
//! Whether another one is alive is judged by this instance's own clock: its row must go on changing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use saldo_store::StoreError;
use saldo_store::hints::Hint;
use saldo_store::instances::{AttemptCounts, Instance};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::{Event, InstanceStatus, LeaderStatus};
use crate::circuits;
use crate::engine::Core;
use crate::gate::ShareUntil;
use crate::leader::LEADER;
use crate::pace::Share;

/// How often the others are looked at: an opened circuit reaches them within this time.
const LOOK: Duration = Duration::from_secs(1);
/// How often an instance tells of itself.
const BEAT: Duration = Duration::from_secs(5);
/// One that was not heard of for so long is taken for dead, and its share is divided.
const DEAD_AFTER: Duration = Duration::from_secs(15);
/// One that could not tell of itself for so long makes no calls: the others may take it for dead.
const BEAT_TRUSTED: Duration = Duration::from_secs(10);
/// One that could not look at the others for so long makes no calls: there may be new ones.
const LOOK_TRUSTED: Duration = Duration::from_secs(3);
/// What is not heard of for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// Without a heartbeat for so long, an instance is shown as silent, in seconds.
pub(crate) const SILENT_SECONDS: i64 = 15;
/// Parts of the limits: an instance that takes in only, or stands aside, makes few calls of its own.
const WORKER_PARTS: u32 = 10;
const API_PARTS: u32 = 1;

const _: () = assert!(LOOK.as_secs() < LOOK_TRUSTED.as_secs());
const _: () = assert!(BEAT_TRUSTED.as_secs() < DEAD_AFTER.as_secs());

/// Tells of this instance and looks at the others, until told to stop.
pub(crate) async fn watch(core: Arc<Core>, stop: CancellationToken) {
    let mut membership = Membership::default();
    loop {
        let round = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            round = membership.round(&core) => round,
        };
        let wait = match round {
            Ok(()) if core.store.is_shared() => LOOK,
            // Nobody else can come.
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "other instances could not be looked at; trying again");
                LOOK
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = core.look.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Looks at once where another instance says that there is something to see, until told to stop.
pub(crate) async fn listen(core: Arc<Core>, stop: CancellationToken) {
    loop {
        let hint = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            hint = core.store.next_hint() => hint,
        };
        match hint {
            Hint::Due => core.wake.notify_one(),
            Hint::Circuits => core.look.notify_one(),
        }
    }
}

/// This instance is gone; the others need not find that out by its silence.
pub(crate) async fn leave(core: &Core) {
    if let Err(error) = core.store.remove_instance(&core.instance, None).await {
        tracing::debug!(%error, "this instance is forgotten by its silence");
    }
}

/// This instance, as it tells of itself.
fn own(core: &Core, now: Timestamp) -> Instance {
    let deliveries = core.gate().in_flight();
    let counts = core.statistics().counts(now);
    Instance {
        id: core.instance.clone(),
        name: core.settings.instance_name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        role: core.settings.role,
        started_at: core.started_at,
        heartbeat_at: now,
        deliveries: u64::try_from(deliveries).unwrap_or(u64::MAX),
        counts,
        aside_since: core.gate().aside_since(),
    }
}

/// What this instance has counted and what the others that are heard of told, together.
pub(crate) async fn counts(core: &Core, now: Timestamp) -> Result<AttemptCounts, StoreError> {
    let others = core.store.instances().await?;
    Ok(counts_with(core, &others, now))
}

/// The same where the others are known already.
pub(crate) fn counts_with(core: &Core, others: &[Instance], now: Timestamp) -> AttemptCounts {
    let own = core.statistics().counts(now);
    let others = others
        .iter()
        .filter(|other| other.id != core.instance && !is_silent(other, now));
    others.fold(own, |sum, other| AttemptCounts {
        attempts: sum.attempts + other.counts.attempts,
        successes: sum.successes + other.counts.successes,
        retried: sum.retried + other.counts.retried,
        retried_ms: sum.retried_ms + other.counts.retried_ms,
    })
}

/// The instances with what each holds, the one that leads, and what all of them counted.
pub(crate) async fn status(
    core: &Core,
    now: Timestamp,
) -> Result<(Vec<InstanceStatus>, Option<LeaderStatus>, AttemptCounts), StoreError> {
    let mut instances = core.store.instances().await?;
    let counts = counts_with(core, &instances, now);
    // The one that answers knows itself best.
    for own_row in instances
        .iter_mut()
        .filter(|instance| instance.id == core.instance)
    {
        *own_row = own(core, now);
    }
    let mut leases = core.store.leases().await?;
    leases.retain(|lease| lease.until > now);
    let leader = leases.iter().position(|lease| lease.name == LEADER);
    let leader = leader.map(|place| leases.remove(place));
    let told: Vec<InstanceStatus> = instances
        .into_iter()
        .map(|instance| {
            let held = leases.iter().filter(|lease| lease.holder == instance.id);
            InstanceStatus {
                is_silent: is_silent(&instance, now),
                is_leader: leader.as_ref().is_some_and(|lease| lease.holder == instance.id),
                tasks: held.map(|lease| task_of(&lease.name).to_owned()).collect(),
                id: instance.id,
                name: instance.name,
                version: instance.version,
                role: instance.role,
                started_at: instance.started_at,
                heartbeat_at: instance.heartbeat_at,
                deliveries: instance.deliveries,
                aside_since: instance.aside_since,
            }
        })
        .collect();
    let leader = leader.map(|lease| LeaderStatus {
        id: lease.holder,
        term: lease.term,
        until: lease.until,
    });
    Ok((told, leader, counts))
}

/// The name of what a lease is a right to, as people know it.
fn task_of(lease: &str) -> &str {
    lease.strip_prefix("task ").unwrap_or(lease)
}

/// Whether an instance was not heard of lately.
pub(crate) fn is_silent(instance: &Instance, now: Timestamp) -> bool {
    now.duration_since(instance.heartbeat_at).as_secs() >= SILENT_SECONDS
}

/// What an instance remembers of itself and the others.
#[derive(Default)]
struct Membership {
    /// When it began to tell of itself last, and succeeded.
    beat: Option<Instant>,
    /// Since when it told of itself without a gap.
    joined: Option<Instant>,
    /// Since when it stands aside, as it told last.
    aside_since: Option<Timestamp>,
    /// The heartbeat of each of the others, and when it was first seen here.
    seen: BTreeMap<String, (Timestamp, Instant)>,
}

impl Membership {
    async fn round(&mut self, core: &Core) -> Result<(), StoreError> {
        self.beat(core).await?;
        let began = Instant::now();
        circuits::look(core).await?;
        // After the own row was committed: of two that begin at once, one sees the other.
        let instances = core.store.instances().await?;
        self.note(core, &instances);
        self.forget(core).await?;
        self.divide(core, &instances, began);
        if core.store.is_shared() && core.settings.role.works() {
            wake_for_what_is_due(core).await?;
        }
        Ok(())
    }

    async fn beat(&mut self, core: &Core) -> Result<(), StoreError> {
        let now = Instant::now();
        let own = own(core, core.now());
        let is_news = own.aside_since != self.aside_since;
        if !is_news && self.beat.is_some_and(|beat| now < beat + BEAT) {
            return Ok(());
        }
        core.store.put_instance(&own).await?;
        let comes_back = self.aside_since.is_some() && own.aside_since.is_none();
        if comes_back || self.beat.is_none_or(|beat| now >= beat + BEAT_TRUSTED) {
            // The others may have taken it for dead, or divided its part: it is a new one to them.
            self.joined = Some(Instant::now());
        }
        self.aside_since = own.aside_since;
        self.beat = Some(now);
        if is_news {
            core.tell(Event::Status);
        }
        Ok(())
    }

    fn note(&mut self, core: &Core, instances: &[Instance]) {
        let now = Instant::now();
        let mut seen = BTreeMap::new();
        for instance in instances.iter().filter(|instance| instance.id != core.instance) {
            let before = self.seen.remove(&instance.id);
            let unchanged = before.filter(|(heartbeat, _)| *heartbeat == instance.heartbeat_at);
            seen.insert(
                instance.id.clone(),
                unchanged.unwrap_or((instance.heartbeat_at, now)),
            );
        }
        self.seen = seen;
    }

    async fn forget(&self, core: &Core) -> Result<(), StoreError> {
        let now = Instant::now();
        for (id, (heartbeat, seen)) in &self.seen {
            if now >= *seen + FORGOTTEN_AFTER {
                core.store.remove_instance(id, Some(*heartbeat)).await?;
                tracing::info!(
                    instance = id,
                    "an instance was not heard of any more and is forgotten"
                );
            }
        }
        Ok(())
    }

    /// Takes this instance's part of the limits, once the others must have noticed it.
    fn divide(&self, core: &Core, instances: &[Instance], looked: Instant) {
        let now = Instant::now();
        let is_alive = |id: &String| {
            self.seen
                .get(id)
                .is_some_and(|(_, seen)| now < *seen + DEAD_AFTER)
        };
        let others = instances.iter().filter(|instance| is_alive(&instance.id));
        let delivers = |instance: &Instance| instance.role.works() && instance.aside_since.is_none();
        let has_peers = others.clone().any(delivers);
        let others: u32 = others.map(|instance| parts(delivers(instance))).sum();
        let works = core.settings.role.works();
        let own = parts(works && self.aside_since.is_none());
        let until = match (self.joined, self.beat) {
            _ if !core.store.is_shared() => ShareUntil::Always,
            (Some(joined), Some(_)) if others > 0 && now < joined + LOOK_TRUSTED => ShareUntil::NotYet,
            (_, Some(beat)) => ShareUntil::Moment((beat + BEAT_TRUSTED).min(looked + LOOK_TRUSTED)),
            (_, None) => ShareUntil::NotYet,
        };
        let (had_share, trials_ended) = {
            let mut gate = core.gate();
            let had_share = gate.has_share();
            gate.set_share(Share::new(own, own.saturating_add(others)), until);
            (had_share, gate.set_peers(works && has_peers))
        };
        if !had_share || trials_ended {
            core.wake.notify_one();
        }
        if trials_ended {
            core.reopened.notify_one();
        }
    }
}

const fn parts(delivers: bool) -> u32 {
    if delivers { WORKER_PARTS } else { API_PARTS }
}

/// What another instance took in, or left when it died, is found by looking.
async fn wake_for_what_is_due(core: &Core) -> Result<(), StoreError> {
    let excluded = core.gate().shut_accounts();
    let due = core.store.next_due(&excluded).await?;
    if due.is_some_and(|due| due <= core.now()) {
        core.wake.notify_one();
    }
    Ok(())
}
