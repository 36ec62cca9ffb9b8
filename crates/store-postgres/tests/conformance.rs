//! The one suite that every backend passes, on PostgreSQL.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::sync::{Arc, Mutex};

use saldo_store::Rules;
use saldo_store::conformance::{Damage, Effort, Fixture, exercise};
use saldo_store_postgres::{PostgresOptions, PostgresStore};
use support::{shared, unsafe_options};
use tokio_postgres::NoTls;
use tokio_postgres::types::ToSql;

/// Databases whose test is over: emptied, they are used again, since to make one takes a quarter of a second.
static FREE: Mutex<Vec<String>> = Mutex::new(Vec::new());

const EMPTY: &str = "SET search_path = saldo; SET session_replication_role = replica; \
     TRUNCATE orders, line_holder, operation, movement, balance, log, delivery, review, stock_wait, wish, mapping, \
     answer, account, api_key, commit_marker, rollout, stock_count, shadow_order, watermark, reconciliation_run, \
     discrepancy, task_state, lease, alert, alert_message, report";

async fn database() -> String {
    let free = FREE.lock().unwrap().pop();
    match free {
        Some(name) => {
            let client = shared().connect(&name).await;
            client.batch_execute(EMPTY).await.unwrap();
            name
        }
        None => shared().database().await,
    }
}

async fn fixture(rules: Rules, options: PostgresOptions) -> Fixture {
    let name = database().await;
    let url = shared().url(&name);
    let store = PostgresStore::open(&url, rules, options).await.unwrap();
    let plant = Box::new(move |damage: Damage| {
        let url = url.clone();
        // The suite plants from within its runtime, and does not wait.
        std::thread::spawn(move || plant(&url, &damage)).join().unwrap();
    });
    Fixture {
        store: Arc::new(store),
        plant: Some(plant),
        keep: Box::new(GivenBack(name)),
    }
}

/// Gives a database back when its test is over.
struct GivenBack(String);

impl Drop for GivenBack {
    fn drop(&mut self) {
        FREE.lock().unwrap().push(std::mem::take(&mut self.0));
    }
}

/// Damages rows as no program of ours would: over a connection of its own, with the guards taken away.
fn plant(url: &str, damage: &Damage) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
            .batch_execute("SET search_path = saldo; SET session_replication_role = replica")
            .await
            .unwrap();
        let (sql, values) = statement(damage);
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value).collect();
        assert_eq!(client.execute(sql, &values).await.unwrap(), 1, "{sql}");
    });
}

type Values = Vec<Box<dyn ToSql + Sync>>;

fn statement(damage: &Damage) -> (&'static str, Values) {
    let stock = |key: &saldo_domain::stock::StockKey| -> Values {
        vec![
            Box::new(key.sku.as_str().to_owned()),
            Box::new(key.warehouse.as_str().to_owned()),
        ]
    };
    let order =
        |key: &saldo_domain::ids::OrderKey| -> Values { vec![Box::new(key.order.as_str().to_owned())] };
    match damage {
        Damage::Balance(key) => (
            "UPDATE balance SET quantity = quantity + 1 WHERE sku = $1 AND warehouse = $2",
            stock(key),
        ),
        Damage::LastMovement(key) => (
            "DELETE FROM movement WHERE sku = $1 AND warehouse = $2 AND sequence = \
             (SELECT max(sequence) FROM movement WHERE sku = $1 AND warehouse = $2)",
            stock(key),
        ),
        Damage::Taken(key) => (
            "UPDATE orders SET lines = jsonb_set(lines::jsonb, '{0,parts}', '[]')::text WHERE order_id = $1",
            order(key),
        ),
        Damage::Delivery(key) => ("DELETE FROM delivery WHERE order_id = $1", order(key)),
        Damage::Touched(key) => (
            "UPDATE orders SET touched = false WHERE order_id = $1",
            order(key),
        ),
        Damage::Lease(key) => (
            "UPDATE delivery SET lease_token = NULL, lease_until = NULL, lease_flag = NULL WHERE order_id = $1",
            order(key),
        ),
        Damage::Status(id) => (
            "UPDATE operation SET status = 'completed', waiting_for = NULL, completed_at = 0 WHERE id = $1",
            vec![Box::new(id.as_uuid())],
        ),
        Damage::FirstLogEntry(id) => (
            "DELETE FROM log WHERE operation = $1 AND version = 1",
            vec![Box::new(id.as_uuid())],
        ),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_passes_the_suite() {
    Box::pin(exercise(Effort::USUAL, |rules| fixture(rules, unsafe_options()))).await;
}

/// Behind a pooler that keeps no prepared statements, with transactions so small that every decision reads what
/// was written before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_passes_the_suite_with_unprepared_statements() {
    let options = || PostgresOptions {
        unprepared: true,
        batch_requests_max: 2,
        writers: 1,
        ..unsafe_options()
    };
    Box::pin(exercise(Effort::LITTLE, move |rules| fixture(rules, options()))).await;
}
