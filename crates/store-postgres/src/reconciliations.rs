//! What reconciliation remembers, and what it asks about orders.

use async_trait::async_trait;
use jiff::Timestamp;
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
use crate::session::Session;
use crate::sql::{number, optional_stored, row_limit, storable, stored, text, to_json, values};
use crate::store::PostgresStore;
use crate::tasks::is_held;

#[async_trait]
impl Reconciliations for PostgresStore {
    async fn order_files(&self, keys: &[OrderKey]) -> Result<Vec<Option<OrderFile>>, StoreError> {
        check_keys(keys)?;
        let keys = keys.to_vec();
        self.read(move |session| {
            let keys = keys.clone();
            Box::pin(async move { load::order_files(session, &keys).await })
        })
        .await
    }

    async fn touched_orders(
        &self,
        range: &BoughtRange,
        limit: usize,
    ) -> Result<Vec<BoughtOrder>, StoreError> {
        let range = range.clone();
        self.read(move |session| {
            let range = range.clone();
            Box::pin(async move { touched_orders(session, &range, limit).await })
        })
        .await
    }

    async fn watermarks(&self) -> Result<Vec<Watermark>, StoreError> {
        self.read(|session| Box::pin(watermarks(session))).await
    }

    async fn put_watermark(&self, watermark: &Watermark) -> Result<(), StoreError> {
        let watermark = watermark.clone();
        self.write_all(move |session| {
            let watermark = watermark.clone();
            Box::pin(async move { put_watermark(session, &watermark).await })
        })
        .await
    }

    async fn put_run(&self, run: &Run, under: &TaskLease) -> Result<(), StoreError> {
        let (run, under) = (run.clone(), under.clone());
        self.write_all(move |session| {
            let (run, under) = (run.clone(), under.clone());
            Box::pin(async move { put_run(session, &run, &under).await })
        })
        .await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        self.read(move |session| Box::pin(run_of(session, id))).await
    }

    async fn runs(&self, page: PageRequest) -> Result<Page<Run>, StoreError> {
        self.read(move |session| {
            let page = page.clone();
            Box::pin(async move { runs(session, &page).await })
        })
        .await
    }

    async fn record_discrepancies(
        &self,
        run: RunId,
        found: Vec<Found>,
        now: Timestamp,
        under: &TaskLease,
    ) -> Result<Vec<Discrepancy>, StoreError> {
        let under = under.clone();
        self.write_all(move |session| {
            let (found, under) = (found.clone(), under.clone());
            Box::pin(async move {
                check_held(session, &under).await?;
                let mut kept = Vec::with_capacity(found.len());
                for found in &found {
                    kept.push(record_discrepancy(session, run, found, now).await?);
                }
                Ok(kept)
            })
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
        self.write_all(move |session| {
            let (orders, under) = (orders.clone(), under.clone());
            Box::pin(async move {
                check_held(session, &under).await?;
                close_discrepancies(session, run, &orders, now).await
            })
        })
        .await
    }

    async fn discrepancies(
        &self,
        filter: &DiscrepancyFilter,
        page: PageRequest,
    ) -> Result<Page<Discrepancy>, StoreError> {
        let filter = filter.clone();
        self.read(move |session| {
            let (filter, page) = (filter.clone(), page.clone());
            Box::pin(async move { discrepancies(session, &filter, &page).await })
        })
        .await
    }

    async fn open_discrepancies(
        &self,
    ) -> Result<Vec<(DiscrepancyKind, DiscrepancyResolution, u64)>, StoreError> {
        self.read(|session| Box::pin(open_discrepancies(session))).await
    }
}

async fn touched_orders(
    session: &Session,
    range: &BoughtRange,
    limit: usize,
) -> Result<Vec<BoughtOrder>, Failure> {
    let mut conditions = Conditions::default();
    conditions.and_plain("touched");
    conditions.and("account = {}", range.account.as_uuid());
    if let Some(from) = range.from {
        conditions.and("coalesce(bought_at, created_at) >= {}", stored(from));
    }
    if let Some(to) = range.to {
        conditions.and("coalesce(bought_at, created_at) <= {}", stored(to));
    }
    if let Some(after) = &range.after {
        let place = [stored(after.bought_at).into(), after.order.as_str().into()];
        conditions.and_all("(coalesce(bought_at, created_at), order_id) < ({}, {})", place);
    }
    let select = "SELECT coalesce(bought_at, created_at), order_id FROM saldo.orders";
    let order = " ORDER BY coalesce(bought_at, created_at) DESC, order_id DESC";
    let limit = row_limit(limit);
    ask(session, select, conditions, order, limit, rows::bought_order).await
}

async fn watermarks(session: &Session) -> Result<Vec<Watermark>, Failure> {
    session
        .many(
            concat!(
                "SELECT ",
                watermark_columns!(),
                " FROM saldo.watermark ORDER BY account"
            ),
            &[],
            rows::watermark,
        )
        .await
}

async fn put_watermark(session: &Session, watermark: &Watermark) -> Result<(), Failure> {
    session
        .run(
            "INSERT INTO saldo.watermark (account, landed, last_pass_at, last_full_pass_at, last_full_total) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account) DO UPDATE SET landed = excluded.landed, \
             last_pass_at = excluded.last_pass_at, last_full_pass_at = excluded.last_full_pass_at, \
             last_full_total = excluded.last_full_total",
            values![
                watermark.account.as_uuid(),
                optional_stored(watermark.landed),
                optional_stored(watermark.last_pass_at),
                optional_stored(watermark.last_full_pass_at),
                watermark.last_full_total.map(u64::cast_signed),
            ],
        )
        .await?;
    Ok(())
}

/// Within the transaction that writes: the lease changes hands before it, or after it.
async fn check_held(session: &Session, under: &TaskLease) -> Result<(), Failure> {
    if is_held(session, under).await? {
        return Ok(());
    }
    Err(taken_over().into())
}

/// Only who holds the right to run may tell of a run.
async fn put_run(session: &Session, run: &Run, under: &TaskLease) -> Result<(), Failure> {
    let written = session
        .run(
            "WITH held AS (SELECT 1 FROM saldo.lease WHERE name = $10 AND holder = $11 AND term = $12 FOR SHARE) \
             INSERT INTO saldo.reconciliation_run (id, scope, started_by, started_at, ended_at, outcome, error, \
             tally, place) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 FROM held \
             ON CONFLICT (id) DO UPDATE SET scope = excluded.scope, started_by = excluded.started_by, \
             started_at = excluded.started_at, ended_at = excluded.ended_at, outcome = excluded.outcome, \
             error = excluded.error, tally = excluded.tally, place = excluded.place",
            values![
                run.id.as_uuid(),
                to_json(&run.scope)?,
                storable(&run.by),
                stored(run.started_at),
                optional_stored(run.ended_at),
                run.outcome.as_str(),
                run.error.as_deref().map(storable),
                to_json(&run.tally)?,
                to_json(&run.place)?,
                under.name.as_str(),
                under.holder.as_str(),
                under.term.cast_signed(),
            ],
        )
        .await?;
    if written == 0 {
        return Err(taken_over().into());
    }
    Ok(())
}

async fn run_of(session: &Session, id: RunId) -> Result<Option<Run>, Failure> {
    session
        .one(
            concat!(
                "SELECT ",
                run_columns!(),
                " FROM saldo.reconciliation_run WHERE id = $1"
            ),
            values![id.as_uuid()],
            rows::run,
        )
        .await
}

async fn runs(session: &Session, page: &PageRequest) -> Result<Page<Run>, Failure> {
    let before: Option<RunId> = page.position()?;
    let mut conditions = Conditions::default();
    if let Some(before) = before {
        conditions.and("id < {}", before.as_uuid());
    }
    let select = concat!("SELECT ", run_columns!(), " FROM saldo.reconciliation_run");
    let rows = ask(
        session,
        select,
        conditions,
        " ORDER BY id DESC",
        rows_for(page),
        rows::run,
    )
    .await?;
    Ok(Page::from_rows(rows, page.limit, |run: &Run| run.id))
}

/// Keeps one difference, and tells how it is kept.
async fn record_discrepancy(
    session: &Session,
    run: RunId,
    found: &Found,
    now: Timestamp,
) -> Result<Discrepancy, Failure> {
    let open = session
        .one(
            concat!(
                "SELECT ",
                discrepancy_columns!(),
                " FROM saldo.discrepancy WHERE account = $1 AND order_id = $2 AND kind = $3 \
                 AND closed_at IS NULL FOR UPDATE"
            ),
            values![
                found.key.account.as_uuid(),
                found.key.order.as_str(),
                found.kind.as_str()
            ],
            rows::discrepancy,
        )
        .await?;
    match (seen(open.as_ref(), run, found.clone(), now), open) {
        (Some(kept), _) => {
            write_discrepancy(session, &kept).await?;
            Ok(kept)
        }
        (None, Some(open)) => Ok(open),
        (None, None) => Err(Failure::Defect("a discrepancy was found and not kept".to_owned())),
    }
}

async fn write_discrepancy(session: &Session, discrepancy: &Discrepancy) -> Result<(), Failure> {
    let found = &discrepancy.found;
    session
        .run(
            "INSERT INTO saldo.discrepancy (id, account, order_id, kind, local, remote, resolution, review, run, \
             times_seen, first_seen_at, last_seen_at, closed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
             ON CONFLICT (id) DO UPDATE SET local = excluded.local, remote = excluded.remote, \
             resolution = excluded.resolution, review = excluded.review, run = excluded.run, \
             times_seen = excluded.times_seen, first_seen_at = excluded.first_seen_at, \
             last_seen_at = excluded.last_seen_at, closed_at = excluded.closed_at",
            values![
                discrepancy.id.as_uuid(),
                found.key.account.as_uuid(),
                found.key.order.as_str(),
                found.kind.as_str(),
                storable(&found.local),
                storable(&found.remote),
                found.resolution.as_str(),
                found.review.map(|review| review.as_uuid()),
                discrepancy.run.as_uuid(),
                i64::from(discrepancy.times_seen),
                stored(discrepancy.first_seen_at),
                stored(discrepancy.last_seen_at),
                optional_stored(discrepancy.closed_at),
            ],
        )
        .await?;
    Ok(())
}

async fn close_discrepancies(
    session: &Session,
    run: RunId,
    orders: &[OrderKey],
    now: Timestamp,
) -> Result<u64, Failure> {
    let mut closed = 0;
    for order in orders {
        let open = session
            .many(
                concat!(
                    "SELECT ",
                    discrepancy_columns!(),
                    " FROM saldo.discrepancy WHERE account = $1 AND order_id = $2 AND closed_at IS NULL \
                     AND run <> $3 FOR UPDATE"
                ),
                values![order.account.as_uuid(), order.order.as_str(), run.as_uuid()],
                rows::discrepancy,
            )
            .await?;
        for mut discrepancy in open {
            discrepancy.closed_at = Some(now);
            discrepancy.found.resolution = resolution_when_closed(discrepancy.found.resolution);
            write_discrepancy(session, &discrepancy).await?;
            closed += 1;
        }
    }
    Ok(closed)
}

async fn discrepancies(
    session: &Session,
    filter: &DiscrepancyFilter,
    page: &PageRequest,
) -> Result<Page<Discrepancy>, Failure> {
    let before: Option<DiscrepancyPlace> = page.position()?;
    let select = concat!("SELECT ", discrepancy_columns!(), " FROM saldo.discrepancy");
    let order = " ORDER BY last_seen_at DESC, id DESC";
    let conditions = questions::discrepancies(filter, before);
    let rows = ask(
        session,
        select,
        conditions,
        order,
        rows_for(page),
        rows::discrepancy,
    )
    .await?;
    Ok(Page::from_rows(rows, page.limit, DiscrepancyPlace::of))
}

async fn open_discrepancies(
    session: &Session,
) -> Result<Vec<(DiscrepancyKind, DiscrepancyResolution, u64)>, Failure> {
    let mut counts = session
        .many(
            "SELECT kind, resolution, count(*) FROM saldo.discrepancy WHERE closed_at IS NULL \
             GROUP BY kind, resolution",
            &[],
            |row| {
                Ok((
                    text(row, 0, str::parse)?,
                    text(row, 1, str::parse)?,
                    number(row, 2)?,
                ))
            },
        )
        .await?;
    counts.sort_by_key(|(kind, resolution, _)| (*kind, *resolution));
    Ok(counts)
}
