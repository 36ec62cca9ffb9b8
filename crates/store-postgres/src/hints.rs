//! Hints between instances: `NOTIFY`, and one connection that listens.
//!
//! Notifications make commits take turns, so none is sent within a transaction that stores anything, and many hints
//! become one. Behind a pooler that gives every transaction another connection nothing arrives. That is found out by
//! sending one to oneself, from another connection than the one that listens; then others are found by looking, as
//! always.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use saldo_store::hints::{Hint, Hints};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::AsyncMessage;

use crate::address::Address;
use crate::failure::Failure;
use crate::session::Sessions;
use crate::store::PostgresStore;
use crate::tls;

/// The name under which instances listen.
const CHANNEL: &str = "saldo";
/// Hints within this time become one.
const PAUSE: Duration = Duration::from_millis(10);
/// How often it is tried whether notifications arrive.
const PROBE_EVERY: Duration = Duration::from_secs(60);
/// How long one may take to arrive.
const PROBE_WITHIN: Duration = Duration::from_secs(5);
/// How long it waits before it listens again, at first and at most.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(60);
/// Notifications that wait to be read; more end the connection, and are found by looking.
const WAITING_MAX: usize = 1_024;

/// The hints of one store.
pub(crate) struct Hinting {
    shared: Arc<Shared>,
    tasks: Mutex<Tasks>,
}

/// What runs once it is needed. Most processes that open a store are commands, which neither tell nor listen.
#[derive(Default)]
struct Tasks {
    tells: Option<JoinHandle<()>>,
    listens: Option<JoinHandle<()>>,
}

struct Shared {
    address: Arc<Address>,
    sessions: Sessions,
    connect_within: Duration,
    wanted: Flags,
    heard: Flags,
    /// Whether notifications arrive, as far as is known.
    arrive: Mutex<Option<bool>>,
}

/// Hints that are to be passed on.
#[derive(Default)]
struct Flags {
    set: AtomicU8,
    changed: Notify,
}

impl Flags {
    const fn bit(hint: Hint) -> u8 {
        match hint {
            Hint::Due => 1,
            Hint::Circuits => 2,
        }
    }

    fn set(&self, hint: Hint) {
        self.set.fetch_or(Self::bit(hint), Ordering::AcqRel);
        self.changed.notify_one();
    }

    fn take(&self) -> Option<Hint> {
        Hint::ALL
            .into_iter()
            .find(|hint| self.set.fetch_and(!Self::bit(*hint), Ordering::AcqRel) & Self::bit(*hint) != 0)
    }

    async fn next(&self) -> Hint {
        loop {
            if let Some(hint) = self.take() {
                return hint;
            }
            self.changed.notified().await;
        }
    }
}

impl Hinting {
    pub(crate) fn new(address: &Arc<Address>, sessions: &Sessions, connect_milliseconds_max: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                address: Arc::clone(address),
                sessions: sessions.clone(),
                connect_within: Duration::from_millis(connect_milliseconds_max),
                wanted: Flags::default(),
                heard: Flags::default(),
                arrive: Mutex::new(None),
            }),
            tasks: Mutex::default(),
        }
    }

    pub(crate) fn close(&self) {
        let Tasks { tells, listens } = std::mem::take(&mut *self.tasks());
        tells.into_iter().chain(listens).for_each(|task| task.abort());
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hinting {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Hints for PostgresStore {
    fn hint(&self, hint: Hint) {
        let hinting = self.hinting();
        let shared = &hinting.shared;
        shared.wanted.set(hint);
        let tells = &mut hinting.tasks().tells;
        tells.get_or_insert_with(|| tokio::spawn(tell(Arc::clone(shared))));
    }

    async fn next_hint(&self) -> Hint {
        let hinting = self.hinting();
        let shared = &hinting.shared;
        {
            let listens = &mut hinting.tasks().listens;
            listens.get_or_insert_with(|| tokio::spawn(listen(Arc::clone(shared))));
        }
        shared.heard.next().await
    }

    fn hints_arrive(&self) -> Option<bool> {
        *self.hinting().shared.known()
    }
}

impl Shared {
    /// The word is one of ours, so that it needs no quoting.
    async fn notify(&self, word: &str) -> Result<(), Failure> {
        let session = self.sessions.take().await?;
        session.batch(&format!("NOTIFY {CHANNEL}, '{word}'")).await
    }

    fn hear(&self, word: &str) {
        if let Some(hint) = Hint::ALL.into_iter().find(|hint| hint.as_str() == word) {
            self.heard.set(hint);
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<bool>> {
        self.arrive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found out is told when it is news.
    fn note(&self, arrive: Option<bool>) {
        let before = std::mem::replace(&mut *self.known(), arrive);
        match arrive {
            _ if arrive == before => {}
            Some(true) => tracing::info!("notifications arrive: other instances are heard of at once"),
            Some(false) => tracing::warn!(
                "notifications do not arrive (a pooler that gives each transaction another connection): other \
                 instances are heard of within a second instead"
            ),
            None => {}
        }
    }
}

/// Passes on what is wanted. What cannot be said is found by looking.
async fn tell(shared: Arc<Shared>) {
    loop {
        let hint = shared.wanted.next().await;
        if let Err(failure) = shared.notify(hint.as_str()).await {
            tracing::debug!(?failure, "a notification could not be sent");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Listens over one connection after another.
async fn listen(shared: Arc<Shared>) {
    let mut wait = AGAIN;
    loop {
        let ended = listen_once(&shared).await;
        if *shared.known() == Some(true) {
            wait = AGAIN;
        }
        match ended {
            Ok(()) => shared.note(Some(false)),
            Err(failure) => {
                tracing::debug!(?failure, "the connection that listens for notifications was lost");
                shared.note(None);
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(AGAIN_MAX);
    }
}

/// Listens for as long as notifications arrive.
async fn listen_once(shared: &Shared) -> Result<(), Failure> {
    let mut listening = Listening::connect(shared).await?;
    let mut is_first = true;
    loop {
        shared.notify(&listening.probe).await?;
        if !listening.hear(shared, PROBE_WITHIN, true).await? {
            return Ok(());
        }
        if is_first {
            // What was said before is unknown.
            Hint::ALL.into_iter().for_each(|hint| shared.heard.set(hint));
            is_first = false;
        }
        shared.note(Some(true));
        listening.hear(shared, PROBE_EVERY, false).await?;
    }
}

/// A connection that listens.
struct Listening {
    /// Keeps it open.
    _client: tokio_postgres::Client,
    received: Receiver<String>,
    /// What nobody else sends.
    probe: String,
}

impl Listening {
    async fn connect(shared: &Shared) -> Result<Self, Failure> {
        let connecting = async {
            let connector = tls::connector(&shared.address).map_err(Failure::Answer)?;
            let (client, mut connection) = shared.address.config.connect(connector).await?;
            let (sender, received) = channel(WAITING_MAX);
            tokio::spawn(async move {
                let mut messages = futures::stream::poll_fn(|context| connection.poll_message(context));
                while let Some(Ok(message)) = messages.next().await {
                    let AsyncMessage::Notification(notification) = message else {
                        continue;
                    };
                    // Whoever does not read any more needs no connection.
                    if sender.try_send(notification.payload().to_owned()).is_err() {
                        return;
                    }
                }
            });
            client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
            let named = client
                .query_typed("SELECT 'probe ' || gen_random_uuid()", &[])
                .await?;
            let probe = named.first().ok_or_else(no_answer)?.try_get(0)?;
            Ok(Self {
                _client: client,
                received,
                probe,
            })
        };
        let connected = tokio::time::timeout(shared.connect_within, connecting).await;
        connected.unwrap_or_else(|_| Err(no_answer()))
    }

    /// Hears what others say for a while, or until the own probe comes; says whether it did.
    async fn hear(
        &mut self,
        shared: &Shared,
        time_max: Duration,
        until_probe: bool,
    ) -> Result<bool, Failure> {
        let deadline = Instant::now() + time_max;
        loop {
            match tokio::time::timeout_at(deadline, self.received.recv()).await {
                Ok(Some(word)) if word == self.probe => {
                    if until_probe {
                        return Ok(true);
                    }
                }
                Ok(Some(word)) => shared.hear(&word),
                Ok(None) => return Err(Failure::Unreachable("the connection was closed".to_owned())),
                Err(_) => return Ok(false),
            }
        }
    }
}

fn no_answer() -> Failure {
    Failure::Unreachable("the database did not answer in time".to_owned())
}
