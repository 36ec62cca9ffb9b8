//! The schema: migrations that are part of the binary, each recorded with a checksum.

use saldo_store::StoreError;
use saldo_store::migrations::{self, Migration};

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

/// The version that this binary makes.
pub(crate) const NEWEST: usize = MIGRATIONS.len();

/// How long an instance waits for another one that migrates.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = '60s'; \
     SET LOCAL statement_timeout = 0; SET LOCAL synchronous_commit = on; SET LOCAL client_min_messages = warning";

/// Brings the schema up to date, all of it or nothing. Instances that start at the same moment take turns.
///
/// # Errors
/// When the schema is newer than this binary, or was migrated by something else.
pub(crate) async fn migrate(session: &Session) -> Result<(), Failure> {
    // Most starts find nothing to do, and need not wait for anyone.
    if version(session).await? == newest_version() {
        return verify(session, newest_version()).await;
    }
    session.batch(BEGIN).await?;
    match migrate_within(session).await {
        Ok(()) => session.batch("COMMIT").await,
        Err(failure) => {
            // What is told is why it failed; a connection that cannot even roll back ends with the store.
            let _ = session.batch("ROLLBACK").await;
            Err(failure)
        }
    }
}

/// The same, within a transaction that has begun, and until whose end nobody else changes the schema.
pub(crate) async fn migrate_within(session: &Session) -> Result<(), Failure> {
    session
        .rows("SELECT pg_advisory_xact_lock($1)", values![migration_name()])
        .await?;
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
    let (version, newest) = (version(session).await?, newest_version());
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

/// The version of the schema that this binary makes.
pub(crate) const fn newest_version() -> usize {
    MIGRATIONS.len()
}
