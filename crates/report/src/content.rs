//! What a report tells, and in which order: tables that every format writes down in its own way.

use saldo_domain::report::{OperationTotals, Report, ReportCause, Totals};

use crate::cell::{Cell, Change, minute};
use crate::words::Words;

/// One table, with what stands around it.
pub(crate) struct Table {
    /// The stable word: the section of the long table, the last part of every key of words.
    pub(crate) key: &'static str,
    /// What it is about.
    pub(crate) title: String,
    /// How to read it.
    pub(crate) note: Option<String>,
    /// Its columns, the first of which names the row.
    pub(crate) columns: Vec<Column>,
    /// Its rows; none: there is nothing to tell.
    pub(crate) rows: Vec<Row>,
    /// What is said when there is nothing to tell.
    pub(crate) empty: String,
    /// The charts that show it.
    pub(crate) charts: &'static [Chart],
}

/// One column.
pub(crate) struct Column {
    /// The stable word: the measure of the long table.
    pub(crate) key: &'static str,
    /// Its heading.
    pub(crate) title: String,
}

/// One row.
pub(crate) struct Row {
    /// The stable word or the foreign text that names it.
    pub(crate) key: String,
    /// As many as there are columns.
    pub(crate) cells: Vec<Cell>,
}

/// A chart of some columns of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chart {
    /// Its shape.
    pub(crate) shape: Shape,
    /// The key of its title.
    pub(crate) title: &'static str,
    /// The columns that it shows, by their places.
    pub(crate) columns: &'static [usize],
}

/// How a chart shows its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Columns over the row's names, one upon the other.
    Stacked,
    /// Columns side by side.
    Beside,
    /// One bar a row, its name above it.
    Bars,
}

/// What the head says, a line each.
pub(crate) fn head(report: &Report, words: &Words) -> Vec<String> {
    let head = &report.head;
    let scope = match (&head.account, &head.account_name) {
        (None, _) => words.text("report-scope-all"),
        (Some(_), Some(name)) => words.with("report-scope-account", &[("account", name)]),
        (Some(id), None) => words.with("report-scope-account", &[("account", &id.to_string())]),
    };
    let made_at = minute(head.made_at);
    let made = match head.cause {
        ReportCause::Scheduled => words.with("report-made-scheduled", &[("at", &made_at)]),
        ReportCause::Asked => words.with("report-made", &[("at", &made_at), ("by", &head.made_by)]),
    };
    let before = head.period.before();
    let before = words.with(
        "report-before",
        &[("from", &minute(before.from())), ("to", &minute(before.to()))],
    );
    vec![scope, made, before]
}

/// The period in words.
pub(crate) fn period(report: &Report, words: &Words) -> String {
    let period = report.head.period;
    words.with(
        "report-period",
        &[("from", &minute(period.from())), ("to", &minute(period.to()))],
    )
}

/// Whether there is anything to tell at all.
pub(crate) fn is_empty(report: &Report) -> bool {
    let totals = &report.figures.totals;
    totals.recorded() == 0
        && totals.shadow.is_empty()
        && totals.discrepancies.is_empty()
        && totals.attempts.made == 0
        && totals.reviews.is_empty()
        && totals.stock.units_taken == 0
        && totals.stock.units_returned == 0
}

/// All tables, in the order in which they are read.
pub(crate) fn tables(report: &Report, words: &Words) -> Vec<Table> {
    let mut tables = vec![
        summary(report, words),
        timeline(report, words),
        operations(report, words),
        waiting(report, words),
        attempts(report, words),
        retries(report, words),
        reviews(report, words),
        shortages(report, words),
        skus(report, words),
        hours(report, words),
        discrepancies(report, words),
    ];
    // Only those who compare are told of the comparison.
    if !report.figures.totals.shadow.is_empty() {
        tables.push(shadow(report, words));
    }
    tables
}

fn table(
    words: &Words,
    key: &'static str,
    columns: &[&'static str],
    rows: Vec<Row>,
    charts: &'static [Chart],
) -> Table {
    let of_key = |kind: &str| format!("{kind}-{key}");
    let note = words.of("note", key);
    let empty = words.of("empty", key);
    Table {
        key,
        title: words.text(&of_key("section")),
        note: (note != key).then_some(note),
        empty: if empty == key {
            words.text("empty-rows")
        } else {
            empty
        },
        columns: columns
            .iter()
            .map(|key| Column {
                key,
                title: words.text(&format!("column-{key}")),
            })
            .collect(),
        rows,
        charts,
    }
}

/// The first figures that people look for, each beside the period before.
fn summary(report: &Report, words: &Words) -> Table {
    type Measure = fn(&Totals) -> Cell;
    let measures: [(&str, Measure); 15] = [
        ("orders", |totals| Cell::Count(totals.deductions())),
        ("operations", |totals| Cell::Count(totals.recorded())),
        ("attempts", |totals| Cell::Count(totals.attempts.made)),
        ("success-rate", |totals| Cell::Rate(totals.attempts.success_rate)),
        ("retries", |totals| Cell::Count(totals.retries.made)),
        ("retry-time-mean", |totals| {
            Cell::Time(totals.retries.time.mean_ms)
        }),
        ("reviews-opened", |totals| Cell::Count(totals.reviews_opened())),
        ("reviews-resolved", |totals| {
            Cell::Count(totals.reviews_resolved())
        }),
        ("reviews-open", |totals| Cell::Count(totals.reviews_open())),
        ("units-taken", |totals| Cell::Count(totals.stock.units_taken)),
        ("units-returned", |totals| {
            Cell::Count(totals.stock.units_returned)
        }),
        ("skus", |totals| Cell::Count(totals.stock.skus)),
        ("shortages", |totals| Cell::Count(totals.stock.shortages)),
        ("discrepancies", |totals| {
            Cell::Count(totals.discrepancies_found())
        }),
        ("discrepancies-open", |totals| {
            Cell::Count(totals.discrepancies_open())
        }),
    ];
    let rows = measures.into_iter().map(|(key, measure)| {
        compared(
            words,
            key,
            measure(&report.figures.totals),
            measure(&report.figures.before),
        )
    });
    table(
        words,
        "summary",
        &["measure", "now", "before", "change"],
        rows.collect(),
        &[],
    )
}

fn compared(words: &Words, key: &str, now: Cell, before: Cell) -> Row {
    let change = Cell::Change(Change::between(&now, &before));
    Row {
        key: key.replace('-', "_"),
        cells: vec![Cell::Word(words.of("measure", key)), now, before, change],
    }
}

fn timeline(report: &Report, words: &Words) -> Table {
    const CHARTS: &[Chart] = &[
        Chart {
            shape: Shape::Stacked,
            title: "chart-timeline-title",
            columns: &[1, 2, 3],
        },
        Chart {
            shape: Shape::Stacked,
            title: "chart-attempts-title",
            columns: &[4, 5],
        },
    ];
    let in_days = report.figures.slot_hours >= 24 && report.head.period.from().as_second() % 86_400 == 0;
    let begin = |from| {
        if in_days {
            Cell::Day(from)
        } else {
            Cell::Moment(from)
        }
    };
    let rows = report.figures.timeline.iter().map(|slot| Row {
        key: slot.from.to_string(),
        cells: vec![
            begin(slot.from),
            Cell::Count(slot.deductions),
            Cell::Count(slot.refunds),
            Cell::Count(slot.adjustments),
            Cell::Count(slot.delivered),
            Cell::Count(slot.not_delivered),
        ],
    });
    let columns = [
        "from",
        "deductions",
        "refunds",
        "adjustments",
        "delivered",
        "not-delivered",
    ];
    table(words, "timeline", &columns, rows.collect(), CHARTS)
}

fn operations(report: &Report, words: &Words) -> Table {
    let row = |now: &OperationTotals| {
        let before = report.figures.before.operations.iter();
        let mut before = before.filter(|before| before.operation_type == now.operation_type);
        Row {
            key: now.operation_type.as_str().to_owned(),
            cells: vec![
                Cell::Word(words.of("type", now.operation_type.as_str())),
                Cell::Count(now.recorded),
                Cell::Count(now.completed),
                Cell::Count(now.waiting),
                Cell::Count(now.failed),
                Cell::Count(now.rolled_back),
                Cell::Count(before.next().map_or(0, |before| before.recorded)),
            ],
        }
    };
    let columns = [
        "type",
        "recorded",
        "completed",
        "waiting",
        "failed",
        "rolled-back",
        "recorded-before",
    ];
    let rows = report.figures.totals.operations.iter().map(row).collect();
    table(words, "operations", &columns, rows, &[])
}

fn waiting(report: &Report, words: &Words) -> Table {
    let waiting = report.figures.totals.waiting.iter();
    let rows = waiting.filter(|totals| totals.operations > 0).map(|totals| Row {
        key: totals.waiting_for.as_str().to_owned(),
        cells: vec![
            Cell::Word(words.of("waiting", totals.waiting_for.as_str())),
            Cell::Count(totals.operations),
        ],
    });
    table(
        words,
        "waiting",
        &["waiting-for", "operations"],
        rows.collect(),
        &[],
    )
}

fn attempts(report: &Report, words: &Words) -> Table {
    let (now, before) = (&report.figures.totals.attempts, &report.figures.before.attempts);
    let outcomes = [
        ("made", Cell::Count(now.made), Cell::Count(before.made)),
        (
            "delivered",
            Cell::Count(now.delivered),
            Cell::Count(before.delivered),
        ),
        (
            "to_be_retried",
            Cell::Count(now.to_be_retried),
            Cell::Count(before.to_be_retried),
        ),
        (
            "given_up",
            Cell::Count(now.given_up),
            Cell::Count(before.given_up),
        ),
        (
            "success-rate",
            Cell::Rate(now.success_rate),
            Cell::Rate(before.success_rate),
        ),
    ];
    let rows = outcomes.into_iter().map(|(key, now, before)| {
        let change = Cell::Change(Change::between(&now, &before));
        Row {
            key: key.replace('-', "_"),
            cells: vec![Cell::Word(words.of("outcome", key)), now, before, change],
        }
    });
    let columns = ["outcome", "now", "before", "change"];
    table(words, "attempts", &columns, rows.collect(), &[])
}

fn retries(report: &Report, words: &Words) -> Table {
    let (now, before) = (&report.figures.totals.retries, &report.figures.before.retries);
    let measures = [
        ("retries", Cell::Count(now.made), Cell::Count(before.made)),
        (
            "retried-operations",
            Cell::Count(now.operations),
            Cell::Count(before.operations),
        ),
        (
            "delivered-by-retry",
            Cell::Count(now.delivered),
            Cell::Count(before.delivered),
        ),
        (
            "retry-time-mean",
            Cell::Time(now.time.mean_ms),
            Cell::Time(before.time.mean_ms),
        ),
        (
            "retry-time-median",
            Cell::Time(now.time.median_ms),
            Cell::Time(before.time.median_ms),
        ),
        (
            "retry-time-longest",
            Cell::Time(now.time.longest_ms),
            Cell::Time(before.time.longest_ms),
        ),
    ];
    let rows = measures
        .into_iter()
        .map(|(key, now, before)| compared(words, key, now, before));
    let columns = ["measure", "now", "before", "change"];
    table(words, "retries", &columns, rows.collect(), &[])
}

fn reviews(report: &Report, words: &Words) -> Table {
    const CHARTS: &[Chart] = &[Chart {
        shape: Shape::Bars,
        title: "chart-reviews-title",
        columns: &[1],
    }];
    let rows = report.figures.totals.reviews.iter().map(|totals| Row {
        key: totals.reason.as_str().to_owned(),
        cells: vec![
            Cell::Word(words.of("reason", totals.reason.as_str())),
            Cell::Count(totals.opened),
            Cell::Count(totals.resolved),
            Cell::Count(totals.resolved_by_person),
            Cell::Count(totals.open),
            Cell::Time(totals.waited.mean_ms),
            Cell::Time(totals.waited.median_ms),
            Cell::Time(totals.waited.longest_ms),
        ],
    });
    let columns = [
        "reason",
        "opened",
        "resolved",
        "by-person",
        "open",
        "mean-wait",
        "median-wait",
        "longest-wait",
    ];
    table(words, "reviews", &columns, rows.collect(), CHARTS)
}

fn shortages(report: &Report, words: &Words) -> Table {
    let rows = report.figures.shortages.iter().map(|shortage| Row {
        key: shortage.sku.as_str().to_owned(),
        cells: vec![
            Cell::Foreign(shortage.sku.as_str().to_owned()),
            Cell::Foreign(shortage.warehouse.as_str().to_owned()),
            Cell::Count(shortage.orders),
            Cell::Count(shortage.units_short),
            Cell::Count(shortage.open),
        ],
    });
    let columns = ["sku", "warehouse", "orders", "units-short", "open"];
    table(words, "shortages", &columns, rows.collect(), &[])
}

fn skus(report: &Report, words: &Words) -> Table {
    const CHARTS: &[Chart] = &[Chart {
        shape: Shape::Bars,
        title: "chart-skus-title",
        columns: &[1],
    }];
    let rows = report.figures.busiest_skus.iter().map(|totals| Row {
        key: totals.sku.as_str().to_owned(),
        cells: vec![
            Cell::Foreign(totals.sku.as_str().to_owned()),
            Cell::Count(totals.units_taken),
            Cell::Count(totals.times_taken),
            Cell::Count(totals.units_returned),
            Cell::Count(totals.units_taken_before),
        ],
    });
    let columns = [
        "sku",
        "units-taken",
        "times-taken",
        "units-returned",
        "units-taken-before",
    ];
    table(words, "skus", &columns, rows.collect(), CHARTS)
}

fn hours(report: &Report, words: &Words) -> Table {
    const CHARTS: &[Chart] = &[Chart {
        shape: Shape::Beside,
        title: "chart-hours-title",
        columns: &[1, 2],
    }];
    let any = |totals: &Totals| totals.deductions() > 0;
    let has_some = any(&report.figures.totals) || any(&report.figures.before);
    let hours = report.figures.busiest_hours.iter().filter(|_| has_some);
    let rows = hours.map(|totals| {
        let hour = format!("{:02}", totals.hour);
        Row {
            key: hour.clone(),
            cells: vec![
                Cell::Word(hour),
                Cell::Count(totals.deductions),
                Cell::Count(totals.before),
            ],
        }
    });
    let columns = ["hour", "deductions", "deductions-before"];
    table(words, "hours", &columns, rows.collect(), CHARTS)
}

fn discrepancies(report: &Report, words: &Words) -> Table {
    let rows = report.figures.totals.discrepancies.iter().map(|totals| Row {
        key: totals.kind.as_str().to_owned(),
        cells: vec![
            Cell::Word(words.of("kind", totals.kind.as_str())),
            Cell::Count(totals.found),
            Cell::Count(totals.auto_fixed),
            Cell::Count(totals.review),
            Cell::Count(totals.watched),
            Cell::Count(totals.reported),
            Cell::Count(totals.gone),
            Cell::Count(totals.open),
        ],
    });
    let columns = [
        "kind",
        "found",
        "auto-fixed",
        "review",
        "watched",
        "reported",
        "gone",
        "open",
    ];
    table(words, "discrepancies", &columns, rows.collect(), &[])
}

fn shadow(report: &Report, words: &Words) -> Table {
    let rows = report.figures.totals.shadow.iter().map(|totals| Row {
        key: totals.would.as_str().to_owned(),
        cells: vec![
            Cell::Word(words.of("would", totals.would.as_str())),
            Cell::Count(totals.same),
            Cell::Count(totals.differs),
            Cell::Count(totals.undecided),
        ],
    });
    let columns = ["would", "same", "differs", "undecided"];
    table(words, "shadow", &columns, rows.collect(), &[])
}
