//! A report as a mail: the first figures in the mail itself, all of it attached.

use maud::{DOCTYPE, html};
use saldo_domain::report::Report;

use crate::cell::minute;
use crate::content::{Table, head, period, tables};
use crate::words::{Language, Words, words};
use crate::{Format, RenderError, file_name, render};

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The subject, one line.
    pub subject: String,
    /// For readers of text.
    pub text: String,
    /// For readers of pages; plain enough for every mail program.
    pub html: String,
    /// The report itself.
    pub attachments: Vec<Attachment>,
}

/// A file that goes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// What it is called.
    pub file_name: String,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// What it holds.
    pub content: Vec<u8>,
}

/// Writes a report as a mail, with the page and the workbook attached.
///
/// # Errors
/// When a library refuses what it is given: a mistake of ours.
pub fn mail(report: &Report, language: Language) -> Result<Mail, RenderError> {
    let words = words(language);
    let moments = report.head.period;
    let subject = words.with(
        "report-mail-subject",
        &[("from", &minute(moments.from())), ("to", &minute(moments.to()))],
    );
    let tables = tables(report, words);
    let summary = tables.first();
    let attachments = [Format::Html, Format::Xlsx]
        .into_iter()
        .map(|format| {
            Ok(Attachment {
                file_name: file_name(report, format, language),
                content_type: format.content_type(),
                content: render(report, format, language)?,
            })
        })
        .collect::<Result<Vec<_>, RenderError>>()?;
    Ok(Mail {
        subject,
        text: format!(
            "{}\n{}\n",
            text(report, summary, words),
            words.text("report-mail-attached")
        ),
        html: page(report, summary, words),
        attachments,
    })
}

/// The first figures of a report as text, each beside the period before.
#[must_use]
pub fn summary(report: &Report, language: Language) -> String {
    let words = words(language);
    let tables = tables(report, words);
    text(report, tables.first(), words)
}

fn text(report: &Report, summary: Option<&Table>, words: &Words) -> String {
    let mut text = format!("{}\n{}\n", words.text("report-title"), period(report, words));
    for line in head(report, words) {
        text.push_str(&one_line(&line));
        text.push('\n');
    }
    text.push('\n');
    for row in summary.iter().flat_map(|table| &table.rows) {
        let told: Vec<String> = row.cells.iter().map(|cell| one_line(&cell.told(words))).collect();
        if let [name, now, before, change] = &told[..] {
            text.push_str(&format!(
                "{name}: {now} ({}: {before}, {change})\n",
                words.text("column-before")
            ));
        }
    }
    text
}

/// Text from outside must not look like further lines of ours.
fn one_line(text: &str) -> String {
    saldo_domain::text::one_line(text, 300)
}

fn page(report: &Report, summary: Option<&Table>, words: &Words) -> String {
    const CELL: &str = "padding:4px 12px 4px 0;border-bottom:1px solid #d5dae1;text-align:left";
    const NUMBER: &str = "padding:4px 0 4px 12px;border-bottom:1px solid #d5dae1;text-align:right";
    let style = |index: usize| if index == 0 { CELL } else { NUMBER };
    let page = html! {
        (DOCTYPE)
        html lang=(words.language.as_str()) {
            head {
                meta charset="utf-8";
                title { (words.text("report-title")) }
            }
            body style="font-family:sans-serif;color:#222b38" {
                h1 style="font-size:20px;margin:0 0 4px" { (words.text("report-title")) }
                p style="margin:0 0 8px" { (period(report, words)) }
                @for line in head(report, words) {
                    p style="margin:0;color:#55606f" { (line) }
                }
                @if let Some(table) = summary {
                    table style="border-collapse:collapse;margin:16px 0" {
                        tr {
                            @for (index, column) in table.columns.iter().enumerate() {
                                th style=(style(index)) { (column.title) }
                            }
                        }
                        @for row in &table.rows {
                            tr {
                                @for (index, cell) in row.cells.iter().enumerate() {
                                    td style=(style(index)) { (cell.told(words)) }
                                }
                            }
                        }
                    }
                }
                p { (words.text("report-mail-attached")) }
            }
        }
    };
    page.into_string()
}
