//! The one who sends: what is due in the outbox, a few messages at a time, each with a bound.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use saldo_domain::alert::{MessageOutcome, Outgoing, next_attempt};
use saldo_domain::limits::ERROR_CHARACTERS_MAX;
use saldo_domain::text::one_line;
use saldo_store::StoreError;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::observer::microsecond;
use super::{Transport, TransportError};
use crate::clock::until;
use crate::engine::Core;

/// Messages sent at once.
const AT_ONCE_MAX: usize = 4;
/// Messages taken up in one round.
const ROUND_MAX: usize = 32;
/// How long one attempt may take, whatever the channel does.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a message that was taken up is left alone, in seconds: longer than its attempt.
const TAKEN_UP_SECONDS: i64 = 150;
/// How often the outbox is looked at, besides when a message is due.
const LOOK_SECONDS: u64 = 60;
/// How long a refusal waits, in minutes: someone must change a setting first.
const REFUSAL_WAIT: SignedDuration = SignedDuration::from_mins(30);

const _: () = assert!(TAKEN_UP_SECONDS as u64 > ATTEMPT_TIMEOUT.as_secs());

pub(super) struct Sender {
    pub(super) core: Arc<Core>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) wake: Arc<Notify>,
}

impl Sender {
    /// Sends until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        loop {
            let wait = match self.round(&stop).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::warn!(%error, "the messages to send could not be read or kept; trying again");
                    Duration::from_secs(LOOK_SECONDS)
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Sends what is due, and says how long to wait.
    async fn round(&self, stop: &CancellationToken) -> Result<Duration, StoreError> {
        let due = self.core.store.due_messages(self.core.now(), ROUND_MAX).await?;
        let is_full = due.len() == ROUND_MAX;
        let sent = futures::stream::iter(due).map(|outgoing| self.send(outgoing, stop));
        let mut sent = sent.buffer_unordered(AT_ONCE_MAX);
        while let Some(result) = sent.next().await {
            result?;
        }
        if is_full {
            return Ok(Duration::ZERO);
        }
        let longest = Duration::from_secs(LOOK_SECONDS);
        let next = self.core.store.next_message_at().await?;
        Ok(next.map_or(longest, |next| {
            until(self.core.now(), next).clamp(Duration::from_millis(100), longest)
        }))
    }

    async fn send(&self, outgoing: Outgoing, stop: &CancellationToken) -> Result<(), StoreError> {
        if stop.is_cancelled() {
            return Ok(());
        }
        let message = &outgoing.message;
        let again_at = microsecond(self.core.now()) + SignedDuration::from_secs(TAKEN_UP_SECONDS);
        let begun = self
            .core
            .store
            .begin_message(message.id, outgoing.attempts, again_at)
            .await?;
        if !begun {
            return Ok(());
        }
        let attempt = self.transport.send(message, self.core.now());
        let sent = tokio::time::timeout(ATTEMPT_TIMEOUT, attempt)
            .await
            .unwrap_or_else(|_| {
                Err(TransportError {
                    reason: "the channel did not answer in time".to_owned(),
                    retry_after: None,
                    is_refusal: false,
                })
            });
        let now = microsecond(self.core.now());
        let outcome = outcome(&outgoing, sent, now);
        match &outcome {
            MessageOutcome::Sent => {
                tracing::info!(message_id = %message.id, channel = %message.channel, "told")
            }
            MessageOutcome::Retry { error, next_at } => {
                tracing::warn!(message_id = %message.id, channel = %message.channel, error, %next_at, "not told yet");
            }
            MessageOutcome::Failed { error } => {
                tracing::error!(message_id = %message.id, channel = %message.channel, error, "a message was given up");
            }
        }
        self.core.store.end_message(message.id, outcome, now).await
    }
}

fn outcome(outgoing: &Outgoing, sent: Result<(), TransportError>, now: Timestamp) -> MessageOutcome {
    let Err(error) = sent else {
        return MessageOutcome::Sent;
    };
    let retry_after = if error.is_refusal {
        Some(REFUSAL_WAIT)
    } else {
        error.retry_after
    };
    let reason = one_line(&error.reason, ERROR_CHARACTERS_MAX);
    match next_attempt(outgoing.message.due_at, outgoing.attempts + 1, retry_after, now) {
        Some(next_at) => MessageOutcome::Retry {
            error: reason,
            next_at: microsecond(next_at),
        },
        None => MessageOutcome::Failed { error: reason },
    }
}
