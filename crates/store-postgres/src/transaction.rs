//! The beginning and the end of transactions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::failure::{Failure, Gravity, explain};
use crate::options::PostgresOptions;
use crate::session::{Session, Sessions};
use crate::sql::{get, values};

/// How transactions begin. Settings are those of the transaction alone, so that nothing of ours stays on a
/// connection that a pooler gives to somebody else.
#[derive(Debug, Clone)]
pub(crate) struct Beginnings {
    /// Of one that writes.
    pub(crate) write: String,
    /// Of one that reads, in one snapshot.
    pub(crate) read: String,
    /// Of one that reads everything.
    pub(crate) long_read: String,
}

/// Plans must not depend on statistics, which a table that grew since the last `ANALYZE` has wrong: rows are always
/// looked for by an index. And no plan is worth compiling.
const PLANS: [(&str, &str); 8] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_sort", "off"),
    ("enable_bitmapscan", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
];

/// Settings of a transaction, all in one statement.
fn settings(settings: &[(&str, &str)]) -> String {
    let calls: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("set_config('{name}', '{value}', true)"))
        .collect();
    calls.join(", ")
}

impl Beginnings {
    pub(crate) fn new(options: &PostgresOptions) -> Self {
        let bounds = |statement_milliseconds: u64| {
            settings(&[
                ("statement_timeout", &statement_milliseconds.to_string()),
                ("lock_timeout", &options.lock_milliseconds_max.to_string()),
                (
                    "idle_in_transaction_session_timeout",
                    &options.idle_milliseconds_max.to_string(),
                ),
            ])
        };
        // What is stronger than `on` is left as it is.
        let durable = if options.allow_unsafe_durability {
            ""
        } else {
            ", CASE WHEN current_setting('synchronous_commit') = 'off' \
             THEN set_config('synchronous_commit', 'on', true) END"
        };
        let snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let bounded = bounds(options.statement_milliseconds_max);
        let uncompiled = settings(&[("jit", "off")]);
        Self {
            write: format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT {bounded}, {}{durable}",
                settings(&PLANS)
            ),
            read: format!("{snapshot}; SELECT {bounded}, {uncompiled}"),
            // A check of a large ledger takes its time.
            long_read: format!("{snapshot}; SELECT {}, {uncompiled}", bounds(0)),
        }
    }
}

/// Names the markers of this store: a number that no other has, and counts on from there.
#[derive(Debug)]
pub(crate) struct Markers {
    base: Uuid,
    next: AtomicU64,
    /// Markers of transactions that are known to be committed: the next one takes them away.
    committed: Mutex<Vec<Uuid>>,
}

impl Markers {
    /// The server draws the number.
    pub(crate) async fn new(session: &Session) -> Result<Self, Failure> {
        let drawn = session
            .one("SELECT gen_random_uuid()", &[], |row| get::<Uuid>(row, 0))
            .await?;
        let base = drawn.ok_or_else(|| Failure::Defect("the server drew no number".to_owned()))?;
        Ok(Self {
            base,
            next: AtomicU64::new(0),
            committed: Mutex::default(),
        })
    }

    /// The mark of a transaction that begins.
    pub(crate) fn next(&self) -> Mark {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        Mark {
            marker: Uuid::from_u128(self.base.as_u128().wrapping_add(u128::from(count))),
            before: std::mem::take(&mut committed),
        }
    }

    /// A transaction is known to be committed.
    pub(crate) fn committed(&self, marker: Uuid) {
        let mut committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        committed.push(marker);
    }
}

/// What a transaction leaves, to tell a commit whose answer is lost from one that never happened.
#[derive(Debug)]
pub(crate) struct Mark {
    /// The marker of this transaction.
    pub(crate) marker: Uuid,
    /// Those of earlier ones, to be taken away.
    pub(crate) before: Vec<Uuid>,
}

/// Leaves a mark.
pub(crate) const MARK: &str = "WITH gone AS (DELETE FROM saldo.commit_marker WHERE id = ANY ($2::uuid[])) \
     INSERT INTO saldo.commit_marker (id) SELECT * FROM unnest($1::uuid[])";

/// How often the fate of a commit is asked for, and how long is waited before the first time.
const LOOKS_MAX: u32 = 7;
const FIRST_WAIT_MILLISECONDS: u64 = 50;

/// Commits. When the answer is lost, what became of it is looked up on another connection; it is never just done
/// again. Whatever this says, the connection is given back or thrown away.
pub(crate) async fn commit(
    session: Session,
    sessions: &Sessions,
    beginnings: &Beginnings,
    marker: Uuid,
) -> Result<(), Failure> {
    let Err(failure) = session.batch("COMMIT").await else {
        return Ok(());
    };
    session.discard();
    let told = match &failure {
        Failure::Database(error) => explain(error),
        other => format!("{other:?}"),
    };
    tracing::warn!(error = %told, "a commit was not answered; its outcome is looked up");
    for look in 0..LOOKS_MAX {
        tokio::time::sleep(std::time::Duration::from_millis(FIRST_WAIT_MILLISECONDS << look)).await;
        match was_committed(sessions, beginnings, marker).await {
            Ok(true) => {
                tracing::info!("a commit that was not answered had been done; it is not repeated");
                return Ok(());
            }
            // It is certain now that nothing of it will ever be stored: the same may be begun again.
            Ok(false) => return Err(failure),
            Err(failure) => tracing::debug!(?failure, "the outcome of a commit could not be looked up yet"),
        }
    }
    Err(Failure::Unknown(told))
}

/// Whether the transaction of a marker was committed. Puts the marker there itself: a transaction that is still
/// under way is waited for, and one that never ends up stored cannot be stored any more. What a look puts there tells
/// itself apart by its moment: when the answer to its own commit is lost, the next look must not take it for the mark.
async fn was_committed(sessions: &Sessions, beginnings: &Beginnings, marker: Uuid) -> Result<bool, Failure> {
    let session = sessions.take().await?;
    let looked = async {
        session.batch(&beginnings.write).await?;
        let put = "INSERT INTO saldo.commit_marker (id, at) VALUES ($1, 'epoch') ON CONFLICT DO NOTHING";
        session.run(put, values![marker]).await?;
        let is_the_mark = "SELECT at > 'epoch' FROM saldo.commit_marker WHERE id = $1";
        let was_there = session
            .one(is_the_mark, values![marker], |row| get::<bool>(row, 0))
            .await?;
        session.batch("COMMIT").await?;
        Ok(was_there == Some(true))
    }
    .await;
    if looked.is_err() {
        session.discard();
    }
    looked
}

/// Removes markers that instances left behind when they ended.
pub(crate) async fn remove_old_markers(session: &Session) -> Result<(), Failure> {
    let sql = "DELETE FROM saldo.commit_marker WHERE at < now() - interval '1 day'";
    session.run(sql, &[]).await?;
    Ok(())
}

/// Whether a failure may pass when the same is begun again.
pub(crate) fn may_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Database(error) => {
            matches!(
                Gravity::of(error),
                Gravity::Conflict | Gravity::Lost | Gravity::Unprepared
            )
        }
        Failure::Unreachable(_) | Failure::Changed(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::cluster::Cluster;
    use crate::schema;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_look_whose_own_commit_was_not_answered_is_no_proof_that_what_it_looked_for_was_done() {
        let cluster = Cluster::start_in_memory(&["fsync = off"]);
        let options = PostgresOptions::default();
        let address = Address::parse(&cluster.url("postgres")).unwrap();
        let sessions = Sessions::new(&address, &options).unwrap();
        let session = sessions.take().await.unwrap();
        schema::migrate(&session).await.unwrap();
        let beginnings = Beginnings::new(&options);
        let (lost, done) = (Uuid::from_u128(1), Uuid::from_u128(2));
        session
            .run(MARK, values![vec![done], Vec::<Uuid>::new()])
            .await
            .unwrap();
        for _ in 0..2 {
            // The first look commits; whether its answer arrives makes no difference to the second.
            assert!(!was_committed(&sessions, &beginnings, lost).await.unwrap());
            assert!(was_committed(&sessions, &beginnings, done).await.unwrap());
        }
    }
}
