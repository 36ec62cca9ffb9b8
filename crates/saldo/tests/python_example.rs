//! `examples/python`: the shop's own program beside Saldo, through the four phases, against a real server and the
//! simulated orders service.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use saldo_simulator::OrderInput;
use serde_json::{Value, json};
use support::{Server, Simulated, form, saldo};
use uuid::Uuid;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python")
}

/// The phases' world: a server, the orders service, and the shop's program.
struct World {
    simulated: Simulated,
    folder: tempfile::TempDir,
    server: Server,
}

impl World {
    async fn start() -> Self {
        let simulated = Simulated::start().await;
        let folder = tempfile::tempdir().unwrap();
        // Orders are posted here; what is pulled is another test's.
        let settings = [("SALDO_INTAKE__POLL_SECONDS", "0"), ("SALDO_MODE", "off")];
        let server = Server::start_with(folder.path(), &simulated, &settings).await;
        Self {
            simulated,
            folder,
            server,
        }
    }

    /// An order that a buyer pays, as the orders service has it.
    fn order(&self, name: &str) -> (Uuid, Value) {
        let id = Uuid::new_v5(&self.simulated.account, name.as_bytes());
        let form = form(id, "MUG", 2);
        let input = json!({ "token_id": self.simulated.account, "order": form });
        let input: OrderInput = serde_json::from_value(input).unwrap();
        self.simulated.handle.control().put_order(input).unwrap();
        (id, form)
    }

    /// The shop's program deals with some orders, each twice; one line of its output for each.
    fn shop(&self, forms: &[Value]) -> Vec<Value> {
        let mut python = Command::new("python3")
            .arg("-B")
            .arg(example().join("run.py"))
            .env("SALDO_SERVER", self.server.api())
            .env("ORDERS_URL", self.simulated.handle.base_url())
            .env("ORDERS_JWT_SECRET", &self.simulated.options.jwt_secret)
            .env("ORDERS_USER", &self.simulated.options.user_id)
            .env("TOKEN_ID", self.simulated.account.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = python.stdin.take().unwrap();
        for form in forms {
            writeln!(input, "{form}").unwrap();
        }
        drop(input);
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success(), "the example failed");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What the shop's program is told when it deducts line by line, as the original did, each line twice: who acts, and
    /// whether it was known; and what was taken in the end.
    fn line_by_line(&self, order: Uuid) -> Value {
        const PROGRAM: &str = "
import json, os, sys
from saldo import Refused, Saldo, who_acts
saldo, token_id, order_id = Saldo(os.environ['SALDO_SERVER']), os.environ['TOKEN_ID'], sys.argv[1]
told = []
for sku, quantity in [('MUG', 2), ('SPOON', 1), ('MUG', 2), ('SPOON', 1)]:
    try:
        answer = saldo.remove_as_sale(token_id, order_id, sku, 'Ирина', quantity)
        told.append([who_acts(answer), answer['duplicate']])
    except Refused as refused:
        told.append([refused.code, False])
sale = saldo.get_sale_by_order(token_id, order_id) or {}
print(json.dumps({'told': told, 'taken': {sku: units for (sku, _), units in sale.get('taken', {}).items()}}))
";
        let output = Command::new("python3")
            .args(["-B", "-c", PROGRAM, &order.to_string()])
            .env("PYTHONPATH", example())
            .env("SALDO_SERVER", self.server.api())
            .env("TOKEN_ID", self.simulated.account.to_string())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A command of the guide.
    fn saldo(&self, arguments: &[&str]) -> Value {
        let output = saldo(self.folder.path())
            .args(["--json", "--server", &self.server.api()])
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "saldo {arguments:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_str(&text).unwrap()
    }

    async fn expect(&self, told: &Value, by: &str, order: Uuid, balance: i64) {
        let expected = json!({ "order_id": order, "by": by, "taken": { "MUG": 2 } });
        assert_eq!(*told, expected);
        assert!(
            self.simulated.flag(order),
            "the orders service is told, by whoever acts"
        );
        assert_eq!(self.server.balance("MUG").await, balance, "after {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_s_program_goes_through_the_four_phases_and_back() {
    let world = World::start().await;
    world.saldo(&["stock", "count", "MUG", "100", "--reason", "phase 1"]);

    // Phase 1: Saldo runs, and is off.
    let (order, form) = world.order("off");
    let told = world.shop(std::slice::from_ref(&form));
    world.expect(&told[0], "old way", order, 100).await;

    // Phase 2: shadow.
    world.saldo(&["mode", "set", "shadow"]);
    let (watched, watched_form) = world.order("shadow");
    let told = world.shop(std::slice::from_ref(&watched_form));
    world.expect(&told[0], "old way", watched, 100).await;
    world.saldo(&["reconcile"]);
    let report = world.saldo(&["mode", "report"]);
    assert_eq!(
        (&report["same"], &report["differs"]),
        (&json!(1), &json!(0)),
        "{report}"
    );

    // Phase 3: partial, and each order is dealt with by one of both.
    world.saldo(&["stock", "count", "MUG", "100", "--reason", "phase 3"]);
    world.saldo(&["mode", "set", "partial", "--percent", "50"]);
    let orders: Vec<(Uuid, Value)> = (0..12)
        .map(|number| world.order(&format!("partial {number}")))
        .collect();
    let forms: Vec<Value> = orders.iter().map(|(_, form)| form.clone()).collect();
    let told = world.shop(&forms);
    let by_saldo = told.iter().filter(|told| told["by"] == "saldo").count();
    assert!((1..12).contains(&by_saldo), "{by_saldo} of 12 by Saldo");
    world.server.drain().await;
    let balance = 100 - 2 * i64::try_from(by_saldo).unwrap();
    for ((order, _), told) in orders.iter().zip(&told) {
        let by = told["by"].as_str().unwrap();
        world.expect(told, by, *order, balance).await;
    }

    // Phase 4: on. What belonged to the old way stays there.
    let counted = balance.to_string();
    world.saldo(&["stock", "count", "MUG", &counted, "--reason", "phase 4"]);
    world.saldo(&["mode", "set", "on"]);
    let (on, on_form) = world.order("on");
    let told = world.shop(&[on_form, form, watched_form]);
    world.server.drain().await;
    world.expect(&told[0], "saldo", on, balance - 2).await;
    assert!(
        told[1]["by"] == "old way" && told[2]["by"] == "old way",
        "{told:?}"
    );

    // And back: what Saldo took stays Saldo's, what comes now is the old way's.
    world.saldo(&["mode", "set", "off"]);
    let (late, late_form) = world.order("back");
    let told = world.shop(&[late_form]);
    world.expect(&told[0], "old way", late, balance - 2).await;
    let cancelled = json!({ "token_id": world.simulated.account, "order": cancelled(on) });
    world.server.post("/api/v1/stock-sync/orders", &cancelled).await;
    world.server.drain().await;
    assert_eq!(
        world.server.balance("MUG").await,
        balance,
        "a cancellation is still dealt with"
    );
    assert!(!world.simulated.flag(on));
    world.server.stop().await;
    support::assert_doctor_finds_nothing(world.folder.path(), &world.simulated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_deducts_line_by_line_is_told_who_acts_and_takes_each_line_once() {
    let world = World::start().await;
    for sku in ["MUG", "SPOON"] {
        world.saldo(&["stock", "count", sku, "100", "--reason", "the beginning"]);
    }
    let (off, _) = world.order("lines while off");
    let told = world.line_by_line(off);
    assert_eq!(
        told,
        json!({ "told": vec![json!(["mode_off", false]); 4], "taken": {} })
    );
    world.saldo(&["mode", "set", "shadow"]);
    let (watched, _) = world.order("lines in shadow");
    let told = world.line_by_line(watched);
    let by = told["told"].as_array().unwrap().iter().map(|told| &told[0]);
    assert!(by.clone().all(|by| by == "old way"), "{told}");
    let report = world.saldo(&["mode", "report", "--verdict", "undecided"]);
    let would = report["items"][0]["details"]["lines"].as_array().unwrap();
    assert_eq!(would.len(), 2, "both lines are noted: {report}");

    world.saldo(&["mode", "set", "on", "--stock-is-right"]);
    let (on, _) = world.order("lines while on");
    let told = world.line_by_line(on);
    let known = [false, false, true, true].map(|known| json!(["saldo", known]));
    assert_eq!(told, json!({ "told": known, "taken": { "MUG": 2, "SPOON": 1 } }));
    world.server.drain().await;
    assert!(world.simulated.flag(on));
    for order in [off, watched] {
        assert!(
            !world.simulated.flag(order),
            "nobody is told of what Saldo has not taken"
        );
        assert_eq!(
            world.line_by_line(order)["taken"],
            json!({}),
            "it is the old way's"
        );
    }
    let balances = (
        world.server.balance("MUG").await,
        world.server.balance("SPOON").await,
    );
    assert_eq!(balances, (98, 99));
    world.server.stop().await;
    support::assert_doctor_finds_nothing(world.folder.path(), &world.simulated);
}

fn cancelled(order: Uuid) -> Value {
    let mut form = form(order, "MUG", 2);
    form["status"] = json!("CANCELLED");
    form["revision"] = json!("cancelled");
    form
}
