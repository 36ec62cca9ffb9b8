//! A server, and commands beside it.

use serde_json::Value;

use crate::support::{ACCOUNT, Folder, Server, form};

#[test]
fn a_second_process_is_refused_with_a_clear_message() {
    let folder = Folder::new();
    let _server = Server::start(&folder, &[]);
    let second = folder.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(
        second.stderr.contains("has the database") && second.stderr.contains("stop it first"),
        "{second:?}"
    );
    let status = folder.run(&["status"]);
    assert_eq!(status.code, 1, "the configured address is another: {status:?}");
    assert!(status.stderr.contains("--server URL"), "{status:?}");
}

#[test]
fn commands_work_the_same_through_a_server() {
    let folder = Folder::new();
    let key = folder.json(&["keys", "add", "me", "--role", "admin"]);
    let key = key["key"].as_str().unwrap();
    let server = Server::start(&folder, &[]);
    let with = |arguments: &[&str]| -> Value {
        let address = ["--server", &server.address, "--key", key];
        folder.json(&[&address, arguments].concat())
    };
    with(&["stock", "receive", "MUG", "5"]);
    folder.write("form.json", &form("order-1", "MUG", 2).to_string());
    let taken = with(&["process", "form.json", "--account", ACCOUNT]);
    assert_eq!(taken["status"], "pending", "{taken}");
    assert_eq!(with(&["stock", "list"])["items"][0]["quantity"], 3);
    assert_eq!(with(&["status"])["operations"]["pending"], 1);

    let without = folder.run(&["status", "--server", &server.address]);
    assert_eq!(without.code, 1);
    for word in ["unauthorized", "--key", "SALDO_KEY"] {
        assert!(without.stderr.contains(word), "{word}: {without:?}");
    }
    let other = folder.run(&["status", "--server", &server.address, "--key", "not-one"]);
    assert!(other.stderr.contains("SALDO_KEY"), "{other:?}");
}

/// Has servers and commands of a folder meet at a port that is free; says where.
fn listen_at_a_free_port(folder: &Folder) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = listener.local_addr().unwrap().to_string();
    folder.write("saldo.toml", &format!("listen = \"{listen}\""));
    listen
}

#[test]
fn a_health_check_needs_no_key_and_tells_by_its_exit_code() {
    let folder = Folder::new();
    let listen = listen_at_a_free_port(&folder);
    folder.json(&["keys", "add", "me"]);
    let nobody = folder.run(&["ready"]);
    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert!(nobody.stderr.contains(&listen), "{nobody:?}");
    let server = Server::start(&folder, &["--listen", &listen]);
    assert_eq!(folder.json(&["ready"])["status"], "ok");
    let named = folder.run(&["ready", "--server", &server.address]);
    assert_eq!(named.code, 0, "{named:?}");
}

#[test]
fn a_command_finds_the_server_that_holds_its_database() {
    let folder = Folder::new();
    let listen = listen_at_a_free_port(&folder);
    let key = folder.json(&["keys", "add", "me"]);
    let _server = Server::start(&folder, &["--listen", &listen]);
    let without = folder.run(&["status"]);
    assert_eq!(without.code, 1, "{without:?}");
    assert!(
        without.stderr.contains("asks for a key: --key KEY or SALDO_KEY"),
        "{without:?}"
    );
    let status = folder.json(&["status", "--key", key["key"].as_str().unwrap()]);
    assert!(status["uptime_seconds"].is_number());
    let doctor = folder.run(&["doctor", "--key", key["key"].as_str().unwrap()]);
    assert!(
        doctor.stdout.contains("a running server has it open"),
        "{doctor:?}"
    );
}

#[test]
fn sigterm_drains_and_ends_well() {
    let folder = Folder::new();
    let mut server = Server::start(&folder, &["--log-format", "json"]);
    server.signal("TERM");
    assert!(server.child.wait().unwrap().success());
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_ne!(line["level"], "ERROR", "{line}");
    }
    assert!(log.contains("stopped"), "{log}");
}

#[test]
fn sighup_applies_the_policy_and_tells_what_needs_a_restart() {
    let folder = Folder::new();
    folder.write("saldo.toml", "[intake]\nallow_negative = false\n");
    let mut server = Server::start(&folder, &["--log-format", "json"]);
    let order = |name: &str| {
        folder.write("form.json", &form(name, "MUG", 2).to_string());
        let arguments = [
            "--server",
            &server.address,
            "process",
            "form.json",
            "--account",
            ACCOUNT,
        ];
        folder.json(&arguments)["operation"]["waiting_for"].clone()
    };
    folder.json(&["--server", &server.address, "stock", "receive", "MUG", "1"]);
    assert_eq!(order("order-1"), "stock");
    folder.write(
        "saldo.toml",
        "default_warehouse = \"Shop\"\n[intake]\nallow_negative = true\n",
    );
    server.signal("HUP");
    let log = || std::fs::read_to_string(folder.path().join("server.log")).unwrap();
    let told = |what: &str| {
        let began = std::time::Instant::now();
        while !log().contains(what) {
            assert!(
                began.elapsed() < std::time::Duration::from_secs(20),
                "never told {what}: {}",
                log()
            );
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
    };
    told("these changes need a restart");
    assert!(
        log().contains("default_warehouse") && log().contains("intake.allow_negative"),
        "{}",
        log()
    );
    assert_eq!(order("order-2"), "delivery");

    folder.write("saldo.toml", "[intake]\nallow_negativ = true\n");
    server.signal("HUP");
    told("the configuration stays as it was");
    server.signal("INT");
    assert!(server.child.wait().unwrap().success());
}
