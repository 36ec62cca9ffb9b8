//! A table as a file holds it: rows of cells, before anything is known of their meaning.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::{columns, delimited, workbook};

/// Bytes of a file. A hundred thousand lines need a tenth of it.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Rows that are read, with the heading and empty ones.
pub(crate) const ROWS_MAX: usize = 250_000;
/// Columns that are looked at.
pub(crate) const COLUMNS_MAX: usize = 256;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Nothing, or blanks.
    Empty,
    /// Text, trimmed.
    Text(String),
    /// A number, as spreadsheets keep it.
    Number(f64),
    /// What is neither; with the reason, for the person.
    Other(&'static str),
}

impl Cell {
    pub(crate) fn text(text: &str) -> Self {
        // Spreadsheets are made to keep zeros in front by writing ="00123".
        let bare = text.trim();
        let bare = bare
            .strip_prefix("=\"")
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or(bare);
        if bare.is_empty() {
            Self::Empty
        } else {
            Self::Text(bare.to_owned())
        }
    }
}

/// One row, and where it stands in the file, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) number: u64,
    pub(crate) cells: Vec<Cell>,
}

/// A table. Its first row that is not empty is the heading.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Sheet {
    pub(crate) rows: Vec<Row>,
    /// Something about the file that the person should know.
    pub(crate) note: Option<String>,
}

/// What the person says about a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hints {
    /// The encoding of a text file.
    pub(crate) encoding: Option<String>,
    /// The sheet of a workbook.
    pub(crate) sheet: Option<String>,
}

/// Reads a CSV file or a workbook; which of them it is, its first bytes tell.
///
/// # Errors
/// When it cannot be read, or is larger than anything that would be imported.
pub(crate) fn read(path: &Path, hints: &Hints) -> anyhow::Result<Sheet> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        bail!(
            "the file is larger than {} MiB, which no stock list is",
            FILE_BYTES_MAX / 1024 / 1024
        );
    }
    if bytes.starts_with(b"PK") {
        return workbook::read(bytes, hints.sheet.as_deref());
    }
    if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        bail!("this is a workbook of an old kind, or one with a password: save it as XLSX or CSV");
    }
    let text = super::encoding::decode(&bytes, hints.encoding.as_deref())?;
    delimited::read(&text, columns::are_named).context("the table cannot be read")
}
