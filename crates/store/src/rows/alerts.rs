//! Alerts and their messages.

use saldo_domain::alert::{Alert, AlertSubject, Message, Outgoing, TaskName};
use saldo_domain::ids::{AccountId, AlertId, MessageId};

use crate::cells::{
    Cells, id, json, moment, number, optional_id, optional_json, optional_moment, optional_number,
    optional_string, optional_text, text,
};

/// The columns of [`alert`].
#[macro_export]
macro_rules! alert_columns {
    () => {
        "id, kind, account, task, severity, facts, peak, begun_at, cleared_at, quiet_seconds, \
         first_told_at, told_at, told_count, reminders, acknowledged, ended_at, delivered, version"
    };
}

/// An alert.
pub fn alert<E>(row: &impl Cells<E>) -> Result<Alert, E> {
    let account = optional_id(row, 2, AccountId::new)?;
    let task = optional_text(row, 3, TaskName::parse)?;
    let subject = match (account, task) {
        (Some(account), _) => AlertSubject::Account(account),
        (None, Some(task)) => AlertSubject::Task(task),
        (None, None) => AlertSubject::Whole,
    };
    Ok(Alert {
        id: id(row, 0, AlertId::new)?,
        kind: text(row, 1, str::parse)?,
        subject,
        severity: text(row, 4, str::parse)?,
        facts: json(row, 5)?,
        peak: number(row, 6)?,
        begun_at: moment(row, 7)?,
        cleared_at: optional_moment(row, 8)?,
        quiet_seconds: number(row, 9)?,
        first_told_at: optional_moment(row, 10)?,
        told_at: optional_moment(row, 11)?,
        told_count: number(row, 12)?,
        reminders: number(row, 13)?,
        acknowledged: optional_json(row, 14)?,
        ended_at: optional_moment(row, 15)?,
        delivered: optional_number(row, 16)?,
        version: number(row, 17)?,
    })
}

/// The columns of [`outgoing`].
#[macro_export]
macro_rules! message_columns {
    () => {
        "id, channel, created_at, due_at, entries, status, attempts, next_at, last_error, ended_at"
    };
}

/// A message, with how far its sending is.
pub fn outgoing<E>(row: &impl Cells<E>) -> Result<Outgoing, E> {
    Ok(Outgoing {
        message: Message {
            id: id(row, 0, MessageId::new)?,
            channel: text(row, 1, str::parse)?,
            created_at: moment(row, 2)?,
            due_at: moment(row, 3)?,
            entries: json(row, 4)?,
        },
        status: text(row, 5, str::parse)?,
        attempts: number(row, 6)?,
        next_at: moment(row, 7)?,
        last_error: optional_string(row, 8)?,
        ended_at: optional_moment(row, 9)?,
    })
}
