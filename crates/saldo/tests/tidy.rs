//! Rules of the house, checked on the repository itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use saldo_domain::decide::applies;
use saldo_domain::review::{Resolution, ReviewReason};
use serde_json::Value;

/// The longest file, in lines.
const FILE_LINES_MAX: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of the crates with one of these endings.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if endings
                .iter()
                .any(|ending| path.to_string_lossy().ends_with(ending))
            {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 100, "the sources were not found");
    found
}

/// Each package of ours, with what it depends on outside of tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let names = package["dependencies"].as_array().unwrap().iter();
            let names = names
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| &dependency["name"]);
            let name = package["name"].as_str().unwrap().to_owned();
            (
                name,
                names.map(|name| name.as_str().unwrap().to_owned()).collect(),
            )
        })
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let allowed: [(&str, &[&str]); 11] = [
        ("saldo-domain", &[]),
        ("saldo-store", &["saldo-domain"]),
        ("saldo-store-postgres", &["saldo-domain", "saldo-store"]),
        ("saldo-store-sqlite", &["saldo-domain", "saldo-store"]),
        ("saldo-orders-service", &["saldo-domain"]),
        ("saldo-notify", &["saldo-domain"]),
        ("saldo-report", &["saldo-domain"]),
        ("saldo-simulator", &[]),
        (
            "saldo-engine",
            &["saldo-domain", "saldo-store", "saldo-orders-service"],
        ),
        (
            "saldo-web",
            &["saldo-domain", "saldo-store", "saldo-engine", "saldo-report"],
        ),
        (
            "saldo",
            &[
                "saldo-domain",
                "saldo-store",
                "saldo-store-postgres",
                "saldo-store-sqlite",
                "saldo-orders-service",
                "saldo-simulator",
                "saldo-engine",
                "saldo-notify",
                "saldo-report",
                "saldo-web",
            ],
        ),
    ];
    let dependencies = dependencies();
    for (name, allowed) in allowed {
        let ours: Vec<&String> = dependencies[name]
            .iter()
            .filter(|name| name.starts_with("saldo"))
            .collect();
        for dependency in ours {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn the_rules_reach_no_input_or_output_and_only_one_crate_knows_sql() {
    let dependencies = dependencies();
    for forbidden in [
        "tokio",
        "rusqlite",
        "reqwest",
        "axum",
        "hyper",
        "rand",
        "async-trait",
        "tracing",
    ] {
        assert!(
            !dependencies["saldo-domain"].contains(forbidden),
            "saldo-domain must not depend on {forbidden}"
        );
    }
    for name in [
        "saldo-domain",
        "saldo-store",
        "saldo-orders-service",
        "saldo-engine",
        "saldo-web",
        "saldo",
    ] {
        assert!(
            !dependencies[name].contains("rusqlite"),
            "{name} must not depend on rusqlite: ask the store"
        );
    }
}

#[test]
fn every_path_that_a_document_names_is_there() {
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/api.md",
        "docs/components.md",
        "docs/monitoring.md",
        "docs/operations.md",
        "docs/reviews.md",
        "docs/user-guide.md",
    ];
    for document in documents {
        let text = read(document);
        let quoted = text.split('`').skip(1).step_by(2);
        let paths = quoted.filter(|quoted| {
            ["crates/", "deploy/", "docs/", "scripts/", ".ci/"]
                .iter()
                .any(|folder| quoted.starts_with(folder))
        });
        for path in paths {
            assert!(
                root().join(path).exists(),
                "{document} names {path}, which is not there"
            );
        }
        let folder = root().join(document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let is_file = !file.is_empty() && !file.contains("://");
            assert!(
                !is_file || folder.join(file).exists(),
                "{document} links to {link}, which is not there"
            );
        }
    }
}

#[test]
fn no_file_is_longer_than_one_idea() {
    for path in files(&[".rs"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        // The tests beside the code belong to it, and do not make it harder to read.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn nothing_is_left_unfinished_or_silenced() {
    // Put together here, so that this file does not hold them itself.
    let forbidden = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X"].concat(),
        ["dbg", "!("].concat(),
        ["#[ig", "nore"].concat(),
        ["todo", "!("].concat(),
        ["unimplemented", "!("].concat(),
    ];
    for path in files(&[".rs", ".toml", ".sql"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in &forbidden {
            assert!(!text.contains(word.as_str()), "{} holds {word}", path.display());
        }
    }
}

#[test]
fn the_table_of_reviews_is_that_of_the_rules() {
    let text = read("docs/reviews.md");
    let rows: BTreeMap<&str, Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            (cells.next().unwrap().trim_matches('`'), cells.collect())
        })
        .collect();
    let columns = ["retry", "accept", "force", "cancel", "map_sku"];
    assert!(text.contains(&format!("| reason | {} |", columns.join(" | "))));
    assert_eq!(rows.len(), ReviewReason::ALL.len(), "one row for each reason");
    for reason in ReviewReason::ALL {
        let row = rows
            .get(reason.as_str())
            .unwrap_or_else(|| panic!("there is no row for {reason}"));
        for resolution in Resolution::ALL {
            let column = columns
                .iter()
                .position(|column| *column == resolution.as_str())
                .unwrap();
            let expected = if applies(reason, resolution) { "yes" } else { "–" };
            assert_eq!(row[column], expected, "{reason} and {resolution}");
        }
        assert!(
            text.contains(&format!("- `{reason}`:")),
            "{reason} is not explained"
        );
    }
}

#[test]
fn every_setting_is_explained_where_it_is_set() {
    let text = read("crates/saldo/config.default.toml");
    let explained = text.lines().filter(|line| line.starts_with('#')).count();
    let settings = text.lines().filter(|line| line.contains(" = ")).count();
    assert!(
        explained * 10 > settings * 9,
        "{explained} lines of comment for {settings} settings"
    );
}

/// The names of settings as variables, with those of secrets in files.
fn variables() -> BTreeSet<String> {
    let defaults: toml::Table = read("crates/saldo/config.default.toml").parse().unwrap();
    let mut found = BTreeSet::from(["SALDO_CONFIG".to_owned(), "SALDO_KEY".to_owned()]);
    let mut tables = vec![("SALDO_".to_owned(), defaults)];
    while let Some((prefix, table)) = tables.pop() {
        for (name, value) in table {
            let name = format!("{prefix}{}", name.to_uppercase());
            match value {
                toml::Value::Table(inner) => tables.push((format!("{name}__"), inner)),
                _ => found.extend([format!("{name}_FILE"), name]),
            }
        }
    }
    found
}

#[test]
fn every_setting_that_a_unit_or_the_guide_names_is_there() {
    let variables = variables();
    let mut named = BTreeSet::new();
    for file in [
        "deploy/saldo.service",
        "deploy/saldo@.service",
        "deploy/compose.yaml",
        "docs/operations.md",
    ] {
        let text = read(file);
        let is_of_name = |letter: char| letter.is_ascii_uppercase() || letter == '_';
        for rest in text.split("SALDO_").skip(1) {
            let end = rest.find(|letter| !is_of_name(letter)).unwrap_or(rest.len());
            // What other programs set is spoken of by the beginning of its name.
            if !rest[..end].is_empty() && !rest[end..].starts_with('…') {
                named.insert(format!("SALDO_{}", &rest[..end]));
            }
        }
    }
    let unknown: Vec<&String> = named.difference(&variables).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(
        named.contains("SALDO_ORDERS_SERVICE__JWT_SECRET_FILE"),
        "{named:?}"
    );
}
