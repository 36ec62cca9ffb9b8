//! The clean-up of a large history while orders come in: short transactions, whatever there is to remove.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rusqlite::Connection;
use saldo_domain::decide::{Command, Deduct, Outcome, Receipt, Request, StockLine};
use saldo_domain::ids::{AccountId, CountedIds, OrderId, OrderKey};
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::rollout::Mode;
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::housekeeping::{CleanedUp, Cutoffs, Housekeeping, Place};
use saldo_store::{Rules, Store};
use saldo_store_sqlite::{SqliteOptions, SqliteStore};
use uuid::Uuid;

/// Operations that were finished long ago.
const OLD: u64 = 200_000;
/// Log entries of each.
const LOG_ENTRIES: u64 = 3;
/// Rows that a step may remove.
const STEP_ROWS: usize = 2_000;

fn open(path: &Path) -> SqliteStore {
    let policy = Policy {
        default_warehouse: Warehouse::parse("main").unwrap(),
        deduct_when_bought: false,
        allow_negative: false,
        retry: RetryPolicy::default(),
        circuit_enabled: true,
        lease_seconds: 90,
        verify_after_seconds: 60,
        give_up_hours: 24,
        initial_mode: Mode::On,
        start_from: None,
    };
    let rules = Rules {
        policy,
        ids: Box::new(CountedIds::default()),
    };
    SqliteStore::open(path, rules, SqliteOptions::default()).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn request(command: Command) -> Request {
    Request {
        command,
        now: now(),
        by: "tester".to_owned(),
        answer_key: None,
    }
}

fn new_order(number: u64) -> OrderKey {
    OrderKey {
        account: AccountId::new(Uuid::from_u128(1)),
        order: OrderId::parse(&format!("new-{number}")).unwrap(),
    }
}

fn deduction(number: u64) -> Request {
    request(Command::Deduct(Deduct {
        key: new_order(number),
        line: None,
        sku: Sku::parse("A").unwrap(),
        quantity: 1,
        warehouse: None,
    }))
}

/// Orders that were skipped, each with one operation that was completed in 1970: written as rows, because so many
/// decisions would take longer than the test.
fn plant_history(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(&format!(
            "BEGIN;
             CREATE TEMP TABLE number AS
                 WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < {OLD})
                 SELECT n, CAST(unhex(printf('%032x', n)) AS BLOB) AS id FROM count;
             INSERT INTO orders (account, order_id, warehouse, standing, standing_detail, lines, operations,
                 form_seen, shipped, touched, first_operation, created_at, updated_at)
                 SELECT zeroblob(16), 'old-' || n, 'main', 'skipped', 'before_start', '[]', id, 1, 0, 0, id, n, n
                 FROM number;
             INSERT INTO operation (id, operation_type, status, account, order_id, lines, retry_count, max_retries,
                 created_at, updated_at, completed_at, version)
                 SELECT id, 'deduction', 'completed', zeroblob(16), 'old-' || n, '[]', 0, 5, n, n, n, {LOG_ENTRIES}
                 FROM number;
             INSERT INTO log (operation, version, id, action, status, details, at)
                 SELECT id, version, id, 'created', column2, '{{}}', n FROM number, (
                     SELECT column1 AS version, column2 FROM (
                         VALUES (1, 'pending'), (2, 'processing'), (3, 'completed')));
             DROP TABLE number;
             COMMIT;"
        ))
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_history_goes_in_short_transactions_while_orders_come_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saldo.db");
    open(&path).close().await.unwrap();
    plant_history(&path);
    let store = Arc::new(open(&path));
    let received = Receipt {
        lines: vec![StockLine {
            key: StockKey {
                sku: Sku::parse("A").unwrap(),
                warehouse: Warehouse::parse("main").unwrap(),
            },
            quantity: 1_000_000,
        }],
        reference: None,
    };
    store.execute(request(Command::Receive(received))).await.unwrap();

    let is_over = Arc::new(AtomicBool::new(false));
    let intake = tokio::spawn({
        let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
        async move {
            let mut taken = 0;
            while !is_over.load(Ordering::Acquire) {
                match store.execute(deduction(taken)).await.unwrap() {
                    Outcome::Order(outcome) => assert!(!outcome.duplicate),
                    other => panic!("{other:?}"),
                }
                taken += 1;
            }
            taken
        }
    });

    let before = Timestamp::from_second(1_000_000_000).unwrap();
    let cutoffs = Cutoffs {
        completed_before: before,
        failed_before: before,
        log_before: before,
        answers_before: before,
    };
    let mut cleaned = CleanedUp {
        next: Some(Place::start()),
        ..CleanedUp::default()
    };
    let mut steps = 0;
    while let Some(place) = cleaned.next.take() {
        let step = store.clean_up(&cutoffs, &place, STEP_ROWS).await.unwrap();
        assert!(step.rows() <= STEP_ROWS as u64 + LOG_ENTRIES, "{step:?}");
        cleaned.add(step);
        steps += 1;
    }
    is_over.store(true, Ordering::Release);
    let taken = intake.await.unwrap();

    assert_eq!(cleaned.operations, OLD);
    assert_eq!(cleaned.log_entries, OLD * LOG_ENTRIES);
    let rows = OLD * (1 + LOG_ENTRIES);
    assert!(steps <= rows / STEP_ROWS as u64 + 10, "{steps} steps");
    // Both wait for the same writer and take turns, so intake had one each step, unless the machine is all but
    // stopped.
    assert!(taken > steps / 10, "{taken} orders in {steps} steps");
    assert_eq!(store.check(now()).await.unwrap(), []);
    let old = OrderKey {
        account: AccountId::new(Uuid::nil()),
        order: OrderId::parse("old-7").unwrap(),
    };
    let file = store.order(&old).await.unwrap().unwrap();
    assert_eq!((file.operations.len(), file.order.first_operation), (0, None));
    let file = store.order(&new_order(0)).await.unwrap().unwrap();
    assert_eq!(file.operations.len(), 1);
    store.close().await.unwrap();
}
