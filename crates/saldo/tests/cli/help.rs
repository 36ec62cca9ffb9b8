//! Help, completions, and what is no command.

use crate::support::Folder;

/// The commands that a help names.
fn commands_of(help: &str) -> Vec<String> {
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
    listed
        .lines()
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .filter(|name| name != "help")
        .collect()
}

fn check(folder: &Folder, command: &[String], checked: &mut usize) {
    let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
    arguments.push("--help");
    let ran = folder.run(&arguments);
    assert_eq!(ran.code, 0, "{arguments:?}");
    assert!(
        ran.stdout.contains("Example:\n  "),
        "{arguments:?} has no example"
    );
    *checked += 1;
    for name in commands_of(&ran.stdout) {
        let mut inner = command.to_vec();
        inner.push(name);
        check(folder, &inner, checked);
    }
}

#[test]
fn the_help_of_every_command_has_an_example() {
    let mut checked = 0;
    check(&Folder::new(), &[], &mut checked);
    assert!(checked >= 28, "only {checked} helps were found");
}

/// What other programs and habits rely on: commands, and the flags and words that their help must name. Renaming one of
/// them breaks somebody's script.
const CONTRACT: [(&str, &[&str]); 32] = [
    (
        "demo",
        &["--seconds", "--orders", "--no-open", "--json", "--config"],
    ),
    ("serve", &[]),
    ("init", &[]),
    ("process", &["[FILE]..."]),
    ("status", &[]),
    ("ready", &["--server"]),
    ("pending", &[]),
    ("show", &["<ID>"]),
    ("retry", &["[ID]", "--failed"]),
    ("rollback", &["<ID>", "--reason", "--force"]),
    ("reconcile", &[]),
    ("reviews", &[]),
    ("resolve", &["<ID>", "map_sku", "--note"]),
    ("stock list", &[]),
    ("stock import", &["csv", "xlsx"]),
    ("stock receive", &[]),
    ("stock count", &[]),
    ("stock transfer", &[]),
    ("stock movements", &["<SKU>"]),
    ("report", &["--week", "--format"]),
    ("mode", &["set"]),
    ("keys", &["add", "list", "revoke"]),
    ("keys add", &["--role", "viewer", "operator", "admin"]),
    ("accounts", &["add", "list"]),
    ("accounts add", &["--name"]),
    ("doctor", &[]),
    (
        "simulate orders-service",
        &["--listen", "--accounts", "--orders", "--faults", "--seed"],
    ),
    ("export", &[]),
    ("import", &[]),
    ("backup", &[]),
    ("completions", &["bash", "zsh", "fish"]),
    ("tasks", &[]),
];

#[test]
fn every_command_and_flag_that_others_rely_on_is_there() {
    let folder = Folder::new();
    for (command, words) in CONTRACT {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let ran = folder.run(&arguments);
        assert_eq!(ran.code, 0, "{command}: {ran:?}");
        for word in words {
            assert!(ran.stdout.contains(word), "{command} {word}: {}", ran.stdout);
        }
    }
}

#[test]
fn bad_usage_ends_with_2_and_says_so_on_standard_error() {
    let folder = Folder::new();
    for arguments in [
        &["serv"][..],
        &["status", "--limit"],
        &["retry"],
        &["retry", "x", "--failed"],
        &["rollback", "x"],
        &["resolve", "x", "maybe"],
        &["resolve", "x", "map_sku"],
        &["stock", "receive", "A", "many"],
        &["pending", "--limit", "0"],
        &["process", "--account", "nobody"],
    ] {
        let ran = folder.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(
            ran.stdout.is_empty() && !ran.stderr.is_empty(),
            "{arguments:?}: {ran:?}"
        );
    }
    let nobody = folder.run(&["process", "--account", "nobody"]);
    assert!(nobody.stderr.contains("saldo accounts list"), "{nobody:?}");
    assert_eq!(folder.run(&["process"]).code, 2, "an empty input holds no order");
}

#[test]
fn completions_name_the_commands() {
    let ran = Folder::new().run(&["completions", "bash"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("doctor"));
}

/// Lines of a document's examples that run the program, without what is said beside them.
fn examples(document: &str) -> Vec<String> {
    let mut is_example = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            is_example = !is_example;
        }
        let line = line.trim_start().trim_start_matches("$ ");
        if is_example && let Some(arguments) = line.strip_prefix("saldo ") {
            found.push(arguments.split(" #").next().unwrap_or_default().to_owned());
        }
    }
    found
}

#[test]
fn every_command_and_flag_that_the_documentation_shows_is_there() {
    let folder = Folder::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut documents = vec![root.join("README.md")];
    documents.extend(
        std::fs::read_dir(root.join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "md")),
    );
    let mut checked = 0;
    for document in documents {
        for example in examples(&std::fs::read_to_string(&document).unwrap()) {
            let is_command = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            let mut path: Vec<&str> = example
                .split_whitespace()
                .take_while(|word| is_command(word) && !word.starts_with('-'))
                .collect();
            // The last words may be answers, such as the mode of `mode set shadow`.
            let help = loop {
                let ran = folder.run(&[path.as_slice(), &["--help"]].concat());
                if ran.code == 0 {
                    break ran.stdout;
                }
                assert!(path.len() > 1, "{}: saldo {example}", document.display());
                path.pop();
            };
            for flag in example.split_whitespace().filter(|word| word.starts_with("--")) {
                assert!(
                    help.contains(flag),
                    "{}: saldo {example}: {flag}",
                    document.display()
                );
            }
            checked += 1;
        }
    }
    assert!(
        checked > 50,
        "the documents are not read as they are written: {checked}"
    );
}
