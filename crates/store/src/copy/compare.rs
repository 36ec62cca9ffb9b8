//! What the rows of a table come to, and whether it is the same on both sides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::row::{Row, Value};
use super::tables::{TABLES, Table};
use crate::query::Violation;

/// What the rows of one table come to, in whatever order they are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// How many there are.
    pub rows: u64,
    /// The sum of the column that is summed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sum: Option<i64>,
    /// How many there are of each value of the column that is counted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub by: BTreeMap<String, u64>,
    /// The sum of a hash of each row, in hexadecimal: another one, or another value in one, changes it.
    pub fingerprint: String,
}

/// A tally that is being made.
#[derive(Debug, Clone, Default)]
struct Counting {
    rows: u64,
    sum: i64,
    by: BTreeMap<String, u64>,
    fingerprint: u128,
}

impl Counting {
    fn add(&mut self, table: &Table, row: &Row, line: &str) {
        self.rows += 1;
        if let Some(Value::Integer(number)) = table.position(table.summed).and_then(|at| row.get(at)) {
            // Nothing real comes near the bounds; beyond them both sides wrap alike.
            self.sum = self.sum.wrapping_add(*number);
        }
        if let Some(Value::Text(word)) = table.position(table.counted_by).and_then(|at| row.get(at)) {
            match self.by.get_mut(word) {
                Some(count) => *count += 1,
                None => {
                    self.by.insert(word.clone(), 1);
                }
            }
        }
        let mut hash = [0; 16];
        hash.copy_from_slice(&Sha256::digest(line.as_bytes())[..16]);
        self.fingerprint = self.fingerprint.wrapping_add(u128::from_be_bytes(hash));
    }

    fn tally(self, table: &Table) -> Tally {
        Tally {
            rows: self.rows,
            sum: table.summed.map(|_| self.sum),
            by: self.by,
            fingerprint: format!("{:032x}", self.fingerprint),
        }
    }
}

/// What all tables come to, by their names.
pub type Totals = BTreeMap<String, Tally>;

/// Totals that are being made.
#[derive(Debug, Default)]
pub(super) struct Tallies(BTreeMap<&'static str, Counting>);

impl Tallies {
    pub(super) fn add(&mut self, table: &'static Table, row: &Row, line: &str) {
        self.0.entry(table.name).or_default().add(table, row, line);
    }

    /// Of every table, empty ones too.
    pub(super) fn totals(self) -> Totals {
        let mut counting = self.0;
        TABLES
            .iter()
            .map(|table| {
                let counted = counting.remove(table.name).unwrap_or_default();
                (table.name.to_owned(), counted.tally(table))
            })
            .collect()
    }
}

/// A table on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Its name.
    pub table: &'static str,
    /// What the source sent.
    pub source: Tally,
    /// What was read back from the target.
    pub target: Tally,
}

/// Both sides of a copy.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Every table.
    pub tables: Vec<Compared>,
    /// Invariants that do not hold on the target.
    pub violations: Vec<Violation>,
}

impl Comparison {
    /// Compares.
    #[must_use]
    pub fn new(source: &Totals, target: &Totals, violations: Vec<Violation>) -> Self {
        let side = |totals: &Totals, name: &str| totals.get(name).cloned().unwrap_or_default();
        let tables = TABLES.iter().map(|table| Compared {
            table: table.name,
            source: side(source, table.name),
            target: side(target, table.name),
        });
        Self {
            tables: tables.collect(),
            violations,
        }
    }

    /// Whether the copy is good: both sides agree, and no invariant is broken.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations.is_empty() && self.tables.iter().all(|table| table.source == table.target)
    }
}
