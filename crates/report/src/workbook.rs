//! A workbook: a sheet a table, with real numbers, times and moments, and charts that the spreadsheet draws itself.

use rust_xlsxwriter::{
    Chart as NativeChart, ChartDataLabel, ChartFormat, ChartLegendPosition, ChartLine, ChartPatternFill,
    ChartPatternFillType, ChartSolidFill, ChartType, Color, DocProperties, ExcelDateTime, Format,
    FormatAlign, FormatBorder, Workbook, Worksheet,
};
use saldo_domain::report::Report;

use crate::RenderError;
use crate::cell::{Cell, Change, as_float};
use crate::content::{Chart, Shape, Table, head, period, tables};
use crate::words::{Language, Words, words};

const SECONDS_PER_DAY: f64 = 86_400.0;
/// Characters of a name of a sheet.
const SHEET_NAME_MAX: usize = 31;
const INK: Color = Color::RGB(0x0022_2B38);
const LINES: Color = Color::RGB(0x00C9_CED6);
const WIDEST_COLUMN_PIXELS: u32 = 320;
/// Rows that a chart covers, and the free ones below it.
const CHART_ROWS: u32 = 19;

/// How cells look.
struct Looks {
    title: Format,
    heading: Format,
    number_heading: Format,
    word_for_number: Format,
    text: Format,
    count: Format,
    rate: Format,
    time: Format,
    moment: Format,
    day: Format,
    change: Format,
    points: Format,
}

impl Looks {
    fn new() -> Self {
        let number = |pattern: &str| Format::new().set_num_format(pattern);
        let heading = Format::new()
            .set_bold()
            .set_text_wrap()
            .set_align(FormatAlign::Bottom)
            .set_border_bottom(FormatBorder::Medium);
        Self {
            title: Format::new().set_bold().set_font_size(16),
            number_heading: heading.clone().set_align(FormatAlign::Right),
            heading,
            word_for_number: Format::new().set_align(FormatAlign::Right),
            text: Format::new(),
            count: number("#,##0"),
            rate: number("0.00%"),
            // Hours go on beyond a day.
            time: number("[h]:mm:ss"),
            moment: number("yyyy-mm-dd hh:mm"),
            day: number("yyyy-mm-dd"),
            change: number("+0.0%;-0.0%;0.0%"),
            points: number("+0.00\" pp\";-0.00\" pp\";0.00"),
        }
    }
}

/// The workbook.
pub(crate) fn workbook(report: &Report, language: Language) -> Result<Vec<u8>, RenderError> {
    let words = words(language);
    let looks = Looks::new();
    let mut workbook = Workbook::new();
    let made_at = ExcelDateTime::from_timestamp(report.head.made_at.as_second())?;
    workbook.set_properties(
        &DocProperties::new()
            .set_title(words.text("report-title"))
            .set_author("Saldo")
            .set_creation_datetime(&made_at),
    );
    about(workbook.add_worksheet(), report, words, &looks)?;
    for table in &tables(report, words) {
        sheet(workbook.add_worksheet(), table, words, &looks)?;
    }
    Ok(workbook.save_to_buffer()?)
}

fn about(sheet: &mut Worksheet, report: &Report, words: &Words, looks: &Looks) -> Result<(), RenderError> {
    sheet.set_name(sheet_name(&words.text("sheet-about")))?;
    sheet.set_column_width(0, 80)?;
    sheet.write_string_with_format(0, 0, words.text("report-title"), &looks.title)?;
    sheet.write_string(1, 0, period(report, words))?;
    for (line, row) in head(report, words).into_iter().zip(2..) {
        sheet.write_string(row, 0, line)?;
    }
    Ok(())
}

/// What may stand in the name of a sheet, as long as it may be.
fn sheet_name(title: &str) -> String {
    title
        .chars()
        .filter(|character| !"[]:*?/\\'".contains(*character))
        .take(SHEET_NAME_MAX)
        .collect()
}

fn sheet(sheet: &mut Worksheet, table: &Table, words: &Words, looks: &Looks) -> Result<(), RenderError> {
    let name = sheet_name(&words.text(&format!("sheet-{}", table.key)));
    sheet.set_name(&name)?;
    for (column, place) in table.columns.iter().zip(0_u16..) {
        let cells = table
            .rows
            .first()
            .and_then(|row| row.cells.get(usize::from(place)));
        let heading = match cells {
            Some(cell) if cell.is_number() => &looks.number_heading,
            _ => &looks.heading,
        };
        sheet.write_string_with_format(0, place, &column.title, heading)?;
    }
    for (row, line) in table.rows.iter().zip(1_u32..) {
        for (cell, place) in row.cells.iter().zip(0_u16..) {
            write(sheet, (line, place), cell, words, looks)?;
        }
    }
    let last_row = u32::try_from(table.rows.len()).unwrap_or(0);
    let last_column = u16::try_from(table.columns.len().saturating_sub(1)).unwrap_or(0);
    if table.rows.is_empty() {
        sheet.write_string(1, 0, &table.empty)?;
    } else {
        sheet.autofilter(0, 0, last_row, last_column)?;
    }
    sheet.set_freeze_panes(1, 1)?;
    sheet.set_repeat_rows(0, 0)?;
    if table.charts.is_empty() {
        sheet.set_landscape();
        sheet.set_print_fit_to_pages(1, 0);
    } else {
        // The charts stand below the table, and none is cut in two.
        sheet.set_portrait();
        sheet.set_print_fit_to_pages(1, 1);
    }
    sheet.set_autofit_max_width(WIDEST_COLUMN_PIXELS);
    sheet.autofit();
    if !table.rows.is_empty() {
        for (chart, number) in table.charts.iter().zip(0_u32..) {
            let native = native(table, *chart, &name, last_row, words);
            // Below the table: rows that a filter hides would squeeze a chart beside them, and on paper both would be small.
            sheet.insert_chart(last_row + 2 + number * CHART_ROWS, 0, &native)?;
        }
    }
    Ok(())
}

fn write(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    cell: &Cell,
    words: &Words,
    looks: &Looks,
) -> Result<(), RenderError> {
    match cell {
        // Written as text, never as a formula, whatever it begins with.
        Cell::Word(text) | Cell::Foreign(text) => {
            sheet.write_string_with_format(row, column, text, &looks.text)?;
        }
        Cell::Count(count) => {
            sheet.write_number_with_format(row, column, as_float(*count), &looks.count)?;
        }
        Cell::Rate(Some(rate)) => {
            sheet.write_number_with_format(row, column, *rate, &looks.rate)?;
        }
        Cell::Time(Some(milliseconds)) => {
            let days = as_float(*milliseconds) / 1_000.0 / SECONDS_PER_DAY;
            sheet.write_number_with_format(row, column, days, &looks.time)?;
        }
        Cell::Moment(moment) => {
            let moment = ExcelDateTime::from_timestamp(moment.as_second())?;
            sheet.write_datetime_with_format(row, column, &moment, &looks.moment)?;
        }
        Cell::Day(moment) => {
            let moment = ExcelDateTime::from_timestamp(moment.as_second())?;
            sheet.write_datetime_with_format(row, column, &moment, &looks.day)?;
        }
        Cell::Change(Change::Part(part)) => {
            sheet.write_number_with_format(row, column, *part, &looks.change)?;
        }
        Cell::Change(Change::Same) => {
            sheet.write_number_with_format(row, column, 0.0, &looks.change)?;
        }
        Cell::Change(Change::Points(points)) => {
            sheet.write_number_with_format(row, column, *points, &looks.points)?;
        }
        Cell::Change(Change::New) => {
            sheet.write_string_with_format(row, column, words.text("change-new"), &looks.word_for_number)?;
        }
        // Nothing is an empty cell, which no sum counts.
        Cell::Rate(None) | Cell::Time(None) | Cell::Change(Change::Unknown) => {}
    }
    Ok(())
}

/// The same chart as on the page, drawn by the spreadsheet from the cells.
fn native(table: &Table, chart: Chart, sheet: &str, last_row: u32, words: &Words) -> NativeChart {
    let mut native = NativeChart::new(match chart.shape {
        Shape::Stacked => ChartType::ColumnStacked,
        Shape::Beside => ChartType::Column,
        Shape::Bars => ChartType::Bar,
    });
    for (&column, number) in chart.columns.iter().zip(0_u32..) {
        // A table has few columns.
        let place = u16::try_from(column).unwrap_or(0);
        let mut format = ChartFormat::new();
        format.set_border(ChartLine::new().set_color(INK));
        match number {
            0 => format.set_solid_fill(ChartSolidFill::new().set_color(INK)),
            1 => format.set_pattern_fill(&pattern(ChartPatternFillType::DiagonalStripesWideUpwards)),
            _ => format.set_pattern_fill(&pattern(ChartPatternFillType::HorizontalStripesNarrow)),
        };
        let series = native.add_series();
        series
            .set_categories((sheet, 1, 0, last_row, 0))
            .set_values((sheet, 1, place, last_row, place))
            .set_name((sheet, 0, place))
            .set_gap(60)
            .set_format(&mut format);
        if chart.shape == Shape::Bars {
            series.set_data_label(ChartDataLabel::new().show_value());
        }
    }
    let title = words.text(chart.title);
    native.title().set_name(&title);
    native.set_alt_text(&title);
    match table.rows.first().and_then(|row| row.cells.first()) {
        Some(Cell::Day(_)) => drop(native.x_axis().set_num_format("mm-dd")),
        Some(Cell::Moment(_)) => drop(native.x_axis().set_num_format("mm-dd hh:mm")),
        _ => {}
    }
    native.legend().set_position(ChartLegendPosition::Bottom);
    if chart.columns.len() == 1 {
        native.legend().set_hidden();
    }
    // A bar says how much by its length: it begins at nought, wherever the spreadsheet would begin.
    if chart.shape == Shape::Bars {
        // The first row of the table at the top. Of bars, the names stand on the other axis; the figures stand behind
        // the bars, and need none.
        native.y_axis().set_reverse();
        native
            .x_axis()
            .set_min(0)
            .set_hidden(true)
            .set_major_gridlines(false);
    } else {
        let mut lines = ChartLine::new();
        lines.set_color(LINES).set_width(0.75);
        native
            .y_axis()
            .set_min(0)
            .set_num_format("#,##0")
            .set_major_gridlines(true)
            .set_major_gridlines_line(&lines);
    }
    native.set_width(720).set_height(340);
    native
}

fn pattern(kind: ChartPatternFillType) -> ChartPatternFill {
    let mut fill = ChartPatternFill::new();
    fill.set_pattern(kind)
        .set_foreground_color(INK)
        .set_background_color(Color::White);
    fill
}
