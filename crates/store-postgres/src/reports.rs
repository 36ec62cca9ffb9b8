//! What reports are made of, and where they are kept.
//!
//! Each question hands its rows on one by one as they come: memory does not grow with the ledger. All are asked in
//! one snapshot, and one count runs at a time.

use async_trait::async_trait;
use saldo_domain::ids::{AccountId, ReportId};
use saldo_domain::report::{Figures, Gathering, Period, Report, ReportHead, ReviewFact};
use saldo_domain::text::Sku;
use saldo_store::StoreError;
use saldo_store::query::{Page, PageRequest};
use saldo_store::reports::{REPORTS_KEPT_MAX, Reports};
use saldo_store::rows;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::failure::Failure;
use crate::reads::rows_for;
use crate::session::Session;
use crate::sql::{get, moment, optional_moment, required_json, row_limit, stored, text, to_json, values};
use crate::store::PostgresStore;

#[async_trait]
impl Reports for PostgresStore {
    async fn report_figures(
        &self,
        period: Period,
        account: Option<AccountId>,
    ) -> Result<Figures, StoreError> {
        self.read_at_length(move |session| Box::pin(report_figures(session, period, account)))
            .await
    }

    async fn put_report(&self, report: &Report) -> Result<(), StoreError> {
        let report = report.clone();
        self.write_all(move |session| {
            let report = report.clone();
            Box::pin(async move { put_report(session, &report).await })
        })
        .await
    }

    async fn reports(&self, page: PageRequest) -> Result<Page<ReportHead>, StoreError> {
        self.read(move |session| {
            let page = page.clone();
            Box::pin(async move { reports(session, &page).await })
        })
        .await
    }

    async fn report(&self, id: ReportId) -> Result<Option<Report>, StoreError> {
        self.read(move |session| Box::pin(report_of(session, id))).await
    }
}

/// What is counted, and of whom.
struct Scope {
    /// The first moment of both periods.
    from: i64,
    /// The first moment of the later period.
    middle: i64,
    /// The first moment after both.
    to: i64,
    /// None for all.
    account: Option<Uuid>,
}

async fn report_figures(
    session: &Session,
    period: Period,
    account: Option<AccountId>,
) -> Result<Figures, Failure> {
    let mut gathering = Gathering::new(period);
    let (from, to) = gathering.span();
    let scope = Scope {
        from: stored(from),
        middle: stored(period.from()),
        to: stored(to),
        account: account.map(|account| account.as_uuid()),
    };
    operations(session, &scope, &mut gathering).await?;
    attempts(session, &scope, &mut gathering).await?;
    skus(session, &scope, &mut gathering).await?;
    reviews(session, &scope, &mut gathering).await?;
    discrepancies(session, &scope, &mut gathering).await?;
    shadow(session, &scope, &mut gathering).await?;
    Ok(gathering.finish())
}

async fn operations(session: &Session, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    session
        .each(
            "SELECT operation_type, status, waiting_for, created_at FROM saldo.operation \
             WHERE created_at >= $1 AND created_at < $2 AND ($3::uuid IS NULL OR account = $3)",
            values![scope.from, scope.to, scope.account],
            |row| {
                gathering.operation(&rows::operation_fact(row)?);
                Ok(())
            },
        )
        .await
}

// Those before the periods are read, too: they tell which attempt was a retry.
const ATTEMPTS: &str = "SELECT operation, at, action FROM saldo.log \
    WHERE execution_time_ms IS NOT NULL AND at < $1 ORDER BY operation, version";
// A question of its own: one that leaves the account open is planned to look each operation up.
const ATTEMPTS_OF_ACCOUNT: &str = "SELECT log.operation, log.at, log.action \
    FROM saldo.operation JOIN saldo.log ON log.operation = operation.id \
    WHERE log.execution_time_ms IS NOT NULL AND log.at < $1 AND operation.account = $2 \
    ORDER BY log.operation, log.version";

async fn attempts(session: &Session, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    let take = |row: &Row| {
        gathering.attempt(&rows::attempt_fact(row)?);
        Ok(())
    };
    match scope.account {
        None => session.each(ATTEMPTS, values![scope.to], take).await,
        Some(account) => {
            session
                .each(ATTEMPTS_OF_ACCOUNT, values![scope.to, account], take)
                .await
        }
    }
}

/// Units taken, times taken, and units brought back, of both periods.
macro_rules! moves_by_sku {
    ($join:literal, $whose:literal) => {
        concat!(
            "SELECT sku, coalesce(sum(-quantity) FILTER (WHERE at >= $3 AND quantity < 0), 0)::bigint, \
             count(*) FILTER (WHERE at >= $3 AND quantity < 0), \
             coalesce(sum(quantity) FILTER (WHERE at >= $3 AND quantity > 0), 0)::bigint, \
             coalesce(sum(-quantity) FILTER (WHERE at < $3 AND quantity < 0), 0)::bigint, \
             count(*) FILTER (WHERE at < $3 AND quantity < 0), \
             coalesce(sum(quantity) FILTER (WHERE at < $3 AND quantity > 0), 0)::bigint \
             FROM saldo.movement ",
            $join,
            " WHERE at >= $1 AND at < $2 AND line IS NOT NULL ",
            $whose,
            " GROUP BY sku ORDER BY sku"
        )
    };
}

async fn skus(session: &Session, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    let take = |row: &Row| {
        gathering.sku(
            text(row, 0, Sku::parse)?,
            rows::sku_moves(row, 1)?,
            rows::sku_moves(row, 4)?,
        );
        Ok(())
    };
    let Scope { from, middle, to, .. } = *scope;
    match scope.account {
        None => {
            session
                .each(moves_by_sku!("", ""), values![from, to, middle], take)
                .await
        }
        Some(account) => {
            let sql = moves_by_sku!(
                "JOIN saldo.operation ON operation.id = movement.operation",
                "AND operation.account = $4"
            );
            session.each(sql, values![from, to, middle, account], take).await
        }
    }
}

async fn reviews(session: &Session, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    // Of those that are not about stock the details are not looked at, so they are not read.
    session
        .each(
            "SELECT reason, opened_at, answered_at, resolution IS NOT NULL, \
             CASE WHEN reason IN ('insufficient_stock', 'sku_unknown') THEN details ELSE 'null' END \
             FROM saldo.review WHERE opened_at < $2 AND (answered_at IS NULL OR answered_at >= $1) \
             AND ($3::uuid IS NULL OR account = $3) ORDER BY id",
            values![scope.from, scope.to, scope.account],
            |row| {
                let details = required_json(row, 4)?;
                gathering.review(&ReviewFact {
                    reason: text(row, 0, str::parse)?,
                    opened_at: moment(row, 1)?,
                    closed_at: optional_moment(row, 2)?,
                    by_person: get(row, 3)?,
                    details: &details,
                });
                Ok(())
            },
        )
        .await
}

async fn discrepancies(session: &Session, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    // What was first seen in a period was last seen in it, or later.
    session
        .each(
            "SELECT kind, resolution, first_seen_at, closed_at IS NULL FROM saldo.discrepancy \
             WHERE last_seen_at >= $1 AND first_seen_at >= $1 AND first_seen_at < $2 \
             AND ($3::uuid IS NULL OR account = $3)",
            values![scope.from, scope.to, scope.account],
            |row| {
                gathering.discrepancy(&rows::discrepancy_fact(row)?);
                Ok(())
            },
        )
        .await
}

async fn shadow(session: &Session, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    session
        .each(
            "SELECT would, verdict, seen_at FROM saldo.shadow_order \
             WHERE seen_at >= $1 AND seen_at < $2 AND ($3::uuid IS NULL OR account = $3)",
            values![scope.from, scope.to, scope.account],
            |row| {
                gathering.shadow(&rows::shadow_fact(row)?);
                Ok(())
            },
        )
        .await
}

async fn put_report(session: &Session, report: &Report) -> Result<(), Failure> {
    session
        .run(
            "INSERT INTO saldo.report (id, head, figures) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET head = excluded.head, figures = excluded.figures",
            values![
                report.head.id.as_uuid(),
                to_json(&report.head)?,
                to_json(&report.figures)?
            ],
        )
        .await?;
    session
        .run(
            "DELETE FROM saldo.report WHERE id <= (SELECT id FROM saldo.report ORDER BY id DESC LIMIT 1 OFFSET $1)",
            values![row_limit(REPORTS_KEPT_MAX)],
        )
        .await?;
    Ok(())
}

async fn reports(session: &Session, page: &PageRequest) -> Result<Page<ReportHead>, Failure> {
    let before: Option<ReportId> = page.position()?;
    let rows = session
        .many(
            "SELECT head FROM saldo.report WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2",
            values![before.map(|before| before.as_uuid()), rows_for(page)],
            |row| required_json(row, 0),
        )
        .await?;
    Ok(Page::from_rows(rows, page.limit, |head: &ReportHead| head.id))
}

async fn report_of(session: &Session, id: ReportId) -> Result<Option<Report>, Failure> {
    session
        .one(
            "SELECT head, figures FROM saldo.report WHERE id = $1",
            values![id.as_uuid()],
            rows::report,
        )
        .await
}
