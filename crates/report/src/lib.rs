//! Reports as people read them: pages, workbooks, tables and mails, in three languages.
//!
//! [`render`] turns a [`Report`] into a document. What a report tells, and in which order, stands once, in
//! `content.rs`, as tables; each format only writes those tables down in its own way.

mod words;

mod cell;

mod content;

mod chart;

mod html;

mod csv_text;

mod workbook;

mod mail;

use saldo_domain::report::Report;

pub use mail::{Attachment, Mail, mail, summary};
pub use words::Language;

/// How a report is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As the API tells it.
    Json,
    /// One page, with its charts, that needs nothing else.
    Html,
    /// One long table: a figure a line.
    Csv,
    /// A workbook for a spreadsheet.
    Xlsx,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Json, Self::Html, Self::Csv, Self::Xlsx];

    /// The stable word, which is the ending of the file, too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Html => "html",
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Html => "text/html",
            Self::Csv => "text/csv",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    /// The whole `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json | Self::Xlsx => self.media_type(),
        }
    }
}

impl std::str::FromStr for Format {
    type Err = UnknownFormat;
    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        let known = Self::ALL.into_iter().find(|format| format.as_str() == word);
        known.ok_or(UnknownFormat)
    }
}

/// A word that names no format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a report is written as json, html, csv or xlsx")]
pub struct UnknownFormat;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The chart library refused.
    #[error("a chart of the report could not be drawn: {0}")]
    Chart(String),
    /// The workbook library refused.
    #[error("the workbook could not be written")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
    /// The table could not be written.
    #[error("the table could not be written")]
    Csv(#[from] csv::Error),
    /// The report could not be written as JSON.
    #[error("the report could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Writes a report.
///
/// # Errors
/// When a library refuses what it is given: a mistake of ours.
pub fn render(report: &Report, format: Format, language: Language) -> Result<Vec<u8>, RenderError> {
    match format {
        Format::Json => Ok(serde_json::to_vec(report)?),
        Format::Html => Ok(html::page(report, language)?.into_bytes()),
        Format::Csv => csv_text::table(report, language),
        Format::Xlsx => workbook::workbook(report, language),
    }
}

/// A name for the file of a report, of plain letters: it goes into headers and folders.
#[must_use]
pub fn file_name(report: &Report, format: Format, language: Language) -> String {
    let words = words::words(language);
    let day = report.head.period.from().strftime("%Y-%m-%d");
    format!("saldo-{}-{day}.{}", words.text("file-name"), format.as_str())
}
