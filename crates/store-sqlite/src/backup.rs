//! A copy of a database, made while others write to it: one consistent moment, in one file.
//!
//! The copy is made under another name, checked, synced to the disk, and only then given its name: a file of that
//! name is a whole copy, whatever happened on the way.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use saldo_store::StoreError;
use tempfile::NamedTempFile;

use crate::connection::{check_library, open_reader};
use crate::failure::Failure;
use crate::schema;
use crate::store::sync_directory;

/// Pages that are copied between two looks at the progress: 4 MiB.
const PAGES_TOGETHER: i32 = 1_024;

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupProgress {
    /// Pages of the database.
    pub pages: u64,
    /// Pages that were copied.
    pub pages_done: u64,
}

/// A copy that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackedUp {
    /// Its size.
    pub bytes: u64,
    /// The version of its schema.
    pub schema_version: usize,
}

/// Why no copy was made. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something of that name is there.
    #[error("{0} exists already and is left as it is; name another file")]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("the copy {path} cannot be written: {error}")]
    File {
        /// The copy.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The copy was made, and is not whole.
    #[error("the copy is not whole, and was removed: {0}; run `saldo doctor`, and look after the disk")]
    Damaged(String),
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Failure> for BackupError {
    fn from(failure: Failure) -> Self {
        Self::Store(failure.into())
    }
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Failure::from(error).into()
    }
}

/// Copies a database to a file that does not exist yet, beside whoever has it open. Nobody waits for it; the
/// database's log grows until it has ended, because the copy still reads what was there when it began.
///
/// # Errors
/// [`BackupError`]. Nothing is left behind, and a file that was there is left as it was.
pub fn back_up(
    database: &Path,
    copy: &Path,
    watch: impl FnMut(BackupProgress),
) -> Result<BackedUp, BackupError> {
    check_library()?;
    let exists = || BackupError::Exists(copy.to_owned());
    // A link to nowhere is something as well.
    if std::fs::symlink_metadata(copy).is_ok() {
        return Err(exists());
    }
    let cannot_write = |error: io::Error| BackupError::File {
        path: copy.to_owned(),
        error,
    };
    let source = open_reader(database)?;
    let schema_version = schema::known_version(&source)?;
    let folder = copy.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Only its owner may read it: it holds orders, and hashes of keys.
    let partial =
        NamedTempFile::with_suffix_in(".partial", folder.unwrap_or(Path::new("."))).map_err(cannot_write)?;
    copy_pages(&source, partial.path(), watch)?;
    partial.as_file().sync_all().map_err(cannot_write)?;
    let bytes = partial.as_file().metadata().map_err(cannot_write)?.len();
    partial
        .persist_noclobber(copy)
        .map_err(|failed| match failed.error.kind() {
            io::ErrorKind::AlreadyExists => exists(),
            _ => cannot_write(failed.error),
        })?;
    sync_directory(copy)?;
    Ok(BackedUp {
        bytes,
        schema_version,
    })
}

fn copy_pages(
    source: &Connection,
    to: &Path,
    mut watch: impl FnMut(BackupProgress),
) -> Result<(), BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(to, flags)?;
    // It is synced once, at the end; what fails before is thrown away.
    copy.pragma_update(None, "synchronous", "off")?;
    // One moment: without a transaction around it, the copy would begin again whenever somebody writes.
    let moment = source.unchecked_transaction()?;
    moment.query_row("SELECT count(*) FROM migration", [], |_| Ok(()))?;
    let backup = Backup::new(&moment, &mut copy)?;
    loop {
        let step = backup.step(PAGES_TOGETHER)?;
        let progress = backup.progress();
        let pages = u64::try_from(progress.pagecount).unwrap_or(0);
        watch(BackupProgress {
            pages,
            pages_done: pages.saturating_sub(u64::try_from(progress.remaining).unwrap_or(0)),
        });
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            // Nobody else knows of the copy, and readers of the database wait for nobody.
            other => {
                return Err(Failure::Defect(format!("a copy met {other:?}")).into());
            }
        }
    }
    drop(backup);
    moment.commit()?;
    check_copy(&copy)?;
    copy.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// Makes the copy one file without a log beside it, and looks at every page of it.
fn check_copy(copy: &Connection) -> Result<(), BackupError> {
    let mode: String = copy.pragma_update_and_check(None, "journal_mode", "delete", |row| row.get(0))?;
    if mode != "delete" {
        return Err(BackupError::Damaged(format!("its journal mode stays {mode}")));
    }
    let problem: String = copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if problem == "ok" {
        Ok(())
    } else {
        Err(BackupError::Damaged(problem))
    }
}
