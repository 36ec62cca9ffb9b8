//! When a task runs: every so often, or at the moments of a cron line.

use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};

/// How far ahead a cron line is searched: every line that ever matches, matches within four leap years.
const SEARCH_DAYS_MAX: u32 = 366 * 8;

/// A schedule, read from `"every 5m"` or five cron fields. Cron moments are in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Again and again, with this pause.
    Every(SignedDuration),
    /// At the moments of a cron line.
    Cron(Box<Cron>),
}

/// The five fields of a cron line, each as the set of numbers that match: bit n for the number n.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Cron's odd rule: when both day fields are restricted, either may match.
    either_day: bool,
}

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What it must be instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.trim().strip_prefix("every ") {
            Some(pause) => every(pause.trim()).map(Self::Every),
            None => Cron::parse(text).map(|cron| Self::Cron(Box::new(cron))),
        }
    }

    /// How long from now until it runs again.
    pub(crate) fn wait(&self, now: Timestamp) -> SignedDuration {
        match self {
            Self::Every(pause) => *pause,
            Self::Cron(cron) => cron
                .next_after(now)
                .map_or(SignedDuration::from_hours(24), |next| next.duration_since(now)),
        }
    }
}

fn every(pause: &str) -> Result<SignedDuration, String> {
    let wrong =
        || format!("\"every\" and a number with s, m, h or d, such as \"every 5m\", not \"every {pause}\"");
    let unit = pause.chars().next_back().ok_or_else(wrong)?;
    let number = &pause[..pause.len() - unit.len_utf8()];
    let number: u32 = number.trim().parse().map_err(|_| wrong())?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let pause = SignedDuration::from_secs(i64::from(number) * seconds);
    if number == 0 || pause > SignedDuration::from_hours(24 * 366) {
        return Err("every 1s at most often and every 366d at least".to_owned());
    }
    Ok(pause)
}

impl Cron {
    fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(format!(
                "\"every 5m\" or five cron fields (minute hour day month weekday), not \"{text}\""
            ));
        };
        let weekday_set = set(weekdays, 0, 7, &WEEKDAYS, 0)?;
        let cron = Self {
            minutes: set(minutes, 0, 59, &[], 0)?,
            hours: set(hours, 0, 23, &[], 0)?,
            days: set(days, 1, 31, &[], 0)?,
            months: set(months, 1, 12, &MONTHS, 1)?,
            // Sunday is 0 and 7.
            weekdays: (weekday_set | (weekday_set >> 7)) & 0x7f,
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        };
        match cron.next_after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(cron),
            None => Err(format!(
                "a cron line that matches some day; \"{text}\" never does"
            )),
        }
    }

    /// The first matching minute after a moment.
    fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned(TimeZone::UTC).datetime();
        for days_ahead in 0..SEARCH_DAYS_MAX {
            let date = now.date().checked_add(i64::from(days_ahead).days()).ok()?;
            if !self.matches_date(date) {
                continue;
            }
            for minute_of_day in 0..24 * 60_i16 {
                let (hour, minute) = (minute_of_day / 60, minute_of_day % 60);
                let matches = has(self.hours, hour) && has(self.minutes, minute);
                let later =
                    days_ahead > 0 || minute_of_day > i16::from(now.hour()) * 60 + i16::from(now.minute());
                if matches && later {
                    let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
                    return Some(
                        date.at(hour, minute, 0, 0)
                            .to_zoned(TimeZone::UTC)
                            .ok()?
                            .timestamp(),
                    );
                }
            }
        }
        None
    }

    fn matches_date(&self, date: jiff::civil::Date) -> bool {
        let day = has(self.days, date.day().into());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset().into());
        let either = if self.either_day {
            day || weekday
        } else {
            day && weekday
        };
        has(self.months, date.month().into()) && either
    }
}

fn has(set: u64, number: i16) -> bool {
    u32::try_from(number).is_ok_and(|number| set & (1 << number) != 0)
}

/// Reads one field: `*`, numbers, names, ranges, steps, and lists of these.
fn set(field: &str, first: u32, last: u32, names: &[&str], names_from: u32) -> Result<u64, String> {
    let wrong = || format!("cron fields with numbers from {first} to {last} at that place, not \"{field}\"");
    let number = |text: &str| -> Result<u32, String> {
        let by_name = names
            .iter()
            .zip(names_from..)
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        let number = by_name.map_or_else(|| text.parse().map_err(|_| wrong()), |(_, number)| Ok(number))?;
        if (first..=last).contains(&number) {
            Ok(number)
        } else {
            Err(wrong())
        }
    };
    let mut bits = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (
                range,
                step.parse::<usize>()
                    .ok()
                    .filter(|step| *step > 0)
                    .ok_or_else(wrong)?,
            ),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (first, last),
            Some((from, to)) => (number(from)?, number(to)?),
            None if step > 1 => (number(range)?, last),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(wrong());
        }
        bits |= (from..=to)
            .step_by(step)
            .fold(0, |bits, number| bits | 1 << number);
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(line: &str, now: &str) -> String {
        let cron = Cron::parse(line).unwrap();
        cron.next_after(now.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn cron_lines_are_met_at_their_moments() {
        // 2026-01-31 is a Saturday.
        for (line, expected) in [
            ("0 3 * * *", "2026-02-01T03:00:00Z"),
            ("0 8 * * MON", "2026-02-02T08:00:00Z"),
            ("0 8 * * 7", "2026-02-01T08:00:00Z"),
            ("*/15 * * * *", "2026-01-31T12:15:00Z"),
            ("0-10/5,40 12 * jan *", "2026-01-31T12:05:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("0 0 13 * fri", "2026-02-06T00:00:00Z"),
            ("0 12 * * *", "2026-02-01T12:00:00Z"),
        ] {
            assert_eq!(next(line, "2026-01-31T12:00:30Z"), expected, "{line}");
        }
    }

    #[test]
    fn pauses_are_read_and_nonsense_is_refused() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(
            Schedule::parse("every 5m").unwrap().wait(now),
            SignedDuration::from_mins(5)
        );
        assert_eq!(
            Schedule::parse("every 2 h").unwrap().wait(now),
            SignedDuration::from_hours(2)
        );
        assert_eq!(
            Schedule::parse("*/5 * * * *").unwrap().wait(now),
            SignedDuration::from_mins(5)
        );
        for wrong in [
            "",
            "every",
            "every 0s",
            "every 5x",
            "every ż",
            "daily",
            "* * * *",
            "60 * * * *",
            "0 0 31 2 *",
            "5-1 * * * *",
            "*/0 * * * *",
            "0 8 * * MOO",
        ] {
            assert!(Schedule::parse(wrong).is_err(), "{wrong}");
        }
    }
}
