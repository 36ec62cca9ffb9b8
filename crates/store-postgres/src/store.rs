//! The store as the engine sees it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;
use saldo_domain::decide::{Outcome, Request};
use saldo_domain::ids::{AccountId, OperationId, OrderKey, ReviewId};
use saldo_domain::operation::Operation;
use saldo_domain::policy::Policy;
use saldo_domain::review::{Review, ReviewReason};
use saldo_domain::stock::{Balance, Mapping, OfferKey};
use saldo_domain::text::Sku;
use saldo_domain::view::OrderFile;
use saldo_store::deciding::{RewindingIds, in_microseconds};
use saldo_store::moves::Moves;
use saldo_store::query::{
    Account, ApiKey, BalanceFilter, Counts, LogPage, MovementRow, OperationFilter, Page, PageRequest,
    ReviewFilter, StockLineKey, Violation,
};
use saldo_store::{Rules, Store, StoreError};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::task::JoinHandle;

use crate::address::Address;
use crate::failure::Failure;
use crate::hints::Hinting;
use crate::kept::Kept;
use crate::old_index::OldIndex;
use crate::options::PostgresOptions;
use crate::plain::Plain;
use crate::queue::Queue;
use crate::session::{Session, Sessions};
use crate::sql::values;
use crate::state::State;
use crate::transaction::{Beginnings, MARK, Markers, commit, may_pass, remove_old_markers};
use crate::writer::{Done, Entrances, Job, Jobs, Shared, Work, Writer};
use crate::{check, counts, lists, load, reads, schema, server};

/// A store on one PostgreSQL database, which other instances may use at the same time.
pub struct PostgresStore {
    address: Arc<Address>,
    shared: Arc<Shared>,
    jobs: Mutex<Option<Entrances>>,
    writers: Mutex<Vec<JoinHandle<()>>>,
    /// Held by a question that looks at everything: one runs at a time.
    long_question: AsyncMutex<()>,
    hinting: Hinting,
    state: State,
    pub(crate) old_index: OldIndex,
}

/// How often a read is tried, when its connection was lost.
const READS_MAX: u32 = 3;
/// How long a lost read waits before it is tried again.
const READ_PAUSE: Duration = Duration::from_millis(100);
/// How long a write that met another one waits before it is tried again, at first.
const WRITE_PAUSE: Duration = Duration::from_millis(10);

/// Whether a question must be answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Short,
    /// It looks at everything.
    Long,
}

impl PostgresStore {
    /// Connects to a database, and brings its schema up to date. The database itself must be there.
    ///
    /// Leases are left as they are: another instance may hold them, and they end by themselves.
    ///
    /// # Errors
    /// When the address cannot be used, when the server cannot be reached or would not keep acknowledged writes
    /// safe, or when the schema is not one that this binary can use. The message says what to do.
    pub async fn open(url: &str, rules: Rules, options: PostgresOptions) -> Result<Self, StoreError> {
        let address = Address::parse(url)?;
        let sessions = Sessions::new(&address, &options)?;
        let mut session = sessions.take().await.map_err(StoreError::from)?;
        // Another instance may be bringing the schema up to date.
        session.wait_without_end();
        session.prepare_nothing();
        server::check(&session, &options).await?;
        schema::migrate(&session).await?;
        remove_old_markers(&session).await?;
        let markers = Markers::new(&session).await?;
        drop(session);
        let old_index_kept_milliseconds = options.old_index_kept_milliseconds;
        let (of_deliveries, deliveries) = unbounded_channel();
        let (of_others, others) = unbounded_channel();
        let shared = Arc::new(Shared {
            sessions,
            beginnings: Beginnings::new(&options),
            policy: RwLock::new(Arc::new(rules.policy)),
            ids: Mutex::new(RewindingIds::new(rules.ids)),
            waiting: AtomicUsize::new(0),
            markers,
            moves: Moves::default(),
            queue: Queue::new(Duration::from_millis(options.queue_known_milliseconds)),
            kept: Kept::default(),
            options,
        });
        let mut writers = Vec::new();
        for (jobs, count) in [
            (deliveries, shared.options.delivery_writers),
            (others, shared.options.writers),
        ] {
            let jobs: Jobs = Arc::new(AsyncMutex::new(jobs));
            for _ in 0..count.max(1) {
                let writer = Writer::new(Arc::clone(&shared), Arc::clone(&jobs));
                writers.push(tokio::spawn(writer.run()));
            }
        }
        let jobs = Entrances {
            of_deliveries,
            of_others,
        };
        let address = Arc::new(address);
        Ok(Self {
            hinting: Hinting::new(
                &address,
                &shared.sessions,
                shared.options.connect_milliseconds_max,
            ),
            address,
            shared,
            jobs: Mutex::new(Some(jobs)),
            writers: Mutex::new(writers),
            long_question: AsyncMutex::new(()),
            state: State::default(),
            old_index: OldIndex::new(Duration::from_millis(old_index_kept_milliseconds)),
        })
    }

    /// How many locks one transaction may hold.
    pub(crate) fn locks_max(&self) -> usize {
        self.shared.options.locks_max.max(1)
    }

    pub(crate) const fn hinting(&self) -> &Hinting {
        &self.hinting
    }

    /// Hands work over, unless too many requests wait already.
    fn submit(&self, work: Work) -> Result<oneshot::Receiver<Done>, StoreError> {
        self.state.check()?;
        let requests = work.requests();
        let waiting = self.shared.waiting.fetch_add(requests, Ordering::AcqRel);
        // A single large job is let in when nothing waits, or it could never be.
        if waiting > 0 && waiting + requests > self.shared.options.waiting_requests_max {
            self.shared.waiting.fetch_sub(requests, Ordering::AcqRel);
            return Err(StoreError::Busy);
        }
        let (answer, received) = oneshot::channel();
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let jobs = jobs.as_ref().ok_or(StoreError::Closed)?;
        if jobs.send(Job { work, answer }) {
            Ok(received)
        } else {
            Err(StoreError::Closed)
        }
    }

    async fn decide(&self, requests: Vec<Request>) -> Vec<Result<Outcome, StoreError>> {
        let count = requests.len();
        let refused = |error: &StoreError| (0..count).map(|_| Err(error.clone())).collect();
        let requests = requests.into_iter().map(in_microseconds).collect();
        match self.submit(Work::Decide(requests)) {
            Ok(received) => match received.await {
                Ok(Done::Decided(results)) => results,
                Ok(Done::Written(_)) | Err(_) => refused(&writer_is_gone()),
            },
            Err(error) => refused(&error),
        }
    }

    async fn write(&self, plain: Plain) -> Result<bool, StoreError> {
        match self.submit(Work::Plain(plain))?.await {
            Ok(Done::Written(answer)) => answer,
            Ok(Done::Decided(_)) | Err(_) => Err(writer_is_gone()),
        }
    }

    /// Answers a question in one snapshot. It runs in a task of its own: a caller that goes away leaves no
    /// transaction open.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        question: impl for<'s> Fn(&'s Session) -> BoxFuture<'s, Result<T, Failure>> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let begin = self.shared.beginnings.read.clone();
        self.read_from(begin, Length::Short, question).await
    }

    /// The same for a question that may take long.
    pub(crate) async fn read_at_length<T: Send + 'static>(
        &self,
        question: impl for<'s> Fn(&'s Session) -> BoxFuture<'s, Result<T, Failure>> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.long_question.lock().await;
        let begin = self.shared.beginnings.long_read.clone();
        self.read_from(begin, Length::Long, question).await
    }

    /// Writes plain rows in a transaction of their own, begun again when something was in the way; like a read, in a
    /// task of its own.
    pub(crate) async fn write_all<T: Send + 'static>(
        &self,
        write: impl for<'s> Fn(&'s Session) -> BoxFuture<'s, Result<T, Failure>> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        self.state.check()?;
        let (answer, received) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let attempts_max = shared.options.attempts_max;
            let mut attempt = 1;
            let written = loop {
                match write_once(&shared, &write).await {
                    Err(failure) if may_pass(&failure) && attempt < attempts_max => {
                        shared.note(&failure);
                        tokio::time::sleep(WRITE_PAUSE * attempt).await;
                        attempt += 1;
                    }
                    other => break other,
                }
            };
            let _ = answer.send(written.map_err(StoreError::from));
        });
        received.await.unwrap_or_else(|_| Err(writer_is_gone()))
    }

    async fn read_from<T: Send + 'static>(
        &self,
        begin: String,
        length: Length,
        question: impl for<'s> Fn(&'s Session) -> BoxFuture<'s, Result<T, Failure>> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        self.state.check()?;
        let (answer, received) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            for attempt in 1.. {
                match read_once(&shared.sessions, &begin, length, &question).await {
                    Err(failure) if may_pass(&failure) && attempt < READS_MAX => {
                        shared.note(&failure);
                        tokio::time::sleep(READ_PAUSE).await;
                    }
                    Ok((value, session)) => {
                        let _ = answer.send(Ok(value));
                        if session.batch("COMMIT").await.is_err() {
                            session.discard();
                        }
                        return;
                    }
                    Err(failure) => {
                        let _ = answer.send(Err(StoreError::from(failure)));
                        return;
                    }
                }
            }
        });
        let gone = || Err(StoreError::Unavailable("a question was not answered".to_owned()));
        received.await.unwrap_or_else(|_| gone())
    }
}

async fn write_once<T>(
    shared: &Shared,
    write: &(impl for<'s> Fn(&'s Session) -> BoxFuture<'s, Result<T, Failure>> + Sync),
) -> Result<T, Failure> {
    let session = shared.sessions.take().await?;
    let mark = shared.markers.next();
    let written = async {
        session.batch(&shared.beginnings.write).await?;
        let said = write(&session).await?;
        session.run(MARK, values![vec![mark.marker], mark.before]).await?;
        Ok(said)
    }
    .await;
    match written {
        Ok(said) => {
            commit(session, &shared.sessions, &shared.beginnings, mark.marker).await?;
            shared.markers.committed(mark.marker);
            Ok(said)
        }
        Err(failure) => {
            session.roll_back().await;
            Err(failure)
        }
    }
}

async fn read_once<T>(
    sessions: &Sessions,
    begin: &str,
    length: Length,
    question: &(impl for<'s> Fn(&'s Session) -> BoxFuture<'s, Result<T, Failure>> + Sync),
) -> Result<(T, Session), Failure> {
    let mut session = sessions.take().await?;
    if length == Length::Long {
        session.wait_without_end();
    }
    // Sent with the first question, and answered before it.
    let (begun, answer) = futures::future::join(session.batch(begin), question(&session)).await;
    match begun.and(answer) {
        Ok(value) => Ok((value, session)),
        Err(failure) => {
            session.roll_back().await;
            Err(failure)
        }
    }
}

/// The writer ended without an answer: it may have been in the middle of the commit.
fn writer_is_gone() -> StoreError {
    StoreError::Unknown("the writer has stopped; ask again".to_owned())
}

#[async_trait]
impl Store for PostgresStore {
    async fn execute(&self, request: Request) -> Result<Outcome, StoreError> {
        let results = self.decide(vec![request]).await;
        results
            .into_iter()
            .next()
            .unwrap_or_else(|| Err(writer_is_gone()))
    }

    async fn execute_all(&self, requests: Vec<Request>) -> Vec<Result<Outcome, StoreError>> {
        let mut results = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let together = requests
                .by_ref()
                .take(self.shared.options.batch_requests_max.max(1))
                .collect();
            results.extend(self.decide(together).await);
        }
        results
    }

    fn moves(&self) -> &Moves {
        &self.shared.moves
    }

    async fn set_policy(&self, policy: Policy) -> Result<(), StoreError> {
        self.state.check()?;
        *self.shared.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        Ok(())
    }

    async fn order(&self, key: &OrderKey) -> Result<Option<OrderFile>, StoreError> {
        let key = key.clone();
        self.read(move |session| {
            let key = key.clone();
            Box::pin(async move { load::whole_order(session, &key).await })
        })
        .await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<Operation>, StoreError> {
        self.read(move |session| Box::pin(load::operation(session, id)))
            .await
    }

    async fn log(&self, id: OperationId, page: PageRequest) -> Result<LogPage, StoreError> {
        self.read(move |session| {
            let page = page.clone();
            Box::pin(async move { reads::log(session, id, &page).await })
        })
        .await
    }

    async fn operations(
        &self,
        filter: &OperationFilter,
        page: PageRequest,
    ) -> Result<Page<Operation>, StoreError> {
        let filter = filter.clone();
        self.read(move |session| {
            let (filter, page) = (filter.clone(), page.clone());
            Box::pin(async move { reads::operations(session, &filter, &page).await })
        })
        .await
    }

    async fn review(&self, id: ReviewId) -> Result<Option<Review>, StoreError> {
        self.read(move |session| Box::pin(load::review(session, id)))
            .await
    }

    async fn reviews(&self, filter: &ReviewFilter, page: PageRequest) -> Result<Page<Review>, StoreError> {
        let filter = filter.clone();
        self.read(move |session| {
            let (filter, page) = (filter.clone(), page.clone());
            Box::pin(async move { reads::reviews(session, &filter, &page).await })
        })
        .await
    }

    async fn balances(&self, filter: &BalanceFilter, page: PageRequest) -> Result<Page<Balance>, StoreError> {
        let filter = filter.clone();
        self.read(move |session| {
            let (filter, page) = (filter.clone(), page.clone());
            Box::pin(async move { reads::balances(session, &filter, &page).await })
        })
        .await
    }

    async fn balances_of(&self, keys: &[StockLineKey]) -> Result<Vec<Balance>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |session| {
            let keys = keys.clone();
            Box::pin(async move { reads::balances_of(session, &keys).await })
        })
        .await
    }

    async fn movements(&self, sku: &Sku, page: PageRequest) -> Result<Page<MovementRow>, StoreError> {
        let sku = sku.clone();
        self.read(move |session| {
            let (sku, page) = (sku.clone(), page.clone());
            Box::pin(async move { reads::movements(session, &sku, &page).await })
        })
        .await
    }

    async fn mapping(&self, key: &OfferKey) -> Result<Option<Mapping>, StoreError> {
        let key = key.clone();
        self.read(move |session| {
            let key = key.clone();
            Box::pin(async move { load::mapping(session, &key).await })
        })
        .await
    }

    async fn counts(&self, now: Timestamp, stale_before: Timestamp) -> Result<Counts, StoreError> {
        self.read(move |session| Box::pin(counts::counts(session, now, stale_before)))
            .await
    }

    async fn next_due(&self, excluded: &[AccountId]) -> Result<Option<Timestamp>, StoreError> {
        let (excluded, queue) = (excluded.to_vec(), self.shared.queue.clone());
        self.read(move |session| {
            let (excluded, queue) = (excluded.clone(), queue.clone());
            Box::pin(async move { lists::next_due(session, &excluded, &queue).await })
        })
        .await
    }

    async fn waiting_with_stock(
        &self,
        after: Option<&StockLineKey>,
        limit: usize,
    ) -> Result<Vec<StockLineKey>, StoreError> {
        let after = after.cloned();
        self.read(move |session| {
            let after = after.clone();
            Box::pin(async move { lists::waiting_with_stock(session, after.as_ref(), limit).await })
        })
        .await
    }

    async fn open_wide_reviews(
        &self,
        reason: ReviewReason,
        after: Option<ReviewId>,
        limit: usize,
    ) -> Result<Vec<Review>, StoreError> {
        self.read(move |session| Box::pin(reads::open_wide_reviews(session, reason, after, limit)))
            .await
    }

    async fn put_wish(&self, key: &OrderKey, now: Timestamp) -> Result<(), StoreError> {
        self.write(Plain::PutWish(key.clone(), now)).await.map(|_| ())
    }

    async fn wishes(&self, limit: usize) -> Result<Vec<OrderKey>, StoreError> {
        self.read(move |session| Box::pin(reads::wishes(session, limit)))
            .await
    }

    async fn remove_wish(&self, key: &OrderKey) -> Result<(), StoreError> {
        self.write(Plain::RemoveWish(key.clone())).await.map(|_| ())
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read(|session| Box::pin(reads::accounts(session))).await
    }

    async fn put_accounts(&self, accounts: Vec<Account>) -> Result<(), StoreError> {
        self.write(Plain::PutAccounts(accounts)).await.map(|_| ())
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.read(|session| Box::pin(reads::api_keys(session))).await
    }

    async fn put_api_key(&self, key: ApiKey) -> Result<(), StoreError> {
        self.write(Plain::PutApiKey(key)).await.map(|_| ())
    }

    async fn revoke_api_key(&self, name: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.write(Plain::RevokeApiKey(name.to_owned(), now)).await
    }

    async fn put_final_answer(&self, key: &str, answer: serde_json::Value) -> Result<(), StoreError> {
        self.write(Plain::PutFinalAnswer(key.to_owned(), answer))
            .await
            .map(|_| ())
    }

    async fn final_answer(&self, key: &str) -> Result<Option<(String, serde_json::Value)>, StoreError> {
        let key = key.to_owned();
        self.read(move |session| {
            let key = key.clone();
            Box::pin(async move { reads::final_answer(session, &key).await })
        })
        .await
    }

    async fn check(&self, _: Timestamp) -> Result<Vec<Violation>, StoreError> {
        let begin = self.shared.beginnings.long_read.clone();
        self.read_from(begin, Length::Long, |session| Box::pin(check::check(session)))
            .await
    }

    async fn describe(&self) -> Result<Vec<(String, String)>, StoreError> {
        let address = Arc::clone(&self.address);
        self.read(move |session| {
            let address = Arc::clone(&address);
            Box::pin(async move { server::describe(session, &address).await })
        })
        .await
    }

    async fn free_disk_bytes(&self) -> Result<Option<u64>, StoreError> {
        Ok(None)
    }

    async fn close(&self) -> Result<(), StoreError> {
        if !self.state.close() {
            return Err(StoreError::Closed);
        }
        self.hinting.close();
        // Once nobody can ask any more, the writers finish what waits, and end.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writers: Vec<_> = self
            .writers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
            .collect();
        for writer in writers {
            // A writer that panicked was already told to those who waited for it.
            let _ = writer.await;
        }
        self.shared.sessions.close();
        Ok(())
    }
}
