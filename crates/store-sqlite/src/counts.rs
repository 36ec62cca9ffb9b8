//! Counts for the status page, from partial indexes: history is never looked at.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use saldo_store::query::{Counts, UnfinishedGroup};

use crate::failure::Failure;
use crate::sql::{many, number, one, optional_moment, optional_text, stored, text};

/// All counts, as of one moment.
pub(crate) fn counts(
    connection: &Connection,
    now: Timestamp,
    stale_before: Timestamp,
) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    count_unfinished(connection, stale_before, &mut counts)?;
    let completed = one(
        connection,
        "SELECT count(*) FROM operation INDEXED BY operation_completed \
         WHERE status = 'completed' AND completed_at >= ?1",
        [midnight_before(now)],
        |row| number(row, 0),
    )?;
    counts.completed_today = completed.unwrap_or(0);
    counts.reviews_open = many(
        connection,
        "SELECT reason, count(*) FROM review INDEXED BY review_open_list WHERE answered_at IS NULL GROUP BY reason",
        [],
        |row| Ok((text(row, 0, str::parse)?, number(row, 1)?)),
    )?;
    counts.reviews_open.sort_by_key(|(reason, _)| *reason);
    Ok(counts)
}

/// One run along the index of unfinished operations.
fn count_unfinished(
    connection: &Connection,
    stale_before: Timestamp,
    counts: &mut Counts,
) -> Result<(), Failure> {
    let groups = many(
        connection,
        "SELECT status, waiting_for, count(*), sum(created_at < ?1), min(created_at), \
         sum(operation_type = 'refund') \
         FROM operation INDEXED BY operation_unfinished \
         WHERE status = 'pending' OR status = 'processing' OR status = 'failed' GROUP BY status, waiting_for",
        params![stored(stale_before)],
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
    )?;
    groups.iter().for_each(|group| counts.add(group));
    Ok(())
}

/// The midnight UTC that a moment's day began with, as it is stored.
fn midnight_before(now: Timestamp) -> i64 {
    const DAY_SECONDS: i64 = 24 * 3600;
    now.as_second().div_euclid(DAY_SECONDS) * DAY_SECONDS * 1_000_000
}
