//! The demonstration proves what it claims, and its proof can fail.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod support;

use std::process::Output;

fn demo(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let quick = ["demo", "--orders", "30", "--seconds", "1", "--no-open"];
    support::saldo(folder.path())
        .args(quick)
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_demonstration_ends_with_the_proof_that_both_sides_agree() {
    let output = demo(&[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Lines are wrapped for a terminal.
    let words: Vec<&str> = text.split_whitespace().collect();
    let words = words.join(" ");
    for kind in [
        "3 not_delivered, auto_fixed",
        "1 cancelled_after_deduction, auto_fixed",
        "2 missed_order, auto_fixed",
        "1 quantity_mismatch, review",
        "1 missing_remotely, watched",
        "1 missing_remotely, review",
    ] {
        assert!(words.contains(kind), "it does not tell of {kind:?}: {text}");
    }
    for told in [
        "operations that waited were delivered",
        "a person is asked",
        "remote flag: cleared",
        "8 differences found, 6 put right by itself, 1 for a person",
        "the list contradicts the flags themselves, so nothing was done on its word",
        "2 differences found, 0 put right by itself, 2 for a person",
        "2 questions wait for a person",
        "0 differences",
    ] {
        assert!(words.contains(told), "it does not tell of {told:?}: {text}");
    }
    assert!(text.contains("Both sides agree on all 33 orders."));
}

#[test]
fn a_single_flipped_flag_fails_the_proof() {
    let output = demo(&["--flip-flag"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("1  difference\n"), "{text}");
}

#[test]
fn a_machine_gets_the_proof_alone_and_the_smallest_demonstration_works() {
    let output = demo(&["--json"]);
    let proof: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&proof["agree"], &proof["orders"]), (&true.into(), &33.into()));
    let folder = tempfile::tempdir().unwrap();
    let output = support::saldo(folder.path())
        .args(["demo", "--orders", "1", "--seconds", "1", "--json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
