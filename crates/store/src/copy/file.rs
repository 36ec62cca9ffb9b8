//! A copy in a file: lines of JSON, the same whatever database they come from.
//!
//! The first line says what it is and names the tables with their columns, one line follows for each row, and the
//! last one tells what the rows come to, how many lines there are, and a checksum of all of them. So a file that was
//! cut short or changed is noticed. A database of another version has other columns, and is refused.

use std::io::{BufRead, Read, Write};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::batch::Batches;
use super::compare::Totals;
use super::row::{line_of, row_of};
use super::tables::{TABLES, Table};
use super::{CopyError, Part, PartSender, Parts, Progress, StoreError};

/// The version of the format.
const FORMAT: u32 = 1;

/// The longest line that is read. An order, an answer or a report is far below it.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Where a copy comes from, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The version of the program that wrote it.
    pub saldo: String,
    /// The kind of the database.
    pub database: String,
    /// When it was begun.
    pub made_at: Timestamp,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    saldo_export: u32,
    origin: Origin,
    rows: u64,
    tables: Vec<Heading>,
}

/// A table with its columns.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Heading {
    name: String,
    columns: Vec<String>,
}

/// The last line.
#[derive(Serialize, Deserialize)]
struct Foot {
    saldo_export_end: u32,
    tables: Totals,
    lines: u64,
    sha256: String,
}

fn headings() -> Vec<Heading> {
    let heading = |table: &Table| Heading {
        name: table.name.to_owned(),
        columns: table
            .columns
            .iter()
            .map(|column| column.name.to_owned())
            .collect(),
    };
    TABLES.iter().map(heading).collect()
}

/// Counts lines, and hashes them with their ends.
#[derive(Default)]
struct Sum {
    lines: u64,
    hash: Sha256,
}

impl Sum {
    fn add(&mut self, line: &[u8]) {
        self.lines += 1;
        self.hash.update(line);
        self.hash.update(b"\n");
    }

    fn sha256(&self) -> String {
        let digest = self.hash.clone().finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

struct Lines<'w> {
    out: &'w mut dyn Write,
    sum: Sum,
}

impl Lines<'_> {
    fn write(&mut self, line: &str) -> Result<(), CopyError> {
        self.out.write_all(line.as_bytes())?;
        self.out.write_all(b"\n")?;
        self.sum.add(line.as_bytes());
        Ok(())
    }
}

fn json<T: Serialize>(value: &T) -> Result<String, CopyError> {
    serde_json::to_string(value).map_err(|error| StoreError::Defect(error.to_string()).into())
}

/// Writes what a source sends. Blocks while the source, or the one that reads, is slow. Says what it came to.
///
/// # Errors
/// When the source cannot go on, or nothing can be written. What was written until then is no copy: it has no end.
pub fn write(
    mut parts: Parts,
    out: &mut dyn Write,
    origin: &Origin,
    mut watch: impl FnMut(Progress),
) -> Result<Totals, CopyError> {
    let mut lines = Lines {
        out,
        sum: Sum::default(),
    };
    let mut copied = 0;
    while let Some(part) = parts.blocking_recv() {
        match part? {
            Part::Begin { rows } => {
                watch(Progress::Begun { rows });
                lines.write(&json(&Head {
                    saldo_export: FORMAT,
                    origin: origin.clone(),
                    rows,
                    tables: headings(),
                })?)?;
            }
            Part::Rows(batch) => {
                for row in &batch.rows {
                    let line = line_of(batch.table, row);
                    lines.write(&line.map_err(|error| StoreError::Defect(error.to_string()))?)?;
                }
                copied += batch.rows.len() as u64;
                watch(Progress::Copied { rows: copied });
            }
            Part::End(totals) => {
                let foot = Foot {
                    saldo_export_end: FORMAT,
                    tables: totals.clone(),
                    lines: lines.sum.lines,
                    sha256: lines.sum.sha256(),
                };
                writeln!(lines.out, "{}", json(&foot)?)?;
                lines.out.flush()?;
                return Ok(totals);
            }
        }
    }
    Err(CopyError::GivenUp)
}

/// Reads a copy, and sends it as its source did; the end is only sent when the checksum is right. What is wrong is
/// sent, too. Blocks while the one that takes it is slow.
pub fn read(input: &mut dyn BufRead, sender: &PartSender) {
    if let Err(error) = read_all(input, sender) {
        // Whoever is gone need not be told.
        let _ = sender.blocking_send(Err(error));
    }
}

/// One line without its end; none at the end of the input.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<bool, CopyError> {
    line.clear();
    input.take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(false);
    }
    if line.pop() != Some(b'\n') {
        let why = if line.len() as u64 + 1 >= LINE_BYTES_MAX {
            "a line is too long"
        } else {
            "it ends in the middle of a line: it was cut short; make it again"
        };
        return Err(CopyError::File(why.to_owned()));
    }
    Ok(true)
}

fn head_of(line: &[u8]) -> Result<Head, CopyError> {
    let head: Head = serde_json::from_slice(line)
        .map_err(|error| CopyError::File(format!("it was not made by saldo export ({error})")))?;
    if head.saldo_export != FORMAT {
        return Err(CopyError::File(format!(
            "it has format {}, and this program reads format {FORMAT}; use the saldo that made it ({})",
            head.saldo_export, head.origin.saldo
        )));
    }
    if head.tables != headings() {
        return Err(CopyError::File(format!(
            "its tables are those of another version ({}, and this is another one); import it with the saldo that \
             made it, and let a newer one bring the new database up to date",
            head.origin.saldo
        )));
    }
    Ok(head)
}

fn read_all(input: &mut dyn BufRead, sender: &PartSender) -> Result<(), CopyError> {
    let mut line = Vec::new();
    if !next_line(input, &mut line)? {
        return Err(CopyError::File("it is empty".to_owned()));
    }
    let head = head_of(&line)?;
    let mut sum = Sum::default();
    sum.add(&line);
    send(sender, Part::Begin { rows: head.rows })?;
    let mut batches = Batches::default();
    while next_line(input, &mut line)? {
        if line.first() != Some(&b'[') {
            if let Some(batch) = batches.rest() {
                send(sender, Part::Rows(batch))?;
            }
            let totals = end_of(&line, &sum)?;
            if next_line(input, &mut line)? {
                return Err(CopyError::File("something follows its end".to_owned()));
            }
            return send(sender, Part::End(totals));
        }
        sum.add(&line);
        let (table, row) =
            row_of(&line).map_err(|why| CopyError::File(format!("line {}: {why}", sum.lines)))?;
        if let Some(batch) = batches.add(table, row, line.len()) {
            send(sender, Part::Rows(batch))?;
        }
    }
    Err(CopyError::File(
        "its end is missing: it was cut short, or the export did not finish; make it again".to_owned(),
    ))
}

fn end_of(line: &[u8], sum: &Sum) -> Result<Totals, CopyError> {
    let foot: Foot = serde_json::from_slice(line).map_err(|error| {
        let number = sum.lines + 1;
        CopyError::File(format!("line {number} is neither a row nor the end: {error}"))
    })?;
    if foot.saldo_export_end != FORMAT || foot.lines != sum.lines || foot.sha256 != sum.sha256() {
        return Err(CopyError::File(
            "its checksum is wrong: it was changed after it was made; make it again".to_owned(),
        ));
    }
    Ok(foot.tables)
}

fn send(sender: &PartSender, part: Part) -> Result<(), CopyError> {
    sender.blocking_send(Ok(part)).map_err(|_| CopyError::GivenUp)
}
