//! Quiet hours: the part of the day in which only what is serious enough may disturb.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::kind::Severity;

/// A daily span of local time.
#[derive(Debug, Clone, PartialEq)]
pub struct QuietHours {
    /// When it begins.
    pub from: Time,
    /// When it ends; earlier than `from` when it reaches over midnight.
    pub until: Time,
    /// Whose time.
    pub zone: TimeZone,
    /// The least severity that disturbs all the same.
    pub severity: Severity,
}

impl QuietHours {
    /// Reads a span such as `22:00-07:00`.
    ///
    /// # Errors
    /// What is wanted instead.
    pub fn parse(text: &str, zone: TimeZone, severity: Severity) -> Result<Self, String> {
        let wanted = || "a span of the day such as \"22:00-07:00\", or empty".to_owned();
        let (from, until) = text.split_once('-').ok_or_else(wanted)?;
        let read = |text: &str| Time::strptime("%H:%M", text.trim()).map_err(|_| wanted());
        let (from, until) = (read(from)?, read(until)?);
        if from == until {
            return Err(wanted());
        }
        Ok(Self {
            from,
            until,
            zone,
            severity,
        })
    }

    /// When a message of a severity may go out: now, or at the end of the quiet hours.
    #[must_use]
    pub fn may_disturb_at(&self, severity: Severity, now: Timestamp) -> Timestamp {
        if severity >= self.severity {
            return now;
        }
        let local = now.to_zoned(self.zone.clone());
        let time = local.time();
        let is_quiet = if self.from < self.until {
            time >= self.from && time < self.until
        } else {
            time >= self.from || time < self.until
        };
        if !is_quiet {
            return now;
        }
        let today = local.date();
        let ends_on = if time < self.until {
            Ok(today)
        } else {
            today.checked_add(1.day())
        };
        // A time that the change to summer time leaves out is taken for the one after it; at the end of the
        // calendar there is nothing left to wait for.
        ends_on
            .and_then(|date| date.to_datetime(self.until).to_zoned(self.zone.clone()))
            .map_or(now, |end| end.timestamp().max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warsaw(text: &str) -> QuietHours {
        let zone = TimeZone::get("Europe/Warsaw").unwrap();
        QuietHours::parse(text, zone, Severity::Critical).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_warning_at_night_waits_for_the_morning_and_a_critical_one_does_not() {
        let quiet = warsaw("22:00-07:00");
        for (now, expected) in [
            ("2026-01-10T20:59:59Z", "2026-01-10T20:59:59Z"),
            ("2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z"),
            ("2026-01-11T03:00:00Z", "2026-01-11T06:00:00Z"),
            ("2026-01-11T06:00:00Z", "2026-01-11T06:00:00Z"),
            ("2026-07-10T20:30:00Z", "2026-07-11T05:00:00Z"),
        ] {
            assert_eq!(
                quiet.may_disturb_at(Severity::Warning, at(now)),
                at(expected),
                "{now}"
            );
            assert_eq!(quiet.may_disturb_at(Severity::Critical, at(now)), at(now));
        }
    }

    #[test]
    fn a_span_within_a_day_and_one_that_ends_in_the_hour_left_out_in_spring() {
        let lunch = warsaw("12:00-13:00");
        let noon = at("2026-01-10T11:30:00Z");
        assert_eq!(
            lunch.may_disturb_at(Severity::Notice, noon),
            at("2026-01-10T12:00:00Z")
        );
        let spring = warsaw("23:00-02:30");
        let night = at("2026-03-29T00:30:00Z");
        assert_eq!(
            spring.may_disturb_at(Severity::Warning, night),
            at("2026-03-29T01:30:00Z")
        );
    }

    #[test]
    fn strange_spans_are_refused() {
        for bad in [
            "",
            "22:00",
            "25:00-07:00",
            "22-7",
            "07:00-07:00",
            "22:00-07:00-08:00",
        ] {
            assert!(
                QuietHours::parse(bad, TimeZone::UTC, Severity::Critical).is_err(),
                "{bad}"
            );
        }
    }
}
