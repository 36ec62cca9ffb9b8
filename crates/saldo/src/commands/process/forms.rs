//! Reading checkout forms from text.

use serde_json::{Map, Value, json};
use uuid::Uuid;

/// One order of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The order's id, or where it stands in the input.
    pub(super) name: String,
    /// The line to send, or why there is none.
    pub(super) line: Result<String, String>,
}

impl Entry {
    /// Adds a person's word to deduct it although it was given back, settled, or left to the old way.
    pub(super) fn force(&mut self) {
        let forced = self.line.as_ref().ok().and_then(|line| {
            let mut sent: Map<String, Value> = serde_json::from_str(line).ok()?;
            sent.insert("force".to_owned(), json!(true));
            Some(Value::Object(sent).to_string())
        });
        if let Some(forced) = forced {
            self.line = Ok(forced);
        }
    }
}

/// The orders of a text: one JSON document (an object or an array), one JSON document a line, or whole documents one
/// after another, as `cat` makes them of several files.
pub(super) fn entries(
    source: &str,
    text: &str,
    account: Option<Uuid>,
    warehouse: Option<&str>,
) -> Vec<Entry> {
    // Some editors begin a file with a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let read = |place: String, value: Result<Value, String>| match value {
        Ok(Value::Object(object)) => entry(&place, object, account, warehouse),
        Ok(_) => Entry {
            line: Err(format!("{place}: this is no order but another kind of JSON")),
            name: place,
        },
        Err(problem) => Entry {
            line: Err(format!("{place}: {problem}")),
            name: place,
        },
    };
    let numbered = |values: Vec<Value>| -> Vec<Entry> {
        let numbered = values.into_iter().enumerate();
        numbered
            .map(|(index, value)| read(format!("{source}, order {}", index + 1), Ok(value)))
            .collect()
    };
    if let Ok(document) = serde_json::from_str::<Value>(text) {
        return match document {
            Value::Array(values) => numbered(values),
            value => vec![read(source.to_owned(), Ok(value))],
        };
    }
    let documents: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    match documents {
        // As many documents as lines: then a line tells better where one stands.
        Ok(documents) if documents.len() != lines => numbered(flattened(documents)),
        _ => text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(index, line)| {
                let value = serde_json::from_str(line).map_err(|error| format!("this is no JSON: {error}"));
                read(format!("{source}, line {}", index + 1), value)
            })
            .collect(),
    }
}

/// Arrays among documents stand for what is in them.
fn flattened(documents: Vec<Value>) -> Vec<Value> {
    let orders = |document| match document {
        Value::Array(orders) => orders,
        order => vec![order],
    };
    documents.into_iter().flat_map(orders).collect()
}

/// One order, bare or with its account.
fn entry(place: &str, object: Map<String, Value>, account: Option<Uuid>, warehouse: Option<&str>) -> Entry {
    let wrapped = object.get("order").is_some_and(Value::is_object);
    let mut sent = if wrapped {
        object
    } else {
        Map::from_iter([("order".to_owned(), Value::Object(object))])
    };
    let id = sent["order"].get("id").and_then(Value::as_str);
    let name = id.map_or_else(|| place.to_owned(), |id| saldo_domain::text::one_line(id, 128));
    if !sent.contains_key("token_id") {
        let Some(account) = account else {
            let problem =
                format!("{place}: the order does not say its account; name it with --account TOKEN_ID");
            return Entry {
                name,
                line: Err(problem),
            };
        };
        sent.insert("token_id".to_owned(), json!(account));
    }
    if let Some(warehouse) = warehouse.filter(|_| !sent.contains_key("warehouse")) {
        sent.insert("warehouse".to_owned(), json!(warehouse));
    }
    Entry {
        name,
        line: Ok(Value::Object(sent).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Uuid = Uuid::nil();

    fn names(text: &str) -> Vec<String> {
        entries("f", text, Some(ACCOUNT), None)
            .into_iter()
            .map(|entry| entry.name)
            .collect()
    }

    #[test]
    fn an_object_an_array_and_lines_are_read() {
        assert_eq!(names("{\n \"id\": \"a\"\n}"), ["a"]);
        assert_eq!(names("[{\"id\": \"a\"}, {\"id\": \"b\"}]"), ["a", "b"]);
        assert_eq!(
            names("{\"id\": \"a\"}\r\n\n{\"order\": {\"id\": \"b\"}}\n"),
            ["a", "b"]
        );
        assert!(names("  \n ").is_empty());
        assert_eq!(names("\u{feff}{\"id\": \"a\"}\n{\"id\": \"b\"}"), ["a", "b"]);
    }

    #[test]
    fn whole_documents_one_after_another_are_read() {
        assert_eq!(names("{\n \"id\": \"a\"\n}\n{\n \"id\": \"b\"\n}\n"), ["a", "b"]);
        assert_eq!(
            names("[{\"id\": \"a\"},\n {\"id\": \"b\"}]\n{\"id\": \"c\"}"),
            ["a", "b", "c"]
        );
    }

    #[test]
    fn one_bad_line_spoils_no_other_and_says_where_it_stands() {
        let entries = entries(
            "f",
            "{\"id\": \"a\"}\n{oops\n7\n{\"id\": \"b\"}",
            Some(ACCOUNT),
            None,
        );
        let good: Vec<bool> = entries.iter().map(|entry| entry.line.is_ok()).collect();
        assert_eq!(good, [true, false, false, true]);
        assert!(entries[1].line.as_ref().unwrap_err().starts_with("f, line 2"));
    }

    #[test]
    fn the_account_comes_from_the_order_or_from_the_flag() {
        let own = entries(
            "f",
            r#"{"token_id": "t", "order": {"id": "a"}}"#,
            Some(ACCOUNT),
            Some("W"),
        );
        assert_eq!(
            own[0].line.as_deref(),
            Ok(r#"{"order":{"id":"a"},"token_id":"t","warehouse":"W"}"#)
        );
        let without = entries("f", r#"{"id": "a"}"#, None, None);
        assert!(without[0].line.as_ref().unwrap_err().contains("--account"));
    }
}
