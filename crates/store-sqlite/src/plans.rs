//! How the questions are answered: along an index, whatever is asked. A table that grows with the years is never
//! looked through, and never sorted.

use std::cell::RefCell;
use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, params_from_iter};
use saldo_domain::discrepancy::{DiscrepancyKind, DiscrepancyResolution};
use saldo_domain::ids::{AccountId, OrderId, OrderKey, RunId};
use saldo_domain::rollout::Verdict;
use saldo_store::alerts::AlertFilter;
use saldo_store::housekeeping::{Cutoffs, Kind, Place};
use saldo_store::query::PageRequest;
use saldo_store::reconciliations::{BoughtOrder, BoughtRange, DiscrepancyFilter};
use saldo_store::rollouts::ShadowFilter;
use uuid::Uuid;

use crate::{alerts, counts, housekeeping, reconciliations, rollouts, schema, tasks};

thread_local! {
    static NOTED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Notes a question that is asked.
pub(crate) fn note(sql: &str) {
    NOTED.with_borrow_mut(|noted| noted.insert(sql.to_owned()));
}

/// Small for ever, so they may be walked from end to end.
const SMALL: [&str; 4] = ["watermark", "task_state", "lease", "rollout"];
/// What is gathered of a table that is small for ever.
const GATHERED: [&str; 2] = [
    "SCAN (subquery-1)",
    "USE TEMP B-TREE FOR json_group_array(ORDER BY)",
];
/// Rows of one order, or of one moment: sorting those is nothing.
const SORTED: [&str; 2] = ["discrepancy_of_order", "review_of_order"];

fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection).unwrap();
    NOTED.take();
    connection
}

/// Checks every question that was noted.
fn check_plans(connection: &Connection) {
    let noted = NOTED.take();
    assert!(!noted.is_empty());
    for sql in noted {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nothing = vec![rusqlite::types::Null; statement.parameter_count()];
        let steps: Vec<String> = statement
            .query_map(params_from_iter(nothing), |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let is_sorted_rightly = SORTED
            .iter()
            .any(|index| steps.iter().any(|step| step.contains(index)));
        let is_of_rollout = sql.contains("FROM rollout") && steps.iter().any(|step| step == "SCAN rollout");
        for step in &steps {
            if is_of_rollout && GATHERED.contains(&step.as_str()) {
                continue;
            }
            let is_walk = step.starts_with("SCAN ")
                && !step.contains(" USING ")
                && !SMALL.iter().any(|table| *step == format!("SCAN {table}"));
            // Along the key of a table is in order, and stops where the page ends.
            let stops = sql.contains("ORDER BY") && sql.contains("LIMIT") && steps.len() == 1;
            assert!(!is_walk || stops, "{sql}\nlooks through a table: {steps:#?}");
            let sorts = step.contains("TEMP B-TREE");
            assert!(!sorts || is_sorted_rightly, "{sql}\nsorts: {steps:#?}");
        }
    }
}

fn moment() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn order() -> OrderKey {
    OrderKey {
        account: AccountId::new(Uuid::from_u128(1)),
        order: OrderId::parse("order").unwrap(),
    }
}

/// Every combination of a value and none in each field.
fn combinations<T: Clone>(nothing: T, fields: &[&dyn Fn(&mut T)]) -> Vec<T> {
    let mut all = vec![nothing];
    for set in fields {
        let mut more = all.clone();
        more.iter_mut().for_each(set);
        all.extend(more);
    }
    all
}

/// Cursors to the first page, and to one after it.
fn pages<P: serde::Serialize>(position: &P) -> [PageRequest; 2] {
    let first = PageRequest::first(10);
    let page = saldo_store::query::Page::from_rows(vec![(), ()], 1, |()| position);
    let second = PageRequest {
        after: page.next_cursor,
        limit: 10,
    };
    [first, second]
}

#[test]
fn discrepancies_are_listed_along_an_index_whatever_the_filter() {
    let connection = database();
    let filters = combinations(
        DiscrepancyFilter::default(),
        &[
            &|filter| filter.open = Some(true),
            &|filter| filter.run = Some(RunId::new(Uuid::nil())),
            &|filter| filter.kind = Some(DiscrepancyKind::RemoteOnly),
            &|filter| filter.resolution = Some(DiscrepancyResolution::Review),
            &|filter| filter.account = Some(order().account),
            &|filter| filter.order = Some(order().order),
        ],
    );
    let place = saldo_store::reconciliations::DiscrepancyPlace {
        last_seen_at: moment(),
        id: saldo_domain::ids::DiscrepancyId::new(Uuid::nil()),
    };
    for filter in filters {
        for page in pages(&place) {
            reconciliations::discrepancies(&connection, &filter, &page).unwrap();
            check_plans(&connection);
        }
    }
    reconciliations::open_discrepancies(&connection).unwrap();
    check_plans(&connection);
}

/// What `/metrics` and the status ask, every few seconds: of what is finished they see nothing.
#[test]
fn a_scrape_looks_at_no_more_than_what_is_unfinished_or_open() {
    let connection = database();
    let open = AlertFilter {
        open: Some(true),
        ..AlertFilter::default()
    };
    counts::counts(&connection, moment(), moment()).unwrap();
    reconciliations::open_discrepancies(&connection).unwrap();
    reconciliations::runs(&connection, &PageRequest::first(1)).unwrap();
    alerts::list(&connection, &open, &PageRequest::first(100)).unwrap();
    tasks::task_states(&connection).unwrap();
    rollouts::rollout(&connection).unwrap();
    check_plans(&connection);
}

#[test]
fn orders_with_movements_are_walked_along_an_index() {
    let connection = database();
    let nothing = BoughtRange {
        account: order().account,
        from: None,
        to: None,
        after: None,
    };
    let after = BoughtOrder {
        bought_at: moment(),
        order: order().order,
    };
    let ranges = combinations(
        nothing,
        &[
            &|range| range.from = Some(moment()),
            &|range| range.to = Some(moment()),
            &|range| range.after = Some(after.clone()),
        ],
    );
    for range in ranges {
        reconciliations::touched_orders(&connection, &range, 10).unwrap();
        check_plans(&connection);
    }
}

#[test]
fn orders_in_shadow_are_listed_and_counted_along_an_index() {
    let connection = database();
    let filters = combinations(
        ShadowFilter::default(),
        &[
            &|filter| filter.account = Some(order().account),
            &|filter| filter.from = Some(moment()),
            &|filter| filter.to = Some(moment()),
            &|filter| filter.verdict = Some(Verdict::Differs),
        ],
    );
    let place = saldo_store::rollouts::ShadowPlace {
        seen_at: moment(),
        order: order(),
    };
    for filter in filters {
        for page in pages(&place) {
            rollouts::shadow_orders(&connection, &filter, &page).unwrap();
        }
        rollouts::shadow_counts(&connection, &filter).unwrap();
        check_plans(&connection);
    }
    rollouts::rollout(&connection).unwrap();
    check_plans(&connection);
}

#[test]
fn the_clean_up_finds_what_is_old_along_an_index() {
    let connection = database();
    let cutoffs = Cutoffs {
        completed_before: moment(),
        failed_before: moment(),
        log_before: moment(),
        answers_before: moment(),
    };
    let mut kind = Some(Kind::Completed);
    while let Some(now) = kind {
        for after in [None, Some((moment(), vec![7; 20]))] {
            let place = Place { kind: now, after };
            let cleaned = housekeeping::clean_up(&connection, &cutoffs, &place, 10).unwrap();
            assert_eq!(cleaned.rows(), 0);
        }
        check_plans(&connection);
        kind = now.next();
    }
    housekeeping::in_the_way(&connection, &order()).unwrap();
    check_plans(&connection);
}
