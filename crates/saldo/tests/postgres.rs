//! The program on a PostgreSQL server: alone, killed, and two instances at once.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

#[path = "../../store-postgres/tests/support/cluster.rs"]
mod cluster;
mod support;

use std::path::Path;
use std::process::Output;
use std::sync::Mutex;
use std::time::Duration;

use cluster::Cluster;
use serde_json::{Value, json};
use support::{Server, Simulated, form, saldo};
use tokio::task::JoinSet;
use uuid::Uuid;

/// A password that the server does not ask for. Nothing may tell it.
const PASSWORD: &str = "open-sesame";
const STOCK: i64 = 10_000;

/// A database on a private server that syncs what it acknowledges, as `saldo serve` demands.
struct Database {
    _cluster: Cluster,
    url: String,
}

impl Database {
    async fn make() -> Self {
        let cluster = Cluster::start_in_memory(&[]);
        let url = cluster.url(&cluster.database().await);
        Self {
            url: url.replacen("saldo@", &format!("saldo:{PASSWORD}@"), 1),
            _cluster: cluster,
        }
    }

    /// An instance with its log in a folder of its own. A claim that a killed instance held is free again soon.
    async fn serve(&self, folder: &Path, simulated: &Simulated) -> Server {
        let settings = [
            ("SALDO_DATABASE", self.url.as_str()),
            ("SALDO_ORDERS_SERVICE__TIMEOUT_MS", "1000"),
        ];
        Server::start_with(folder, simulated, &settings).await
    }

    /// A command on the database itself.
    fn run(&self, folder: &Path, simulated: &Simulated, arguments: &[&str]) -> Output {
        let output = saldo(folder)
            .args(arguments)
            .envs(simulated.settings())
            .env("SALDO_DATABASE", &self.url)
            .output()
            .unwrap();
        let told = [&output.stdout[..], &output.stderr].concat();
        let told = String::from_utf8(told).unwrap();
        assert!(!told.contains(PASSWORD), "{told}");
        assert!(output.status.success(), "{arguments:?}: {told}");
        output
    }
}

fn order_number(account: Uuid, number: usize) -> Uuid {
    Uuid::new_v5(&account, &number.to_be_bytes())
}

/// Posts an order; none when the server is gone.
async fn post(http: &reqwest::Client, api: &str, account: Uuid, order: Uuid, wait: bool) -> Option<Value> {
    let body = json!({ "token_id": account, "order": form(order, "SKU-A", 1) });
    let answer = http
        .post(format!("{api}/api/v1/stock-sync/orders?wait={wait}"))
        .json(&body)
        .send()
        .await
        .ok()?;
    let status = answer.status();
    let body: Value = answer.json().await.ok()?;
    assert!(status.is_success(), "{status} {body}");
    Some(body)
}

fn assert_log_tells_the_database_and_no_password(folder: &Path) {
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(log.contains("postgresql") && log.contains("[hidden]@"), "{log}");
    assert!(!log.contains(PASSWORD), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_database_that_get_the_same_orders_deduct_them_once() {
    const ORDERS: usize = 80;
    let (database, simulated) = (Database::make().await, Simulated::start().await);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    simulated.delay_flag_calls_ms(20);
    let account = simulated.account;
    let (first, second) = tokio::join!(
        database.serve(folders[0].path(), &simulated),
        database.serve(folders[1].path(), &simulated)
    );
    first.receive("SKU-A", STOCK).await;

    let mut clients = JoinSet::new();
    for client in 0..8_usize {
        let api = if client % 2 == 0 {
            first.api()
        } else {
            second.api()
        };
        clients.spawn(async move {
            let http = support::http_client();
            let mut duplicates = 0;
            // Two clients go the same way at the same time, one at each server.
            for step in 0..ORDERS {
                let order = order_number(account, (client / 2 * 20 + step) % ORDERS);
                let answer = post(&http, &api, account, order, step % 4 == 3).await;
                duplicates += usize::from(answer.unwrap()["duplicate"] == true);
            }
            duplicates
        });
    }
    let duplicates: usize = clients.join_all().await.iter().sum();
    assert_eq!(duplicates, 8 * ORDERS - ORDERS, "each order is new once");
    first.drain().await;
    assert_eq!(second.balance("SKU-A").await, STOCK - ORDERS as i64);
    for number in 0..ORDERS {
        assert!(simulated.flag(order_number(account, number)), "order {number}");
    }
    assert!(
        simulated.overlapping_flag_calls() <= 1,
        "two deliveries of one order overlapped"
    );
    first.stop().await;
    let late = order_number(account, ORDERS);
    let http = support::http_client();
    post(&http, &second.api(), account, late, true).await.unwrap();
    second.drain().await;
    assert!(simulated.flag(late), "the other one goes on alone");
    second.stop().await;
    database.run(folders[0].path(), &simulated, &["doctor"]);
    for folder in &folders {
        assert_log_tells_the_database_and_no_password(folder.path());
    }
}

/// Mostly waits for the leases of what is dead, so `scripts/test` runs it beside the others.
mod waits {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_that_is_killed_on_postgresql_goes_on_where_it_was() {
        const ACKNOWLEDGED_MIN: usize = 60;
        let (database, simulated) = (Database::make().await, Simulated::start().await);
        let folder = tempfile::tempdir().unwrap();
        simulated.delay_flag_calls_ms(20);
        let account = simulated.account;
        let server = database.serve(folder.path(), &simulated).await;
        server.receive("SKU-A", STOCK).await;

        let acknowledged = std::sync::Arc::new(Mutex::new(Vec::new()));
        let mut clients = JoinSet::new();
        for client in 0..8_usize {
            let (api, acknowledged) = (server.api(), std::sync::Arc::clone(&acknowledged));
            clients.spawn(async move {
                let http = support::http_client();
                for step in 0.. {
                    let order = order_number(account, step * 8 + client);
                    if post(&http, &api, account, order, step % 3 == 2).await.is_none() {
                        return;
                    }
                    acknowledged.lock().unwrap().push(order);
                }
            });
        }
        while acknowledged.lock().unwrap().len() < ACKNOWLEDGED_MIN {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.kill_nine();
        clients.join_all().await;
        simulated.delay_flag_calls_ms(0);

        let server = database.serve(folder.path(), &simulated).await;
        let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
        let http = support::http_client();
        for order in &acknowledged {
            let again = post(&http, &server.api(), account, *order, false).await.unwrap();
            assert_eq!(again["duplicate"], true, "{again}");
        }
        server.drain().await;
        for order in &acknowledged {
            assert!(simulated.flag(*order), "the flag of {order} was lost");
        }
        // An order that was under way when the server was killed is there, or is not: its flag says which.
        let deducted = (0..acknowledged.len() + 8 * 8)
            .filter(|number| simulated.flag(order_number(account, *number)))
            .count();
        assert_eq!(
            server.balance("SKU-A").await,
            STOCK - i64::try_from(deducted).unwrap()
        );
        assert!(simulated.overlapping_flag_calls() <= 1);

        // Commands work on the database itself, beside the running server.
        let listed = database.run(folder.path(), &simulated, &["--json", "stock", "list"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(listed["items"][0]["quantity"], server.balance("SKU-A").await);
        let checked = database.run(folder.path(), &simulated, &["doctor"]);
        let checked = String::from_utf8(checked.stdout).unwrap();
        assert!(checked.contains("every invariant holds"), "{checked}");
        assert!(checked.contains("fsync: on"), "{checked}");
        server.stop().await;
        assert_log_tells_the_database_and_no_password(folder.path());
    }
}
