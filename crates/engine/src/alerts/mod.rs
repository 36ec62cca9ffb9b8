//! Alerts: looking at how things are once a minute, and sending what the rules want told.
//!
//! The observer and the sender are tasks of their own beside the engine's: whatever a mail server does, no order and
//! no delivery waits for it. Alerts and messages are stored together before anything is sent. Only when the database
//! itself fails is a message sent that is stored nowhere.

mod emergency;
mod front;
mod observation;
mod observer;
mod sender;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use saldo_domain::alert::{AlertPolicy, Message};
use saldo_domain::ids::IdSource;
use saldo_store::tasks::TaskState;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::TaskStatus;
use crate::service::StockSynchronizationService;

/// The name of looking, among the scheduled tasks.
pub(crate) const TASK: &str = "alerts";
/// How long a stop waits for a message that is under way.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Why a message was not taken by its channel. The reason holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TransportError {
    /// What happened.
    pub reason: String,
    /// The wait that the channel asked for.
    pub retry_after: Option<SignedDuration>,
    /// Whether someone must change a setting before it can go well.
    pub is_refusal: bool,
}

/// The way to people: given, so that a simulation can listen.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends a message once.
    async fn send(&self, message: &Message, now: Timestamp) -> Result<(), TransportError>;
}

/// Everything that alerts are given.
pub struct AlertOptions {
    /// Thresholds, routes and quiet hours.
    pub policy: AlertPolicy,
    /// How often operations are looked at that wait for too long, while none of them alerts, in minutes.
    pub stale_check_minutes: u64,
    /// The way to people.
    pub transport: Arc<dyn Transport>,
    /// Where the ids of alerts and messages come from.
    pub ids: Box<dyn IdSource + Send + Sync>,
}

/// Looking, as a scheduled task.
pub(crate) fn status(state: &TaskState) -> TaskStatus {
    TaskStatus {
        name: TASK.to_owned(),
        schedule: Some("every 1m".to_owned()),
        running: false,
        last_started_at: state.last_started_at,
        last_ended_at: state.last_ended_at,
        last_succeeded: state.last_succeeded,
        last_detail: state.last_detail.clone(),
        next_run_at: state.next_run_at,
    }
}

/// The running tasks.
pub struct AlertWatch {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl AlertWatch {
    /// Starts them beside a service. Call it within a tokio runtime.
    #[must_use]
    pub fn start(service: &StockSynchronizationService, options: AlertOptions) -> Self {
        let stop = CancellationToken::new();
        let wake = Arc::new(Notify::new());
        let sender = sender::Sender {
            core: Arc::clone(service.core()),
            transport: Arc::clone(&options.transport),
            wake: Arc::clone(&wake),
        };
        let observer = observer::Observer::new(service.clone(), options, wake);
        let tasks = vec![
            tokio::spawn(observer.run(stop.clone())),
            tokio::spawn(sender.run(stop.clone())),
        ];
        Self { stop, tasks }
    }

    /// Stops them. What is under way has a short while to end; what does not is sent again after the next start.
    pub async fn stop(self) {
        self.stop.cancel();
        let mut tasks = self.tasks;
        let all = futures::future::join_all(tasks.iter_mut());
        if tokio::time::timeout(STOP_WITHIN, all).await.is_err() {
            tracing::warn!("a message was still under way; it is sent again after the next start");
            for task in &tasks {
                task.abort();
            }
        }
    }
}
