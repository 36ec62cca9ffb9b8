//! Alerts and their messages.

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::alert::{Acknowledgement, Alert, Decision, Known, MessageOutcome, MessageStatus, Outgoing};
use saldo_domain::ids::{AlertId, MessageId};
use saldo_domain::operation::OperationStatus;

use super::MemoryStore;
use super::tables::Tables;
use crate::alerts::{AlertFilter, Alerts, OPEN_ALERTS_MAX, OutboxCounts, alert_changed};
use crate::error::StoreError;
use crate::query::{Page, PageRequest};

#[async_trait]
impl Alerts for MemoryStore {
    async fn known_alerts(&self, ended_since: Timestamp) -> Result<Known, StoreError> {
        let state = self.open()?;
        let alerts = state.tables.alerts.values();
        let open = alerts.clone().filter(|alert| alert.is_open());
        let ended = alerts.filter(|alert| alert.ended_at.is_some_and(|ended| ended >= ended_since));
        Ok(Known {
            open: open.take(OPEN_ALERTS_MAX).cloned().collect(),
            ended: ended.take(OPEN_ALERTS_MAX).cloned().collect(),
        })
    }

    async fn apply_alerts(&self, decision: &Decision) -> Result<(), StoreError> {
        self.open()?.tables.apply_alerts(decision)
    }

    async fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        Ok(self.open()?.tables.alerts.get(&id).cloned())
    }

    async fn alerts(&self, filter: &AlertFilter, page: PageRequest) -> Result<Page<Alert>, StoreError> {
        self.open()?.tables.alerts_page(filter, &page)
    }

    async fn acknowledge_alert(
        &self,
        id: AlertId,
        acknowledgement: Acknowledgement,
    ) -> Result<Option<Alert>, StoreError> {
        let alerts = &mut self.open()?.tables.alerts;
        Ok(alerts.get_mut(&id).map(|alert| {
            *alert = alert.clone().acknowledge(acknowledgement);
            alert.clone()
        }))
    }

    async fn due_messages(&self, now: Timestamp, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        let state = self.open()?;
        let mut due: Vec<&Outgoing> = state
            .tables
            .waiting_messages()
            .filter(|outgoing| outgoing.next_at <= now)
            .collect();
        due.sort_by_key(|outgoing| (outgoing.next_at, outgoing.message.id));
        Ok(due.into_iter().take(limit).cloned().collect())
    }

    async fn next_message_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let state = self.open()?;
        Ok(state
            .tables
            .waiting_messages()
            .map(|outgoing| outgoing.next_at)
            .min())
    }

    async fn begin_message(
        &self,
        id: MessageId,
        attempts: u32,
        again_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let messages = &mut self.open()?.tables.messages;
        let Some(outgoing) = messages.get_mut(&id) else {
            return Ok(false);
        };
        if outgoing.status != MessageStatus::Waiting || outgoing.attempts != attempts {
            return Ok(false);
        }
        outgoing.attempts += 1;
        outgoing.next_at = again_at;
        Ok(true)
    }

    async fn end_message(
        &self,
        id: MessageId,
        outcome: MessageOutcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let messages = &mut self.open()?.tables.messages;
        let waiting = |outgoing: &&mut Outgoing| outgoing.status == MessageStatus::Waiting;
        let Some(outgoing) = messages.get_mut(&id).filter(waiting) else {
            return Ok(());
        };
        match outcome {
            MessageOutcome::Sent => {
                outgoing.status = MessageStatus::Sent;
                outgoing.ended_at = Some(now);
            }
            MessageOutcome::Retry { error, next_at } => {
                outgoing.last_error = Some(error);
                outgoing.next_at = next_at;
            }
            MessageOutcome::Failed { error } => {
                outgoing.status = MessageStatus::Failed;
                outgoing.last_error = Some(error);
                outgoing.ended_at = Some(now);
            }
        }
        Ok(())
    }

    async fn message(&self, id: MessageId) -> Result<Option<Outgoing>, StoreError> {
        Ok(self.open()?.tables.messages.get(&id).cloned())
    }

    async fn outbox_counts(&self) -> Result<OutboxCounts, StoreError> {
        let state = self.open()?;
        let count = |status| {
            let of = state.tables.messages.values();
            of.filter(|outgoing| outgoing.status == status).count() as u64
        };
        Ok(OutboxCounts {
            waiting: count(MessageStatus::Waiting),
            failed: count(MessageStatus::Failed),
        })
    }

    async fn completed_since(&self, moment: Timestamp) -> Result<u64, StoreError> {
        let state = self.open()?;
        let completed = state.tables.operations.values().filter(|operation| {
            operation.status == OperationStatus::Completed
                && operation.order.is_some()
                && operation.completed_at.is_some_and(|at| at >= moment)
        });
        Ok(completed.count() as u64)
    }

    async fn forget_alerts(&self, ended_before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let tables = &mut self.open()?.tables;
        let alerts: Vec<AlertId> = tables
            .alerts
            .values()
            .filter(|alert| alert.ended_at.is_some_and(|ended| ended < ended_before))
            .map(|alert| alert.id)
            .take(limit)
            .collect();
        let messages: Vec<MessageId> = tables
            .messages
            .values()
            .filter(|outgoing| outgoing.ended_at.is_some_and(|ended| ended < ended_before))
            .map(|outgoing| outgoing.message.id)
            .take(limit)
            .collect();
        for id in &alerts {
            tables.alerts.remove(id);
        }
        for id in &messages {
            tables.messages.remove(id);
        }
        Ok((alerts.len() + messages.len()) as u64)
    }
}

impl Tables {
    fn apply_alerts(&mut self, decision: &Decision) -> Result<(), StoreError> {
        for alert in &decision.alerts {
            let stored = self.alerts.get(&alert.id).map_or(0, |stored| stored.version);
            let is_new = stored == 0;
            let other_is_open = is_new
                && alert.is_open()
                && self.alerts.values().any(|other| {
                    other.is_open() && other.kind == alert.kind && other.subject == alert.subject
                });
            if stored + 1 != alert.version || other_is_open {
                return Err(alert_changed(alert.id).into());
            }
        }
        for alert in &decision.alerts {
            self.alerts.insert(alert.id, alert.clone());
        }
        for message in &decision.messages {
            let outgoing = Outgoing {
                message: message.clone(),
                status: MessageStatus::Waiting,
                attempts: 0,
                next_at: message.due_at,
                last_error: None,
                ended_at: None,
            };
            self.messages.insert(message.id, outgoing);
        }
        Ok(())
    }

    fn alerts_page(&self, filter: &AlertFilter, page: &PageRequest) -> Result<Page<Alert>, StoreError> {
        let before: Option<AlertId> = page.position()?;
        let rows = self
            .alerts
            .values()
            .rev()
            .filter(|alert| before.is_none_or(|before| alert.id < before))
            .filter(|alert| filter.matches(alert))
            .take(page.limit + 1)
            .cloned()
            .collect();
        Ok(Page::from_rows(rows, page.limit, |alert: &Alert| alert.id))
    }

    fn waiting_messages(&self) -> impl Iterator<Item = &Outgoing> {
        self.messages
            .values()
            .filter(|outgoing| outgoing.status == MessageStatus::Waiting)
    }
}
