//! Counting: facts go in, one by one, and figures come out. What is kept does not grow with the facts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::spread::{Spread, Spreading};
use super::{
    AttemptTotals, BUSIEST_SKUS_MAX, DiscrepancyTotals, Figures, HOURS_OF_A_DAY, HourTotals, OperationTotals,
    Period, RetryTotals, ReviewTotals, SECONDS_PER_DAY, SECONDS_PER_HOUR, SHORTAGES_MAX, ShadowTotals,
    Shortage, SkuTotals, Slot, StockTotals, Totals, WaitingTotals,
};
use crate::discrepancy::{DiscrepancyKind, DiscrepancyResolution};
use crate::ids::OperationId;
use crate::operation::{Action, OperationStatus, OperationType, WaitingFor};
use crate::review::ReviewReason;
use crate::rollout::{Verdict, Would};
use crate::text::{Sku, Warehouse};

/// SKUs whose shortages are counted one by one; further ones count only in the sum.
const SHORT_SKUS_MAX: usize = 10_000;

const OPERATION_TYPES: [OperationType; 3] = [
    OperationType::Deduction,
    OperationType::Refund,
    OperationType::Adjustment,
];
const WAITING_FOR: [WaitingFor; 5] = [
    WaitingFor::Delivery,
    WaitingFor::Account,
    WaitingFor::Stock,
    WaitingFor::Payment,
    WaitingFor::Review,
];

/// An operation that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationFact {
    /// What it does.
    pub operation_type: OperationType,
    /// How it stands.
    pub status: OperationStatus,
    /// What it waits for.
    pub waiting_for: Option<WaitingFor>,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The service confirmed the flag.
    Delivered,
    /// Another attempt follows.
    ToBeRetried,
    /// A person was asked.
    GivenUp,
}

impl AttemptEnd {
    /// What a log entry about a call says of it.
    #[must_use]
    pub const fn of(action: Action) -> Self {
        match action {
            Action::Completed => Self::Delivered,
            Action::Failed => Self::GivenUp,
            _ => Self::ToBeRetried,
        }
    }
}

/// An attempt: a log entry that says how long the call took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptFact {
    /// Of which operation.
    pub operation: OperationId,
    /// When it ended.
    pub at: Timestamp,
    /// How.
    pub end: AttemptEnd,
}

/// What orders moved of a SKU in one period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SkuMoves {
    /// Units taken.
    pub units_taken: u64,
    /// How many times it was taken.
    pub times_taken: u64,
    /// Units brought back.
    pub units_returned: u64,
}

/// A review, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewFact<'a> {
    /// Why a person is asked.
    pub reason: ReviewReason,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Whether a person closed it; otherwise its cause was gone.
    pub by_person: bool,
    /// Its details; only those of reviews about stock are looked at.
    pub details: &'a Value,
}

/// A difference between the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscrepancyFact {
    /// How they differed.
    pub kind: DiscrepancyKind,
    /// What became of it.
    pub resolution: DiscrepancyResolution,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// Whether it is still there.
    pub is_open: bool,
}

/// An order in shadow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShadowFact {
    /// What Saldo would have done.
    pub would: Would,
    /// Whether the old way did so.
    pub verdict: Verdict,
    /// When Saldo first heard of it.
    pub seen_at: Timestamp,
}

/// What an order lacks by the details of a review: SKU, warehouse, and units. What is no such line is passed over.
pub fn shortages_of(details: &Value) -> impl Iterator<Item = (Sku, Warehouse, u64)> {
    let lines = details.get("lines").and_then(Value::as_array);
    lines.into_iter().flatten().filter_map(|line| {
        // A SKU that was never held is a question about its name, and no shortage.
        if line.get("known").and_then(Value::as_bool) == Some(false) {
            return None;
        }
        let text = |name: &str| line.get(name).and_then(Value::as_str);
        let sku = Sku::parse(text("sku")?).ok()?;
        let warehouse = Warehouse::parse(text("warehouse")?).ok()?;
        Some((sku, warehouse, line.get("short")?.as_u64()?))
    })
}

/// Whether reviews of a reason are about stock that orders lack.
const fn is_about_stock(reason: ReviewReason) -> bool {
    matches!(reason, ReviewReason::InsufficientStock | ReviewReason::SkuUnknown)
}

/// The attempts of the operation that is looked at.
#[derive(Debug, Default)]
struct Trail {
    operation: Option<OperationId>,
    first_ended_at: Timestamp,
    retried_now: bool,
    retried_before: bool,
}

/// Counts of one period.
#[derive(Debug, Default)]
struct Counting {
    operations: BTreeMap<OperationType, OperationTotals>,
    waiting: BTreeMap<WaitingFor, u64>,
    attempts: [u64; 3],
    retries: u64,
    retried_operations: u64,
    delivered_by_retry: u64,
    retry_time: Spreading,
    reviews: BTreeMap<ReviewReason, ReviewCounting>,
    stock: StockTotals,
    discrepancies: BTreeMap<DiscrepancyKind, DiscrepancyTotals>,
    shadow: BTreeMap<&'static str, ShadowTotals>,
    hours: [u64; HOURS_OF_A_DAY],
}

#[derive(Debug, Default)]
struct ReviewCounting {
    opened: u64,
    resolved: u64,
    resolved_by_person: u64,
    open: u64,
    waited: Spreading,
}

/// Figures in the making.
#[derive(Debug)]
pub struct Gathering {
    period: Period,
    before: Period,
    slot_hours: u32,
    now: Counting,
    then: Counting,
    timeline: Vec<Slot>,
    trail: Trail,
    busiest: Vec<SkuTotals>,
    short: BTreeMap<(Sku, Warehouse), Shortage>,
}

impl Gathering {
    /// Begins with nothing.
    #[must_use]
    pub fn new(period: Period) -> Self {
        let slot_hours = period.slot_hours();
        let length = i64::from(slot_hours) * SECONDS_PER_HOUR;
        let timeline = (0_i64..)
            .map(|number| period.from().as_second() + number * length)
            .take_while(|second| *second < period.to().as_second())
            .filter_map(|second| Timestamp::from_second(second).ok())
            .map(|from| Slot {
                from,
                deductions: 0,
                refunds: 0,
                adjustments: 0,
                delivered: 0,
                not_delivered: 0,
            })
            .collect();
        Self {
            period,
            before: period.before(),
            slot_hours,
            now: Counting::default(),
            then: Counting::default(),
            timeline,
            trail: Trail::default(),
            busiest: Vec::new(),
            short: BTreeMap::new(),
        }
    }

    /// Both periods together: facts outside it need not be given.
    #[must_use]
    pub fn span(&self) -> (Timestamp, Timestamp) {
        (self.before.from(), self.period.to())
    }

    fn counting_at(&mut self, moment: Timestamp) -> Option<&mut Counting> {
        if self.period.contains(moment) {
            Some(&mut self.now)
        } else if self.before.contains(moment) {
            Some(&mut self.then)
        } else {
            None
        }
    }

    fn slot_at(&mut self, moment: Timestamp) -> Option<&mut Slot> {
        if !self.period.contains(moment) {
            return None;
        }
        let slot = self.period.slot_at(moment, self.slot_hours)?;
        self.timeline.get_mut(slot)
    }

    /// Counts an operation, in any order.
    pub fn operation(&mut self, fact: &OperationFact) {
        let Some(counting) = self.counting_at(fact.created_at) else {
            return;
        };
        counting.operation(fact);
        if let Some(slot) = self.slot_at(fact.created_at) {
            match fact.operation_type {
                OperationType::Deduction => slot.deductions += 1,
                OperationType::Refund => slot.refunds += 1,
                OperationType::Adjustment => slot.adjustments += 1,
            }
        }
    }

    /// Counts an attempt. All attempts of an operation must come one after the other, the oldest first, and those
    /// before both periods, too: they tell which attempt was a retry.
    pub fn attempt(&mut self, fact: &AttemptFact) {
        let is_retry = self.trail.operation == Some(fact.operation);
        if !is_retry {
            self.trail = Trail {
                operation: Some(fact.operation),
                first_ended_at: fact.at,
                ..Trail::default()
            };
        }
        let first_ended_at = self.trail.first_ended_at;
        let is_first_retry = if self.period.contains(fact.at) {
            !std::mem::replace(&mut self.trail.retried_now, is_retry)
        } else {
            !std::mem::replace(&mut self.trail.retried_before, is_retry)
        };
        let Some(counting) = self.counting_at(fact.at) else {
            return;
        };
        counting.attempts[fact.end as usize] += 1;
        if is_retry {
            counting.retries += 1;
            counting.retried_operations += u64::from(is_first_retry);
            if fact.end == AttemptEnd::Delivered {
                counting.delivered_by_retry += 1;
                counting.retry_time.add(first_ended_at, fact.at);
            }
        }
        if let Some(slot) = self.slot_at(fact.at) {
            if fact.end == AttemptEnd::Delivered {
                slot.delivered += 1;
            } else {
                slot.not_delivered += 1;
            }
        }
    }

    /// Counts what orders moved of a SKU. Each SKU must come once.
    pub fn sku(&mut self, sku: Sku, now: SkuMoves, before: SkuMoves) {
        self.now.stock.add(now);
        self.then.stock.add(before);
        if now.units_taken == 0 {
            return;
        }
        let totals = SkuTotals {
            sku,
            units_taken: now.units_taken,
            times_taken: now.times_taken,
            units_returned: now.units_returned,
            units_taken_before: before.units_taken,
        };
        let place = self
            .busiest
            .partition_point(|other| (other.units_taken, &totals.sku) > (totals.units_taken, &other.sku));
        if place < BUSIEST_SKUS_MAX {
            self.busiest.insert(place, totals);
            self.busiest.truncate(BUSIEST_SKUS_MAX);
        }
    }

    /// Counts a review. They must come in the order of their ids, so that the same ones are counted where there
    /// are too many.
    pub fn review(&mut self, fact: &ReviewFact<'_>) {
        let (period, before) = (self.period, self.before);
        self.now.review(fact, period);
        self.then.review(fact, before);
        if !is_about_stock(fact.reason) {
            return;
        }
        if before.contains(fact.opened_at) {
            self.then.stock.shortages += u64::from(shortages_of(fact.details).next().is_some());
        }
        if !period.contains(fact.opened_at) {
            return;
        }
        let mut lacks = false;
        let is_open = fact.closed_at.is_none_or(|closed_at| closed_at >= period.to());
        for (sku, warehouse, short) in shortages_of(fact.details) {
            lacks = true;
            let key = (sku, warehouse);
            if self.short.len() >= SHORT_SKUS_MAX && !self.short.contains_key(&key) {
                continue;
            }
            let shortage = self
                .short
                .entry(key)
                .or_insert_with_key(|(sku, warehouse)| Shortage {
                    sku: sku.clone(),
                    warehouse: warehouse.clone(),
                    orders: 0,
                    units_short: 0,
                    open: 0,
                });
            shortage.orders += 1;
            shortage.units_short = shortage.units_short.saturating_add(short);
            shortage.open += u64::from(is_open);
        }
        self.now.stock.shortages += u64::from(lacks);
    }

    /// Counts a difference, in any order.
    pub fn discrepancy(&mut self, fact: &DiscrepancyFact) {
        if let Some(counting) = self.counting_at(fact.first_seen_at) {
            counting.discrepancy(fact);
        }
    }

    /// Counts an order in shadow, in any order.
    pub fn shadow(&mut self, fact: &ShadowFact) {
        if let Some(counting) = self.counting_at(fact.seen_at) {
            counting.shadow(fact);
        }
    }

    /// The figures.
    #[must_use]
    pub fn finish(self) -> Figures {
        let busiest_hours = self.now.hours.iter().zip(self.then.hours).zip(0_u8..);
        let mut shortages: Vec<Shortage> = self.short.into_values().collect();
        shortages.sort_by(|one, other| {
            (other.units_short, other.orders, &one.sku, &one.warehouse).cmp(&(
                one.units_short,
                one.orders,
                &other.sku,
                &other.warehouse,
            ))
        });
        shortages.truncate(SHORTAGES_MAX);
        Figures {
            busiest_hours: busiest_hours
                .map(|((now, before), hour)| HourTotals {
                    hour,
                    deductions: *now,
                    before,
                })
                .collect(),
            totals: self.now.finish(),
            before: self.then.finish(),
            slot_hours: self.slot_hours,
            timeline: self.timeline,
            busiest_skus: self.busiest,
            shortages,
        }
    }
}

impl StockTotals {
    fn add(&mut self, moves: SkuMoves) {
        self.units_taken = self.units_taken.saturating_add(moves.units_taken);
        self.units_returned = self.units_returned.saturating_add(moves.units_returned);
        self.skus += u64::from(moves.times_taken > 0);
    }
}

impl Counting {
    fn operation(&mut self, fact: &OperationFact) {
        let totals = self
            .operations
            .entry(fact.operation_type)
            .or_insert_with(|| nothing_of(fact.operation_type));
        totals.recorded += 1;
        match fact.status {
            OperationStatus::Completed => totals.completed += 1,
            OperationStatus::Failed => totals.failed += 1,
            OperationStatus::RolledBack => totals.rolled_back += 1,
            OperationStatus::Pending | OperationStatus::Processing => {
                totals.waiting += 1;
                let waiting_for = fact.waiting_for.unwrap_or(WaitingFor::Delivery);
                *self.waiting.entry(waiting_for).or_default() += 1;
            }
        }
        if fact.operation_type == OperationType::Deduction {
            let hour = fact.created_at.as_second().rem_euclid(SECONDS_PER_DAY) / SECONDS_PER_HOUR;
            // The remainder of a day has hours from 0 to 23.
            let hour = usize::try_from(hour).unwrap_or(0) % HOURS_OF_A_DAY;
            self.hours[hour] += 1;
        }
    }

    fn review(&mut self, fact: &ReviewFact<'_>, period: Period) {
        let opened = period.contains(fact.opened_at);
        let closed_at = fact.closed_at.filter(|closed_at| period.contains(*closed_at));
        let is_open =
            fact.opened_at < period.to() && fact.closed_at.is_none_or(|closed_at| closed_at >= period.to());
        if !opened && closed_at.is_none() && !is_open {
            return;
        }
        let counting = self.reviews.entry(fact.reason).or_default();
        counting.opened += u64::from(opened);
        counting.open += u64::from(is_open);
        if let Some(closed_at) = closed_at {
            counting.resolved += 1;
            counting.resolved_by_person += u64::from(fact.by_person);
            counting.waited.add(fact.opened_at, closed_at);
        }
    }

    fn discrepancy(&mut self, fact: &DiscrepancyFact) {
        let totals = self
            .discrepancies
            .entry(fact.kind)
            .or_insert_with(|| DiscrepancyTotals {
                kind: fact.kind,
                found: 0,
                reported: 0,
                watched: 0,
                auto_fixed: 0,
                review: 0,
                gone: 0,
                open: 0,
            });
        totals.found += 1;
        totals.open += u64::from(fact.is_open);
        match fact.resolution {
            DiscrepancyResolution::Reported => totals.reported += 1,
            DiscrepancyResolution::Watched => totals.watched += 1,
            DiscrepancyResolution::AutoFixed => totals.auto_fixed += 1,
            DiscrepancyResolution::Review => totals.review += 1,
            DiscrepancyResolution::Gone => totals.gone += 1,
        }
    }

    fn shadow(&mut self, fact: &ShadowFact) {
        let totals = self
            .shadow
            .entry(fact.would.as_str())
            .or_insert_with(|| ShadowTotals {
                would: fact.would,
                same: 0,
                differs: 0,
                undecided: 0,
            });
        match fact.verdict {
            Verdict::Same => totals.same += 1,
            Verdict::Differs => totals.differs += 1,
            Verdict::Undecided => totals.undecided += 1,
        }
    }

    fn finish(mut self) -> Totals {
        let [delivered, to_be_retried, given_up] = self.attempts;
        let made = delivered + to_be_retried + given_up;
        let time: Spread = self.retry_time.finish();
        let operations = OPERATION_TYPES.map(|operation_type| {
            self.operations
                .remove(&operation_type)
                .unwrap_or_else(|| nothing_of(operation_type))
        });
        let waiting = WAITING_FOR.map(|waiting_for| WaitingTotals {
            waiting_for,
            operations: self.waiting.get(&waiting_for).copied().unwrap_or(0),
        });
        Totals {
            operations: operations.into(),
            waiting: waiting.into(),
            attempts: AttemptTotals {
                made,
                delivered,
                to_be_retried,
                given_up,
                success_rate: rate(delivered, made),
            },
            retries: RetryTotals {
                made: self.retries,
                operations: self.retried_operations,
                delivered: self.delivered_by_retry,
                time,
            },
            reviews: self
                .reviews
                .into_iter()
                .map(|(reason, counting)| ReviewTotals {
                    reason,
                    opened: counting.opened,
                    resolved: counting.resolved,
                    resolved_by_person: counting.resolved_by_person,
                    open: counting.open,
                    waited: counting.waited.finish(),
                })
                .collect(),
            stock: self.stock,
            discrepancies: self.discrepancies.into_values().collect(),
            shadow: self.shadow.into_values().collect(),
        }
    }
}

const fn nothing_of(operation_type: OperationType) -> OperationTotals {
    OperationTotals {
        operation_type,
        recorded: 0,
        completed: 0,
        waiting: 0,
        failed: 0,
        rolled_back: 0,
    }
}

/// A part of a whole, to four digits, so that it is the same number once it was written and read.
fn rate(part: u64, whole: u64) -> Option<f64> {
    const STEPS: u128 = 10_000;
    if whole == 0 {
        return None;
    }
    // Downwards: not a single failure among millions is told as 100 %.
    let steps = u128::from(part) * STEPS / u128::from(whole);
    u32::try_from(steps).ok().map(|steps| f64::from(steps) / 10_000.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn week() -> Period {
        Period::last_week("2026-11-23T08:00:00Z".parse().unwrap()).unwrap()
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(week().from().as_second() + hours * SECONDS_PER_HOUR).unwrap()
    }

    fn attempt(operation: u128, hours: i64, end: AttemptEnd) -> AttemptFact {
        AttemptFact {
            operation: OperationId::new(Uuid::from_u128(operation)),
            at: at(hours),
            end,
        }
    }

    #[test]
    fn operations_count_where_they_were_recorded() {
        let mut gathering = Gathering::new(week());
        let fact = |hours, status, waiting_for| OperationFact {
            operation_type: OperationType::Deduction,
            status,
            waiting_for,
            created_at: at(hours),
        };
        gathering.operation(&fact(0, OperationStatus::Completed, None));
        gathering.operation(&fact(25, OperationStatus::Pending, Some(WaitingFor::Stock)));
        gathering.operation(&fact(-1, OperationStatus::Failed, Some(WaitingFor::Review)));
        gathering.operation(&fact(7 * 24, OperationStatus::Completed, None));
        gathering.operation(&fact(-7 * 24 - 1, OperationStatus::Completed, None));
        let figures = gathering.finish();
        let deductions = &figures.totals.operations[0];
        assert_eq!(
            (deductions.recorded, deductions.completed, deductions.waiting),
            (2, 1, 1)
        );
        assert_eq!(figures.before.operations[0].failed, 1);
        assert_eq!(figures.totals.waiting[2].operations, 1, "for stock");
        let by_day: Vec<u64> = figures.timeline.iter().map(|slot| slot.deductions).collect();
        assert_eq!(by_day, [1, 1, 0, 0, 0, 0, 0]);
        assert_eq!(
            (
                figures.busiest_hours[0].deductions,
                figures.busiest_hours[1].deductions
            ),
            (1, 1)
        );
        assert_eq!(figures.busiest_hours[23].before, 1);
    }

    #[test]
    fn a_retry_is_every_attempt_but_the_first_even_of_an_earlier_period() {
        use AttemptEnd::{Delivered, GivenUp, ToBeRetried};
        let mut gathering = Gathering::new(week());
        for fact in [
            attempt(1, 1, Delivered),
            attempt(2, -300, ToBeRetried),
            attempt(2, -10, ToBeRetried),
            attempt(2, 5, ToBeRetried),
            attempt(2, 20, Delivered),
            attempt(3, 2, ToBeRetried),
            attempt(3, 3, GivenUp),
        ] {
            gathering.attempt(&fact);
        }
        let figures = gathering.finish();
        let (now, before) = (figures.totals, figures.before);
        assert_eq!((now.attempts.made, now.attempts.delivered), (5, 2));
        assert_eq!((now.attempts.to_be_retried, now.attempts.given_up), (2, 1));
        assert_eq!(now.attempts.success_rate, Some(0.4));
        assert_eq!((now.retries.made, now.retries.operations), (3, 2));
        assert_eq!(now.retries.delivered, 1);
        assert_eq!(now.retries.time.mean_ms, Some(320 * 3_600_000));
        assert_eq!((before.retries.made, before.retries.operations), (1, 1));
        assert_eq!(before.attempts.success_rate, Some(0.0));
    }

    #[test]
    fn reviews_count_where_they_opened_and_where_they_closed() {
        let details = json!({"lines": [
            {"sku": "A", "warehouse": "W", "required": 5, "available": 2, "short": 3, "known": true},
            {"sku": "B", "warehouse": "W", "required": 1, "available": 0, "short": 1, "known": false},
            {"sku": "C"}, 7]});
        let fact = |opened, closed: Option<i64>| ReviewFact {
            reason: ReviewReason::InsufficientStock,
            opened_at: at(opened),
            closed_at: closed.map(at),
            by_person: closed == Some(2),
            details: &details,
        };
        let mut gathering = Gathering::new(week());
        gathering.review(&fact(1, Some(2)));
        gathering.review(&fact(1, None));
        gathering.review(&fact(-5, Some(5)));
        gathering.review(&fact(-500, Some(-499)));
        let figures = gathering.finish();
        let reviews = &figures.totals.reviews[0];
        assert_eq!((reviews.opened, reviews.resolved, reviews.open), (2, 2, 1));
        assert_eq!(reviews.resolved_by_person, 1);
        assert_eq!(reviews.waited.longest_ms, Some(10 * 3_600_000));
        assert_eq!(
            (figures.before.reviews[0].opened, figures.before.reviews[0].open),
            (1, 1)
        );
        let [short] = &figures.shortages[..] else {
            panic!("{:?}", figures.shortages)
        };
        assert_eq!((short.sku.as_str(), short.orders), ("A", 2));
        assert_eq!((short.units_short, short.open), (6, 1));
        assert_eq!(
            (figures.totals.stock.shortages, figures.before.stock.shortages),
            (2, 1)
        );
    }

    #[test]
    fn the_busiest_skus_are_those_of_which_most_was_taken() {
        let mut gathering = Gathering::new(week());
        for number in 0..100_u64 {
            let moves = SkuMoves {
                units_taken: number % 50,
                times_taken: 1,
                units_returned: 0,
            };
            let sku = Sku::parse(&format!("SKU-{number:02}")).unwrap();
            gathering.sku(sku, moves, SkuMoves::default());
        }
        let figures = gathering.finish();
        let named: Vec<(&str, u64)> = figures
            .busiest_skus
            .iter()
            .map(|totals| (totals.sku.as_str(), totals.units_taken))
            .collect();
        assert_eq!(named.len(), BUSIEST_SKUS_MAX);
        assert_eq!(
            named[..4],
            [("SKU-49", 49), ("SKU-99", 49), ("SKU-48", 48), ("SKU-98", 48)]
        );
        assert_eq!(figures.totals.stock.skus, 100);
    }

    #[test]
    fn differences_and_orders_in_shadow_count_where_they_were_first_seen() {
        let mut gathering = Gathering::new(week());
        for (hours, is_open) in [(1, true), (2, false), (-3, true), (7 * 24, true)] {
            gathering.discrepancy(&DiscrepancyFact {
                kind: DiscrepancyKind::NotDelivered,
                resolution: DiscrepancyResolution::AutoFixed,
                first_seen_at: at(hours),
                is_open,
            });
        }
        for (hours, verdict) in [
            (1, Verdict::Same),
            (2, Verdict::Differs),
            (-400, Verdict::Differs),
        ] {
            gathering.shadow(&ShadowFact {
                would: Would::Deduct,
                verdict,
                seen_at: at(hours),
            });
        }
        let figures = gathering.finish();
        let [found] = &figures.totals.discrepancies[..] else {
            panic!("{:?}", figures.totals.discrepancies)
        };
        assert_eq!((found.found, found.auto_fixed, found.open), (2, 2, 1));
        assert_eq!(figures.before.discrepancies_open(), 1);
        let [shadow] = &figures.totals.shadow[..] else {
            panic!("{:?}", figures.totals.shadow)
        };
        assert_eq!((shadow.same, shadow.differs, shadow.undecided), (1, 1, 0));
        assert!(figures.before.shadow.is_empty());
    }

    #[test]
    fn a_rate_is_never_rounded_up() {
        assert_eq!(rate(999_999, 1_000_000), Some(0.9999));
        assert_eq!(rate(5, 5), Some(1.0));
        assert_eq!(rate(0, 0), None);
    }

    #[test]
    fn figures_are_the_same_once_they_were_written_and_read() {
        let mut gathering = Gathering::new(week());
        gathering.attempt(&attempt(1, 1, AttemptEnd::Delivered));
        gathering.attempt(&attempt(2, 1, AttemptEnd::ToBeRetried));
        gathering.attempt(&attempt(2, 2, AttemptEnd::ToBeRetried));
        let figures = gathering.finish();
        let text = serde_json::to_string(&figures).unwrap();
        assert_eq!(serde_json::from_str::<Figures>(&text).unwrap(), figures);
    }
}
