//! Counts for the status page, from partial indexes: history is never looked at.

use jiff::Timestamp;
use saldo_store::query::{Counts, UnfinishedGroup};

use crate::failure::Failure;
use crate::session::Session;
use crate::sql::{number, optional_moment, optional_text, stored, text, values};

/// All counts, as of one moment.
pub(crate) async fn counts(
    session: &Session,
    now: Timestamp,
    stale_before: Timestamp,
) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    count_unfinished(session, stale_before, &mut counts).await?;
    let completed = session
        .one(
            "SELECT count(*) FROM saldo.operation WHERE status = 'completed' AND completed_at >= $1",
            values![midnight_before(now)],
            |row| number(row, 0),
        )
        .await?;
    counts.completed_today = completed.unwrap_or(0);
    counts.reviews_open = session
        .many(
            "SELECT reason, count(*) FROM saldo.review WHERE answered_at IS NULL GROUP BY reason",
            &[],
            |row| Ok((text(row, 0, str::parse)?, number(row, 1)?)),
        )
        .await?;
    counts.reviews_open.sort_by_key(|(reason, _)| *reason);
    Ok(counts)
}

/// One run along the index of unfinished operations.
async fn count_unfinished(
    session: &Session,
    stale_before: Timestamp,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let groups = session
        .many(
            "SELECT status, waiting_for, count(*), count(*) FILTER (WHERE created_at < $1), min(created_at), \
             count(*) FILTER (WHERE operation_type = 'refund') FROM saldo.operation WHERE status IN ('pending', 'processing', 'failed') \
             GROUP BY status, waiting_for",
            values![stored(stale_before)],
            |row| {
                Ok(UnfinishedGroup {
                    status: text(row, 0, str::parse)?,
                    waiting_for: optional_text(row, 1, str::parse)?,
                    count: number(row, 2)?,
                    stale: number(row, 3)?,
                    oldest: optional_moment(row, 4)?,
                    refunds: number(row, 5)?,
                })
            },
        )
        .await?;
    groups.iter().for_each(|group| counts.add(group));
    Ok(())
}

/// The midnight UTC that a moment's day began with, as it is stored.
fn midnight_before(now: Timestamp) -> i64 {
    const DAY_SECONDS: i64 = 24 * 3600;
    now.as_second().div_euclid(DAY_SECONDS) * DAY_SECONDS * 1_000_000
}
