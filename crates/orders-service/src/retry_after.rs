//! The `Retry-After` header: seconds or a date (RFC 9110, section 10.2.3).

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// A longer wait than a year is taken for a mistake.
const ABSURD_SECONDS: u64 = 366 * 24 * 3600;

/// The seconds to wait; `None` for what is in the past, absurd, or neither form.
pub(crate) fn seconds(header: &str, now: Timestamp) -> Option<u64> {
    let text = header.trim();
    let seconds = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()?
    } else {
        let until = DateTimeParser::new().parse_timestamp(text).ok()?;
        u64::try_from(until.as_second().checked_sub(now.as_second())?).ok()?
    };
    (seconds <= ABSURD_SECONDS).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nonsense_is_ignored() {
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        let cases = [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", None),
            ("Fri, 31 Dec 9999 23:59:59 GMT", None),
            ("-5", None),
            ("1.5", None),
            ("1e3", None),
            ("99999999999", None),
            ("99999999999999999999999999", None),
            ("", None),
            ("soon", None),
            ("1994-11-06T08:49:37Z", None),
        ];
        for (header, expected) in cases {
            assert_eq!(seconds(header, now), expected, "{header:?}");
        }
    }
}
