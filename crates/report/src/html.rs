//! One page that needs nothing else: no script, no font, no picture from elsewhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use saldo_domain::report::Report;

use crate::RenderError;
use crate::cell::{Cell, Change};
use crate::chart::{Drawing, WIDTHS};
use crate::content::{Table, head, is_empty, period, tables};
use crate::words::{Language, Words, words};

/// Rows of a table beside a chart that are shown without being asked for.
const OPEN_ROWS_MAX: usize = 10;
/// Columns of a table that has room at the side of its chart.
const BESIDE_COLUMNS_MAX: usize = 5;
/// Columns of a table that has room beside each other on a phone. Of a wider one each row is a card there.
const NARROW_COLUMNS_MAX: usize = 4;
/// Characters of a SKU that is never broken: it would be broken at its hyphens, and read as two.
const UNBROKEN_CHARACTERS_MAX: usize = 24;
/// The rows of the summary that stand large at the top.
const LARGE: [&str; 6] = [
    "orders",
    "success_rate",
    "retry_time_mean",
    "reviews_open",
    "shortages",
    "discrepancies",
];

const STYLE: &str = include_str!("page.css");

/// The page.
pub(crate) fn page(report: &Report, language: Language) -> Result<String, RenderError> {
    let words = words(language);
    let tables = tables(report, words);
    let sections = tables
        .iter()
        .map(|table| section(table, words))
        .collect::<Result<Vec<_>, _>>()?;
    let title = words.text("report-title");
    let period = period(report, words);
    let page = html! {
        (DOCTYPE)
        html lang=(language.as_str()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) ", " (period) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.name { "Saldo" }
                    h1 { (title) }
                    p.period { (period) }
                    @for line in head(report, words) {
                        p.head { (line) }
                    }
                }
                main {
                    @if is_empty(report) {
                        p.nothing { (words.text("report-nothing")) }
                    }
                    @if let Some(summary) = tables.first() {
                        (large(summary, words))
                    }
                    @for section in &sections {
                        (section)
                    }
                }
            }
        }
    };
    Ok(page.into_string())
}

/// The figures that people look for first.
fn large(summary: &Table, words: &Words) -> Markup {
    let rows = LARGE
        .iter()
        .filter_map(|key| summary.rows.iter().find(|row| row.key == *key));
    html! {
        dl.large {
            @for row in rows {
                @if let [name, now, _, change] = &row.cells[..] {
                    div {
                        dt { (name.told(words)) }
                        dd {
                            strong { (now.told(words)) }
                            @if *change != Cell::Change(Change::Unknown) {
                                span { (change.told(words)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn section(table: &Table, words: &Words) -> Result<Markup, RenderError> {
    let mut figures = Vec::new();
    for (number, chart) in table.charts.iter().enumerate() {
        let Some(drawing) = Drawing::of(table, *chart, words) else {
            continue;
        };
        let mut drawn = Vec::new();
        for width in WIDTHS {
            let svg = drawing.svg(&format!("{}-{number}", table.key), width, words)?;
            drawn.push((width.word, svg));
        }
        figures.push((drawing.title().to_owned(), drawn));
    }
    Ok(html! {
        section id=(table.key) {
            h2 { (table.title) }
            @if let Some(note) = &table.note {
                p.note { (note) }
            }
            @if table.rows.is_empty() {
                p.nothing { (table.empty) }
            } @else {
                div.beside[!figures.is_empty() && table.columns.len() <= BESIDE_COLUMNS_MAX] {
                    @if !figures.is_empty() {
                        div.figures {
                            @for (title, drawn) in &figures {
                                figure {
                                    figcaption { (title) }
                                    @for (width, svg) in drawn {
                                        div class=(width) { (PreEscaped(svg)) }
                                    }
                                }
                            }
                        }
                    }
                    @if !figures.is_empty() && table.rows.len() > OPEN_ROWS_MAX {
                        details {
                            summary { (words.text("chart-table")) }
                            (rows(table, words))
                        }
                    } @else {
                        (rows(table, words))
                    }
                }
            }
        }
    })
}

fn rows(table: &Table, words: &Words) -> Markup {
    let is_number = |column: usize| {
        let cells = table.rows.first().and_then(|row| row.cells.get(column));
        cells.is_some_and(Cell::is_number)
    };
    // What is laid out as something else is a table to a screen reader only where it says so.
    let is_wide = table.columns.len() > NARROW_COLUMNS_MAX;
    let role = |role: &'static str| is_wide.then_some(role);
    let title = |index: usize| {
        let column = table.columns.get(index).filter(|_| is_wide);
        column.map(|column| column.title.as_str())
    };
    html! {
        // A table that is wider all the same is moved within its frame, with the keyboard, too; the page itself stays.
        div.frame tabindex="0" role="region" aria-label=(table.title) {
            table .cards[is_wide] role=[role("table")] {
                thead role=[role("rowgroup")] {
                    tr role=[role("row")] {
                        @for (index, column) in table.columns.iter().enumerate() {
                            th scope="col" role=[role("columnheader")] .number[is_number(index)] { (column.title) }
                        }
                    }
                }
                tbody role=[role("rowgroup")] {
                    @for row in &table.rows {
                        tr role=[role("row")] {
                            @for (index, cell) in row.cells.iter().enumerate() {
                                @if index == 0 {
                                    th scope="row" role=[role("rowheader")] class=[class_of(cell)] {
                                        (cell.told(words))
                                    }
                                } @else {
                                    td role=[role("cell")] class=[class_of(cell)] data-title=[title(index)] {
                                        // Without an element a card could not move it below its title.
                                        @if is_wide { span { (cell.told(words)) } } @else { (cell.told(words)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn class_of(cell: &Cell) -> Option<&'static str> {
    match cell {
        Cell::Foreign(text) if text.chars().count() <= UNBROKEN_CHARACTERS_MAX => Some("foreign unbroken"),
        Cell::Foreign(_) => Some("foreign"),
        Cell::Moment(_) | Cell::Day(_) => Some("moment"),
        Cell::Word(_) => None,
        _ => Some("number"),
    }
}
