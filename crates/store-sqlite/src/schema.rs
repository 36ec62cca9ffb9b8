//! The schema: migrations that are part of the binary, each recorded with a checksum.

use rusqlite::{Connection, params};
use saldo_store::StoreError;
use saldo_store::migrations::{self, Migration};

use crate::failure::Failure;

/// Marks a file as a database of Saldo: `SALD`.
const APPLICATION_ID: i32 = 0x5341_4C44;

/// All migrations, in order; the first has version 1. One that was released is never changed: a change is
/// another one.
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
        name: "0006_leases",
        sql: include_str!("../migrations/0006_leases.sql"),
        former: &[],
    },
    Migration {
        name: "0007_aside",
        sql: include_str!("../migrations/0007_aside.sql"),
        former: &[],
    },
];

/// Brings the schema up to date.
///
/// # Errors
/// When the file is another program's, newer than this binary, or was migrated by something else.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version = verified_version(connection)?;
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        apply(connection, index + 1, migration).map_err(StoreError::from)?;
    }
    Ok(())
}

/// The version of the schema of a database that has one and is as this binary would have made it; older ones, too.
///
/// # Errors
/// As [`migrate`], and when there is no ledger in the file.
pub(crate) fn known_version(connection: &Connection) -> Result<usize, StoreError> {
    match verified_version(connection)? {
        0 => Err(StoreError::Unavailable(
            "there is no ledger in the file yet".to_owned(),
        )),
        version => Ok(version),
    }
}

/// Checks that a database has the schema that this binary makes, and no older one.
///
/// # Errors
/// As [`known_version`], and when it is older.
pub(crate) fn check_newest(connection: &Connection) -> Result<(), StoreError> {
    let (version, newest) = (known_version(connection)?, MIGRATIONS.len());
    if version == newest {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "the database has schema version {version}, and this program copies version {newest}; start this saldo on \
         it once, or use the one that it belongs to"
    )))
}

/// The version of the schema; 0 of an empty file.
fn verified_version(connection: &Connection) -> Result<usize, StoreError> {
    let version = version_of(connection)?;
    migrations::check_not_newer(MIGRATIONS, version)?;
    if version > 0 {
        verify(connection, version)?;
    }
    Ok(version)
}

/// The version that a file says its schema has; 0 of an empty file.
fn version_of(connection: &Connection) -> Result<usize, StoreError> {
    let read =
        |pragma: &str| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i32>(0));
    let application = read("application_id").map_err(Failure::from)?;
    let version = read("user_version").map_err(Failure::from)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(Failure::from)?;
    let is_empty = tables == 0 && version == 0 && application == 0;
    if application != APPLICATION_ID && !is_empty {
        let detail = "the file is a database of another program; name another file";
        return Err(StoreError::Unavailable(detail.to_owned()));
    }
    usize::try_from(version).map_err(|_| StoreError::Corrupt(format!("the schema version is {version}")))
}

/// Checks that the migrations recorded are those of this binary.
fn verify(connection: &Connection, version: usize) -> Result<(), StoreError> {
    let recorded: Vec<(i64, String)> = connection
        .prepare("SELECT version, checksum FROM migration ORDER BY version")
        .and_then(|mut statement| {
            statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .map_err(Failure::from)?;
    migrations::verify(MIGRATIONS, version, &recorded)
}

/// Applies one migration, all of it or nothing.
fn apply(connection: &mut Connection, version: usize, migration: &Migration) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (
             version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
         ) STRICT",
    )?;
    transaction.execute_batch(migration.sql)?;
    transaction.execute(
        "INSERT INTO migration (version, name, checksum, applied_at) \
         VALUES (?1, ?2, ?3, CAST(unixepoch('subsec') * 1000000 AS INTEGER))",
        params![version as i64, migration.name, migration.checksum()],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version as i64)?;
    transaction.commit()?;
    Ok(())
}

/// The version of the schema that this binary makes.
pub(crate) const fn newest_version() -> usize {
    MIGRATIONS.len()
}
