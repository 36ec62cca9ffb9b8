//! Dates as the service reads and writes them.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Milliseconds and seconds since 1970 are told apart by their size, as the service's validator does.
const SECONDS_WATERSHED: f64 = 2e10;

const TOO_SHORT: &str = "input is too short";
const EXTRA_CHARACTERS: &str = "unexpected extra characters at the end of the input";
const BAD_YEAR: &str = "invalid character in year";

/// A date from a filter, with the text the service echoes for it.
pub(crate) struct AwareDate {
    pub(crate) instant: Timestamp,
    pub(crate) echo: String,
}

/// The naive form of the database: UTC without a zone, microseconds only when there are any.
pub(crate) fn naive(at: Timestamp) -> String {
    iso(TimeZone::UTC.to_datetime(at))
}

fn iso(at: DateTime) -> String {
    let micros = at.subsec_nanosecond() / 1_000;
    let whole = at.strftime("%Y-%m-%dT%H:%M:%S");
    if micros == 0 {
        whole.to_string()
    } else {
        format!("{whole}.{micros:06}")
    }
}

/// Reads a filter date: a date, a date with a time, with or without a zone, or a count since 1970.
pub(crate) fn parse(text: &str) -> Result<AwareDate, &'static str> {
    if let Ok(number) = text.parse::<f64>() {
        return from_number(number);
    }
    if let Some(date) = parse_datetime(text) {
        return Ok(date);
    }
    match text.get(..10) {
        None => Err(TOO_SHORT),
        Some(start) if start.parse::<jiff::civil::Date>().is_ok() => Err(EXTRA_CHARACTERS),
        Some(_) => Err(BAD_YEAR),
    }
}

fn from_number(number: f64) -> Result<AwareDate, &'static str> {
    let seconds = if number.abs() > SECONDS_WATERSHED {
        number / 1_000.0
    } else {
        number
    };
    let instant = SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|duration| Timestamp::from_duration(duration).ok())
        .ok_or("dates after 9999 are not supported as unix timestamps")?;
    Ok(AwareDate {
        instant,
        echo: format!("{}+00:00", naive(instant)),
    })
}

fn parse_datetime(text: &str) -> Option<AwareDate> {
    if text.len() == 10
        && let Ok(date) = text.parse::<jiff::civil::Date>()
    {
        return Some(aware(date.at(0, 0, 0, 0), None));
    }
    let time_start = text.get(10..)?;
    let zone_start = time_start.find(['Z', 'z', '+', '-']).map(|index| index + 10);
    let (civil, zone) = match zone_start {
        Some(index) => (text.get(..index)?, Some(parse_offset(text.get(index..)?)?)),
        None => (text, None),
    };
    let civil: DateTime = civil.parse().ok()?;
    Some(aware(civil, zone))
}

fn parse_offset(text: &str) -> Option<Offset> {
    if text.eq_ignore_ascii_case("z") {
        return Some(Offset::UTC);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text
        .chars()
        .skip(1)
        .filter(|character| *character != ':')
        .collect();
    if digits.len() != 4 {
        return None;
    }
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits.get(2..)?.parse().ok()?;
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()
}

/// A date without a zone means UTC here, because the simulated database session runs in UTC.
fn aware(civil: DateTime, zone: Option<Offset>) -> AwareDate {
    let offset = zone.unwrap_or(Offset::UTC);
    let overflow = if civil.year() > 0 {
        Timestamp::MAX
    } else {
        Timestamp::MIN
    };
    let instant = offset.to_timestamp(civil).unwrap_or(overflow);
    let echo = match zone {
        None => iso(civil),
        Some(offset) => {
            let sign = if offset.seconds() < 0 { '-' } else { '+' };
            let minutes = offset.seconds().abs() / 60;
            format!("{}{sign}{:02}:{:02}", iso(civil), minutes / 60, minutes % 60)
        }
    };
    AwareDate { instant, echo }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_of_a_date_is_read() {
        for (text, echo) in [
            ("2025-07-20", "2025-07-20T00:00:00"),
            ("2025-07-20T00:00:00Z", "2025-07-20T00:00:00+00:00"),
            (
                "2025-07-20T14:46:07.961+02:00",
                "2025-07-20T14:46:07.961000+02:00",
            ),
            ("2025-07-20T14:46:07.961", "2025-07-20T14:46:07.961000"),
            ("1752969600", "2025-07-20T00:00:00+00:00"),
            ("1752969600000", "2025-07-20T00:00:00+00:00"),
            ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59-12:00"),
        ] {
            assert_eq!(parse(text).map(|date| date.echo), Ok(echo.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_plus_sign_that_became_a_blank_is_refused() {
        assert_eq!(
            parse("2025-07-20T14:46:07.961 02:00").err(),
            Some(EXTRA_CHARACTERS)
        );
        assert_eq!(parse("yesterday").err(), Some(TOO_SHORT));
    }
}
