//! Tables of other programs' SQLite files: read as text, and never written.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

/// A database of another program.
pub struct ForeignDatabase {
    connection: Connection,
}

/// A value as text; none for NULL.
pub type ForeignValue = Option<String>;

/// Such a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the SQLite file cannot be read")]
pub struct ForeignError(#[from] rusqlite::Error);

impl ForeignDatabase {
    /// Opens a file for reading alone.
    ///
    /// # Errors
    /// When it is no SQLite database, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, ForeignError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        // What the file says of its own functions and views is not run.
        connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA query_only = ON;")?;
        Ok(Self { connection })
    }

    /// The names of its tables.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn tables(&self) -> Result<Vec<String>, ForeignError> {
        let mut asked = self
            .connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name LIMIT 10000")?;
        let names = asked.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// Hands over the rows of a table one by one, with the names of its columns. Stops when told so.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn rows(
        &self,
        table: &str,
        mut each: impl FnMut(&[String], &[ForeignValue]) -> bool,
    ) -> Result<(), ForeignError> {
        // A name cannot be a parameter: it is quoted instead.
        let quoted = table.replace('"', "\"\"");
        let mut asked = self.connection.prepare(&format!("SELECT * FROM \"{quoted}\""))?;
        let columns: Vec<String> = asked.column_names().map(str::to_owned).collect();
        let mut rows = asked.query([])?;
        let mut values = Vec::with_capacity(columns.len());
        while let Some(row) = rows.next()? {
            values.clear();
            for index in 0..columns.len() {
                values.push(text(row.get_ref(index)?));
            }
            if !each(&columns, &values) {
                break;
            }
        }
        Ok(())
    }
}

fn text(value: ValueRef<'_>) -> ForeignValue {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        // Ids are kept as bytes by some programs.
        ValueRef::Blob(bytes) => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read_as_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE \"a \"\"b\" (i, r, t, n, x); \
                 INSERT INTO \"a \"\"b\" VALUES (7, 1.5, 'Ирина', NULL, x'00ff'), (8, 2.0, '', NULL, NULL);",
            )
            .unwrap();
        let database = ForeignDatabase::open(&path).unwrap();
        assert_eq!(database.tables().unwrap(), ["a \"b"]);
        let mut seen = Vec::new();
        database
            .rows("a \"b", |columns, values| {
                seen.push((columns.to_vec(), values.to_vec()));
                false
            })
            .unwrap();
        let text = |text: &str| Some(text.to_owned());
        let columns: Vec<String> = ["i", "r", "t", "n", "x"].map(str::to_owned).to_vec();
        let values = vec![text("7"), text("1.5"), text("Ирина"), None, text("00ff")];
        assert_eq!(seen, [(columns, values)], "the second row was not wanted");
    }

    #[test]
    fn a_file_is_neither_made_nor_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing.db");
        assert!(ForeignDatabase::open(&path).is_err() && !path.exists());
        std::fs::write(&path, "this is no database, and long enough to be looked at").unwrap();
        let read = ForeignDatabase::open(&path).and_then(|database| database.tables());
        assert!(read.is_err());
    }
}
