//! Alerts and their messages.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use saldo_domain::alert::{
    Acknowledgement, Alert, Decision, Known, Message, MessageOutcome, Outgoing, TaskName,
};
use saldo_domain::ids::{AlertId, MessageId};
use saldo_store::StoreError;
use saldo_store::alerts::{AlertFilter, Alerts, OPEN_ALERTS_MAX, OutboxCounts, alert_changed};
use saldo_store::query::{Page, PageRequest};
use saldo_store::questions;
use saldo_store::rows::{self, alert_columns, message_columns};

use crate::failure::Failure;
use crate::reads::{ask, rows_for};
use crate::sql::{many, moment, number, one, optional_stored, row_limit, run, run_on_one, stored, to_json};
use crate::store::SqliteStore;

#[async_trait]
impl Alerts for SqliteStore {
    async fn known_alerts(&self, ended_since: Timestamp) -> Result<Known, StoreError> {
        self.read(move |connection| Ok(known(connection, ended_since)?))
            .await
    }

    async fn apply_alerts(&self, decision: &Decision) -> Result<(), StoreError> {
        let decision = decision.clone();
        self.write(move |connection| apply(connection, &decision).map(|()| true))
            .await
            .map(|_| ())
    }

    async fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        self.read(move |connection| Ok(load(connection, id)?)).await
    }

    async fn alerts(&self, filter: &AlertFilter, page: PageRequest) -> Result<Page<Alert>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| list(connection, &filter, &page))
            .await
    }

    async fn acknowledge_alert(
        &self,
        id: AlertId,
        acknowledgement: Acknowledgement,
    ) -> Result<Option<Alert>, StoreError> {
        self.write(move |connection| acknowledge(connection, id, &acknowledgement).map(|()| true))
            .await?;
        self.alert(id).await
    }

    async fn due_messages(&self, now: Timestamp, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        let limit = row_limit(limit);
        self.read(move |connection| {
            let sql = concat!(
                "SELECT ",
                message_columns!(),
                " FROM alert_message INDEXED BY alert_message_waiting \
                 WHERE status = 'waiting' AND next_at <= ?1 ORDER BY next_at, id LIMIT ?2"
            );
            Ok(many(connection, sql, params![stored(now), limit], |row| {
                rows::outgoing(row)
            })?)
        })
        .await
    }

    async fn next_message_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT next_at FROM alert_message INDEXED BY alert_message_waiting \
                       WHERE status = 'waiting' ORDER BY next_at LIMIT 1";
            Ok(one(connection, sql, [], |row| moment(row, 0))?)
        })
        .await
    }

    async fn begin_message(
        &self,
        id: MessageId,
        attempts: u32,
        again_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let sql = "UPDATE alert_message SET attempts = attempts + 1, next_at = ?3 \
                       WHERE id = ?1 AND attempts = ?2 AND status = 'waiting'";
            let id = *id.as_uuid().as_bytes();
            Ok(run(connection, sql, params![id, attempts, stored(again_at)])? == 1)
        })
        .await
    }

    async fn end_message(
        &self,
        id: MessageId,
        outcome: MessageOutcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |connection| end(connection, id, &outcome, now).map(|()| true))
            .await
            .map(|_| ())
    }

    async fn message(&self, id: MessageId) -> Result<Option<Outgoing>, StoreError> {
        self.read(move |connection| {
            let sql = concat!("SELECT ", message_columns!(), " FROM alert_message WHERE id = ?1");
            Ok(one(connection, sql, [id.as_uuid().as_bytes()], |row| {
                rows::outgoing(row)
            })?)
        })
        .await
    }

    async fn outbox_counts(&self) -> Result<OutboxCounts, StoreError> {
        self.read(|connection| {
            let count = |sql: &str| one(connection, sql, [], |row| number(row, 0));
            Ok(OutboxCounts {
                waiting: count("SELECT count(*) FROM alert_message WHERE status = 'waiting'")?.unwrap_or(0),
                failed: count("SELECT count(*) FROM alert_message WHERE status = 'failed'")?.unwrap_or(0),
            })
        })
        .await
    }

    async fn completed_since(&self, moment: Timestamp) -> Result<u64, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT count(*) FROM operation INDEXED BY operation_completed \
                       WHERE status = 'completed' AND completed_at >= ?1 AND account IS NOT NULL";
            let count = one(connection, sql, [stored(moment)], |row| number(row, 0))?;
            Ok(count.unwrap_or(0))
        })
        .await
    }

    async fn forget_alerts(&self, ended_before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let limit = row_limit(limit);
        // The answer of a write is a yes or a no; how many there are is read before, and nobody else removes any.
        let doomed = self
            .read(move |connection| {
                let sql = "SELECT (SELECT count(*) FROM (SELECT 1 FROM alert WHERE ended_at < ?1 LIMIT ?2)) + \
                           (SELECT count(*) FROM (SELECT 1 FROM alert_message WHERE ended_at < ?1 LIMIT ?2))";
                let parameters = params![stored(ended_before), limit];
                Ok(one(connection, sql, parameters, |row| number(row, 0))?.unwrap_or(0))
            })
            .await?;
        if doomed > 0 {
            self.write(move |connection| forget(connection, ended_before, limit).map(|()| true))
                .await?;
        }
        Ok(doomed)
    }
}

fn known(connection: &Connection, ended_since: Timestamp) -> Result<Known, Failure> {
    let limit = row_limit(OPEN_ALERTS_MAX);
    let open = concat!(
        "SELECT ",
        alert_columns!(),
        " FROM alert INDEXED BY alert_open WHERE ended_at IS NULL ORDER BY id LIMIT ?1"
    );
    let ended = concat!(
        "SELECT ",
        alert_columns!(),
        " FROM alert INDEXED BY alert_ended WHERE ended_at >= ?1 ORDER BY id LIMIT ?2"
    );
    Ok(Known {
        open: many(connection, open, [limit], |row| rows::alert(row))?,
        ended: many(connection, ended, params![stored(ended_since), limit], |row| {
            rows::alert(row)
        })?,
    })
}

fn load(connection: &Connection, id: AlertId) -> Result<Option<Alert>, Failure> {
    let sql = concat!("SELECT ", alert_columns!(), " FROM alert WHERE id = ?1");
    one(connection, sql, [id.as_uuid().as_bytes()], |row| rows::alert(row))
}

pub(crate) fn list(
    connection: &Connection,
    filter: &AlertFilter,
    page: &PageRequest,
) -> Result<Page<Alert>, StoreError> {
    let before: Option<AlertId> = page.position()?;
    let select = concat!("SELECT ", alert_columns!(), " FROM alert");
    let conditions = questions::alerts(filter, before);
    let rows = ask(
        connection,
        select,
        conditions,
        " ORDER BY id DESC",
        rows_for(page),
        |row| rows::alert(row),
    )?;
    Ok(Page::from_rows(rows, page.limit, |alert: &Alert| alert.id))
}

/// Everything is looked at before anything is written: a refusal leaves the transaction as it was.
fn apply(connection: &Connection, decision: &Decision) -> Result<(), Failure> {
    for alert in &decision.alerts {
        let sql = "SELECT version FROM alert WHERE id = ?1";
        let known: Option<u32> = one(connection, sql, [alert.id.as_uuid().as_bytes()], |row| {
            number(row, 0)
        })?;
        if known.unwrap_or(0) + 1 != alert.version || (known.is_none() && is_open(connection, alert)?) {
            return Err(alert_changed(alert.id).into());
        }
    }
    for alert in &decision.alerts {
        put(connection, alert)?;
    }
    for message in &decision.messages {
        put_message(connection, message)?;
    }
    Ok(())
}

/// Whether there is an open alert of the same kind and subject already.
fn is_open(connection: &Connection, alert: &Alert) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM alert INDEXED BY alert_open WHERE ended_at IS NULL AND kind = ?1 \
               AND ifnull(account, x'') = ifnull(?2, x'') AND ifnull(task, '') = ifnull(?3, '')";
    let account = alert.subject.account();
    let account = account.map(|account| account.as_uuid().into_bytes().to_vec());
    let task = alert.subject.task().map(TaskName::as_str);
    let found = one(
        connection,
        sql,
        params![alert.kind.as_str(), account, task],
        |_| Ok(()),
    )?;
    Ok(alert.is_open() && found.is_some())
}

fn put(connection: &Connection, alert: &Alert) -> Result<(), Failure> {
    let account = alert.subject.account();
    let account = account.map(|account| account.as_uuid().into_bytes().to_vec());
    let acknowledged = alert.acknowledged.as_ref().map(to_json).transpose()?;
    let sql = concat!(
        "INSERT INTO alert (",
        alert_columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) \
         ON CONFLICT (id) DO UPDATE SET facts = excluded.facts, peak = excluded.peak, \
         begun_at = excluded.begun_at, cleared_at = excluded.cleared_at, \
         first_told_at = excluded.first_told_at, told_at = excluded.told_at, \
         told_count = excluded.told_count, reminders = excluded.reminders, \
         acknowledged = excluded.acknowledged, ended_at = excluded.ended_at, \
         delivered = excluded.delivered, version = excluded.version \
         WHERE version = excluded.version - 1"
    );
    let id = *alert.id.as_uuid().as_bytes();
    let parameters = params![
        id,
        alert.kind.as_str(),
        account,
        alert.subject.task().map(TaskName::as_str),
        alert.severity.as_str(),
        to_json(&alert.facts)?,
        counted(alert.peak),
        stored(alert.begun_at),
        optional_stored(alert.cleared_at),
        alert.quiet_seconds,
        optional_stored(alert.first_told_at),
        optional_stored(alert.told_at),
        counted(alert.told_count),
        alert.reminders,
        acknowledged,
        optional_stored(alert.ended_at),
        alert.delivered.map(counted),
        alert.version,
    ];
    run_on_one(connection, sql, parameters, || format!("alert {}", alert.id))
}

/// Counts come from counting rows: none reaches the bound.
fn counted(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn put_message(connection: &Connection, message: &Message) -> Result<(), Failure> {
    let sql = concat!(
        "INSERT INTO alert_message (",
        message_columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, 'waiting', 0, ?4, NULL, NULL)"
    );
    let id = *message.id.as_uuid().as_bytes();
    let parameters = params![
        id,
        message.channel.as_str(),
        stored(message.created_at),
        stored(message.due_at),
        to_json(&message.entries)?,
    ];
    run_on_one(connection, sql, parameters, || format!("message {}", message.id))
}

fn acknowledge(
    connection: &Connection,
    id: AlertId,
    acknowledgement: &Acknowledgement,
) -> Result<(), Failure> {
    let Some(known) = load(connection, id)? else {
        return Ok(());
    };
    let changed = known.clone().acknowledge(acknowledgement.clone());
    if changed == known {
        return Ok(());
    }
    put(connection, &changed)
}

fn end(
    connection: &Connection,
    id: MessageId,
    outcome: &MessageOutcome,
    now: Timestamp,
) -> Result<(), Failure> {
    let id = *id.as_uuid().as_bytes();
    let waits = "WHERE id = ?1 AND status = 'waiting'";
    match outcome {
        MessageOutcome::Sent => {
            let sql = format!("UPDATE alert_message SET status = 'sent', ended_at = ?2 {waits}");
            run(connection, &sql, params![id, stored(now)])?;
        }
        MessageOutcome::Retry { error, next_at } => {
            let sql = format!("UPDATE alert_message SET last_error = ?2, next_at = ?3 {waits}");
            run(connection, &sql, params![id, error, stored(*next_at)])?;
        }
        MessageOutcome::Failed { error } => {
            let sql =
                format!("UPDATE alert_message SET status = 'failed', last_error = ?2, ended_at = ?3 {waits}");
            run(connection, &sql, params![id, error, stored(now)])?;
        }
    }
    Ok(())
}

fn forget(connection: &Connection, ended_before: Timestamp, limit: i64) -> Result<(), Failure> {
    for table in ["alert", "alert_message"] {
        let sql = format!(
            "DELETE FROM {table} WHERE id IN \
             (SELECT id FROM {table} WHERE ended_at < ?1 ORDER BY id LIMIT ?2)"
        );
        run(connection, &sql, params![stored(ended_before), limit])?;
    }
    Ok(())
}
