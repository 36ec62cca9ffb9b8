//! Saldo inside another Rust program: the store, the client and the engine, without the server.
//!
//! Run it with `cargo run -p saldo-engine --example embedded`; it brings its own simulated orders service.

use std::sync::Arc;

use saldo_domain::circuit::CircuitPolicy;
use saldo_domain::decide::{Deduct, Receipt, RollBack, StockLine, TakeIn};
use saldo_domain::form::{Source, parse_form};
use saldo_domain::ids::{AccountId, IdSource, OrderId, OrderKey, uuid_v7};
use saldo_domain::policy::Policy;
use saldo_domain::retry::RetryPolicy;
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use saldo_engine::clock::Clock;
use saldo_engine::settings::{Settings, lease_seconds};
use saldo_engine::{Caller, Engine, EngineOptions};
use saldo_orders_service::{Credentials, HttpOptions, HttpOrdersService, SecretText};
use saldo_simulator::{Simulator, SimulatorOptions};
use saldo_store::{Rules, SharedStore};
use saldo_store_sqlite::{SqliteOptions, SqliteStore};

/// The program's own clock: the engine takes the time from nowhere else.
struct SystemClock;

#[expect(
    clippy::disallowed_methods,
    reason = "the edge of the program: the real time enters here"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

impl Clock for SystemClock {
    fn now(&self) -> jiff::Timestamp {
        now()
    }
}

/// Ids from a counter. A program that restarts on the same database takes random bits instead.
struct Ids(u64);

impl IdSource for Ids {
    fn next(&mut self, now: jiff::Timestamp) -> uuid::Uuid {
        self.0 += 1;
        uuid_v7(now, self.0)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    run().await
}

/// Deducts an order, a single line, and rolls the order back.
pub(crate) async fn run() -> Result<(), Box<dyn std::error::Error>> {
    // An orders service to talk to. In production: its address, and the secret that it shares with you.
    let options = SimulatorOptions {
        accounts: 1,
        orders_per_account: 0,
        ..SimulatorOptions::default()
    };
    let secret = SecretText::new(options.jwt_secret.clone());
    let credentials = Credentials::SharedSecret {
        secret,
        user_id: options.user_id.clone(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let simulator = Simulator::start(options, listener)?;
    let account = AccountId::new(simulator.control().token_ids()[0]);
    let orders_service =
        HttpOrdersService::new(HttpOptions::new(simulator.base_url(), credentials), Arc::new(now))?;

    // A database. `SqliteStore` keeps a file; `saldo_store::memory::MemoryStore` keeps nothing.
    let folder = tempfile::tempdir()?;
    let settings = Settings::default();
    let policy = Policy {
        default_warehouse: Warehouse::parse("Ирина")?,
        deduct_when_bought: false,
        allow_negative: false,
        retry: RetryPolicy::default(),
        circuit_enabled: CircuitPolicy::default().enabled,
        lease_seconds: lease_seconds(settings.call_timeout_ms),
        verify_after_seconds: 60,
        give_up_hours: 24,
        initial_mode: saldo_domain::rollout::Mode::On,
        start_from: None,
    };
    let rules = Rules {
        policy: policy.clone(),
        ids: Box::new(Ids(0)),
    };
    let store: SharedStore = Arc::new(SqliteStore::open(
        folder.path().join("saldo.db"),
        rules,
        SqliteOptions::default(),
    )?);

    let engine = Engine::start(EngineOptions {
        store: Arc::clone(&store),
        orders_service: Arc::new(orders_service),
        clock: Arc::new(SystemClock),
        seed: 1,
        default_warehouse: policy.default_warehouse.clone(),
        settings,
    });
    let service = engine.service();
    let caller = Caller::named("warehouse application");

    // Goods come in.
    let key = StockKey {
        sku: Sku::parse("KUB-330-GRA")?,
        warehouse: policy.default_warehouse,
    };
    let line = StockLine {
        key: key.clone(),
        quantity: 10,
    };
    service
        .receive(
            Receipt {
                lines: vec![line],
                reference: None,
            },
            &caller,
        )
        .await?;

    // process_order_with_sync: a whole checkout form.
    let form = serde_json::json!({
        "id": "29738e61-7f6a-11f1-ac45-09db60ede9d6",
        "status": "READY_FOR_PROCESSING",
        "lineItems": [{
            "id": "62ae358b-8f65-11f1-9c77-bedf604a2e2b",
            "offer": { "id": "13445358955", "external": { "id": "KUB-330-GRA" } },
            "quantity": 2,
        }],
    });
    let copy = parse_form(&form, Source::Posted).map_err(|problems| format!("{problems:?}"))?;
    let order = TakeIn {
        account,
        copy,
        warehouse: None,
        force: false,
        remote_flag: None,
    };
    let taken_in = service.process_order_with_sync(order, &caller).await?;
    assert!(taken_in.success, "{taken_in:?}");

    // sync_stock_deduction: a single line of another order.
    let other = OrderKey {
        account,
        order: OrderId::parse("another-order")?,
    };
    let line = Deduct {
        key: other,
        line: None,
        sku: key.sku.clone(),
        quantity: 1,
        warehouse: None,
    };
    let deducted = service.sync_stock_deduction(line, &caller).await?;
    assert!(deducted.success, "{deducted:?}");

    // process_pending_operations: whatever is due and was not delivered yet.
    service.process_pending_operations().await?;

    // rollback_operation: stock and flag return.
    let operation = taken_in
        .operation
        .ok_or("an order that was deducted has an operation")?
        .id;
    let undo = RollBack {
        operation,
        reason: "the buyer changed his mind".to_owned(),
        force: false,
    };
    let undone = service.rollback_operation(undo, &caller).await?;
    println!(
        "rolled back: {} SKU(s) restored, remote flag {}",
        undone.restored.len(),
        undone.remote_flag.as_str()
    );

    let balance = store.balances_of(&[key]).await?.remove(0).quantity;
    assert_eq!(balance, 9, "ten received, one still deducted");
    engine.stop().await;
    store.close().await?;
    simulator.stop_gracefully().await;
    Ok(())
}
