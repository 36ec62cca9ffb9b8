//! The way inside: the database opened by this process, asked through the server's router without a socket.

use std::fs::{File, TryLockError};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use saldo_engine::{Engine, StockSynchronizationService};
use saldo_store::instances::ServerRole;
use saldo_store::memory::MemoryStore;
use saldo_store::{Rules, SharedStore};
use saldo_web::WebOptions;
use tower::ServiceExt as _;

use super::{Answer, Question};
use crate::config::{Config, Place};
use crate::edge::RandomIds;
use crate::ledger::{engine_options, open_store};
use crate::output::note;

/// Who acts, in the log, when the command line does.
const CALLER: &str = "command line";
/// Larger than any answer: lists come in pages.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Which tasks stand behind the questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tasks {
    /// None: nothing is sent to the orders service.
    None,
    /// The engine's own: what is due is delivered.
    Deliver,
}

/// What is done where there is no database yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The command fails, and says how to make one: there is nothing to show, or to do.
    Refuse,
    /// One is made: a ledger begins with this command.
    Make,
    /// None is made, and an empty ledger answers.
    Pretend,
}

/// The ledger within this process.
pub(crate) struct Inside {
    store: SharedStore,
    service: StockSynchronizationService,
    engine: Option<Engine>,
    router: Router,
}

impl Inside {
    /// Opens the database.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) async fn open(config: &Config, tasks: Tasks, missing: Missing) -> anyhow::Result<Self> {
        let store = open_or(config, missing).await?;
        let mut options = engine_options(config, SharedStore::clone(&store))?;
        // A command does what it was asked for, and nothing that is due beside it.
        options.settings.poll_seconds = 0;
        options.settings.schedules.clear();
        options.settings.role = ServerRole::All;
        options.settings.may_lead = false;
        options.settings.instance_name = CALLER.to_owned();
        let (service, engine) = match tasks {
            Tasks::None => (Engine::service_only(options), None),
            Tasks::Deliver => {
                let engine = Engine::start(options);
                (engine.service(), Some(engine))
            }
        };
        let options = WebOptions {
            sole_caller: Some(CALLER.to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..WebOptions::default()
        };
        let router = saldo_web::router(service.clone(), options);
        Ok(Self {
            store,
            service,
            engine,
            router,
        })
    }

    /// Asks once.
    pub(super) async fn ask(&self, question: &Question) -> anyhow::Result<Answer> {
        let request = Request::builder()
            .method(question.method.as_str())
            .uri(question.target());
        let request = match &question.body {
            Some((kind, body)) => request
                .header("content-type", *kind)
                .body(Body::from(body.clone())),
            None => request.body(Body::empty()),
        };
        let request = request.context("this cannot be asked")?;
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX)
            .await
            .context("the answer broke off")?;
        Ok(Answer {
            status,
            body: String::from_utf8(body.into()).context("the answer is not text")?,
        })
    }

    /// Tries everything that is due once, and waits for the outcomes.
    pub(super) async fn deliver(&self) -> anyhow::Result<()> {
        if self.engine.is_some() {
            self.service.process_pending_operations().await?;
        }
        Ok(())
    }

    /// Finishes what is under way, and closes the database.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        if let Some(engine) = self.engine {
            engine.stop().await;
        }
        Ok(self.store.close().await?)
    }
}

/// Opens the database, or does what is to be done where there is none. On a server, its schema is made when it is missing:
/// that the server was named says that it is meant.
async fn open_or(config: &Config, missing: Missing) -> anyhow::Result<SharedStore> {
    let is_there = !matches!(config.database.place(), Ok(Place::Sqlite(path)) if !path.exists());
    if is_there {
        return open_store(config).await;
    }
    let name = &config.database;
    match missing {
        Missing::Refuse => anyhow::bail!(
            "there is no database {name}: `saldo init` or `saldo serve` makes one; --database, SALDO_DATABASE or a \
             saldo.toml in this folder names another"
        ),
        Missing::Make => {
            let store = open_store(config).await?;
            // Whoever stands in the wrong folder must not take an empty ledger for theirs.
            note(&format!(
                "There was no database {name}: a new, empty one was made."
            ));
            Ok(store)
        }
        Missing::Pretend => {
            note(&format!(
                "There is no database {name} yet: this is how it would be with a new, empty one."
            ));
            let policy = config.policy()?;
            let ids = Box::new(RandomIds::default());
            Ok(Arc::new(MemoryStore::new(Rules { policy, ids })))
        }
    }
}

/// Whether another process has the database open, and no other may: it holds a lock on a file beside it. A database on
/// a server is open to everyone.
///
/// # Errors
/// When the lock file is there and cannot be looked at.
pub(crate) fn is_held(config: &Config) -> anyhow::Result<bool> {
    let Ok(Place::Sqlite(database)) = config.database.place() else {
        return Ok(false);
    };
    let mut lock = database.into_os_string();
    lock.push(".lock");
    let file = match File::open(&lock) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", lock.display())),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", lock.display()))
        }
    }
}
