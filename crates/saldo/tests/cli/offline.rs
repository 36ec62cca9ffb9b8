//! Commands on a database that no server holds.

use serde_json::{Value, json};

use crate::support::{ACCOUNT, Folder, form};

fn process(folder: &Folder, input: &str) -> Vec<Value> {
    let ran = folder.run_with_input(&["--json", "process", "-", "--account", ACCOUNT], input);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn balance(folder: &Folder, sku: &str) -> i64 {
    let list = folder.json(&["stock", "list", "--sku", sku]);
    list["items"][0]["quantity"].as_i64().unwrap()
}

#[test]
fn an_order_takes_its_stock_once_and_waits_for_the_service() {
    let folder = Folder::new();
    folder.json(&["stock", "receive", "MUG", "10"]);
    let first = process(&folder, &form("order-1", "MUG", 3).to_string());
    assert_eq!(first[0]["status"], "pending");
    assert_eq!(first[0]["operation"]["waiting_for"], "delivery", "{first:?}");
    assert_eq!(balance(&folder, "MUG"), 7);
    let again = process(&folder, &form("order-1", "MUG", 3).to_string());
    assert_eq!(again[0]["duplicate"], true);
    assert_eq!(balance(&folder, "MUG"), 7);

    let pending = folder.json(&["pending"]);
    assert_eq!(pending["items"].as_array().unwrap().len(), 1);
    let id = pending["items"][0]["id"].as_str().unwrap();
    assert_eq!(folder.json(&["show", id])["operation"]["order_id"], "order-1");
    assert_eq!(folder.json(&["show", "order-1"])["items"][0]["id"], id);
    assert_eq!(
        folder.json(&["show", "order-1", "--account", ACCOUNT])["operations"][0]["id"],
        id
    );
    assert_eq!(folder.json(&["status"])["operations"]["pending"], 1);
    let human = folder.run(&["pending"]);
    assert!(
        human.stdout.starts_with("ORDER ") && human.stdout.contains("order-1"),
        "{human:?}"
    );

    let undone = folder.json(&["rollback", id, "--reason", "a mistake"]);
    assert_eq!(undone["restored"][0]["quantity"], 3);
    assert_eq!(balance(&folder, "MUG"), 10);
    assert_eq!(folder.run(&["show", "nothing-of-that-name"]).code, 1);
}

#[test]
fn a_review_is_listed_and_resolved() {
    let folder = Folder::new();
    folder.json(&["stock", "receive", "MUG", "1"]);
    let taken = process(&folder, &form("order-1", "MUG", 2).to_string());
    assert_eq!(taken[0]["operation"]["waiting_for"], "stock", "{taken:?}");
    let reviews = folder.json(&["reviews"]);
    assert_eq!(reviews["items"][0]["reason"], "insufficient_stock");
    let id = reviews["items"][0]["id"].as_str().unwrap();
    let wrong = folder.run(&["resolve", "019a8f0e-7c1e-7000-8000-000000000002", "accept"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    let resolved = folder.json(&["resolve", id, "force", "--note", "it is on the shelf"]);
    assert_eq!(resolved["resolution"], "force");
    assert_eq!(balance(&folder, "MUG"), -1);
    assert!(folder.json(&["reviews"])["items"].as_array().unwrap().is_empty());
    assert_eq!(
        folder.json(&["reviews", "--status", "all"])["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn stock_is_received_counted_moved_and_mapped() {
    let folder = Folder::new();
    folder.json(&["stock", "receive", "MUG", "10", "--reference", "note 7"]);
    folder.json(&["stock", "transfer", "MUG", "4", "--from", "Ирина", "--to", "Shop"]);
    folder.json(&["stock", "count", "MUG", "5", "--reason", "one broke"]);
    let list = folder.json(&["stock", "list"]);
    let quantities: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["quantity"])
        .collect();
    assert_eq!(quantities.len(), 2);
    assert!(
        quantities.contains(&&json!(5)) && quantities.contains(&&json!(4)),
        "{list}"
    );
    assert!(
        folder.json(&["stock", "movements", "MUG"])["items"]
            .as_array()
            .unwrap()
            .len()
            >= 4
    );
    folder.json(&["stock", "map", ACCOUNT, "777", "MUG=2"]);
    let short = folder.run(&[
        "stock",
        "transfer",
        "MUG",
        "100",
        "--from",
        "Shop",
        "--to",
        "Ирина",
    ]);
    assert_eq!(short.code, 1, "{short:?}");
    assert!(short.stderr.contains("insufficient_stock"), "{short:?}");
}

#[test]
fn one_bad_order_spoils_no_other() {
    let folder = Folder::new();
    folder.json(&["stock", "receive", "MUG", "10"]);
    let lines = format!(
        "{}\n{{broken\n{}\n{{\"id\": \"x\"}}\n",
        form("a", "MUG", 1),
        form("b", "MUG", 1)
    );
    let ran = folder.run_with_input(&["--json", "process", "--account", ACCOUNT], &lines);
    assert_eq!(ran.code, 1, "{ran:?}");
    let results: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(results.len(), 4, "{ran:?}");
    assert_eq!(results[0]["status"], "pending");
    assert_eq!(results[1]["status"], "refused");
    assert_eq!(results[2]["status"], "pending");
    assert_eq!(results[3]["status"], 422);
    assert_eq!(balance(&folder, "MUG"), 8);
}

#[test]
fn many_orders_are_taken_in_together() {
    let folder = Folder::new();
    folder.json(&["stock", "receive", "MUG", "1000"]);
    let lines: Vec<String> = (0..450)
        .map(|number| form(&format!("order-{number}"), "MUG", 2).to_string())
        .collect();
    folder.write("orders.ndjson", &lines.join("\n"));
    let ran = folder.run(&["process", "orders.ndjson", "--account", ACCOUNT]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("450 orders: 450 pending"), "{ran:?}");
    assert_eq!(balance(&folder, "MUG"), 100);
}

#[test]
fn accounts_are_added_and_retries_are_asked_for() {
    let folder = Folder::new();
    folder.json(&["accounts", "add", ACCOUNT, "--name", "shop"]);
    assert_eq!(folder.json(&["accounts"])["items"][0]["name"], "shop");
    assert_eq!(folder.json(&["retry", "--failed"])["retried"], 0);
    assert_eq!(
        folder
            .run(&["retry", "019a8f0e-7c1e-7000-8000-000000000001"])
            .code,
        1
    );
}

#[test]
fn what_needs_a_ledger_says_that_there_is_none_and_makes_none() {
    let folder = Folder::new();
    let commands: [&[&str]; 16] = [
        &["status"],
        &["pending"],
        &["show", "order-1"],
        &["retry", "--failed"],
        &["rollback", "order-1", "--reason", "a mistake"],
        &["reconcile"],
        &["discrepancies"],
        &["reviews"],
        &["report"],
        &["mode"],
        &["mode", "history"],
        &["tasks"],
        &["keys"],
        &["accounts"],
        &["stock", "list"],
        &["stock", "movements", "MUG"],
    ];
    for command in commands {
        let ran = folder.run(command);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{command:?}: {ran:?}");
        assert!(
            ran.stderr.contains("there is no database sqlite://saldo.db")
                && ran.stderr.contains("saldo init"),
            "{command:?}: {ran:?}"
        );
        assert_eq!(folder.databases(), [] as [String; 0], "{command:?}");
    }
    // What a ledger may begin with makes one, and says so.
    let ran = folder.run(&["stock", "receive", "MUG", "10"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("There was no database"), "{ran:?}");
    assert_eq!(folder.run(&["status"]).code, 0);
}
