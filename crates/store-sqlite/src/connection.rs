//! Opening connections with the settings that make an acknowledged write safe, each read back.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use saldo_store::StoreError;

use crate::failure::Failure;
use crate::options::SqliteOptions;

/// Older versions can corrupt a database in WAL mode when two connections write or checkpoint.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// How long a lock held by another program is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that a connection keeps prepared: more than there are.
const STATEMENTS_KEPT: usize = 256;

/// Refuses a library that cannot be trusted with a ledger.
pub(crate) fn check_library() -> Result<(), StoreError> {
    if rusqlite::version_number() >= SQLITE_VERSION_MIN {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "this program was built with SQLite {}, which can corrupt a database; it needs 3.51.3 or newer",
        rusqlite::version()
    )))
}

/// The one connection that writes.
pub(crate) fn open_writer(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| cannot_open(path, &error))?;
    set_up_writer(&connection, options).map_err(StoreError::from)?;
    verify_writer(&connection)?;
    Ok(connection)
}

fn cannot_open(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(format!(
        "the database {} cannot be opened: {error}",
        path.display()
    ))
}

fn set_up_writer(connection: &Connection, options: &SqliteOptions) -> Result<(), Failure> {
    set_up(connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Checkpoints are made by the writer between batches, so that no caller waits for one.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -i64::from(options.cache_kibibytes))?;
    if let Some(pages) = options.pages_max {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    Ok(())
}

fn set_up(connection: &Connection) -> Result<(), Failure> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // A plan that looked at a bound value (a limit, say) is thrown away when another one is bound: each question
    // would be compiled again each time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

/// The durability settings of a connection, as the library reports them.
pub(crate) fn durability(connection: &Connection) -> Result<(String, i64), Failure> {
    let journal_mode = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    let synchronous = connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    Ok((journal_mode, synchronous))
}

fn verify_writer(connection: &Connection) -> Result<(), StoreError> {
    let (journal_mode, synchronous) = durability(connection).map_err(StoreError::from)?;
    if journal_mode != "wal" || synchronous != 2 {
        return Err(StoreError::Unavailable(format!(
            "the database does not keep acknowledged writes safe: journal_mode is {journal_mode} and synchronous \
             is {synchronous}, and must be wal and 2 (full); is the file on a network drive?"
        )));
    }
    Ok(())
}

/// One of the connections that only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| cannot_open(path, &error))?;
    set_up(&connection).map_err(StoreError::from)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|error| cannot_open(path, &error))?;
    Ok(connection)
}

/// A connection for questions that look at everything. What such a question has to remember goes into a file once it
/// is more than a few megabytes, so that memory does not grow with the ledger.
pub(crate) fn open_long_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open_reader(path)?;
    // The file is nameless, and gone with the question. Beside the database is where there must be room anyway; the
    // other places that SQLite knows may be in memory, or not to be written to.
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // A name that is no text cannot be told to SQLite.
    let told = directory.to_str().map_or(Ok(()), |directory| {
        connection.pragma_update(None, "temp_store_directory", directory)
    });
    told.and_then(|()| connection.pragma_update(None, "temp_store", "file"))
        .map_err(|error| cannot_open(path, &error))?;
    Ok(connection)
}
