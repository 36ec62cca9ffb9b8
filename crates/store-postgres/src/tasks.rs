//! What is remembered of scheduled tasks, and who may run them.

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_store::StoreError;
use saldo_store::rows::{self, task_lease_columns, task_state_columns};
use saldo_store::tasks::{TaskLease, TaskState, Tasks};

use crate::failure::Failure;
use crate::session::Session;
use crate::sql::{optional_stored, storable, stored, values};
use crate::store::PostgresStore;

#[async_trait]
impl Tasks for PostgresStore {
    async fn task_states(&self) -> Result<Vec<TaskState>, StoreError> {
        self.read(|session| Box::pin(task_states(session))).await
    }

    async fn put_task_state(&self, state: &TaskState, under: &TaskLease) -> Result<bool, StoreError> {
        let (state, under) = (state.clone(), under.clone());
        self.write_all(move |session| {
            let (state, under) = (state.clone(), under.clone());
            Box::pin(async move { put_task_state(session, &state, &under).await })
        })
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
        self.write_all(move |session| {
            let (name, holder) = (name.clone(), holder.clone());
            Box::pin(async move { take_lease(session, &name, &holder, now, until).await })
        })
        .await
    }

    async fn release_lease(&self, lease: &TaskLease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.write_all(move |session| {
            let lease = lease.clone();
            Box::pin(async move { release_lease(session, &lease).await })
        })
        .await
    }

    async fn leases(&self) -> Result<Vec<TaskLease>, StoreError> {
        self.read(|session| Box::pin(leases(session))).await
    }
}

async fn task_states(session: &Session) -> Result<Vec<TaskState>, Failure> {
    session
        .many(
            concat!(
                "SELECT ",
                task_state_columns!(),
                " FROM saldo.task_state ORDER BY name"
            ),
            &[],
            rows::task_state,
        )
        .await
}

async fn put_task_state(session: &Session, state: &TaskState, under: &TaskLease) -> Result<bool, Failure> {
    // The lease changes hands before this, or after it.
    let changed = session
        .run(
            "WITH held AS (SELECT 1 FROM saldo.lease WHERE name = $8 AND holder = $9 AND term = $10 FOR SHARE) \
             INSERT INTO saldo.task_state (name, last_started_at, last_ended_at, last_succeeded, last_detail, \
             last_due_at, next_run_at) SELECT $1, $2, $3, $4, $5, $6, $7 FROM held \
             ON CONFLICT (name) DO UPDATE SET last_started_at = excluded.last_started_at, \
             last_ended_at = excluded.last_ended_at, last_succeeded = excluded.last_succeeded, \
             last_detail = excluded.last_detail, last_due_at = excluded.last_due_at, \
             next_run_at = excluded.next_run_at",
            values![
                state.name.as_str(),
                optional_stored(state.last_started_at),
                optional_stored(state.last_ended_at),
                state.last_succeeded,
                state.last_detail.as_deref().map(storable),
                optional_stored(state.last_due_at),
                optional_stored(state.next_run_at),
                under.name.as_str(),
                under.holder.as_str(),
                under.term.cast_signed(),
            ],
        )
        .await?;
    Ok(changed > 0)
}

async fn take_lease(
    session: &Session,
    name: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<TaskLease>, Failure> {
    // One statement, so that no other holder can come between the look and the write.
    session
        .one(
            "INSERT INTO saldo.lease AS old (name, holder, term, until) VALUES ($1, $2, 1, $4) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until, \
             term = old.term + CASE WHEN old.holder IS DISTINCT FROM excluded.holder THEN 1 ELSE 0 END \
             WHERE old.holder IS NULL OR old.holder = excluded.holder OR old.until <= $3 \
             RETURNING name, holder, term, until",
            values![name, holder, stored(now), stored(until)],
            rows::task_lease,
        )
        .await
}

/// Whether a lease is its holder's, in the term in which it was taken; it stays so until the transaction ends.
pub(crate) async fn is_held(session: &Session, under: &TaskLease) -> Result<bool, Failure> {
    let held = session
        .one(
            "SELECT 1 FROM saldo.lease WHERE name = $1 AND holder = $2 AND term = $3 FOR SHARE",
            values![
                under.name.as_str(),
                under.holder.as_str(),
                under.term.cast_signed()
            ],
            |_| Ok(()),
        )
        .await?;
    Ok(held.is_some())
}

/// Gives a lease back. Whoever holds it by now keeps it.
async fn release_lease(session: &Session, lease: &TaskLease) -> Result<(), Failure> {
    session
        .run(
            "UPDATE saldo.lease SET holder = NULL WHERE name = $1 AND holder = $2 AND term = $3",
            values![
                lease.name.as_str(),
                lease.holder.as_str(),
                lease.term.cast_signed()
            ],
        )
        .await?;
    Ok(())
}

async fn leases(session: &Session) -> Result<Vec<TaskLease>, Failure> {
    session
        .many(
            concat!(
                "SELECT ",
                task_lease_columns!(),
                " FROM saldo.lease WHERE holder IS NOT NULL ORDER BY name"
            ),
            &[],
            rows::task_lease,
        )
        .await
}
