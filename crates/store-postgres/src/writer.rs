//! The tasks that write. Each takes up all requests that wait, has them decided in one transaction, and answers
//! none of them before the server has said that it is committed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use saldo_domain::decide::{Command, Outcome, Request};
use saldo_domain::policy::Policy;
use saldo_store::StoreError;
use saldo_store::deciding::RewindingIds;
use saldo_store::moves::Moves;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio_postgres::error::SqlState;

use crate::batch::{Batch, Committed};
use crate::failure::{Failure, Gravity};
use crate::kept::Kept;
use crate::locks::{EVERYTHING, Names};
use crate::options::PostgresOptions;
use crate::plain::Plain;
use crate::queue::Queue;
use crate::session::{Session, Sessions};
use crate::sql::stored;
use crate::transaction::{Beginnings, Mark, Markers, commit, may_pass};

/// Attempts that may be given back for locks, before all of them are taken at once: then nothing can be in the way.
const CONTENDED_MAX: u32 = 3;
/// Attempts with all locks that may still be given back: none should.
const GIVEN_UP_AFTER: u32 = 3;
/// How long a transaction waits before it is begun again, at first.
const PAUSE_MILLISECONDS: u64 = 5;
/// The same when the connection was lost: a server that restarts takes a while.
const LOST_PAUSE_MILLISECONDS: u64 = 50;

/// What is asked of a writer.
pub(crate) enum Work {
    /// Decide requests, in order.
    Decide(Vec<Request>),
    /// Write plain rows.
    Plain(Plain),
}

impl Work {
    /// How many requests it holds.
    pub(crate) fn requests(&self) -> usize {
        match self {
            Self::Decide(requests) => requests.len(),
            Self::Plain(_) => 1,
        }
    }

    /// Whether all of it is about deliveries under way.
    fn is_of_deliveries(&self) -> bool {
        let is_one = |request: &Request| matches!(request.command, Command::Claim(_) | Command::Settle(_));
        matches!(self, Self::Decide(requests) if requests.iter().all(is_one))
    }
}

/// Where jobs wait for writers, apart from each other.
pub(crate) struct Entrances {
    pub(crate) of_deliveries: UnboundedSender<Job>,
    pub(crate) of_others: UnboundedSender<Job>,
}

impl Entrances {
    /// Hands a job over; whether there is anybody to take it.
    pub(crate) fn send(&self, job: Job) -> bool {
        let entrance = if job.work.is_of_deliveries() {
            &self.of_deliveries
        } else {
            &self.of_others
        };
        entrance.send(job).is_ok()
    }
}

/// Jobs that wait for the same writers.
pub(crate) type Jobs = Arc<AsyncMutex<UnboundedReceiver<Job>>>;

/// What is answered.
pub(crate) enum Done {
    /// One result a request.
    Decided(Vec<Result<Outcome, StoreError>>),
    /// What the write said.
    Written(Result<bool, StoreError>),
}

/// Work, with whoever waits for it.
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) answer: oneshot::Sender<Done>,
}

impl Job {
    fn refuse(self, error: &StoreError) {
        let done = match &self.work {
            Work::Decide(requests) => Done::Decided(requests.iter().map(|_| Err(error.clone())).collect()),
            Work::Plain(_) => Done::Written(Err(error.clone())),
        };
        // Whoever asked may have gone away.
        let _ = self.answer.send(done);
    }
}

/// What all writers share.
pub(crate) struct Shared {
    pub(crate) sessions: Sessions,
    pub(crate) beginnings: Beginnings,
    pub(crate) options: PostgresOptions,
    pub(crate) policy: RwLock<Arc<Policy>>,
    pub(crate) ids: Mutex<RewindingIds>,
    pub(crate) waiting: AtomicUsize,
    pub(crate) markers: Markers,
    pub(crate) moves: Moves,
    pub(crate) queue: Queue,
    pub(crate) kept: Kept,
}

impl Shared {
    /// Learns from a failure what the next attempt must do otherwise.
    pub(crate) fn note(&self, failure: &Failure) {
        if let Failure::Database(error) = failure
            && Gravity::of(error) == Gravity::Unprepared
        {
            self.sessions.stop_preparing();
        }
    }
}

/// One writer.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    jobs: Jobs,
}

impl Writer {
    pub(crate) const fn new(shared: Arc<Shared>, jobs: Jobs) -> Self {
        Self { shared, jobs }
    }

    /// Works until nobody can ask any more.
    pub(crate) async fn run(self) {
        while let Some(jobs) = self.next_jobs().await {
            self.all(jobs).await;
        }
    }

    /// All jobs that wait, up to the bound of a transaction.
    async fn next_jobs(&self) -> Option<Vec<Job>> {
        let mut waiting = self.jobs.lock().await;
        let first = waiting.recv().await?;
        // Whoever was just answered may have the next request at hand.
        tokio::task::yield_now().await;
        let mut requests = first.work.requests();
        let mut jobs = vec![first];
        while requests < self.shared.options.batch_requests_max {
            let Ok(job) = waiting.try_recv() else { break };
            requests += job.work.requests();
            jobs.push(job);
        }
        self.shared.waiting.fetch_sub(requests, Ordering::AcqRel);
        Some(jobs)
    }

    /// Does jobs in one transaction; when one of them cannot be stored, each in its own: it shall spoil no other.
    async fn all(&self, jobs: Vec<Job>) {
        let work: Vec<&Work> = jobs.iter().map(|job| &job.work).collect();
        match self.insist(&work).await {
            Ok(done) => {
                for (job, done) in jobs.into_iter().zip(done) {
                    let _ = job.answer.send(done);
                }
            }
            Err(failure) => {
                let spoiled = is_mistake(&failure);
                let requests: usize = jobs.iter().map(|job| job.work.requests()).sum();
                if !spoiled || requests == 1 {
                    if spoiled {
                        tracing::error!(error = ?failure, "a decision could not be stored");
                    }
                    let error = StoreError::from(failure);
                    jobs.into_iter().for_each(|job| job.refuse(&error));
                    return;
                }
                for job in jobs {
                    self.alone(job).await;
                }
            }
        }
    }

    /// Does a job, each request in a transaction of its own.
    async fn alone(&self, job: Job) {
        let done = match job.work {
            Work::Decide(requests) => {
                let mut results = Vec::with_capacity(requests.len());
                for request in requests {
                    let work = Work::Decide(vec![request]);
                    let result = match self.insist(&[&work]).await {
                        Ok(done) => done.into_iter().next().and_then(only_result),
                        Err(failure) => Some(Err(failure.into())),
                    };
                    let missing = || Err(StoreError::Defect("a request was not answered".to_owned()));
                    results.push(result.unwrap_or_else(missing));
                }
                Done::Decided(results)
            }
            Work::Plain(plain) => match self.insist(&[&Work::Plain(plain)]).await {
                Ok(done) => match done.into_iter().next() {
                    Some(done) => done,
                    None => Done::Written(Ok(true)),
                },
                Err(failure) => Done::Written(Err(failure.into())),
            },
        };
        let _ = job.answer.send(done);
    }

    /// Does work in one transaction, begun again as often as it may be when something was in the way.
    async fn insist(&self, work: &[&Work]) -> Result<Vec<Done>, Failure> {
        let mut besides = Names::new();
        let (mut contended, mut failed) = (0, 0);
        loop {
            let failure = match self.attempt(work, &besides).await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let mut pause = PAUSE_MILLISECONDS;
            match failure {
                Failure::Contended(names) if contended < CONTENDED_MAX + GIVEN_UP_AFTER => {
                    besides.extend(names);
                    contended += 1;
                    if contended >= CONTENDED_MAX {
                        besides = Names::from([(EVERYTHING, true)]);
                    }
                    // The locks are waited for at the beginning of the next attempt.
                    pause = 0;
                }
                failure if may_pass(&failure) && failed + 1 < self.shared.options.attempts_max => {
                    failed += 1;
                    if is_lost(&failure) {
                        pause = LOST_PAUSE_MILLISECONDS;
                    }
                    self.shared.note(&failure);
                    if is_out_of_locks(&failure) {
                        besides = Names::from([(EVERYTHING, true)]);
                    }
                    pause <<= failed.min(8);
                    tracing::debug!(?failure, "a transaction is begun again");
                }
                failure => return Err(failure),
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn attempt(&self, work: &[&Work], besides: &Names) -> Result<Vec<Done>, Failure> {
        let session = self.shared.sessions.take().await?;
        let policy = Arc::clone(&self.shared.policy.read().unwrap_or_else(PoisonError::into_inner));
        let mark = self.shared.markers.next();
        let marker = mark.marker;
        let committed = match self.within(&session, &policy, work, besides, mark).await {
            Ok((done, committed)) => {
                let (sessions, beginnings) = (&self.shared.sessions, &self.shared.beginnings);
                commit(session, sessions, beginnings, marker)
                    .await
                    .map(|()| (done, committed))
            }
            Err(failure) => {
                session.roll_back().await;
                Err(failure)
            }
        };
        let (done, committed) = committed.inspect_err(|_| self.shared.queue.look_again())?;
        let Committed {
            mut moves,
            due,
            claims,
            rewritten,
        } = committed;
        self.shared.markers.committed(marker);
        self.shared.moves.commit(&mut moves);
        for (account, due_at) in due {
            self.shared.queue.stored(account, stored(due_at));
        }
        self.shared.kept.forget(&rewritten);
        self.shared.kept.keep(claims);
        Ok(done)
    }

    /// All work, within a transaction.
    async fn within(
        &self,
        session: &Session,
        policy: &Policy,
        work: &[&Work],
        besides: &Names,
        mark: Mark,
    ) -> Result<(Vec<Done>, Committed), Failure> {
        let requests: Vec<&Request> = work
            .iter()
            .flat_map(|work| match work {
                Work::Decide(requests) => requests.as_slice(),
                Work::Plain(_) => &[],
            })
            .collect();
        let shared = &*self.shared;
        let mut batch = Batch::new(
            session,
            policy,
            &shared.ids,
            &shared.options,
            &shared.queue,
            &shared.kept,
        );
        batch.begin(&shared.beginnings.write, &requests, besides).await?;
        let mut results = Vec::with_capacity(requests.len());
        for (index, request) in requests.iter().enumerate() {
            results.push(batch.decide(request, &requests[index + 1..]).await?);
        }
        let committed = batch.finish(mark).await?;
        let written = write_plain(session, work).await?;
        let (mut results, mut written) = (results.into_iter(), written.into_iter());
        let done = work.iter().map(|work| match work {
            Work::Decide(requests) => Done::Decided(results.by_ref().take(requests.len()).collect()),
            Work::Plain(_) => Done::Written(written.next().unwrap_or(Ok(true))),
        });
        Ok((done.collect(), committed))
    }
}

/// The plain writes, in the order that all transactions keep; answered in the order asked.
async fn write_plain(session: &Session, work: &[&Work]) -> Result<Vec<Result<bool, StoreError>>, Failure> {
    let mut writes: Vec<(usize, &Plain)> = work
        .iter()
        .filter_map(|work| match work {
            Work::Plain(plain) => Some(plain),
            Work::Decide(_) => None,
        })
        .enumerate()
        .collect();
    writes.sort_by_key(|(index, plain)| (plain.place(), *index));
    let mut answers: Vec<Result<bool, StoreError>> = writes.iter().map(|_| Ok(true)).collect();
    for (index, plain) in writes {
        answers[index] = match plain.write(session).await {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(refusal)) => Err(refusal.into()),
            Err(failure) => return Err(failure),
        };
    }
    Ok(answers)
}

fn only_result(done: Done) -> Option<Result<Outcome, StoreError>> {
    match done {
        Done::Decided(results) => results.into_iter().next(),
        Done::Written(_) => None,
    }
}

/// Whether one request of several is to blame, and the others need not fail with it.
fn is_mistake(failure: &Failure) -> bool {
    match failure {
        Failure::Database(error) => {
            Gravity::of(error) == Gravity::Mistake || error.code() == Some(&SqlState::UNIQUE_VIOLATION)
        }
        Failure::Changed(_) | Failure::Corrupt(_) | Failure::Defect(_) => true,
        _ => false,
    }
}

/// The server has room for a bounded number of locks, over all instances.
fn is_out_of_locks(failure: &Failure) -> bool {
    matches!(failure, Failure::Database(error) if error.code() == Some(&SqlState::OUT_OF_MEMORY))
}

fn is_lost(failure: &Failure) -> bool {
    match failure {
        Failure::Database(error) => Gravity::of(error) == Gravity::Lost,
        Failure::Unreachable(_) => true,
        _ => false,
    }
}
