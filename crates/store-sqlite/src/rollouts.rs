//! The mode and its history, and the orders seen in shadow.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use saldo_domain::ids::OrderKey;
use saldo_domain::rollout::{EARLIER_MAX, Rollout, ShadowOrder, Verdict};
use saldo_store::StoreError;
use saldo_store::query::{Page, PageRequest};
use saldo_store::questions;
use saldo_store::reconciliations::check_keys;
use saldo_store::rollouts::{Rollouts, ShadowCounts, ShadowFilter, ShadowPlace};
use saldo_store::rows::{self, rollout_columns, shadow_order_columns};

use crate::failure::Failure;
use crate::reads::{ask, rows_for};
use crate::sql::{many, moment, number, one, optional_stored, row_limit, run, run_on_one, stored, to_json};
use crate::store::SqliteStore;

#[async_trait]
impl Rollouts for SqliteStore {
    async fn rollout(&self) -> Result<Option<Rollout>, StoreError> {
        self.read(|connection| Ok(rollout(connection)?)).await
    }

    async fn rollout_changes(&self, page: PageRequest) -> Result<Page<Rollout>, StoreError> {
        self.read(move |connection| rollout_changes(connection, &page))
            .await
    }

    async fn shadow_orders(
        &self,
        filter: &ShadowFilter,
        page: PageRequest,
    ) -> Result<Page<ShadowOrder>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| shadow_orders(connection, &filter, &page))
            .await
    }

    async fn shadow_orders_of(&self, keys: &[OrderKey]) -> Result<Vec<Option<ShadowOrder>>, StoreError> {
        check_keys(keys)?;
        let keys = keys.to_vec();
        self.read(move |connection| {
            let of = |key| shadow_order(connection, key).map_err(StoreError::from);
            keys.iter().map(of).collect()
        })
        .await
    }

    async fn put_verdicts(
        &self,
        verdicts: Vec<(OrderKey, bool, Verdict)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_all(move |connection| {
            verdicts
                .iter()
                .try_for_each(|(key, flag, verdict)| put_verdict(connection, key, *flag, *verdict, now))
        })
        .await
    }

    async fn shadow_counts(&self, filter: &ShadowFilter) -> Result<ShadowCounts, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| Ok(shadow_counts(connection, &filter)?))
            .await
    }
}

/// The rollout in force.
pub(crate) fn rollout(connection: &Connection) -> Result<Option<Rollout>, Failure> {
    one(
        connection,
        concat!(
            "SELECT ",
            rollout_columns!(),
            ", (SELECT json_group_array(json_object('mode', mode, 'accounts', json(accounts), 'percent', percent, \
              'changed_at', changed_at) ORDER BY number DESC) \
              FROM (SELECT * FROM rollout ORDER BY number DESC LIMIT ?1 OFFSET 1)) \
              FROM rollout ORDER BY number DESC LIMIT 1"
        ),
        [row_limit(EARLIER_MAX)],
        |row| rows::rollout_in_force(row),
    )
}

/// Puts a rollout in force: the ones before it stay as its history.
pub(crate) fn write_rollout(connection: &Connection, rollout: &Rollout) -> Result<(), Failure> {
    run_on_one(
        connection,
        concat!(
            "INSERT INTO rollout (number, ",
            rollout_columns!(),
            ") SELECT ifnull(max(number), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6 FROM rollout"
        ),
        params![
            rollout.mode.as_str(),
            to_json(&rollout.accounts)?,
            rollout.percent,
            optional_stored(rollout.start_from),
            stored(rollout.changed_at),
            rollout.changed_by,
        ],
        || "a rollout".to_owned(),
    )
}

/// When stock was last counted or imported.
pub(crate) fn stock_counted(connection: &Connection) -> Result<Option<Timestamp>, Failure> {
    one(connection, "SELECT at FROM stock_count", [], |row| moment(row, 0))
}

/// Notes that stock was counted or imported.
pub(crate) fn write_stock_counted(connection: &Connection, counted_at: Timestamp) -> Result<(), Failure> {
    run_on_one(
        connection,
        "INSERT INTO stock_count (only, at) VALUES (1, ?1) ON CONFLICT DO UPDATE SET at = excluded.at",
        [stored(counted_at)],
        || "the moment of the last count".to_owned(),
    )
}

fn rollout_changes(connection: &Connection, page: &PageRequest) -> Result<Page<Rollout>, StoreError> {
    let before: i64 = page.position()?.unwrap_or(i64::MAX);
    let rows = many(
        connection,
        concat!(
            "SELECT ",
            rollout_columns!(),
            ", number FROM rollout WHERE number < ?1 ORDER BY number DESC LIMIT ?2"
        ),
        [before, rows_for(page)],
        |row| Ok((number::<i64, _>(row, 6)?, rows::rollout(row)?)),
    )?;
    let page = Page::from_rows(rows, page.limit, |(number, _)| *number);
    Ok(Page {
        items: page.items.into_iter().map(|(_, rollout)| rollout).collect(),
        next_cursor: page.next_cursor,
    })
}

pub(crate) fn shadow_orders(
    connection: &Connection,
    filter: &ShadowFilter,
    page: &PageRequest,
) -> Result<Page<ShadowOrder>, StoreError> {
    let before: Option<ShadowPlace> = page.position()?;
    let select = concat!("SELECT ", shadow_order_columns!(), " FROM shadow_order");
    let conditions = questions::shadow_orders(filter, before);
    let order = " ORDER BY seen_at DESC, account DESC, order_id DESC";
    let rows = ask(connection, select, conditions, order, rows_for(page), |row| {
        rows::shadow_order(row)
    })?;
    Ok(Page::from_rows(rows, page.limit, ShadowPlace::of))
}

/// One order in shadow.
pub(crate) fn shadow_order(connection: &Connection, key: &OrderKey) -> Result<Option<ShadowOrder>, Failure> {
    one(
        connection,
        concat!(
            "SELECT ",
            shadow_order_columns!(),
            " FROM shadow_order WHERE account = ?1 AND order_id = ?2"
        ),
        params![key.account.as_uuid().as_bytes(), key.order.as_str()],
        |row| rows::shadow_order(row),
    )
}

/// Stores what would be done with an order in shadow. One that is there keeps when it was first seen; what a
/// comparison said of it stays unless something else would be done now.
pub(crate) fn write_shadow_order(connection: &Connection, shadow: &ShadowOrder) -> Result<(), Failure> {
    run_on_one(
        connection,
        concat!(
            "INSERT INTO shadow_order (",
            shadow_order_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET \
             remote_flag = iif(would = excluded.would, remote_flag, NULL), \
             compared_at = iif(would = excluded.would, compared_at, NULL), \
             verdict = iif(would = excluded.would, verdict, 'undecided'), \
             would = excluded.would, details = excluded.details"
        ),
        params![
            shadow.key.account.as_uuid().as_bytes(),
            shadow.key.order.as_str(),
            stored(shadow.seen_at),
            shadow.would.as_str(),
            to_json(&shadow.details)?,
            shadow.remote_flag,
            optional_stored(shadow.compared_at),
            shadow.verdict.as_str(),
        ],
        || format!("order {} in shadow", shadow.key),
    )
}

fn put_verdict(
    connection: &Connection,
    key: &OrderKey,
    flag: bool,
    verdict: Verdict,
    now: Timestamp,
) -> Result<(), Failure> {
    run(
        connection,
        "UPDATE shadow_order SET remote_flag = ?3, compared_at = ?4, verdict = ?5 \
         WHERE account = ?1 AND order_id = ?2",
        params![
            key.account.as_uuid().as_bytes(),
            key.order.as_str(),
            flag,
            stored(now),
            verdict.as_str()
        ],
    )?;
    Ok(())
}

pub(crate) fn shadow_counts(connection: &Connection, filter: &ShadowFilter) -> Result<ShadowCounts, Failure> {
    let select = "SELECT count(*) FROM shadow_order INDEXED BY shadow_order_by_verdict";
    let mut counts = ShadowCounts::default();
    for verdict in [Verdict::Same, Verdict::Differs, Verdict::Undecided] {
        let of_verdict = ShadowFilter {
            verdict: Some(verdict),
            ..filter.clone()
        };
        let conditions = questions::shadow_orders(&of_verdict, None);
        let found = ask(connection, select, conditions, "", 1, |row| number(row, 0))?;
        let slot = match verdict {
            Verdict::Same => &mut counts.same,
            Verdict::Differs => &mut counts.differs,
            Verdict::Undecided => &mut counts.undecided,
        };
        *slot = found.first().copied().unwrap_or(0);
    }
    Ok(counts)
}
