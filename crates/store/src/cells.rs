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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;

    /// A row of texts, as any backend may have them.
    struct Texts(Vec<Option<&'static str>>);

    impl Texts {
        fn parsed<T: std::str::FromStr>(&self, column: usize) -> Result<Option<T>, String> {
            Cells::<String>::text(self, column)?
                .map(|text| {
                    text.parse()
                        .map_err(|_| self.unreadable(column, &"of another type"))
                })
                .transpose()
        }
    }

    impl Cells<String> for Texts {
        fn unreadable(&self, column: usize, why: &dyn Display) -> String {
            format!("column {column}: {why}")
        }

        fn text(&self, column: usize) -> Result<Option<&str>, String> {
            Ok(self.0[column])
        }

        fn integer(&self, column: usize) -> Result<Option<i64>, String> {
            self.parsed(column)
        }

        fn flag(&self, column: usize) -> Result<Option<bool>, String> {
            self.parsed(column)
        }

        fn uuid(&self, column: usize) -> Result<Option<Uuid>, String> {
            self.parsed(column)
        }
    }

    #[test]
    fn an_empty_column_is_nothing_or_an_error_that_names_it() {
        let row = Texts(vec![None]);
        assert_eq!(optional_string(&row, 0), Ok(None));
        assert_eq!(optional_moment(&row, 0), Ok(None));
        assert_eq!(json::<Vec<u8>, _>(&row, 0), Ok(Vec::new()));
        let empty = "column 0: is empty".to_owned();
        assert_eq!(string(&row, 0), Err(empty.clone()));
        assert_eq!(moment(&row, 0), Err(empty.clone()));
        assert_eq!(id(&row, 0, |id| id), Err(empty.clone()));
        assert_eq!(flag(&row, 0), Err(empty.clone()));
        assert_eq!(required_json::<Vec<u8>, _>(&row, 0), Err(empty));
    }

    #[test]
    fn a_number_without_room_in_its_type_is_an_error() {
        let row = Texts(vec![Some("300"), Some("-1")]);
        assert_eq!(number::<u16, _>(&row, 0), Ok(300));
        assert_eq!(
            number::<u8, _>(&row, 0),
            Err("column 0: is out of range".to_owned())
        );
        assert_eq!(
            number::<u64, _>(&row, 1),
            Err("column 1: is out of range".to_owned())
        );
    }

    #[test]
    fn an_unknown_word_is_an_error_that_tells_it() {
        let row = Texts(vec![Some("ada"), Some("owner"), Some("hash"), Some("0")]);
        let error = rows::api_key(&row).err();
        assert_eq!(error.as_deref(), Some("column 1: unknown role \"owner\""));
    }
}
