//! The store as the engine sees it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;
use saldo_domain::decide::{Outcome, Request};
use saldo_domain::ids::{AccountId, OperationId, OrderKey, ReviewId};
use saldo_domain::operation::Operation;
use saldo_domain::policy::Policy;
use saldo_domain::review::{Review, ReviewReason};
use saldo_domain::stock::{Balance, Mapping, OfferKey};
use saldo_domain::text::Sku;
use saldo_domain::view::{OrderFile, View};
use saldo_store::deciding::RewindingIds;
use saldo_store::moves::{Moves, UncommittedMoves};
use saldo_store::query::{
    Account, ApiKey, BalanceFilter, Counts, LogPage, MovementRow, OperationFilter, Page, PageRequest,
    ReviewFilter, StockLineKey, Violation,
};
use saldo_store::{Rules, Store, StoreError};
use tokio::sync::oneshot;

use crate::checkpoint::Checkpoints;
use crate::failure::Failure;
use crate::lock::ProcessLock;
use crate::options::SqliteOptions;
use crate::readers::Readers;
use crate::state::SharedState;
use crate::writer::{Job, PlainWrite, Writer};
use crate::{check, connection, counts, lists, load, plain, reads, schema};

/// A store on one SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
    readers: Readers,
    /// For questions that look at everything: they wait for each other, and nobody else waits for them.
    long_readers: Readers,
    state: Arc<SharedState>,
    options: SqliteOptions,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens a database, and makes it when it is not there.
    ///
    /// # Errors
    /// When another process has it open, when its settings would not keep acknowledged writes safe, or when its
    /// schema is not one that this binary can use. The message says what to do.
    pub fn open(path: impl AsRef<Path>, rules: Rules, options: SqliteOptions) -> Result<Self, StoreError> {
        let path = path.as_ref().to_path_buf();
        connection::check_library()?;
        let lock = ProcessLock::take(&path)?;
        let is_new = !path.exists();
        let mut writing = connection::open_writer(&path, &options)?;
        schema::migrate(&mut writing)?;
        end_leases(&writing)?;
        if is_new {
            sync_directory(&path)?;
        }
        let (readers, mut threads) = Readers::start(&path, options.readers)?;
        let (long_readers, long_threads) = Readers::start_long(&path)?;
        threads.extend(long_threads);
        let (jobs, received) = channel();
        let state = Arc::new(SharedState::default());
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = Writer {
            connection: writing,
            policy: rules.policy,
            ids: RewindingIds::new(rules.ids),
            checkpoints: Checkpoints::start(&path, &options, &state)?,
            options: options.clone(),
            state: Arc::clone(&state),
            waiting: Arc::clone(&waiting),
            readers: threads,
            lock,
            view: View::default(),
            dirty: std::collections::BTreeMap::new(),
            moves: UncommittedMoves::default(),
        };
        let thread = std::thread::Builder::new()
            .name("saldo-writer".to_owned())
            .spawn(move || writer.run(&received))
            .map_err(|error| StoreError::Unavailable(format!("a thread could not be started: {error}")))?;
        let writer = Mutex::new(Some(thread));
        Ok(Self {
            path,
            jobs,
            waiting,
            readers,
            long_readers,
            state,
            options,
            writer,
        })
    }

    /// Hands a job over, unless too many requests wait already.
    fn submit(&self, requests: usize, job: Job) -> Result<(), StoreError> {
        self.state.check()?;
        let waiting = self.waiting.fetch_add(requests, Ordering::AcqRel);
        // A single large job is let in when nothing waits, or it could never be.
        if waiting > 0 && waiting + requests > self.options.waiting_requests_max {
            self.waiting.fetch_sub(requests, Ordering::AcqRel);
            return Err(StoreError::Busy);
        }
        self.jobs.send(job).map_err(|_| StoreError::Closed)
    }

    async fn decide(&self, requests: Vec<Request>) -> Vec<Result<Outcome, StoreError>> {
        let count = requests.len();
        let (answer, received) = oneshot::channel();
        let refused = |error: &StoreError| (0..count).map(|_| Err(error.clone())).collect();
        match self.submit(count, Job::Decide { requests, answer }) {
            Ok(()) => received.await.unwrap_or_else(|_| refused(&writer_is_gone())),
            Err(error) => refused(&error),
        }
    }

    pub(crate) async fn write(
        &self,
        write: impl Fn(&Connection) -> Result<bool, Failure> + Send + 'static,
    ) -> Result<bool, StoreError> {
        self.ask_to_write(Box::new(write), false).await
    }

    async fn ask_to_write(&self, write: PlainWrite, removes: bool) -> Result<bool, StoreError> {
        let job = |answer| Job::Plain {
            write,
            removes,
            answer,
        };
        self.ask_writer(job).await
    }

    /// Writes plain rows, all of them or none, and says what the write says.
    pub(crate) async fn write_all<T: Send + 'static>(
        &self,
        write: impl Fn(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_and_say(write, false).await
    }

    /// The same for a write that removes rows which decisions read.
    pub(crate) async fn remove_all<T: Send + 'static>(
        &self,
        write: impl Fn(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_and_say(write, true).await
    }

    async fn write_and_say<T: Send + 'static>(
        &self,
        write: impl Fn(&Connection) -> Result<T, Failure> + Send + 'static,
        removes: bool,
    ) -> Result<T, StoreError> {
        let answer = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&answer);
        let write = move |connection: &Connection| {
            let said = all_or_nothing(connection, &write)?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
            Ok(true)
        };
        self.ask_to_write(Box::new(write), removes).await?;
        let said = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        said.ok_or_else(writer_is_gone)
    }

    async fn ask_writer(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<bool, StoreError>>) -> Job,
    ) -> Result<bool, StoreError> {
        let (answer, received) = oneshot::channel();
        self.submit(1, job(answer))?;
        received.await.unwrap_or_else(|_| Err(writer_is_gone()))
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.state.check()?;
        self.readers.ask(question).await
    }

    /// The same for a question that may take seconds.
    pub(crate) async fn read_at_length<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.state.check()?;
        self.long_readers.ask(question).await
    }
}

/// The writer ended without an answer: it may have been in the middle of the commit.
fn writer_is_gone() -> StoreError {
    StoreError::Unknown("the writer has stopped; restart saldo, and ask again".to_owned())
}

/// A write inside the transaction that it shares with others: one that fails half-way leaves nothing behind.
fn all_or_nothing<T>(
    connection: &Connection,
    write: impl Fn(&Connection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mark = |sql: &str| connection.prepare_cached(sql)?.execute([]);
    mark("SAVEPOINT plain")?;
    let said = write(connection);
    // A failure that has ended the whole transaction has ended the mark as well.
    if said.is_err() && !connection.is_autocommit() {
        mark("ROLLBACK TO plain")?;
    }
    if !connection.is_autocommit() {
        mark("RELEASE plain")?;
    }
    said
}

/// Makes the directory remember a new file even if the power fails now.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| {
            StoreError::Unavailable(format!(
                "the directory {} cannot be synced: {error}",
                directory.display()
            ))
        })
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The writer ends once nobody can ask it any more, and only then is the lock free for the next store.
        self.readers.stop();
        self.long_readers.stop();
        let (unconnected, _) = channel();
        drop(std::mem::replace(&mut self.jobs, unconnected));
        let thread = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the writer was already told to those who waited for it.
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
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
                .take(self.options.batch_requests_max.max(1))
                .collect();
            results.extend(self.decide(together).await);
        }
        results
    }

    fn moves(&self) -> &Moves {
        &self.state.moves
    }

    async fn set_policy(&self, policy: Policy) -> Result<(), StoreError> {
        self.ask_writer(|answer| Job::Policy { policy, answer })
            .await
            .map(|_| ())
    }

    async fn order(&self, key: &OrderKey) -> Result<Option<OrderFile>, StoreError> {
        let key = key.clone();
        self.read(move |connection| Ok(load::whole_order(connection, &key)?))
            .await
    }

    async fn operation(&self, id: OperationId) -> Result<Option<Operation>, StoreError> {
        self.read(move |connection| Ok(load::operation(connection, id)?))
            .await
    }

    async fn log(&self, id: OperationId, page: PageRequest) -> Result<LogPage, StoreError> {
        self.read(move |connection| reads::log(connection, id, &page))
            .await
    }

    async fn operations(
        &self,
        filter: &OperationFilter,
        page: PageRequest,
    ) -> Result<Page<Operation>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| reads::operations(connection, &filter, &page))
            .await
    }

    async fn review(&self, id: ReviewId) -> Result<Option<Review>, StoreError> {
        self.read(move |connection| Ok(load::review(connection, id)?))
            .await
    }

    async fn reviews(&self, filter: &ReviewFilter, page: PageRequest) -> Result<Page<Review>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| reads::reviews(connection, &filter, &page))
            .await
    }

    async fn balances(&self, filter: &BalanceFilter, page: PageRequest) -> Result<Page<Balance>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| reads::balances(connection, &filter, &page))
            .await
    }

    async fn balances_of(&self, keys: &[StockLineKey]) -> Result<Vec<Balance>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |connection| Ok(reads::balances_of(connection, &keys)?))
            .await
    }

    async fn movements(&self, sku: &Sku, page: PageRequest) -> Result<Page<MovementRow>, StoreError> {
        let sku = sku.clone();
        self.read(move |connection| reads::movements(connection, &sku, &page))
            .await
    }

    async fn mapping(&self, key: &OfferKey) -> Result<Option<Mapping>, StoreError> {
        let key = key.clone();
        self.read(move |connection| Ok(load::mapping(connection, &key)?))
            .await
    }

    async fn counts(&self, now: Timestamp, stale_before: Timestamp) -> Result<Counts, StoreError> {
        self.read(move |connection| Ok(counts::counts(connection, now, stale_before)?))
            .await
    }

    async fn next_due(&self, excluded: &[AccountId]) -> Result<Option<Timestamp>, StoreError> {
        let excluded = excluded.to_vec();
        self.read(move |connection| Ok(lists::next_due(connection, &excluded)?))
            .await
    }

    async fn waiting_with_stock(
        &self,
        after: Option<&StockLineKey>,
        limit: usize,
    ) -> Result<Vec<StockLineKey>, StoreError> {
        let after = after.cloned();
        self.read(move |connection| Ok(lists::waiting_with_stock(connection, after.as_ref(), limit)?))
            .await
    }

    async fn open_wide_reviews(
        &self,
        reason: ReviewReason,
        after: Option<ReviewId>,
        limit: usize,
    ) -> Result<Vec<Review>, StoreError> {
        self.read(move |connection| Ok(reads::open_wide_reviews(connection, reason, after, limit)?))
            .await
    }

    async fn put_wish(&self, key: &OrderKey, now: Timestamp) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(move |connection| plain::put_wish(connection, &key, now).map(|()| true))
            .await
            .map(|_| ())
    }

    async fn wishes(&self, limit: usize) -> Result<Vec<OrderKey>, StoreError> {
        self.read(move |connection| Ok(reads::wishes(connection, limit)?))
            .await
    }

    async fn remove_wish(&self, key: &OrderKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.write(move |connection| plain::remove_wish(connection, &key).map(|()| true))
            .await
            .map(|_| ())
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read(|connection| Ok(reads::accounts(connection)?)).await
    }

    async fn put_accounts(&self, accounts: Vec<Account>) -> Result<(), StoreError> {
        let put = move |connection: &Connection| {
            accounts
                .iter()
                .try_for_each(|account| plain::put_account(connection, account))
                .map(|()| true)
        };
        self.write(put).await.map(|_| ())
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        self.read(|connection| Ok(reads::api_keys(connection)?)).await
    }

    async fn put_api_key(&self, key: ApiKey) -> Result<(), StoreError> {
        self.write(move |connection| plain::put_api_key(connection, &key).map(|()| true))
            .await
            .map(|_| ())
    }

    async fn revoke_api_key(&self, name: &str, now: Timestamp) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |connection| plain::revoke_api_key(connection, &name, now))
            .await
    }

    async fn put_final_answer(&self, key: &str, answer: serde_json::Value) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |connection| plain::put_final_answer(connection, &key, &answer))
            .await
            .map(|_| ())
    }

    async fn final_answer(&self, key: &str) -> Result<Option<(String, serde_json::Value)>, StoreError> {
        let key = key.to_owned();
        self.read(move |connection| Ok(reads::final_answer(connection, &key)?))
            .await
    }

    async fn check(&self, _: Timestamp) -> Result<Vec<Violation>, StoreError> {
        self.read(|connection| Ok(check::check(connection)?)).await
    }

    async fn describe(&self) -> Result<Vec<(String, String)>, StoreError> {
        let path = self.path.clone();
        // Asked on the writing connection, since it is its settings that keep writes safe.
        let (answer, received) = oneshot::channel();
        let answer = Mutex::new(Some(answer));
        self.write(move |connection| {
            let durability = connection::durability(connection)?;
            if let Some(answer) = answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
                let _ = answer.send(durability);
            }
            Ok(true)
        })
        .await?;
        let (journal_mode, synchronous) = received.await.map_err(|_| writer_is_gone())?;
        self.read(move |connection| {
            let mut facts = describe(connection, &path)?;
            facts.push(("journal_mode".to_owned(), journal_mode));
            facts.push(("synchronous".to_owned(), synchronous_word(synchronous).to_owned()));
            Ok(facts)
        })
        .await
    }

    async fn free_disk_bytes(&self) -> Result<Option<u64>, StoreError> {
        self.state.check()?;
        let path = self.path.clone();
        // A network file system may take its time to answer.
        let asked = tokio::task::spawn_blocking(move || free_disk_bytes(&path)).await;
        asked
            .map_err(|error| StoreError::Defect(error.to_string()))?
            .map(Some)
            .map_err(|error| {
                StoreError::Unavailable(format!("the free space of the disk cannot be read: {error}"))
            })
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.state.check()?;
        self.readers.stop();
        self.long_readers.stop();
        self.ask_writer(|answer| Job::Close { answer }).await.map(|_| ())
    }
}

/// Bytes that are free, for whoever runs Saldo, on the disk that a database file is on, or would be.
///
/// # Errors
/// When its folder cannot be looked at.
pub fn free_disk_bytes(path: &Path) -> std::io::Result<u64> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn describe(connection: &Connection, path: &Path) -> Result<Vec<(String, String)>, StoreError> {
    let number = |pragma: &str| -> Result<i64, Failure> {
        Ok(connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))?)
    };
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log_bytes = std::fs::metadata(log).map_or(0, |metadata| metadata.len());
    let facts = [
        ("kind", "sqlite".to_owned()),
        ("version", rusqlite::version().to_owned()),
        ("path", path.display().to_string()),
        (
            "schema_version",
            format!("{} of {}", number("user_version")?, schema::newest_version()),
        ),
        (
            "database_bytes",
            (number("page_count")? * number("page_size")?).to_string(),
        ),
        (
            "free_bytes",
            (number("freelist_count")? * number("page_size")?).to_string(),
        ),
        ("log_bytes", log_bytes.to_string()),
    ];
    Ok(facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

const fn synchronous_word(level: i64) -> &'static str {
    match level {
        0 => "off",
        1 => "normal",
        2 => "full",
        _ => "extra",
    }
}

/// Ends every lease at start: the lock on the file says that no other process can hold one. Each delivery is due at
/// once; what its call may have sent is in doubt, and looked for, as after any lease that ended. What runs by a schedule,
/// pulls or compares goes on at once as well.
fn end_leases(connection: &rusqlite::Connection) -> Result<(), StoreError> {
    let of_deliveries = "UPDATE orders INDEXED BY delivery_leased SET due_at = owed_since \
                         WHERE lease_token IS NOT NULL";
    let of_tasks = "UPDATE lease SET holder = NULL WHERE holder IS NOT NULL";
    let instances = "DELETE FROM instance";
    for sql in [of_deliveries, of_tasks, instances] {
        connection
            .execute(sql, [])
            .map_err(crate::failure::Failure::from)?;
    }
    Ok(())
}
