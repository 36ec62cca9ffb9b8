//! The invariants of section 3 of the design, looked for in everything stored.

use std::collections::BTreeMap;

use saldo_domain::ids::{LineItemId, OrderKey};
use saldo_domain::operation::{Operation, OperationStatus, WaitingFor};
use saldo_domain::review::Review;
use saldo_domain::stock::StockKey;

use super::tables::Tables;
use crate::mend;
use crate::query::Violation;

/// The most violations that a check reports.
const VIOLATIONS_MAX: usize = 1_000;

/// Everything that is wrong, at most [`VIOLATIONS_MAX`].
pub(super) fn check(tables: &Tables) -> Vec<Violation> {
    let mut found = Vec::new();
    conservation(tables, &mut found);
    once(tables, &mut found);
    next_steps(tables, &mut found);
    never_below_zero(tables, &mut found);
    level(tables, &mut found);
    one_at_a_time(tables, &mut found);
    histories(tables, &mut found);
    open_reviews(tables, &mut found);
    found.truncate(VIOLATIONS_MAX);
    found
}

fn note(found: &mut Vec<Violation>, invariant: u8, detail: String, mend: &str) {
    found.push(Violation {
        invariant,
        detail,
        mend: mend.to_owned(),
    });
}

fn conservation(tables: &Tables, found: &mut Vec<Violation>) {
    let mend = mend::BALANCE;
    for (key, movements) in &tables.movements {
        let mut sum = 0;
        for (index, movement) in movements.iter().enumerate() {
            sum += movement.quantity;
            if movement.balance_after != sum || movement.sequence != index as i64 + 1 {
                note(
                    found,
                    1,
                    format!(
                        "movement {} of {key:?} does not follow the one before",
                        movement.sequence
                    ),
                    mend,
                );
            }
        }
        if !tables.balances.contains_key(key) {
            note(found, 1, format!("{key:?} has movements and no balance"), mend);
        }
    }
    for balance in tables.balances.values() {
        let movements = tables.movements.get(&balance.key).map_or(&[][..], Vec::as_slice);
        let sum: i64 = movements.iter().map(|movement| movement.quantity).sum();
        if sum != balance.quantity || movements.len() as i64 != balance.movements {
            note(
                found,
                1,
                format!("the balance of {:?} is not the sum of its movements", balance.key),
                mend,
            );
        }
    }
}

fn once(tables: &Tables, found: &mut Vec<Violation>) {
    let mut taken: BTreeMap<(&LineItemId, &StockKey), i64> = BTreeMap::new();
    for order in tables.orders.values() {
        for line in &order.lines {
            for part in &line.parts {
                *taken.entry((&line.id, &part.key)).or_default() += part.taken;
                if part.taken < 0 {
                    let detail = format!("line {} has taken less than nothing of {:?}", line.id, part.key);
                    note(found, 2, detail, mend::LINE);
                }
            }
        }
    }
    for movement in tables.movements.values().flatten() {
        if let Some(line) = &movement.line {
            *taken.entry((line, &movement.key)).or_default() += movement.quantity;
        }
    }
    for ((line, key), difference) in taken {
        if difference != 0 {
            let detail = format!("line {line} and its movements of {key:?} differ by {difference}");
            note(found, 2, detail, mend::LINE);
        }
    }
}

fn next_steps(tables: &Tables, found: &mut Vec<Violation>) {
    for operation in tables
        .operations
        .values()
        .filter(|operation| operation.status.is_unfinished())
    {
        let Some(key) = &operation.order else {
            note(
                found,
                4,
                format!("operation {} is unfinished and of no order", operation.id),
                mend::NO_NEXT_STEP,
            );
            continue;
        };
        if !tables.orders.contains_key(key) {
            note(
                found,
                4,
                format!("operation {} is of an order that is not there", operation.id),
                mend::NO_NEXT_STEP,
            );
        }
        if !has_next_step(tables, key, operation) {
            note(
                found,
                4,
                format!("operation {} of order {key} has no next step", operation.id),
                mend::NO_NEXT_STEP,
            );
        }
    }
}

fn has_next_step(tables: &Tables, key: &OrderKey, operation: &Operation) -> bool {
    let owed = tables.deliveries.contains_key(key);
    let is_open = |id| tables.reviews.get(&id).is_some_and(Review::is_open);
    let reviewed = operation.review.is_some_and(is_open)
        || tables
            .reviews_of(key)
            .any(|review| review.is_open() && review.operation == Some(operation.id));
    match (operation.status, operation.waiting_for) {
        (OperationStatus::Processing, _) => owed,
        (OperationStatus::Failed, _) | (_, Some(WaitingFor::Review)) => reviewed,
        (_, Some(WaitingFor::Delivery | WaitingFor::Account)) => owed,
        (_, Some(WaitingFor::Payment | WaitingFor::Stock)) => true,
        (_, None) => false,
    }
}

fn never_below_zero(tables: &Tables, found: &mut Vec<Violation>) {
    for movement in tables.movements.values().flatten() {
        if movement.balance_after < 0 && movement.quantity < 0 && !movement.negative_allowed {
            let detail = format!(
                "movement {} of {:?} fell below zero",
                movement.sequence, movement.key
            );
            note(found, 5, detail, mend::BELOW_ZERO);
        }
    }
}

fn level(tables: &Tables, found: &mut Vec<Violation>) {
    for key in tables.deliveries.keys() {
        if tables.orders.get(key).is_none_or(|order| !order.touched) {
            let detail = format!("order {key} owes the service its flag, but nothing of it was ever moved");
            note(found, 6, detail, mend::OWED_UNTOUCHED);
        }
    }
}

fn one_at_a_time(tables: &Tables, found: &mut Vec<Violation>) {
    for operation in tables.operations.values() {
        let Some(key) = &operation.order else { continue };
        let leased = tables
            .deliveries
            .get(key)
            .is_some_and(|delivery| delivery.lease.is_some());
        if operation.status == OperationStatus::Processing && !leased {
            note(
                found,
                7,
                format!("operation {} is under delivery without a lease", operation.id),
                mend::UNLEASED,
            );
        }
    }
}

fn histories(tables: &Tables, found: &mut Vec<Violation>) {
    let mend = mend::LOG;
    for operation in tables.operations.values() {
        let log = tables.log.get(&operation.id).map_or(&[][..], Vec::as_slice);
        // The clean-up may have removed the log of what was finished: all of it, as it was then.
        let begins_later = !operation.status.is_unfinished();
        let first = log
            .first()
            .filter(|_| begins_later)
            .map_or(1, |entry| entry.version);
        let mut version = first - 1;
        let mut status = None;
        for entry in log {
            let legal = status.is_none_or(|status: OperationStatus| {
                status == entry.status || status.may_become(entry.status)
            });
            if entry.version != version + 1 || !legal {
                let detail = format!(
                    "entry {} of operation {} does not follow",
                    entry.version, operation.id
                );
                note(found, 8, detail, mend);
            }
            version = entry.version;
            status = Some(entry.status);
        }
        let was_cleaned_up = log.is_empty() && begins_later;
        if !was_cleaned_up && (version != operation.version || status != Some(operation.status)) {
            note(
                found,
                8,
                format!("operation {} is not as its log says", operation.id),
                mend,
            );
        }
    }
}

fn open_reviews(tables: &Tables, found: &mut Vec<Violation>) {
    let mut open = BTreeMap::new();
    for review in tables.reviews.values().filter(|review| review.is_open()) {
        if open.insert((review.reason, &review.subject), review.id).is_some() {
            let detail = format!("review {} asks what another open one asks", review.id);
            note(found, 4, detail, mend::TWO_REVIEWS);
        }
    }
}
