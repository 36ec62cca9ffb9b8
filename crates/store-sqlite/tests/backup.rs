//! Copies of a database that is written to.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rusqlite::Connection;
use saldo_domain::decide::{Command, Receipt, Request, StockLine};
use saldo_domain::ids::CountedIds;
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::rollout::Mode;
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::query::{BalanceFilter, PageRequest};
use saldo_store::{Rules, Store};
use saldo_store_sqlite::{BackupError, SqliteOptions, SqliteStore, back_up};

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

/// Takes in one unit of each of two SKUs, together.
fn receipt() -> Request {
    let line = |sku: &str| StockLine {
        key: StockKey {
            sku: Sku::parse(sku).unwrap(),
            warehouse: Warehouse::parse("main").unwrap(),
        },
        quantity: 1,
    };
    let receipt = Receipt {
        lines: vec![line("A"), line("B")],
        reference: Some("r".repeat(500)),
    };
    Request {
        command: Command::Receive(receipt),
        now: now(),
        by: "tester".to_owned(),
        answer_key: None,
    }
}

async fn quantities(store: &SqliteStore) -> Vec<i64> {
    let page = store
        .balances(&BalanceFilter::default(), PageRequest::first(10))
        .await;
    page.unwrap()
        .items
        .iter()
        .map(|balance| balance.quantity)
        .collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_database_that_is_written_to_is_of_one_moment() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saldo.db");
    let copies = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&path));
    store.execute_all((0..3_000).map(|_| receipt()).collect()).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
        async move {
            while !is_over.load(Ordering::Acquire) {
                store.execute(receipt()).await.unwrap();
            }
        }
    });
    for number in 0..5 {
        let copy = copies.path().join(format!("copy {number}?.db"));
        let (from, to) = (path.clone(), copy.clone());
        let watched = Arc::new(std::sync::Mutex::new(Vec::new()));
        let watch = {
            let watched = Arc::clone(&watched);
            move |progress| watched.lock().unwrap().push(progress)
        };
        let before = quantities(&store).await;
        let made = tokio::task::spawn_blocking(move || back_up(&from, &to, watch))
            .await
            .unwrap()
            .unwrap();
        let after = quantities(&store).await;
        assert_eq!(made.bytes, std::fs::metadata(&copy).unwrap().len());
        let watched = std::mem::take(&mut *watched.lock().unwrap());
        let last = watched.last().unwrap();
        assert!(last.pages == last.pages_done && last.pages > 100, "{last:?}");
        assert!(
            watched
                .windows(2)
                .all(|two| two[0].pages_done < two[1].pages_done),
            "it never begins again"
        );
        let restored = open(&copy);
        let held = quantities(&restored).await;
        assert_eq!(held[0], held[1], "no half of a transaction");
        assert!(
            before[0] <= held[0] && held[0] <= after[0],
            "{before:?} {held:?} {after:?}"
        );
        assert_eq!(restored.check(now()).await.unwrap(), []);
        restored.close().await.unwrap();
    }
    is_over.store(true, Ordering::Release);
    writing.await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_copy_is_one_file_that_only_its_owner_reads() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saldo.db");
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("copy.db");
    let store = open(&path);
    store.execute(receipt()).await.unwrap();
    back_up(&path, &copy, |_| ()).unwrap();
    assert_eq!(files_in(copies.path()), std::slice::from_ref(&copy));
    assert_eq!(
        std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let connection = Connection::open(&copy).unwrap();
    let movements: i64 = connection
        .query_row("SELECT count(*) FROM movement", [], |row| row.get(0))
        .unwrap();
    assert_eq!(movements, 2);
    assert_eq!(files_in(copies.path()), [copy], "it needs no log beside it");
}

#[tokio::test]
async fn what_is_there_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saldo.db");
    open(&path).close().await.unwrap();
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("copy.db");
    std::fs::write(&copy, "precious").unwrap();
    let refused = back_up(&path, &copy, |_| ()).unwrap_err();
    assert!(
        matches!(&refused, BackupError::Exists(named) if *named == copy),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("exists already"), "{refused}");
    assert_eq!(std::fs::read(&copy).unwrap(), b"precious");
    assert!(matches!(
        back_up(&path, &path, |_| ()),
        Err(BackupError::Exists(_))
    ));
    // One that comes while the copy is made.
    let late = copies.path().join("late.db");
    let refused = back_up(&path, &late, |_| std::fs::write(&late, "precious").unwrap()).unwrap_err();
    assert!(matches!(refused, BackupError::Exists(_)), "{refused:?}");
    assert_eq!(std::fs::read(&late).unwrap(), b"precious");
    assert_eq!(files_in(copies.path()), [copy, late], "nothing is left of it");
}

#[tokio::test]
async fn what_is_no_ledger_is_not_copied() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy.db");
    let missing = directory.path().join("missing.db");
    assert!(matches!(
        back_up(&missing, &copy, |_| ()),
        Err(BackupError::Store(_))
    ));
    assert!(!missing.exists(), "nothing is made of it");
    let foreign = directory.path().join("foreign.db");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    let refused = back_up(&foreign, &copy, |_| ()).unwrap_err().to_string();
    assert!(refused.contains("another program"), "{refused}");
    let nowhere = directory.path().join("no-folder").join("copy.db");
    let path = directory.path().join("saldo.db");
    open(&path).close().await.unwrap();
    let refused = back_up(&path, &nowhere, |_| ()).unwrap_err();
    assert!(matches!(refused, BackupError::File { .. }), "{refused:?}");
    assert!(!copy.exists());
}

/// After a crash what was acknowledged last is in the log alone.
#[tokio::test]
async fn what_a_crash_left_in_the_log_is_in_the_copy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saldo.db");
    let store = open(&path);
    store.execute(receipt()).await.unwrap();
    // As a crash leaves it: the file and its log, and nobody who has them open.
    let crashed = tempfile::tempdir().unwrap();
    let left = crashed.path().join("saldo.db");
    std::fs::copy(&path, &left).unwrap();
    std::fs::copy(
        directory.path().join("saldo.db-wal"),
        crashed.path().join("saldo.db-wal"),
    )
    .unwrap();
    let copy = crashed.path().join("copy.db");
    back_up(&left, &copy, |_| ()).unwrap();
    let restored = open(&copy);
    assert_eq!(quantities(&restored).await, [1, 1]);
    restored.close().await.unwrap();
    store.close().await.unwrap();
}
