//! The table of results, as it is printed.

use crate::cpu::WriterWork;
use crate::spread::Spread;

/// What a figure is compared with, in the same run.
pub(crate) struct Beside {
    /// What it is.
    pub(crate) what: &'static str,
    /// Its own figures.
    pub(crate) figures: Spread,
    /// Ours by its, pair by pair.
    pub(crate) ratio: Spread,
}

/// A bound that the median shall keep.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// Only to be known.
    None,
    /// The ratio is at least this.
    RatioAtLeast(f64),
    /// The ratio is below this.
    RatioBelow(f64),
    /// The figure is at least this.
    AtLeast(f64),
    /// The figure is below this.
    Below(f64),
}

/// One figure.
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// In what unit.
    pub(crate) unit: &'static str,
    /// Ours.
    pub(crate) ours: Spread,
    /// What stands beside it.
    pub(crate) beside: Option<Beside>,
    /// The bound.
    pub(crate) goal: Goal,
}

impl Row {
    fn goal(&self) -> String {
        let ratio = self.beside.as_ref().map(|beside| beside.ratio.median);
        let (words, is_met) = match self.goal {
            Goal::None => return "–".to_owned(),
            Goal::RatioAtLeast(bound) => (
                format!("ratio ≥ {bound}"),
                ratio.is_some_and(|ratio| ratio >= bound),
            ),
            Goal::RatioBelow(bound) => (
                format!("ratio < {bound}"),
                ratio.is_some_and(|ratio| ratio < bound),
            ),
            Goal::AtLeast(bound) => (format!("≥ {bound}"), self.ours.median >= bound),
            Goal::Below(bound) => (format!("< {bound}"), self.ours.median < bound),
        };
        format!("{words}: {}", if is_met { "met" } else { "missed" })
    }
}

/// Prints the head of the table.
pub(crate) fn print_head() {
    println!("| what | unit | Saldo | beside it | ratio | goal |");
    println!("| --- | --- | ---: | ---: | ---: | --- |");
}

/// Prints how much the writing thread works for an order, where that is known.
pub(crate) fn print_work(what: &str, work: &WriterWork) {
    if !work.rounds().is_empty() {
        print(&Row {
            what: format!("{what}: work of the writing thread"),
            unit: "µs an order",
            ours: Spread::of(work.rounds()),
            beside: None,
            goal: Goal::None,
        });
    }
}

/// Prints one row, as soon as it is known.
pub(crate) fn print(row: &Row) {
    let (beside, ratio) = row.beside.as_ref().map_or_else(
        || ("–".to_owned(), "–".to_owned()),
        |beside| {
            (
                format!("{} {}", beside.what, beside.figures),
                beside.ratio.to_string(),
            )
        },
    );
    println!(
        "| {} | {} | {} | {beside} | {ratio} | {} |",
        row.what,
        row.unit,
        row.ours,
        row.goal()
    );
}
