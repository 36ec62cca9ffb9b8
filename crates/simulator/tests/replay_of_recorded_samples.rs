//! Replays every recorded exchange with the real service, and compares what the simulator answers.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "these are helpers of a test, and a failed one is a failed test"
)]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::samples::{Sample, left_out_reason, prepare, read_all};
use support::{client, install_tls, start};

/// Keys whose text is part of the contract.
const CONTRACT_TEXTS: [&str; 4] = ["detail", "error", "message", "note"];

/// The kind and keys of a value, as one comparable text. Lists are compared apart, element by element.
fn shape_mismatch(path: &str, recorded: &Value, answered: &Value) -> Option<String> {
    match (recorded, answered) {
        (Value::Object(recorded), Value::Object(answered)) => {
            let keys = |object: &serde_json::Map<String, Value>| {
                let keys = object.keys().filter(|key| *key != "_rig_note");
                keys.cloned().collect::<BTreeSet<String>>()
            };
            if keys(recorded) != keys(answered) {
                return Some(format!(
                    "{path}: keys {:?} became {:?}",
                    keys(recorded),
                    keys(answered)
                ));
            }
            answered
                .iter()
                .find_map(|(key, value)| shape_mismatch(&format!("{path}.{key}"), &recorded[key], value))
        }
        (Value::Array(recorded), Value::Array(answered)) => {
            if recorded.is_empty() != answered.is_empty() {
                return Some(format!(
                    "{path}: {} elements became {}",
                    recorded.len(),
                    answered.len()
                ));
            }
            // Long lists were cut in the records; what follows there has nothing to be compared with.
            answered
                .iter()
                .take(recorded.len())
                .enumerate()
                .find_map(|(index, element)| {
                    let path = format!("{path}[{index}]");
                    let mismatches: Vec<String> = recorded
                        .iter()
                        .map_while(|known| shape_mismatch(&path, known, element))
                        .collect();
                    (mismatches.len() == recorded.len()).then(|| mismatches.join(" and "))
                })
        }
        (recorded, answered) if kind(recorded) == kind(answered) => None,
        (recorded, answered) => Some(format!("{path}: {} became {}", kind(recorded), kind(answered))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "integer",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// The texts of the contract, without addresses and numbers.
fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                // A buyer's note is an object of the order, not a text of the contract.
                if CONTRACT_TEXTS.contains(&key.as_str()) && (key != "note" || value.is_string()) {
                    found.insert(normalised(&format!("{key}: {value}")));
                }
                texts(value, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| texts(element, found)),
        _ => {}
    }
}

fn normalised(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("http://") {
        result.push_str(&rest[..start]);
        result.push_str("URL");
        let address = &rest[start..];
        let end = address.find(|sign: char| sign == '\'' || sign == '"' || sign.is_whitespace());
        rest = &address[end.unwrap_or(address.len())..];
    }
    result.push_str(rest);
    result
        .split(|sign: char| sign.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("#")
}

async fn mismatch(sample: &Sample) -> Option<String> {
    let handle = start(support::samples::options());
    prepare(&handle, sample).await;
    let request = sample.request(&client(), &handle.base_url());
    let response = request.send().await.expect("the simulator answers");
    let recorded = &sample.response;
    let status = response.status().as_u16();
    if Some(u64::from(status)) != recorded["status"].as_u64() {
        return Some(format!(
            "status {} became {status}: {}",
            recorded["status"],
            response.text().await.unwrap()
        ));
    }
    if let Some(headers) = recorded.get("headers").and_then(Value::as_object) {
        for name in [
            "content-type",
            "www-authenticate",
            "allow",
            "location",
            "server",
            "access-control-allow-origin",
        ] {
            let known = headers.get(name).and_then(Value::as_str).map(path_of_address);
            let header = response.headers().get(name).and_then(|value| value.to_str().ok());
            if known != header.map(path_of_address) {
                return Some(format!("header {name}: {known:?} became {header:?}"));
            }
        }
    }
    let text = response.text().await.expect("the body arrives");
    let answered = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
    let body = &recorded["body"];
    let (mut known_texts, mut answered_texts) = (BTreeSet::new(), BTreeSet::new());
    texts(body, &mut known_texts);
    texts(&answered, &mut answered_texts);
    if known_texts != answered_texts {
        return Some(format!("texts {known_texts:?} became {answered_texts:?}"));
    }
    handle.stop_abruptly().await;
    shape_mismatch("body", body, &answered)
}

/// The port differs from the record; nothing else of an address may.
fn path_of_address(text: &str) -> String {
    match text
        .strip_prefix("http://")
        .and_then(|address| address.split_once('/'))
    {
        Some((_, path)) => format!("http://somewhere/{path}"),
        None => text.to_owned(),
    }
}

#[tokio::test]
async fn every_recorded_sample_is_answered_alike_or_listed_as_left_out() {
    install_tls();
    let samples = read_all();
    let (mut compared, mut left_out, mut failures) = (0, 0, Vec::new());
    for sample in &samples {
        if left_out_reason(&sample.name).is_some() {
            left_out += 1;
            continue;
        }
        compared += 1;
        if let Some(mismatch) = mismatch(sample).await {
            failures.push(format!("{}: {mismatch}", sample.name));
        }
    }
    println!(
        "{compared} samples compared, {left_out} left out, {} recorded",
        samples.len()
    );
    assert_eq!(compared + left_out, samples.len());
    assert!(compared > 150, "only {compared} samples were compared");
    assert!(
        failures.is_empty(),
        "{} of {compared} samples differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_sample_listed_as_left_out_exists() {
    let names: BTreeSet<String> = read_all().into_iter().map(|sample| sample.name).collect();
    for (name, reason) in support::samples::LEFT_OUT {
        assert!(
            names.contains(name),
            "{name} is listed as left out but was never recorded"
        );
        assert!(!reason.is_empty());
    }
}
