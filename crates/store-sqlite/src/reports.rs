//! What reports are made of, and where they are kept.
//!
//! Each question reads its rows once, in the order in which they lie, and hands them on one by one: memory does not
//! grow with the ledger. They are asked on a connection of their own, so that no other question waits.

use async_trait::async_trait;
use rusqlite::{Connection, Params, Row, params};
use saldo_domain::ids::{AccountId, ReportId};
use saldo_domain::report::{Figures, Gathering, Period, Report, ReportHead, ReviewFact};
use saldo_domain::text::Sku;
use saldo_store::StoreError;
use saldo_store::query::{Page, PageRequest};
use saldo_store::reports::{REPORTS_KEPT_MAX, Reports};
use saldo_store::rows;

use crate::failure::Failure;
use crate::reads::rows_for;
use crate::sql::{many, moment, one, optional_moment, required_json, run, stored, text, to_json};
use crate::store::SqliteStore;

#[async_trait]
impl Reports for SqliteStore {
    async fn report_figures(
        &self,
        period: Period,
        account: Option<AccountId>,
    ) -> Result<Figures, StoreError> {
        self.read_at_length(move |connection| Ok(report_figures(connection, period, account)?))
            .await
    }

    async fn put_report(&self, report: &Report) -> Result<(), StoreError> {
        let report = report.clone();
        self.write_all(move |connection| put_report(connection, &report))
            .await
    }

    async fn reports(&self, page: PageRequest) -> Result<Page<ReportHead>, StoreError> {
        self.read(move |connection| reports(connection, &page)).await
    }

    async fn report(&self, id: ReportId) -> Result<Option<Report>, StoreError> {
        self.read(move |connection| Ok(report_of(connection, id)?)).await
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
    account: Option<[u8; 16]>,
}

fn report_figures(
    connection: &Connection,
    period: Period,
    account: Option<AccountId>,
) -> Result<Figures, Failure> {
    let mut gathering = Gathering::new(period);
    let (from, to) = gathering.span();
    let scope = Scope {
        from: stored(from),
        middle: stored(period.from()),
        to: stored(to),
        account: account.map(|account| account.as_uuid().into_bytes()),
    };
    operations(connection, &scope, &mut gathering)?;
    attempts(connection, &scope, &mut gathering)?;
    skus(connection, &scope, &mut gathering)?;
    reviews(connection, &scope, &mut gathering)?;
    discrepancies(connection, &scope, &mut gathering)?;
    shadow(connection, &scope, &mut gathering)?;
    Ok(gathering.finish())
}

/// Hands each row of a question on.
fn each(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    mut take: impl FnMut(&Row<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

fn operations(connection: &Connection, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    let sql = "SELECT operation_type, status, waiting_for, created_at FROM operation NOT INDEXED \
        WHERE created_at >= ?1 AND created_at < ?2 AND (?3 IS NULL OR account = ?3)";
    each(
        connection,
        sql,
        params![scope.from, scope.to, scope.account],
        |row| {
            gathering.operation(&rows::operation_fact(row)?);
            Ok(())
        },
    )
}

// Those before the periods are read, too: they tell which attempt was a retry.
const ATTEMPTS: &str = "SELECT operation, at, action FROM log INDEXED BY log_attempt \
    WHERE execution_time_ms IS NOT NULL AND at < ?1 ORDER BY operation, version";
// Both lie in the order of operations, so that one pass over either finds what belongs together.
const ATTEMPTS_OF_ACCOUNT: &str = "SELECT log.operation, log.at, log.action FROM operation NOT INDEXED \
    CROSS JOIN log INDEXED BY log_attempt ON log.operation = operation.id \
    WHERE operation.account = ?2 AND log.execution_time_ms IS NOT NULL AND log.at < ?1 \
    ORDER BY operation.id, log.version";

fn attempts(connection: &Connection, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    let take = |row: &Row<'_>| {
        gathering.attempt(&rows::attempt_fact(row)?);
        Ok(())
    };
    match scope.account {
        None => each(connection, ATTEMPTS, [scope.to], take),
        Some(account) => each(connection, ATTEMPTS_OF_ACCOUNT, params![scope.to, account], take),
    }
}

/// Units taken, times taken, and units brought back, of both periods; in the order of the primary key, so that the
/// rows of a SKU lie together and nothing is sorted.
///
/// Whose they are is asked of a list of the account's operations, made once: looking up the operation of each
/// movement, which lie in another order, takes four times as long. It is the one thing here that grows with the ledger:
/// the connection keeps it in a file.
macro_rules! moves_by_sku {
    ($whose:literal) => {
        concat!(
            "SELECT sku, sum(iif(at >= ?3 AND quantity < 0, -quantity, 0)), sum(at >= ?3 AND quantity < 0), \
             sum(iif(at >= ?3 AND quantity > 0, quantity, 0)), \
             sum(iif(at < ?3 AND quantity < 0, -quantity, 0)), sum(at < ?3 AND quantity < 0), \
             sum(iif(at < ?3 AND quantity > 0, quantity, 0)) FROM movement \
             WHERE at >= ?1 AND at < ?2 AND line IS NOT NULL ",
            $whose,
            " GROUP BY sku"
        )
    };
}

fn skus(connection: &Connection, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    let take = |row: &Row<'_>| {
        gathering.sku(
            text(row, 0, Sku::parse)?,
            rows::sku_moves(row, 1)?,
            rows::sku_moves(row, 4)?,
        );
        Ok(())
    };
    let Scope {
        from,
        middle,
        to,
        account,
    } = scope;
    match account {
        None => each(connection, moves_by_sku!(""), [from, to, middle], take),
        Some(account) => each(
            connection,
            moves_by_sku!(
                "AND operation IN (SELECT id FROM operation AS its NOT INDEXED WHERE its.account = ?4)"
            ),
            params![from, to, middle, account],
            take,
        ),
    }
}

fn reviews(connection: &Connection, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    // Of those that are not about stock the details are not looked at, so they are not read.
    let sql = "SELECT reason, opened_at, answered_at, resolution IS NOT NULL, \
        iif(reason IN ('insufficient_stock', 'sku_unknown'), details, 'null') FROM review NOT INDEXED \
        WHERE opened_at < ?2 AND (answered_at IS NULL OR answered_at >= ?1) \
        AND (?3 IS NULL OR account = ?3) ORDER BY id";
    each(
        connection,
        sql,
        params![scope.from, scope.to, scope.account],
        |row| {
            let details = required_json(row, 4)?;
            gathering.review(&ReviewFact {
                reason: text(row, 0, str::parse)?,
                opened_at: moment(row, 1)?,
                closed_at: optional_moment(row, 2)?,
                by_person: row.get(3)?,
                details: &details,
            });
            Ok(())
        },
    )
}

fn discrepancies(connection: &Connection, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    // What was first seen in a period was last seen in it, or later.
    let sql = "SELECT kind, resolution, first_seen_at, closed_at IS NULL FROM discrepancy \
        WHERE last_seen_at >= ?1 AND first_seen_at >= ?1 AND first_seen_at < ?2 \
        AND (?3 IS NULL OR account = ?3)";
    each(
        connection,
        sql,
        params![scope.from, scope.to, scope.account],
        |row| {
            gathering.discrepancy(&rows::discrepancy_fact(row)?);
            Ok(())
        },
    )
}

fn shadow(connection: &Connection, scope: &Scope, gathering: &mut Gathering) -> Result<(), Failure> {
    let sql = "SELECT would, verdict, seen_at FROM shadow_order \
        WHERE seen_at >= ?1 AND seen_at < ?2 AND (?3 IS NULL OR account = ?3)";
    each(
        connection,
        sql,
        params![scope.from, scope.to, scope.account],
        |row| {
            gathering.shadow(&rows::shadow_fact(row)?);
            Ok(())
        },
    )
}

fn put_report(connection: &Connection, report: &Report) -> Result<(), Failure> {
    run(
        connection,
        "INSERT INTO report (id, head, figures) VALUES (?1, ?2, ?3) \
         ON CONFLICT DO UPDATE SET head = excluded.head, figures = excluded.figures",
        params![
            report.head.id.as_uuid().as_bytes(),
            to_json(&report.head)?,
            to_json(&report.figures)?
        ],
    )?;
    run(
        connection,
        "DELETE FROM report WHERE id <= (SELECT id FROM report ORDER BY id DESC LIMIT 1 OFFSET ?1)",
        [REPORTS_KEPT_MAX as i64],
    )?;
    Ok(())
}

fn reports(connection: &Connection, page: &PageRequest) -> Result<Page<ReportHead>, StoreError> {
    let before: Option<ReportId> = page.position()?;
    let before = before.map(|before| before.as_uuid().into_bytes());
    let rows = many(
        connection,
        "SELECT head FROM report WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2",
        params![before, rows_for(page)],
        |row| required_json(row, 0),
    )?;
    Ok(Page::from_rows(rows, page.limit, |head: &ReportHead| head.id))
}

fn report_of(connection: &Connection, id: ReportId) -> Result<Option<Report>, Failure> {
    one(
        connection,
        "SELECT head, figures FROM report WHERE id = ?1",
        [id.as_uuid().as_bytes()],
        |row| rows::report(row),
    )
}
