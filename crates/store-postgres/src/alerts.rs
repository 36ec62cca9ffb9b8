//! Alerts and their messages.

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::alert::{Acknowledgement, Alert, Decision, Known, Message, MessageOutcome, Outgoing};
use saldo_domain::ids::{AlertId, MessageId};
use saldo_store::StoreError;
use saldo_store::alerts::{AlertFilter, Alerts, OPEN_ALERTS_MAX, OutboxCounts, alert_changed};
use saldo_store::query::{Page, PageRequest};
use saldo_store::questions;
use saldo_store::rows::{self, alert_columns, message_columns};

use crate::failure::Failure;
use crate::reads::{ask, rows_for};
use crate::session::Session;
use crate::sql::{moment, number, optional_stored, row_limit, storable, stored, to_json, values};
use crate::store::PostgresStore;

#[async_trait]
impl Alerts for PostgresStore {
    async fn known_alerts(&self, ended_since: Timestamp) -> Result<Known, StoreError> {
        self.read(move |session| Box::pin(known(session, ended_since)))
            .await
    }

    async fn apply_alerts(&self, decision: &Decision) -> Result<(), StoreError> {
        let decision = decision.clone();
        self.write_all(move |session| {
            let decision = decision.clone();
            Box::pin(async move { apply(session, &decision).await })
        })
        .await
    }

    async fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        self.read(move |session| Box::pin(load(session, id))).await
    }

    async fn alerts(&self, filter: &AlertFilter, page: PageRequest) -> Result<Page<Alert>, StoreError> {
        let filter = filter.clone();
        self.read(move |session| {
            let (filter, page) = (filter.clone(), page.clone());
            Box::pin(async move { list(session, &filter, &page).await })
        })
        .await
    }

    async fn acknowledge_alert(
        &self,
        id: AlertId,
        acknowledgement: Acknowledgement,
    ) -> Result<Option<Alert>, StoreError> {
        self.write_all(move |session| {
            let acknowledgement = acknowledgement.clone();
            Box::pin(async move { acknowledge(session, id, acknowledgement).await })
        })
        .await
    }

    async fn due_messages(&self, now: Timestamp, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        self.read(move |session| Box::pin(due_messages(session, now, limit)))
            .await
    }

    async fn next_message_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|session| {
            let sql =
                "SELECT next_at FROM saldo.alert_message WHERE status = 'waiting' ORDER BY next_at LIMIT 1";
            Box::pin(session.one(sql, &[], |row| moment(row, 0)))
        })
        .await
    }

    async fn begin_message(
        &self,
        id: MessageId,
        attempts: u32,
        again_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write_all(move |session| {
            Box::pin(async move {
                let sql = "UPDATE saldo.alert_message SET attempts = attempts + 1, next_at = $3 \
                     WHERE id = $1 AND attempts = $2 AND status = 'waiting'";
                let begun = session
                    .run(sql, values![id.as_uuid(), i64::from(attempts), stored(again_at)])
                    .await?;
                Ok(begun == 1)
            })
        })
        .await
    }

    async fn end_message(
        &self,
        id: MessageId,
        outcome: MessageOutcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_all(move |session| {
            let outcome = outcome.clone();
            Box::pin(async move { end(session, id, &outcome, now).await })
        })
        .await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Outgoing>, StoreError> {
        self.read(move |session| {
            Box::pin(async move {
                let sql = concat!(
                    "SELECT ",
                    message_columns!(),
                    " FROM saldo.alert_message WHERE id = $1"
                );
                session.one(sql, values![id.as_uuid()], rows::outgoing).await
            })
        })
        .await
    }

    async fn outbox_counts(&self) -> Result<OutboxCounts, StoreError> {
        self.read(|session| Box::pin(outbox_counts(session))).await
    }

    async fn completed_since(&self, moment: Timestamp) -> Result<u64, StoreError> {
        self.read(move |session| {
            Box::pin(async move {
                let sql = "SELECT count(*) FROM saldo.operation \
                     WHERE status = 'completed' AND completed_at >= $1 AND account IS NOT NULL";
                let count = session
                    .one(sql, values![stored(moment)], |row| number(row, 0))
                    .await?;
                Ok(count.unwrap_or(0))
            })
        })
        .await
    }

    async fn forget_alerts(&self, ended_before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.write_all(move |session| {
            Box::pin(async move {
                let mut forgotten = 0;
                for table in ["alert", "alert_message"] {
                    let sql = format!(
                        "DELETE FROM saldo.{table} WHERE id IN \
                         (SELECT id FROM saldo.{table} WHERE ended_at < $1 ORDER BY id LIMIT $2)"
                    );
                    forgotten += session
                        .run(&sql, values![stored(ended_before), row_limit(limit)])
                        .await?;
                }
                Ok(forgotten)
            })
        })
        .await
    }
}

async fn known(session: &Session, ended_since: Timestamp) -> Result<Known, Failure> {
    let limit = row_limit(OPEN_ALERTS_MAX);
    let open = concat!(
        "SELECT ",
        alert_columns!(),
        " FROM saldo.alert WHERE ended_at IS NULL ORDER BY id LIMIT $1"
    );
    let ended = concat!(
        "SELECT ",
        alert_columns!(),
        " FROM saldo.alert WHERE ended_at >= $1 ORDER BY id LIMIT $2"
    );
    Ok(Known {
        open: session.many(open, values![limit], rows::alert).await?,
        ended: session
            .many(ended, values![stored(ended_since), limit], rows::alert)
            .await?,
    })
}

async fn load(session: &Session, id: AlertId) -> Result<Option<Alert>, Failure> {
    let sql = concat!("SELECT ", alert_columns!(), " FROM saldo.alert WHERE id = $1");
    session.one(sql, values![id.as_uuid()], rows::alert).await
}

async fn list(session: &Session, filter: &AlertFilter, page: &PageRequest) -> Result<Page<Alert>, Failure> {
    let before: Option<AlertId> = page.position()?;
    let select = concat!("SELECT ", alert_columns!(), " FROM saldo.alert");
    let conditions = questions::alerts(filter, before);
    let rows = ask(
        session,
        select,
        conditions,
        " ORDER BY id DESC",
        rows_for(page),
        rows::alert,
    )
    .await?;
    Ok(Page::from_rows(rows, page.limit, |alert: &Alert| alert.id))
}

/// Everything is looked at, and locked, before anything is written.
async fn apply(session: &Session, decision: &Decision) -> Result<(), Failure> {
    let mut alerts: Vec<&Alert> = decision.alerts.iter().collect();
    alerts.sort_by_key(|alert| alert.id);
    for alert in &alerts {
        let sql = "SELECT version FROM saldo.alert WHERE id = $1 FOR UPDATE";
        let known: Option<u32> = session
            .one(sql, values![alert.id.as_uuid()], |row| number(row, 0))
            .await?;
        if known.unwrap_or(0) + 1 != alert.version || (known.is_none() && is_open(session, alert).await?) {
            return Err(alert_changed(alert.id).into());
        }
    }
    for alert in &decision.alerts {
        put(session, alert).await?;
    }
    for message in &decision.messages {
        put_message(session, message).await?;
    }
    Ok(())
}

/// Whether there is an open alert of the same kind and subject already.
async fn is_open(session: &Session, alert: &Alert) -> Result<bool, Failure> {
    let account = alert.subject.account().map(|account| account.as_uuid());
    let task = alert.subject.task().map(|task| task.as_str().to_owned());
    let found = session
        .one(
            "SELECT 1 FROM saldo.alert WHERE ended_at IS NULL AND kind = $1 \
             AND coalesce(account::text, '') = coalesce($2::uuid::text, '') \
             AND coalesce(task, '') = coalesce($3, '')",
            values![alert.kind.as_str(), account, task],
            |_| Ok(()),
        )
        .await?;
    Ok(alert.is_open() && found.is_some())
}

async fn put(session: &Session, alert: &Alert) -> Result<(), Failure> {
    let acknowledged = alert.acknowledged.as_ref().map(to_json).transpose()?;
    let sql = concat!(
        "INSERT INTO saldo.alert AS old (",
        alert_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
         ON CONFLICT (id) DO UPDATE SET facts = excluded.facts, peak = excluded.peak, \
         begun_at = excluded.begun_at, cleared_at = excluded.cleared_at, \
         first_told_at = excluded.first_told_at, told_at = excluded.told_at, \
         told_count = excluded.told_count, reminders = excluded.reminders, \
         acknowledged = excluded.acknowledged, ended_at = excluded.ended_at, \
         delivered = excluded.delivered, version = excluded.version \
         WHERE old.version = excluded.version - 1"
    );
    let written = session
        .run(
            sql,
            values![
                alert.id.as_uuid(),
                alert.kind.as_str(),
                alert.subject.account().map(|account| account.as_uuid()),
                alert.subject.task().map(|task| task.as_str().to_owned()),
                alert.severity.as_str(),
                to_json(&alert.facts)?,
                counted(alert.peak),
                stored(alert.begun_at),
                optional_stored(alert.cleared_at),
                i64::from(alert.quiet_seconds),
                optional_stored(alert.first_told_at),
                optional_stored(alert.told_at),
                counted(alert.told_count),
                i64::from(alert.reminders),
                acknowledged,
                optional_stored(alert.ended_at),
                alert.delivered.map(counted),
                i64::from(alert.version),
            ],
        )
        .await?;
    if written != 1 {
        return Err(Failure::Changed(format!(
            "alert {} was changed meanwhile",
            alert.id
        )));
    }
    Ok(())
}

/// Counts come from counting rows: none reaches the bound.
fn counted(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

async fn put_message(session: &Session, message: &Message) -> Result<(), Failure> {
    let sql = concat!(
        "INSERT INTO saldo.alert_message (",
        message_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, 'waiting', 0, $4, NULL, NULL)"
    );
    session
        .run(
            sql,
            values![
                message.id.as_uuid(),
                message.channel.as_str(),
                stored(message.created_at),
                stored(message.due_at),
                to_json(&message.entries)?,
            ],
        )
        .await?;
    Ok(())
}

async fn acknowledge(
    session: &Session,
    id: AlertId,
    acknowledgement: Acknowledgement,
) -> Result<Option<Alert>, Failure> {
    let sql = concat!(
        "SELECT ",
        alert_columns!(),
        " FROM saldo.alert WHERE id = $1 FOR UPDATE"
    );
    let Some(known) = session.one(sql, values![id.as_uuid()], rows::alert).await? else {
        return Ok(None);
    };
    let changed = known.clone().acknowledge(acknowledgement);
    if changed != known {
        put(session, &changed).await?;
    }
    Ok(Some(changed))
}

async fn due_messages(session: &Session, now: Timestamp, limit: usize) -> Result<Vec<Outgoing>, Failure> {
    let sql = concat!(
        "SELECT ",
        message_columns!(),
        " FROM saldo.alert_message WHERE status = 'waiting' AND next_at <= $1 ORDER BY next_at, id LIMIT $2"
    );
    session
        .many(sql, values![stored(now), row_limit(limit)], rows::outgoing)
        .await
}

async fn end(
    session: &Session,
    id: MessageId,
    outcome: &MessageOutcome,
    now: Timestamp,
) -> Result<(), Failure> {
    let waits = "WHERE id = $1 AND status = 'waiting'";
    match outcome {
        MessageOutcome::Sent => {
            let sql = format!("UPDATE saldo.alert_message SET status = 'sent', ended_at = $2 {waits}");
            session.run(&sql, values![id.as_uuid(), stored(now)]).await?;
        }
        MessageOutcome::Retry { error, next_at } => {
            let sql = format!("UPDATE saldo.alert_message SET last_error = $2, next_at = $3 {waits}");
            session
                .run(&sql, values![id.as_uuid(), storable(error), stored(*next_at)])
                .await?;
        }
        MessageOutcome::Failed { error } => {
            let sql = format!(
                "UPDATE saldo.alert_message SET status = 'failed', last_error = $2, ended_at = $3 {waits}"
            );
            session
                .run(&sql, values![id.as_uuid(), storable(error), stored(now)])
                .await?;
        }
    }
    Ok(())
}

async fn outbox_counts(session: &Session) -> Result<OutboxCounts, Failure> {
    let mut counts = [0, 0];
    for (count, status) in counts.iter_mut().zip(["waiting", "failed"]) {
        let sql = format!("SELECT count(*) FROM saldo.alert_message WHERE status = '{status}'");
        *count = session.one(&sql, &[], |row| number(row, 0)).await?.unwrap_or(0);
    }
    let [waiting, failed] = counts;
    Ok(OutboxCounts { waiting, failed })
}
