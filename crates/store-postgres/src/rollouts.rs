//! The mode and its history, and the orders seen in shadow.

use async_trait::async_trait;
use jiff::Timestamp;
use saldo_domain::ids::OrderKey;
use saldo_domain::rollout::{EARLIER_MAX, Rollout, ShadowOrder, Verdict};
use saldo_store::StoreError;
use saldo_store::query::{Page, PageRequest};
use saldo_store::questions;
use saldo_store::reconciliations::check_keys;
use saldo_store::rollouts::{Rollouts, ShadowCounts, ShadowFilter, ShadowPlace};
use saldo_store::rows::{self, rollout_columns, shadow_order_columns};
use uuid::Uuid;

use crate::failure::Failure;
use crate::reads::{ask, rows_for};
use crate::session::Session;
use crate::sql::{number, stored, values};
use crate::store::PostgresStore;

#[async_trait]
impl Rollouts for PostgresStore {
    async fn rollout(&self) -> Result<Option<Rollout>, StoreError> {
        self.read(|session| Box::pin(session.one(IN_FORCE, &[], rows::rollout_in_force)))
            .await
    }

    async fn rollout_changes(&self, page: PageRequest) -> Result<Page<Rollout>, StoreError> {
        self.read(move |session| {
            let page = page.clone();
            Box::pin(async move { rollout_changes(session, &page).await })
        })
        .await
    }

    async fn shadow_orders(
        &self,
        filter: &ShadowFilter,
        page: PageRequest,
    ) -> Result<Page<ShadowOrder>, StoreError> {
        let filter = filter.clone();
        self.read(move |session| {
            let (filter, page) = (filter.clone(), page.clone());
            Box::pin(async move { shadow_orders(session, &filter, &page).await })
        })
        .await
    }

    async fn shadow_orders_of(&self, keys: &[OrderKey]) -> Result<Vec<Option<ShadowOrder>>, StoreError> {
        check_keys(keys)?;
        let keys = keys.to_vec();
        self.read(move |session| {
            let keys = keys.clone();
            Box::pin(async move { shadow_orders_of(session, &keys).await })
        })
        .await
    }

    async fn put_verdicts(
        &self,
        verdicts: Vec<(OrderKey, bool, Verdict)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_all(move |session| {
            let verdicts = verdicts.clone();
            Box::pin(async move { put_verdicts(session, verdicts, now).await })
        })
        .await
    }

    async fn shadow_counts(&self, filter: &ShadowFilter) -> Result<ShadowCounts, StoreError> {
        let filter = filter.clone();
        self.read(move |session| {
            let filter = filter.clone();
            Box::pin(async move { shadow_counts(session, &filter).await })
        })
        .await
    }
}

/// The rollout in force.
pub(crate) const IN_FORCE: &str = concat!(
    "SELECT ",
    rollout_columns!(),
    ", (SELECT coalesce(json_agg(json_build_object('mode', mode, 'accounts', accounts::json, 'percent', percent, \
      'changed_at', changed_at) ORDER BY number DESC), '[]')::text \
      FROM (SELECT * FROM saldo.rollout ORDER BY number DESC LIMIT 50 OFFSET 1) AS earlier) \
      FROM saldo.rollout ORDER BY number DESC LIMIT 1"
);
const _: () = assert!(EARLIER_MAX == 50);

/// When stock was last counted or imported.
pub(crate) const STOCK_COUNTED: &str = "SELECT at FROM saldo.stock_count";

async fn rollout_changes(session: &Session, page: &PageRequest) -> Result<Page<Rollout>, Failure> {
    let before: i64 = page.position()?.unwrap_or(i64::MAX);
    let rows = session
        .many(
            concat!(
                "SELECT ",
                rollout_columns!(),
                ", number FROM saldo.rollout WHERE number < $1 ORDER BY number DESC LIMIT $2"
            ),
            values![before, rows_for(page)],
            |row| Ok((number::<i64, _>(row, 6)?, rows::rollout(row)?)),
        )
        .await?;
    let page = Page::from_rows(rows, page.limit, |(number, _)| *number);
    Ok(Page {
        items: page.items.into_iter().map(|(_, rollout)| rollout).collect(),
        next_cursor: page.next_cursor,
    })
}

/// Orders in shadow, by key.
pub(crate) const SHADOW_ORDERS: &str = concat!(
    "SELECT ",
    shadow_order_columns!(),
    " FROM unnest($1::uuid[], $2::text[]) AS wanted (key_account, key_order) \
     JOIN saldo.shadow_order ON account = key_account AND order_id = key_order"
);

async fn shadow_orders(
    session: &Session,
    filter: &ShadowFilter,
    page: &PageRequest,
) -> Result<Page<ShadowOrder>, Failure> {
    let before: Option<ShadowPlace> = page.position()?;
    let select = concat!("SELECT ", shadow_order_columns!(), " FROM saldo.shadow_order");
    let conditions = questions::shadow_orders(filter, before);
    let order = " ORDER BY seen_at DESC, account DESC, order_id DESC";
    let rows = ask(
        session,
        select,
        conditions,
        order,
        rows_for(page),
        rows::shadow_order,
    )
    .await?;
    Ok(Page::from_rows(rows, page.limit, ShadowPlace::of))
}

async fn shadow_orders_of(session: &Session, keys: &[OrderKey]) -> Result<Vec<Option<ShadowOrder>>, Failure> {
    let accounts: Vec<Uuid> = keys.iter().map(|key| key.account.as_uuid()).collect();
    let orders: Vec<&str> = keys.iter().map(|key| key.order.as_str()).collect();
    let found = session
        .many(SHADOW_ORDERS, values![accounts, orders], rows::shadow_order)
        .await?;
    let by_key = |key: &OrderKey| found.iter().find(|shadow| shadow.key == *key).cloned();
    Ok(keys.iter().map(by_key).collect())
}

/// In the order of the keys, so that two that do it at once do not wait for each other in a circle.
async fn put_verdicts(
    session: &Session,
    mut verdicts: Vec<(OrderKey, bool, Verdict)>,
    now: Timestamp,
) -> Result<(), Failure> {
    verdicts.sort_by(|(left, ..), (right, ..)| left.cmp(right));
    for (key, flag, verdict) in verdicts {
        session
            .run(
                "UPDATE saldo.shadow_order SET remote_flag = $3, compared_at = $4, verdict = $5 \
                 WHERE account = $1 AND order_id = $2",
                values![
                    key.account.as_uuid(),
                    key.order.as_str(),
                    flag,
                    stored(now),
                    verdict.as_str()
                ],
            )
            .await?;
    }
    Ok(())
}

async fn shadow_counts(session: &Session, filter: &ShadowFilter) -> Result<ShadowCounts, Failure> {
    let select = "SELECT count(*) FROM saldo.shadow_order";
    let mut counts = ShadowCounts::default();
    for verdict in [Verdict::Same, Verdict::Differs, Verdict::Undecided] {
        let of_verdict = ShadowFilter {
            verdict: Some(verdict),
            ..filter.clone()
        };
        let conditions = questions::shadow_orders(&of_verdict, None);
        let found = ask(session, select, conditions, "", 1, |row| number(row, 0)).await?;
        let slot = match verdict {
            Verdict::Same => &mut counts.same,
            Verdict::Differs => &mut counts.differs,
            Verdict::Undecided => &mut counts.undecided,
        };
        *slot = found.first().copied().unwrap_or(0);
    }
    Ok(counts)
}
