//! Tables of XLSX workbooks, from people whom nobody knows: a small file can be a huge one inside.

use std::io::{Cursor, Read as _};

use anyhow::{Context as _, bail};
use calamine::{DataRef, Reader as _, Xlsx};

use super::sheet::{COLUMNS_MAX, Cell, ROWS_MAX, Row, Sheet};

/// Bytes of all that is in a workbook, unpacked.
const UNPACKED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Files in a workbook.
const ENTRIES_MAX: usize = 10_000;
/// Cells that are looked at.
const CELLS_MAX: usize = 10_000_000;

/// Reads one sheet: the one that is named, or the first.
pub(crate) fn read(bytes: Vec<u8>, sheet: Option<&str>) -> anyhow::Result<Sheet> {
    check_size(&bytes)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).context("this is no XLSX workbook")?;
    let names = book.sheet_names();
    let name = match sheet {
        Some(wanted) => names.iter().find(|name| *name == wanted).with_context(|| {
            format!(
                "there is no sheet {wanted}; the workbook has: {}",
                names.join(", ")
            )
        })?,
        None => names.first().context("the workbook has no sheet")?,
    };
    let note = (sheet.is_none() && names.len() > 1)
        .then(|| format!("The first sheet was read, {name}; --sheet NAME reads another."));
    let mut rows: Vec<Row> = Vec::new();
    let mut cells = book
        .worksheet_cells_reader(name)
        .with_context(|| format!("the sheet {name} cannot be read"))?;
    let mut seen = 0_usize;
    while let Some(cell) = cells
        .next_cell()
        .with_context(|| format!("the sheet {name} cannot be read to its end"))?
    {
        let (row, column) = cell.get_position();
        seen += 1;
        if seen > CELLS_MAX {
            bail!("the sheet {name} has more than {CELLS_MAX} cells, which no stock list has");
        }
        let (number, column) = (u64::from(row) + 1, column as usize);
        let value = read_cell(cell.get_value());
        if column >= COLUMNS_MAX || value == Cell::Empty {
            continue;
        }
        if rows.last().is_none_or(|last| last.number != number) {
            if rows.len() >= ROWS_MAX {
                bail!("there are more than {ROWS_MAX} rows: bring them in several files");
            }
            rows.push(Row {
                number,
                cells: Vec::new(),
            });
        }
        if let Some(last) = rows.last_mut() {
            if last.cells.len() <= column {
                last.cells.resize(column + 1, Cell::Empty);
            }
            last.cells[column] = value;
        }
    }
    rows.sort_by_key(|row| row.number);
    Ok(Sheet { rows, note })
}

fn read_cell(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::String(text) => Cell::text(text),
        DataRef::SharedString(text) => Cell::text(text),
        DataRef::Bool(_) => Cell::Other("is true or false: format the column as text and type it again"),
        DataRef::DateTime(_) | DataRef::DateTimeIso(_) | DataRef::DurationIso(_) => {
            Cell::Other("was made a date by the spreadsheet: format the column as text and type it again")
        }
        DataRef::Error(_) => Cell::Other("is an error of a formula: mend the formula, or type the value"),
    }
}

/// Unpacks everything once, to nowhere: what the file says of its own size cannot be believed.
fn check_size(bytes: &[u8]) -> anyhow::Result<()> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).context("this is no XLSX workbook")?;
    if archive.len() > ENTRIES_MAX {
        bail!(
            "the workbook holds {} files, which no stock list does",
            archive.len()
        );
    }
    let mut left = UNPACKED_BYTES_MAX;
    for index in 0..archive.len() {
        let entry = archive
            .by_index(index)
            .context("the workbook is damaged, or has a password")?;
        let unpacked = std::io::copy(&mut entry.take(left + 1), &mut std::io::sink())
            .context("the workbook is damaged")?;
        if unpacked > left {
            bail!(
                "the workbook is larger than {} MiB inside: save the sheet as CSV",
                UNPACKED_BYTES_MAX / 1024 / 1024
            );
        }
        left -= unpacked;
    }
    Ok(())
}
