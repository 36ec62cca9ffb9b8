//! The configuration as it is in force, for people: secrets masked.

use toml::{Table, Value};

use super::database::Database;
use super::environment::SECRETS;
use super::merge::known_keys;

/// The settings by dotted name, with their values as TOML.
pub(crate) fn effective(settings: &Table) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    collect(settings, "", &mut rows);
    rows
}

/// The names of the settings that differ.
pub(crate) fn differences(left: &Table, right: &Table) -> Vec<String> {
    known_keys(left)
        .into_iter()
        .filter(|key| at(left, key) != at(right, key))
        .collect()
}

/// Copies some settings by name.
pub(crate) fn copy(into: &mut Table, from: &Table, keys: &[String]) {
    for key in keys {
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let mut parts = section.split('.').filter(|part| !part.is_empty());
        let place = parts.try_fold(&mut *into, |table, part| table.get_mut(part)?.as_table_mut());
        if let (Some(place), Some(value)) = (place, at(from, key)) {
            place.insert(name.to_owned(), value.clone());
        }
    }
}

fn at<'t>(table: &'t Table, key: &str) -> Option<&'t Value> {
    let (first, rest) = key
        .split_once('.')
        .map_or((key, None), |(first, rest)| (first, Some(rest)));
    let value = table.get(first)?;
    match rest {
        Some(rest) => at(value.as_table()?, rest),
        None => Some(value),
    }
}

fn collect(table: &Table, prefix: &str, rows: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            Value::Table(inner) => collect(inner, &format!("{key}."), rows),
            Value::String(text) if !text.is_empty() && SECRETS.contains(&key.as_str()) => {
                rows.push((key, "[hidden]".to_owned()));
            }
            Value::String(text) if key == "database" => {
                let shown = Database::from(text.clone()).to_string();
                rows.push((key, Value::String(shown).to_string()));
            }
            Value::String(text) if key == "channels.webhook.url" => rows.push((key, without_path(text))),
            Value::String(text) => rows.push((key, without_password(text))),
            value => rows.push((key, value.to_string())),
        }
    }
}

/// A text in quotes; the user and password of an address are masked.
fn without_password(text: &str) -> String {
    let masked = match text.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://[hidden]@{host}"),
            None => text.to_owned(),
        },
        None => text.to_owned(),
    };
    Value::String(masked).to_string()
}

/// The address of a webhook, of which often only its path is what nobody else knows.
fn without_path(text: &str) -> String {
    let host_begins = text.find("://").map_or(0, |scheme_ends| scheme_ends + 3);
    let masked = match text[host_begins..].find(['/', '?']) {
        Some(host_ends) if host_begins + host_ends + 1 < text.len() => {
            format!("{}/[hidden]", &text[..host_begins + host_ends])
        }
        _ => text.to_owned(),
    };
    without_password(&masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_found_by_name_and_copied_by_name() {
        let mut left: Table = toml::from_str("a = 1\n[b]\nc = 2\n[b.d]\ne = 3").unwrap();
        let right: Table = toml::from_str("a = 1\n[b]\nc = 4\n[b.d]\ne = 5").unwrap();
        assert_eq!(differences(&left, &right), ["b.c", "b.d.e"]);
        copy(&mut left, &right, &["b.d.e".to_owned()]);
        assert_eq!(differences(&left, &right), ["b.c"]);
    }

    #[test]
    fn secrets_and_passwords_are_masked() {
        let settings: Table = toml::from_str(
            "database = \"postgres://me:hush@host/saldo\"\n[orders_service]\njwt_secret = \"hush\"\ntoken = \"\"",
        )
        .unwrap();
        let rows = effective(&settings);
        assert_eq!(rows[0].1, "\"postgres://[hidden]@host/saldo\"");
        assert_eq!(
            without_password("https://me:a@hush@host/"),
            "\"https://[hidden]@host/\""
        );
        for (address, shown) in [
            ("https://hooks.example/T0/hush", "https://hooks.example/[hidden]"),
            (
                "https://me:hush@hooks.example/?key=hush",
                "https://[hidden]@hooks.example/[hidden]",
            ),
            ("https://hooks.example/", "https://hooks.example/"),
            ("hooks.example", "hooks.example"),
        ] {
            assert_eq!(without_path(address), format!("\"{shown}\""));
        }
        assert!(!format!("{rows:?}").contains("hush"), "{rows:?}");
        assert!(rows.contains(&("orders_service.token".to_owned(), "\"\"".to_owned())));
    }
}
