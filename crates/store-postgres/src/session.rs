//! One connection for one transaction, and the statements on it.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use futures::TryStreamExt;
use futures::future::join_all;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CopyInSink, Row, RowStream, Statement};

use crate::address::Address;
use crate::failure::Failure;
use crate::options::PostgresOptions;
use crate::tls;

/// A value with the type that the server is told, so that it needs no prepared statement to find out.
pub(crate) type Parameter<'p> = (&'p (dyn ToSql + Sync), Type);

/// One statement of several that are sent together.
pub(crate) struct Step<'s> {
    pub(crate) sql: &'s str,
    pub(crate) parameters: Vec<Parameter<'s>>,
}

/// The most statements that are sent together: more are polled in another order than they stand in.
const STEPS_MAX: usize = 30;

/// A connection is asked whether it still lives after this many seconds without a word, and given up when nothing
/// that was sent to the other side arrived there for the second number of seconds.
const ALIVE_SECONDS: u64 = 10;
const UNHEARD_SECONDS: u64 = 15;
/// Questions without an answer after which it is given up.
const ALIVE_QUESTIONS: u32 = 3;

/// Where connections come from.
#[derive(Clone)]
pub(crate) struct Sessions {
    pool: Pool,
    unprepared: Arc<AtomicBool>,
    /// How long an answer may take. The server ends a statement earlier: only a dead network is slower.
    answer_max: Duration,
}

/// Has the system notice when the network to the server is dead, unless the address says how it shall.
fn notice_a_dead_network(config: &mut tokio_postgres::Config) {
    const UNTOLD: Duration = Duration::from_hours(2);
    if config.get_keepalives_idle() == UNTOLD {
        config.keepalives_idle(Duration::from_secs(ALIVE_SECONDS));
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(Duration::from_secs(UNHEARD_SECONDS) / ALIVE_QUESTIONS);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(ALIVE_QUESTIONS);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(Duration::from_secs(UNHEARD_SECONDS));
    }
}

impl Sessions {
    pub(crate) fn new(address: &Address, options: &PostgresOptions) -> Result<Self, saldo_store::StoreError> {
        let timeout = Some(Duration::from_millis(options.connect_milliseconds_max));
        let mut config = address.config.clone();
        if config.get_connect_timeout().is_none()
            && let Some(timeout) = timeout
        {
            config.connect_timeout(timeout);
        }
        notice_a_dead_network(&mut config);
        let manager = Manager::from_config(
            config,
            tls::connector(address)?,
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let pool = Pool::builder(manager)
            .max_size(options.connections.max(2))
            .runtime(Runtime::Tokio1)
            .wait_timeout(timeout)
            .create_timeout(timeout)
            .recycle_timeout(timeout)
            .build()
            .map_err(|error| saldo_store::StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            pool,
            unprepared: Arc::new(AtomicBool::new(options.unprepared)),
            answer_max: Duration::from_millis(
                options
                    .statement_milliseconds_max
                    .saturating_add(options.connect_milliseconds_max),
            ),
        })
    }

    /// A connection that is free, or a new one.
    pub(crate) async fn take(&self) -> Result<Session, Failure> {
        use deadpool_postgres::PoolError;
        match self.pool.get().await {
            Ok(client) => Ok(Session {
                client,
                unprepared: self.unprepared.load(Ordering::Relaxed),
                sessions: self.clone(),
                answer_max: Some(self.answer_max),
                is_silent: AtomicBool::new(false),
            }),
            Err(PoolError::Backend(error)) => Err(Failure::Database(error)),
            Err(PoolError::Closed) => Err(Failure::Unreachable("the database is closed".to_owned())),
            Err(PoolError::Timeout(_)) => Err(Failure::Unreachable(
                "no connection to the database came about in time; check the server and the network"
                    .to_owned(),
            )),
            Err(error) => Err(Failure::Unreachable(error.to_string())),
        }
    }

    /// From now on no statement is prepared.
    pub(crate) fn stop_preparing(&self) {
        if !self.unprepared.swap(true, Ordering::Relaxed) {
            tracing::info!("prepared statements do not last here (a pooler); statements are sent whole");
        }
    }

    /// A connection went silent: those that wait to be used went the same way, and would each be waited for.
    fn forget_all(&self) {
        self.pool.retain(|_, _| false);
    }

    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// A connection, for as long as a transaction needs it.
pub(crate) struct Session {
    client: Client,
    unprepared: bool,
    sessions: Sessions,
    /// How long an answer may take.
    answer_max: Option<Duration>,
    /// An answer did not come: nothing more is to be expected.
    is_silent: AtomicBool,
}

impl Session {
    /// Answers may take as long as they take. A dead network is still noticed by the system.
    pub(crate) fn wait_without_end(&mut self) {
        self.answer_max = None;
    }

    /// Prepares no statement: one of several transactions would look for it on another connection of a pooler.
    pub(crate) fn prepare_nothing(&mut self) {
        self.unprepared = true;
    }

    /// Waits for an answer, for as long as one may take.
    async fn answered<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let Some(answer_max) = self.answer_max else {
            return Ok(answer.await?);
        };
        match tokio::time::timeout(answer_max, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => {
                self.is_silent.store(true, Ordering::Relaxed);
                self.sessions.forget_all();
                Err(Failure::Unreachable(format!(
                    "the database did not answer within {} seconds; check the server and the network",
                    answer_max.as_secs()
                )))
            }
        }
    }

    /// Statements without values, as text; several at once.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        self.answered(self.client.batch_execute(sql)).await
    }

    async fn prepare(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Statement, Failure> {
        let types: Vec<Type> = parameters.iter().map(|(_, kind)| kind.clone()).collect();
        self.answered(self.client.prepare_typed_cached(sql, &types)).await
    }

    /// The rows that a question finds. The question bounds them.
    pub(crate) async fn rows(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Failure> {
        if self.unprepared {
            return self.answered(self.client.query_typed(sql, parameters)).await;
        }
        let statement = self.prepare(sql, parameters).await?;
        self.answered(self.client.query(&statement, &values(parameters)))
            .await
    }

    /// The same, read.
    pub(crate) async fn many<T>(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        read: impl Fn(&Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let rows = self.rows(sql, parameters).await?;
        rows.iter().map(read).collect()
    }

    /// The first row, where there is one.
    pub(crate) async fn one<T>(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        read: impl Fn(&Row) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        let rows = self.rows(sql, parameters).await?;
        rows.first().map(read).transpose()
    }

    /// Hands each row on as it comes, so that memory does not grow with them.
    pub(crate) async fn each(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        mut take: impl FnMut(&Row) -> Result<(), Failure> + Send,
    ) -> Result<(), Failure> {
        let rows = if self.unprepared {
            let values = parameters.iter().map(|(value, kind)| (*value, kind.clone()));
            self.answered(self.client.query_typed_raw(sql, values)).await?
        } else {
            let statement = self.prepare(sql, parameters).await?;
            self.answered(self.client.query_raw(&statement, values(parameters)))
                .await?
        };
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = self.answered(rows.try_next()).await? {
            take(&row)?;
        }
        Ok(())
    }

    /// The rows of a question without values, as they are asked for: the server waits meanwhile.
    pub(crate) async fn stream(&self, sql: &str) -> Result<RowStream, Failure> {
        let none: [Parameter<'_>; 0] = [];
        Ok(self.client.query_typed_raw(sql, none).await?)
    }

    /// Where the text of many rows goes.
    pub(crate) async fn copy_in(&self, sql: &str) -> Result<CopyInSink<Cursor<Vec<u8>>>, Failure> {
        Ok(self.client.copy_in(sql).await?)
    }

    /// Runs a statement and says how many rows it changed.
    pub(crate) async fn run(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<u64, Failure> {
        if self.unprepared {
            return self.answered(self.client.execute_typed(sql, parameters)).await;
        }
        let statement = self.prepare(sql, parameters).await?;
        self.answered(self.client.execute(&statement, &values(parameters)))
            .await
    }

    /// Sends several questions at once, after `first` where there is one; the server answers them in order.
    pub(crate) async fn rows_together(
        &self,
        first: Option<&str>,
        steps: &[Step<'_>],
    ) -> Result<Vec<Vec<Row>>, Failure> {
        debug_assert!(
            steps.len() < STEPS_MAX,
            "sent together they must keep their order"
        );
        let mut statements = Vec::with_capacity(steps.len());
        if !self.unprepared {
            for step in steps {
                statements.push(self.prepare(step.sql, &step.parameters).await?);
            }
        }
        let values: Vec<_> = steps.iter().map(|step| values(&step.parameters)).collect();
        let asked = steps.iter().enumerate().map(|(index, step)| {
            let (statement, values) = (statements.get(index), &values[index]);
            async move {
                match statement {
                    Some(statement) => self.client.query(statement, values).await,
                    None => self.client.query_typed(step.sql, &step.parameters).await,
                }
            }
        });
        let begun = async {
            match first {
                Some(sql) => self.client.batch_execute(sql).await,
                None => Ok(()),
            }
        };
        let answers = async {
            let (begun, answers) = futures::future::join(begun, join_all(asked)).await;
            begun?;
            // The first failure is the cause of those after it.
            answers.into_iter().collect()
        };
        self.answered(answers).await
    }

    /// Runs several statements, sent at once, and says how many rows each changed.
    pub(crate) async fn run_together(&self, steps: &[Step<'_>]) -> Result<Vec<u64>, Failure> {
        debug_assert!(
            steps.len() < STEPS_MAX,
            "sent together they must keep their order"
        );
        let mut statements = Vec::with_capacity(steps.len());
        if !self.unprepared {
            for step in steps {
                statements.push(self.prepare(step.sql, &step.parameters).await?);
            }
        }
        let values: Vec<_> = steps.iter().map(|step| values(&step.parameters)).collect();
        let asked = steps.iter().enumerate().map(|(index, step)| {
            let (statement, values) = (statements.get(index), &values[index]);
            async move {
                match statement {
                    Some(statement) => self.client.execute(statement, values).await,
                    None => self.client.execute_typed(step.sql, &step.parameters).await,
                }
            }
        });
        let answers = async { join_all(asked).await.into_iter().collect() };
        self.answered(answers).await
    }

    /// Drops what the transaction did. A connection that cannot even do that is thrown away.
    pub(crate) async fn roll_back(self) {
        if self.is_silent.load(Ordering::Relaxed) || self.batch("ROLLBACK").await.is_err() {
            self.discard();
        }
    }

    /// Throws the connection away.
    pub(crate) fn discard(self) {
        drop(Client::take(self.client));
    }
}

fn values<'p>(parameters: &[Parameter<'p>]) -> Vec<&'p (dyn ToSql + Sync)> {
    parameters.iter().map(|(value, _)| *value).collect()
}
