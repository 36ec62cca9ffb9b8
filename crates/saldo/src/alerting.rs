//! Alerts of a running service: the rules' words, and the way to the channels.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::alert::Message;
use saldo_engine::StockSynchronizationService;
use saldo_engine::alerts::{AlertOptions, AlertWatch, Transport, TransportError};
use saldo_notify::{Notifier, SendFailure};

use crate::config::Config;
use crate::edge::RandomIds;

/// The channels that are set up.
struct Channels(Notifier);

#[async_trait]
impl Transport for Channels {
    async fn send(&self, message: &Message, now: Timestamp) -> Result<(), TransportError> {
        self.0.send(message, now).await.map_err(|error| TransportError {
            reason: error.reason,
            retry_after: match error.failure {
                SendFailure::Passing { retry_after } => retry_after,
                SendFailure::Refused => None,
            },
            is_refusal: error.failure == SendFailure::Refused,
        })
    }
}

/// Starts to look and to tell, as the configuration says.
///
/// # Errors
/// When the settings cannot be used.
pub(crate) fn start(
    config: &Config,
    service: &StockSynchronizationService,
    address: SocketAddr,
) -> anyhow::Result<AlertWatch> {
    let policy = config.alert_policy().map_err(anyhow::Error::msg)?;
    let notifier = config
        .notifier(&format!("http://{address}"))
        .map_err(|problems| anyhow::Error::msg(problems.join("; ")))?;
    if policy.routes.set_up.is_empty() {
        tracing::warn!(
            "no channel is set up: alerts are kept and shown, and nobody is told of them; see [channels]"
        );
    }
    let options = AlertOptions {
        policy,
        stale_check_minutes: config.alerts.stale_operations.check_interval_minutes,
        transport: Arc::new(Channels(notifier)),
        ids: Box::new(RandomIds::default()),
    };
    Ok(AlertWatch::start(service, options))
}
