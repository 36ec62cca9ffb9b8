//! What `saldo doctor` says of a database that somebody, or something, has damaged: each broken invariant is found, and
//! comes with what to do.

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{ACCOUNT, Folder, form};

/// Damages, each with the invariant that it breaks and words of what is then found.
const DAMAGES: [(&str, u8, &str); 15] = [
    (
        "UPDATE balance SET quantity = quantity + 1",
        1,
        "is not the sum of its movements",
    ),
    (
        "UPDATE movement SET balance_after = balance_after + 1 WHERE quantity < 0",
        1,
        "does not follow the one before",
    ),
    ("DELETE FROM balance", 1, "has movements and no balance"),
    (
        "UPDATE orders SET lines = json_set(lines, '$[0].parts[0].taken', 1) WHERE order_id = 'order-1'",
        2,
        "and its movements of MUG",
    ),
    (
        "UPDATE orders SET lines = json_set(lines, '$[0].parts[0].taken', -1) WHERE order_id = 'order-1'",
        2,
        "has taken less than nothing",
    ),
    (
        "UPDATE line_holder SET line_item_id = 'stranger' WHERE line_item_id = 'line-order-1'",
        2,
        "is held by an order that does not have it",
    ),
    (
        "UPDATE orders SET due_at = NULL, owed_since = NULL, task = NULL, failed_read_backs = NULL",
        4,
        "of order order-1 has no next step",
    ),
    ("DELETE FROM review", 4, "of order order-3 has no next step"),
    (
        "DROP INDEX review_open; INSERT INTO review (id, reason, account, order_id, operation, details, opened_at) \
         SELECT randomblob(16), reason, account, order_id, operation, details, opened_at FROM review",
        4,
        "asks what another open one asks",
    ),
    (
        "UPDATE orders SET operations = x'' WHERE order_id = 'order-1'",
        4,
        "is not named by its order order-1",
    ),
    (
        "UPDATE movement SET balance_after = -1 WHERE quantity < 0",
        5,
        "of MUG in Ирина fell below zero",
    ),
    ("UPDATE orders SET touched = 0", 6, "owes the service its flag"),
    (
        "UPDATE operation SET status = 'processing' WHERE waiting_for = 'delivery'",
        7,
        "is under delivery without a lease",
    ),
    (
        "UPDATE operation SET status = 'completed', completed_at = 0, waiting_for = NULL WHERE order_id = 'order-1'",
        8,
        "is not as its log says",
    ),
    ("DELETE FROM log WHERE version = 1", 8, "does not follow"),
];

/// A ledger with an order that waits for its delivery, one that waits for stock, and one before a person.
fn ledger() -> Folder {
    let folder = Folder::new();
    folder.json(&["stock", "receive", "MUG", "5"]);
    let mut nameless = form("order-3", "", 1);
    nameless["lineItems"][0]["offer"] = serde_json::json!({ "id": "15234567890" });
    let orders = [form("order-1", "MUG", 2), form("order-2", "MUG", 100), nameless];
    let lines: Vec<String> = orders.iter().map(Value::to_string).collect();
    folder.run_with_input(&["process", "-", "--account", ACCOUNT], &lines.join("\n"));
    folder
}

/// Does what no program of ours does: neither triggers nor checks are in the way, and nothing is seen of it afterwards.
fn damage(database: &Path, sql: &str) {
    let connection = Connection::open(database).unwrap();
    let triggers: Vec<(String, String)> = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    connection
        .execute_batch("PRAGMA ignore_check_constraints = ON")
        .unwrap();
    for (name, _) in &triggers {
        connection.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    connection.execute_batch(sql).unwrap();
    for (_, trigger) in &triggers {
        connection.execute_batch(trigger).unwrap();
    }
}

/// What the doctor finds wrong with the database: what, and how to mend it.
fn wrongs(folder: &Folder) -> Vec<(String, String)> {
    let ran = folder.run(&["--json", "doctor"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let found = report["findings"].as_array().unwrap().iter();
    found
        .filter(|finding| finding["area"] == "database" && finding["result"] == "wrong")
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap().to_owned();
            (text("what"), text("mend"))
        })
        .collect()
}

#[test]
fn doctor_finds_each_broken_invariant_and_says_how_to_mend_it() {
    let whole = ledger();
    assert_eq!(wrongs(&whole), []);
    for (sql, invariant, words) in DAMAGES {
        let folder = Folder::new();
        std::fs::copy(whole.path().join("saldo.db"), folder.path().join("saldo.db")).unwrap();
        damage(&folder.path().join("saldo.db"), sql);
        let found = wrongs(&folder);
        let named = format!("invariant {invariant}: ");
        let (_, mend) = found
            .iter()
            .find(|(what, _)| what.starts_with(&named) && what.contains(words))
            .unwrap_or_else(|| panic!("{sql}: {found:?}"));
        // Something to run, and not only a fact.
        assert!(
            mend.contains("saldo ") || mend.contains("backup"),
            "{sql}: {mend}"
        );
    }
    let folder = Folder::new();
    std::fs::copy(whole.path().join("saldo.db"), folder.path().join("saldo.db")).unwrap();
    damage(&folder.path().join("saldo.db"), DAMAGES[0].0);
    let human = folder.run(&["doctor"]);
    assert_eq!(human.code, 1, "{human:?}");
    assert!(human.stdout.contains("Something is wrong."), "{human:?}");
}

#[test]
fn doctor_misses_a_guard_of_the_ledger() {
    let folder = ledger();
    let connection = Connection::open(folder.path().join("saldo.db")).unwrap();
    connection
        .execute_batch("DROP TRIGGER movement_is_never_changed")
        .unwrap();
    drop(connection);
    let found = wrongs(&folder);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .0
            .contains("invariant 9: the trigger movement_is_never_changed"),
        "{found:?}"
    );
}

#[test]
fn doctor_finds_a_damaged_page_and_points_to_the_backup() {
    const PAGE_BYTES: usize = 4_096;
    let folder = ledger();
    let file = folder.path().join("saldo.db");
    let connection = Connection::open(&file).unwrap();
    let page: u32 = connection
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'review_open_list'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(connection);
    let page = usize::try_from(page).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[(page - 1) * PAGE_BYTES..page * PAGE_BYTES].fill(0);
    std::fs::write(&file, bytes).unwrap();
    let found = wrongs(&folder);
    assert!(
        found
            .iter()
            .any(|(_, mend)| mend.contains("go back to the newest backup")),
        "{found:?}"
    );
}

#[test]
fn a_retry_gives_an_operation_its_next_step_again_as_doctor_says() {
    let folder = ledger();
    damage(
        &folder.path().join("saldo.db"),
        "UPDATE orders SET due_at = NULL, owed_since = NULL, task = NULL, failed_read_backs = NULL",
    );
    let (_, mend) = wrongs(&folder).remove(0);
    assert!(mend.starts_with("`saldo retry OPERATION`"), "{mend}");
    let pending = folder.json(&["pending", "--order", "order-1"]);
    folder.json(&["retry", pending["items"][0]["id"].as_str().unwrap()]);
    assert_eq!(wrongs(&folder), []);
}
