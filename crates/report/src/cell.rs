//! One cell of a table, and how people read it.

use jiff::Timestamp;

use crate::words::{Language, Words};

/// One cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Our own words.
    Word(String),
    /// Text from outside: a SKU, a name. Never trusted.
    Foreign(String),
    /// A number of things.
    Count(u64),
    /// A part of a whole, from 0 to 1.
    Rate(Option<f64>),
    /// How long something took, in milliseconds.
    Time(Option<u64>),
    /// A moment.
    Moment(Timestamp),
    /// A day, by its first moment.
    Day(Timestamp),
    /// How a figure changed.
    Change(Change),
}

/// How a figure changed against the period before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// There is nothing to compare with.
    Unknown,
    /// It is what it was.
    Same,
    /// There was none of it.
    New,
    /// By a part of what it was.
    Part(f64),
    /// A rate, by points of a hundred.
    Points(f64),
}

impl Change {
    /// How one figure stands to another of its kind.
    pub(crate) fn between(now: &Cell, before: &Cell) -> Self {
        match (now, before) {
            (Cell::Count(now), Cell::Count(before)) => Self::of(*now, *before),
            (Cell::Time(Some(now)), Cell::Time(Some(before))) => Self::of(*now, *before),
            (Cell::Rate(Some(now)), Cell::Rate(Some(before))) => {
                let points = (now - before) * 100.0;
                if points.abs() < 0.005 {
                    Self::Same
                } else {
                    Self::Points(points)
                }
            }
            _ => Self::Unknown,
        }
    }

    fn of(now: u64, before: u64) -> Self {
        if now == before {
            Self::Same
        } else if before == 0 {
            Self::New
        } else {
            Self::Part(as_float(now) / as_float(before) - 1.0)
        }
    }
}

/// For charts and shares: beyond 2^52 the last digits do not matter.
#[expect(
    clippy::cast_precision_loss,
    reason = "shown to three digits; counts of a period are far below 2^52"
)]
pub(crate) fn as_float(count: u64) -> f64 {
    count as f64
}

impl Cell {
    /// Whether it is told at the right side of its column.
    pub(crate) const fn is_number(&self) -> bool {
        !matches!(
            self,
            Self::Word(_) | Self::Foreign(_) | Self::Moment(_) | Self::Day(_)
        )
    }

    /// As people read it.
    pub(crate) fn told(&self, words: &Words) -> String {
        match self {
            Self::Word(text) | Self::Foreign(text) => text.clone(),
            Self::Count(count) => grouped(*count, words.language),
            Self::Rate(Some(rate)) => percent(*rate * 100.0, 2, words.language),
            Self::Time(Some(milliseconds)) => duration(*milliseconds, words),
            Self::Rate(None) | Self::Time(None) | Self::Change(Change::Unknown) => words.text("value-none"),
            Self::Moment(moment) => minute(*moment),
            Self::Day(moment) => moment.strftime("%Y-%m-%d").to_string(),
            Self::Change(Change::Same) => words.text("change-same"),
            Self::Change(Change::New) => words.text("change-new"),
            Self::Change(Change::Part(part)) => {
                let hundredths = part * 100.0;
                // The smaller, the finer: a change of one among thousands is not told as none.
                let digits = usize::from(hundredths.abs() < 10.0) + usize::from(hundredths.abs() < 0.1);
                let text = percent(hundredths.abs(), digits, words.language);
                format!("{}{text}", sign(*part))
            }
            Self::Change(Change::Points(points)) => {
                let number = decimal(points.abs(), 2, words.language);
                let text = unbroken(&words.with("change-points", &[("n", &number)]));
                format!("{}{text}", sign(*points))
            }
        }
    }
}

/// A true minus, as wide as the plus.
const fn sign(number: f64) -> &'static str {
    if number < 0.0 { "\u{2212}" } else { "+" }
}

/// A number with its thousands apart, as the language does it.
pub(crate) fn grouped(count: u64, language: Language) -> String {
    let separator = match language {
        Language::English => ',',
        // A space that does not end the line.
        Language::Polish | Language::Russian => '\u{a0}',
    };
    let digits = count.to_string();
    // Four digits stand together in Polish and Russian.
    if digits.len() < 4 || (language != Language::English && digits.len() == 4) {
        return digits;
    }
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

fn decimal(number: f64, digits: usize, language: Language) -> String {
    let text = format!("{number:.digits$}");
    if language == Language::English {
        text
    } else {
        text.replace('.', ",")
    }
}

fn percent(hundredths: f64, digits: usize, language: Language) -> String {
    let number = decimal(hundredths, digits, language);
    if language == Language::English {
        format!("{number}%")
    } else {
        format!("{number}\u{a0}%")
    }
}

/// A moment to the minute, alike in every language.
pub(crate) fn minute(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M").to_string()
}

/// The two largest units of a time.
fn duration(milliseconds: u64, words: &Words) -> String {
    const UNITS: [(&str, u64); 5] = [
        ("unit-day", 86_400_000),
        ("unit-hour", 3_600_000),
        ("unit-minute", 60_000),
        ("unit-second", 1_000),
        ("unit-millisecond", 1),
    ];
    // A number stays with its unit; between the two units a line may end where there is little room.
    let tell = |key: &str, number: u64| unbroken(&words.with(key, &[("n", &number.to_string())]));
    let Some(first) = UNITS.iter().position(|(_, unit)| milliseconds >= *unit) else {
        return tell("unit-millisecond", 0);
    };
    let (key, unit) = UNITS[first];
    let mut text = tell(key, milliseconds / unit);
    // Below a minute the second unit is not worth reading.
    if first < 2
        && let Some((key, smaller)) = UNITS.get(first + 1)
        && milliseconds % unit >= *smaller
    {
        text.push(' ');
        text.push_str(&tell(key, milliseconds % unit / smaller));
    }
    text
}

fn unbroken(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::words;

    fn told(cell: Cell, language: Language) -> String {
        cell.told(words(language)).replace('\u{a0}', " ")
    }

    #[test]
    fn numbers_read_as_the_language_writes_them() {
        let cases = [
            (Cell::Count(1_234_567), "1,234,567", "1 234 567", "1 234 567"),
            (Cell::Count(1_234), "1,234", "1234", "1234"),
            (Cell::Count(999), "999", "999", "999"),
            (Cell::Rate(Some(0.9876)), "98.76%", "98,76 %", "98,76 %"),
            (Cell::Rate(None), "–", "–", "–"),
            (
                Cell::Time(Some(7_800_000)),
                "2 h 10 min",
                "2 godz. 10 min",
                "2 ч 10 мин",
            ),
            (Cell::Time(Some(90_000_000)), "1 d 1 h", "1 d 1 godz.", "1 д 1 ч"),
            (Cell::Time(Some(61_500)), "1 min", "1 min", "1 мин"),
            (Cell::Time(Some(420)), "420 ms", "420 ms", "420 мс"),
            (Cell::Time(Some(0)), "0 ms", "0 ms", "0 мс"),
        ];
        for (cell, english, polish, russian) in cases {
            assert_eq!(told(cell.clone(), Language::English), english);
            assert_eq!(told(cell.clone(), Language::Polish), polish);
            assert_eq!(told(cell, Language::Russian), russian);
        }
    }

    #[test]
    fn changes_say_against_what_there_was() {
        let change = |now, before| told(Cell::Change(Change::between(&now, &before)), Language::English);
        assert_eq!(change(Cell::Count(150), Cell::Count(100)), "+50%");
        assert_eq!(change(Cell::Count(97), Cell::Count(100)), "\u{2212}3.0%");
        assert_eq!(change(Cell::Count(5), Cell::Count(0)), "new");
        assert_eq!(change(Cell::Count(0), Cell::Count(0)), "±0");
        assert_eq!(
            change(Cell::Rate(Some(0.99)), Cell::Rate(Some(0.995))),
            "\u{2212}0.50 pp"
        );
        assert_eq!(change(Cell::Rate(None), Cell::Rate(Some(0.5))), "–");
        assert_eq!(change(Cell::Time(Some(500)), Cell::Time(None)), "–");
    }
}
