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

/// Where connections come from.
#[derive(Clone)]
pub(crate) struct Sessions {
    pool: Pool,
    unprepared: Arc<AtomicBool>,
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
        })
    }

    /// A connection that is free, or a new one.
    pub(crate) async fn take(&self) -> Result<Session, Failure> {
        use deadpool_postgres::PoolError;
        match self.pool.get().await {
            Ok(client) => Ok(Session {
                client,
                unprepared: self.unprepared.load(Ordering::Relaxed),
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

    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// A connection, for as long as a transaction needs it.
pub(crate) struct Session {
    client: Client,
    unprepared: bool,
}

impl Session {
    /// Statements without values, as text; several at once.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.client.batch_execute(sql).await?)
    }

    async fn prepare(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Statement, Failure> {
        let types: Vec<Type> = parameters.iter().map(|(_, kind)| kind.clone()).collect();
        Ok(self.client.prepare_typed_cached(sql, &types).await?)
    }

    /// The rows that a question finds. The question bounds them.
    pub(crate) async fn rows(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Failure> {
        if self.unprepared {
            return Ok(self.client.query_typed(sql, parameters).await?);
        }
        let statement = self.prepare(sql, parameters).await?;
        Ok(self.client.query(&statement, &values(parameters)).await?)
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
            self.client.query_typed_raw(sql, values).await?
        } else {
            let statement = self.prepare(sql, parameters).await?;
            self.client.query_raw(&statement, values(parameters)).await?
        };
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.try_next().await? {
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
            return Ok(self.client.execute_typed(sql, parameters).await?);
        }
        let statement = self.prepare(sql, parameters).await?;
        Ok(self.client.execute(&statement, &values(parameters)).await?)
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
        let (begun, answers) = futures::future::join(begun, join_all(asked)).await;
        begun?;
        // The first failure is the cause of those after it.
        Ok(answers.into_iter().collect::<Result<_, _>>()?)
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
        let answers = join_all(asked).await;
        Ok(answers.into_iter().collect::<Result<_, _>>()?)
    }

    /// Drops what the transaction did. A connection that cannot even do that is thrown away.
    pub(crate) async fn roll_back(self) {
        let rolled_back = self.client.batch_execute("ROLLBACK").await;
        if rolled_back.is_err() {
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
