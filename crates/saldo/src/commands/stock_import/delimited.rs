//! Tables as text: values between commas, semicolons or tabs.

use anyhow::bail;

use super::sheet::{COLUMNS_MAX, Cell, ROWS_MAX, Row, Sheet};

/// What may stand between values, the likelier first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Reads a table. The delimiter is the one under which the heading makes sense; where none does, the one that makes
/// the most of the heading, so that what is wrong with it can be told.
pub(crate) fn read(text: &str, makes_sense: impl Fn(&[Cell]) -> bool) -> anyhow::Result<Sheet> {
    let (text, skipped, said) = without_delimiter_line(text);
    let heading = |delimiter| -> Vec<Cell> {
        records(text, delimiter)
            .next()
            .and_then(Result::ok)
            .map_or_else(Vec::new, |record| cells(&record))
    };
    let delimiter = said
        .or_else(|| {
            DELIMITERS
                .into_iter()
                .find(|delimiter| makes_sense(&heading(*delimiter)))
        })
        .or_else(|| {
            DELIMITERS
                .into_iter()
                .max_by_key(|delimiter| heading(*delimiter).len())
        })
        .unwrap_or(b',');
    let mut rows = Vec::new();
    for record in records(text, delimiter) {
        let record = record?;
        let line = record.position().map_or(0, |position| line_of(text, position));
        if rows.len() >= ROWS_MAX {
            bail!("there are more than {ROWS_MAX} rows: bring them in several files");
        }
        rows.push(Row {
            number: line + skipped,
            cells: cells(&record),
        });
    }
    Ok(Sheet { rows, note: None })
}

/// Spreadsheets begin a file with `sep=;` to say its delimiter.
fn without_delimiter_line(text: &str) -> (&str, u64, Option<u8>) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    match first.trim_end().trim_matches('"').strip_prefix("sep=") {
        Some(delimiter) if delimiter.len() == 1 => (rest, 1, Some(delimiter.as_bytes()[0])),
        _ => (text, 0, None),
    }
}

/// Where a record stands. Its position is that before the empty lines which the reader has passed over.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let begin = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let before = text.get(begin..).unwrap_or_default().bytes();
    let empty = before
        .take_while(|byte| matches!(byte, b'\n' | b'\r'))
        .filter(|byte| *byte == b'\n');
    position.line() + empty.count() as u64
}

fn records(text: &str, delimiter: u8) -> impl Iterator<Item = csv::Result<csv::StringRecord>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes())
        .into_records()
}

fn cells(record: &csv::StringRecord) -> Vec<Cell> {
    record.iter().take(COLUMNS_MAX).map(Cell::text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sheet: &Sheet) -> Vec<(u64, Vec<Cell>)> {
        sheet
            .rows
            .iter()
            .map(|row| (row.number, row.cells.clone()))
            .collect()
    }

    #[test]
    fn the_delimiter_is_the_one_under_which_the_heading_makes_sense() {
        let two = |cells: &[Cell]| cells.len() == 2;
        for text in [
            "a,b\n1,2\n",
            "a;b\n1;2\n",
            "a\tb\r\n1\t2\r\n",
            "sep=|\na|b\n1|2\n",
        ] {
            let sheet = read(text, two).unwrap();
            assert_eq!(
                sheet.rows[0].cells,
                [Cell::text("a"), Cell::text("b")],
                "{text:?}"
            );
            assert_eq!(
                sheet.rows[1].cells,
                [Cell::text("1"), Cell::text("2")],
                "{text:?}"
            );
        }
        let sheet = read("sku;ilość, szt.\nA;1\n", super::super::columns::are_named).unwrap();
        assert_eq!(sheet.rows[0].cells[0], Cell::text("sku"));
    }

    #[test]
    fn rows_keep_their_place_and_quotes_are_taken_off() {
        let sheet = read(
            "sep=,\na,b\n\n\"x,\"\"y\",\" 2 \"\n\"=\"\"007\"\"\",3,4\n",
            |_| true,
        )
        .unwrap();
        let text = |of: &[&str]| of.iter().map(|text| Cell::text(text)).collect::<Vec<_>>();
        assert_eq!(
            texts(&sheet),
            [
                (2, text(&["a", "b"])),
                (4, text(&["x,\"y", "2"])),
                (5, text(&["007", "3", "4"])),
            ]
        );
    }
}
