//! What a store refuses to open, and what it tells of the database.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use jiff::{SignedDuration, Timestamp};
use saldo_domain::decide::{Command, Receipt, Request, StockLine};
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::query::{BalanceFilter, OperationFilter, PageRequest};
use saldo_store::{Store, StoreError};
use saldo_store_postgres::{PostgresOptions, PostgresStore};
use support::{Cluster, rules, shared, unsafe_options};

async fn refusal(url: &str, options: PostgresOptions) -> String {
    let opened: Result<PostgresStore, StoreError> = PostgresStore::open(url, rules(), options).await;
    opened.err().expect("the store must not open").to_string()
}

/// Each of the settings by itself, on a server that is safe otherwise.
#[tokio::test]
async fn a_server_that_may_lose_what_it_acknowledged_is_refused_unless_that_is_allowed() {
    let cluster = Cluster::start_in_memory(&[]);
    let database = cluster.database().await;
    let url = cluster.url(&database);
    let safe = PostgresOptions::default;
    support::open(&url, safe()).await.close().await.unwrap();
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        set(&cluster, name, "off").await;
        let refused = refusal(&url, safe()).await;
        assert!(refused.contains(&format!("set {name} = on")), "{refused}");
        support::open(&url, unsafe_options()).await.close().await.unwrap();
        set(&cluster, name, "on").await;
    }
    // It does not wait for a standby, and has written to its own disk.
    set(&cluster, "synchronous_commit", "local").await;
    support::open(&url, safe()).await.close().await.unwrap();
}

/// Changes a setting of a running server, and waits until new connections have it.
async fn set(cluster: &Cluster, name: &str, value: &str) {
    let client = cluster.connect("postgres").await;
    let change = format!("ALTER SYSTEM SET {name} = {value}");
    client.batch_execute(&change).await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    loop {
        let other = cluster.connect("postgres").await;
        let row = other.query_one(&format!("SHOW {name}"), &[]).await.unwrap();
        if row.get::<_, String>(0) == value {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let database = shared().database().await;
    let url = shared().url(&database);
    support::open(&url, unsafe_options()).await.close().await.unwrap();
    let client = shared().connect(&database).await;
    client
        .execute(
            "INSERT INTO saldo.migration (version, name, checksum) VALUES (99, 'later', 'x')",
            &[],
        )
        .await
        .unwrap();
    let refused = refusal(&url, unsafe_options()).await;
    assert!(
        refused.contains("schema version 99") && refused.contains("newer saldo"),
        "{refused}"
    );
}

/// What a later version may do to the schema while this one runs: bring tables and columns that this one does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_goes_on_beside_a_newer_schema_and_does_not_start_on_one() {
    let database = shared().database().await;
    let url = shared().url(&database);
    let store = support::open(&url, unsafe_options()).await;
    let receive = |number: i64| Request {
        command: Command::Receive(Receipt {
            lines: vec![StockLine {
                key: StockKey {
                    sku: Sku::parse("MUG").unwrap(),
                    warehouse: Warehouse::parse("Ирина").unwrap(),
                },
                quantity: 1,
            }],
            reference: None,
        }),
        now: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(number),
        by: "test".to_owned(),
        answer_key: None,
    };
    // Statements are prepared now, and meet another table later.
    store.execute(receive(1)).await.unwrap();
    assert_eq!(store.check(Timestamp::UNIX_EPOCH).await.unwrap(), []);
    let client = shared().connect(&database).await;
    let tables = client
        .query(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = 'saldo' AND tablename <> 'migration'",
            &[],
        )
        .await
        .unwrap();
    let mut newer = String::from("BEGIN; CREATE TABLE saldo.later (id bigint PRIMARY KEY);");
    for row in &tables {
        let table: String = row.get(0);
        newer.push_str(&format!(
            "ALTER TABLE saldo.{table} ADD COLUMN later text, ADD COLUMN later_too bigint NOT NULL DEFAULT 0;"
        ));
    }
    newer.push_str("INSERT INTO saldo.migration (version, name, checksum) VALUES (99, 'later', 'x'); COMMIT");
    client.batch_execute(&newer).await.unwrap();
    store.execute(receive(2)).await.unwrap();
    let page = PageRequest::first(10);
    let balances = store
        .balances(&BalanceFilter::default(), page.clone())
        .await
        .unwrap();
    assert_eq!(balances.items[0].quantity, 2);
    let operations = store.operations(&OperationFilter::default(), page).await.unwrap();
    assert_eq!(operations.items.len(), 2);
    assert_eq!(store.check(Timestamp::UNIX_EPOCH).await.unwrap(), []);
    let refused = refusal(&url, unsafe_options()).await;
    assert!(refused.contains("schema version 99"), "{refused}");
}

#[tokio::test]
async fn a_database_migrated_by_something_else_is_refused() {
    let database = shared().database().await;
    let url = shared().url(&database);
    support::open(&url, unsafe_options()).await.close().await.unwrap();
    let client = shared().connect(&database).await;
    client
        .execute(
            "UPDATE saldo.migration SET checksum = 'other' WHERE version = 1",
            &[],
        )
        .await
        .unwrap();
    let refused = refusal(&url, unsafe_options()).await;
    assert!(refused.contains("not those of this program"), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_the_password() {
    let options = PostgresOptions {
        connect_milliseconds_max: 500,
        ..PostgresOptions::default()
    };
    let refused = refusal("postgresql://saldo:secret@127.0.0.1:1/saldo", options).await;
    assert!(!refused.contains("secret"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_start_at_once_migrate_once() {
    let database = shared().database().await;
    let url = shared().url(&database);
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let url = url.clone();
        starts.spawn(async move { PostgresStore::open(&url, rules(), unsafe_options()).await });
    }
    for store in starts.join_all().await {
        store.unwrap().close().await.unwrap();
    }
}

#[tokio::test]
async fn the_durability_settings_are_told() {
    let database = shared().database().await;
    let store = support::open(&shared().url(&database), unsafe_options()).await;
    let facts = store.describe().await.unwrap();
    let fact = |name: &str| {
        facts
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(fact("kind"), Some("postgresql"));
    assert_eq!(fact("fsync"), Some("off"));
    assert_eq!(fact("schema_version"), Some("7 of 7"));
    for name in [
        "version",
        "synchronous_commit",
        "full_page_writes",
        "database_bytes",
        "address",
    ] {
        assert!(fact(name).is_some_and(|value| !value.is_empty()), "{name}");
    }
}
