//! Power loss: the write-ahead log is cut at thousands of places. What was acknowledged before the cut is there,
//! whole transactions only, and no invariant is broken.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use saldo_domain::decide::{
    ClaimOrders, ClaimRequest, Command, Outcome, Receipt, Request, Settle, StockLine, TakeIn,
};
use saldo_domain::delivery::Outcome as AttemptOutcome;
use saldo_domain::form::{CopyLine, FormStatus, OrderCopy, Source};
use saldo_domain::ids::{AccountId, CountedIds, LineItemId, OrderId, OrderKey};
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::{Rules, Store};
use saldo_store_sqlite::{SqliteOptions, SqliteStore};
use uuid::Uuid;

const CUTS_MIN: usize = 2_000;
const TIME_MAX: Duration = Duration::from_secs(30);
const ORDERS: usize = 24;

fn rules() -> Rules {
    let policy = Policy {
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
    };
    Rules {
        policy,
        ids: Box::new(CountedIds::default()),
    }
}

fn options() -> SqliteOptions {
    SqliteOptions {
        readers: 1,
        checkpoint_pages: u64::MAX,
        ..SqliteOptions::default()
    }
}

fn request(command: Command) -> Request {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    Request {
        command,
        now,
        by: "tester".to_owned(),
        answer_key: None,
    }
}

fn key(number: usize) -> OrderKey {
    OrderKey {
        account: AccountId::new(Uuid::from_u128(1)),
        order: OrderId::parse(&format!("order-{number}")).unwrap(),
    }
}

fn take_in(number: usize) -> Request {
    let key = key(number);
    let line = |suffix: &str, sku: &str| CopyLine {
        id: Some(LineItemId::parse(&format!("line-{number}-{suffix}")).unwrap()),
        offer: None,
        external: Some(Sku::parse(sku).unwrap()),
        quantity: 2,
    };
    let copy = OrderCopy {
        order: key.order.clone(),
        source: Source::Posted,
        status: FormStatus::Ready,
        fulfillment_cancelled: false,
        shipped: false,
        returned: false,
        fulfilled_by_allegro: false,
        revision: Some("r".to_owned()),
        updated_at: None,
        bought_at: None,
        lines: vec![line("a", "A"), line("b", "B")],
    };
    request(Command::TakeIn(TakeIn {
        account: key.account,
        copy,
        warehouse: None,
        force: false,
        remote_flag: None,
    }))
}

/// Makes a history, and notes how long the log was when each order was acknowledged.
async fn record(path: &Path) -> Vec<u64> {
    let store = SqliteStore::open(path, rules(), options()).unwrap();
    let stock = |sku: &str| StockLine {
        key: StockKey {
            sku: Sku::parse(sku).unwrap(),
            warehouse: Warehouse::parse("main").unwrap(),
        },
        quantity: 1_000,
    };
    let lines = vec![stock("A"), stock("B")];
    store
        .execute(request(Command::Receive(Receipt {
            lines,
            reference: None,
        })))
        .await
        .unwrap();
    let log = path.with_extension("db-wal");
    let mut acknowledged_at = Vec::new();
    for number in 0..ORDERS {
        store.execute(take_in(number)).await.unwrap();
        acknowledged_at.push(std::fs::metadata(&log).unwrap().len());
        let orders = ClaimOrders::These(vec![key(number)]);
        let claimed = store
            .execute(request(Command::Claim(ClaimRequest { orders })))
            .await
            .unwrap();
        let Outcome::Claimed(claims) = claimed else {
            panic!("a claim answered {claimed:?}")
        };
        if number % 2 == 0 {
            let outcome = AttemptOutcome::Delivered;
            let (key, token) = (claims[0].key.clone(), claims[0].token);
            let settle = Settle {
                key,
                token,
                outcome,
                draw: 0.5,
                took_ms: 3,
            };
            store.execute(request(Command::Settle(settle))).await.unwrap();
        }
    }
    let copy = path.with_extension("copy");
    std::fs::copy(path, &copy).unwrap();
    std::fs::copy(&log, path.with_extension("copy-wal")).unwrap();
    acknowledged_at
}

/// Opens what a power loss left, and says how many orders are there, from the first on and without gaps.
async fn survivors(path: &Path) -> usize {
    let store = SqliteStore::open(path, rules(), options()).unwrap();
    assert_eq!(store.check(Timestamp::UNIX_EPOCH).await.unwrap(), []);
    let mut count = 0;
    for number in 0..ORDERS {
        match store.order(&key(number)).await.unwrap() {
            Some(file) => {
                assert_eq!(number, count, "an order is there that came after one that is not");
                assert_eq!(file.order.lines.len(), 2);
                assert_eq!(file.order.taken(), 4, "an order is taken whole");
                count += 1;
            }
            None => assert!(number >= count),
        }
    }
    count
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "bounds the test; nothing in it depends on the time"
)]
async fn a_log_cut_anywhere_leaves_whole_transactions_and_everything_acknowledged_before() {
    // The cut stands for the power loss, so that a disk's own syncs would only cost time.
    let memory = Path::new("/dev/shm");
    let directory = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .unwrap();
    let path = directory.path().join("saldo.db");
    let acknowledged_at = record(&path).await;
    let database = std::fs::read(path.with_extension("copy")).unwrap();
    let log = std::fs::read(path.with_extension("copy-wal")).unwrap();
    let step = (log.len() / (CUTS_MIN + 200)).max(1);
    let begun = Instant::now();
    let mut cuts = 0;
    let cut_path = directory.path().join("cut.db");
    let cut_log = cut_path.with_extension("db-wal");
    // A stride that is prime to the size of a frame meets every part of one.
    for length in (0..=log.len()).step_by(step | 1) {
        if cuts >= CUTS_MIN && begun.elapsed() > TIME_MAX {
            break;
        }
        std::fs::write(&cut_path, &database).unwrap();
        std::fs::write(&cut_log, &log[..length]).unwrap();
        let _ = std::fs::remove_file(cut_path.with_extension("db-shm"));
        let expected = acknowledged_at
            .iter()
            .filter(|end| **end <= length as u64)
            .count();
        let found = survivors(&cut_path).await;
        assert!(
            found >= expected,
            "cut at {length}: {found} orders are left of {expected}"
        );
        cuts += 1;
    }
    assert!(cuts >= CUTS_MIN, "only {cuts} cuts in {:?}", begun.elapsed());
}

#[tokio::test]
async fn what_cannot_be_logged_is_not_done() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("saldo.db");
    let store = SqliteStore::open(&path, rules(), options()).unwrap();
    let lines = vec![StockLine {
        key: StockKey {
            sku: Sku::parse("A").unwrap(),
            warehouse: Warehouse::parse("main").unwrap(),
        },
        quantity: 10,
    }];
    let reference = None;
    let receipt = request(Command::Receive(Receipt { lines, reference }));
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'no log'); END";
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch(refuse).unwrap();
    store.execute(receipt).await.unwrap_err();
    drop(store);
    for table in ["operation", "movement", "balance"] {
        let rows: i64 = other
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}
