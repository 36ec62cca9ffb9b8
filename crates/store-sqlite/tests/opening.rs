//! What a store refuses to open, what it reads back, and how it meets a full disk.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;
use saldo_domain::decide::{
    ClaimOrders, ClaimRequest, Command, Deduct, Outcome, Receipt, Request, StockLine,
};
use saldo_domain::ids::{AccountId, CountedIds, OrderId, OrderKey};
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::query::{BalanceFilter, PageRequest};
use saldo_store::{Rules, Store, StoreError, Tasks};
use saldo_store_sqlite::{SqliteOptions, SqliteStore};

fn rules() -> Rules {
    let policy = Policy {
        default_warehouse: Warehouse::parse("Ирина").unwrap(),
        deduct_when_bought: false,
        allow_negative: false,
        retry: RetryPolicy::default(),
        circuit_enabled: true,
        lease_seconds: 90,
        verify_after_seconds: 60,
        give_up_hours: 24,
        initial_mode: saldo_domain::rollout::Mode::On,
        start_from: None,
    };
    Rules {
        policy,
        ids: Box::new(CountedIds::default()),
    }
}

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, rules(), SqliteOptions::default())
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn receipt(sku: &str, reference_bytes: usize) -> Request {
    let key = StockKey {
        sku: Sku::parse(sku).unwrap(),
        warehouse: Warehouse::parse("Ирина").unwrap(),
    };
    let lines = vec![StockLine { key, quantity: 1 }];
    let reference = Some("r".repeat(reference_bytes));
    request(Command::Receive(Receipt { lines, reference }))
}

fn request(command: Command) -> Request {
    Request {
        command,
        now: now(),
        by: "tester".to_owned(),
        answer_key: None,
    }
}

fn message(result: Result<SqliteStore, StoreError>) -> String {
    result.err().expect("the store must not open").to_string()
}

fn database() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saldo.db");
    (directory, path)
}

#[tokio::test]
async fn a_second_store_on_the_same_file_is_refused_until_the_first_is_closed() {
    let (_directory, path) = database();
    let first = open(&path).unwrap();
    let refused = message(open(&path));
    assert!(
        refused.contains(&format!("process {}", std::process::id())),
        "{refused}"
    );
    assert!(refused.contains("stop it first"), "{refused}");
    first.close().await.unwrap();
    let second = open(&path).unwrap();
    drop(second);
    open(&path).unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let (_directory, path) = database();
    let store = open(&path).unwrap();
    for sku in ["A", "B", "A"] {
        store.execute(receipt(sku, 1)).await.unwrap();
    }
    store.close().await.unwrap();
    let log = path.with_extension("db-wal");
    assert!(
        !log.exists() || std::fs::metadata(log).unwrap().len() == 0,
        "the log is emptied at the end"
    );
    let store = open(&path).unwrap();
    let page = store
        .balances(&BalanceFilter::default(), PageRequest::first(10))
        .await
        .unwrap();
    assert_eq!(
        page.items
            .iter()
            .map(|balance| balance.quantity)
            .collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(store.check(now()).await.unwrap(), []);
}

#[tokio::test]
async fn the_durability_settings_are_read_back() {
    let (_directory, path) = database();
    let store = open(&path).unwrap();
    let facts = store.describe().await.unwrap();
    let fact = |name: &str| {
        facts
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(fact("kind"), Some("sqlite"));
    assert_eq!(fact("journal_mode"), Some("wal"));
    assert_eq!(fact("synchronous"), Some("full"));
    assert_eq!(fact("path"), path.to_str());
    for name in ["version", "schema_version", "database_bytes", "log_bytes"] {
        assert!(fact(name).is_some_and(|value| !value.is_empty()), "{name}");
    }
}

#[test]
fn a_newer_database_is_refused() {
    let (_directory, path) = database();
    drop(open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let refused = message(open(&path));
    assert!(
        refused.contains("schema version 99") && refused.contains("newer saldo"),
        "{refused}"
    );
}

#[test]
fn a_database_migrated_by_something_else_is_refused() {
    let (_directory, path) = database();
    drop(open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .execute("UPDATE migration SET checksum = 'other'", [])
        .unwrap();
    let refused = message(open(&path));
    assert!(refused.contains("not those of this program"), "{refused}");
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let (_directory, path) = database();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
        .unwrap();
    drop(other);
    let refused = message(open(&path));
    assert!(refused.contains("another program"), "{refused}");
    let tables: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let (_directory, path) = database();
    std::fs::write(
        &path,
        "not a database, but long enough to be taken for one".repeat(100),
    )
    .unwrap();
    assert!(open(&path).is_err());
}

/// A bound on pages stands in for a full disk: SQLite answers both with the same error.
#[tokio::test]
async fn a_full_disk_refuses_writes_and_recovers_by_itself() {
    let (_directory, path) = database();
    drop(open(&path).unwrap());
    let pages: u32 = Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    let options = SqliteOptions {
        pages_max: Some(pages + 8),
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open(&path, rules(), options).unwrap();
    let mut acknowledged = 0;
    let error = loop {
        match store.execute(receipt("A", 1_500)).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "the database never became full");
    };
    assert!(
        matches!(&error, StoreError::Unavailable(detail) if detail.contains("full")),
        "{error}"
    );
    assert!(acknowledged > 0);
    assert!(store.execute(receipt("A", 1_500)).await.is_err(), "still full");
    let page = store
        .balances(&BalanceFilter::default(), PageRequest::first(10))
        .await
        .unwrap();
    assert_eq!(
        page.items[0].quantity, acknowledged,
        "reads go on, and nothing refused was stored"
    );
    assert_eq!(store.check(now()).await.unwrap(), []);
    // Space is freed: the store that was refused goes on where it stood.
    drop(store);
    let store = open(&path).unwrap();
    // A day later: the counted ids of the new store begin anew, and are told apart by their moment.
    let later = Request {
        now: now() + jiff::SignedDuration::from_hours(24),
        ..receipt("A", 1_500)
    };
    store.execute(later).await.unwrap();
    let page = store
        .balances(&BalanceFilter::default(), PageRequest::first(10))
        .await
        .unwrap();
    assert_eq!(page.items[0].quantity, acknowledged + 1);
    assert_eq!(store.check(now()).await.unwrap(), []);
}

#[tokio::test]
async fn more_requests_than_may_wait_are_answered_busy() {
    let (_directory, path) = database();
    let options = SqliteOptions {
        waiting_requests_max: 4,
        batch_requests_max: 1,
        ..SqliteOptions::default()
    };
    let store = std::sync::Arc::new(SqliteStore::open(&path, rules(), options).unwrap());
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let store = std::sync::Arc::clone(&store);
        callers.spawn(async move { store.execute(receipt("A", 1)).await });
    }
    let results = callers.join_all().await;
    let stored = results.iter().filter(|result| result.is_ok()).count();
    let busy = results
        .iter()
        .filter(|result| matches!(result, Err(StoreError::Busy)))
        .count();
    assert!(stored > 0 && busy > 0, "{stored} stored, {busy} busy");
    assert_eq!(stored + busy, 200);
    let page = store
        .balances(&BalanceFilter::default(), PageRequest::first(10))
        .await
        .unwrap();
    assert_eq!(page.items[0].quantity, stored as i64);
}

#[tokio::test]
async fn what_was_under_delivery_at_a_crash_is_due_at_once_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saldo.db");
    let store = open(&path).unwrap();
    store.execute(receipt("A", 1)).await.unwrap();
    let key = OrderKey {
        account: AccountId::new(uuid::Uuid::nil()),
        order: OrderId::parse("order").unwrap(),
    };
    let deduct = Deduct {
        key: key.clone(),
        line: None,
        sku: Sku::parse("A").unwrap(),
        quantity: 1,
        warehouse: None,
    };
    store.execute(request(Command::Deduct(deduct))).await.unwrap();
    let claim = || {
        request(Command::Claim(ClaimRequest {
            orders: ClaimOrders::These(vec![key.clone()]),
        }))
    };
    let claimed = |outcome: Outcome| match outcome {
        Outcome::Claimed(claims) => claims,
        other => panic!("a claim was answered by {other:?}"),
    };
    let first = claimed(store.execute(claim()).await.unwrap());
    assert_eq!(first.len(), 1);
    assert!(
        claimed(store.execute(claim()).await.unwrap()).is_empty(),
        "it is leased"
    );
    // Nobody settles it: as far as the rules can tell, the process is gone.
    store.close().await.unwrap();
    drop(store);
    let store = open(&path).unwrap();
    let second = claimed(store.execute(claim()).await.unwrap());
    assert_eq!(second.len(), 1);
    assert_ne!(
        second[0].token, first[0].token,
        "the outcome of the first call can no longer be settled"
    );
}

#[tokio::test]
async fn a_task_that_a_crash_cut_short_is_free_at_once_and_its_old_holder_gets_it_no_more() {
    let (_folder, path) = database();
    let until = Timestamp::from_second(1_800_000_060).unwrap();
    let store = open(&path).unwrap();
    let held = store
        .take_lease("poller", "killed", now(), until)
        .await
        .unwrap()
        .unwrap();
    // Nothing is given back: it ends as a killed process would.
    store.close().await.unwrap();
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.leases().await.unwrap(), []);
    let taken = store
        .take_lease("poller", "next", now(), until)
        .await
        .unwrap()
        .unwrap();
    assert!(taken.term > held.term);
    assert_eq!(
        store.take_lease("poller", "killed", now(), until).await.unwrap(),
        None
    );
}
