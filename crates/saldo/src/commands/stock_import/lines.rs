//! From cells to counted lines: everything that is wrong is told, with its row and column.

use std::collections::HashMap;

use saldo_domain::limits::{IMPORT_LINES_MAX, QUANTITY_MAX};
use saldo_domain::text::{Sku, Warehouse};
use serde_json::{Value, json};

use super::columns::{self, Columns, shown};
use super::sheet::{Cell, Row, Sheet};

/// Digits that a spreadsheet keeps of a number; of a longer one it makes zeros.
const DIGITS_KEPT: f64 = 1e15;

/// One counted line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it stands in the file.
    pub(crate) row: u64,
    pub(crate) sku: Sku,
    /// The default one when not given.
    pub(crate) warehouse: Option<Warehouse>,
    pub(crate) counted: i64,
}

impl Line {
    /// As the API takes it.
    pub(crate) fn json(&self) -> Value {
        let mut line = json!({ "sku": self.sku, "counted": self.counted });
        if let Some(warehouse) = &self.warehouse {
            line["warehouse"] = json!(warehouse);
        }
        line
    }
}

/// Something that is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The row; none when it is about the file.
    pub(crate) row: Option<u64>,
    /// The heading of the column.
    pub(crate) column: Option<String>,
    pub(crate) message: String,
}

impl Mistake {
    fn of_file(message: impl Into<String>) -> Self {
        Self {
            row: None,
            column: None,
            message: message.into(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "row": self.row, "column": self.column, "message": self.message })
    }
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.row, &self.column) {
            (Some(row), Some(column)) => write!(formatter, "row {row}, {column}: {}", self.message),
            (Some(row), None) => write!(formatter, "row {row}: {}", self.message),
            _ => formatter.write_str(&self.message),
        }
    }
}

/// Reads the lines of a table, or all that is wrong with it.
pub(crate) fn read(sheet: &Sheet, default: Option<&Warehouse>) -> Result<Vec<Line>, Vec<Mistake>> {
    let Some(heading) = columns::heading(sheet) else {
        return Err(vec![Mistake::of_file("the file is empty")]);
    };
    let columns = columns::find(&sheet.rows[heading].cells).map_err(|message| {
        vec![Mistake {
            row: Some(sheet.rows[heading].number),
            column: None,
            message,
        }]
    })?;
    let mut reader = Reader {
        heading: &sheet.rows[heading],
        columns,
        mistakes: Vec::new(),
    };
    let mut lines = Vec::new();
    let mut seen: HashMap<(Sku, Option<Warehouse>), u64> = HashMap::new();
    for row in &sheet.rows[heading + 1..] {
        let Some(mut line) = reader.line(row) else {
            continue;
        };
        line.warehouse = line.warehouse.or_else(|| default.cloned());
        match seen.entry((line.sku.clone(), line.warehouse.clone())) {
            std::collections::hash_map::Entry::Occupied(first) => {
                let message = format!("{} stands in row {} already", line.sku, first.get());
                reader.mistake(row, columns.sku, message);
            }
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(line.row);
            }
        }
        lines.push(line);
    }
    let mut mistakes = reader.mistakes;
    if lines.is_empty() && mistakes.is_empty() {
        mistakes.push(Mistake::of_file("there is no row below the heading"));
    }
    if lines.len() > IMPORT_LINES_MAX {
        mistakes.push(Mistake::of_file(format!(
            "there are {} lines, and one import has at most {IMPORT_LINES_MAX}: bring them in several files",
            lines.len()
        )));
    }
    if mistakes.is_empty() {
        Ok(lines)
    } else {
        Err(mistakes)
    }
}

struct Reader<'s> {
    heading: &'s Row,
    columns: Columns,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    /// One row; none when it is empty, or something is wrong with it.
    fn line(&mut self, row: &Row) -> Option<Line> {
        if row.cells.iter().all(|cell| *cell == Cell::Empty) {
            return None;
        }
        let width = self.heading.cells.len();
        if row.cells.len() > width && row.cells[width..].iter().any(|cell| *cell != Cell::Empty) {
            let message = "has more cells than the heading: is a delimiter within a value, without quotes?";
            self.mistakes.push(Mistake {
                row: Some(row.number),
                column: None,
                message: message.to_owned(),
            });
            return None;
        }
        let sku = self.read(row, self.columns.sku, sku);
        let warehouse = match self.columns.warehouse {
            Some(column) if cell(row, column) != &Cell::Empty => Some(self.read(row, column, warehouse)),
            _ => None,
        };
        let counted = self.read(row, self.columns.quantity, counted);
        if warehouse == Some(None) {
            return None;
        }
        Some(Line {
            row: row.number,
            sku: sku?,
            warehouse: warehouse.flatten(),
            counted: counted?,
        })
    }

    fn read<T>(&mut self, row: &Row, column: usize, read: impl Fn(&Cell) -> Result<T, String>) -> Option<T> {
        read(cell(row, column))
            .map_err(|message| self.mistake(row, column, message))
            .ok()
    }

    fn mistake(&mut self, row: &Row, column: usize, message: String) {
        self.mistakes.push(Mistake {
            row: Some(row.number),
            column: Some(shown(&self.heading.cells[column])),
            message,
        });
    }
}

fn cell(row: &Row, column: usize) -> &Cell {
    row.cells.get(column).unwrap_or(&Cell::Empty)
}

fn sku(cell: &Cell) -> Result<Sku, String> {
    Sku::parse(&name(cell)?).map_err(|error| error.0)
}

fn warehouse(cell: &Cell) -> Result<Warehouse, String> {
    Warehouse::parse(&name(cell)?).map_err(|error| error.0)
}

/// A name. Where a spreadsheet took it for a number, the number must be what was typed.
fn name(cell: &Cell) -> Result<String, String> {
    match cell {
        Cell::Empty => Err("is missing".to_owned()),
        Cell::Text(text) if text.starts_with('=') => Err(formula()),
        Cell::Text(text) => Ok(text.clone()),
        Cell::Number(number) if number.fract() == 0.0 && (0.0..DIGITS_KEPT).contains(number) => {
            Ok(format!("{number:.0}"))
        }
        Cell::Number(number) => Err(format!(
            "is the number {number}, of which the spreadsheet may have lost digits: format the column as text and \
             type it again"
        )),
        Cell::Other(message) => Err((*message).to_owned()),
    }
}

fn counted(cell: &Cell) -> Result<i64, String> {
    match cell {
        Cell::Empty => Err("is missing".to_owned()),
        Cell::Text(text) if text.starts_with('=') => Err(formula()),
        Cell::Text(text) => in_range(whole(text)?),
        Cell::Number(number) if number.fract() != 0.0 => Err(format!("must be a whole number, not {number}")),
        // What is far out of range is so after the cast, too.
        Cell::Number(number) => in_range(*number as i64),
        Cell::Other(message) => Err((*message).to_owned()),
    }
}

fn formula() -> String {
    "is a formula: save the table with the values instead".to_owned()
}

fn in_range(counted: i64) -> Result<i64, String> {
    if (0..=QUANTITY_MAX).contains(&counted) {
        Ok(counted)
    } else {
        Err(format!("must be from 0 to {QUANTITY_MAX}, not {counted}"))
    }
}

/// A whole number as people write it: with blanks between thousands, or a fraction of nothing but zeros.
fn whole(text: &str) -> Result<i64, String> {
    let not_whole = || {
        let text = saldo_domain::text::one_line(text, 40);
        format!("must be a whole number, not {text:?}")
    };
    let (sign, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (units, fraction) = match digits.split_once(['.', ',']) {
        Some((_, fraction)) if fraction.len() == 3 => {
            let text = saldo_domain::text::one_line(text, 40);
            return Err(format!(
                "{text:?} can be read in two ways: write the number without a sign between thousands"
            ));
        }
        Some((units, fraction)) => (units, fraction),
        None => (digits, "0"),
    };
    if fraction.is_empty() || !fraction.bytes().all(|digit| digit == b'0') {
        return Err(not_whole());
    }
    let groups: Vec<&str> = units.split([' ', '\u{a0}', '\u{202f}', '\'']).collect();
    let grouped = groups.iter().skip(1).all(|group| group.len() == 3) && groups[0].len() <= 3;
    let all: String = groups.concat();
    let is_number = !all.is_empty() && all.len() <= 12 && all.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || groups.len() > 1 && !grouped {
        return Err(not_whole());
    }
    all.parse::<i64>()
        .map(|units| sign * units)
        .map_err(|_| not_whole())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(rows: &[&[&str]]) -> Sheet {
        let row = |(index, cells): (usize, &&[&str])| Row {
            number: index as u64 + 1,
            cells: cells.iter().map(|text| Cell::text(text)).collect(),
        };
        Sheet {
            rows: rows.iter().enumerate().map(row).collect(),
            note: None,
        }
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, number) in [
            ("0", 0),
            ("12", 12),
            ("007", 7),
            ("1 200", 1_200),
            ("1\u{a0}000\u{a0}000", 1_000_000),
            ("12,00", 12),
            ("12.0", 12),
        ] {
            assert_eq!(counted(&Cell::text(text)), Ok(number), "{text}");
        }
        for text in [
            "-1",
            "1.5",
            "1,5",
            "1,200",
            "1.200",
            "1 20",
            "12 0000",
            "1e3",
            "many",
            "1000001",
            "+5",
            "0x10",
            "1.",
            "99999999999999",
            "=1+1",
            "1 200 00",
        ] {
            assert!(counted(&Cell::text(text)).is_err(), "{text}");
        }
        assert_eq!(counted(&Cell::Number(3.0)), Ok(3));
        for number in [3.5, -1.0, 1e9, f64::NAN, f64::INFINITY] {
            assert!(counted(&Cell::Number(number)).is_err(), "{number}");
        }
    }

    #[test]
    fn a_sku_that_became_a_number_is_taken_only_when_nothing_was_lost() {
        assert_eq!(name(&Cell::Number(5_901_234_123_457.0)).unwrap(), "5901234123457");
        for number in [1.1, 1e15, -3.0] {
            assert!(name(&Cell::Number(number)).is_err(), "{number}");
        }
        assert!(name(&Cell::Other("was made a date")).is_err());
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_row_and_column() {
        let mistakes = read(
            &sheet(&[
                &["SKU", "Magazyn", "Ilość"],
                &["A", "", "1"],
                &["", "x", "many"],
                &["", "", ""],
                &["A", "", "2"],
                &["B", "a\u{0}b", "3"],
                &["C", "", "1", "2"],
            ]),
            None,
        )
        .unwrap_err();
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "row 3, SKU: is missing",
                "row 3, Ilość: must be a whole number, not \"many\"",
                "row 5, SKU: A stands in row 2 already",
                "row 6, Magazyn: a warehouse must not contain control characters",
                "row 7: has more cells than the heading: is a delimiter within a value, without quotes?",
            ]
        );
    }

    #[test]
    fn rows_without_a_warehouse_are_for_the_one_that_was_named() {
        let shop = Warehouse::parse("Shop").unwrap();
        let table = sheet(&[
            &["sku", "warehouse", "quantity"],
            &["A", "", "1"],
            &["A", "Home", "2"],
        ]);
        let lines = read(&table, Some(&shop)).unwrap();
        assert_eq!(lines[0].warehouse.as_ref(), Some(&shop));
        assert_eq!(
            lines[1].json(),
            json!({"sku": "A", "warehouse": "Home", "counted": 2})
        );
        let clash = sheet(&[
            &["sku", "warehouse", "quantity"],
            &["A", "", "1"],
            &["A", "Shop", "2"],
        ]);
        assert_eq!(read(&clash, Some(&shop)).unwrap_err().len(), 1);
    }

    #[test]
    fn a_file_without_rows_is_told() {
        assert_eq!(
            read(&Sheet::default(), None).unwrap_err()[0].message,
            "the file is empty"
        );
        assert!(read(&sheet(&[&["sku", "quantity"]]), None).is_err());
        assert!(
            read(&sheet(&[&["A", "1"]]), None).unwrap_err()[0]
                .message
                .contains("heading")
        );
    }
}
