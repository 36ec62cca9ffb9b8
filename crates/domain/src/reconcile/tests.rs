//! Every combination, and the table of the documentation.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::*;
use crate::discrepancy::DiscrepancyResolution::{AutoFixed, Reported, Review, Watched};

const FLAGS: [Flag; 5] = [
    Flag::Unread,
    Flag::Listed(false),
    Flag::Listed(true),
    Flag::Confirmed(false),
    Flag::Confirmed(true),
];
const WORDS: [Word; 4] = [Word::Listed, Word::Suspect, Word::Single, Word::Live];
const MISSING: [Missing; 3] = [Missing::AtFirst, Missing::NotForLong, Missing::ForLong];
const EITHER: [bool; 2] = [false, true];

/// Calls a check with every combination there is.
fn for_all(mut check: impl FnMut(&Sides, &Bounds)) {
    for local in Local::ALL {
        for remote in Remote::ALL {
            for flag in FLAGS {
                for word in WORDS {
                    for missing in MISSING {
                        for facts in 0_u32..1 << 8 {
                            let fact = |bit: u32| facts & (1 << bit) != 0;
                            let kinds = |bit| if fact(bit) { Kinds::all() } else { Kinds::default() };
                            let sides = Sides {
                                local,
                                remote,
                                flag,
                                word,
                                sent: fact(0),
                                tells_news: fact(1),
                                under_way: fact(2),
                                asked: kinds(3),
                                answered: kinds(4),
                                missing,
                            };
                            let bounds = Bounds {
                                auto_fix: fact(5),
                                young: fact(6),
                                live: fact(7),
                            };
                            check(&sides, &bounds);
                        }
                    }
                }
            }
        }
    }
}

fn difference(step: Step) -> Option<Difference> {
    match step {
        Step::Found(difference) => Some(difference),
        _ => None,
    }
}

fn differences(sides: &Sides, bounds: &Bounds) -> Vec<Difference> {
    [about_copy(sides, bounds), about_flag(sides, bounds)]
        .into_iter()
        .filter_map(difference)
        .collect()
}

#[test]
fn nothing_is_deducted_before_the_flags_call_has_said_false() {
    for_all(|sides, bounds| {
        let step = about_copy(sides, bounds);
        let deducts = matches!(step, Step::Found(found) if found.kind == DiscrepancyKind::MissedOrder
            && found.action != Action::None);
        if deducts {
            assert_eq!(sides.flag, Flag::Confirmed(false), "{sides:?} {bounds:?}");
        }
    });
}

#[test]
fn nothing_is_done_on_the_word_of_a_suspect_list() {
    for_all(|sides, bounds| {
        if sides.word == Word::Suspect {
            let step = about_copy(sides, bounds);
            assert!(step != Step::Note, "{sides:?} {bounds:?}");
            assert!(
                difference(step).is_none_or(|found| found.action == Action::None),
                "{sides:?} {bounds:?}"
            );
            let about_flag = difference(about_flag(sides, bounds));
            if about_flag.is_some_and(|found| found.action != Action::None) {
                assert!(matches!(sides.flag, Flag::Confirmed(_)), "{sides:?} {bounds:?}");
            }
        }
    });
}

#[test]
fn a_flag_is_sent_again_only_after_the_flags_call_has_said_that_it_is_another() {
    for_all(|sides, bounds| {
        if let Some(found) = difference(about_flag(sides, bounds))
            && found.action == Action::Redeliver
        {
            let level = sides.local == Local::Deducted;
            assert_eq!(sides.flag, Flag::Confirmed(!level), "{sides:?} {bounds:?}");
        }
    });
}

#[test]
fn a_list_never_proves_that_an_order_is_absent() {
    for_all(|sides, bounds| {
        for found in differences(sides, bounds) {
            if found.kind == DiscrepancyKind::MissingRemotely {
                assert!(
                    matches!(sides.word, Word::Single | Word::Live),
                    "{sides:?} {bounds:?}"
                );
                let asks = found.action != Action::None;
                assert!(!asks || sides.missing == Missing::ForLong, "{sides:?} {bounds:?}");
            }
        }
    });
}

#[test]
fn without_automatic_fixes_differences_are_only_reported() {
    for_all(|sides, bounds| {
        if !bounds.auto_fix {
            assert_ne!(about_copy(sides, bounds), Step::Note, "{sides:?}");
            for found in differences(sides, bounds) {
                assert_eq!(found.action, Action::None, "{sides:?}");
                assert_ne!(found.resolution, AutoFixed, "{sides:?}");
            }
        }
    });
}

#[test]
fn nothing_is_done_while_an_operation_of_the_order_is_under_way() {
    for_all(|sides, bounds| {
        if sides.under_way {
            for found in differences(sides, bounds) {
                assert_eq!(found.action, Action::None, "{sides:?} {bounds:?}");
            }
        }
    });
}

#[test]
fn stock_of_an_old_order_never_moves_without_asking() {
    for_all(|sides, bounds| {
        if !bounds.young
            && let Some(found) = difference(about_copy(sides, bounds))
        {
            assert_ne!(found.resolution, AutoFixed, "{sides:?} {bounds:?}");
        }
    });
}

#[test]
fn what_is_none_of_saldos_is_never_a_difference() {
    for_all(|sides, bounds| {
        if sides.local == Local::Outside {
            assert!(differences(sides, bounds).is_empty(), "{sides:?} {bounds:?}");
        }
    });
}

#[test]
fn what_a_person_is_asked_about_is_not_asked_again_and_not_put_right_behind_them() {
    for_all(|sides, bounds| {
        let Some(found) = difference(about_copy(sides, bounds)) else {
            return;
        };
        if sides.asked.has(found.kind) {
            assert_eq!(
                (found.resolution, found.action),
                (Review, Action::None),
                "{sides:?} {bounds:?}"
            );
        }
    });
}

#[test]
fn what_is_done_fits_what_is_told() {
    for_all(|sides, bounds| {
        for found in differences(sides, bounds) {
            let fits = match found.resolution {
                AutoFixed => matches!(found.action, Action::TakeIn | Action::Redeliver),
                Review => matches!(found.action, Action::Ask | Action::TakeIn | Action::None),
                Watched | Reported => found.action == Action::None,
                DiscrepancyResolution::Gone => false,
            };
            assert!(fits, "{found:?} of {sides:?} {bounds:?}");
        }
    });
}

/// Asks for the certainty that is asked for, with the answers given; every chain of questions ends.
fn settle(mut sides: Sides, mut bounds: Bounds, flag: bool, found_live: bool) -> (Vec<Difference>, Step) {
    let mut questions = 0;
    let mut ask = |step: Step, sides: &mut Sides| -> bool {
        questions += 1;
        assert!(questions <= 4, "it never ends: {sides:?}");
        match step {
            Step::ConfirmFlag => sides.flag = Flag::Confirmed(flag),
            Step::FetchCopy => {
                sides.word = if found_live { Word::Live } else { Word::Single };
            }
            _ => return false,
        }
        true
    };
    bounds.live &= found_live;
    let mut about = about_copy(&sides, &bounds);
    while ask(about, &mut sides) {
        about = about_copy(&sides, &bounds);
    }
    if settles_flag(about) {
        return (difference(about).into_iter().collect(), about);
    }
    let mut flagged = about_flag(&sides, &bounds);
    while ask(flagged, &mut sides) {
        flagged = about_flag(&sides, &bounds);
    }
    let all = [about, flagged].into_iter().filter_map(difference).collect();
    (all, about)
}

#[test]
fn every_chain_of_questions_ends() {
    for_all(|sides, bounds| {
        for flag in EITHER {
            for found_live in EITHER {
                settle(*sides, *bounds, flag, found_live);
            }
        }
    });
}

#[test]
fn every_kind_and_every_resolution_is_reached() {
    let mut kinds = BTreeSet::new();
    for_all(|sides, bounds| {
        for found in differences(sides, bounds) {
            kinds.insert((found.kind, found.resolution));
        }
    });
    for kind in DiscrepancyKind::ALL {
        assert!(kinds.contains(&(kind, Reported)) || kind == DiscrepancyKind::MissingRemotely);
        assert!(
            kind == DiscrepancyKind::NotDelivered || kinds.contains(&(kind, Review)),
            "{kind}"
        );
    }
}

fn here(local: Local) -> &'static str {
    match local {
        Local::Unknown => "not known",
        Local::Outside => "none of Saldo's",
        Local::AwaitsPayment => "waits for payment",
        Local::Waiting => "waits for stock or a person",
        Local::Deducted => "deducted",
        Local::GivenBack => "given back",
    }
}

fn there(remote: Remote, sent: bool) -> &'static str {
    match remote {
        Remote::Absent => "not shown, asked for singly too",
        Remote::Unreadable => "cannot be read",
        Remote::Unpaid => "not paid",
        Remote::Ready => "ready",
        Remote::OtherLines => "ready, other lines",
        Remote::Cancelled if sent => "cancelled, goods sent",
        Remote::Cancelled => "cancelled",
    }
}

fn told(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "–".to_owned();
    }
    let words = differences
        .iter()
        .map(|found| match (found.resolution, found.action) {
            (AutoFixed, Action::Redeliver) => "sent again".to_owned(),
            (AutoFixed, _) => "put right".to_owned(),
            (Review, _) => "review".to_owned(),
            (other, _) => other.to_string(),
        });
    words.collect::<Vec<_>>().join(", ")
}

/// The rows of the table: each case, and what follows when it is young, old, under way, and only reported.
fn table() -> String {
    let mut table = String::new();
    let mut done = BTreeSet::new();
    for local in Local::ALL {
        for remote in Remote::ALL {
            for flag in EITHER {
                for sent in EITHER {
                    for found_live in EITHER {
                        let row = row(local, remote, flag, sent, found_live);
                        if let Some(row) = row
                            && done.insert(row.clone())
                        {
                            table += &row;
                        }
                    }
                }
            }
        }
    }
    table
}

fn row(local: Local, remote: Remote, flag: bool, sent: bool, found_live: bool) -> Option<String> {
    let is_about_live = local == Local::Deducted && remote == Remote::OtherLines;
    let is_about_sent = local == Local::Deducted && matches!(remote, Remote::Cancelled | Remote::OtherLines);
    let is_possible = local == Local::Deducted || remote != Remote::OtherLines;
    if (sent && !is_about_sent) || (found_live && !is_about_live) || !is_possible {
        return None;
    }
    let sides = Sides {
        local,
        remote,
        flag: if remote == Remote::Absent {
            Flag::Unread
        } else {
            Flag::Listed(flag)
        },
        word: Word::Listed,
        sent,
        tells_news: false,
        under_way: false,
        asked: Kinds::default(),
        answered: Kinds::default(),
        missing: Missing::ForLong,
    };
    let bounds = Bounds {
        auto_fix: true,
        young: true,
        live: found_live,
    };
    let follows = |sides: Sides, bounds: Bounds| settle(sides, bounds, flag, found_live).0;
    let young = follows(sides, bounds);
    let kinds: Vec<&str> = young.iter().map(|found| found.kind.as_str()).collect();
    if kinds.is_empty() {
        return None;
    }
    let old = follows(
        sides,
        Bounds {
            young: false,
            ..bounds
        },
    );
    let busy = follows(
        Sides {
            under_way: true,
            ..sides
        },
        bounds,
    );
    let off = follows(
        sides,
        Bounds {
            auto_fix: false,
            ..bounds
        },
    );
    let shown_flag = match sides.flag {
        Flag::Unread => "–",
        _ if flag => "true",
        _ => "false",
    };
    let live = match (is_about_live, found_live) {
        (false, _) => "",
        (true, false) => " (as stored)",
        (true, true) => " (asked of Allegro)",
    };
    let sent = if is_about_live && sent { ", goods sent" } else { "" };
    let mut row = String::new();
    let _ = writeln!(
        row,
        "| {} | {}{live}{sent} | {shown_flag} | `{}` | {} | {} | {} | {} |",
        here(local),
        there(remote, sides.sent),
        kinds.join("`, `"),
        told(&young),
        told(&old),
        told(&busy),
        told(&off),
    );
    Some(row)
}

#[test]
fn the_table_in_the_documentation_is_the_one_in_force() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reconciliation.md");
    let written = std::fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- table begins -->\n", "<!-- table ends -->");
    let (before, rest) = written.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let head = "| here | at the service | flag there | kind | young order | old order | under way | `auto_fix` off |\n\
                | --- | --- | --- | --- | --- | --- | --- | --- |\n";
    let expected = format!("{before}{begin}{head}{}{end}{after}", table());
    if std::env::var_os("SALDO_UPDATE").is_some() {
        std::fs::write(path, expected).unwrap();
        return;
    }
    assert!(
        written == expected,
        "docs/reconciliation.md is stale: run SALDO_UPDATE=1 cargo test -p saldo-domain"
    );
}
