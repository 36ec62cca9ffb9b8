//! Setting up, and what is wrong with a configuration.

use std::os::unix::fs::PermissionsExt;

use crate::support::Folder;

#[test]
fn a_misspelt_setting_names_the_nearest_one() {
    let folder = Folder::new();
    folder.write(
        "saldo.toml",
        "[retry]\nmax_retrys = 3\n[intake]\npoll_second = 1\n",
    );
    let ran = folder.run(&["serve"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("did you mean retry.max_retries?"), "{ran:?}");
    assert!(
        ran.stderr.contains("did you mean intake.poll_seconds?"),
        "{ran:?}"
    );
}

#[test]
fn a_misspelt_variable_names_the_nearest_one() {
    let folder = Folder::new();
    let output = folder
        .command(&["status"])
        .env("SALDO_LISTN", "127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("did you mean SALDO_LISTEN?")
    );
}

#[test]
fn a_database_that_cannot_be_reached_is_told_without_its_password() {
    let folder = Folder::new();
    folder.write(
        "saldo.toml",
        "database = \"postgresql://me:hush@127.0.0.1:9/saldo?connect_timeout=1\"",
    );
    for command in [
        ["serve", "--listen=127.0.0.1:0"],
        ["stock", "list"],
        ["doctor", "--json"],
    ] {
        let ran = folder.run(&command);
        assert_eq!(ran.code, 1, "{ran:?}");
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(told.contains("[hidden]@127.0.0.1:9/saldo"), "{told}");
        assert!(!told.contains("hush"), "{told}");
    }
}

#[test]
fn a_part_of_the_work_is_refused_where_nobody_does_the_rest() {
    let folder = Folder::new();
    for role in ["api", "worker"] {
        let ran = folder.run(&["serve", "--role", role]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stderr
                .contains(&format!("role \"{role}\" needs other instances beside it")),
            "{ran:?}"
        );
    }
}

#[test]
fn a_database_of_an_unknown_kind_is_refused() {
    let folder = Folder::new();
    folder.write("saldo.toml", "database = \"mysql://me:hush@h/saldo\"");
    let ran = folder.run(&["serve"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stderr.contains("postgresql://") && !ran.stderr.contains("hush"),
        "{ran:?}"
    );
}

#[test]
fn only_sqlite_databases_are_copied_to_a_file() {
    let folder = Folder::new();
    let database = ["--database", "postgresql://me:hush@127.0.0.1:9/saldo"];
    let ran = folder.run(&[&database[..], &["backup", "copy.db"]].concat());
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stderr.contains("pg_dump") && !ran.stderr.contains("hush"),
        "{ran:?}"
    );
}

#[test]
fn init_sets_a_folder_up_once_and_never_overwrites() {
    let folder = Folder::new();
    let first = folder.run(&["init"]);
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(first.stdout.matches("saldo_").count(), 1, "{first:?}");
    let path = folder.path().join("saldo.toml");
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written.contains("start_from = \"20") && written.contains("jwt_secret = \"\""));
    assert_eq!(
        path.metadata().unwrap().permissions().mode() & 0o077,
        0,
        "secrets will stand in it"
    );

    let again = folder.run(&["init"]);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("stays as it is"), "{again:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    assert_eq!(
        folder.json(&["keys", "list"])["items"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn the_named_file_is_used_and_a_missing_one_is_an_error() {
    let folder = Folder::new();
    folder.write("other.toml", "database = \"sqlite://named.db\"");
    folder.json(&["--config", "other.toml", "stock", "receive", "MUG", "1"]);
    assert!(folder.path().join("named.db").exists());
    let ran = folder.run(&["--config", "none.toml", "stock", "list"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("none.toml"), "{ran:?}");
}

#[test]
fn doctor_tells_the_settings_without_secrets_and_what_is_wrong() {
    let folder = Folder::new();
    folder.run(&["init"]);
    let ran = folder.run(&["doctor"]);
    assert_eq!(ran.code, 1, "the orders service does not answer: {ran:?}");
    assert!(
        ran.stdout.contains("[hidden]") && !ran.stdout.contains("a-secret-of-32"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("every invariant holds"), "{ran:?}");
    assert!(ran.stdout.contains("orders service: does not answer"), "{ran:?}");
}
