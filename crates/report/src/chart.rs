//! Charts as SVG, to be read without colours: patterns tell the series apart, and figures stand where they belong.
//!
//! Each is drawn for two widths, because letters that fit a desktop are too small on a phone.

use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::{RangedCoordf64, RangedCoordu64};
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TRANSPARENT, TextStyle, WHITE};

use crate::RenderError;
use crate::cell::{Cell, as_float, grouped};
use crate::content::{Chart, Shape, Table};
use crate::words::Words;

const INK: RGBColor = RGBColor(0x22, 0x2b, 0x38);
const LINES: RGBColor = RGBColor(0xc9, 0xce, 0xd6);
/// The height of letters, in pixels. Plotters takes it for more than it is.
const LETTERS: i32 = 17;
/// The distance of the lines of a pattern.
const PATTERN_PIXELS: i32 = 6;
/// Characters of a name that stands above a bar.
const NAME_CHARACTERS: usize = 38;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A width that charts are drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Width {
    /// What tells it apart in ids and classes.
    pub(crate) word: &'static str,
    pixels: i32,
    /// Names below columns that have room beside each other.
    names_max: usize,
}

/// The widths, the phone's first.
pub(crate) const WIDTHS: [Width; 2] = [
    Width {
        word: "narrow",
        pixels: 340,
        names_max: 6,
    },
    Width {
        word: "wide",
        pixels: 640,
        names_max: 12,
    },
];

/// What a chart shows.
pub(crate) struct Drawing {
    title: String,
    description: String,
    shape: Shape,
    names: Vec<String>,
    /// The series, each with its name, and one figure for each name.
    series: Vec<(String, Vec<u64>)>,
}

impl Drawing {
    /// The drawing of a table's chart; none when there is nothing to show.
    pub(crate) fn of(table: &Table, chart: Chart, words: &Words) -> Option<Self> {
        let count = |cell: &Cell| match cell {
            Cell::Count(count) => *count,
            _ => 0,
        };
        let series: Vec<(String, Vec<u64>)> = chart
            .columns
            .iter()
            .map(|&column| {
                let figures = table.rows.iter().map(|row| count(&row.cells[column]));
                let name = match (chart.shape, column) {
                    (Shape::Beside, 1) => words.text("chart-now"),
                    (Shape::Beside, _) => words.text("chart-before"),
                    _ => table.columns[column].title.clone(),
                };
                (name, figures.collect())
            })
            .collect();
        if series
            .iter()
            .all(|(_, figures)| figures.iter().all(|figure| *figure == 0))
        {
            return None;
        }
        let names = table.rows.iter().map(|row| name(&row.cells[0], table, words));
        let names: Vec<String> = names.collect();
        let title = words.text(chart.title);
        Some(Self {
            description: description(&names, &series, words),
            title,
            shape: chart.shape,
            names,
            series,
        })
    }

    /// What it is called.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// Draws it for a width. `id` is unique on its page.
    pub(crate) fn svg(&self, id: &str, width: Width, words: &Words) -> Result<String, RenderError> {
        let mut svg = String::new();
        let height = self.height(width);
        let size = (width.pixels.unsigned_abs(), height.unsigned_abs());
        {
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            root.fill(&WHITE).map_err(refused)?;
            match self.shape {
                Shape::Bars => self.bars(&root, width, words)?,
                Shape::Stacked | Shape::Beside => self.columns(&root, width, words)?,
            }
            root.present().map_err(refused)?;
        }
        Ok(self.labelled(&svg, &format!("{id}-{}", width.word)))
    }

    fn height(&self, width: Width) -> i32 {
        match self.shape {
            Shape::Bars => bar_top(self.names.len()) + 6,
            Shape::Stacked | Shape::Beside => 250 + 24 * self.legend_rows(width),
        }
    }

    fn legend_rows(&self, width: Width) -> i32 {
        let rows = self.series.len().div_ceil(legend_columns(width));
        i32::try_from(rows).unwrap_or(1)
    }

    /// Adds what a screen reader tells.
    fn labelled(&self, svg: &str, id: &str) -> String {
        let Some((_, rest)) = svg.split_once("<svg ") else {
            return svg.to_owned();
        };
        let Some((attributes, rest)) = rest.split_once('>') else {
            return svg.to_owned();
        };
        let described = maud::html! {
            title id={ (id) "-title" } { (self.title) }
            desc id={ (id) "-description" } { (self.description) }
        };
        format!(
            "<svg {attributes} role=\"img\" aria-labelledby=\"{id}-title {id}-description\">{}{rest}",
            described.into_string()
        )
    }

    /// One bar a row: its name above it, its figure behind it.
    fn bars(&self, root: &Area<'_>, width: Width, words: &Words) -> Result<(), RenderError> {
        let Some((_, figures)) = self.series.first() else {
            return Ok(());
        };
        let most = figures.iter().copied().max().unwrap_or(0).max(1);
        let room = width.pixels - 90;
        for (index, (name, figure)) in self.names.iter().zip(figures).enumerate() {
            let top = bar_top(index);
            write(root, &shortened(name, NAME_CHARACTERS), (2, top + 10), HPos::Left)?;
            let length = pixels(as_float(*figure) / as_float(most) * f64::from(room)).max(1);
            pattern(root, 0, (2, top + 21), (2 + length, top + 35))?;
            let told = grouped(*figure, words.language);
            write(root, &told, (2 + length + 8, top + 28), HPos::Left)?;
        }
        Ok(())
    }

    fn columns(&self, root: &Area<'_>, width: Width, words: &Words) -> Result<(), RenderError> {
        let legend_height = 24 * self.legend_rows(width) + 8;
        self.legend(root, width)?;
        let most = self.highest().max(1);
        let count = self.names.len();
        let mut chart = ChartBuilder::on(root)
            .margin_top(legend_height + 16)
            .margin_right(10)
            .margin_bottom(4)
            .x_label_area_size(28)
            .y_label_area_size(58)
            .build_cartesian_2d(0.0..as_float(count as u64), 0..ceiling(most))
            .map_err(refused)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .x_labels(0)
            .y_labels(5)
            .y_label_formatter(&|figure| grouped(*figure, words.language))
            .y_label_style(letters(HPos::Right))
            .axis_style(INK)
            .bold_line_style(LINES)
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(refused)?;
        let names_every = count.div_ceil(width.names_max).max(1);
        for (index, name) in self.names.iter().enumerate() {
            self.column(root, &chart, index)?;
            if index % names_every == 0 {
                let middle = as_float(index as u64) + 0.5;
                let (x, y) = chart.backend_coord(&(middle, 0));
                write(root, name, (x, y + 14), HPos::Center)?;
            }
            self.figure_above(root, &chart, index, width, words)?;
        }
        let (left, floor) = chart.backend_coord(&(0.0, 0));
        let (right, _) = chart.backend_coord(&(as_float(count as u64), 0));
        line(root, (left, floor), (right, floor))
    }

    fn highest(&self) -> u64 {
        let of_name = |index: usize| {
            let figures = self.series.iter().map(|(_, figures)| figures[index]);
            match self.shape {
                Shape::Stacked => figures.sum(),
                Shape::Beside | Shape::Bars => figures.max().unwrap_or(0),
            }
        };
        (0..self.names.len()).map(of_name).max().unwrap_or(0)
    }

    fn column(&self, root: &Area<'_>, chart: &Plane<'_>, index: usize) -> Result<(), RenderError> {
        // The part of its place that a column leaves free on each side.
        const GAP: f64 = 0.14;
        let left = as_float(index as u64) + GAP;
        let room = 1.0 - 2.0 * GAP;
        let mut floor = 0;
        for (number, (_, figures)) in self.series.iter().enumerate() {
            let figure = figures[index];
            if figure == 0 {
                continue;
            }
            let (from, to) = match self.shape {
                Shape::Stacked | Shape::Bars => (left, left + room),
                Shape::Beside => {
                    let part = room / as_float(self.series.len() as u64);
                    let from = left + part * as_float(number as u64);
                    (from, from + part)
                }
            };
            let bottom = if self.shape == Shape::Stacked { floor } else { 0 };
            let upper_left = chart.backend_coord(&(from, bottom + figure));
            let lower_right = chart.backend_coord(&(to, bottom));
            pattern(root, number, upper_left, lower_right)?;
            floor += figure;
        }
        Ok(())
    }

    /// The sum of a column above it, where the columns leave room for figures.
    fn figure_above(
        &self,
        root: &Area<'_>,
        chart: &Plane<'_>,
        index: usize,
        width: Width,
        words: &Words,
    ) -> Result<(), RenderError> {
        let sum: u64 = self.series.iter().map(|(_, figures)| figures[index]).sum();
        let told = grouped(sum, words.language);
        let room = (width.pixels - 70) / i32::try_from(self.names.len()).unwrap_or(i32::MAX).max(1);
        let needed = i32::try_from(told.chars().count())
            .unwrap_or(i32::MAX)
            .saturating_mul(9);
        if self.shape != Shape::Stacked || sum == 0 || needed > room {
            return Ok(());
        }
        let (x, y) = chart.backend_coord(&(as_float(index as u64) + 0.5, sum));
        write(root, &told, (x, y - 9), HPos::Center)
    }

    fn legend(&self, root: &Area<'_>, width: Width) -> Result<(), RenderError> {
        let columns = legend_columns(width);
        let room = (width.pixels - 8) / i32::try_from(columns).unwrap_or(1);
        for (number, (name, _)) in self.series.iter().enumerate() {
            let column = i32::try_from(number % columns).unwrap_or(0);
            let row = i32::try_from(number / columns).unwrap_or(0);
            let (left, top) = (2 + column * room, 4 + row * 24);
            pattern(root, number, (left, top + 1), (left + 22, top + 17))?;
            write(root, name, (left + 30, top + 9), HPos::Left)?;
        }
        Ok(())
    }
}

type Plane<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordu64>>;

const fn legend_columns(width: Width) -> usize {
    if width.pixels < 500 { 1 } else { 3 }
}

fn bar_top(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(0) * 44
}

/// How a row is called below its column: a day or an hour, as short as it can be told.
fn name(cell: &Cell, table: &Table, words: &Words) -> String {
    match cell {
        Cell::Moment(moment) | Cell::Day(moment) => {
            let moments = table.rows.iter().filter_map(|row| match row.cells[0] {
                Cell::Moment(moment) | Cell::Day(moment) => Some(moment),
                _ => None,
            });
            let seconds: Vec<i64> = moments.map(|moment| moment.as_second()).collect();
            let step = seconds.windows(2).map(|pair| pair[1] - pair[0]).min();
            let pattern = match step {
                Some(step) if step < 24 * 3_600 => "%H:%M",
                Some(step) if step > 31 * 24 * 3_600 => "%Y-%m",
                _ => "%m-%d",
            };
            moment.strftime(pattern).to_string()
        }
        other => other.told(words),
    }
}

/// The chart in a sentence or two: its sum, and where most of it is.
fn description(names: &[String], series: &[(String, Vec<u64>)], words: &Words) -> String {
    let told = |figure: u64| grouped(figure, words.language);
    let sentences = series.iter().map(|(name, figures)| {
        let total: u64 = figures.iter().sum();
        let mut text = format!("{name}: {}", words.with("chart-all", &[("total", &told(total))]));
        let most = figures.iter().zip(names).max_by_key(|(figure, _)| **figure);
        if let Some((figure, label)) = most.filter(|(figure, _)| **figure > 0) {
            let arguments = [("label", label.as_str()), ("value", &told(*figure))];
            text.push(' ');
            text.push_str(&words.with("chart-most", &arguments));
        }
        text
    });
    sentences.collect::<Vec<_>>().join(" ")
}

/// The end of the axis: a little above the highest figure, so that what stands above a column has room.
fn ceiling(most: u64) -> u64 {
    most.saturating_add(most / 10).saturating_add(1)
}

fn shortened(text: &str, characters_max: usize) -> String {
    if text.chars().count() <= characters_max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(characters_max - 1).collect();
    short.push('…');
    short
}

fn refused<E: std::fmt::Display>(error: E) -> RenderError {
    RenderError::Chart(error.to_string())
}

fn letters(side: HPos) -> TextStyle<'static> {
    let style: TextStyle<'static> = ("sans-serif", LETTERS).into_font().color(&INK);
    style.pos(Pos::new(side, VPos::Center))
}

fn write(root: &Area<'_>, text: &str, at: (i32, i32), side: HPos) -> Result<(), RenderError> {
    root.draw(&Text::new(text.to_owned(), at, letters(side)))
        .map_err(refused)
}

fn line(root: &Area<'_>, from: (i32, i32), to: (i32, i32)) -> Result<(), RenderError> {
    root.draw(&PathElement::new(
        vec![from, to],
        ShapeStyle::from(&INK).stroke_width(1),
    ))
    .map_err(refused)
}

#[expect(clippy::cast_possible_truncation, reason = "a part of the width of a chart")]
fn pixels(length: f64) -> i32 {
    length.round() as i32
}

/// A rectangle in the pattern of a series: full, slanted lines, level lines.
fn pattern(
    root: &Area<'_>,
    number: usize,
    (left, top): (i32, i32),
    (right, bottom): (i32, i32),
) -> Result<(), RenderError> {
    let corners = [(left, top), (right, bottom)];
    let fill = if number == 0 { INK } else { WHITE };
    root.draw(&Rectangle::new(corners, fill.filled()))
        .map_err(refused)?;
    let (width, height) = (right - left, bottom - top);
    if number == 1 {
        for start in (-height..width).step_by(PATTERN_PIXELS.unsigned_abs() as usize) {
            // From the lower left to the upper right, cut at the sides.
            let (from, to) = (start.max(0), (start + height).min(width));
            if from < to {
                let at = |x: i32| (left + x, bottom - (x - start));
                line(root, at(from), at(to))?;
            }
        }
    } else if number > 1 {
        for y in (top..bottom).step_by(PATTERN_PIXELS.unsigned_abs() as usize / 2) {
            line(root, (left, y), (right, y))?;
        }
    }
    let outline = ShapeStyle::from(&INK).stroke_width(1);
    root.draw(&Rectangle::new(corners, outline)).map_err(refused)
}
