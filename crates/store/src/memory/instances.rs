//! Running servers, and the circuits that they share.

use async_trait::async_trait;
use jiff::Timestamp;

use super::MemoryStore;
use crate::circuits::{CIRCUITS_MAX, CircuitSubject, Circuits, OpenCircuit};
use crate::error::StoreError;
use crate::hints::{Hint, Hints};
use crate::instances::{INSTANCES_MAX, Instance, Instances};

/// A circuit as it is kept: one that closed stays, so that versions only grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCircuit {
    /// The circuit while it is open.
    pub open: Option<OpenCircuit>,
    /// Its version.
    pub version: u64,
}

#[async_trait]
impl Instances for MemoryStore {
    fn is_shared(&self) -> bool {
        self.lock().shared
    }

    async fn put_instance(&self, instance: &Instance) -> Result<(), StoreError> {
        let instances = &mut self.open()?.tables.instances;
        instances.insert(instance.id.clone(), instance.clone());
        Ok(())
    }

    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        let mut instances: Vec<Instance> = self.open()?.tables.instances.values().cloned().collect();
        instances.sort_by(|one, other| {
            let place =
                |instance: &Instance| (instance.name.clone(), instance.started_at, instance.id.clone());
            place(one).cmp(&place(other))
        });
        instances.truncate(INSTANCES_MAX);
        Ok(instances)
    }

    async fn remove_instance(&self, id: &str, unheard_since: Option<Timestamp>) -> Result<(), StoreError> {
        let instances = &mut self.open()?.tables.instances;
        let was_heard =
            |instance: &Instance| unheard_since.is_some_and(|since| instance.heartbeat_at != since);
        if !instances.get(id).is_some_and(was_heard) {
            instances.remove(id);
        }
        Ok(())
    }
}

/// There are no hints: whoever works on the model must find everything by looking.
#[async_trait]
impl Hints for MemoryStore {
    fn hint(&self, _: Hint) {}

    async fn next_hint(&self) -> Hint {
        std::future::pending().await
    }

    fn hints_arrive(&self) -> Option<bool> {
        None
    }
}

#[async_trait]
impl Circuits for MemoryStore {
    async fn open_circuits(&self) -> Result<Vec<(OpenCircuit, u64)>, StoreError> {
        let state = self.open()?;
        let open = state.tables.circuits.values();
        let open = open.filter_map(|kept| Some((kept.open.clone()?, kept.version)));
        Ok(open.take(CIRCUITS_MAX).collect())
    }

    async fn put_circuit(&self, circuit: &OpenCircuit, from: Option<u64>) -> Result<Option<u64>, StoreError> {
        let circuits = &mut self.open()?.tables.circuits;
        let kept = circuits.get(&circuit.subject);
        let open = kept.filter(|kept| kept.open.is_some());
        if open.map(|kept| kept.version) != from {
            return Ok(None);
        }
        let version = kept.map_or(0, |kept| kept.version) + 1;
        let open = Some(circuit.clone());
        circuits.insert(circuit.subject, KeptCircuit { open, version });
        Ok(Some(version))
    }

    async fn close_circuit(&self, subject: CircuitSubject) -> Result<(), StoreError> {
        if let Some(kept) = self.open()?.tables.circuits.get_mut(&subject)
            && kept.open.take().is_some()
        {
            kept.version += 1;
        }
        Ok(())
    }
}
