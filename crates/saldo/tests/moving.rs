//! Moving up from SQLite to PostgreSQL, and back, with the real program.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

#[path = "../../store-postgres/tests/support/cluster.rs"]
mod cluster;
mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster::Cluster;
use serde_json::{Value, json};
use support::{Server, Simulated, form, http_client, saldo};
use tokio::task::JoinSet;
use uuid::Uuid;

const STOCK: i64 = 100_000;

/// Every order of every load is another one.
static NEXT_ORDER: AtomicU64 = AtomicU64::new(0);

/// Orders that a server acknowledged.
type Acknowledged = Arc<Mutex<Vec<Uuid>>>;

async fn post(http: &reqwest::Client, api: &str, account: Uuid, order: Uuid) -> Option<Value> {
    let body = json!({ "token_id": account, "order": form(order, "SKU-A", 1) });
    let url = format!("{api}/api/v1/stock-sync/orders?wait=false");
    let answer = http.post(url).json(&body).send().await.ok()?;
    let status = answer.status();
    let body: Value = answer.json().await.ok()?;
    assert!(status.is_success(), "{status} {body}");
    Some(body)
}

/// Clients that post new orders until the server is gone.
struct Load {
    clients: JoinSet<()>,
    acknowledged: Acknowledged,
}

impl Load {
    fn on(server: &Server, account: Uuid) -> Self {
        let acknowledged = Acknowledged::default();
        let mut clients = JoinSet::new();
        for _ in 0..4 {
            let (api, acknowledged) = (server.api(), Arc::clone(&acknowledged));
            clients.spawn(async move {
                let http = http_client();
                loop {
                    let number = NEXT_ORDER.fetch_add(1, Ordering::Relaxed);
                    let order = Uuid::new_v5(&account, &number.to_be_bytes());
                    if post(&http, &api, account, order).await.is_none() {
                        return;
                    }
                    acknowledged.lock().unwrap().push(order);
                }
            });
        }
        Self {
            clients,
            acknowledged,
        }
    }

    fn so_far(&self) -> Vec<Uuid> {
        self.acknowledged.lock().unwrap().clone()
    }

    async fn until(&self, count: usize) -> Vec<Uuid> {
        loop {
            let orders = self.so_far();
            if orders.len() >= count {
                return orders;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn end(self) -> Vec<Uuid> {
        self.clients.join_all().await;
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

fn with(folder: &Path, database: &str, arguments: &[&str]) -> Command {
    let mut command = saldo(folder);
    command.env("SALDO_DATABASE", database).args(arguments);
    command
}

/// Runs a command, and gives what it printed.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

async fn succeed(command: Command) -> Value {
    let told = format!("{command:?}");
    let output = run(command).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{told}: {error}: {errors}"))
}

fn assert_agree(imported: &Value) {
    assert_eq!(imported["stored"], true, "{imported}");
    let tables = imported["tables"].as_array().unwrap();
    assert!(tables.iter().all(|table| table["same"] == true), "{imported}");
    let movement = tables.iter().find(|table| table["table"] == "movement").unwrap();
    assert!(movement["target"]["rows"].as_u64() > Some(0), "{movement}");
    assert!(movement["target"]["sum"].as_i64() > Some(0), "{movement}");
}

async fn serve(folder: &Path, simulated: &Simulated, database: &str) -> Server {
    let settings = [("SALDO_DATABASE", database), ("SALDO_INTAKE__POLL_SECONDS", "0")];
    Server::start_with(folder, simulated, &settings).await
}

async fn assert_duplicates(server: &Server, account: Uuid, orders: &[Uuid]) {
    let http = http_client();
    for order in orders {
        let again = post(&http, &server.api(), account, *order).await.unwrap();
        assert_eq!(again["duplicate"], true, "{again}");
    }
}

async fn assert_sound(folder: &Path, simulated: &Simulated, database: &str) {
    let mut command = with(folder, database, &["--json", "doctor"]);
    command.envs(simulated.settings());
    let output = run(command).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_moves_up_to_postgresql_while_it_runs_and_comes_back() {
    let (cluster, simulated) = (Cluster::start_in_memory(&[]), Simulated::start().await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let sqlite = format!("sqlite://{}", path.join("saldo.db").display());
    let server = serve(path, &simulated, &sqlite).await;
    server.receive("SKU-A", STOCK).await;
    let load = Load::on(&server, simulated.account);

    // A copy of one moment beside the running server, which goes on.
    let before = load.until(100).await;
    let exported = succeed(with(path, &sqlite, &["--json", "export", "first.ndjson"])).await;
    load.until(load.so_far().len() + 20).await;
    assert!(exported["tables"]["orders"]["rows"].as_u64() >= Some(before.len() as u64));
    let first = cluster.url(&cluster.database().await);
    assert_agree(&succeed(with(path, &first, &["--json", "import", "first.ndjson"])).await);
    assert_sound(path, &simulated, &first).await;
    let again = run(with(path, &first, &["import", "first.ndjson"])).await;
    let told = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(1), "{told}");
    assert!(told.contains("not empty") && told.contains("orders: "), "{told}");

    // The change-over without a loss: the old server has stopped before the copy is made.
    server.stop().await;
    let acknowledged = load.end().await;
    let second = cluster.url(&cluster.database().await);
    pipe(path, &sqlite, &second).await;
    let server = serve(path, &simulated, &second).await;
    assert_duplicates(&server, simulated.account, &acknowledged).await;
    server.drain().await;
    for order in &acknowledged {
        assert!(simulated.flag(*order), "the flag of {order} was lost");
    }
    let taken = i64::try_from(acknowledged.len()).unwrap();
    let balance = server.balance("SKU-A").await;
    // Those that were under way when the server stopped may have been stored.
    assert!(
        (STOCK - taken - 4..=STOCK - taken).contains(&balance),
        "{balance}"
    );

    // And back, beside the running server.
    let load = Load::on(&server, simulated.account);
    let more = load.until(30).await;
    succeed(with(path, &second, &["--json", "export", "back.ndjson"])).await;
    server.stop().await;
    load.end().await;
    let back = format!("sqlite://{}", path.join("back/saldo.db").display());
    assert_agree(&succeed(with(path, &back, &["--json", "import", "back.ndjson"])).await);
    assert_sound(path, &simulated, &back).await;
    let server = serve(path, &simulated, &back).await;
    assert_duplicates(&server, simulated.account, &[acknowledged, more].concat()).await;
    server.stop().await;
}

/// `saldo export - | saldo import -`
async fn pipe(folder: &Path, from: &str, to: &str) {
    let mut exporting = with(folder, from, &["export", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut importing = with(folder, to, &["--json", "import", "-"]);
    importing.stdin(exporting.stdout.take().unwrap());
    assert_agree(&succeed(importing).await);
    assert!(exporting.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_the_postgresql_server_is_gone_back_to() {
    let (cluster, simulated) = (Cluster::start_in_memory(&[]), Simulated::start().await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let database = cluster.url(&cluster.database().await);
    let server = serve(path, &simulated, &database).await;
    server.receive("SKU-A", STOCK).await;
    let load = Load::on(&server, simulated.account);
    let before = load.until(100).await;
    // As docs/operations.md says, beside the running server.
    let dump = path.join("saldo.dump").display().to_string();
    let file = format!("--file={dump}");
    cluster.client(
        "pg_dump",
        &["--format=custom", "--schema=saldo", &file, &database],
    );
    server.kill_nine();
    load.end().await;

    let restored = cluster.url(&cluster.database().await);
    let into = format!("--dbname={restored}");
    cluster.client("pg_restore", &["--exit-on-error", "--no-owner", &into, &dump]);
    assert_sound(path, &simulated, &restored).await;
    let server = serve(path, &simulated, &restored).await;
    assert_duplicates(&server, simulated.account, &before).await;
    let new = Uuid::new_v5(&simulated.account, b"new");
    let answer = post(&http_client(), &server.api(), simulated.account, new).await;
    assert_eq!(answer.unwrap()["duplicate"], false);
    // What the killed server was sending when the dump was made is sent again once its leases end, which is not waited
    // for.
    while !simulated.flag(new) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop().await;
    assert_sound(path, &simulated, &restored).await;
}

/// An import that has taken up some rows, and waits for more.
fn half_imported(folder: &Path, database: &str, half: &[u8]) -> Child {
    let mut importing = with(folder, database, &["--json", "import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    importing.stdin.as_mut().unwrap().write_all(half).unwrap();
    let mut told = BufReader::new(importing.stderr.take().unwrap()).lines();
    assert!(
        told.any(|line| line.unwrap().contains("\"copied\"")),
        "it ended too early"
    );
    importing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_killed_leaves_nothing_and_can_be_made_again() {
    let (cluster, simulated) = (Cluster::start_in_memory(&[]), Simulated::start().await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let sqlite = format!("sqlite://{}", path.join("saldo.db").display());
    let server = serve(path, &simulated, &sqlite).await;
    server.receive("SKU-A", STOCK).await;
    let load = Load::on(&server, simulated.account);
    // More than stays in buffers on the way.
    load.until(800).await;
    server.stop().await;
    load.end().await;
    succeed(with(path, &sqlite, &["--json", "export", "copy.ndjson"])).await;
    let whole = std::fs::read(path.join("copy.ndjson")).unwrap();
    let half = whole[..whole.len() * 9 / 10].to_vec();

    let postgres = cluster.url(&cluster.database().await);
    let other = format!("sqlite://{}", path.join("other.db").display());
    for target in [&postgres, &other] {
        let (folder, to, sent) = (path.to_owned(), target.clone(), half.clone());
        let killed = tokio::task::spawn_blocking(move || {
            let mut importing = half_imported(&folder, &to, &sent);
            importing.kill().unwrap();
            importing.wait().unwrap()
        });
        assert!(!killed.await.unwrap().success());
        let listed = succeed(with(path, target, &["--json", "stock", "list"])).await;
        assert_eq!(listed["items"], json!([]), "{listed}");
        let cut = path.join("cut.ndjson");
        std::fs::write(&cut, &half).unwrap();
        let refused = run(with(path, target, &["import", "cut.ndjson"])).await;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(
            told.contains("nothing was stored") && told.contains("cut short"),
            "{told}"
        );
        assert_agree(&succeed(with(path, target, &["--json", "import", "copy.ndjson"])).await);
    }
}

#[test]
fn what_cannot_be_copied_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let refused = |arguments: &[&str]| {
        let output = saldo(path).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["export", "copy"]).contains("saldo.db cannot be opened"));
    assert!(!path.join("copy").exists());
    assert!(refused(&["import", "nowhere"]).contains("nowhere cannot be read"));
    assert!(!path.join("saldo.db").exists());
    std::fs::write(path.join("copy"), "kept\n").unwrap();
    assert!(refused(&["export", "copy"]).contains("exists already"));
    assert_eq!(std::fs::read(path.join("copy")).unwrap(), b"kept\n");
    assert!(refused(&["import", "copy"]).contains("not made by saldo export"));
    assert!(!path.join("saldo.db").exists());
    let names: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    // The configuration that keeps the machine's own away stands in `.config`.
    let known = ["copy", "saldo.db.lock", ".config"];
    assert!(
        names.iter().all(|name| known.iter().any(|known| name == known)),
        "{names:?}"
    );
}
