//! Running servers, and the circuits that they share.

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_store::StoreError;
use saldo_store::circuits::{CIRCUITS_MAX, CircuitSubject, Circuits, OpenCircuit};
use saldo_store::instances::{INSTANCES_MAX, Instance, Instances};
use saldo_store::rows::{self, circuit_columns, instance_columns};

use crate::failure::Failure;
use crate::schema::NEWEST;
use crate::session::Session;
use crate::sql::{number, optional_stored, storable, stored, values};
use crate::store::PostgresStore;

#[async_trait]
impl Instances for PostgresStore {
    fn is_shared(&self) -> bool {
        true
    }

    async fn put_instance(&self, instance: &Instance) -> Result<(), StoreError> {
        let instance = instance.clone();
        self.write_all(move |session| {
            let instance = instance.clone();
            Box::pin(async move { put_instance(session, &instance).await })
        })
        .await?;
        self.look_after_old_index().await;
        Ok(())
    }

    async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        self.read(|session| Box::pin(instances(session))).await
    }

    async fn remove_instance(&self, id: &str, unheard_since: Option<Timestamp>) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write_all(move |session| {
            let id = id.clone();
            Box::pin(async move { remove_instance(session, &id, unheard_since).await })
        })
        .await
    }
}

#[async_trait]
impl Circuits for PostgresStore {
    async fn open_circuits(&self) -> Result<Vec<(OpenCircuit, u64)>, StoreError> {
        self.read(|session| Box::pin(open_circuits(session))).await
    }

    async fn put_circuit(&self, circuit: &OpenCircuit, from: Option<u64>) -> Result<Option<u64>, StoreError> {
        let circuit = circuit.clone();
        self.write_all(move |session| {
            let circuit = circuit.clone();
            Box::pin(async move { put_circuit(session, &circuit, from).await })
        })
        .await
    }

    async fn close_circuit(&self, subject: CircuitSubject) -> Result<(), StoreError> {
        self.write_all(move |session| Box::pin(close_circuit(session, subject)))
            .await
    }
}

async fn put_instance(session: &Session, instance: &Instance) -> Result<(), Failure> {
    let counts = &instance.counts;
    session
        .run(
            "INSERT INTO saldo.instance (id, name, version, role, started_at, heartbeat_at, deliveries, attempts, \
             successes, retried, retried_ms, aside_since, schema_version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version, \
             role = excluded.role, started_at = excluded.started_at, heartbeat_at = excluded.heartbeat_at, \
             deliveries = excluded.deliveries, attempts = excluded.attempts, successes = excluded.successes, \
             retried = excluded.retried, retried_ms = excluded.retried_ms, aside_since = excluded.aside_since",
            values![
                instance.id.as_str(),
                storable(&instance.name),
                storable(&instance.version),
                instance.role.as_str(),
                stored(instance.started_at),
                stored(instance.heartbeat_at),
                instance.deliveries.cast_signed(),
                counts.attempts.cast_signed(),
                counts.successes.cast_signed(),
                counts.retried.cast_signed(),
                counts.retried_ms.cast_signed(),
                optional_stored(instance.aside_since),
                NEWEST as i64,
            ],
        )
        .await?;
    Ok(())
}

async fn instances(session: &Session) -> Result<Vec<Instance>, Failure> {
    session
        .many(
            concat!(
                "SELECT ",
                instance_columns!(),
                " FROM saldo.instance ORDER BY name, started_at, id LIMIT $1"
            ),
            values![INSTANCES_MAX as i64],
            rows::instance,
        )
        .await
}

async fn remove_instance(
    session: &Session,
    id: &str,
    unheard_since: Option<Timestamp>,
) -> Result<(), Failure> {
    let sql = "DELETE FROM saldo.instance WHERE id = $1 AND heartbeat_at = coalesce($2, heartbeat_at)";
    session
        .run(sql, values![id, optional_stored(unheard_since)])
        .await?;
    Ok(())
}

async fn open_circuits(session: &Session) -> Result<Vec<(OpenCircuit, u64)>, Failure> {
    session
        .many(
            concat!(
                "SELECT ",
                circuit_columns!(),
                " FROM saldo.circuit WHERE is_open ORDER BY subject LIMIT $1"
            ),
            values![CIRCUITS_MAX as i64],
            rows::open_circuit,
        )
        .await
}

async fn put_circuit(
    session: &Session,
    circuit: &OpenCircuit,
    from: Option<u64>,
) -> Result<Option<u64>, Failure> {
    // One statement, so that nobody can come between the look and the write.
    let sql = if from.is_some() {
        "UPDATE saldo.circuit SET version = version + 1, opened_at = $2, wait_seconds = $3, probe_due_at = $4, \
         prober = $5, probe_until = $6, is_unusable = $7 WHERE subject = $1 AND is_open AND version = $8 \
         RETURNING version"
    } else {
        "INSERT INTO saldo.circuit AS old (subject, version, is_open, opened_at, wait_seconds, probe_due_at, \
         prober, probe_until, is_unusable) VALUES ($1, 1, true, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (subject) DO UPDATE SET version = old.version + 1, is_open = true, \
         opened_at = excluded.opened_at, wait_seconds = excluded.wait_seconds, \
         probe_due_at = excluded.probe_due_at, prober = excluded.prober, probe_until = excluded.probe_until, \
         is_unusable = excluded.is_unusable WHERE NOT old.is_open AND $8 IS NULL RETURNING version"
    };
    let prober = circuit.prober.as_ref();
    session
        .one(
            sql,
            values![
                circuit.subject.to_string(),
                stored(circuit.opened_at),
                i64::from(circuit.wait_seconds),
                stored(circuit.probe_due_at),
                prober.map(|prober| prober.instance.as_str()),
                optional_stored(prober.map(|prober| prober.until)),
                circuit.is_unusable,
                from.map(u64::cast_signed),
            ],
            |row| number(row, 0),
        )
        .await
}

async fn close_circuit(session: &Session, subject: CircuitSubject) -> Result<(), Failure> {
    let sql = "UPDATE saldo.circuit SET version = version + 1, is_open = false, prober = NULL, probe_until = NULL \
               WHERE subject = $1 AND is_open";
    session.run(sql, values![subject.to_string()]).await?;
    Ok(())
}
