//! API keys on the command line.

use serde_json::Value;

use crate::support::{Folder, Ran, Server};

#[test]
fn a_key_is_shown_once_and_kept_only_as_a_hash() {
    let folder = Folder::new();
    let made = folder.json(&["keys", "add", "till", "--role", "viewer"]);
    let key = made["key"].as_str().unwrap();
    assert_eq!(made["role"], "viewer");
    let list = folder.run(&["--json", "keys"]);
    assert!(
        list.stdout.contains("till") && !list.stdout.contains(key),
        "{list:?}"
    );
    assert_not_stored(&folder, key);
}

/// No file of the folder holds a key.
fn assert_not_stored(folder: &Folder, key: &str) {
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(
                !bytes.windows(key.len()).any(|window| window == key.as_bytes()),
                "the key was stored in {}",
                path.display()
            );
        }
    }
}

#[test]
fn names_are_unique_and_a_revoked_key_is_gone() {
    let folder = Folder::new();
    folder.json(&["keys", "add", "till"]);
    let again = folder.run(&["keys", "add", "till"]);
    assert_eq!(again.code, 1, "{again:?}");
    folder.json(&["keys", "revoke", "till"]);
    assert!(
        folder.json(&["keys", "list"])["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(folder.run(&["keys", "revoke", "till"]).code, 1);
}

#[test]
fn without_keys_other_computers_are_not_listened_to() {
    let folder = Folder::new();
    let ran = folder.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("saldo keys add"), "{ran:?}");
}

#[test]
fn keys_are_changed_beside_a_running_server() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let with = |key: Option<&str>, arguments: &[&str]| {
        let key: Vec<&str> = key.map(|key| vec!["--key", key]).unwrap_or_default();
        folder.run(
            &[
                &["--json", "--server", &server.address],
                key.as_slice(),
                arguments,
            ]
            .concat(),
        )
    };
    let low = with(None, &["keys", "add", "till", "--role", "viewer"]);
    assert_eq!(low.code, 1, "{low:?}");
    assert!(low.stderr.contains("admin_key_first"), "{low:?}");
    let made =
        |ran: Ran| -> Value { serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}")) };
    let admin = made(with(None, &["keys", "add", "boss", "--role", "admin"]));
    let admin = admin["key"].as_str().unwrap();

    let till = with(Some(admin), &["keys", "add", "till", "--role", "operator"]);
    let till = made(till);
    let till = till["key"].as_str().unwrap();
    assert_eq!(with(Some(till), &["status"]).code, 0);
    assert_eq!(
        with(Some(till), &["keys", "list"]).code,
        1,
        "an operator makes no keys"
    );
    let names = made(with(Some(admin), &["keys", "list"]));
    assert_eq!(
        (&names["items"][0]["name"], &names["items"][1]["name"]),
        (&"boss".into(), &"till".into())
    );
    let own = with(Some(admin), &["keys", "revoke", "boss"]);
    assert!(own.code == 1 && own.stderr.contains("own_key"), "{own:?}");
    assert_eq!(with(Some(admin), &["keys", "revoke", "till"]).code, 0);
    assert_eq!(
        with(Some(till), &["status"]).code,
        1,
        "it is good no more, at once"
    );
    assert_not_stored(&folder, till);
}
