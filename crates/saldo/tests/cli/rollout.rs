//! Switching on step by step, comparing, and scheduled tasks, on the command line.

use serde_json::{Value, json};

use crate::support::{ACCOUNT, Folder, Server, form};

fn process(folder: &Folder, order: &str) -> Value {
    folder.write("form.json", &form(order, "MUG", 2).to_string());
    folder.json(&["process", "form.json", "--account", ACCOUNT])
}

#[test]
fn the_mode_is_shown_switched_and_remembered() {
    let folder = Folder::new();
    folder.begin_ledger();
    assert_eq!(folder.json(&["mode"])["mode"], "on");
    folder.json(&["mode", "set", "shadow"]);
    let shown = folder.run(&["mode", "show"]);
    assert!(shown.stdout.contains("shadow"), "{shown:?}");
    let uncounted = folder.run(&["mode", "set", "on"]);
    assert_eq!(uncounted.code, 1, "{uncounted:?}");
    for word in ["stock_not_counted", "saldo stock import", "--stock-is-right"] {
        assert!(uncounted.stderr.contains(word), "{word}: {uncounted:?}");
    }
    folder.json(&["stock", "count", "MUG", "10", "--reason", "before switching on"]);
    let partial = folder.json(&["mode", "set", "partial", "--percent", "10", "--account", ACCOUNT]);
    assert_eq!(
        (&partial["percent"], &partial["accounts"]),
        (&json!(10), &json!([ACCOUNT]))
    );
    assert!(partial["start_from"].is_string(), "{partial}");
    let history = folder.json(&["mode", "history"]);
    let modes: Vec<&Value> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["mode"])
        .collect();
    assert_eq!(modes, ["partial", "shadow"]);
    assert_eq!(history["items"][0]["changed_by"], "command line");
    let told = folder.run(&["mode", "history"]).stdout;
    assert!(told.lines().nth(2).unwrap().contains(ACCOUNT), "{told}");
    let all = folder.run(&["mode", "set", "on", "--percent", "10", "--stock-is-right"]);
    assert!(all.code == 1 && all.stderr.contains("partial"), "{all:?}");
    assert_eq!(folder.json(&["mode"])["mode"], "partial");
    assert_eq!(folder.run(&["mode", "set", "half"]).code, 2);
    assert_eq!(
        folder.run(&["mode", "set", "partial", "--percent", "101"]).code,
        2
    );
}

#[test]
fn the_configured_mode_counts_until_one_is_set() {
    let folder = Folder::new();
    folder.write("saldo.toml", "mode = \"off\"\n");
    folder.json(&["stock", "receive", "MUG", "10"]);
    let ran = folder.run_with_input(
        &["--json", "process", "-", "--account", ACCOUNT],
        &form("order-1", "MUG", 2).to_string(),
    );
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("mode_off"), "{ran:?}");
    assert_eq!(folder.json(&["status"])["mode"], "off");
    folder.json(&["mode", "set", "on", "--stock-is-right"]);
    assert_eq!(process(&folder, "order-1")["error"], "old_way");
    let forced = folder.json(&["process", "form.json", "--account", ACCOUNT, "--force"]);
    assert_eq!(forced["operation"]["waiting_for"], "delivery", "{forced}");
    assert_eq!(
        process(&folder, "order-2")["operation"]["waiting_for"],
        "delivery"
    );
}

#[test]
fn shadow_is_reported() {
    let folder = Folder::new();
    folder.json(&["stock", "receive", "MUG", "10"]);
    folder.json(&["mode", "set", "shadow"]);
    assert_eq!(process(&folder, "order-1")["error"], "shadow");
    let report = folder.json(&["mode", "report", "--verdict", "undecided"]);
    assert_eq!(report["undecided"], 1);
    assert_eq!(report["items"][0]["would"], "deduct");
    let human = folder.run(&["mode", "report", "--verdict", "undecided", "--days", "1"]);
    assert!(
        human
            .stdout
            .starts_with("In 1 day Saldo would have acted as the old way in 0 of 0 orders."),
        "{human:?}"
    );
    assert!(human.stdout.contains("2 of MUG from Ирина"), "{human:?}");
    assert_eq!(folder.json(&["stock", "list"])["items"][0]["quantity"], 10);
}

#[test]
fn tasks_are_listed_and_run() {
    let folder = Folder::new();
    folder.begin_ledger();
    let ran = folder.json(&["tasks", "run", "cleanup"]);
    assert_eq!(ran["last_outcome"], "succeeded", "{ran}");
    let listed = folder.json(&["tasks"]);
    let names: Vec<&str> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|task| task["name"].as_str())
        .collect();
    for name in ["cleanup", "process_pending", "reconcile"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let human = folder.run(&["tasks", "list"]);
    assert!(human.stdout.starts_with("TASK"), "{human:?}");
    let unknown = folder.run(&["tasks", "run", "dust"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.contains("task_unknown"), "{unknown:?}");
    let status = folder.run(&["status"]);
    assert!(
        status.stdout.contains("last reconciliation") && status.stdout.contains("cleanup"),
        "{status:?}"
    );
}

#[test]
fn a_reconciliation_that_reaches_nobody_says_so() {
    let folder = Folder::new();
    folder.json(&["accounts", "add", ACCOUNT, "--name", "shop"]);
    let ran = folder.run(&["--json", "reconcile", "--report-only"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let result: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(result["outcome"], "failed", "{result}");
    assert_eq!(
        result["calls"], 2,
        "who waits is told without many tries: {result}"
    );
    assert!(result["error"].is_string(), "{result}");
    assert!(
        folder.json(&["discrepancies"])["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(folder.run(&["reconcile", "--fix", "--report-only"]).code, 2);
}

#[test]
fn the_mode_is_switched_through_a_server() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let with =
        |arguments: &[&str]| folder.json(&[&["--server", server.address.as_str()], arguments].concat());
    with(&["mode", "set", "off"]);
    assert_eq!(with(&["status"])["mode"], "off");
    assert_eq!(with(&["mode", "history"])["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        with(&["tasks", "run", "process_pending"])["last_outcome"],
        "succeeded"
    );
}

#[test]
fn a_stock_list_that_changes_nothing_is_a_count_all_the_same() {
    let folder = Folder::new();
    folder.write("stock.csv", "sku,quantity\nMUG,10\n");
    folder.json(&["stock", "import", "stock.csv", "--yes"]);
    folder.json(&["mode", "set", "shadow"]);
    assert_eq!(folder.run(&["mode", "set", "on"]).code, 1);
    let again = folder.run(&["stock", "import", "stock.csv"]);
    assert!(again.stdout.contains("no stock had to move"), "{again:?}");
    assert_eq!(folder.json(&["mode", "set", "on"])["mode"], "on");
}
