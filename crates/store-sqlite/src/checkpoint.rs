//! Bringing the write-ahead log into the database. Under load a thread of its own does most of it while the writer goes
//! on, so that callers wait for the little that came meanwhile, and not for the disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use saldo_store::StoreError;

use crate::connection;
use crate::failure::{Failure, Gravity, explain};
use crate::options::SqliteOptions;
use crate::state::SharedState;

/// Batches after which the size of the log is looked at.
const BATCHES_BETWEEN_LOOKS: u64 = 8;
/// What is left behind by the helper is brought in by the writer when it is at most this part of a full log.
const REST_PART: i64 = 4;
/// A log that grew to so many times its bound is brought in by the writer, however long that takes: it must not grow
/// for ever because the disk is slow.
const GROWTH_MAX: i64 = 8;

/// When to make a checkpoint, and who.
pub(crate) struct Checkpoints {
    pages_max: u64,
    batches: u64,
    changed: bool,
    /// Whether the helper has brought in most of the log, and the rest is still to come. Only a log of which
    /// everything was brought in is begun anew.
    rest_is_left: bool,
    helper: Option<Helper>,
}

/// The thread that makes checkpoints while the writer goes on.
struct Helper {
    ask: SyncSender<()>,
    is_at_work: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// How large the log is.
struct Log {
    pages: i64,
    pages_done: i64,
}

impl Checkpoints {
    /// Starts the helper, unless checkpoints are made at the end only.
    pub(crate) fn start(
        path: &Path,
        options: &SqliteOptions,
        state: &Arc<SharedState>,
    ) -> Result<Self, StoreError> {
        let helper = if options.checkpoint_pages < u64::MAX {
            Some(Helper::start(path, options, Arc::clone(state))?)
        } else {
            None
        };
        Ok(Self {
            pages_max: options.checkpoint_pages,
            batches: 0,
            changed: false,
            rest_is_left: false,
            helper,
        })
    }

    /// Keeps the log bounded under load.
    pub(crate) fn after_batch(&mut self, connection: &Connection, state: &SharedState) {
        self.changed = true;
        self.batches += 1;
        let Some(helper) = &self.helper else { return };
        if !self.batches.is_multiple_of(BATCHES_BETWEEN_LOOKS) || state.fatal().is_some() {
            return;
        }
        // `NOOP` reads the size and does nothing.
        let Ok(log) = checkpoint(connection, "NOOP") else {
            return;
        };
        let bound = i64::try_from(self.pages_max).unwrap_or(i64::MAX);
        let left = log.pages - log.pages_done;
        let is_at_work = helper.is_at_work.load(Ordering::Acquire);
        if left > bound.saturating_mul(GROWTH_MAX)
            || (self.rest_is_left && !is_at_work && left <= bound / REST_PART)
        {
            self.rest_is_left = false;
            self.finish(checkpoint(connection, "PASSIVE"), state);
        } else if !is_at_work && (self.rest_is_left || left > bound) {
            self.rest_is_left = helper.ask();
        }
    }

    /// Uses a quiet moment.
    pub(crate) fn when_quiet(&mut self, connection: &Connection, state: &SharedState) {
        if self.changed && self.helper.is_some() && state.fatal().is_none() {
            self.changed = false;
            self.rest_is_left = false;
            self.finish(checkpoint(connection, "PASSIVE"), state);
        }
    }

    /// Ends the helper, before the database is closed.
    pub(crate) fn stop(&mut self) {
        if let Some(Helper { ask, thread, .. }) = self.helper.take() {
            drop(ask);
            // A helper that panicked has left the log as it was; nothing is lost by it.
            let _ = thread.join();
        }
    }

    /// Empties the log, when the store is closed.
    pub(crate) fn truncate(&self, connection: &Connection) -> Result<(), Failure> {
        checkpoint(connection, "TRUNCATE").map(|_| ())
    }

    fn finish(&mut self, result: Result<Log, Failure>, state: &SharedState) {
        if !is_done(result, state) {
            self.changed = true;
        }
    }
}

impl Helper {
    fn start(path: &Path, options: &SqliteOptions, state: Arc<SharedState>) -> Result<Self, StoreError> {
        let connection = connection::open_writer(path, options)?;
        let (ask, asked) = sync_channel(1);
        let is_at_work = Arc::new(AtomicBool::new(false));
        let at_work = Arc::clone(&is_at_work);
        let thread = std::thread::Builder::new()
            .name("saldo-checkpoint".to_owned())
            .spawn(move || {
                while let Ok(()) = asked.recv() {
                    if state.fatal().is_none() {
                        is_done(checkpoint(&connection, "PASSIVE"), &state);
                    }
                    at_work.store(false, Ordering::Release);
                }
            })
            .map_err(|error| StoreError::Unavailable(format!("a thread could not be started: {error}")))?;
        Ok(Self {
            ask,
            is_at_work,
            thread,
        })
    }

    /// Has it make a checkpoint; says whether it could be asked.
    fn ask(&self) -> bool {
        self.is_at_work.store(true, Ordering::Release);
        let is_asked = self.ask.try_send(()).is_ok();
        if !is_asked {
            self.is_at_work.store(false, Ordering::Release);
        }
        is_asked
    }
}

/// Whether everything was brought in. What is committed is safe in the log, so a checkpoint that found a reader in its
/// way, or a full disk, is made again later. One that could not sync is the end.
fn is_done(result: Result<Log, Failure>, state: &SharedState) -> bool {
    match result {
        Ok(log) => log.pages <= log.pages_done,
        Err(Failure::Database(error)) if Gravity::of(&error) == Gravity::Fatal => {
            tracing::error!(error = %error, "a checkpoint failed; the store has stopped");
            state.set_fatal(&explain(&error));
            true
        }
        Err(failure) => {
            tracing::warn!(error = ?failure, "a checkpoint could not be made and is tried again");
            false
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
