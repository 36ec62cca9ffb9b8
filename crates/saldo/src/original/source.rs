//! Where the tables come from: CSV files, a SQLite file, or the text of a SQLite or PostgreSQL dump.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use saldo_store_sqlite::foreign::ForeignDatabase;

use super::tables::{Record, Sink, Table};
use super::{csv_files, dump};

/// Reads everything that was named; a folder stands for the CSV files in it.
///
/// # Errors
/// What is in the way, with the file.
pub(crate) fn read(paths: &[PathBuf], sink: &mut impl Sink) -> anyhow::Result<()> {
    for path in paths {
        let read = if path.is_dir() {
            read_folder(path, sink)
        } else {
            read_file(path, sink)
        };
        read.with_context(|| format!("{} cannot be imported", path.display()))?;
    }
    Ok(())
}

fn read_folder(folder: &Path, sink: &mut impl Sink) -> anyhow::Result<()> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| csv_files::table_of(path).is_some())
        .collect();
    files.sort();
    if files.is_empty() && folder.join("toc.dat").exists() {
        return Err(own_format(folder));
    }
    if files.is_empty() {
        bail!(
            "no file in it is named as a table, such as sale.csv; the tables are: {}",
            Table::names()
        );
    }
    for file in files {
        read_file(&file, sink).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// What is to be done with a dump that only PostgreSQL's programs can read.
fn own_format(path: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "this is a dump in PostgreSQL's own format: make text of it with `pg_restore -f dump.sql {}`, and import dump.sql",
        path.display()
    )
}

fn read_file(path: &Path, sink: &mut impl Sink) -> anyhow::Result<()> {
    let mut head = [0_u8; 512];
    let mut file = File::open(path)?;
    let mut read = 0;
    while read < head.len() {
        match file.read(&mut head[read..])? {
            0 => break,
            more => read += more,
        }
    }
    let head = &head[..read];
    if head.starts_with(b"SQLite format 3\0") {
        return read_sqlite(path, sink);
    }
    if head.starts_with(b"PGDMP") || head.starts_with(b"toc.dat") {
        return Err(own_format(path));
    }
    if head.starts_with(&[0x1f, 0x8b])
        || head.starts_with(b"PK")
        || head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
    {
        bail!("the file is packed: unpack it first");
    }
    let file = BufReader::new(File::open(path)?);
    match csv_files::table_of(path) {
        Some(table) => csv_files::read(file, table, sink),
        None if is_csv(path) => bail!(
            "the file is not named as a table, such as sale.csv; the tables are: {}",
            Table::names()
        ),
        None => dump::read(file, sink),
    }
}

fn is_csv(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv") || ending.eq_ignore_ascii_case("tsv"))
}

fn read_sqlite(path: &Path, sink: &mut impl Sink) -> anyhow::Result<()> {
    let database = ForeignDatabase::open(path)?;
    let mut found = false;
    for name in database.tables()? {
        let Some(table) = Table::of(&name) else { continue };
        found = true;
        let mut number = 0;
        let mut ended = Ok(());
        database.rows(&name, |columns, values| {
            number += 1;
            let record = Record {
                number,
                columns,
                values,
            };
            ended = sink.record(table, &record);
            ended.is_ok()
        })?;
        ended?;
    }
    if !found {
        bail!("it has none of the tables {}", Table::names());
    }
    Ok(())
}
