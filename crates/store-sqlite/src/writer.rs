//! The one thread that writes. It takes up all requests that wait, decides them one after the other in one
//! transaction, and answers none of them before the commit has reached the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use saldo_domain::decide::{Outcome, Request, first_keys};
use saldo_domain::policy::Policy;
use saldo_domain::view::View;
use saldo_store::StoreError;
use saldo_store::deciding::{RewindingIds, Undecided, decide_with_loads, in_microseconds};
use saldo_store::moves::UncommittedMoves;
use tokio::sync::oneshot;

use crate::checkpoint::Checkpoints;
use crate::failure::{Failure, Gravity, explain};
use crate::load::load_all;
use crate::lock::ProcessLock;
use crate::options::SqliteOptions;
use crate::state::SharedState;
use crate::write::{DirtyBalances, write, write_balances};

/// How long the writer waits for work before it uses the quiet for a checkpoint.
const QUIET: Duration = Duration::from_secs(1);

/// A write of plain rows, run inside a transaction; it may be run again when another one of the batch failed.
pub(crate) type PlainWrite = Box<dyn Fn(&Connection) -> Result<bool, Failure> + Send>;

/// What the writer is asked to do.
pub(crate) enum Job {
    /// Decide requests, in order.
    Decide {
        /// The requests.
        requests: Vec<Request>,
        /// One result each.
        answer: oneshot::Sender<Vec<Result<Outcome, StoreError>>>,
    },
    /// Write plain rows.
    Plain {
        /// The write.
        write: PlainWrite,
        /// Whether it removes rows that decisions read: then none that are kept in memory may outlive it.
        removes: bool,
        /// What it says.
        answer: oneshot::Sender<Result<bool, StoreError>>,
    },
    /// Decide by other settings from now on.
    Policy {
        /// The settings.
        policy: Policy,
        /// Done.
        answer: oneshot::Sender<Result<bool, StoreError>>,
    },
    /// Finish, and close.
    Close {
        /// Closed.
        answer: oneshot::Sender<Result<bool, StoreError>>,
    },
}

impl Job {
    /// How many requests it holds.
    fn requests(&self) -> usize {
        match self {
            Self::Decide { requests, .. } => requests.len(),
            _ => 1,
        }
    }

    fn refuse(self, error: &StoreError) {
        // Whoever asked may have gone away.
        match self {
            Self::Decide { requests, answer } => {
                let _ = answer.send(requests.iter().map(|_| Err(error.clone())).collect());
            }
            Self::Plain { answer, .. } | Self::Policy { answer, .. } | Self::Close { answer } => {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

/// A job that was done in the transaction, and what will be answered once that is committed.
struct Done {
    job: Job,
    results: Vec<Result<Outcome, StoreError>>,
    plain: Result<bool, StoreError>,
}

impl Done {
    fn answer(self) {
        match self.job {
            Job::Decide { answer, .. } => {
                let _ = answer.send(self.results);
            }
            Job::Plain { answer, .. } | Job::Policy { answer, .. } | Job::Close { answer } => {
                let _ = answer.send(self.plain);
            }
        }
    }
}

/// Everything that the writing thread owns.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) policy: Policy,
    pub(crate) ids: RewindingIds,
    pub(crate) options: SqliteOptions,
    pub(crate) state: Arc<SharedState>,
    pub(crate) waiting: Arc<AtomicUsize>,
    pub(crate) readers: Vec<JoinHandle<()>>,
    pub(crate) lock: ProcessLock,
    pub(crate) view: View,
    pub(crate) dirty: DirtyBalances,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) moves: UncommittedMoves,
}

impl Writer {
    /// Works until the store is closed or dropped.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        let mut close = None;
        while close.is_none() {
            match jobs.recv_timeout(QUIET) {
                Ok(Job::Close { answer }) => close = Some(answer),
                Ok(job) => close = self.batch(job, jobs),
                Err(RecvTimeoutError::Timeout) => self.checkpoints.when_quiet(&self.connection, &self.state),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let closed = self.shut_down();
        if let Some(answer) = close {
            let _ = answer.send(closed.map(|()| true));
        }
        for job in jobs.try_iter() {
            job.refuse(&StoreError::Closed);
        }
    }

    /// One transaction: the first job, and all that come while it is open. Returns a wish to close, if one came.
    fn batch(
        &mut self,
        first: Job,
        jobs: &Receiver<Job>,
    ) -> Option<oneshot::Sender<Result<bool, StoreError>>> {
        if let Some(error) = self.state.fatal() {
            self.no_longer_waiting(&first);
            first.refuse(&error);
            return None;
        }
        let begun = now();
        let mut done = Vec::new();
        let mut requests = 0;
        let mut close = None;
        let mut next = Some(first);
        let mut result = self.begin();
        while let Some(job) = next {
            if let Job::Close { answer } = job {
                close = Some(answer);
                break;
            }
            self.no_longer_waiting(&job);
            requests += job.requests();
            done.push(self.take_up(job, &mut result));
            let is_full = requests >= self.options.batch_requests_max
                || now().duration_since(begun).as_millis() >= u128::from(self.options.batch_milliseconds_max);
            next = if is_full || result.is_err() {
                None
            } else {
                jobs.try_recv().ok().or_else(|| {
                    // Whoever is about to ask may do so now, and shares this commit. Where nobody waits for a processor,
                    // this takes no time.
                    std::thread::yield_now();
                    jobs.try_recv().ok()
                })
            };
        }
        let result = result.and_then(|()| self.commit());
        self.end(result, done);
        self.checkpoints.after_batch(&self.connection, &self.state);
        close
    }

    fn no_longer_waiting(&self, job: &Job) {
        self.waiting.fetch_sub(job.requests(), Ordering::AcqRel);
    }

    fn begin(&mut self) -> Result<(), Failure> {
        if self.view.rows() > self.options.kept_rows_max {
            self.view.forget(self.options.kept_rows_max / 2);
        }
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Failure> {
        write_balances(&self.connection, &mut self.dirty)?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.state.moves.commit(&mut self.moves);
        Ok(())
    }

    /// Does a job in the open transaction. A failure that spoils the transaction goes to `result`.
    fn take_up(&mut self, job: Job, result: &mut Result<(), Failure>) -> Done {
        let mut done = Done {
            job,
            results: Vec::new(),
            plain: Ok(true),
        };
        if result.is_err() {
            return done;
        }
        match &done.job {
            Job::Decide { requests, .. } => {
                for request in requests {
                    match self.decide(request.clone()) {
                        Ok(answer) => done.results.push(answer),
                        Err(failure) => {
                            *result = Err(failure);
                            break;
                        }
                    }
                }
            }
            Job::Plain { write, removes, .. } => {
                if *removes && let Err(failure) = self.forget_rows() {
                    *result = Err(failure);
                    return done;
                }
                match write(&self.connection) {
                    Ok(answer) => done.plain = Ok(answer),
                    Err(Failure::Database(error)) if Gravity::of(&error) != Gravity::Mistake => {
                        *result = Err(Failure::Database(error));
                    }
                    Err(failure) => done.plain = Err(failure.into()),
                }
            }
            Job::Policy { policy, .. } => self.policy = policy.clone(),
            Job::Close { .. } => {}
        }
        done
    }

    /// Forgets the rows kept from earlier decisions, once all that they changed is written.
    fn forget_rows(&mut self) -> Result<(), Failure> {
        write_balances(&self.connection, &mut self.dirty)?;
        self.view = View::default();
        Ok(())
    }

    /// Decides one request and writes its changes. The outer error spoils the transaction, the inner one only
    /// this request.
    fn decide(&mut self, request: Request) -> Result<Result<Outcome, StoreError>, Failure> {
        let request = in_microseconds(request);
        let connection = &self.connection;
        let decided = match load_all(connection, &mut self.view, &first_keys(&request, &self.policy)) {
            Ok(()) => decide_with_loads(
                &mut self.view,
                &request,
                &self.policy,
                &mut self.ids,
                |view, keys| load_all(connection, view, keys),
            ),
            Err(failure) => Err(Undecided::Load(failure)),
        };
        match decided {
            Ok((changes, outcome)) => {
                write(connection, &changes, &mut self.dirty)?;
                self.moves.add(&changes);
                self.view.apply(changes);
                Ok(Ok(outcome))
            }
            Err(Undecided::Load(Failure::Database(error))) => Err(Failure::Database(error)),
            Err(undecided) => Ok(Err(undecided.into())),
        }
    }

    /// Answers a batch.
    fn end(&mut self, result: Result<(), Failure>, done: Vec<Done>) {
        let Err(failure) = result else {
            done.into_iter().for_each(Done::answer);
            return;
        };
        self.roll_back();
        match failure {
            Failure::Database(error) if Gravity::of(&error) != Gravity::Mistake => {
                if Gravity::of(&error) == Gravity::Fatal {
                    self.state.set_fatal(&explain(&error));
                    tracing::error!(error = %error, "the database failed; the store has stopped");
                }
                // A commit that met an I/O error may or may not have reached the disk.
                let answer = match Gravity::of(&error) {
                    Gravity::Fatal => StoreError::Unknown(explain(&error)),
                    Gravity::Passing | Gravity::Mistake => StoreError::Unavailable(explain(&error)),
                };
                done.into_iter().for_each(|done| done.job.refuse(&answer));
            }
            mistake if done.len() == 1 && done[0].job.requests() == 1 => {
                tracing::error!(error = ?mistake, "a decision could not be stored");
                let error = StoreError::from(mistake);
                done.into_iter().for_each(|done| done.job.refuse(&error));
            }
            _ => done.into_iter().for_each(|done| self.alone(done.job)),
        }
    }

    /// Drops the transaction, and everything in memory that came from it.
    fn roll_back(&mut self) {
        self.view = View::default();
        self.dirty.clear();
        self.moves = UncommittedMoves::default();
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            self.state
                .set_fatal(&format!("a transaction could not be rolled back: {error}"));
        }
    }

    /// Does a job again, each request in a transaction of its own, because one of the batch cannot be stored:
    /// it shall spoil no other. Nothing of the batch has been answered.
    fn alone(&mut self, job: Job) {
        match job {
            Job::Decide { requests, answer } => {
                let results = requests
                    .into_iter()
                    .map(|request| self.decide_alone(request))
                    .collect();
                let _ = answer.send(results);
            }
            job => {
                let mut result = self.begin();
                let done = self.take_up(job, &mut result);
                let result = result.and_then(|()| self.commit());
                self.end(result, vec![done]);
            }
        }
    }

    fn decide_alone(&mut self, request: Request) -> Result<Outcome, StoreError> {
        let (answer, mut receiver) = oneshot::channel();
        let job = Job::Decide {
            requests: vec![request],
            answer,
        };
        if let Some(error) = self.state.fatal() {
            return Err(error);
        }
        let mut result = self.begin();
        let done = self.take_up(job, &mut result);
        let result = result.and_then(|()| self.commit());
        self.end(result, vec![done]);
        let results = receiver.try_recv().unwrap_or_default();
        results.into_iter().next().unwrap_or(Err(StoreError::Closed))
    }

    /// Ends the readers, so that the whole log can go into the database, and closes.
    fn shut_down(mut self) -> Result<(), StoreError> {
        self.state.close();
        self.checkpoints.stop();
        for reader in self.readers {
            // A reader that panicked has answered nobody else; there is nothing left to do for it.
            let _ = reader.join();
        }
        if self.state.fatal().is_none() {
            self.checkpoints
                .truncate(&self.connection)
                .map_err(StoreError::from)?;
        }
        let closed = self
            .connection
            .close()
            .map_err(|(_, error)| StoreError::from(Failure::from(error)));
        drop(self.lock);
        closed
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "bounds a transaction; nothing that is stored depends on it"
)]
fn now() -> Instant {
    Instant::now()
}
