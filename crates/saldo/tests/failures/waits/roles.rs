//! Instances that take in only, and instances that work off only.

use saldo_simulator::OrderInput;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fleet::Fleet;
use crate::load::SKUS;
use crate::support::{Server, form};
use crate::until;

const API: &[(&str, &str)] = &[
    ("SALDO_ROLE", "api"),
    ("SALDO_NAME", "till"),
    ("SALDO_INTAKE__POLL_SECONDS", "1"),
];
const WORKER: &[(&str, &str)] = &[
    ("SALDO_ROLE", "worker"),
    ("SALDO_NAME", "back office"),
    ("SALDO_INTAKE__POLL_SECONDS", "1"),
];

async fn post(server: &Server, account: Uuid, order: Uuid) -> (u16, Value) {
    let body = json!({ "token_id": account, "order": form(order, SKUS[0], 1) });
    server.post("/api/v1/stock-sync/orders", &body).await
}

async fn status(server: &Server) -> Value {
    let (code, status) = server.get("/api/v1/stock-sync/status").await;
    assert_eq!(code, 200, "{status}");
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_api_instance_took_in_waits_for_a_worker_which_takes_nothing_in() {
    let mut fleet = Fleet::start(&[API]).await;
    let account = fleet.simulated.account;
    let (posted, pulled, heard_of) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    let input = OrderInput {
        token_id: account,
        order: form(pulled, SKUS[1], 1),
        order_id: None,
        stored_only: false,
        live_only: false,
        is_deleted: false,
    };
    fleet.simulated.handle.control().put_order(input).unwrap();
    let (code, answer) = post(fleet.instances[0].server(), account, posted).await;
    assert_eq!((code, &answer["status"]), (202, &json!("pending")), "{answer}");
    let told = status(fleet.instances[0].server()).await;
    assert_eq!(told["leader"], Value::Null, "{told}");
    assert_eq!(told["instances"][0]["name"], "till");
    assert_eq!(told["instances"][0]["role"], "api");

    fleet.add(WORKER).await;
    let simulated = &fleet.simulated;
    for order in [posted, pulled] {
        until("the worker delivers and pulls", || async {
            simulated.flag(order)
        })
        .await;
    }
    let worker = fleet.instances[1].server();
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/stock-sync/status"] {
        assert_eq!(worker.get(path).await.0, 200, "{path}");
    }
    let told = status(worker).await;
    assert_eq!(told["leader"]["id"], told["instances"][0]["id"], "{told}");
    assert_eq!(told["instances"][0]["role"], "worker", "{told}");
    let (code, refused) = post(worker, account, heard_of).await;
    assert_eq!((code, &refused["code"]), (404, &json!("not_found")), "{refused}");
    assert_eq!(worker.get("/api/v1/stock/").await.0, 404);

    let (code, answer) = post(fleet.instances[0].server(), account, heard_of).await;
    assert_eq!((code, &answer["status"]), (200, &json!("completed")), "{answer}");
    let told = || async { fleet.told("notifications arrive: other instances are heard of at once") == 2 };
    until("both hear of each other at once", told).await;
    assert_eq!(status(worker).await["notifications_arrive"], true);
    let flags = |number: usize| fleet.instances[number].service.flag_calls();
    assert_eq!(flags(0), 0, "an api instance delivers nothing");
    assert!(flags(1) >= 3);
}
