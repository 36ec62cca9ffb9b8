//! Running servers, and the circuits that they share. One process works on a file, so there is one of them at a time.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use saldo_store::StoreError;
use saldo_store::circuits::{CIRCUITS_MAX, CircuitSubject, Circuits, OpenCircuit};
use saldo_store::hints::{Hint, Hints};
use saldo_store::instances::{INSTANCES_MAX, Instance, Instances};
use saldo_store::rows::{self, circuit_columns, instance_columns};

use crate::failure::Failure;
use crate::sql::{many, number, one, optional_stored, run, run_on_one, stored};
use crate::store::SqliteStore;

#[async_trait]
impl Instances for SqliteStore {
    fn is_shared(&self) -> bool {
        false
    }

    async fn put_instance(&self, instance: &Instance) -> Result<(), StoreError> {
        let instance = instance.clone();
        self.write_all(move |connection| put_instance(connection, &instance))
            .await
    }

    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        self.read(|connection| Ok(instances(connection)?)).await
    }

    async fn remove_instance(&self, id: &str, unheard_since: Option<Timestamp>) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write_all(move |connection| remove_instance(connection, &id, unheard_since))
            .await
    }
}

/// There is nobody to tell.
#[async_trait]
impl Hints for SqliteStore {
    fn hint(&self, _: Hint) {}

    async fn next_hint(&self) -> Hint {
        std::future::pending().await
    }

    fn hints_arrive(&self) -> Option<bool> {
        None
    }
}

#[async_trait]
impl Circuits for SqliteStore {
    async fn open_circuits(&self) -> Result<Vec<(OpenCircuit, u64)>, StoreError> {
        self.read(|connection| Ok(open_circuits(connection)?)).await
    }

    async fn put_circuit(&self, circuit: &OpenCircuit, from: Option<u64>) -> Result<Option<u64>, StoreError> {
        let circuit = circuit.clone();
        self.write_all(move |connection| put_circuit(connection, &circuit, from))
            .await
    }

    async fn close_circuit(&self, subject: CircuitSubject) -> Result<(), StoreError> {
        self.write_all(move |connection| close_circuit(connection, subject))
            .await
    }
}

fn put_instance(connection: &Connection, instance: &Instance) -> Result<(), Failure> {
    let counts = &instance.counts;
    run_on_one(
        connection,
        "INSERT OR REPLACE INTO instance (id, name, version, role, started_at, heartbeat_at, deliveries, attempts, \
         successes, retried, retried_ms, aside_since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            instance.id,
            instance.name,
            instance.version,
            instance.role.as_str(),
            stored(instance.started_at),
            stored(instance.heartbeat_at),
            instance.deliveries.cast_signed(),
            counts.attempts.cast_signed(),
            counts.successes.cast_signed(),
            counts.retried.cast_signed(),
            counts.retried_ms.cast_signed(),
            optional_stored(instance.aside_since),
        ],
        || format!("instance {}", instance.id),
    )
}

fn instances(connection: &Connection) -> Result<Vec<Instance>, Failure> {
    many(
        connection,
        concat!(
            "SELECT ",
            instance_columns!(),
            " FROM instance ORDER BY name, started_at, id LIMIT ?1"
        ),
        params![INSTANCES_MAX as i64],
        |row| rows::instance(row),
    )
}

fn remove_instance(
    connection: &Connection,
    id: &str,
    unheard_since: Option<Timestamp>,
) -> Result<(), Failure> {
    let sql = "DELETE FROM instance WHERE id = ?1 AND heartbeat_at = coalesce(?2, heartbeat_at)";
    run(connection, sql, params![id, optional_stored(unheard_since)])?;
    Ok(())
}

fn open_circuits(connection: &Connection) -> Result<Vec<(OpenCircuit, u64)>, Failure> {
    many(
        connection,
        concat!(
            "SELECT ",
            circuit_columns!(),
            " FROM circuit WHERE is_open = 1 ORDER BY subject LIMIT ?1"
        ),
        params![CIRCUITS_MAX as i64],
        |row| rows::open_circuit(row),
    )
}

fn put_circuit(
    connection: &Connection,
    circuit: &OpenCircuit,
    from: Option<u64>,
) -> Result<Option<u64>, Failure> {
    let sql = if from.is_some() {
        "UPDATE circuit SET version = version + 1, opened_at = ?2, wait_seconds = ?3, probe_due_at = ?4, \
         prober = ?5, probe_until = ?6, is_unusable = ?7 WHERE subject = ?1 AND is_open = 1 AND version = ?8 \
         RETURNING version"
    } else {
        "INSERT INTO circuit (subject, version, is_open, opened_at, wait_seconds, probe_due_at, prober, probe_until, \
         is_unusable) VALUES (?1, 1, 1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT DO UPDATE SET version = version + 1, is_open = 1, opened_at = ?2, wait_seconds = ?3, \
         probe_due_at = ?4, prober = ?5, probe_until = ?6, is_unusable = ?7 WHERE is_open = 0 AND ?8 IS NULL \
         RETURNING version"
    };
    let prober = circuit.prober.as_ref();
    one(
        connection,
        sql,
        params![
            circuit.subject.to_string(),
            stored(circuit.opened_at),
            circuit.wait_seconds,
            stored(circuit.probe_due_at),
            prober.map(|prober| prober.instance.as_str()),
            optional_stored(prober.map(|prober| prober.until)),
            circuit.is_unusable,
            from.map(u64::cast_signed),
        ],
        |row| number(row, 0),
    )
}

fn close_circuit(connection: &Connection, subject: CircuitSubject) -> Result<(), Failure> {
    let sql = "UPDATE circuit SET version = version + 1, is_open = 0, prober = NULL, probe_until = NULL \
               WHERE subject = ?1 AND is_open = 1";
    run(connection, sql, params![subject.to_string()])?;
    Ok(())
}
