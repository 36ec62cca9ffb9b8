//! What a filter asks of a table, the same for every backend: which rows, and after which one a page goes on. Where one
//! question would look at rows that it does not answer with, several are asked instead, each of them one range of an
//! index, in order; their answers are merged.

use saldo_domain::alert::AlertStatus;
use saldo_domain::ids::{AlertId, OperationId, ReviewId};
use saldo_domain::operation::{OperationStatus, WaitingFor};
use saldo_domain::review::ReviewReason;
use saldo_domain::text::{Sku, Warehouse};

use crate::alerts::AlertFilter;
use crate::cells::stored;
use crate::conditions::Conditions;
use crate::query::{BalanceFilter, OperationFilter, ReviewFilter};
use crate::reconciliations::{DiscrepancyFilter, DiscrepancyPlace};
use crate::rollouts::{ShadowFilter, ShadowPlace};

/// Operations, newest first. What is unfinished is asked for by status and by what it waits for. `line_has` is the
/// condition that a line of the operation has a value under a name, in the words of the database.
pub fn operations(
    filter: &OperationFilter,
    before: Option<OperationId>,
    line_has: impl Fn(&str) -> String,
) -> Vec<Conditions> {
    let common = || common_conditions(filter, before, &line_has);
    let unfinished_only =
        !filter.statuses.is_empty() && filter.statuses.iter().all(|status| status.is_unfinished());
    if !unfinished_only {
        let mut conditions = common();
        if !filter.statuses.is_empty() {
            let words: Vec<&str> = filter.statuses.iter().map(|status| status.as_str()).collect();
            conditions.and_plain(&format!("status IN ('{}')", words.join("', '")));
        }
        if let Some(waiting_for) = filter.waiting_for {
            conditions.and("waiting_for = {}", waiting_for.as_str());
        }
        return vec![conditions];
    }
    let mut questions = Vec::new();
    for status in [
        OperationStatus::Pending,
        OperationStatus::Processing,
        OperationStatus::Failed,
    ] {
        if filter.statuses.contains(&status) {
            for waiting_for in waits(filter) {
                let mut conditions = common();
                // The word is written out, so that the partial index is recognised.
                conditions.and_plain(&format!("status = '{}'", status.as_str()));
                match waiting_for {
                    Some(waiting_for) => conditions.and("waiting_for = {}", waiting_for.as_str()),
                    None => conditions.and_plain("waiting_for IS NULL"),
                }
                questions.push(conditions);
            }
        }
    }
    questions
}

fn waits(filter: &OperationFilter) -> Vec<Option<WaitingFor>> {
    use WaitingFor::{Account, Delivery, Payment, Review, Stock};
    match filter.waiting_for {
        Some(waiting_for) => vec![Some(waiting_for)],
        None => vec![
            None,
            Some(Account),
            Some(Delivery),
            Some(Payment),
            Some(Review),
            Some(Stock),
        ],
    }
}

fn common_conditions(
    filter: &OperationFilter,
    before: Option<OperationId>,
    line_has: impl Fn(&str) -> String,
) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(before) = before {
        conditions.and("id < {}", before.as_uuid());
    }
    if let Some(account) = filter.account {
        conditions.and("account = {}", account.as_uuid());
    }
    if let Some(sku) = &filter.sku {
        conditions.and(&line_has("sku"), sku.as_str());
    }
    if let Some(warehouse) = &filter.warehouse {
        conditions.and(&line_has("warehouse"), warehouse.as_str());
    }
    conditions
}

/// Reviews, newest first. Open ones are asked for reason by reason.
#[must_use]
pub fn reviews(filter: &ReviewFilter, before: Option<ReviewId>) -> Vec<Conditions> {
    let of_one_order = filter.account.is_some() && filter.order.is_some();
    if filter.open != Some(true) || of_one_order {
        return vec![review_conditions(filter, before, filter.reason)];
    }
    let reasons = filter
        .reason
        .map_or_else(|| ReviewReason::ALL.to_vec(), |reason| vec![reason]);
    reasons
        .into_iter()
        .map(|reason| review_conditions(filter, before, Some(reason)))
        .collect()
}

fn review_conditions(
    filter: &ReviewFilter,
    before: Option<ReviewId>,
    reason: Option<ReviewReason>,
) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(before) = before {
        conditions.and("id < {}", before.as_uuid());
    }
    if let Some(reason) = reason {
        conditions.and("reason = {}", reason.as_str());
    }
    if let Some(account) = filter.account {
        conditions.and("account = {}", account.as_uuid());
    }
    if let Some(order) = &filter.order {
        conditions.and("order_id = {}", order.as_str());
    }
    conditions.and_empty("answered_at", filter.open);
    conditions
}

/// Balances, by SKU and warehouse.
#[must_use]
pub fn balances(filter: &BalanceFilter, after: Option<(Sku, Warehouse)>) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some((sku, warehouse)) = after {
        let place = [sku.as_str().into(), warehouse.as_str().into()];
        conditions.and_all("(sku, warehouse) > ({}, {})", place);
    }
    if let Some(sku) = &filter.sku {
        conditions.and("sku = {}", sku.as_str());
    }
    if let Some(warehouse) = &filter.warehouse {
        conditions.and("warehouse = {}", warehouse.as_str());
    }
    if let Some(below) = filter.below {
        conditions.and("quantity < {}", below);
    }
    conditions
}

/// Alerts, newest first.
#[must_use]
pub fn alerts(filter: &AlertFilter, before: Option<AlertId>) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(before) = before {
        conditions.and("id < {}", before.as_uuid());
    }
    if let Some(kind) = filter.kind {
        conditions.and("kind = {}", kind.as_str());
    }
    if let Some(account) = filter.account {
        conditions.and("account = {}", account.as_uuid());
    }
    conditions.and_empty("ended_at", filter.open);
    match filter.status {
        Some(AlertStatus::Begun) => conditions.and_plain("ended_at IS NULL AND acknowledged IS NULL"),
        Some(AlertStatus::Acknowledged) => {
            conditions.and_plain("ended_at IS NULL AND acknowledged IS NOT NULL");
        }
        Some(AlertStatus::Ended) => conditions.and_plain("ended_at IS NOT NULL"),
        None => {}
    }
    conditions
}

/// Discrepancies, last seen first.
#[must_use]
pub fn discrepancies(filter: &DiscrepancyFilter, before: Option<DiscrepancyPlace>) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.and_empty("closed_at", filter.open);
    if let Some(run) = filter.run {
        conditions.and("run = {}", run.as_uuid());
    }
    if let Some(kind) = filter.kind {
        conditions.and("kind = {}", kind.as_str());
    }
    if let Some(resolution) = filter.resolution {
        conditions.and("resolution = {}", resolution.as_str());
    }
    if let Some(account) = filter.account {
        conditions.and("account = {}", account.as_uuid());
    }
    if let Some(order) = &filter.order {
        conditions.and("order_id = {}", order.as_str());
    }
    if let Some(before) = before {
        let place = [stored(before.last_seen_at).into(), before.id.as_uuid().into()];
        conditions.and_all("(last_seen_at, id) < ({}, {})", place);
    }
    conditions
}

/// Orders in shadow, newest first.
#[must_use]
pub fn shadow_orders(filter: &ShadowFilter, before: Option<ShadowPlace>) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(account) = filter.account {
        conditions.and("account = {}", account.as_uuid());
    }
    if let Some(from) = filter.from {
        conditions.and("seen_at >= {}", stored(from));
    }
    if let Some(to) = filter.to {
        conditions.and("seen_at < {}", stored(to));
    }
    if let Some(verdict) = filter.verdict {
        conditions.and("verdict = {}", verdict.as_str());
    }
    if let Some(before) = before {
        let place = [
            stored(before.seen_at).into(),
            before.order.account.as_uuid().into(),
            before.order.order.as_str().into(),
        ];
        conditions.and_all("(seen_at, account, order_id) < ({}, {}, {})", place);
    }
    conditions
}
