//! One process a database: the writer keeps rows in memory, and trusts that nobody else changes them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use saldo_store::StoreError;

/// A lock of the operating system on `<path>.lock`, held as long as this lives. It goes with the process,
/// however that ends.
pub(crate) struct ProcessLock {
    _file: File,
}

impl ProcessLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// When another process, or another store of this one, has the database open.
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        let path = path_of(database);
        let failed = |error: &std::io::Error| {
            StoreError::Unavailable(format!(
                "the lock file {} cannot be used: {error}",
                path.display()
            ))
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(database, &mut file)),
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        write_process_id(&mut file).map_err(|error| failed(&error))?;
        Ok(Self { _file: file })
    }
}

fn path_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn write_process_id(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

fn held(database: &Path, file: &mut File) -> StoreError {
    let mut holder = String::new();
    // Who holds it is only for the message.
    let _ = file.take(32).read_to_string(&mut holder);
    StoreError::Unavailable(format!(
        "another saldo (process {}) has the database {} open; stop it first, or name another database",
        holder.trim(),
        database.display()
    ))
}
