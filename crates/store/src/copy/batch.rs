//! Rows on their way, some at a time.

use super::compare::{Tallies, Totals};
use super::row::{Row, line_of};
use super::tables::Table;
use super::{CopyError, StoreError};

/// Rows that are sent together.
const ROWS_MAX: usize = 500;

/// Bytes of rows that are sent together, give or take the last row.
const BYTES_MAX: usize = 1024 * 1024;

/// Rows of one table.
#[derive(Debug)]
pub struct Batch {
    /// Their table.
    pub table: &'static Table,
    /// The rows.
    pub rows: Vec<Row>,
}

/// Puts rows together.
#[derive(Debug, Default)]
pub(super) struct Batches {
    waiting: Option<Batch>,
    bytes: usize,
}

impl Batches {
    /// Takes a row of so many bytes, and gives what is to be sent before it, or with it.
    pub(super) fn add(&mut self, table: &'static Table, row: Row, bytes: usize) -> Option<Batch> {
        match &mut self.waiting {
            Some(batch) if batch.table == table => {
                batch.rows.push(row);
                self.bytes += bytes;
                let is_full = batch.rows.len() >= ROWS_MAX || self.bytes >= BYTES_MAX;
                if is_full { self.rest() } else { None }
            }
            _ => {
                let rows = vec![row];
                self.bytes = bytes;
                self.waiting.replace(Batch { table, rows })
            }
        }
    }

    /// What was not sent yet.
    pub(super) fn rest(&mut self) -> Option<Batch> {
        self.waiting.take()
    }
}

/// Puts the rows of a database together, and keeps what they come to.
#[derive(Debug, Default)]
pub struct Collector {
    batches: Batches,
    tallies: Tallies,
}

impl Collector {
    /// Takes a row, and gives what is to be sent now.
    ///
    /// # Errors
    /// When the row cannot be written as a line.
    pub fn add(&mut self, table: &'static Table, row: Row) -> Result<Option<Batch>, CopyError> {
        let line = line_of(table, &row).map_err(|error| StoreError::Defect(error.to_string()))?;
        self.tallies.add(table, &row, &line);
        Ok(self.batches.add(table, row, line.len()))
    }

    /// What was not sent yet, and what all rows came to.
    #[must_use]
    pub fn end(mut self) -> (Option<Batch>, Totals) {
        (self.batches.rest(), self.tallies.totals())
    }
}
