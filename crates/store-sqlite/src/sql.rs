//! Short ways to run prepared statements and to read columns.

use std::fmt::Display;

use rusqlite::{Connection, Params, Row};
use saldo_domain::ids::OperationId;
use saldo_store::cells::Cells;
pub(crate) use saldo_store::cells::{
    id, json, list_json, moment, number, optional_moment, optional_stored, optional_text, required_json,
    stored, string, text,
};
pub(crate) use serde_json::to_string as to_json;
use uuid::Uuid;

use crate::failure::Failure;

/// The first row of a question, where there is one.
pub(crate) fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    #[cfg(test)]
    crate::plans::note(sql);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    rows.next()?.map(read).transpose()
}

/// All rows of a question. The question bounds them.
pub(crate) fn many<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    #[cfg(test)]
    crate::plans::note(sql);
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// Runs a statement and says how many rows it changed.
pub(crate) fn run(connection: &Connection, sql: &str, parameters: impl Params) -> Result<usize, Failure> {
    #[cfg(test)]
    crate::plans::note(sql);
    Ok(connection.prepare_cached(sql)?.execute(parameters)?)
}

/// Runs a statement that must change exactly one row: it names the row as it was loaded.
pub(crate) fn run_on_one(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    what: impl Fn() -> String,
) -> Result<(), Failure> {
    match run(connection, sql, parameters)? {
        1 => Ok(()),
        count => Err(Failure::Defect(format!(
            "{}: {count} rows were changed instead of one",
            what()
        ))),
    }
}

impl Cells<Failure> for Row<'_> {
    fn unreadable(&self, column: usize, why: &dyn Display) -> Failure {
        let name = self.as_ref().column_name(column).unwrap_or("?");
        Failure::Corrupt(format!("column {name}: {why}"))
    }

    fn text(&self, column: usize) -> Result<Option<&str>, Failure> {
        self.get_ref(column)?
            .as_str_or_null()
            .map_err(|why| self.unreadable(column, &why))
    }

    fn integer(&self, column: usize) -> Result<Option<i64>, Failure> {
        self.get_ref(column)?
            .as_i64_or_null()
            .map_err(|why| self.unreadable(column, &why))
    }

    fn flag(&self, column: usize) -> Result<Option<bool>, Failure> {
        Ok(self.integer(column)?.map(|number| number != 0))
    }

    fn uuid(&self, column: usize) -> Result<Option<Uuid>, Failure> {
        let bytes = self.get_ref(column)?.as_blob_or_null();
        bytes
            .map_err(|why| self.unreadable(column, &why))?
            .map(|bytes| Uuid::from_slice(bytes).map_err(|why| self.unreadable(column, &why)))
            .transpose()
    }
}

/// The ids of an order's operations, in the order of recording, one after another in a blob.
pub(crate) fn operation_ids(row: &Row<'_>, column: usize) -> Result<Vec<OperationId>, Failure> {
    let bytes = row.get_ref(column)?.as_blob();
    bytes
        .map_err(|why| row.unreadable(column, &why))?
        .chunks(16)
        .map(|id| {
            Uuid::from_slice(id)
                .map(OperationId::new)
                .map_err(|why| row.unreadable(column, &why))
        })
        .collect()
}

/// A limit on rows, as the database takes it.
pub(crate) fn row_limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
