//! Reports. They are told as the domain writes them; what stands here describes that, and a test keeps it true.

use jiff::Timestamp;
use saldo_domain::ids::{AccountId, ReportId};
use saldo_domain::report::{Figures, Report, ReportCause, ReportHead};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::{
    DiscrepancyKindWord, OperationTypeWord, ReportCauseWord, ReviewReasonWord, WaitingForWord, WouldWord,
};

/// What a report is about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReportHead)]
pub struct ReportHeadBody<'a> {
    /// Which report.
    #[schema(value_type = Uuid)]
    pub id: ReportId,
    /// Why it was made.
    #[schema(value_type = ReportCauseWord)]
    pub cause: ReportCause,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
    /// Who asked for it: a key's name, or `saldo`.
    pub made_by: &'a str,
    /// The first moment of the period.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// The first moment after the period.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
    /// The account; none for all.
    #[schema(value_type = Option<Uuid>, required)]
    pub token_id: Option<AccountId>,
    /// The account's name when the report was made, where it was known.
    #[schema(required)]
    pub account_name: Option<&'a str>,
}

impl<'a> ReportHeadBody<'a> {
    pub(crate) fn new(head: &'a ReportHead) -> Self {
        Self {
            id: head.id,
            cause: head.cause,
            made_at: head.made_at,
            made_by: &head.made_by,
            from: head.period.from(),
            to: head.period.to(),
            token_id: head.account,
            account_name: head.account_name.as_deref(),
        }
    }
}

/// What happened in a period, counted, beside the period of the same length before it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Report)]
pub struct ReportBody<'a> {
    /// What it is about.
    #[serde(flatten)]
    #[schema(inline)]
    pub head: ReportHeadBody<'a>,
    /// What was counted.
    #[serde(flatten)]
    #[schema(value_type = FiguresBody, inline)]
    pub figures: &'a Figures,
}

impl<'a> ReportBody<'a> {
    pub(crate) fn new(report: &'a Report) -> Self {
        Self {
            head: ReportHeadBody::new(&report.head),
            figures: &report.figures,
        }
    }
}

macro_rules! described {
    ($(#[$doc:meta])* $name:ident as $shown:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, ToSchema)]
        #[schema(as = $shown)]
        pub struct $name { $($(#[$field_doc])* pub $field: $kind),+ }
    };
}

described!(
    /// What was counted in a period, and in the one before.
    FiguresBody as ReportFigures {
        /// In the period.
        totals: TotalsBody,
        /// In the period of the same length before it.
        before: TotalsBody,
        /// The length of the parts of `timeline`, in hours.
        slot_hours: u32,
        /// The course of the period.
        timeline: Vec<SlotBody>,
        /// The hours of the day, UTC, from 0 to 23.
        busiest_hours: Vec<HourTotalsBody>,
        /// The SKUs that orders took most of.
        busiest_skus: Vec<SkuTotalsBody>,
        /// The SKUs that orders lacked most.
        shortages: Vec<ShortageBody>,
    }
);
described!(
    /// Everything that is counted of both periods.
    TotalsBody as ReportTotals {
        /// Operations recorded in the period, by what they do, and how they stood when the report was made.
        operations: Vec<OperationTotalsBody>,
        /// Of those, the ones that waited, by what for.
        waiting: Vec<WaitingTotalsBody>,
        /// Calls of the orders service about operations that ended in the period.
        attempts: AttemptTotalsBody,
        /// Those that were not the first of their operation.
        retries: RetryTotalsBody,
        /// Questions for a person, by reason.
        reviews: Vec<ReviewTotalsBody>,
        /// Stock that orders took and brought back.
        stock: StockTotalsBody,
        /// Differences between the two sides first seen in the period, by kind.
        discrepancies: Vec<DiscrepancyTotalsBody>,
        /// Orders first seen in shadow in the period, by what Saldo would have done.
        shadow: Vec<ShadowTotalsBody>,
    }
);
described!(
    /// Operations of one type.
    OperationTotalsBody as OperationTotals {
        /// What they do.
        operation_type: OperationTypeWord,
        /// All of them.
        recorded: u64,
        /// Those that are completed.
        completed: u64,
        /// Those that wait, or are under delivery.
        waiting: u64,
        /// Those that were given up, before a person.
        failed: u64,
        /// Those that were undone or called off.
        rolled_back: u64,
    }
);
described!(
    /// Operations that wait for one thing.
    WaitingTotalsBody as WaitingTotals {
        /// What they wait for.
        waiting_for: WaitingForWord,
        /// How many.
        operations: u64,
    }
);
described!(
    /// Attempts, by how they ended. A call that settles two operations is an attempt of each.
    AttemptTotalsBody as AttemptTotals {
        /// All of them.
        made: u64,
        /// The service confirmed the flag.
        delivered: u64,
        /// They did not arrive, and another follows.
        to_be_retried: u64,
        /// They did not arrive, and a person was asked.
        given_up: u64,
        /// Delivered by made, from 0 to 1; none without attempts.
        #[schema(required)]
        success_rate: Option<f64>,
    }
);
described!(
    /// Attempts that were not the first of their operation.
    RetryTotalsBody as RetryTotals {
        /// All of them.
        made: u64,
        /// Operations that had one.
        operations: u64,
        /// Those of them that delivered.
        delivered: u64,
        /// From the end of the first attempt to the confirmation, of operations that a retry delivered.
        time: SpreadBody,
    }
);
described!(
    /// How long something took, over many times.
    SpreadBody as Spread {
        /// How many times.
        count: u64,
        /// The mean; none of none.
        #[schema(required)]
        mean_ms: Option<u64>,
        /// The median, to two digits.
        #[schema(required)]
        median_ms: Option<u64>,
        /// The longest.
        #[schema(required)]
        longest_ms: Option<u64>,
    }
);
described!(
    /// Reviews of one reason.
    ReviewTotalsBody as ReviewTotals {
        /// Why a person is asked.
        reason: ReviewReasonWord,
        /// Opened in the period.
        opened: u64,
        /// Closed in the period, by a person or because the cause was gone.
        resolved: u64,
        /// Of those, by a person.
        resolved_by_person: u64,
        /// Open when the period ended.
        open: u64,
        /// How long those that were closed in the period had waited.
        waited: SpreadBody,
    }
);
described!(
    /// Units that orders moved.
    StockTotalsBody as StockTotals {
        /// Taken.
        units_taken: u64,
        /// Brought back.
        units_returned: u64,
        /// SKUs that were taken.
        skus: u64,
        /// Questions about orders that lacked stock.
        shortages: u64,
    }
);
described!(
    /// Differences of one kind, by what had become of them when the report was made.
    DiscrepancyTotalsBody as DiscrepancyTotals {
        /// How the two sides differed.
        kind: DiscrepancyKindWord,
        /// All of them.
        found: u64,
        /// Only reported.
        reported: u64,
        /// Seen, and to be seen once more.
        watched: u64,
        /// Put right, or set on their way to be right.
        auto_fixed: u64,
        /// Before a person.
        review: u64,
        /// Gone by themselves.
        gone: u64,
        /// Those of all that no later pass has found gone yet.
        open: u64,
    }
);
described!(
    /// Orders of which Saldo would have done one thing, beside what the old way did.
    ShadowTotalsBody as ShadowTotals {
        /// What Saldo would have done.
        would: WouldWord,
        /// The old way did the same.
        same: u64,
        /// It did not.
        differs: u64,
        /// It is too early to tell.
        undecided: u64,
    }
);
described!(
    /// A part of the period.
    SlotBody as ReportSlot {
        /// Its first moment.
        #[schema(format = DateTime)]
        from: String,
        /// Deductions recorded.
        deductions: u64,
        /// Refunds recorded.
        refunds: u64,
        /// Adjustments recorded.
        adjustments: u64,
        /// Attempts that delivered.
        delivered: u64,
        /// Attempts that did not.
        not_delivered: u64,
    }
);
described!(
    /// An hour of the day, over all days of the period.
    HourTotalsBody as HourTotals {
        /// Which hour, UTC.
        #[schema(minimum = 0, maximum = 23)]
        hour: u8,
        /// Deductions recorded in it.
        deductions: u64,
        /// The same in the period before.
        before: u64,
    }
);
described!(
    /// What orders moved of a SKU.
    SkuTotalsBody as SkuTotals {
        /// Which SKU.
        sku: String,
        /// Units taken.
        units_taken: u64,
        /// How many times it was taken.
        times_taken: u64,
        /// Units brought back.
        units_returned: u64,
        /// Units taken in the period before.
        units_taken_before: u64,
    }
);
described!(
    /// A SKU that orders lacked.
    ShortageBody as Shortage {
        /// Which SKU.
        sku: String,
        /// Where.
        warehouse: String,
        /// Orders that lacked it, by the reviews opened in the period.
        orders: u64,
        /// Units that they lacked together.
        units_short: u64,
        /// Those of the orders that lacked it still when the period ended.
        open: u64,
    }
);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use saldo_domain::report::{
        AttemptEnd, AttemptFact, DiscrepancyFact, Gathering, Period, ReviewFact, ShadowFact, SkuMoves,
    };
    use serde_json::{Value, json};
    use utoipa::PartialSchema;

    use super::*;

    /// The members of an object of the description.
    fn described<T: PartialSchema>() -> BTreeSet<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        let properties = schema.pointer("/properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn written(value: &Value, pointer: &str) -> BTreeSet<String> {
        let object = value.pointer(pointer).and_then(Value::as_object);
        let object = object.unwrap_or_else(|| panic!("{pointer} is not there"));
        object.keys().cloned().collect()
    }

    /// Figures that leave no list empty.
    fn figures() -> Figures {
        use saldo_domain::discrepancy::{DiscrepancyKind, DiscrepancyResolution};
        use saldo_domain::review::ReviewReason;
        use saldo_domain::rollout::{Verdict, Would};
        let period = Period::last_week("2026-11-23T08:00:00Z".parse().unwrap()).unwrap();
        let mut gathering = Gathering::new(period);
        let moves = SkuMoves {
            units_taken: 1,
            times_taken: 1,
            units_returned: 0,
        };
        gathering.sku(saldo_domain::text::Sku::parse("A").unwrap(), moves, moves);
        gathering.attempt(&AttemptFact {
            operation: saldo_domain::ids::OperationId::new(uuid::Uuid::nil()),
            at: period.from(),
            end: AttemptEnd::Delivered,
        });
        gathering.review(&ReviewFact {
            reason: ReviewReason::InsufficientStock,
            opened_at: period.from(),
            closed_at: None,
            by_person: false,
            details: &json!({"lines": [{"sku": "A", "warehouse": "W", "short": 1}]}),
        });
        gathering.discrepancy(&DiscrepancyFact {
            kind: DiscrepancyKind::NotDelivered,
            resolution: DiscrepancyResolution::AutoFixed,
            first_seen_at: period.from(),
            is_open: true,
        });
        gathering.shadow(&ShadowFact {
            would: Would::Deduct,
            verdict: Verdict::Same,
            seen_at: period.from(),
        });
        gathering.finish()
    }

    #[test]
    fn what_is_described_is_what_is_written() {
        let value = serde_json::to_value(figures()).unwrap();
        assert_eq!(described::<FiguresBody>(), written(&value, ""));
        assert_eq!(described::<TotalsBody>(), written(&value, "/totals"));
        assert_eq!(
            described::<OperationTotalsBody>(),
            written(&value, "/totals/operations/0")
        );
        assert_eq!(
            described::<WaitingTotalsBody>(),
            written(&value, "/totals/waiting/0")
        );
        assert_eq!(
            described::<AttemptTotalsBody>(),
            written(&value, "/totals/attempts")
        );
        assert_eq!(described::<RetryTotalsBody>(), written(&value, "/totals/retries"));
        assert_eq!(described::<SpreadBody>(), written(&value, "/totals/retries/time"));
        assert_eq!(
            described::<ReviewTotalsBody>(),
            written(&value, "/totals/reviews/0")
        );
        assert_eq!(described::<StockTotalsBody>(), written(&value, "/totals/stock"));
        assert_eq!(
            described::<DiscrepancyTotalsBody>(),
            written(&value, "/totals/discrepancies/0")
        );
        assert_eq!(
            described::<ShadowTotalsBody>(),
            written(&value, "/totals/shadow/0")
        );
        assert_eq!(described::<SlotBody>(), written(&value, "/timeline/0"));
        assert_eq!(described::<HourTotalsBody>(), written(&value, "/busiest_hours/0"));
        assert_eq!(described::<SkuTotalsBody>(), written(&value, "/busiest_skus/0"));
        assert_eq!(described::<ShortageBody>(), written(&value, "/shortages/0"));
    }
}
