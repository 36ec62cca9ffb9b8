//! The text of a PostgreSQL dump: `pg_dump` writes each table as one `COPY … FROM stdin;` block.

use std::io::{BufRead, Read as _};

use anyhow::bail;

use super::tables::{Record, Sink, Table};

/// Bytes of one line; a row of other tables may hold a picture.
const LINE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Reads the tables that are looked at, and passes over all else.
pub(crate) fn read(mut file: impl BufRead, sink: &mut impl Sink) -> anyhow::Result<()> {
    let mut line = Vec::new();
    let mut found = false;
    while next(&mut file, &mut line)? {
        let Ok(text) = std::str::from_utf8(&line) else {
            continue;
        };
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
        } else if let Some(name) = inserted(text)
            && Table::of(&name).is_some()
        {
            bail!("the dump holds its rows as INSERT: make it again with `pg_dump`, without --inserts");
        }
    }
    if !found {
        bail!(
            "it holds none of the tables {} as a `COPY … FROM stdin;` block; is it the text of a PostgreSQL dump?",
            Table::names()
        );
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
        if values.len() != columns.len() {
            bail!(
                "row {number} of {} has {} values for {} columns: is the dump damaged?",
                table.name(),
                values.len(),
                columns.len()
            );
        }
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

fn inserted(line: &str) -> Option<String> {
    let rest = line.strip_prefix("INSERT INTO ")?;
    rest.split([' ', '(']).next().map(bare)
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
    fn what_cannot_be_read_is_told() {
        for (text, told) in [
            ("INSERT INTO public.sale VALUES (1);\n", "--inserts"),
            ("COPY public.sale (a) FROM stdin;\n1\n", "not complete"),
            ("COPY public.sale (a) FROM stdin;\n1\t2\n\\.\n", "values"),
            ("SET client_encoding = 'WIN1251';\n", "--encoding"),
            ("hello\n", "COPY"),
        ] {
            let error = read(text.as_bytes(), &mut Seen::default())
                .unwrap_err()
                .to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
