//! The beginning and the end of transactions.

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
const PLANS: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; \
     SET LOCAL enable_mergejoin = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; \
     SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0";

impl Beginnings {
    pub(crate) fn new(options: &PostgresOptions) -> Self {
        let bounds = |statement_milliseconds: u64| {
            format!(
                "SET LOCAL statement_timeout = {statement_milliseconds}; SET LOCAL lock_timeout = {}; \
                 SET LOCAL idle_in_transaction_session_timeout = {}",
                options.lock_milliseconds_max, options.idle_milliseconds_max
            )
        };
        // What is stronger than `on` is left as it is.
        let durable = if options.allow_unsafe_durability {
            String::new()
        } else {
            "SELECT CASE WHEN current_setting('synchronous_commit') = 'off' \
             THEN set_config('synchronous_commit', 'on', true) END; "
                .to_owned()
        };
        let snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let statement = options.statement_milliseconds_max;
        Self {
            write: format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {durable}{}; {PLANS}",
                bounds(statement)
            ),
            read: format!("{snapshot}; {}; SET LOCAL jit = off", bounds(statement)),
            // A check of a large ledger takes its time.
            long_read: format!("{snapshot}; {}; SET LOCAL jit = off", bounds(0)),
        }
    }
}

/// Leaves a marker in the transaction, and takes away the one before: how a commit whose answer is lost is told from
/// one that never happened.
pub(crate) async fn mark(session: &Session, before: Option<Uuid>) -> Result<Uuid, Failure> {
    let marker = session
        .one(
            "WITH gone AS (DELETE FROM saldo.commit_marker WHERE id = $1) \
             INSERT INTO saldo.commit_marker DEFAULT VALUES RETURNING id",
            values![before],
            |row| get::<Uuid>(row, 0),
        )
        .await?;
    marker.ok_or_else(|| Failure::Defect("a commit marker was not stored".to_owned()))
}

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
            Ok(true) => return Ok(()),
            // It is certain now that nothing of it will ever be stored: the same may be begun again.
            Ok(false) => return Err(failure),
            Err(failure) => tracing::debug!(?failure, "the outcome of a commit could not be looked up yet"),
        }
    }
    Err(Failure::Unknown(told))
}

/// Whether the transaction of a marker was committed. Puts the marker there itself: a transaction that is still
/// under way is waited for, and one that never ends up stored cannot be stored any more.
async fn was_committed(sessions: &Sessions, beginnings: &Beginnings, marker: Uuid) -> Result<bool, Failure> {
    let session = sessions.take().await?;
    let looked = async {
        session.batch(&beginnings.write).await?;
        let sql = "INSERT INTO saldo.commit_marker (id) VALUES ($1) ON CONFLICT DO NOTHING";
        let was_there = session.run(sql, values![marker]).await? == 0;
        session.batch("COMMIT").await?;
        Ok(was_there)
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
