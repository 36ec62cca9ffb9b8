//! One long table: a figure a line, with stable words, so that it reads the same in every language but its labels.

use csv::{QuoteStyle, Terminator, WriterBuilder};
use saldo_domain::report::Report;

use crate::RenderError;
use crate::cell::Cell;
use crate::content::{Row, Table, tables};
use crate::words::{Language, words};

const HEADINGS: [&str; 7] = ["section", "item", "of", "measure", "value", "unit", "label"];

/// The table, by RFC 4180.
pub(crate) fn table(report: &Report, language: Language) -> Result<Vec<u8>, RenderError> {
    let words = words(language);
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .quote_style(QuoteStyle::Necessary)
        .from_writer(Vec::new());
    writer.write_record(HEADINGS)?;
    for (name, value) in head(report) {
        writer.write_record(["report", name, "", name, &harmless(&value), "text", ""])?;
    }
    for table in &tables(report, words) {
        for row in &table.rows {
            // The second cell of some rows names them, too: the warehouse of a SKU.
            let of = match row.cells.get(1) {
                Some(Cell::Foreign(text)) => harmless(text),
                _ => String::new(),
            };
            for (column, cell) in table.columns.iter().zip(&row.cells).skip(1) {
                let Some((value, unit)) = figure(cell) else {
                    continue;
                };
                let (item, label) = (harmless(&row.key), label(table, row, &column.title));
                let measure = column.key.replace('-', "_");
                writer.write_record([table.key, &item, &of, &measure, &value, unit, &harmless(&label)])?;
            }
        }
    }
    writer
        .into_inner()
        .map_err(|error| RenderError::Csv(error.into_error().into()))
}

fn head(report: &Report) -> Vec<(&'static str, String)> {
    let head = &report.head;
    let account = head.account.map(|account| account.to_string());
    vec![
        ("id", head.id.to_string()),
        ("from", head.period.from().to_string()),
        ("to", head.period.to().to_string()),
        ("made_at", head.made_at.to_string()),
        ("made_by", head.made_by.clone()),
        ("token_id", account.unwrap_or_default()),
        ("account_name", head.account_name.clone().unwrap_or_default()),
    ]
}

/// The line in words.
fn label(table: &Table, row: &Row, column: &str) -> String {
    let name = match row.cells.first() {
        Some(Cell::Word(text) | Cell::Foreign(text)) => text.as_str(),
        _ => row.key.as_str(),
    };
    format!("{}: {name}, {column}", table.title)
}

/// A figure as machines read it; none of what is no figure.
fn figure(cell: &Cell) -> Option<(String, &'static str)> {
    match cell {
        Cell::Count(count) => Some((count.to_string(), "count")),
        Cell::Rate(Some(rate)) => Some((rate.to_string(), "ratio")),
        Cell::Time(Some(milliseconds)) => {
            let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
            Some((format!("{seconds}.{rest:03}"), "seconds"))
        }
        _ => None,
    }
}

/// Text that no spreadsheet takes for a formula: a quote stands before what would be one.
fn harmless(text: &str) -> String {
    let begins = |first: char| matches!(first, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '|' | '%');
    if text.trim_start().chars().next().is_some_and(begins) || text.starts_with(begins) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_made_harmless() {
        for bad in [
            "=cmd()", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "|calc", "%0A",
        ] {
            assert_eq!(harmless(bad), format!("'{bad}"));
        }
        for good in ["KUB-330", "Ирина", "", "a=b", "1-2"] {
            assert_eq!(harmless(good), good);
        }
    }
}
