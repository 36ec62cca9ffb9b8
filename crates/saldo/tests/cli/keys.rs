//! API keys on the command line.

use crate::support::Folder;

#[test]
fn a_key_is_shown_once_and_kept_only_as_a_hash() {
    let folder = Folder::new();
    let made = folder.json(&["keys", "add", "till", "--role", "viewer"]);
    let key = made["key"].as_str().unwrap();
    assert_eq!(made["role"], "viewer");
    let list = folder.run(&["--json", "keys", "list"]);
    assert!(
        list.stdout.contains("till") && !list.stdout.contains(key),
        "{list:?}"
    );
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(
            !bytes.windows(key.len()).any(|window| window == key.as_bytes()),
            "the key was stored"
        );
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
