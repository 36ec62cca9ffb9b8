//! A real `kill -9` loop over the running server: whatever it was doing, nothing is lost and nothing is done twice.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Server, Simulated, form};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Kills, each with this many requests and deliveries in flight at least.
const KILLS: usize = 30;
const REQUESTS_IN_FLIGHT: usize = 8;
const DELIVERIES_IN_FLIGHT: u32 = 1;
/// And this many orders acknowledged since the one before.
const ACKNOWLEDGED_MIN: usize = 32;
const CLIENTS: usize = 16;

/// What the clients know: orders sent, and those that were acknowledged.
#[derive(Default)]
struct Known {
    in_flight: AtomicUsize,
    sent: Mutex<Vec<Uuid>>,
    acknowledged: Mutex<Vec<Uuid>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_done_twice_when_the_server_is_killed() {
    let simulated = Simulated::start().await;
    simulated.delay_flag_calls_ms(40);
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &simulated).await;
    server.receive("SKU-A", 1_000_000).await;
    let known = Arc::new(Known::default());
    let (mut least_requests, mut least_deliveries) = (usize::MAX, u32::MAX);
    for kill in 0..KILLS {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let name = kill * CLIENTS + client;
            clients.spawn(post_until_killed(
                server.api(),
                simulated.account,
                Arc::clone(&known),
                name,
            ));
        }
        let (requests, deliveries) = wait_until_busy(&known, &simulated).await;
        server.kill_nine();
        least_requests = least_requests.min(requests);
        least_deliveries = least_deliveries.min(deliveries);
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
        server = Server::start(folder.path(), &simulated).await;
    }
    println!(
        "{KILLS} kills, each with at least {least_requests} requests and {least_deliveries} deliveries in flight"
    );
    assert!(least_requests >= REQUESTS_IN_FLIGHT && least_deliveries >= DELIVERIES_IN_FLIGHT);
    simulated.delay_flag_calls_ms(0);
    server.drain().await;
    check_both_sides(&server, &simulated, &known).await;
    server.stop().await;
    support::assert_doctor_finds_nothing(folder.path(), &simulated);
}

/// Posts orders until the server no longer answers.
async fn post_until_killed(api: String, account: Uuid, known: Arc<Known>, client: usize) {
    let http = support::http_client();
    for number in 0_u64.. {
        let order = Uuid::new_v5(&account, format!("{client}-{number}").as_bytes());
        known.sent.lock().unwrap().push(order);
        let body = json!({ "token_id": account, "order": form(order, "SKU-A", 1) });
        // Most answers are given once the order is on disk, some after the call.
        let wait = number % 4 == 3;
        let request = http
            .post(format!("{api}/api/v1/stock-sync/orders?wait={wait}"))
            .json(&body);
        known.in_flight.fetch_add(1, Ordering::SeqCst);
        let answer = request.send().await;
        known.in_flight.fetch_sub(1, Ordering::SeqCst);
        match answer {
            Ok(answer) if answer.status().is_success() => known.acknowledged.lock().unwrap().push(order),
            Ok(answer) => panic!(
                "an order was answered {}: {:?}",
                answer.status(),
                answer.text().await
            ),
            Err(_) => return,
        }
    }
}

/// Waits until some orders are acknowledged since the last kill, and then until enough is in flight at one moment.
async fn wait_until_busy(known: &Known, simulated: &Simulated) -> (usize, u32) {
    let acknowledged = || known.acknowledged.lock().unwrap().len();
    let enough = acknowledged() + ACKNOWLEDGED_MIN;
    loop {
        let requests = known.in_flight.load(Ordering::SeqCst);
        let deliveries = simulated.flag_calls_under_way();
        let is_busy = requests >= REQUESTS_IN_FLIGHT && deliveries >= DELIVERIES_IN_FLIGHT;
        if is_busy && acknowledged() >= enough {
            return (requests, deliveries);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Every acknowledged order is known and its flag is set; every other one is whole or absent; the stock taken is
/// what the known orders say.
async fn check_both_sides(server: &Server, simulated: &Simulated, known: &Known) {
    let acknowledged: BTreeSet<Uuid> = known.acknowledged.lock().unwrap().iter().copied().collect();
    let sent: BTreeSet<Uuid> = known.sent.lock().unwrap().iter().copied().collect();
    let mut deducted = 0;
    for order in &sent {
        let local = server.order(simulated.account, *order).await;
        let level = local
            .as_ref()
            .is_some_and(|order| order["flag"]["level"] == json!(true));
        assert!(
            level || !acknowledged.contains(order),
            "acknowledged order {order} was lost"
        );
        assert_eq!(
            level,
            simulated.flag(*order),
            "both sides disagree on order {order}"
        );
        if let Some(local) = &local {
            let taken: i64 = local["lines"].as_array().unwrap().iter().map(taken_of).sum();
            assert_eq!(taken, 1, "order {order} took {taken}");
        }
        deducted += i64::from(level);
    }
    assert_eq!(server.balance("SKU-A").await, 1_000_000 - deducted);
    assert!(
        simulated.overlapping_flag_calls() <= 1,
        "two deliveries of one order overlapped"
    );
    println!(
        "{} orders sent, {} acknowledged, {deducted} deducted",
        sent.len(),
        acknowledged.len()
    );
}

fn taken_of(line: &Value) -> i64 {
    line["taken"].as_i64().unwrap()
}
