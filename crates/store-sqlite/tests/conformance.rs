//! The one suite that every backend passes, on SQLite.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use saldo_store::Rules;
use saldo_store::conformance::{Damage, Effort, Fixture, exercise};
use saldo_store_sqlite::{SqliteOptions, SqliteStore};

/// Where the databases are made: in memory where that is there, since nothing here takes the power away, and hundreds of
/// databases that sync every commit are slow on a disk that others use.
fn parent() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if tempfile::tempdir_in(&memory).is_ok() {
        return memory;
    }
    std::env::temp_dir()
}

fn fixture(rules: Rules, options: SqliteOptions) -> Fixture {
    let directory = tempfile::tempdir_in(parent()).unwrap();
    let path = directory.path().join("saldo.db");
    let store = SqliteStore::open(&path, rules, options).unwrap();
    let plant = Box::new(move |damage: Damage| plant(&path, &damage));
    Fixture {
        store: Arc::new(store),
        plant: Some(plant),
        keep: Box::new(directory),
    }
}

/// Damages rows as no program of ours would: over a connection of its own, with the guards taken away.
fn plant(path: &PathBuf, damage: &Damage) {
    let connection = Connection::open(path).unwrap();
    let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| {
        assert_eq!(connection.execute(sql, parameters).unwrap(), 1, "{sql}");
    };
    connection
        .execute_batch(
            "DROP TRIGGER IF EXISTS movement_is_never_removed; DROP TRIGGER IF EXISTS log_is_removed_when_finished",
        )
        .unwrap();
    match damage {
        Damage::Balance(key) => run(
            "UPDATE balance SET quantity = quantity + 1 WHERE sku = ?1 AND warehouse = ?2",
            &[&key.sku.as_str(), &key.warehouse.as_str()],
        ),
        Damage::LastMovement(key) => run(
            "DELETE FROM movement WHERE sku = ?1 AND warehouse = ?2 AND sequence = \
             (SELECT max(sequence) FROM movement WHERE sku = ?1 AND warehouse = ?2)",
            &[&key.sku.as_str(), &key.warehouse.as_str()],
        ),
        Damage::Taken(key) => run(
            "UPDATE orders SET lines = json_set(lines, '$[0].parts', json('[]')) WHERE order_id = ?1",
            &[&key.order.as_str()],
        ),
        Damage::Delivery(key) => run(
            "UPDATE orders SET due_at = NULL, owed_since = NULL, task = NULL, failed_read_backs = NULL, \
             lease_token = NULL, lease_until = NULL, lease_flag = NULL WHERE order_id = ?1",
            &[&key.order.as_str()],
        ),
        Damage::Touched(key) => run(
            "UPDATE orders SET touched = 0 WHERE order_id = ?1",
            &[&key.order.as_str()],
        ),
        Damage::Lease(key) => run(
            "UPDATE orders SET lease_token = NULL, lease_until = NULL, lease_flag = NULL WHERE order_id = ?1",
            &[&key.order.as_str()],
        ),
        Damage::Status(id) => run(
            "UPDATE operation SET status = 'completed', waiting_for = NULL, completed_at = 0 WHERE id = ?1",
            &[id.as_uuid().as_bytes()],
        ),
        Damage::FirstLogEntry(id) => {
            run(
                "DELETE FROM log WHERE operation = ?1 AND version = 1",
                &[id.as_uuid().as_bytes()],
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_passes_the_suite() {
    exercise(Effort::USUAL, |rules| async {
        fixture(rules, SqliteOptions::default())
    })
    .await;
}

/// Rows kept from one transaction to the next hide what was written; without them every decision reads it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_passes_the_suite_when_it_keeps_no_rows() {
    let options = || SqliteOptions {
        kept_rows_max: 0,
        batch_requests_max: 2,
        ..SqliteOptions::default()
    };
    exercise(
        Effort::LITTLE,
        move |rules| async move { fixture(rules, options()) },
    )
    .await;
}
