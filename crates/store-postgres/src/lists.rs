//! Lists of orders that decisions ask for. None looks at finished history, and none at all that waits: accounts
//! are found by skipping from one to the next along an index.

use jiff::Timestamp;
use saldo_domain::ids::{AccountId, OperationId, OrderKey, ReviewId};
use saldo_domain::stock::{OfferKey, StockKey};
use saldo_domain::view::{DueRequest, ListKey, Place};
use saldo_store::rows;
use saldo_store::turns::{LIST_ORDERS_MAX, take_turns, takes_part};
use uuid::Uuid;

use crate::failure::Failure;
use crate::locks::{Held, Names, order_name};
use crate::session::Session;
use crate::sql::{id, moment, number, row_limit, stored, values};

/// The most SKUs that are named as waited for although there is stock.
const WAITING_WITH_STOCK_MAX: i64 = 100;
/// Failed operations that are read at once to find their orders.
const FAILED_READ_MAX: i64 = 1_000;

/// The orders of a list. Those that are due are locked, which is told to `held`.
pub(crate) async fn list(
    session: &Session,
    list: &ListKey,
    held: &mut Held,
) -> Result<Vec<OrderKey>, Failure> {
    match list {
        ListKey::Due {
            request,
            stranded_after,
        } => due(session, request, *stranded_after, held).await,
        ListKey::AwaitingStock(key, after) => awaiting_stock(session, key, after.as_ref()).await,
        ListKey::AwaitingOffer(offer, after) => awaiting_offer(session, offer, after.as_ref()).await,
        ListKey::OwedSince { account, before } => owed_since(session, *account, *before).await,
        ListKey::FailedUnder(review) => failed_under(session, *review).await,
        ListKey::UnpaidSince { before } => unpaid_since(session, *before).await,
        ListKey::UnpaidUnder(review) => unpaid_under(session, *review).await,
    }
}

/// Accounts that owe anything, each with how many of its deliveries are due, counted to a bound: those due by the
/// clock, and those so late that a clock was set back.
const DUE_ACCOUNTS: &str = "WITH RECURSIVE owing (account) AS ( \
         (SELECT account FROM saldo.delivery ORDER BY account LIMIT 1) UNION ALL \
         SELECT (SELECT later.account FROM saldo.delivery AS later WHERE later.account > owing.account \
             ORDER BY later.account LIMIT 1) FROM owing WHERE owing.account IS NOT NULL) \
     SELECT account, \
         (SELECT count(*) FROM (SELECT 1 FROM saldo.delivery AS due WHERE due.account = owing.account \
             AND due.due_at <= $1 LIMIT $3) AS counted), \
         (SELECT count(*) FROM (SELECT 1 FROM saldo.delivery AS due WHERE due.account = owing.account \
             AND due.due_at > $2 LIMIT $3) AS counted) \
     FROM owing WHERE account IS NOT NULL";

/// The due deliveries of accounts, the longest due first, passing over those at work: their orders are locked by
/// another transaction, or their rows are. What is found is locked, in both ways; nothing is waited for.
macro_rules! lock_due {
    ($condition:literal) => {
        concat!(
            "SELECT found.account, found.order_id FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY \
             AS turn (account, count_max, place) CROSS JOIN LATERAL ( \
                 SELECT due.account, due.order_id, due.due_at FROM saldo.delivery AS due \
                 WHERE due.account = turn.account AND ",
            $condition,
            " AND pg_try_advisory_xact_lock(due.lock_name) \
                 ORDER BY due.due_at, due.order_id LIMIT turn.count_max FOR UPDATE SKIP LOCKED) AS found \
             ORDER BY turn.place, found.due_at, found.order_id"
        )
    };
}
const LOCK_DUE: &str = lock_due!("due.due_at <= $3");
const LOCK_STRANDED: &str = lock_due!("due.due_at > $3");

/// What is due of an account.
struct DueAccount {
    account: AccountId,
    due: usize,
    stranded: usize,
}

async fn due(
    session: &Session,
    request: &DueRequest,
    stranded_after: Timestamp,
    held: &mut Held,
) -> Result<Vec<OrderKey>, Failure> {
    let per_account_max = request.per_account_max.min(request.count_max);
    let accounts = due_accounts(session, request, stranded_after, per_account_max).await?;
    let turns = share_out(&accounts, per_account_max, request.count_max);
    let mut orders = lock_due(session, LOCK_DUE, &turns, request.now, |turn| turn.due).await?;
    let stranded = lock_due(session, LOCK_STRANDED, &turns, stranded_after, |turn| {
        turn.stranded
    })
    .await?;
    for (of_account, stranded) in orders.iter_mut().zip(stranded) {
        of_account.extend(stranded);
    }
    let named = take_turns(orders, request.count_max);
    let names: Names = named.iter().map(|key| (order_name(key), true)).collect();
    held.add(&names);
    Ok(named)
}

/// Accounts with anything due, beginning after the one that was served last and going round; with so many that
/// each has one turn at the most, no more are looked at.
async fn due_accounts(
    session: &Session,
    request: &DueRequest,
    stranded_after: Timestamp,
    per_account_max: usize,
) -> Result<Vec<DueAccount>, Failure> {
    let mut accounts = session
        .many(
            DUE_ACCOUNTS,
            values![
                stored(request.now),
                stored(stranded_after),
                row_limit(per_account_max)
            ],
            |row| {
                Ok(DueAccount {
                    account: id(row, 0, AccountId::new)?,
                    due: number(row, 1)?,
                    stranded: number(row, 2)?,
                })
            },
        )
        .await?;
    accounts.retain(|found| found.due + found.stranded > 0 && takes_part(request, found.account));
    accounts.sort_by_key(|found| {
        let had_its_turn = request.after_account.is_some_and(|last| found.account <= last);
        (had_its_turn, found.account)
    });
    accounts.truncate(request.count_max);
    Ok(accounts)
}

/// How many deliveries of each account are claimed when accounts take turns: no more are locked.
fn share_out(accounts: &[DueAccount], per_account_max: usize, count_max: usize) -> Vec<DueAccount> {
    let mut shares = vec![0; accounts.len()];
    let mut left = count_max;
    for _ in 0..per_account_max {
        for (share, found) in shares.iter_mut().zip(accounts) {
            if left > 0 && *share < found.due + found.stranded {
                *share += 1;
                left -= 1;
            }
        }
    }
    let take = |(found, share): (&DueAccount, usize)| DueAccount {
        account: found.account,
        due: found.due.min(share),
        stranded: share - found.due.min(share),
    };
    accounts.iter().zip(shares).map(take).collect()
}

async fn lock_due(
    session: &Session,
    sql: &str,
    turns: &[DueAccount],
    moment: Timestamp,
    count: impl Fn(&DueAccount) -> usize,
) -> Result<Vec<Vec<OrderKey>>, Failure> {
    let mut orders: Vec<Vec<OrderKey>> = turns.iter().map(|_| Vec::new()).collect();
    let counts: Vec<i64> = turns.iter().map(|turn| row_limit(count(turn))).collect();
    if counts.iter().all(|count| *count == 0) {
        return Ok(orders);
    }
    let accounts: Vec<Uuid> = turns.iter().map(|turn| turn.account.as_uuid()).collect();
    let found = session
        .many(sql, values![accounts, counts, stored(moment)], rows::order_key)
        .await?;
    for order in found {
        let place = turns.iter().position(|turn| turn.account == order.account);
        if let Some(of_account) = place.and_then(|place| orders.get_mut(place)) {
            of_account.push(order);
        }
    }
    Ok(orders)
}

/// A place as the columns by which lists are ordered; without one, what stands before all.
fn position(after: Option<&Place>) -> (i64, Uuid, String) {
    after.map_or((i64::MIN, Uuid::nil(), String::new()), |place| {
        let Place { created_at, order } = place;
        (
            stored(*created_at),
            order.account.as_uuid(),
            order.order.as_str().to_owned(),
        )
    })
}

async fn awaiting_stock(
    session: &Session,
    key: &StockKey,
    after: Option<&Place>,
) -> Result<Vec<OrderKey>, Failure> {
    let (created_at, account, order) = position(after);
    session
        .many(
            "SELECT account, order_id FROM saldo.stock_wait WHERE sku = $1 AND warehouse = $2 \
             AND (order_created_at, account, order_id) > ($4, $5, $6) \
             ORDER BY order_created_at, account, order_id LIMIT $3",
            values![
                key.sku.as_str(),
                key.warehouse.as_str(),
                row_limit(LIST_ORDERS_MAX),
                created_at,
                account,
                order
            ],
            rows::order_key,
        )
        .await
}

async fn awaiting_offer(
    session: &Session,
    offer: &OfferKey,
    after: Option<&Place>,
) -> Result<Vec<OrderKey>, Failure> {
    let (created_at, account, order) = position(after);
    session
        .many(
            "SELECT orders.account, orders.order_id FROM saldo.review \
             JOIN saldo.orders ON orders.account = review.account AND orders.order_id = review.order_id \
             WHERE review.reason IN ('sku_missing', 'sku_unknown') AND review.account = $1 \
             AND review.answered_at IS NULL \
             AND (orders.created_at, orders.account, orders.order_id) > ($4, $5, $6) \
             AND EXISTS (SELECT 1 FROM jsonb_array_elements(orders.lines::jsonb) AS line \
                 WHERE line ->> 'offer' = $2) \
             GROUP BY orders.created_at, orders.account, orders.order_id \
             ORDER BY orders.created_at, orders.account, orders.order_id LIMIT $3",
            values![
                offer.account.as_uuid(),
                offer.offer.as_str(),
                row_limit(LIST_ORDERS_MAX),
                created_at,
                account,
                order
            ],
            rows::order_key,
        )
        .await
}

async fn owed_since(
    session: &Session,
    account: Option<AccountId>,
    before: Timestamp,
) -> Result<Vec<OrderKey>, Failure> {
    let of_all = "WITH RECURSIVE owing (account) AS ( \
             (SELECT account FROM saldo.delivery ORDER BY account LIMIT 1) UNION ALL \
             SELECT (SELECT later.account FROM saldo.delivery AS later WHERE later.account > owing.account \
                 ORDER BY later.account LIMIT 1) FROM owing WHERE owing.account IS NOT NULL) \
         SELECT owed.account, owed.order_id FROM owing CROSS JOIN LATERAL ( \
             SELECT account, order_id, owed_since FROM saldo.delivery AS owed \
             WHERE owed.account = owing.account AND owed.owed_since < $1 \
             ORDER BY owed.owed_since, owed.order_id LIMIT $2) AS owed \
         ORDER BY owed.owed_since, owed.account, owed.order_id LIMIT $2";
    let of_one = "SELECT account, order_id FROM saldo.delivery WHERE owed_since < $1 AND account = $3 \
         ORDER BY owed_since, order_id LIMIT $2";
    let limit = row_limit(LIST_ORDERS_MAX);
    match account {
        None => {
            session
                .many(of_all, values![stored(before), limit], rows::order_key)
                .await
        }
        Some(account) => {
            session
                .many(
                    of_one,
                    values![stored(before), limit, account.as_uuid()],
                    rows::order_key,
                )
                .await
        }
    }
}

async fn failed_under(session: &Session, review: ReviewId) -> Result<Vec<OrderKey>, Failure> {
    let mut orders: Vec<OrderKey> = Vec::new();
    let mut last = Uuid::nil();
    loop {
        let failed = session
            .many(
                "SELECT account, order_id, id FROM saldo.operation \
                 WHERE review = $1 AND status = 'failed' AND id > $2 ORDER BY id LIMIT $3",
                values![review.as_uuid(), last, FAILED_READ_MAX],
                |row| Ok((rows::optional_order_key(row, 0)?, id(row, 2, OperationId::new)?)),
            )
            .await?;
        let Some((_, newest)) = failed.last() else {
            return Ok(orders);
        };
        last = newest.as_uuid();
        for (order, _) in failed {
            if let Some(order) = order
                && !orders.contains(&order)
            {
                orders.push(order);
            }
            if orders.len() == LIST_ORDERS_MAX {
                return Ok(orders);
            }
        }
    }
}

async fn unpaid_since(session: &Session, before: Timestamp) -> Result<Vec<OrderKey>, Failure> {
    session
        .many(
            "SELECT account, order_id FROM saldo.operation \
             WHERE status = 'pending' AND waiting_for = 'payment' AND created_at < $1 AND review IS NULL \
             AND account IS NOT NULL ORDER BY id LIMIT $2",
            values![stored(before), row_limit(LIST_ORDERS_MAX)],
            rows::order_key,
        )
        .await
}

async fn unpaid_under(session: &Session, review: ReviewId) -> Result<Vec<OrderKey>, Failure> {
    session
        .many(
            "SELECT account, order_id FROM saldo.operation \
             WHERE status = 'pending' AND waiting_for = 'payment' AND review = $1 \
             AND account IS NOT NULL ORDER BY id LIMIT $2",
            values![review.as_uuid(), row_limit(LIST_ORDERS_MAX)],
            rows::order_key,
        )
        .await
}

/// When the next delivery is due of accounts that are not excluded.
pub(crate) async fn next_due(
    session: &Session,
    excluded: &[AccountId],
) -> Result<Option<Timestamp>, Failure> {
    let excluded: Vec<Uuid> = excluded.iter().map(|account| account.as_uuid()).collect();
    session
        .one(
            "WITH RECURSIVE owing (account) AS ( \
                 (SELECT account FROM saldo.delivery ORDER BY account LIMIT 1) UNION ALL \
                 SELECT (SELECT later.account FROM saldo.delivery AS later WHERE later.account > owing.account \
                     ORDER BY later.account LIMIT 1) FROM owing WHERE owing.account IS NOT NULL) \
             SELECT due.due_at FROM owing CROSS JOIN LATERAL ( \
                 SELECT due_at FROM saldo.delivery WHERE delivery.account = owing.account \
                 ORDER BY due_at LIMIT 1) AS due \
             WHERE owing.account <> ALL ($1::uuid[]) ORDER BY due.due_at LIMIT 1",
            values![excluded],
            |row| moment(row, 0),
        )
        .await
}

/// SKUs that are waited for although there is stock, found by skipping from one SKU to the next.
pub(crate) async fn waiting_with_stock(session: &Session) -> Result<Vec<StockKey>, Failure> {
    session
        .many(
            "WITH RECURSIVE waiting (sku, warehouse) AS ( \
                 (SELECT sku, warehouse FROM saldo.stock_wait ORDER BY sku, warehouse LIMIT 1) UNION ALL \
                 SELECT later.sku, later.warehouse FROM waiting CROSS JOIN LATERAL ( \
                     SELECT stock_wait.sku, stock_wait.warehouse FROM saldo.stock_wait \
                     WHERE (stock_wait.sku, stock_wait.warehouse) > (waiting.sku, waiting.warehouse) \
                     ORDER BY stock_wait.sku, stock_wait.warehouse LIMIT 1) AS later) \
             SELECT sku, warehouse FROM waiting JOIN saldo.balance USING (sku, warehouse) \
             WHERE quantity > 0 ORDER BY sku, warehouse LIMIT $1",
            values![WAITING_WITH_STOCK_MAX],
            rows::stock_key,
        )
        .await
}
