//! Values in columns: what a backend's row can say of them, and how they become the types of the domain.
//!
//! A backend tells how a text, a number, a flag and an id are read from its own row type; everything else is written
//! once, here and in [`crate::rows`]. Each function fails when the column does not hold what is asked for. Texts are
//! borrowed from the row, so that reading copies nothing that is not kept.

use std::fmt::Display;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// A row that is read column by column. `E` is the backend's own error: it makes the implementation its own, too, for
/// a row type of another crate.
pub trait Cells<E> {
    /// The error for a value that is not what it should be. It names the column.
    fn unreadable(&self, column: usize, why: &dyn Display) -> E;

    /// A text, where there is one.
    fn text(&self, column: usize) -> Result<Option<&str>, E>;

    /// A whole number, where there is one.
    fn integer(&self, column: usize) -> Result<Option<i64>, E>;

    /// A yes or a no, where there is one.
    fn flag(&self, column: usize) -> Result<Option<bool>, E>;

    /// A UUID, where there is one.
    fn uuid(&self, column: usize) -> Result<Option<Uuid>, E>;
}

/// What a column holds that is never empty.
fn there<T, E>(row: &impl Cells<E>, column: usize, value: Option<T>) -> Result<T, E> {
    value.ok_or_else(|| row.unreadable(column, &"is empty"))
}

/// A text that is turned into a checked type, where there is one.
pub fn optional_text<T, W: Display, E>(
    row: &impl Cells<E>,
    column: usize,
    parse: impl Fn(&str) -> Result<T, W>,
) -> Result<Option<T>, E> {
    row.text(column)?
        .map(|text| parse(text).map_err(|why| row.unreadable(column, &why)))
        .transpose()
}

/// A text that is turned into a checked type.
pub fn text<T, W: Display, E>(
    row: &impl Cells<E>,
    column: usize,
    parse: impl Fn(&str) -> Result<T, W>,
) -> Result<T, E> {
    there(row, column, optional_text(row, column, parse)?)
}

/// A text as it is, where there is one.
pub fn optional_string<E>(row: &impl Cells<E>, column: usize) -> Result<Option<String>, E> {
    Ok(row.text(column)?.map(str::to_owned))
}

/// A text as it is.
pub fn string<E>(row: &impl Cells<E>, column: usize) -> Result<String, E> {
    there(row, column, optional_string(row, column)?)
}

/// JSON; an empty column stands for the default, so that empty lists cost nothing.
pub fn json<T: DeserializeOwned + Default, E>(row: &impl Cells<E>, column: usize) -> Result<T, E> {
    Ok(optional_json(row, column)?.unwrap_or_default())
}

/// JSON, where there is any.
pub fn optional_json<T: DeserializeOwned, E>(row: &impl Cells<E>, column: usize) -> Result<Option<T>, E> {
    optional_text(row, column, |text| serde_json::from_str(text))
}

/// JSON that is always there.
pub fn required_json<T: DeserializeOwned, E>(row: &impl Cells<E>, column: usize) -> Result<T, E> {
    there(row, column, optional_json(row, column)?)
}

/// JSON of a list, or nothing for an empty one.
pub fn list_json<T: Serialize>(list: &[T]) -> Result<Option<String>, serde_json::Error> {
    if list.is_empty() {
        Ok(None)
    } else {
        serde_json::to_string(list).map(Some)
    }
}

/// A moment, where there is one.
pub fn optional_moment<E>(row: &impl Cells<E>, column: usize) -> Result<Option<Timestamp>, E> {
    row.integer(column)?
        .map(|at| Timestamp::from_microsecond(at).map_err(|why| row.unreadable(column, &why)))
        .transpose()
}

/// A moment.
pub fn moment<E>(row: &impl Cells<E>, column: usize) -> Result<Timestamp, E> {
    there(row, column, optional_moment(row, column)?)
}

/// How a moment is stored.
#[must_use]
pub fn stored(moment: Timestamp) -> i64 {
    moment.as_microsecond()
}

/// How a moment that may be missing is stored.
#[must_use]
pub fn optional_stored(moment: Option<Timestamp>) -> Option<i64> {
    moment.map(stored)
}

/// An id, where there is one.
pub fn optional_id<T, E>(
    row: &impl Cells<E>,
    column: usize,
    wrap: impl Fn(Uuid) -> T,
) -> Result<Option<T>, E> {
    Ok(row.uuid(column)?.map(wrap))
}

/// An id.
pub fn id<T, E>(row: &impl Cells<E>, column: usize, wrap: impl Fn(Uuid) -> T) -> Result<T, E> {
    there(row, column, optional_id(row, column, wrap)?)
}

/// A number of a type of its own, where there is one.
pub fn optional_number<T: TryFrom<i64>, E>(row: &impl Cells<E>, column: usize) -> Result<Option<T>, E> {
    row.integer(column)?
        .map(|number| T::try_from(number).map_err(|_| row.unreadable(column, &"is out of range")))
        .transpose()
}

/// A number of a type of its own.
pub fn number<T: TryFrom<i64>, E>(row: &impl Cells<E>, column: usize) -> Result<T, E> {
    there(row, column, optional_number(row, column)?)
}

/// A yes or a no.
pub fn flag<E>(row: &impl Cells<E>, column: usize) -> Result<bool, E> {
    there(row, column, row.flag(column)?)
}
