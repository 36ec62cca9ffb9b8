//! What reconciliation remembers, and what it asks about orders.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use saldo_domain::discrepancy::{Discrepancy, DiscrepancyKind, DiscrepancyResolution, Found, Run, Watermark};
use saldo_domain::ids::{OrderKey, RunId};
use saldo_domain::view::OrderFile;
use saldo_store::StoreError;
use saldo_store::conditions::Conditions;
use saldo_store::query::{Page, PageRequest};
use saldo_store::questions;
use saldo_store::reconciliations::{
    BoughtOrder, BoughtRange, DiscrepancyFilter, DiscrepancyPlace, Reconciliations, check_keys,
    resolution_when_closed, seen, taken_over,
};
use saldo_store::rows::{self, discrepancy_columns, run_columns, watermark_columns};
use saldo_store::tasks::TaskLease;

use crate::failure::Failure;
use crate::load;
use crate::reads::{ask, rows_for};
use crate::sql::{self, many, number, one, optional_stored, row_limit, run_on_one, stored, text, to_json};
use crate::store::SqliteStore;
use crate::tasks::is_held;

#[async_trait]
impl Reconciliations for SqliteStore {
    async fn order_files(&self, keys: &[OrderKey]) -> Result<Vec<Option<OrderFile>>, StoreError> {
        check_keys(keys)?;
        let keys = keys.to_vec();
        self.read(move |connection| Ok(order_files(connection, &keys)?))
            .await
    }

    async fn touched_orders(
        &self,
        range: &BoughtRange,
        limit: usize,
    ) -> Result<Vec<BoughtOrder>, StoreError> {
        let range = range.clone();
        self.read(move |connection| Ok(touched_orders(connection, &range, limit)?))
            .await
    }

    async fn watermarks(&self) -> Result<Vec<Watermark>, StoreError> {
        self.read(|connection| Ok(watermarks(connection)?)).await
    }

    async fn put_watermark(&self, watermark: &Watermark) -> Result<(), StoreError> {
        let watermark = watermark.clone();
        self.write_all(move |connection| put_watermark(connection, &watermark))
            .await
    }

    async fn put_run(&self, run: &Run, under: &TaskLease) -> Result<(), StoreError> {
        let (run, under) = (run.clone(), under.clone());
        self.write_all(move |connection| put_run(connection, &run, &under))
            .await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.read(move |connection| Ok(run_of(connection, id)?)).await
    }

    async fn runs(&self, page: PageRequest) -> Result<Page<Run>, StoreError> {
        self.read(move |connection| runs(connection, &page)).await
    }

    async fn record_discrepancies(
        &self,
        run: RunId,
        found: Vec<Found>,
        now: Timestamp,
        under: &TaskLease,
    ) -> Result<Vec<Discrepancy>, StoreError> {
        let under = under.clone();
        self.write_all(move |connection| {
            check_held(connection, &under)?;
            found
                .iter()
                .map(|found| record_discrepancy(connection, run, found, now))
                .collect()
        })
        .await
    }

    async fn close_discrepancies(
        &self,
        run: RunId,
        orders: &[OrderKey],
        now: Timestamp,
        under: &TaskLease,
    ) -> Result<u64, StoreError> {
        check_keys(orders)?;
        let (orders, under) = (orders.to_vec(), under.clone());
        self.write_all(move |connection| {
            check_held(connection, &under)?;
            close_discrepancies(connection, run, &orders, now)
        })
        .await
    }

    async fn discrepancies(
        &self,
        filter: &DiscrepancyFilter,
        page: PageRequest,
    ) -> Result<Page<Discrepancy>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| discrepancies(connection, &filter, &page))
            .await
    }

    async fn open_discrepancies(
        &self,
    ) -> Result<Vec<(DiscrepancyKind, DiscrepancyResolution, u64)>, StoreError> {
        self.read(|connection| Ok(open_discrepancies(connection)?)).await
    }
}

/// The live files of orders, in the order asked for. One that is named twice is loaded twice.
fn order_files(connection: &Connection, keys: &[OrderKey]) -> Result<Vec<Option<OrderFile>>, Failure> {
    keys.iter().map(|key| load::live_order(connection, key)).collect()
}

pub(crate) fn touched_orders(
    connection: &Connection,
    range: &BoughtRange,
    limit: usize,
) -> Result<Vec<BoughtOrder>, Failure> {
    let mut conditions = Conditions::default();
    conditions.and_plain("touched = 1");
    conditions.and("account = {}", range.account.as_uuid());
    if let Some(from) = range.from {
        conditions.and("ifnull(bought_at, created_at) >= {}", stored(from));
    }
    if let Some(to) = range.to {
        conditions.and("ifnull(bought_at, created_at) <= {}", stored(to));
    }
    if let Some(after) = &range.after {
        let place = [stored(after.bought_at).into(), after.order.as_str().into()];
        conditions.and_all("(ifnull(bought_at, created_at), order_id) < ({}, {})", place);
    }
    let select = "SELECT ifnull(bought_at, created_at), order_id FROM orders INDEXED BY orders_touched";
    let order = " ORDER BY ifnull(bought_at, created_at) DESC, order_id DESC";
    let limit = row_limit(limit);
    ask(connection, select, conditions, order, limit, |row| {
        rows::bought_order(row)
    })
}

fn watermarks(connection: &Connection) -> Result<Vec<Watermark>, Failure> {
    many(
        connection,
        concat!(
            "SELECT ",
            watermark_columns!(),
            " FROM watermark ORDER BY account"
        ),
        [],
        |row| rows::watermark(row),
    )
}

fn put_watermark(connection: &Connection, watermark: &Watermark) -> Result<(), Failure> {
    run_on_one(
        connection,
        "INSERT OR REPLACE INTO watermark (account, landed, last_pass_at, last_full_pass_at, last_full_total) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            watermark.account.as_uuid().as_bytes(),
            optional_stored(watermark.landed),
            optional_stored(watermark.last_pass_at),
            optional_stored(watermark.last_full_pass_at),
            watermark.last_full_total.map(u64::cast_signed),
        ],
        || format!("the watermark of account {}", watermark.account),
    )
}

/// Within the transaction that writes: only one writes at a time.
fn check_held(connection: &Connection, under: &TaskLease) -> Result<(), Failure> {
    if is_held(connection, under)? {
        return Ok(());
    }
    Err(taken_over().into())
}

/// Only who holds the right to run may tell of a run.
fn put_run(connection: &Connection, run: &Run, under: &TaskLease) -> Result<(), Failure> {
    let written = sql::run(
        connection,
        "INSERT OR REPLACE INTO reconciliation_run (id, scope, started_by, started_at, ended_at, outcome, error, \
         tally, place) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 \
         FROM lease WHERE name = ?10 AND holder = ?11 AND term = ?12",
        params![
            run.id.as_uuid().as_bytes(),
            to_json(&run.scope)?,
            run.by,
            stored(run.started_at),
            optional_stored(run.ended_at),
            run.outcome.as_str(),
            run.error,
            to_json(&run.tally)?,
            to_json(&run.place)?,
            under.name,
            under.holder,
            under.term.cast_signed(),
        ],
    )?;
    if written == 0 {
        return Err(taken_over().into());
    }
    Ok(())
}

fn run_of(connection: &Connection, id: RunId) -> Result<Option<Run>, Failure> {
    one(
        connection,
        concat!(
            "SELECT ",
            run_columns!(),
            " FROM reconciliation_run WHERE id = ?1"
        ),
        [id.as_uuid().as_bytes()],
        |row| rows::run(row),
    )
}

pub(crate) fn runs(connection: &Connection, page: &PageRequest) -> Result<Page<Run>, StoreError> {
    let before: Option<RunId> = page.position()?;
    let mut conditions = Conditions::default();
    if let Some(before) = before {
        conditions.and("id < {}", before.as_uuid());
    }
    let select = concat!("SELECT ", run_columns!(), " FROM reconciliation_run");
    let rows = ask(
        connection,
        select,
        conditions,
        " ORDER BY id DESC",
        rows_for(page),
        |row| rows::run(row),
    )?;
    Ok(Page::from_rows(rows, page.limit, |run: &Run| run.id))
}

/// Keeps one difference, and tells how it is kept.
fn record_discrepancy(
    connection: &Connection,
    run: RunId,
    found: &Found,
    now: Timestamp,
) -> Result<Discrepancy, Failure> {
    let open = one(
        connection,
        concat!(
            "SELECT ",
            discrepancy_columns!(),
            " FROM discrepancy INDEXED BY discrepancy_open \
             WHERE account = ?1 AND order_id = ?2 AND kind = ?3 AND closed_at IS NULL"
        ),
        params![
            found.key.account.as_uuid().as_bytes(),
            found.key.order.as_str(),
            found.kind.as_str()
        ],
        |row| rows::discrepancy(row),
    )?;
    match (seen(open.as_ref(), run, found.clone(), now), open) {
        (Some(kept), _) => {
            write_discrepancy(connection, &kept)?;
            Ok(kept)
        }
        (None, Some(open)) => Ok(open),
        (None, None) => Err(Failure::Defect("a discrepancy was found and not kept".to_owned())),
    }
}

fn write_discrepancy(connection: &Connection, discrepancy: &Discrepancy) -> Result<(), Failure> {
    let found = &discrepancy.found;
    run_on_one(
        connection,
        "INSERT OR REPLACE INTO discrepancy (id, account, order_id, kind, local, remote, resolution, review, run, \
         times_seen, first_seen_at, last_seen_at, closed_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            discrepancy.id.as_uuid().as_bytes(),
            found.key.account.as_uuid().as_bytes(),
            found.key.order.as_str(),
            found.kind.as_str(),
            found.local,
            found.remote,
            found.resolution.as_str(),
            found.review.map(|review| review.as_uuid().into_bytes()),
            discrepancy.run.as_uuid().as_bytes(),
            discrepancy.times_seen,
            stored(discrepancy.first_seen_at),
            stored(discrepancy.last_seen_at),
            optional_stored(discrepancy.closed_at),
        ],
        || format!("the discrepancy {} of order {}", found.kind, found.key),
    )
}

fn close_discrepancies(
    connection: &Connection,
    run: RunId,
    orders: &[OrderKey],
    now: Timestamp,
) -> Result<u64, Failure> {
    let mut closed = 0;
    for order in orders {
        let open = many(
            connection,
            concat!(
                "SELECT ",
                discrepancy_columns!(),
                " FROM discrepancy INDEXED BY discrepancy_open \
                 WHERE account = ?1 AND order_id = ?2 AND closed_at IS NULL AND run <> ?3"
            ),
            params![
                order.account.as_uuid().as_bytes(),
                order.order.as_str(),
                run.as_uuid().as_bytes()
            ],
            |row| rows::discrepancy(row),
        )?;
        for mut discrepancy in open {
            discrepancy.closed_at = Some(now);
            discrepancy.found.resolution = resolution_when_closed(discrepancy.found.resolution);
            write_discrepancy(connection, &discrepancy)?;
            closed += 1;
        }
    }
    Ok(closed)
}

pub(crate) fn discrepancies(
    connection: &Connection,
    filter: &DiscrepancyFilter,
    page: &PageRequest,
) -> Result<Page<Discrepancy>, StoreError> {
    let before: Option<DiscrepancyPlace> = page.position()?;
    let select = concat!("SELECT ", discrepancy_columns!(), " FROM discrepancy");
    let order = " ORDER BY last_seen_at DESC, id DESC";
    let mut rows: Vec<Discrepancy> = Vec::new();
    for question in discrepancy_questions(filter) {
        let conditions = questions::discrepancies(&question, before);
        rows.extend(ask(
            connection,
            select,
            conditions,
            order,
            rows_for(page),
            |row| rows::discrepancy(row),
        )?);
    }
    rows.sort_by_key(|discrepancy| std::cmp::Reverse(DiscrepancyPlace::of(discrepancy)));
    rows.truncate(page.limit + 1);
    Ok(Page::from_rows(rows, page.limit, DiscrepancyPlace::of))
}

/// What is open is asked for by kind and by what became of it, so that each question is one range of the index of
/// open discrepancies, in order. A run, an order and a kind have an index each.
fn discrepancy_questions(filter: &DiscrepancyFilter) -> Vec<DiscrepancyFilter> {
    if filter.open != Some(true) || filter.run.is_some() || filter.order.is_some() {
        return vec![filter.clone()];
    }
    let kinds = filter
        .kind
        .map_or_else(|| DiscrepancyKind::ALL.to_vec(), |kind| vec![kind]);
    let resolutions = filter
        .resolution
        .map_or_else(|| DiscrepancyResolution::ALL.to_vec(), |one| vec![one]);
    kinds
        .into_iter()
        .flat_map(|kind| resolutions.iter().map(move |resolution| (kind, *resolution)))
        .map(|(kind, resolution)| DiscrepancyFilter {
            kind: Some(kind),
            resolution: Some(resolution),
            ..filter.clone()
        })
        .collect()
}

pub(crate) fn open_discrepancies(
    connection: &Connection,
) -> Result<Vec<(DiscrepancyKind, DiscrepancyResolution, u64)>, Failure> {
    let mut counts = many(
        connection,
        "SELECT kind, resolution, count(*) FROM discrepancy INDEXED BY discrepancy_open_list \
         WHERE closed_at IS NULL GROUP BY kind, resolution",
        [],
        |row| {
            Ok((
                text(row, 0, str::parse)?,
                text(row, 1, str::parse)?,
                number(row, 2)?,
            ))
        },
    )?;
    counts.sort_by_key(|(kind, resolution, _)| (*kind, *resolution));
    Ok(counts)
}
