//! What commands print: JSON for machines, plain aligned text for people.

use std::io::{IsTerminal, Write};

use serde_json::Value;

/// How a command shows its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// `--json`
    Json,
    /// Text.
    Human,
}

impl Output {
    /// Shows a result: the JSON as it is, or the text made of it.
    pub(crate) fn show(self, json: &Value, human: impl FnOnce(&Value) -> String) -> anyhow::Result<()> {
        match self {
            Self::Json => line(&serde_json::to_string_pretty(json)?),
            Self::Human => line(&human(json)),
        }
    }
}

/// Prints text with an end of line. A reader that went away (`saldo pending | head`) is no failure.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// Says something to the person, beside the result.
pub(crate) fn note(text: &str) {
    // Nobody can be told that nobody can be told.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether a person watches, so that progress is worth showing.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Rows under headings, in columns. `none` stands for an empty list.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>], none: &str) -> String {
    if rows.is_empty() {
        return none.to_owned();
    }
    let heading: Vec<String> = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let mut widths = vec![0; headings.len()];
    for row in std::iter::once(&heading).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}", width = *width))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Names and values, one a line.
pub(crate) fn facts(rows: &[(&str, String)]) -> String {
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{name:<width$}  {value}\n"))
        .collect()
}

/// A value of an answer as text: `-` where there is none. `path` goes through objects, such as `/a/b`.
pub(crate) fn cell(value: &Value, path: &str) -> String {
    match value.pointer(path) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => one_line(text),
        Some(other) => other.to_string(),
    }
}

/// The rows of a list, whatever it is called.
pub(crate) fn items(value: &Value) -> &[Value] {
    value
        .get("items")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Rows of a list of objects.
pub(crate) fn rows(items: &[Value], paths: &[&str]) -> Vec<Vec<String>> {
    items
        .iter()
        .map(|item| paths.iter().map(|path| cell(item, path)).collect())
        .collect()
}

/// Text from outside must not move the cursor of a terminal.
fn one_line(text: &str) -> String {
    saldo_domain::text::one_line(text, 300)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let list = json!({"items": [{"sku": "A", "n": 10}, {"sku": "Ирина", "n": null}]});
        let text = table(&["SKU", "N"], &rows(items(&list), &["/sku", "/n"]), "none");
        assert_eq!(text, "SKU    N\nA      10\nИрина  -\n");
        assert_eq!(table(&["SKU"], &[], "nothing here"), "nothing here");
    }

    #[test]
    fn escape_sequences_from_outside_are_not_printed() {
        assert_eq!(cell(&json!({"a": "\u{1b}[2Jx"}), "/a"), " [2Jx");
    }
}
