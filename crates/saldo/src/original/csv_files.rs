//! Tables as CSV files, one each, named as the table is. Read row by row: sales may be many.

use std::io::BufRead;
use std::path::Path;

use anyhow::Context as _;

use super::tables::{Record, Sink, Table};

/// The table that a file is named for.
pub(crate) fn table_of(path: &Path) -> Option<Table> {
    let ending = path.extension()?.to_str()?.to_lowercase();
    let stem = path.file_stem()?.to_str()?;
    // `public.sale.csv` is how some tools name what they export.
    let name = stem.rsplit('.').next().unwrap_or(stem);
    (["csv", "tsv"].contains(&ending.as_str()))
        .then(|| Table::of(name))
        .flatten()
}

/// Reads one.
pub(crate) fn read(mut file: impl BufRead, table: Table, sink: &mut impl Sink) -> anyhow::Result<()> {
    let delimiter = delimiter(file.fill_buf()?);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(file);
    let not_text = "it is not UTF-8: export the table as UTF-8";
    let columns: Vec<String> = reader
        .headers()
        .context(not_text)?
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
        .collect();
    let mut record = csv::StringRecord::new();
    let mut number = 0;
    let mut values = Vec::new();
    while reader.read_record(&mut record).context(not_text)? {
        number += 1;
        values.clear();
        values.extend(record.iter().map(value));
        sink.record(
            table,
            &Record {
                number,
                columns: &columns,
                values: &values,
            },
        )?;
    }
    Ok(())
}

/// What databases write for NULL is none.
fn value(text: &str) -> Option<String> {
    (!matches!(text, "" | "NULL" | "\\N")).then(|| text.to_owned())
}

/// The delimiter that the heading has most of.
fn delimiter(begin: &[u8]) -> u8 {
    let heading = begin.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| heading.iter().filter(|byte| **byte == delimiter).count();
    // Of as many, the last one is taken: the comma.
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(|delimiter| count(*delimiter))
        .unwrap_or(b',')
}
