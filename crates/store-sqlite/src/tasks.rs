//! What is remembered of scheduled tasks, and who may run them.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use saldo_store::StoreError;
use saldo_store::rows::{self, task_lease_columns, task_state_columns};
use saldo_store::tasks::{TaskLease, TaskState, Tasks};

use crate::failure::Failure;
use crate::sql::{many, one, optional_stored, run, stored};
use crate::store::SqliteStore;

#[async_trait]
impl Tasks for SqliteStore {
    async fn task_states(&self) -> Result<Vec<TaskState>, StoreError> {
        self.read(|connection| Ok(task_states(connection)?)).await
    }

    async fn put_task_state(&self, state: &TaskState, under: &TaskLease) -> Result<bool, StoreError> {
        let (state, under) = (state.clone(), under.clone());
        self.write_all(move |connection| put_task_state(connection, &state, &under))
            .await
    }

    async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<TaskLease>, StoreError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.write_all(move |connection| take_lease(connection, &name, &holder, now, until))
            .await
    }

    async fn release_lease(&self, lease: &TaskLease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write_all(move |connection| release_lease(connection, &lease))
            .await
    }

    async fn leases(&self) -> Result<Vec<TaskLease>, StoreError> {
        self.read(|connection| Ok(leases(connection)?)).await
    }
}

pub(crate) fn task_states(connection: &Connection) -> Result<Vec<TaskState>, Failure> {
    many(
        connection,
        concat!("SELECT ", task_state_columns!(), " FROM task_state ORDER BY name"),
        [],
        |row| rows::task_state(row),
    )
}

fn put_task_state(connection: &Connection, state: &TaskState, under: &TaskLease) -> Result<bool, Failure> {
    let changed = run(
        connection,
        "INSERT OR REPLACE INTO task_state (name, last_started_at, last_ended_at, last_succeeded, last_detail, \
         last_due_at, next_run_at) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 \
         FROM lease WHERE name = ?8 AND holder = ?9 AND term = ?10",
        params![
            state.name,
            optional_stored(state.last_started_at),
            optional_stored(state.last_ended_at),
            state.last_succeeded,
            state.last_detail,
            optional_stored(state.last_due_at),
            optional_stored(state.next_run_at),
            under.name,
            under.holder,
            under.term.cast_signed(),
        ],
    )?;
    Ok(changed > 0)
}

fn take_lease(
    connection: &Connection,
    name: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<TaskLease>, Failure> {
    // One statement, so that no other holder can come between the look and the write.
    one(
        connection,
        "INSERT INTO lease (name, holder, term, until) VALUES (?1, ?2, 1, ?4) \
         ON CONFLICT DO UPDATE SET holder = ?2, until = ?4, term = term + (holder IS NOT ?2) \
         WHERE holder IS NULL OR holder = ?2 OR until <= ?3 \
         RETURNING name, holder, term, until",
        params![name, holder, stored(now), stored(until)],
        |row| rows::task_lease(row),
    )
}

/// Whether a lease is its holder's, in the term in which it was taken.
pub(crate) fn is_held(connection: &Connection, under: &TaskLease) -> Result<bool, Failure> {
    let held = one(
        connection,
        "SELECT 1 FROM lease WHERE name = ?1 AND holder = ?2 AND term = ?3",
        params![under.name, under.holder, under.term.cast_signed()],
        |_| Ok(()),
    )?;
    Ok(held.is_some())
}

/// Gives a lease back. Whoever holds it by now keeps it.
fn release_lease(connection: &Connection, lease: &TaskLease) -> Result<(), Failure> {
    let term = lease.term.cast_signed();
    let sql = "UPDATE lease SET holder = NULL WHERE name = ?1 AND holder = ?2 AND term = ?3";
    run(connection, sql, params![lease.name, lease.holder, term])?;
    Ok(())
}

fn leases(connection: &Connection) -> Result<Vec<TaskLease>, Failure> {
    many(
        connection,
        concat!(
            "SELECT ",
            task_lease_columns!(),
            " FROM lease WHERE holder IS NOT NULL ORDER BY name"
        ),
        [],
        |row| rows::task_lease(row),
    )
}
