//! Whether the clock of this computer can be right.

use jiff::{SignedDuration, Timestamp};

use super::Findings;
use crate::edge::now;

/// A clock that stands before this moment, at which Saldo was written, is wrong.
const WRITTEN_AT_SECOND: i64 = 1_767_225_600;
/// How far two clocks may differ: tokens for the orders service live for minutes.
const DIFFERENCE_MAX: SignedDuration = SignedDuration::from_secs(60);

/// Checks the clock, against that of the orders service where it told one.
pub(super) fn check(remote_time: Option<Timestamp>, findings: &mut Findings) {
    compare(now(), remote_time, findings);
}

fn compare(now: Timestamp, remote_time: Option<Timestamp>, findings: &mut Findings) {
    const AREA: &str = "clock";
    const MEND: &str = "set the clock, for example with `timedatectl set-ntp true`";
    if now.as_second() < WRITTEN_AT_SECOND {
        findings.wrong(AREA, format!("this computer says that it is {now}"), MEND);
        return;
    }
    match remote_time.map(|remote| (remote, now.duration_since(remote).abs())) {
        Some((remote, difference)) if difference > DIFFERENCE_MAX => {
            let seconds = difference.as_secs();
            let what = format!("here it is {now}, at the orders service {remote}: {seconds} seconds apart");
            findings.wrong(AREA, what, MEND);
        }
        Some(_) => findings.fine(AREA, "agrees with that of the orders service"),
        None => findings.fine(AREA, format!("says {now}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Gravity;
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_is_found() {
        let gravity = |now: &str, remote: Option<&str>| {
            let mut findings = Findings::default();
            compare(
                now.parse().unwrap(),
                remote.map(|remote| remote.parse().unwrap()),
                &mut findings,
            );
            findings.0[0].gravity
        };
        assert_eq!(gravity("1970-01-02T00:00:00Z", None), Gravity::Wrong);
        assert_eq!(
            gravity("2026-06-01T00:00:00Z", Some("2026-06-01T00:02:00Z")),
            Gravity::Wrong
        );
        assert_eq!(
            gravity("2026-06-01T00:00:00Z", Some("2026-06-01T00:00:59Z")),
            Gravity::Fine
        );
        assert_eq!(gravity("2026-06-01T00:00:00Z", None), Gravity::Fine);
    }
}
