//! The rows of a table, column by column, as they are handed to a statement.

use anyhow::Context;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// What it is called.
    pub(crate) name: String,
    kind: String,
}

impl Column {
    /// How it is read. Lists are read as text: a list of lists cannot be unnested.
    fn read(&self) -> String {
        let Self { name, kind } = self;
        match kind.as_str() {
            "_uuid" => format!("{name}::text"),
            _ => name.clone(),
        }
    }

    /// How it is written.
    fn write(&self) -> String {
        let Self { name, kind } = self;
        match kind.as_str() {
            "_uuid" => format!("new.{name}::uuid[]"),
            _ => format!("new.{name}"),
        }
    }

    /// The type of a list of its values.
    fn list(&self) -> String {
        match self.kind.as_str() {
            "_uuid" => "text[]".to_owned(),
            kind => format!("{kind}[]"),
        }
    }
}

/// A value.
pub(crate) enum Value {
    Uuid(Option<Uuid>),
    Text(Option<String>),
    Number(Option<i64>),
    Bool(Option<bool>),
}

impl Value {
    fn read(row: &Row, index: usize) -> anyhow::Result<Self> {
        Ok(match row.columns()[index].type_().name() {
            "uuid" => Self::Uuid(row.try_get(index)?),
            "text" => Self::Text(row.try_get(index)?),
            "int8" => Self::Number(row.try_get(index)?),
            "bool" => Self::Bool(row.try_get(index)?),
            other => anyhow::bail!("the bench does not know columns of type {other}"),
        })
    }
}

/// The columns of a table of the schema.
pub(crate) async fn columns(client: &Client, table: &str) -> anyhow::Result<Vec<Column>> {
    let sql = "SELECT column_name::text, udt_name::text FROM information_schema.columns \
        WHERE table_schema = 'saldo' AND table_name = $1 ORDER BY ordinal_position";
    let rows = client.query(sql, &[&table]).await?;
    anyhow::ensure!(!rows.is_empty(), "there is no table {table}");
    let column = |row: &Row| Column {
        name: row.get(0),
        kind: row.get(1),
    };
    Ok(rows.iter().map(column).collect())
}

/// All rows of a table, each with the text that tells whose it is.
pub(crate) async fn read(
    client: &Client,
    table: &str,
    owner: &str,
    columns: &[Column],
) -> anyhow::Result<Vec<(String, Vec<Value>)>> {
    let list: Vec<String> = columns.iter().map(Column::read).collect();
    let sql = format!("SELECT {owner}::text, {} FROM saldo.{table}", list.join(", "));
    let rows = client.query(&sql, &[]).await?;
    let read = |row: &Row| {
        let owner: Option<String> = row.try_get(0)?;
        let values = (1..=columns.len()).map(|index| Value::read(row, index));
        anyhow::Ok((owner.unwrap_or_default(), values.collect::<anyhow::Result<_>>()?))
    };
    rows.iter().map(read).collect()
}

/// The statement that inserts any number of rows.
pub(crate) fn insert(table: &str, columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let names = names.join(", ");
    let values: Vec<String> = columns.iter().map(Column::write).collect();
    let lists: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| format!("${}::{}", index + 1, column.list()))
        .collect();
    let (values, lists) = (values.join(", "), lists.join(", "));
    format!("INSERT INTO saldo.{table} ({names}) SELECT {values} FROM unnest({lists}) AS new ({names})")
}

/// A list of values of one column.
pub(crate) type List<'v> = Box<dyn ToSql + Sync + Send + 'v>;

/// One column of rows.
pub(crate) fn list<'v>(rows: &[&'v [Value]], index: usize) -> anyhow::Result<List<'v>> {
    let first = rows.first().and_then(|row| row.get(index)).context("no row")?;
    let values = rows.iter().map(|row| &row[index]);
    Ok(match first {
        Value::Uuid(_) => Box::new(collect(values, |value| match value {
            Value::Uuid(value) => *value,
            _ => None,
        })),
        Value::Text(_) => Box::new(collect(values, |value| match value {
            Value::Text(value) => value.as_deref(),
            _ => None,
        })),
        Value::Number(_) => Box::new(collect(values, |value| match value {
            Value::Number(value) => *value,
            _ => None,
        })),
        Value::Bool(_) => Box::new(collect(values, |value| match value {
            Value::Bool(value) => *value,
            _ => None,
        })),
    })
}

fn collect<'v, T>(
    values: impl Iterator<Item = &'v Value>,
    take: impl Fn(&'v Value) -> Option<T>,
) -> Vec<Option<T>> {
    values.map(take).collect()
}
