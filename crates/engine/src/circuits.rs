//! Keeping circuits in step over all instances: what is found out here is stored, and what others stored is taken
//! over. While every circuit is closed there is nothing to store, and deliveries ask nothing.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use saldo_domain::ids::AccountId;
use saldo_store::StoreError;
use saldo_store::circuits::CircuitSubject;
use saldo_store::hints::Hint;

use crate::api::Event;
use crate::engine::Core;
use crate::gate::{CallEnd, Change, Permits, Turn};

/// How soon a probe that was not granted is thought of again, in seconds.
const PROBE_AGAIN_SECONDS: i64 = 1;

/// What the dispatcher does next. A probe is made by one instance at a time: the store grants it.
pub(crate) async fn turn(core: &Core) -> Turn {
    let turn = core.gate().turn(core.now());
    let Turn::Claim(bounds) = &turn else { return turn };
    if !bounds.permits.is_probe() {
        return turn;
    }
    let (permits, account) = (bounds.permits, bounds.only);
    let why = match take_probe(core, permits, account).await {
        Ok(true) => return turn,
        Ok(false) => "another instance probes".to_owned(),
        Err(error) => error.to_string(),
    };
    tracing::debug!(why, "no probe now");
    let now = core.now();
    core.gate().learn(account, CallEnd::NotMade, permits, now);
    tell(core).await;
    Turn::Wait {
        until: now
            .checked_add(SignedDuration::from_secs(PROBE_AGAIN_SECONDS))
            .ok(),
    }
}

async fn take_probe(core: &Core, permits: Permits, account: Option<AccountId>) -> Result<bool, StoreError> {
    let _turn = core.circuits.lock().await;
    publish(core).await?;
    let changes = core.gate().probes_to_take(permits, account);
    for change in changes {
        if !put(core, &change).await? {
            read(core, &BTreeSet::from([change.subject()])).await?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tells the others what was found out here. What cannot be stored now is told with the next look.
pub(crate) async fn tell(core: &Core) {
    if !core.gate().is_unpublished() {
        return;
    }
    let _turn = core.circuits.lock().await;
    if let Err(error) = publish(core).await {
        tracing::warn!(%error, "the state of the circuits could not be stored; trying again");
    }
}

/// Tells the others what was found out here, and takes over what they found out.
pub(crate) async fn look(core: &Core) -> Result<(), StoreError> {
    let _turn = core.circuits.lock().await;
    publish(core).await?;
    read(core, &BTreeSet::new()).await
}

async fn publish(core: &Core) -> Result<(), StoreError> {
    let mut overruled = BTreeSet::new();
    loop {
        let change = core.gate().unpublished(&overruled);
        let Some(change) = change else { break };
        let subject = change.subject();
        if !put(core, &change).await? {
            overruled.insert(subject);
        }
    }
    if overruled.is_empty() {
        return Ok(());
    }
    read(core, &overruled).await
}

/// Stores a change; says whether it came first.
async fn put(core: &Core, change: &Change) -> Result<bool, StoreError> {
    let version = match change {
        Change::Put(circuit, from) => core.store.put_circuit(circuit, *from).await?,
        Change::Close(subject) => {
            core.store.close_circuit(*subject).await?;
            Some(0)
        }
    };
    if let Some(version) = version {
        core.gate().published(change, version);
        core.store.hint(Hint::Circuits);
    }
    Ok(version.is_some())
}

async fn read(core: &Core, overruled: &BTreeSet<CircuitSubject>) -> Result<(), StoreError> {
    let open = core.store.open_circuits().await?;
    let is_changed = core.gate().take_over(&open, overruled, core.now());
    if is_changed {
        tracing::info!(open = open.len(), "circuits changed on another instance");
        core.reopened.notify_one();
        core.wake.notify_one();
        core.tell(Event::Status);
    }
    Ok(())
}
