//! Bringing the write-ahead log into the database: between batches, so that no caller waits for it.

use rusqlite::Connection;

use crate::failure::{Failure, Gravity, explain};
use crate::state::SharedState;

/// Batches after which the size of the log is looked at.
const BATCHES_BETWEEN_LOOKS: u64 = 8;

/// When to make a checkpoint.
pub(crate) struct Checkpoints {
    pages_max: u64,
    batches: u64,
    changed: bool,
}

/// How large the log is.
struct Log {
    pages: i64,
    pages_done: i64,
}

impl Checkpoints {
    pub(crate) fn new(pages_max: u64) -> Self {
        Self {
            pages_max,
            batches: 0,
            changed: false,
        }
    }

    /// Keeps the log bounded under load.
    pub(crate) fn after_batch(&mut self, connection: &Connection, state: &SharedState) {
        self.changed = true;
        self.batches += 1;
        if !self.batches.is_multiple_of(BATCHES_BETWEEN_LOOKS) || state.fatal().is_some() {
            return;
        }
        // `NOOP` reads the size and does nothing.
        let looked = checkpoint(connection, "NOOP");
        let is_long = looked
            .as_ref()
            .is_ok_and(|log| log.pages - log.pages_done > self.pages_max.cast_signed());
        if is_long {
            self.finish(checkpoint(connection, "PASSIVE"), state);
        }
    }

    /// Uses a quiet moment.
    pub(crate) fn when_quiet(&mut self, connection: &Connection, state: &SharedState) {
        if self.changed && self.pages_max < u64::MAX && state.fatal().is_none() {
            self.changed = false;
            self.finish(checkpoint(connection, "PASSIVE"), state);
        }
    }

    /// Empties the log, when the store is closed.
    pub(crate) fn truncate(&self, connection: &Connection) -> Result<(), Failure> {
        checkpoint(connection, "TRUNCATE").map(|_| ())
    }

    /// What is committed is safe in the log, so a checkpoint that found a reader in its way, or a full disk, is
    /// made again later. One that could not sync is the end.
    fn finish(&mut self, result: Result<Log, Failure>, state: &SharedState) {
        match result {
            Ok(log) if log.pages > log.pages_done => self.changed = true,
            Ok(_) => {}
            Err(Failure::Database(error)) if Gravity::of(&error) == Gravity::Fatal => {
                tracing::error!(error = %error, "a checkpoint failed; the store has stopped");
                state.set_fatal(&explain(&error));
            }
            Err(failure) => {
                tracing::warn!(error = ?failure, "a checkpoint could not be made and is tried again");
                self.changed = true;
            }
        }
    }
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<Log, Failure> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    Ok(statement.query_row([], |row| {
        Ok(Log {
            pages: row.get(1)?,
            pages_done: row.get(2)?,
        })
    })?)
}
