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
