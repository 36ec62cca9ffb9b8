//! Values and columns.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};
use uuid::Uuid;

use crate::failure::Failure;
use crate::session::Parameter;

/// A Rust type with the type of the column that takes it.
pub(crate) trait Typed: ToSql + Sync {
    /// That type.
    fn column_type() -> Type;
}

macro_rules! typed {
    ($($rust:ty => $column:ident),+ $(,)?) => {
        $(impl Typed for $rust {
            fn column_type() -> Type {
                Type::$column
            }
        })+
    };
}

typed! {
    Uuid => UUID, Option<Uuid> => UUID, Vec<Uuid> => UUID_ARRAY, Vec<Option<Uuid>> => UUID_ARRAY,
    &str => TEXT, Option<&str> => TEXT, String => TEXT, Option<String> => TEXT,
    Vec<&str> => TEXT_ARRAY, Vec<Option<&str>> => TEXT_ARRAY,
    Vec<String> => TEXT_ARRAY, Vec<Option<String>> => TEXT_ARRAY,
    i64 => INT8, Option<i64> => INT8, Vec<i64> => INT8_ARRAY, Vec<Option<i64>> => INT8_ARRAY,
    bool => BOOL, Option<bool> => BOOL, Vec<bool> => BOOL_ARRAY, Vec<Option<bool>> => BOOL_ARRAY,
}

/// A value as a parameter.
pub(crate) fn typed<T: Typed>(value: &T) -> Parameter<'_> {
    (value, T::column_type())
}

macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::typed(&$value)),*][..]
    };
}
pub(crate) use values;

fn corrupt(row: &Row, column: usize, why: impl std::fmt::Display) -> Failure {
    let name = row.columns().get(column).map_or("?", |column| column.name());
    Failure::Corrupt(format!("column {name}: {why}"))
}

/// A column as it is.
pub(crate) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, Failure> {
    row.try_get(column).map_err(|error| corrupt(row, column, error))
}

/// A text that is turned into a checked type.
pub(crate) fn optional_text<T, E: std::fmt::Display>(
    row: &Row,
    column: usize,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, Failure> {
    get::<Option<&str>>(row, column)?
        .map(|text| parse(text).map_err(|error| corrupt(row, column, error)))
        .transpose()
}

/// The same for a column that is never empty.
pub(crate) fn text<T, E: std::fmt::Display>(
    row: &Row,
    column: usize,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, Failure> {
    optional_text(row, column, parse)?.ok_or_else(|| corrupt(row, column, "is empty"))
}

/// JSON; an empty column stands for the default, so that empty lists cost nothing.
pub(crate) fn json<T: DeserializeOwned + Default>(row: &Row, column: usize) -> Result<T, Failure> {
    Ok(optional_text(row, column, |text| serde_json::from_str(text))?.unwrap_or_default())
}

/// JSON that is always there.
pub(crate) fn required_json<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, Failure> {
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

/// A free text as the server can store it: it has no room for the character zero.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A moment, where there is one.
pub(crate) fn optional_moment(row: &Row, column: usize) -> Result<Option<Timestamp>, Failure> {
    get::<Option<i64>>(row, column)?
        .map(|at| Timestamp::from_microsecond(at).map_err(|error| corrupt(row, column, error)))
        .transpose()
}

/// A moment.
pub(crate) fn moment(row: &Row, column: usize) -> Result<Timestamp, Failure> {
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
pub(crate) fn optional_id<T>(row: &Row, column: usize, wrap: fn(Uuid) -> T) -> Result<Option<T>, Failure> {
    Ok(get::<Option<Uuid>>(row, column)?.map(wrap))
}

/// A UUID.
pub(crate) fn id<T>(row: &Row, column: usize, wrap: fn(Uuid) -> T) -> Result<T, Failure> {
    Ok(wrap(get(row, column)?))
}

/// A number of a narrower type.
pub(crate) fn number<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T, Failure> {
    let number: i64 = get(row, column)?;
    T::try_from(number).map_err(|_| corrupt(row, column, "is out of range"))
}

/// A limit on rows, as the server takes it.
pub(crate) fn row_limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
