//! The threads that read, each with a connection of its own. Each question sees one consistent state.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use saldo_store::StoreError;
use tokio::sync::oneshot;

use crate::connection::{open_long_reader, open_reader};
use crate::failure::Failure;

/// Questions that may wait; more are answered with `Busy`.
const WAITING_MAX: usize = 1_024;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// The way to the reading threads.
pub(crate) struct Readers {
    questions: Mutex<Option<SyncSender<Question>>>,
}

impl Readers {
    /// Starts the threads.
    pub(crate) fn start(path: &Path, count: usize) -> Result<(Self, Vec<JoinHandle<()>>), StoreError> {
        Self::start_with(|| open_reader(path), count)
    }

    /// Starts the thread for questions that look at everything, one at a time.
    pub(crate) fn start_long(path: &Path) -> Result<(Self, Vec<JoinHandle<()>>), StoreError> {
        Self::start_with(|| open_long_reader(path), 1)
    }

    fn start_with(
        open: impl Fn() -> Result<Connection, StoreError>,
        count: usize,
    ) -> Result<(Self, Vec<JoinHandle<()>>), StoreError> {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut threads = Vec::new();
        for number in 0..count.max(1) {
            let connection = open()?;
            let receiver = Arc::clone(&receiver);
            let thread = std::thread::Builder::new()
                .name(format!("saldo-reader-{number}"))
                .spawn(move || answer_questions(&connection, &receiver))
                .map_err(|error| {
                    StoreError::Unavailable(format!("a thread could not be started: {error}"))
                })?;
            threads.push(thread);
        }
        Ok((
            Self {
                questions: Mutex::new(Some(sender)),
            },
            threads,
        ))
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, received) = oneshot::channel();
        self.send(Box::new(move |connection| {
            // Whoever asked may have gone away.
            let _ = answer.send(in_one_snapshot(connection, question));
        }))?;
        let lost = || StoreError::Unavailable("the question was lost; ask again".to_owned());
        received.await.unwrap_or_else(|_| Err(lost()))
    }

    fn send(&self, question: Question) -> Result<(), StoreError> {
        let questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = questions.as_ref() else {
            return Err(StoreError::Closed);
        };
        sender.try_send(question).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    /// Lets the threads end once they have answered what waits.
    pub(crate) fn stop(&self) {
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

fn answer_questions(connection: &Connection, questions: &Mutex<Receiver<Question>>) {
    loop {
        // The lock is held while waiting: one thread waits for the next question, the others for the lock.
        let question = questions.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(question) = question else { return };
        // A question that panics is lost, and its caller is told; the thread goes on with a clean connection.
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| question(connection)));
        if asked.is_err() && !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
}

fn in_one_snapshot<T>(
    connection: &Connection,
    question: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let begin = |sql: &str| -> Result<(), Failure> {
        connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    };
    begin("BEGIN")?;
    let answer = question(connection);
    begin("COMMIT")?;
    answer
}
