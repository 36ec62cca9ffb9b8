//! Values and columns.

use std::fmt::Display;

use saldo_domain::ids::OperationId;
use saldo_store::cells::Cells;
pub(crate) use saldo_store::cells::{
    id, json, list_json, moment, number, optional_moment, optional_stored, optional_text, required_json,
    stored, text,
};
pub(crate) use serde_json::to_string as to_json;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};
use uuid::Uuid;

use crate::failure::Failure;
use crate::row_version::{Spot, Writer};
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
    Vec<Spot> => TID_ARRAY, Vec<Writer> => XID_ARRAY,
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

impl Cells<Failure> for Row {
    fn unreadable(&self, column: usize, why: &dyn Display) -> Failure {
        let name = self.columns().get(column).map_or("?", |column| column.name());
        Failure::Corrupt(format!("column {name}: {why}"))
    }

    fn text(&self, column: usize) -> Result<Option<&str>, Failure> {
        get(self, column)
    }

    fn integer(&self, column: usize) -> Result<Option<i64>, Failure> {
        get(self, column)
    }

    fn flag(&self, column: usize) -> Result<Option<bool>, Failure> {
        get(self, column)
    }

    fn uuid(&self, column: usize) -> Result<Option<Uuid>, Failure> {
        get(self, column)
    }
}

/// A column as it is.
pub(crate) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, Failure> {
    row.try_get(column).map_err(|why| row.unreadable(column, &why))
}

/// The ids of an order's operations, in the order of recording.
pub(crate) fn operation_ids(row: &Row, column: usize) -> Result<Vec<OperationId>, Failure> {
    let ids: Vec<Uuid> = get(row, column)?;
    Ok(ids.into_iter().map(OperationId::new).collect())
}

/// A free text as the server can store it: it has no room for the character zero.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A limit on rows, as the server takes it.
pub(crate) fn row_limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
