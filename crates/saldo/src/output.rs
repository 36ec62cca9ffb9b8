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

/// The width that text is made for: that of a terminal whose window nobody has widened.
const COLUMNS: usize = 80;

/// Rows under headings, in columns. `none` stands for an empty list.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>], none: &str) -> String {
    listing(headings, rows, &[], none)
}

/// A table with what is too wide for a column on lines of its own below each row, indented.
pub(crate) fn listing(headings: &[&str], rows: &[Vec<String>], below: &[Vec<String>], none: &str) -> String {
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
    let mut push = |row: &[String]| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}", width = *width))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    };
    push(&heading);
    for (index, row) in rows.iter().enumerate() {
        push(row);
        for note in below.get(index).into_iter().flatten() {
            push(&[format!("  {}", wrapped(note, 2))]);
        }
    }
    text
}

/// Text in lines that fit, all but the first of them indented.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    if indent + text.chars().count() <= COLUMNS {
        // Its own spaces, such as those of a column, stay.
        return text.to_owned();
    }
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && indent + used + 1 + length > COLUMNS {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
        }
    }
    lines.join(&format!("\n{:indent$}", ""))
}

/// Names and values, one a line.
pub(crate) fn facts(rows: &[(&str, String)]) -> String {
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{name:<width$}  {}\n", wrapped(value, width + 2)))
        .collect()
}

/// A value of an answer as text: `-` where there is none. `path` goes through objects, such as `/a/b`. Moments are
/// told to the second, in UTC.
pub(crate) fn cell(value: &Value, path: &str) -> String {
    let is_moment = ["_at", "_from", "/timestamp"]
        .iter()
        .any(|end| path.ends_with(end));
    match value.pointer(path) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::String(text)) if is_moment => moment(text),
        Some(Value::String(text)) => one_line(text),
        Some(other) => other.to_string(),
    }
}

/// `2026-01-31 09:30:00`; what is no moment stays as it is.
fn moment(text: &str) -> String {
    text.parse::<jiff::Timestamp>().map_or_else(
        |_| one_line(text),
        |moment| moment.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// A number with the noun for one, or for any other number, of such things.
pub(crate) fn counted(number: impl std::fmt::Display, one: &str, many: &str) -> String {
    let number = number.to_string();
    let noun = if number == "1" { one } else { many };
    format!("{number} {noun}")
}

/// A list within an answer; empty when there is none.
pub(crate) fn list_at<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value
        .pointer(path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The rows of a list, whatever it is called.
pub(crate) fn items(value: &Value) -> &[Value] {
    list_at(value, "/items")
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
    fn what_is_wide_stands_below_its_row_and_keeps_to_the_width() {
        let long = "word ".repeat(30);
        let below = [vec![long.trim().to_owned()]];
        let text = listing(&["A"], &[vec!["a".to_owned()]], &below, "none");
        assert!(text.starts_with("A\na\n  word word"), "{text}");
        assert!(text.lines().count() == 4, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert_eq!(wrapped("   7  figures", 12), "   7  figures");
        let text = facts(&[("name", long.trim().to_owned())]);
        assert!(
            text.lines()
                .nth(1)
                .is_some_and(|line| line.starts_with("      word")),
            "{text}"
        );
    }

    #[test]
    fn one_thing_is_told_in_the_singular() {
        let told = [0, 1, 2, 11].map(|number| counted(number, "order", "orders"));
        assert_eq!(told, ["0 orders", "1 order", "2 orders", "11 orders"]);
    }

    #[test]
    fn moments_are_told_to_the_second() {
        let moment = "2026-01-31T09:30:00.123456Z";
        let value = json!({"created_at": moment, "start_from": moment, "sku": "2026-01-31T09:30:00Z"});
        assert_eq!(cell(&value, "/created_at"), "2026-01-31 09:30:00");
        assert_eq!(cell(&value, "/start_from"), "2026-01-31 09:30:00");
        assert_eq!(cell(&value, "/sku"), "2026-01-31T09:30:00Z");
    }

    #[test]
    fn escape_sequences_from_outside_are_not_printed() {
        assert_eq!(cell(&json!({"a": "\u{1b}[2Jx"}), "/a"), " [2Jx");
    }
}
