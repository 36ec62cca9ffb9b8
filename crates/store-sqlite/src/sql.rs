//! Short ways to run prepared statements and to read columns.

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
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

fn corrupt(row: &Row<'_>, column: usize, why: impl std::fmt::Display) -> Failure {
    let name = row.as_ref().column_name(column).unwrap_or("?");
    Failure::Corrupt(format!("column {name}: {why}"))
}

fn text_of<'r>(row: &'r Row<'_>, column: usize) -> Result<Option<&'r str>, Failure> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        value => value
            .as_str()
            .map(Some)
            .map_err(|error| corrupt(row, column, error)),
    }
}

/// A text that is turned into a checked type.
pub(crate) fn optional_text<T, E: std::fmt::Display>(
    row: &Row<'_>,
    column: usize,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Failure> {
    text_of(row, column)?
        .map(|text| parse(text).map_err(|error| corrupt(row, column, error)))
        .transpose()
}

/// The same for a column that is never empty.
pub(crate) fn text<T, E: std::fmt::Display>(
    row: &Row<'_>,
    column: usize,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, Failure> {
    optional_text(row, column, parse)?.ok_or_else(|| corrupt(row, column, "is empty"))
}

/// A text as it is.
pub(crate) fn string(row: &Row<'_>, column: usize) -> Result<String, Failure> {
    text(row, column, |text| Ok::<_, String>(text.to_owned()))
}

/// A text as it is, where there is one.
pub(crate) fn optional_string(row: &Row<'_>, column: usize) -> Result<Option<String>, Failure> {
    optional_text(row, column, |text| Ok::<_, String>(text.to_owned()))
}

/// JSON; an empty column stands for the default, so that empty lists cost nothing.
pub(crate) fn json<T: DeserializeOwned + Default>(row: &Row<'_>, column: usize) -> Result<T, Failure> {
    Ok(optional_text(row, column, |text| serde_json::from_str(text))?.unwrap_or_default())
}

/// JSON that is always there.
pub(crate) fn required_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, Failure> {
    text(row, column, |text| serde_json::from_str(text))
}

/// JSON of a list, or nothing for an empty one.
pub(crate) fn list_json<T: Serialize>(list: &[T]) -> Result<Option<String>, Failure> {
    if list.is_empty() {
        Ok(None)
    } else {
        to_json(list).map(Some)
    }
}

/// JSON of anything.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::Defect(format!("not to be written as JSON: {error}")))
}

/// A moment, where there is one.
pub(crate) fn optional_moment(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Failure> {
    let microseconds: Option<i64> = row.get(column)?;
    microseconds
        .map(|at| Timestamp::from_microsecond(at).map_err(|error| corrupt(row, column, error)))
        .transpose()
}

/// A moment.
pub(crate) fn moment(row: &Row<'_>, column: usize) -> Result<Timestamp, Failure> {
    optional_moment(row, column)?.ok_or_else(|| corrupt(row, column, "is empty"))
}

/// How a moment is stored.
pub(crate) fn stored(moment: Timestamp) -> i64 {
    moment.as_microsecond()
}

/// How a moment that may be missing is stored.
pub(crate) fn optional_stored(moment: Option<Timestamp>) -> Option<i64> {
    moment.map(stored)
}

/// A UUID, where there is one.
pub(crate) fn optional_id<T>(
    row: &Row<'_>,
    column: usize,
    wrap: fn(Uuid) -> T,
) -> Result<Option<T>, Failure> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        value => {
            let bytes = value.as_blob().map_err(|error| corrupt(row, column, error))?;
            Uuid::from_slice(bytes)
                .map(|uuid| Some(wrap(uuid)))
                .map_err(|error| corrupt(row, column, error))
        }
    }
}

/// A UUID.
pub(crate) fn id<T>(row: &Row<'_>, column: usize, wrap: fn(Uuid) -> T) -> Result<T, Failure> {
    optional_id(row, column, wrap)?.ok_or_else(|| corrupt(row, column, "is empty"))
}

/// A number of a narrower type.
pub(crate) fn number<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> Result<T, Failure> {
    let number: i64 = row.get(column)?;
    T::try_from(number).map_err(|_| corrupt(row, column, "is out of range"))
}
