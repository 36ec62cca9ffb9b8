//! Copies of the database, and the way back to one.

use crate::support::{ACCOUNT, Folder, Server, form};

#[test]
fn a_copy_made_beside_a_running_server_can_be_gone_back_to() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &[]);
    let with = |server: &Server, arguments: &[&str]| {
        let address = ["--server", &server.address];
        folder.json(&[&address, arguments].concat())
    };
    with(&server, &["stock", "receive", "MUG", "5"]);
    folder.write("first.json", &form("order-1", "MUG", 2).to_string());
    folder.write("second.json", &form("order-2", "MUG", 1).to_string());
    with(&server, &["process", "first.json", "--account", ACCOUNT]);

    let made = folder.json(&["backup", "copy.db"]);
    assert_eq!(made["file"], "copy.db");
    let bytes = std::fs::metadata(folder.path().join("copy.db")).unwrap().len();
    assert_eq!(made["bytes"], bytes);
    let again = folder.run(&["backup", "copy.db"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("copy.db exists already"), "{again:?}");
    with(&server, &["process", "second.json", "--account", ACCOUNT]);
    assert_eq!(with(&server, &["stock", "list"])["items"][0]["quantity"], 2);
    server.signal("KILL");
    assert!(!server.child.wait().unwrap().success());
    let log = std::fs::metadata(folder.path().join("saldo.db-wal")).unwrap();
    assert!(
        log.len() > 0,
        "a killed server leaves its log, which belongs to no copy"
    );

    // As docs/operations.md says: the database goes with the files beside it, and the copy takes its name.
    for name in ["saldo.db", "saldo.db-wal", "saldo.db-shm"] {
        let path = folder.path().join(name);
        if path.exists() {
            std::fs::rename(&path, folder.path().join(format!("old-{name}"))).unwrap();
        }
    }
    std::fs::copy(folder.path().join("copy.db"), folder.path().join("saldo.db")).unwrap();
    let checked = folder.run(&["doctor"]);
    assert!(checked.stdout.contains("every invariant holds"), "{checked:?}");
    let server = Server::start(&folder, &[]);
    assert_eq!(with(&server, &["stock", "list"])["items"][0]["quantity"], 3);
    let first = with(&server, &["process", "first.json", "--account", ACCOUNT]);
    assert_eq!(first["duplicate"], true, "{first}");
    let second = with(&server, &["process", "second.json", "--account", ACCOUNT]);
    assert_eq!(second["duplicate"], false, "it came after the copy: {second}");
    assert_eq!(with(&server, &["stock", "list"])["items"][0]["quantity"], 2);
}

#[test]
fn a_copy_of_nothing_is_refused() {
    let folder = Folder::new();
    let refused = folder.run(&["backup", "copy.db"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stderr.contains("saldo.db cannot be opened"),
        "{refused:?}"
    );
    assert!(!folder.path().join("saldo.db").exists());
    assert!(!folder.path().join("copy.db").exists());
}
