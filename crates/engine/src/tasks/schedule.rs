//! When a task runs: every so often, or at the moments of a cron line.

use std::fmt;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// A schedule, read from `"every 5m"` or five cron fields. Cron moments are in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    times: Times,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Times {
    /// Again and again, with this pause.
    Every(SignedDuration),
    /// At the moments of a cron line.
    Cron(Box<Cron>),
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What it must be instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let times = match text.strip_prefix("every ") {
            Some(pause) => Times::Every(every(pause.trim())?),
            None => Times::Cron(Box::new(cron(text)?)),
        };
        Ok(Self {
            text: text.to_owned(),
            times,
        })
    }

    /// The first moment at which it runs after another.
    #[must_use]
    pub fn next_after(&self, moment: Timestamp) -> Timestamp {
        let next = match &self.times {
            Times::Every(pause) => moment.checked_add(*pause).ok(),
            Times::Cron(cron) => {
                let moment = moment.to_zoned(TimeZone::UTC);
                let next = cron.find_next_occurrence(&moment, false);
                next.ok().map(|next| next.timestamp())
            }
        };
        next.unwrap_or(Timestamp::MAX)
    }

    /// How long from now until it runs again.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> SignedDuration {
        self.next_after(now).duration_since(now)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
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

fn cron(line: &str) -> Result<Cron, String> {
    if line.split_whitespace().count() != 5 {
        return Err(format!(
            "\"every 5m\" or five cron fields (minute hour day month weekday), not \"{line}\""
        ));
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    let cron = parser
        .parse(line)
        .map_err(|error| format!("five cron fields (minute hour day month weekday); \"{line}\": {error}"))?;
    let epoch = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    match cron.find_next_occurrence(&epoch, false) {
        Ok(_) => Ok(cron),
        Err(_) => Err(format!(
            "a cron line that matches some day; \"{line}\" never does"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(line: &str, now: &str) -> String {
        let schedule = Schedule::parse(line).unwrap();
        schedule.next_after(now.parse().unwrap()).to_string()
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
        for (text, expected) in [
            ("every 5m", SignedDuration::from_mins(5)),
            ("every 2 h", SignedDuration::from_hours(2)),
            ("*/5 * * * *", SignedDuration::from_mins(5)),
        ] {
            assert_eq!(Schedule::parse(text).unwrap().wait(now), expected, "{text}");
        }
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
            "0 0 8 * * MON",
        ] {
            assert!(Schedule::parse(wrong).is_err(), "{wrong}");
        }
    }
}
