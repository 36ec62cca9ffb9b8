//! When the database itself fails: the one alert that is kept in memory, and sent without being stored first.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use saldo_domain::alert::{
    Alert, AlertKind, AlertPolicy, Decision, Known, Message, Observation, judge, watch,
};
use saldo_domain::ids::IdSource;
use tokio::sync::Semaphore;

use super::Transport;

/// Messages under way at once; of more, the newest is dropped: the same trouble was told already.
const UNDER_WAY_MAX: usize = 8;
/// How often such a message is tried, and the first wait between; each wait is twice the one before.
const ATTEMPTS: u32 = 6;
const WAIT_FIRST: Duration = Duration::from_secs(15);

/// What the database could not keep.
pub(super) struct Emergency {
    transport: Arc<dyn Transport>,
    under_way: Arc<Semaphore>,
    /// The alert about the database, as it was decided last.
    alert: Option<Alert>,
    /// Whether it was decided without the database.
    is_unstored: bool,
}

impl Emergency {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            under_way: Arc::new(Semaphore::new(UNDER_WAY_MAX)),
            alert: None,
            is_unstored: false,
        }
    }

    /// The database failed: decides about that alone, and sends what is to be told of it.
    pub(super) fn tell(
        &mut self,
        reason: &str,
        policy: &AlertPolicy,
        now: Timestamp,
        ids: &mut dyn IdSource,
    ) {
        let known = Known {
            open: self.alert.iter().cloned().collect(),
            ended: Vec::new(),
        };
        let observation = Observation {
            storage_error: Some(reason.to_owned()),
            ..Observation::default()
        };
        let findings = judge(&observation, policy, now);
        let decision = watch(&known, &findings, policy, now, ids);
        self.alert = decision.alerts.into_iter().next().or(self.alert.take());
        self.is_unstored = true;
        for message in decision.messages {
            self.send(message, now);
        }
    }

    fn send(&self, message: Message, now: Timestamp) {
        let Ok(place) = Arc::clone(&self.under_way).try_acquire_owned() else {
            tracing::error!("too many messages about the database are under way; one is dropped");
            return;
        };
        let transport = Arc::clone(&self.transport);
        tokio::spawn(async move {
            let _place = place;
            let mut wait = WAIT_FIRST;
            for _ in 0..ATTEMPTS {
                match transport.send(&message, now).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(channel = %message.channel, %error, "a message about the database was not sent");
                    }
                }
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
        });
    }

    /// The database works again: what it must keep of the alert, so that its end is told like any other.
    pub(super) fn to_store(&self, known: &Known) -> Option<Decision> {
        if !self.is_unstored {
            return None;
        }
        let alert = self.alert.clone()?;
        let version = match stored(known) {
            Some(stored) if stored.id == alert.id => stored.version + 1,
            // Another instance began one meanwhile: that one goes on.
            Some(_) => return None,
            None => 1,
        };
        Some(Decision {
            alerts: vec![Alert { version, ..alert }],
            messages: Vec::new(),
        })
    }

    /// What the database keeps is what counts from now on.
    pub(super) fn remember(&mut self, known: &Known) {
        self.alert = stored(known).cloned();
        self.is_unstored = false;
    }
}

fn stored(known: &Known) -> Option<&Alert> {
    known
        .open
        .iter()
        .find(|alert| alert.kind == AlertKind::StorageTrouble)
}
