//! Hints between instances: `NOTIFY`, over one connection of its own that also listens.
//!
//! A notification makes commits take turns, so none is sent within a transaction that stores anything, and many hints
//! become one. Behind a pooler that gives every transaction another connection nothing arrives; that is found out by
//! sending one to oneself, and then others are found by looking, as always.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use saldo_store::hints::{Hint, Hints};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::Instant;
use tokio_postgres::AsyncMessage;
use uuid::Uuid;

use crate::address::Address;
use crate::failure::Failure;
use crate::store::PostgresStore;
use crate::tls;

/// The name under which instances listen.
const CHANNEL: &str = "saldo";
/// The word of a notification to oneself.
const PROBE: &str = "probe";
/// Hints within this time become one.
const PAUSE: Duration = Duration::from_millis(10);
/// How often it is tried whether notifications arrive.
const PROBE_EVERY: Duration = Duration::from_secs(60);
/// How long one may take to arrive.
const PROBE_WITHIN: Duration = Duration::from_secs(2);
/// How long a lost connection is waited for, at first and at most.
const RECONNECT: Duration = Duration::from_millis(500);
const RECONNECT_MAX: Duration = Duration::from_secs(30);
/// Notifications that wait to be read; more are dropped with their connection, and found by looking.
const WAITING_MAX: usize = 1_024;

/// The hints of one store.
pub(crate) struct Hinting {
    shared: Arc<Shared>,
    started: OnceLock<()>,
}

struct Shared {
    address: Arc<Address>,
    connect_within: Duration,
    /// Names this store in its own notifications.
    id: String,
    wanted: Flags,
    heard: Flags,
    closed: AtomicBool,
    /// Ends the wait of whoever is to end.
    closing: Notify,
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

    /// Takes one, where there is one.
    fn take(&self) -> Option<Hint> {
        Hint::ALL
            .into_iter()
            .find(|hint| self.set.fetch_and(!Self::bit(*hint), Ordering::AcqRel) & Self::bit(*hint) != 0)
    }
}

impl Hinting {
    pub(crate) fn new(address: &Arc<Address>, connect_milliseconds_max: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                address: Arc::clone(address),
                connect_within: Duration::from_millis(connect_milliseconds_max),
                id: Uuid::now_v7().to_string(),
                wanted: Flags::default(),
                heard: Flags::default(),
                closed: AtomicBool::new(false),
                closing: Notify::new(),
            }),
            started: OnceLock::new(),
        }
    }

    /// Most processes that open a store are commands, which neither tell nor listen.
    fn start(&self) {
        self.started.get_or_init(|| {
            tokio::spawn(run(Arc::clone(&self.shared)));
        });
    }

    pub(crate) fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.closing.notify_one();
    }

    /// Whether notifications arrive, tried over a connection of its own.
    pub(crate) async fn arrive(&self) -> Result<bool, Failure> {
        let mut connection = Listening::connect(&self.shared).await?;
        connection.probe(&self.shared).await?;
        let deadline = Instant::now() + PROBE_WITHIN;
        loop {
            match tokio::time::timeout_at(deadline, connection.received.recv()).await {
                Ok(Some(payload)) if self.shared.is_own_probe(&payload) => return Ok(true),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return Ok(false),
            }
        }
    }
}

#[async_trait]
impl Hints for PostgresStore {
    fn hint(&self, hint: Hint) {
        let hinting = self.hinting();
        hinting.start();
        hinting.shared.wanted.set(hint);
    }

    async fn next_hint(&self) -> Hint {
        let hinting = self.hinting();
        hinting.start();
        loop {
            if let Some(hint) = hinting.shared.heard.take() {
                return hint;
            }
            hinting.shared.heard.changed.notified().await;
        }
    }
}

impl Shared {
    fn is_own_probe(&self, payload: &str) -> bool {
        payload.strip_prefix(&self.id).map(str::trim) == Some(PROBE)
    }

    /// A notification of another store becomes a hint.
    fn hear(&self, payload: &str) {
        let Some((sender, word)) = payload.split_once(' ') else { return };
        if sender == self.id {
            return;
        }
        if let Some(hint) = Hint::ALL.into_iter().find(|hint| hint.as_str() == word) {
            self.heard.set(hint);
        }
    }
}

/// Tells and listens until the store is closed, over one connection after another.
async fn run(shared: Arc<Shared>) {
    let mut wait = RECONNECT;
    while !shared.closed.load(Ordering::Acquire) {
        let began = Instant::now();
        let ended = match Listening::connect(&shared).await {
            Ok(connection) => connection.serve(&shared).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = ended {
            tracing::debug!(?failure, "the connection for notifications was lost; others are found by looking");
        }
        if shared.closed.load(Ordering::Acquire) {
            return;
        }
        // What was said meanwhile is unknown.
        Hint::ALL.into_iter().for_each(|hint| shared.heard.set(hint));
        if began.elapsed() > RECONNECT_MAX {
            wait = RECONNECT;
        }
        tokio::select! {
            () = shared.closing.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(RECONNECT_MAX);
    }
}

/// A connection that listens.
struct Listening {
    client: tokio_postgres::Client,
    received: Receiver<String>,
}

impl Listening {
    async fn connect(shared: &Shared) -> Result<Self, Failure> {
        let connector = tls::connector(&shared.address).map_err(Failure::Answer)?;
        let connecting = shared.address.config.connect(connector);
        let (client, mut connection) = tokio::time::timeout(shared.connect_within, connecting)
            .await
            .map_err(|_| Failure::Unreachable("the database did not answer in time".to_owned()))??;
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
        Ok(Self { client, received })
    }

    /// The payload is an id and a word of ours, so that it needs no quoting.
    async fn notify(&self, shared: &Shared, word: &str) -> Result<(), Failure> {
        let sql = format!("NOTIFY {CHANNEL}, '{} {word}'", shared.id);
        let sent = tokio::time::timeout(shared.connect_within, self.client.batch_execute(&sql)).await;
        sent.map_err(|_| Failure::Unreachable("a notification was not taken in time".to_owned()))??;
        Ok(())
    }

    async fn probe(&self, shared: &Shared) -> Result<(), Failure> {
        self.notify(shared, PROBE).await
    }

    /// Passes hints both ways until the connection is lost, or the store closed.
    async fn serve(mut self, shared: &Shared) -> Result<(), Failure> {
        let mut probe = Probing::default();
        let mut probe_at = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = shared.closing.notified() => return Ok(()),
                payload = self.received.recv() => match payload {
                    Some(payload) if shared.is_own_probe(&payload) => probe.arrived(),
                    Some(payload) => shared.hear(&payload),
                    None => return Err(Failure::Unreachable("the connection was closed".to_owned())),
                },
                () = shared.wanted.changed.notified() => {
                    while let Some(hint) = shared.wanted.take() {
                        self.notify(shared, hint.as_str()).await?;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                () = tokio::time::sleep_until(probe_at) => {
                    if probe.is_due() {
                        self.probe(shared).await?;
                        probe.sent();
                        probe_at = Instant::now() + PROBE_WITHIN;
                    } else {
                        probe.ended();
                        probe_at = Instant::now() + PROBE_EVERY;
                    }
                }
            }
        }
    }
}

/// Whether notifications arrive, as far as is known.
#[derive(Default)]
struct Probing {
    under_way: Option<bool>,
    arrive: Option<bool>,
}

impl Probing {
    const fn is_due(&self) -> bool {
        self.under_way.is_none()
    }

    const fn sent(&mut self) {
        self.under_way = Some(false);
    }

    const fn arrived(&mut self) {
        self.under_way = Some(true);
    }

    /// Its time is over: what was found out is told when it is news.
    fn ended(&mut self) {
        let arrive = self.under_way.take();
        if arrive == self.arrive {
            return;
        }
        if arrive == Some(true) {
            tracing::info!("notifications arrive: other instances are heard of at once");
        } else {
            tracing::warn!(
                "notifications do not arrive (a pooler that gives each transaction another connection): other \
                 instances are heard of within a second instead"
            );
        }
        self.arrive = arrive;
    }
}
