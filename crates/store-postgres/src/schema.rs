//! The schema: migrations that are part of the binary, each recorded with a checksum.

use std::time::Duration;

use saldo_store::StoreError;
use saldo_store::migrations::{self, Migration};
use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use crate::failure::Failure;
use crate::locks::migration_name;
use crate::session::Session;
use crate::sql::{get, number, values};

/// All migrations, in order; the first has version 1. One that was released is never changed: a change is
/// another one. The version before must be able to go on beside the new schema, for instances that are not
/// restarted yet.
const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_ledger",
        sql: include_str!("../migrations/0001_ledger.sql"),
        former: &[],
    },
    Migration {
        name: "0002_reconciliation",
        sql: include_str!("../migrations/0002_reconciliation.sql"),
        former: &[],
    },
    Migration {
        name: "0003_alerts",
        sql: include_str!("../migrations/0003_alerts.sql"),
        former: &[],
    },
    Migration {
        name: "0004_reports",
        sql: include_str!("../migrations/0004_reports.sql"),
        former: &[],
    },
    Migration {
        name: "0005_instances",
        sql: include_str!("../migrations/0005_instances.sql"),
        former: &[],
    },
    Migration {
        name: "0006_queue",
        sql: include_str!("../migrations/0006_queue.sql"),
        // It let the index of the version before go at once.
        former: &["f5e597dfa2af5494dbb0ff92229d23da8fc2cf3ed612adadbe1bf874ece36d2a"],
    },
    Migration {
        name: "0007_aside",
        sql: include_str!("../migrations/0007_aside.sql"),
        former: &[],
    },
];

/// The version of the schema that this binary makes.
pub(crate) const NEWEST: usize = MIGRATIONS.len();

/// How long an instance waits for another one that migrates, and goes on trying while somebody reads what it changes.
const MIGRATING_MAX: Duration = Duration::from_secs(60);
/// The wait for locks is `MIGRATING_MAX`, until the one on migrations is had.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '60s'; \
     SET LOCAL statement_timeout = 0; SET LOCAL synchronous_commit = on; SET LOCAL client_min_messages = warning";
/// Whoever comes later to a table waits behind a change of it that waits for a reader: so none waits long.
const HURRY: &str = "SET LOCAL lock_timeout = '1s'";
/// How long everybody is let through before the next try.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);

/// Brings the schema up to date, all of it or nothing. Instances that start at the same moment take turns.
///
/// # Errors
/// When the schema is newer than this binary, or was migrated by something else.
pub(crate) async fn migrate(session: &Session) -> Result<(), Failure> {
    // Most starts find nothing to do, and need not wait for anyone.
    if version(session).await? == NEWEST {
        return verify(session, NEWEST).await;
    }
    let begun = Instant::now();
    loop {
        session.batch(BEGIN).await?;
        let failure = match migrate_within(session).await {
            Ok(()) => return session.batch("COMMIT").await,
            Err(failure) => failure,
        };
        // What is told is why it failed; a connection that cannot even roll back ends with the store.
        let _ = session.batch("ROLLBACK").await;
        if !is_in_use(&failure) || begun.elapsed() + BETWEEN_TRIES > MIGRATING_MAX {
            return Err(failure);
        }
        tracing::info!(
            "the schema cannot be changed while somebody reads all of a table, a dump perhaps; trying again"
        );
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

/// Whether somebody else has a lock on what was to be changed.
fn is_in_use(failure: &Failure) -> bool {
    matches!(failure, Failure::Database(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
}

/// The same, within a transaction that has begun, and until whose end nobody else changes the schema.
pub(crate) async fn migrate_within(session: &Session) -> Result<(), Failure> {
    session
        .rows("SELECT pg_advisory_xact_lock($1)", values![migration_name()])
        .await?;
    session.batch(HURRY).await?;
    session
        .batch(
            "CREATE SCHEMA IF NOT EXISTS saldo; CREATE TABLE IF NOT EXISTS saldo.migration ( \
                 version bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, \
                 applied_at timestamptz NOT NULL DEFAULT now())",
        )
        .await?;
    let version = version(session).await?;
    migrations::check_not_newer(MIGRATIONS, version)?;
    verify(session, version).await?;
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        session.batch(migration.sql).await?;
        session
            .run(
                "INSERT INTO saldo.migration (version, name, checksum) VALUES ($1, $2, $3)",
                values![index as i64 + 1, migration.name, migration.checksum()],
            )
            .await?;
    }
    Ok(())
}

/// Checks that a database has the schema that this binary makes, neither an older nor a newer one.
///
/// # Errors
/// When it has another one, or none.
pub(crate) async fn check_newest(session: &Session) -> Result<(), Failure> {
    let (version, newest) = (version(session).await?, NEWEST);
    if version == newest {
        return verify(session, version).await;
    }
    let detail = match version {
        0 => "there is no ledger in the database yet".to_owned(),
        version => format!(
            "the database has schema version {version}, and this program copies version {newest}; start this saldo \
             on it once if it is newer, or use the one that it belongs to"
        ),
    };
    Err(Failure::Answer(StoreError::Unavailable(detail)))
}

/// The version of the schema; 0 of a database without one.
pub(crate) async fn version(session: &Session) -> Result<usize, Failure> {
    let is_there = session
        .one("SELECT to_regclass('saldo.migration') IS NOT NULL", &[], |row| {
            get::<bool>(row, 0)
        })
        .await?;
    if is_there != Some(true) {
        return Ok(0);
    }
    let sql = "SELECT coalesce(max(version), 0) FROM saldo.migration";
    Ok(session.one(sql, &[], |row| number(row, 0)).await?.unwrap_or(0))
}

/// Checks that the migrations recorded are those of this binary.
async fn verify(session: &Session, version: usize) -> Result<(), Failure> {
    let recorded: Vec<(i64, String)> = session
        .many(
            "SELECT version, checksum FROM saldo.migration ORDER BY version",
            &[],
            |row| Ok((get(row, 0)?, get(row, 1)?)),
        )
        .await?;
    Ok(migrations::verify(MIGRATIONS, version, &recorded)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::cluster::Cluster;
    use crate::options::PostgresOptions;
    use crate::session::Sessions;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_schema_that_somebody_reads_is_changed_when_he_has_ended_and_others_get_through_meanwhile() {
        let cluster = Cluster::start_in_memory(&["fsync = off"]);
        let address = Address::parse(&cluster.url("postgres")).unwrap();
        let sessions = Sessions::new(&address, &PostgresOptions::default()).unwrap();
        let (reader, migrating, other) = (
            sessions.take().await.unwrap(),
            sessions.take().await.unwrap(),
            sessions.take().await.unwrap(),
        );
        migrate(&migrating).await.unwrap();
        // Back to the version before the last one.
        other
            .batch(
                "DELETE FROM saldo.migration WHERE version = 7; \
                 ALTER TABLE saldo.instance DROP COLUMN aside_since, DROP COLUMN schema_version",
            )
            .await
            .unwrap();
        reader.batch("BEGIN; TABLE saldo.instance").await.unwrap();
        let migration = tokio::spawn(async move { migrate(&migrating).await });
        let waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'saldo.instance'::regclass";
        while other.rows(waits, &[]).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        // It gives way before it has what it wants.
        other
            .batch("SET lock_timeout = '20s'; SET statement_timeout = '20s'; TABLE saldo.instance")
            .await
            .unwrap();
        assert!(!migration.is_finished());
        reader.batch("COMMIT").await.unwrap();
        migration.await.unwrap().unwrap();
        assert_eq!(version(&other).await.unwrap(), NEWEST);
    }
}
