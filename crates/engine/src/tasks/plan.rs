//! Whether a task is due, and when next.

use jiff::Timestamp;
use saldo_store::tasks::TaskState;

use super::Schedule;

/// What the schedule says now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// It is due: since when.
    pub(super) due_at: Option<Timestamp>,
    /// When it is due next, where it is not now.
    pub(super) next_run_at: Timestamp,
}

/// Compares what is remembered of a task with its schedule. However many runs were missed, it is due once. A run that
/// a crash cut short is due again.
pub(super) fn plan(state: Option<&TaskState>, schedule: &Schedule, now: Timestamp) -> Plan {
    let by_schedule = schedule.next_after(now);
    let planned = state.and_then(|state| state.next_run_at);
    // Later than the schedule allows: the clock was set back, or the schedule is another one now.
    let next_run_at = planned.map_or(by_schedule, |planned| planned.min(by_schedule));
    let cut_short = state
        .filter(|state| state.last_started_at > state.last_ended_at)
        .and_then(|state| state.last_started_at);
    let due_at = if next_run_at <= now {
        Some(next_run_at)
    } else {
        cut_short
    };
    Plan { due_at, next_run_at }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, ToSpan};
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    fn ran(started: i64, ended: i64, next: i64) -> TaskState {
        TaskState {
            name: "report".to_owned(),
            last_started_at: Some(at(started)),
            last_ended_at: Some(at(ended)),
            last_succeeded: Some(true),
            last_detail: None,
            last_due_at: None,
            next_run_at: Some(at(next)),
        }
    }

    #[test]
    fn a_task_that_never_ran_is_due_after_its_first_pause() {
        let schedule = Schedule::parse("every 5m").unwrap();
        let plan = plan(None, &schedule, at(0));
        assert_eq!((plan.due_at, plan.next_run_at), (None, at(5)));
    }

    #[test]
    fn runs_that_were_missed_are_one_run() {
        let schedule = Schedule::parse("every 5m").unwrap();
        let missed = plan(Some(&ran(0, 1, 5)), &schedule, at(600));
        assert_eq!(missed.due_at, Some(at(5)));
        let afterwards = plan(Some(&ran(600, 600, 605)), &schedule, at(600));
        assert_eq!((afterwards.due_at, afterwards.next_run_at), (None, at(605)));
    }

    #[test]
    fn a_run_that_a_crash_cut_short_is_due_again() {
        let schedule = Schedule::parse("every 5m").unwrap();
        assert_eq!(plan(Some(&ran(3, 1, 8)), &schedule, at(4)).due_at, Some(at(3)));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_put_a_run_off() {
        let schedule = Schedule::parse("every 5m").unwrap();
        let plan = plan(Some(&ran(6_000, 6_000, 6_005)), &schedule, at(10));
        assert_eq!((plan.due_at, plan.next_run_at), (None, at(15)));
    }

    proptest! {
        #[test]
        fn whatever_the_clock_says_the_next_run_is_within_one_pause(
            next in -100_000_i64..100_000,
            now in -100_000_i64..100_000,
        ) {
            let schedule = Schedule::parse("every 30m").unwrap();
            let plan = plan(Some(&ran(-5, -4, next)), &schedule, at(now));
            prop_assert!(plan.next_run_at <= at(now) + SignedDuration::from_mins(30));
            prop_assert_eq!(plan.due_at.is_some(), at(next) <= at(now));
            prop_assert!(schedule.next_after(at(now)) == at(now) + 30.minutes());
        }
    }
}
