//! The API's description, and the files that are written from it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::support::World;
use crate::api::routes;
use crate::documents::{description_text, problems_markdown};
use crate::problem::PROBLEM_CODES;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a file with what it is written from; with `SALDO_UPDATE=1` writes it.
fn up_to_date(file: &str, expected: &str) {
    let path = root().join(file);
    if std::env::var_os("SALDO_UPDATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{file} is stale: run SALDO_UPDATE=1 cargo test -p saldo-web"
    );
}

#[test]
fn the_description_in_the_repository_is_up_to_date() {
    up_to_date("openapi.json", &description_text());
}

#[test]
fn the_table_of_problems_is_up_to_date() {
    up_to_date("docs/problems.md", &problems_markdown());
}

fn described() -> Value {
    serde_json::from_str(&description_text()).unwrap()
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let routes: BTreeSet<(String, String)> = routes()
        .iter()
        .map(|route| (route.path.to_owned(), route.method.as_str().to_ascii_lowercase()))
        .collect();
    let description = described();
    let paths = description["paths"].as_object().unwrap();
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .map(|method| (path.clone(), method.clone()))
        })
        .collect();
    assert_eq!(routes, described);
}

#[test]
fn every_reference_and_link_of_the_description_leads_somewhere() {
    let description = described();
    let mut operations = BTreeSet::new();
    let mut links = BTreeSet::new();
    visit(&description, &mut |name, value| match (name, value.as_str()) {
        ("$ref", Some(reference)) => {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(description.pointer(pointer).is_some(), "{reference}");
        }
        ("operationId", Some(id)) => {
            links.insert(id.to_owned());
        }
        _ => {}
    });
    for item in description["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(operations.insert(id.to_owned()), "{id} stands twice");
        }
    }
    assert!(links.is_subset(&operations), "{links:?}");
}

fn visit(value: &Value, look: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| visit(value, look)),
        Value::Object(members) => {
            for (name, value) in members {
                look(name, value);
                visit(value, look);
            }
        }
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn the_examples_of_bodies_are_taken() {
    let world = World::open();
    for (path, item) in described()["paths"].as_object().unwrap() {
        let Some(body) = item.pointer("/post/requestBody/content/application~1json/schema/$ref") else {
            continue;
        };
        let schema = described()
            .pointer(body.as_str().unwrap().strip_prefix('#').unwrap())
            .cloned()
            .unwrap();
        let path = path.replace("{operation_id}", "00000000-0000-7000-8000-000000000000");
        let path = path.replace("{review_id}", "00000000-0000-7000-8000-000000000000");
        let path = path.replace("{alert_id}", "00000000-0000-7000-8000-000000000000");
        let answer = world.post(&path, &schema["example"]).await;
        assert!(
            answer.status != 422 && answer.status != 400,
            "{path}: {}",
            answer.text
        );
    }
}

#[test]
fn problem_codes_are_sorted_distinct_and_of_errors() {
    let order: Vec<_> = PROBLEM_CODES
        .iter()
        .map(|known| (known.status, known.code))
        .collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(order, sorted);
    let distinct: BTreeSet<_> = PROBLEM_CODES.iter().map(|known| known.code).collect();
    assert_eq!(distinct.len(), PROBLEM_CODES.len());
    assert!(
        PROBLEM_CODES
            .iter()
            .all(|known| (400..600).contains(&known.status))
    );
}

/// The rules, the store and the engine refuse with codes of their own: each stands in the table.
#[test]
fn every_code_that_the_sources_refuse_with_is_in_the_table() {
    let mut found = BTreeSet::new();
    for folder in ["domain/src", "store/src", "engine/src", "web/src"] {
        let mut add = |text: &str| codes_in(text, &mut found);
        sources_under(&root().join("crates").join(folder), &mut add);
    }
    assert!(
        found.len() > 40,
        "the sources are not read as they are written: {found:?}"
    );
    for code in found {
        assert!(
            PROBLEM_CODES.iter().any(|known| known.code == code),
            "{code} is not in the table"
        );
    }
}

/// A code that nothing answers any more would be explained for nothing.
#[test]
fn every_code_in_the_table_is_one_that_the_sources_answer_with() {
    let mut sources = String::new();
    for folder in ["domain/src", "store/src", "engine/src", "web/src"] {
        sources_under(&root().join("crates").join(folder), &mut |text| {
            sources.push_str(text)
        });
    }
    let unused: Vec<_> = PROBLEM_CODES
        .iter()
        .filter(|known| !sources.contains(&format!("\"{}\"", known.code)))
        .map(|known| known.code)
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// Reads every source but the table itself and the tests.
fn sources_under(folder: &Path, read: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            sources_under(&path, read);
        } else if path.is_file() && !path.ends_with("problem/codes.rs") {
            read(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn codes_in(text: &str, found: &mut BTreeSet<String>) {
    for start in [
        "Refusal::not_found(",
        "Refusal::conflict(",
        "Refusal::invalid(",
        "Problem::new(",
    ] {
        for after in text.split(start).skip(1) {
            let code = after
                .trim_start()
                .strip_prefix('"')
                .and_then(|code| code.split('"').next());
            found.extend(code.map(str::to_owned));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_pages_are_served() {
    let world = World::open();
    assert_eq!(world.get("/openapi.json").await.text, description_text());
    let page = world.get("/docs/").await;
    assert!(page.text.contains("swagger-ui"), "{}", page.text);
    let problems = world.get("/docs/problems").await.text;
    assert!(
        PROBLEM_CODES
            .iter()
            .all(|known| problems.contains(&format!("id=\"{}\"", known.code)))
    );
}
