//! The text of a dump: `pg_dump` writes each table as one `COPY … FROM stdin;` block, SQLite's `.dump` and
//! `pg_dump --inserts` write its rows as `INSERT`.

use std::collections::BTreeMap;
use std::io::{BufRead, Read as _};

use anyhow::{Context as _, bail};

use super::statement::{self, End};
use super::tables::{Record, Sink, Table};

/// Bytes of one line, and of one statement; a row of other tables may hold a picture.
const LINE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Reads the tables that are looked at, and passes over all else.
pub(crate) fn read(mut file: impl BufRead, sink: &mut impl Sink) -> anyhow::Result<()> {
    let mut line = Vec::new();
    let mut found = false;
    let mut inserts = Inserts::default();
    let mut whole = Whole::default();
    while next(&mut file, &mut line)? {
        if line.starts_with(b"CREATE ") || line.starts_with(b"INSERT INTO ") {
            rest_of_statement(&mut file, &mut line)?;
        }
        let Ok(text) = std::str::from_utf8(&line) else {
            continue;
        };
        whole.look(text)?;
        if let Some(encoding) = text.strip_prefix("SET client_encoding = ") {
            let encoding = encoding.trim_matches(['\'', ';', ' ']);
            if !["UTF8", "SQL_ASCII"].contains(&encoding) {
                bail!("the dump is in {encoding}: make it again with `pg_dump --encoding=UTF8`");
            }
        }
        if let Some((name, columns)) = copy(text) {
            let table = Table::of(&name);
            found |= table.is_some();
            block(&mut file, &mut line, table, &columns, sink)?;
        } else if let Some((name, columns)) = statement::created(text) {
            if let Some(table) = Table::of(&name) {
                found = true;
                inserts.columns.insert(table, columns);
            }
        } else if let Some(inserted) = statement::inserted(text)
            && let Some(table) = Table::of(&inserted.table)
        {
            found = true;
            inserts.rows(table, inserted, sink)?;
        }
    }
    whole.finish()?;
    if !found {
        bail!(
            "it holds none of the tables {}; is it the text of a PostgreSQL or SQLite dump?",
            Table::names()
        );
    }
    Ok(())
}

/// Tells a dump that was broken off: what it lacks would be deducted once more.
#[derive(Debug, Default)]
struct Whole {
    /// What the last lines have to say, as the first ones promise.
    ends_with: Option<&'static str>,
    is_over: bool,
}

impl Whole {
    fn look(&mut self, text: &str) -> anyhow::Result<()> {
        match text {
            "BEGIN TRANSACTION;" => self.ends_with = Some("COMMIT;"),
            "-- PostgreSQL database dump" => self.ends_with = Some("-- PostgreSQL database dump complete"),
            _ if Some(text) == self.ends_with => self.is_over = true,
            _ if text.starts_with("ROLLBACK;") => {
                bail!("the dump was ended by an error, as it says itself: is its database damaged?")
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&self) -> anyhow::Result<()> {
        match self.ends_with {
            Some(end) if !self.is_over => bail!("the dump is not complete: it does not end with \"{end}\""),
            _ => Ok(()),
        }
    }
}

/// What is known of tables whose rows come as `INSERT`.
#[derive(Debug, Default)]
struct Inserts {
    columns: BTreeMap<Table, Vec<String>>,
    numbers: BTreeMap<Table, u64>,
}

impl Inserts {
    /// Hands over the rows of one statement.
    fn rows(
        &mut self,
        table: Table,
        mut inserted: statement::Inserted<'_>,
        sink: &mut impl Sink,
    ) -> anyhow::Result<()> {
        let named = inserted.columns.take();
        let Some(columns) = named.as_ref().or_else(|| self.columns.get(&table)) else {
            bail!(
                "it does not say which columns {} has: make it again with `pg_dump`, without --data-only, or with \
                 --column-inserts",
                table.name()
            );
        };
        let number = self.numbers.entry(table).or_default();
        while let Some(values) = inserted
            .next_row()
            .with_context(|| format!("row {} of {} cannot be read", *number + 1, table.name()))?
        {
            *number += 1;
            check_width(table, *number, &values, columns)?;
            let record = Record {
                number: *number,
                columns,
                values: &values,
            };
            sink.record(table, &record)?;
        }
        Ok(())
    }
}

fn check_width(
    table: Table,
    number: u64,
    values: &[Option<String>],
    columns: &[String],
) -> anyhow::Result<()> {
    if values.len() != columns.len() {
        bail!(
            "row {number} of {} has {} values for {} columns: is the dump damaged?",
            table.name(),
            values.len(),
            columns.len()
        );
    }
    Ok(())
}

/// Reads on to the end of the statement that a line begins.
fn rest_of_statement(file: &mut impl BufRead, line: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut end = End::default();
    let mut more = Vec::new();
    let mut is_over = end.is_reached_with(line);
    while !is_over {
        if !next(file, &mut more)? {
            bail!("the dump ends within a statement: it is not complete");
        }
        is_over = end.is_reached_with(&more);
        line.push(b'\n');
        line.extend_from_slice(&more);
        if line.len() as u64 > LINE_BYTES_MAX {
            bail!("a statement is longer than {} MiB", LINE_BYTES_MAX / 1024 / 1024);
        }
    }
    Ok(())
}

/// The rows of one table, to the line that ends them.
fn block(
    file: &mut impl BufRead,
    line: &mut Vec<u8>,
    table: Option<Table>,
    columns: &[String],
    sink: &mut impl Sink,
) -> anyhow::Result<()> {
    let mut number = 0;
    while next(file, line)? {
        if line == b"\\." {
            return Ok(());
        }
        number += 1;
        let Some(table) = table else { continue };
        let Ok(text) = std::str::from_utf8(line) else {
            bail!("row {number} of {} is not UTF-8", table.name());
        };
        let values: Vec<Option<String>> = text.split('\t').map(unescaped).collect();
        check_width(table, number, &values, columns)?;
        sink.record(
            table,
            &Record {
                number,
                columns,
                values: &values,
            },
        )?;
    }
    bail!("the dump ends within a table: it is not complete");
}

/// The next line, without its end.
fn next(file: &mut impl BufRead, line: &mut Vec<u8>) -> anyhow::Result<bool> {
    line.clear();
    let read = file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if read as u64 == LINE_BYTES_MAX {
        bail!("a line is longer than {} MiB", LINE_BYTES_MAX / 1024 / 1024);
    }
    Ok(read > 0)
}

/// `COPY public.sale (id, order_id) FROM stdin;`: the table and its columns.
fn copy(line: &str) -> Option<(String, Vec<String>)> {
    let rest = line.strip_prefix("COPY ")?.strip_suffix(" FROM stdin;")?;
    let (name, columns) = rest.split_once(" (")?;
    let columns = columns.strip_suffix(')')?;
    let columns = columns
        .split(',')
        .map(|column| column.trim().trim_matches('"').to_owned());
    Some((bare(name), columns.collect()))
}

/// A table's name without its schema and quotes.
fn bare(name: &str) -> String {
    let name = name.rsplit('.').next().unwrap_or(name);
    name.trim().trim_matches('"').to_owned()
}

/// A value as `COPY` writes it.
fn unescaped(text: &str) -> Option<String> {
    if text == "\\N" {
        return None;
    }
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            value.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => value.push('\t'),
            Some('n') => value.push('\n'),
            Some('r') => value.push('\r'),
            Some('b') => value.push('\u{8}'),
            Some('f') => value.push('\u{c}'),
            Some('v') => value.push('\u{b}'),
            // A dump escapes nothing by number; whatever else stands behind a backslash means itself.
            Some(other) => value.push(other),
            None => value.push('\\'),
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<(Table, Option<String>)>);

    impl Sink for Seen {
        fn record(&mut self, table: Table, record: &Record<'_>) -> anyhow::Result<()> {
            self.0
                .push((table, record.get(&["error_message"]).map(str::to_owned)));
            Ok(())
        }
    }

    #[test]
    fn rows_are_read_as_copy_writes_them() {
        let text = "SET client_encoding = 'UTF8';\nCOPY public.other (a) FROM stdin;\nCOPY public.sale (a) FROM stdin;\n\\.\n\
                    COPY public.\"pendingstockoperation\" (id, \"error_message\") FROM stdin;\n1\t\\N\n2\ta\\tb\\\\c\\nd\n\\.\n";
        let mut seen = Seen::default();
        read(text.as_bytes(), &mut seen).unwrap();
        let pending = Table::PendingOperations;
        assert_eq!(
            seen.0,
            [(pending, None), (pending, Some("a\tb\\c\nd".to_owned()))],
            "a line within another table begins no block"
        );
    }

    #[test]
    fn rows_are_read_as_insert_writes_them() {
        let text = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE other (a);\nINSERT INTO other VALUES('\n\
                    INSERT INTO sale VALUES(1);\n');\nCREATE TABLE IF NOT EXISTS \"pendingstockoperation\" (\n\tid, \n\t\
                    error_message\n);\nINSERT INTO pendingstockoperation VALUES(1,NULL);\nINSERT INTO \
                    pendingstockoperation VALUES(2,'it''s\nlong');\nCOMMIT;\n";
        let mut seen = Seen::default();
        read(text.as_bytes(), &mut seen).unwrap();
        let pending = Table::PendingOperations;
        assert_eq!(
            seen.0,
            [(pending, None), (pending, Some("it's\nlong".to_owned()))]
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (text, told) in [
            ("INSERT INTO public.sale VALUES (1);\n", "--column-inserts"),
            (
                "CREATE TABLE sale (a, b);\nINSERT INTO sale VALUES (1);\n",
                "values",
            ),
            (
                "CREATE TABLE sale (a);\nINSERT INTO sale VALUES (now());\n",
                "row 1 of sale",
            ),
            (
                "CREATE TABLE sale (a);\nINSERT INTO sale VALUES ('1\n",
                "not complete",
            ),
            ("BEGIN TRANSACTION;\nCREATE TABLE sale (a);\n", "not complete"),
            (
                "BEGIN TRANSACTION;\nCREATE TABLE sale (a);\nROLLBACK; -- due to errors\n",
                "an error",
            ),
            (
                "-- PostgreSQL database dump\nCREATE TABLE sale (a);\n",
                "not complete",
            ),
            ("COPY public.sale (a) FROM stdin;\n1\n", "not complete"),
            ("COPY public.sale (a) FROM stdin;\n1\t2\n\\.\n", "values"),
            ("SET client_encoding = 'WIN1251';\n", "--encoding"),
            ("hello\n", "none of the tables"),
        ] {
            let error = read(text.as_bytes(), &mut Seen::default())
                .unwrap_err()
                .to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
