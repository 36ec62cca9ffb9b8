//! Reports take the same memory however much there is to count. Alone in its process, whose memory is what is measured.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use saldo_domain::ids::{AccountId, CountedIds};
use saldo_domain::policy::Policy;
use saldo_domain::report::Period;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::text::Warehouse;
use saldo_store::{Reports as _, Rules, Store as _};
use saldo_store_sqlite::{SqliteOptions, SqliteStore};
use uuid::Uuid;

const BEGIN: i64 = 1_794_787_200;
const OPERATIONS: i64 = 300_000;
/// The ids of these operations alone are more than twice as much.
const GROWTH_KIBIBYTES_MAX: i64 = 3 * 1024;

/// So many more operations of one account, each with a movement; all at once.
fn fill(path: &Path, count: i64) {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "synchronous", "off").unwrap();
    let first: i64 = connection
        .query_row("SELECT count(*) FROM operation", [], |row| row.get(0))
        .unwrap();
    const MADE: &str = "WITH RECURSIVE number (n) AS (SELECT ?2 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ?3), \
         made (n, id) AS (SELECT n, unhex(printf('%012x7000%016x', ?1 * 1000, n)) FROM number)";
    for (insert, select) in [
        (
            "INSERT INTO operation (id, operation_type, status, account, order_id, lines, retry_count, max_retries, \
             created_at, updated_at, completed_at, version)",
            "SELECT id, 'deduction', 'completed', unhex(printf('%032x', 1)), printf('order-%d', n), '[]', 0, 5, \
             ?1 * 1000000, ?1 * 1000000, ?1 * 1000000, 1 FROM made",
        ),
        (
            "INSERT INTO movement (sku, warehouse, sequence, quantity, balance_after, operation, line, \
             negative_allowed, at)",
            "SELECT printf('S%d', n % 100), 'main', n / 100 + 1, -1, 0, id, 'line', 0, ?1 * 1000000 FROM made",
        ),
    ] {
        connection
            .execute(
                &format!("{insert} {MADE} {select}"),
                params![BEGIN, first, first + count],
            )
            .unwrap();
    }
}

fn open(path: &Path) -> SqliteStore {
    let rules = Rules {
        policy: Policy {
            default_warehouse: Warehouse::parse("main").unwrap(),
            deduct_when_bought: false,
            allow_negative: false,
            retry: RetryPolicy::default(),
            circuit_enabled: true,
            lease_seconds: 90,
            verify_after_seconds: 60,
            give_up_hours: 24,
            initial_mode: saldo_domain::rollout::Mode::On,
            start_from: None,
        },
        ids: Box::new(CountedIds::default()),
    };
    SqliteStore::open(path, rules, SqliteOptions::default()).unwrap()
}

/// A figure of the process's memory, in kibibytes.
fn memory(name: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How much more memory than before a report of the account takes at its peak.
async fn growth_kibibytes(store: &SqliteStore, expected: i64) -> i64 {
    // The peak begins anew.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory("VmRSS:");
    let begin = Timestamp::from_second(BEGIN).unwrap();
    let period = Period::new(begin, begin + SignedDuration::from_hours(24)).unwrap();
    let account = AccountId::new(Uuid::from_u128(1));
    let figures = store.report_figures(period, Some(account)).await.unwrap();
    assert_eq!(figures.totals.recorded(), u64::try_from(expected).unwrap());
    assert_eq!(figures.totals.stock.units_taken, u64::try_from(expected).unwrap());
    memory("VmHWM:") - before
}

#[tokio::test]
async fn a_report_of_one_account_takes_the_same_memory_for_any_number_of_its_operations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saldo.db");
    open(&path).close().await.unwrap();
    // The first one fills the caches, which have their bounds.
    fill(&path, 30_000);
    let store = open(&path);
    growth_kibibytes(&store, 30_000).await;
    fill(&path, OPERATIONS - 30_000);
    let growth = growth_kibibytes(&store, OPERATIONS).await;
    assert!(growth < GROWTH_KIBIBYTES_MAX, "it takes {growth} KiB more");
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| !name.to_string_lossy().starts_with("saldo.db"))
        .collect();
    assert!(left.is_empty(), "it leaves nothing behind: {left:?}");
    store.close().await.unwrap();
}
