//! One row, and the line of text that it is in a file.

use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use uuid::Uuid;

use super::tables::{Column, Kind, TABLES, Table};

/// What a column of a row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Flag(bool),
    /// A UUID.
    Uuid(Uuid),
    /// UUIDs, in order.
    Uuids(Vec<Uuid>),
}

impl Value {
    /// A text. Not every database has room for the character zero, so in a copy it is another one.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.replace('\0', "\u{fffd}"))
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Uuid(id) => id.serialize(serializer),
            Self::Uuids(ids) => ids.serialize(serializer),
        }
    }
}

/// The values of a row, one for each column of its table.
pub type Row = Vec<Value>;

/// A row as a line: a JSON array of the name of the table and the values.
pub(super) fn line_of(table: &Table, row: &Row) -> serde_json::Result<String> {
    let mut line = String::with_capacity(256);
    line.push('[');
    line.push_str(&serde_json::to_string(table.name)?);
    for value in row {
        line.push(',');
        line.push_str(&serde_json::to_string(value)?);
    }
    line.push(']');
    Ok(line)
}

/// Reads such a line; says what is wrong with one that is none.
pub(super) fn row_of(line: &[u8]) -> Result<(&'static Table, Row), String> {
    let cells: Vec<Json> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let mut cells = cells.into_iter();
    let name = match cells.next() {
        Some(Json::String(name)) => name,
        _ => return Err("it does not begin with the name of a table".to_owned()),
    };
    let table = TABLES
        .iter()
        .find(|table| table.name == name)
        .ok_or_else(|| format!("there is no table {name}"))?;
    if cells.len() != table.columns.len() {
        return Err(format!(
            "{} has {} values instead of {}",
            table.name,
            cells.len(),
            table.columns.len()
        ));
    }
    let row = table
        .columns
        .iter()
        .zip(cells)
        .map(|(column, cell)| {
            value_of(column, cell).ok_or_else(|| format!("{}.{} is not of its kind", table.name, column.name))
        })
        .collect::<Result<Row, String>>()?;
    Ok((table, row))
}

fn value_of(column: &Column, cell: Json) -> Option<Value> {
    match (column.kind, cell) {
        (_, Json::Null) => Some(Value::Null),
        (Kind::Text, Json::String(text)) => Some(Value::text(&text)),
        (Kind::Integer, Json::Number(number)) => number.as_i64().map(Value::Integer),
        (Kind::Flag, Json::Bool(flag)) => Some(Value::Flag(flag)),
        (Kind::Uuid, Json::String(text)) => text.parse().ok().map(Value::Uuid),
        (Kind::Uuids, Json::Array(items)) => items
            .iter()
            .map(|item| item.as_str().and_then(|text| text.parse().ok()))
            .collect::<Option<Vec<Uuid>>>()
            .map(Value::Uuids),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One value of each kind, and nothing.
    fn row(table: &Table, number: usize) -> Row {
        let value = |(index, column): (usize, &Column)| match column.kind {
            _ if (index + number).is_multiple_of(3) => Value::Null,
            Kind::Text => Value::text("a \"quoted\" ŁÓDŹ\nline\0"),
            Kind::Integer => Value::Integer(i64::MIN + number as i64),
            Kind::Flag => Value::Flag(number.is_multiple_of(2)),
            Kind::Uuid => Value::Uuid(Uuid::from_u128(number as u128)),
            Kind::Uuids => Value::Uuids(vec![Uuid::nil(), Uuid::max()]),
        };
        table.columns.iter().enumerate().map(value).collect()
    }

    #[test]
    fn every_row_is_read_as_it_was_written() {
        for table in TABLES {
            for number in 0..3 {
                let row = row(table, number);
                let line = line_of(table, &row).unwrap();
                assert!(!line.contains('\n'), "{line}");
                assert_eq!(row_of(line.as_bytes()), Ok((table, row)));
            }
        }
    }

    #[test]
    fn what_is_no_row_is_told() {
        let told = |line: &str| row_of(line.as_bytes()).unwrap_err();
        assert!(told("[").contains("EOF"));
        assert_eq!(told("[]"), "it does not begin with the name of a table");
        assert_eq!(told(r#"["lease",1]"#), "there is no table lease");
        assert_eq!(
            told(r#"["stock_count",1,2]"#),
            "stock_count has 2 values instead of 1"
        );
        for wrong in [r#""1""#, "1.5", "true", "[1]"] {
            assert_eq!(
                told(&format!(r#"["stock_count",{wrong}]"#)),
                "stock_count.at is not of its kind"
            );
        }
    }
}
