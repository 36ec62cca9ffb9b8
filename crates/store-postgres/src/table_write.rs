//! A statement that writes many rows of one table, each column as one list.

use saldo_domain::ids::OrderKey;
use tokio_postgres::types::{ToSql, Type};

use crate::failure::Failure;
use crate::session::Step;
use crate::sql::Typed;

/// A statement with columns of values, and how many rows it must change.
pub(crate) struct Write<'w> {
    sql: &'static str,
    columns: Vec<(Box<dyn ToSql + Sync + Send + 'w>, Type)>,
    rows: Option<usize>,
    what: &'static str,
}

impl<'w> Write<'w> {
    pub(crate) fn new(what: &'static str, sql: &'static str) -> Self {
        Self {
            sql,
            columns: Vec::new(),
            rows: None,
            what,
        }
    }

    /// Each of these rows must be changed, or one of them was not as it was loaded.
    pub(crate) const fn all_of(mut self, rows: usize) -> Self {
        self.rows = Some(rows);
        self
    }

    /// The next column: one value of each row.
    pub(crate) fn column<R: Copy, T>(mut self, rows: &[R], value: impl Fn(R) -> T) -> Self
    where
        Vec<T>: Typed + Send + 'w,
    {
        let values: Vec<T> = rows.iter().copied().map(value).collect();
        self.columns
            .push((Box::new(values), <Vec<T> as Typed>::column_type()));
        self
    }

    /// The same, of values that may not be written.
    pub(crate) fn try_column<R: Copy, T>(
        mut self,
        rows: &[R],
        value: impl Fn(R) -> Result<T, serde_json::Error>,
    ) -> Result<Self, Failure>
    where
        Vec<T>: Typed + Send + 'w,
    {
        let values: Vec<T> = rows.iter().copied().map(value).collect::<Result<_, _>>()?;
        self.columns
            .push((Box::new(values), <Vec<T> as Typed>::column_type()));
        Ok(self)
    }

    pub(crate) fn keys(self, keys: &[&'w OrderKey]) -> Self {
        self.column(keys, |key| key.account.as_uuid())
            .column(keys, |key| key.order.as_str())
    }

    pub(crate) fn step(&self) -> Step<'_> {
        Step {
            sql: self.sql,
            parameters: self
                .columns
                .iter()
                .map(|(value, kind)| (value.as_ref() as &(dyn ToSql + Sync), kind.clone()))
                .collect(),
        }
    }

    /// Whether it changed as many rows as it must.
    pub(crate) fn check(&self, count: u64) -> Result<(), Failure> {
        match self.rows {
            Some(rows) if count != rows as u64 => Err(Failure::Changed(format!(
                "{count} of {rows} rows of {} were as they had been loaded",
                self.what
            ))),
            _ => Ok(()),
        }
    }
}
