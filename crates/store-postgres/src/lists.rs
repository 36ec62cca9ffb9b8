//! Lists of orders that decisions ask for. None looks at finished history, and none at all that waits: accounts
//! are found by skipping from one to the next along an index.

use std::collections::HashMap;

use jiff::Timestamp;
use saldo_domain::delivery::Delivery;
use saldo_domain::ids::{AccountId, OperationId, OrderKey, ReviewId};
use saldo_domain::stock::{OfferKey, StockKey};
use saldo_domain::view::{DueRequest, ListKey, Place};
use saldo_store::rows::{self, delivery_columns};
use saldo_store::turns::{LIST_ORDERS_MAX, take_turns, takes_part};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::batch::Due;
use crate::failure::Failure;
use crate::load::{AsStored, keyed_delivery};
use crate::locks::{Held, Names, order_name};
use crate::queue::Queue;
use crate::session::Session;
use crate::sql::{get, id, number, optional_moment, row_limit, stored, values};

/// Accounts that are looked at together in a search for due deliveries, at first; twice as many each time not enough of
/// them have any.
const LOOKED_AT_TOGETHER: usize = 32;
/// Deliveries whose lease ended that one claim moves to their own place in the queue: each takes a lock. With more of them
/// the rest is claimed from where it stands, and the next claim moves more.
const STRAYED_MOVED_MAX: usize = 1_000;
/// Failed operations that are read at once to find their orders.
const FAILED_READ_MAX: i64 = 1_000;

/// The orders of a list. Those that are due are locked, which is told to `held`, and what they owe is read, which is told
/// to `as_stored`; they are looked for from where the queue is known to begin, or from what this transaction itself has
/// made due.
pub(crate) async fn list(
    session: &Session,
    list: &ListKey,
    (held, as_stored): (&mut Held, &mut AsStored),
    queue: (&Queue, &Due),
) -> Result<Vec<OrderKey>, Failure> {
    match list {
        ListKey::Due {
            request,
            stranded_after,
        } => due(session, request, *stranded_after, (held, as_stored), queue).await,
        ListKey::AwaitingStock(key, after) => awaiting_stock(session, key, after.as_ref()).await,
        ListKey::AwaitingOffer(offer, after) => awaiting_offer(session, offer, after.as_ref()).await,
        ListKey::OwedSince { account, before } => owed_since(session, *account, *before).await,
        ListKey::FailedUnder(review) => failed_under(session, *review).await,
        ListKey::UnpaidSince { before } => unpaid_since(session, *before).await,
        ListKey::UnpaidUnder(review) => unpaid_under(session, *review).await,
    }
}

/// Accounts that owe anything, found by skipping from one to the next along the index, each with the place of its first
/// delivery in the queue.
macro_rules! all_owing {
    () => {
        "WITH RECURSIVE owing (account, first) AS ( \
             (SELECT account, queued_at FROM saldo.delivery ORDER BY account, queued_at LIMIT 1) UNION ALL \
             SELECT later.account, later.queued_at FROM owing CROSS JOIN LATERAL ( \
                 SELECT delivery.account, delivery.queued_at FROM saldo.delivery \
                 WHERE delivery.account > owing.account \
                 ORDER BY delivery.account, delivery.queued_at LIMIT 1) AS later) "
    };
}

/// The same of accounts that are known to owe something, each looked for from where its queue began before.
macro_rules! known_owing {
    ($accounts:literal, $places:literal) => {
        concat!(
            "WITH owing (account, first) AS ( \
                 SELECT known.account, later.queued_at FROM unnest(",
            $accounts,
            "::uuid[], ",
            $places,
            "::bigint[]) AS known (account, place) CROSS JOIN LATERAL ( \
                 SELECT queued_at FROM saldo.delivery \
                 WHERE delivery.account = known.account AND delivery.queued_at >= known.place \
                 ORDER BY delivery.queued_at LIMIT 1) AS later) "
        )
    };
}

/// Whether a delivery is due, by the clock or because it is due so late that a clock was set back. What is leased stands
/// in the queue where it stood, and is not due; there is as much of it as is under way.
macro_rules! is_due {
    ($now:literal, $stranded_after:literal) => {
        concat!("(due.due_at <= ", $now, " OR due.due_at > ", $stranded_after, ")")
    };
}

/// The first due deliveries of an account, and whether each stands before the place that is its own: its lease ended, and
/// while it was leased it kept the place that it had before.
macro_rules! seen {
    ($account:literal, $first:literal, $now:literal, $stranded_after:literal, $count_max:literal) => {
        concat!(
            "SELECT due.account, due.order_id, due.lock_name, due.queued_at <> due.due_at AS strayed \
             FROM saldo.delivery AS due WHERE due.account = ",
            $account,
            " AND due.queued_at BETWEEN ",
            $first,
            " AND ",
            $now,
            " AND ",
            is_due!($now, $stranded_after),
            " ORDER BY due.queued_at, due.order_id LIMIT ",
            $count_max
        )
    };
}

/// How many deliveries of each account are due, counted to a bound: those whose place in the queue has come, how many of
/// these stand before the place that is theirs, and those with a place so late that a clock was set back.
macro_rules! count_due {
    () => {
        concat!(
            "SELECT owing.account, counted.due, counted.strayed, \
                 (SELECT count(*) FROM (SELECT 1 FROM saldo.delivery AS due WHERE due.account = owing.account \
                     AND due.queued_at > $2 LIMIT $3) AS counted), \
                 owing.first FROM owing CROSS JOIN LATERAL ( \
                     SELECT count(*) AS due, count(*) FILTER (WHERE seen.strayed) AS strayed FROM (",
            seen!("owing.account", "owing.first", "$1", "$2", "$3"),
            ") AS seen) AS counted"
        )
    };
}
const DUE_OF_ALL: &str = concat!(all_owing!(), count_due!());
const DUE_OF_KNOWN: &str = concat!(known_owing!("$4", "$5"), count_due!());

/// The due deliveries of accounts, the longest due first, passing over those at work: their orders are locked by
/// another transaction, or their rows are. What is found is locked, in both ways; nothing is waited for. The lock is
/// tried only for what is due: it is held until the end.
macro_rules! lock_due {
    ($place:literal) => {
        concat!(
            "SELECT found.* FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) \
             WITH ORDINALITY AS turn (account, count_max, first, place) CROSS JOIN LATERAL ( \
                 SELECT ",
            delivery_columns!(),
            ", due.account, due.order_id FROM saldo.delivery AS due \
                 WHERE due.account = turn.account AND ",
            $place,
            " AND CASE WHEN ",
            is_due!("$4", "$5"),
            " THEN pg_try_advisory_xact_lock(due.lock_name) ELSE false END \
                 ORDER BY due.queued_at, due.order_id LIMIT turn.count_max FOR UPDATE SKIP LOCKED) AS found \
             ORDER BY turn.place, found.due_at, found.order_id"
        )
    };
}
/// Gives those that strayed the place that is theirs, unless another transaction works on their order.
const MOVE_STRAYED: &str = concat!(
    "UPDATE saldo.delivery AS moved SET queued_at = moved.due_at FROM ( \
         SELECT seen.account, seen.order_id FROM unnest($1::uuid[], $2::bigint[]) AS turn (account, first) \
         CROSS JOIN LATERAL (",
    seen!("turn.account", "turn.first", "$3", "$4", "$5"),
    ") AS seen WHERE CASE WHEN seen.strayed THEN pg_try_advisory_xact_lock(seen.lock_name) ELSE false END) AS strayed \
     WHERE moved.account = strayed.account AND moved.order_id = strayed.order_id"
);

const LOCK_DUE: &str = lock_due!("due.queued_at BETWEEN turn.first AND $4");
const LOCK_STRANDED: &str = lock_due!("due.queued_at > $5");

/// What is due of an account.
struct DueAccount {
    account: AccountId,
    due: usize,
    /// Of these, how many stand before the place that is theirs.
    strayed: usize,
    stranded: usize,
    /// Where its queue begins.
    first: i64,
}

impl DueAccount {
    const fn place(&self) -> (AccountId, i64) {
        (self.account, self.first)
    }
}

async fn due(
    session: &Session,
    request: &DueRequest,
    stranded_after: Timestamp,
    (held, as_stored): (&mut Held, &mut AsStored),
    queue: (&Queue, &Due),
) -> Result<Vec<OrderKey>, Failure> {
    let per_account_max = request.per_account_max.min(request.count_max);
    let moments = (stored(request.now), stored(stranded_after));
    // An even share, and one more: with many accounts, counting all that each may be given would be most of the work. It is
    // done where some have less than their share.
    let share = request.count_max / queue.0.accounts(|account| takes_part(request, account)).max(1);
    let mut counted_to = per_account_max.min(share.saturating_add(1));
    let mut may_move = STRAYED_MOVED_MAX;
    let accounts = loop {
        let accounts = due_accounts(session, request, moments, counted_to, queue).await?;
        let moved = move_strayed(session, &accounts, moments, may_move).await?;
        if moved > 0 {
            may_move = may_move.saturating_sub(moved);
            continue;
        }
        if counted_to == per_account_max || is_enough(&accounts, counted_to, request.count_max) {
            break accounts;
        }
        counted_to = per_account_max;
    };
    let turns = share_out(&accounts, counted_to, request.count_max);
    let mut orders = lock_due(session, LOCK_DUE, &turns, moments, |turn| turn.due).await?;
    let stranded = lock_due(session, LOCK_STRANDED, &turns, moments, |turn| turn.stranded).await?;
    for (of_account, stranded) in orders.iter_mut().zip(stranded) {
        of_account.extend(stranded);
    }
    let keys = |of_account: &Vec<Delivery>| of_account.iter().map(|delivery| delivery.key.clone()).collect();
    let named = take_turns(orders.iter().map(keys).collect(), request.count_max);
    let read = orders.into_iter().flatten();
    as_stored
        .deliveries
        .extend(read.map(|delivery| (delivery.key.clone(), delivery)));
    let names: Names = named.iter().map(|key| (order_name(key), true)).collect();
    held.add(&names);
    Ok(named)
}

/// Whether counts up to a bound tell how a claim is shared out: every account was counted to its end, or the shares so far
/// fill the claim.
fn is_enough(accounts: &[DueAccount], counted_to: usize, count_max: usize) -> bool {
    let is_counted_out = |found: &DueAccount| found.due < counted_to && found.stranded < counted_to;
    let shares = accounts
        .iter()
        .map(|found| counted_to.min(found.due + found.stranded));
    accounts.iter().all(is_counted_out) || shares.sum::<usize>() >= count_max
}

/// Accounts with anything due, beginning after the one that was served last and going round; with so many that
/// each has one turn at the most, no more are looked at.
async fn due_accounts(
    session: &Session,
    request: &DueRequest,
    (now, stranded_after): (i64, i64),
    counted_to: usize,
    (queue, own): (&Queue, &Due),
) -> Result<Vec<DueAccount>, Failure> {
    let search = queue.search(own.iter().map(|(account, due_at)| (*account, stored(*due_at))));
    let bound = row_limit(counted_to);
    let Some(mut places) = search.places() else {
        let values = values![now, stranded_after, bound];
        let found = session.many(DUE_OF_ALL, values, due_account).await?;
        search.found(found.iter().map(DueAccount::place));
        return Ok(in_turn(request, found));
    };
    places.retain(|(account, _)| takes_part(request, *account));
    places.sort_by_key(|(account, _)| turn(request, *account));
    let (mut accounts, mut firsts) = (Vec::new(), Vec::new());
    let (mut rest, mut together) = (places.as_slice(), request.count_max.max(LOOKED_AT_TOGETHER));
    while !rest.is_empty() && accounts.len() < request.count_max {
        let (some, later) = rest.split_at(together.min(rest.len()));
        (rest, together) = (later, together.saturating_mul(2));
        let known: Vec<Uuid> = some.iter().map(|(account, _)| account.as_uuid()).collect();
        let places: Vec<i64> = some.iter().map(|(_, place)| *place).collect();
        let values = values![now, stranded_after, bound, known, places];
        let found = session.many(DUE_OF_KNOWN, values, due_account).await?;
        firsts.extend(found.iter().map(DueAccount::place));
        accounts.extend(in_turn(request, found));
    }
    search.found(firsts);
    accounts.truncate(request.count_max);
    Ok(accounts)
}

fn due_account(row: &Row) -> Result<DueAccount, Failure> {
    Ok(DueAccount {
        account: id(row, 0, AccountId::new)?,
        due: number(row, 1)?,
        strayed: number(row, 2)?,
        stranded: number(row, 3)?,
        first: get(row, 4)?,
    })
}

/// Those with anything due that take part, as they are served.
fn in_turn(request: &DueRequest, mut found: Vec<DueAccount>) -> Vec<DueAccount> {
    found.retain(|found| found.due + found.stranded > 0 && takes_part(request, found.account));
    found.sort_by_key(|found| turn(request, found.account));
    found.truncate(request.count_max);
    found
}

/// The place of an account among those that are served.
fn turn(request: &DueRequest, account: AccountId) -> (bool, AccountId) {
    let had_its_turn = request.after_account.is_some_and(|last| account <= last);
    (had_its_turn, account)
}

/// Moves those whose lease ended to their own place, as far as they stand before it among the first, and at most so many
/// in all; how many there were.
async fn move_strayed(
    session: &Session,
    accounts: &[DueAccount],
    (now, stranded_after): (i64, i64),
    may_move: usize,
) -> Result<usize, Failure> {
    let strayed: Vec<&DueAccount> = accounts
        .iter()
        .filter(|found| found.strayed > 0)
        .take(may_move)
        .collect();
    if strayed.is_empty() {
        return Ok(0);
    }
    let names: Vec<Uuid> = strayed.iter().map(|found| found.account.as_uuid()).collect();
    let firsts: Vec<i64> = strayed.iter().map(|found| found.first).collect();
    let of_each = row_limit(may_move / strayed.len());
    let moved = session
        .run(MOVE_STRAYED, values![names, firsts, now, stranded_after, of_each])
        .await?;
    Ok(usize::try_from(moved).unwrap_or(usize::MAX))
}

/// How many deliveries of each account are claimed when accounts take turns: no more are locked.
fn share_out(accounts: &[DueAccount], counted_to: usize, count_max: usize) -> Vec<DueAccount> {
    let mut shares = vec![0; accounts.len()];
    let mut left = count_max;
    for _ in 0..counted_to {
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
        strayed: found.strayed,
        stranded: share - found.due.min(share),
        first: found.first,
    };
    accounts.iter().zip(shares).map(take).collect()
}

async fn lock_due(
    session: &Session,
    sql: &str,
    turns: &[DueAccount],
    (now, stranded_after): (i64, i64),
    count: impl Fn(&DueAccount) -> usize,
) -> Result<Vec<Vec<Delivery>>, Failure> {
    let mut orders: Vec<Vec<Delivery>> = turns.iter().map(|_| Vec::new()).collect();
    let counts: Vec<i64> = turns.iter().map(|turn| row_limit(count(turn))).collect();
    if counts.iter().all(|count| *count == 0) {
        return Ok(orders);
    }
    let accounts: Vec<Uuid> = turns.iter().map(|turn| turn.account.as_uuid()).collect();
    let firsts: Vec<i64> = turns.iter().map(|turn| turn.first).collect();
    let found = session
        .many(
            sql,
            values![accounts, counts, firsts, now, stranded_after],
            keyed_delivery,
        )
        .await?;
    let places: HashMap<AccountId, usize> = turns
        .iter()
        .enumerate()
        .map(|(place, turn)| (turn.account, place))
        .collect();
    for delivery in found {
        let place = places.get(&delivery.key.account);
        if let Some(of_account) = place.and_then(|place| orders.get_mut(*place)) {
            of_account.push(delivery);
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

/// Of each account the place of its first delivery, and when one is due next: the first that is not leased, unless one
/// is that stands before it and comes back earlier.
macro_rules! next_due {
    () => {
        "SELECT owing.account, owing.first, least(waiting.due_at, (SELECT min(leased.due_at) \
             FROM saldo.delivery AS leased WHERE leased.account = owing.account \
             AND leased.queued_at BETWEEN owing.first AND coalesce(waiting.due_at, 9223372036854775807) \
             AND leased.lease_token IS NOT NULL)) \
         FROM owing LEFT JOIN LATERAL (SELECT due_at FROM saldo.delivery \
             WHERE delivery.account = owing.account AND delivery.queued_at >= owing.first \
             AND delivery.lease_token IS NULL ORDER BY delivery.queued_at LIMIT 1) AS waiting ON true"
    };
}

/// When the next delivery is due of accounts that are not excluded.
pub(crate) async fn next_due(
    session: &Session,
    excluded: &[AccountId],
    queue: &Queue,
) -> Result<Option<Timestamp>, Failure> {
    const OF_ALL: &str = concat!(all_owing!(), next_due!());
    const OF_KNOWN: &str = concat!(known_owing!("$1", "$2"), next_due!());
    let search = queue.search([]);
    let read = |row: &Row| {
        let (account, first): (_, i64) = (id(row, 0, AccountId::new)?, get(row, 1)?);
        Ok((account, first, optional_moment(row, 2)?))
    };
    let owing = match search.places() {
        None => session.many(OF_ALL, &[], read).await?,
        Some(known) => {
            let (known, places): (Vec<Uuid>, Vec<i64>) = known
                .into_iter()
                .map(|(account, place)| (account.as_uuid(), place))
                .unzip();
            session.many(OF_KNOWN, values![known, places], read).await?
        }
    };
    search.found(owing.iter().map(|(account, first, _)| (*account, *first)));
    Ok(owing
        .into_iter()
        .filter(|(account, ..)| !excluded.contains(account))
        .filter_map(|(_, _, due_at)| due_at)
        .min())
}

/// SKUs that are waited for although there is stock, found by skipping from one SKU to the next.
pub(crate) async fn waiting_with_stock(
    session: &Session,
    after: Option<&StockKey>,
    limit: usize,
) -> Result<Vec<StockKey>, Failure> {
    let (sku, warehouse) = after.map_or(("", ""), |key| (key.sku.as_str(), key.warehouse.as_str()));
    session
        .many(
            "WITH RECURSIVE waiting (sku, warehouse) AS ( \
                 (SELECT sku, warehouse FROM saldo.stock_wait WHERE (sku, warehouse) > ($1, $2) \
                     ORDER BY sku, warehouse LIMIT 1) UNION ALL \
                 SELECT later.sku, later.warehouse FROM waiting CROSS JOIN LATERAL ( \
                     SELECT stock_wait.sku, stock_wait.warehouse FROM saldo.stock_wait \
                     WHERE (stock_wait.sku, stock_wait.warehouse) > (waiting.sku, waiting.warehouse) \
                     ORDER BY stock_wait.sku, stock_wait.warehouse LIMIT 1) AS later) \
             SELECT sku, warehouse FROM waiting JOIN saldo.balance USING (sku, warehouse) \
             WHERE quantity > 0 ORDER BY sku, warehouse LIMIT $3",
            values![sku, warehouse, row_limit(limit)],
            rows::stock_key,
        )
        .await
}
