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
use support::pooler::Pooler;
use support::{shared, unsafe_options};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls};

/// Databases of one test: emptied, they are used again, since to make one takes a quarter of a second. Each stays with a
/// connection that empties it.
#[derive(Default)]
struct Databases(Mutex<Vec<(String, Client)>>);

/// A tenth of what it takes to truncate as many tables. The lock waits for what the last store may still be ending.
const EMPTY: &str = "BEGIN; LOCK TABLE commit_marker, orders, log; DELETE FROM orders; DELETE FROM line_holder; DELETE FROM operation; DELETE FROM movement; \
     DELETE FROM balance; DELETE FROM log; DELETE FROM delivery; DELETE FROM review; DELETE FROM stock_wait; \
     DELETE FROM wish; DELETE FROM mapping; DELETE FROM answer; DELETE FROM account; DELETE FROM api_key; \
     DELETE FROM commit_marker; DELETE FROM rollout; DELETE FROM stock_count; DELETE FROM shadow_order; \
     DELETE FROM watermark; DELETE FROM reconciliation_run; DELETE FROM discrepancy; DELETE FROM task_state; \
     DELETE FROM lease; DELETE FROM alert; DELETE FROM alert_message; DELETE FROM report; \
     DELETE FROM instance; DELETE FROM circuit; COMMIT";

impl Databases {
    async fn take(self: &Arc<Self>) -> Lent {
        let free = self.0.lock().unwrap().pop();
        let lent = |name, client| Lent {
            name,
            client: Some(client),
            owner: Arc::clone(self),
        };
        match free {
            Some((name, client)) => {
                client.batch_execute(EMPTY).await.unwrap();
                lent(name, client)
            }
            None => {
                let name = shared().database().await;
                let client = shared().connect(&name).await;
                let settings = "SET search_path = saldo; SET session_replication_role = replica";
                client.batch_execute(settings).await.unwrap();
                lent(name, client)
            }
        }
    }
}

/// A database that is given back when its store is no longer tested.
struct Lent {
    name: String,
    client: Option<Client>,
    owner: Arc<Databases>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let name = std::mem::take(&mut self.name);
            self.owner.0.lock().unwrap().push((name, client));
        }
    }
}

/// A store that reaches its database at `address`, which may be a pooler's.
async fn fixture(address: &str, database: Lent, rules: Rules, options: PostgresOptions) -> Fixture {
    let url = shared().url(&database.name);
    let store = PostgresStore::open(address, rules, options).await.unwrap();
    let plant = Box::new(move |damage: Damage| {
        let url = url.clone();
        // The suite plants from within its runtime, and does not wait.
        std::thread::spawn(move || plant(&url, &damage)).join().unwrap();
    });
    Fixture {
        store: Arc::new(store),
        plant: Some(plant),
        keep: Box::new(database),
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
    let databases = Arc::new(Databases::default());
    let make = |rules| {
        let databases = Arc::clone(&databases);
        Box::pin(async move {
            let database = databases.take().await;
            let address = shared().url(&database.name);
            fixture(&address, database, rules, unsafe_options()).await
        })
    };
    // Every store brings new connections, and each of them a new process: histories cost more here than elsewhere.
    let effort = Effort {
        compared: 30,
        histories: 4,
        kept_histories: usize::MAX,
        steps_between_checks: 10,
    };
    Box::pin(exercise(effort, make)).await;
}

/// Behind a real PgBouncer, which gives every transaction another connection and keeps no prepared statements: nothing may
/// hang on the connection. The transactions are so small that every decision reads what was written before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_passes_the_suite_behind_a_pooler() {
    let options = || PostgresOptions {
        batch_requests_max: 2,
        writers: 1,
        delivery_writers: 1,
        ..unsafe_options()
    };
    let databases = Arc::new(Databases::default());
    let pooler = Pooler::start(shared()).await;
    let make = |rules| {
        let (databases, pooler) = (Arc::clone(&databases), &pooler);
        Box::pin(async move {
            let database = databases.take().await;
            let address = pooler.url(&database.name);
            fixture(&address, database, rules, options()).await
        })
    };
    Box::pin(exercise(Effort::LITTLE, make)).await;
}
