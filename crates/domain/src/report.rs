//! Reports: what happened in a period, counted, beside the period before.
//!
//! The figures are made by [`Gathering`], which every store feeds with the same facts, so that a report says the
//! same whatever database it comes from.

mod gathering;
mod spread;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::discrepancy::DiscrepancyKind;
use crate::ids::{AccountId, ReportId};
use crate::operation::{OperationType, UnknownWord, WaitingFor, words};
use crate::review::ReviewReason;
use crate::rollout::Would;
use crate::text::{Sku, Warehouse};

pub use gathering::{
    AttemptEnd, AttemptFact, DiscrepancyFact, Gathering, OperationFact, ReviewFact, ShadowFact, SkuMoves,
    shortages_of,
};
pub use spread::Spread;

/// Days that a period may have.
pub const PERIOD_DAYS_MAX: i64 = 3_660;
/// SKUs that a report names as the busiest.
pub const BUSIEST_SKUS_MAX: usize = 10;
/// SKUs that a report names as short.
pub const SHORTAGES_MAX: usize = 20;
/// Parts into which a period is cut at most, to show its course.
pub const SLOTS_MAX: usize = 62;
/// Hours of a day.
pub const HOURS_OF_A_DAY: usize = 24;

const SECONDS_PER_HOUR: i64 = 3_600;
const SECONDS_PER_DAY: i64 = 24 * SECONDS_PER_HOUR;
const SECONDS_PER_WEEK: i64 = 7 * SECONDS_PER_DAY;
/// The first Monday after the epoch, which was a Thursday.
const FIRST_MONDAY: i64 = 4 * SECONDS_PER_DAY;
/// Lengths of a part, in hours: an hour, a day, a week, four weeks, a quarter, a year.
const SLOT_HOURS: [u32; 6] = [1, 24, 168, 672, 2_184, 8_760];

/// From its first moment to just before its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// The first moment.
    from: Timestamp,
    /// The first moment after it.
    to: Timestamp,
}

/// Why a period cannot be reported on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// It has no length.
    #[error("`to` must be later than `from`")]
    Empty,
    /// It is too long.
    #[error("a period may have at most {PERIOD_DAYS_MAX} days")]
    TooLong,
    /// It lies where no ledger can reach.
    #[error("a period must lie between 1970 and 9000")]
    OutOfRange,
}

impl Period {
    /// A period, cut to whole seconds.
    ///
    /// # Errors
    /// [`PeriodError`]
    pub fn new(from: Timestamp, to: Timestamp) -> Result<Self, PeriodError> {
        // 9000-01-01T00:00:00Z
        const LAST: i64 = 221_845_392_000;
        let (from, to) = (from.as_second(), to.as_second());
        if to <= from {
            return Err(PeriodError::Empty);
        }
        if from < 0 || to > LAST {
            return Err(PeriodError::OutOfRange);
        }
        if to - from > PERIOD_DAYS_MAX * SECONDS_PER_DAY {
            return Err(PeriodError::TooLong);
        }
        let second = |second| Timestamp::from_second(second).map_err(|_| PeriodError::OutOfRange);
        Ok(Self {
            from: second(from)?,
            to: second(to)?,
        })
    }

    /// The last whole week that is over, from Monday to Monday, UTC.
    ///
    /// # Errors
    /// When the clock stands where no ledger can reach.
    pub fn last_week(now: Timestamp) -> Result<Self, PeriodError> {
        let weeks = (now.as_second() - FIRST_MONDAY).div_euclid(SECONDS_PER_WEEK);
        let to = FIRST_MONDAY + weeks * SECONDS_PER_WEEK;
        let second = |second| Timestamp::from_second(second).map_err(|_| PeriodError::OutOfRange);
        Self::new(second(to - SECONDS_PER_WEEK)?, second(to)?)
    }

    /// The first moment.
    #[must_use]
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// The first moment after it.
    #[must_use]
    pub const fn to(&self) -> Timestamp {
        self.to
    }

    /// Whether a moment lies in it.
    #[must_use]
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.to
    }

    /// The period of the same length that ends where this one begins.
    #[must_use]
    pub fn before(&self) -> Self {
        let length = SignedDuration::from_secs(self.seconds());
        Self {
            // At most ten years before 1970: far inside the range of a timestamp.
            from: self.from.checked_sub(length).unwrap_or(Timestamp::MIN),
            to: self.from,
        }
    }

    /// Its length, in seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.to.as_second() - self.from.as_second()
    }

    /// The length of the parts that show its course, in hours: the shortest that makes few enough of them.
    #[must_use]
    pub fn slot_hours(&self) -> u32 {
        let fits = |hours: &u32| self.slots_of(*hours) <= SLOTS_MAX;
        let longest = SLOT_HOURS[SLOT_HOURS.len() - 1];
        SLOT_HOURS.into_iter().find(fits).unwrap_or(longest)
    }

    fn slots_of(&self, hours: u32) -> usize {
        let length = i64::from(hours) * SECONDS_PER_HOUR;
        let count = (self.seconds() + length - 1) / length;
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    /// In which part of this length a moment lies.
    fn slot_at(&self, moment: Timestamp, hours: u32) -> Option<usize> {
        let since = moment.as_second().checked_sub(self.from.as_second())?;
        usize::try_from(since / (i64::from(hours) * SECONDS_PER_HOUR)).ok()
    }
}

/// Why a report was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportCause {
    /// The schedule says so.
    Scheduled,
    /// Somebody asked for it.
    Asked,
}

words!(ReportCause { Scheduled => "scheduled", Asked => "asked" });

/// A report, without its figures: what a list of them tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportHead {
    /// Which report.
    pub id: ReportId,
    /// Why it was made.
    pub cause: ReportCause,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who asked for it: a key's name, or `saldo`.
    pub made_by: String,
    /// What it is about.
    #[serde(flatten)]
    pub period: Period,
    /// The account; none for all.
    #[serde(rename = "token_id")]
    pub account: Option<AccountId>,
    /// The account's name when the report was made, where it was known.
    pub account_name: Option<String>,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What it is about.
    #[serde(flatten)]
    pub head: ReportHead,
    /// What was counted.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What was counted in a period, and in the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// In the period.
    pub totals: Totals,
    /// In the period of the same length before it.
    pub before: Totals,
    /// The length of the parts of `timeline`, in hours.
    pub slot_hours: u32,
    /// The course of the period.
    pub timeline: Vec<Slot>,
    /// The hours of the day, UTC, from 0 to 23.
    pub busiest_hours: Vec<HourTotals>,
    /// The SKUs that orders took most of.
    pub busiest_skus: Vec<SkuTotals>,
    /// The SKUs that orders lacked most.
    pub shortages: Vec<Shortage>,
}

/// Everything that is counted of both periods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Operations recorded in the period, by what they do, and how they stood when the report was made.
    pub operations: Vec<OperationTotals>,
    /// Of those, the ones that waited, by what for.
    pub waiting: Vec<WaitingTotals>,
    /// Calls of the orders service about operations that ended in the period.
    pub attempts: AttemptTotals,
    /// Those that were not the first of their operation.
    pub retries: RetryTotals,
    /// Questions for a person, by reason; only reasons of which there is anything to tell.
    pub reviews: Vec<ReviewTotals>,
    /// Stock that orders took and brought back.
    pub stock: StockTotals,
    /// Differences between the two sides first seen in the period, by kind; only kinds of which there is any.
    pub discrepancies: Vec<DiscrepancyTotals>,
    /// Orders first seen in shadow in the period, by what Saldo would have done; empty when there was none.
    pub shadow: Vec<ShadowTotals>,
}

/// Operations of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationTotals {
    /// What they do.
    pub operation_type: OperationType,
    /// All of them.
    pub recorded: u64,
    /// Those that are completed.
    pub completed: u64,
    /// Those that wait, or are under delivery.
    pub waiting: u64,
    /// Those that were given up, before a person.
    pub failed: u64,
    /// Those that were undone or called off.
    pub rolled_back: u64,
}

/// Operations that wait for one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingTotals {
    /// What they wait for.
    pub waiting_for: WaitingFor,
    /// How many.
    pub operations: u64,
}

/// Attempts, by how they ended. A call that settles two operations is an attempt of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptTotals {
    /// All of them.
    pub made: u64,
    /// The service confirmed the flag.
    pub delivered: u64,
    /// They did not arrive, and another follows.
    pub to_be_retried: u64,
    /// They did not arrive, and a person was asked.
    pub given_up: u64,
    /// Delivered by made, from 0 to 1; none without attempts.
    pub success_rate: Option<f64>,
}

/// Attempts that were not the first of their operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryTotals {
    /// All of them.
    pub made: u64,
    /// Operations that had one.
    pub operations: u64,
    /// Those of them that delivered.
    pub delivered: u64,
    /// From the end of the first attempt to the confirmation, of operations that a retry delivered.
    pub time: Spread,
}

/// Reviews of one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewTotals {
    /// Why a person is asked.
    pub reason: ReviewReason,
    /// Opened in the period.
    pub opened: u64,
    /// Closed in the period, by a person or because the cause was gone.
    pub resolved: u64,
    /// Of those, by a person.
    pub resolved_by_person: u64,
    /// Open when the period ended.
    pub open: u64,
    /// How long those that were closed in the period had waited.
    pub waited: Spread,
}

/// Units that orders moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockTotals {
    /// Taken.
    pub units_taken: u64,
    /// Brought back.
    pub units_returned: u64,
    /// SKUs that were taken.
    pub skus: u64,
    /// Questions about orders that lacked stock.
    pub shortages: u64,
}

/// Differences of one kind, by what had become of them when the report was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscrepancyTotals {
    /// How the two sides differed.
    pub kind: DiscrepancyKind,
    /// All of them.
    pub found: u64,
    /// Only reported.
    pub reported: u64,
    /// Seen, and to be seen once more.
    pub watched: u64,
    /// Put right, or set on their way to be right.
    pub auto_fixed: u64,
    /// Before a person.
    pub review: u64,
    /// Gone by themselves.
    pub gone: u64,
    /// Those of all that no later pass has found gone yet.
    pub open: u64,
}

/// Orders of which Saldo would have done one thing, beside what the old way did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowTotals {
    /// What Saldo would have done.
    pub would: Would,
    /// The old way did the same.
    pub same: u64,
    /// It did not.
    pub differs: u64,
    /// It is too early to tell.
    pub undecided: u64,
}

/// A part of the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its first moment.
    pub from: Timestamp,
    /// Deductions recorded.
    pub deductions: u64,
    /// Refunds recorded.
    pub refunds: u64,
    /// Adjustments recorded.
    pub adjustments: u64,
    /// Attempts that delivered.
    pub delivered: u64,
    /// Attempts that did not.
    pub not_delivered: u64,
}

/// An hour of the day, over all days of the period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourTotals {
    /// Which hour, UTC.
    pub hour: u8,
    /// Deductions recorded in it.
    pub deductions: u64,
    /// The same in the period before.
    pub before: u64,
}

/// What orders moved of a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkuTotals {
    /// Which SKU.
    pub sku: Sku,
    /// Units taken.
    pub units_taken: u64,
    /// How many times it was taken.
    pub times_taken: u64,
    /// Units brought back.
    pub units_returned: u64,
    /// Units taken in the period before.
    pub units_taken_before: u64,
}

/// A SKU that orders lacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Which SKU.
    pub sku: Sku,
    /// Where.
    pub warehouse: Warehouse,
    /// Orders that lacked it, by the reviews opened in the period.
    pub orders: u64,
    /// Units that they lacked together.
    pub units_short: u64,
    /// Those of the orders that lacked it still when the period ended.
    pub open: u64,
}

impl Totals {
    /// Operations recorded, of all types.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.operations.iter().map(|totals| totals.recorded).sum()
    }

    /// Deductions recorded: the orders that came.
    #[must_use]
    pub fn deductions(&self) -> u64 {
        let mut of_type = self.operations.iter();
        of_type
            .find(|totals| totals.operation_type == OperationType::Deduction)
            .map_or(0, |totals| totals.recorded)
    }

    /// Reviews opened, of all reasons.
    #[must_use]
    pub fn reviews_opened(&self) -> u64 {
        self.reviews.iter().map(|totals| totals.opened).sum()
    }

    /// Reviews closed, of all reasons.
    #[must_use]
    pub fn reviews_resolved(&self) -> u64 {
        self.reviews.iter().map(|totals| totals.resolved).sum()
    }

    /// Differences found, of all kinds.
    #[must_use]
    pub fn discrepancies_found(&self) -> u64 {
        self.discrepancies.iter().map(|totals| totals.found).sum()
    }

    /// Differences that are still there, of all kinds.
    #[must_use]
    pub fn discrepancies_open(&self) -> u64 {
        self.discrepancies.iter().map(|totals| totals.open).sum()
    }

    /// Reviews open at the end, of all reasons.
    #[must_use]
    pub fn reviews_open(&self) -> u64 {
        self.reviews.iter().map(|totals| totals.open).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_week_is_the_one_from_monday_to_monday_that_is_over() {
        for (now, from) in [
            ("2026-11-23T00:00:00Z", "2026-11-16T00:00:00Z"),
            ("2026-11-23T08:00:00Z", "2026-11-16T00:00:00Z"),
            ("2026-11-22T23:59:59Z", "2026-11-09T00:00:00Z"),
            ("2026-11-29T23:59:59.9Z", "2026-11-16T00:00:00Z"),
        ] {
            let week = Period::last_week(moment(now)).unwrap();
            assert_eq!(week.from(), moment(from), "at {now}");
            assert_eq!(week.seconds(), SECONDS_PER_WEEK);
        }
    }

    #[test]
    fn a_period_has_its_first_moment_and_not_its_last() {
        let week = Period::last_week(moment("2026-11-23T08:00:00Z")).unwrap();
        assert!(week.contains(week.from()) && !week.contains(week.to()));
        assert_eq!(week.before().to(), week.from());
        assert!(week.before().contains(week.before().from()));
        assert_eq!(week.before().seconds(), week.seconds());
    }

    #[test]
    fn strange_periods_are_refused() {
        let from = moment("2026-11-16T00:00:00Z");
        assert_eq!(Period::new(from, from), Err(PeriodError::Empty));
        let long = from + SignedDuration::from_secs(PERIOD_DAYS_MAX * SECONDS_PER_DAY + 1);
        assert_eq!(Period::new(from, long), Err(PeriodError::TooLong));
        assert_eq!(Period::new(Timestamp::MIN, from), Err(PeriodError::OutOfRange));
        assert_eq!(Period::new(from, Timestamp::MAX), Err(PeriodError::OutOfRange));
        assert_eq!(
            Period::last_week(Timestamp::UNIX_EPOCH),
            Err(PeriodError::OutOfRange)
        );
    }

    #[test]
    fn the_course_of_any_period_has_few_parts() {
        let from = moment("2026-11-16T00:00:00Z");
        for (days, hours) in [
            (1, 1),
            (2, 1),
            (3, 24),
            (7, 24),
            (31, 24),
            (365, 168),
            (3_660, 2_184),
        ] {
            let to = from + SignedDuration::from_secs(days * SECONDS_PER_DAY);
            let period = Period::new(from, to).unwrap();
            assert_eq!(period.slot_hours(), hours, "{days} days");
            assert!(period.slots_of(hours) <= SLOTS_MAX);
        }
        let last = from + SignedDuration::from_secs(SECONDS_PER_DAY - 1);
        let period = Period::new(from, last).unwrap();
        assert_eq!(period.slot_at(last, period.slot_hours()), Some(23));
    }
}
