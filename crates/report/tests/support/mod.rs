//! Reports to write down: a week of a shop, one with hostile names in it, and an empty one.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use jiff::{SignedDuration, Timestamp};
use saldo_domain::discrepancy::{DiscrepancyKind, DiscrepancyResolution};
use saldo_domain::ids::{AccountId, OperationId, ReportId};
use saldo_domain::operation::{OperationStatus, OperationType, WaitingFor};
use saldo_domain::report::{
    AttemptEnd, AttemptFact, DiscrepancyFact, Gathering, OperationFact, Period, Report, ReportCause,
    ReportHead, ReviewFact, ShadowFact, SkuMoves,
};
use saldo_domain::review::ReviewReason;
use saldo_domain::rollout::{Verdict, Would};
use saldo_domain::text::Sku;
use serde_json::json;
use uuid::Uuid;

/// What a name in an attack looks like.
pub(crate) const HOSTILE: [&str; 4] = [
    "<script>alert(1)</script>",
    "=cmd|'/c calc'!A1",
    "\"><img src=x onerror=alert(1)>",
    "@SUM(1+1)*cmd",
];

fn head(period: Period, account_name: Option<&str>) -> ReportHead {
    ReportHead {
        id: ReportId::new(Uuid::from_u128(0x0193_5a1d_0000_7000_8000_0000_0000_0001)),
        cause: ReportCause::Asked,
        made_at: "2026-11-23T08:00:00Z".parse().unwrap(),
        made_by: "command line".to_owned(),
        period,
        account: account_name.map(|_| AccountId::new(Uuid::from_u128(7))),
        account_name: account_name.map(ToOwned::to_owned),
    }
}

fn week() -> Period {
    Period::last_week("2026-11-23T08:00:00Z".parse().unwrap()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    week().from() + SignedDuration::from_secs(seconds)
}

/// Nothing happened.
pub(crate) fn empty() -> Report {
    Report {
        head: head(week(), None),
        figures: Gathering::new(week()).finish(),
    }
}

/// A week of a shop, and the week before.
pub(crate) fn week_of_a_shop() -> Report {
    let skus = [
        "KUB-330-BIALY",
        "KUB-330-CZARNY",
        "TALERZ-27",
        "MISKA-15-ZIELONA",
        "DZBANEK-1L",
        "Кружка Ирина 0,3 л синяя с ложкой и крышкой",
        "ŻYRANDOL-5",
        "SET-KUB-4",
        "FILIZANKA-80",
        "PODKLADKA",
        "OBRUS-140",
        "SERWETA",
    ];
    Report {
        head: head(week(), None),
        figures: gathered(&skus, "Ирина"),
    }
}

/// The same with names that attack whoever writes or reads them.
pub(crate) fn hostile() -> Report {
    Report {
        head: head(week(), Some(HOSTILE[0])),
        figures: gathered(&HOSTILE, HOSTILE[1]),
    }
}

fn gathered(skus: &[&str], warehouse: &str) -> saldo_domain::report::Figures {
    let mut gathering = Gathering::new(week());
    let mut number: u128 = 0;
    for day in -7_i64..7 {
        let busy = [3, 4, 4, 5, 6, 9, 8][usize::try_from(day.rem_euclid(7)).unwrap()];
        for hour in 0..24_i64 {
            let sold = busy
                * [
                    1, 0, 0, 0, 0, 0, 1, 2, 4, 6, 7, 7, 6, 6, 5, 5, 6, 7, 9, 12, 14, 12, 7, 3,
                ][usize::try_from(hour).unwrap()];
            for order in 0..sold {
                number += 1;
                let moment = at(day * 86_400 + hour * 3_600 + order * 10);
                operation(&mut gathering, number, moment);
                // An outage on Thursday evening.
                attempts(
                    &mut gathering,
                    number,
                    moment,
                    day == 3 && (18..20).contains(&hour),
                );
            }
        }
    }
    for (index, sku) in skus.iter().enumerate() {
        let units = 900 / (u64::try_from(index).unwrap() + 1);
        let moves = |units_taken| SkuMoves {
            units_taken,
            times_taken: units_taken * 3 / 4,
            units_returned: units_taken / 40,
        };
        gathering.sku(Sku::parse(sku).unwrap(), moves(units), moves(units * 5 / 6));
    }
    reviews(&mut gathering, skus, warehouse);
    for (index, resolution) in DiscrepancyResolution::ALL
        .into_iter()
        .cycle()
        .take(23)
        .enumerate()
    {
        gathering.discrepancy(&DiscrepancyFact {
            kind: DiscrepancyKind::ALL[index % 3],
            resolution,
            first_seen_at: at(i64::try_from(index).unwrap() * 20_000 - 90_000),
            is_open: index % 4 == 0,
        });
    }
    for index in 0..40_i64 {
        gathering.shadow(&ShadowFact {
            would: if index % 9 == 0 { Would::Ask } else { Would::Deduct },
            verdict: if index % 13 == 0 {
                Verdict::Differs
            } else {
                Verdict::Same
            },
            seen_at: at(index * 9_000),
        });
    }
    gathering.finish()
}

fn operation(gathering: &mut Gathering, number: u128, created_at: Timestamp) {
    let (status, waiting_for) = match number % 97 {
        0 => (OperationStatus::Pending, Some(WaitingFor::Stock)),
        1 => (OperationStatus::Failed, Some(WaitingFor::Review)),
        2 => (OperationStatus::RolledBack, None),
        3 => (OperationStatus::Pending, Some(WaitingFor::Payment)),
        _ => (OperationStatus::Completed, None),
    };
    let operation_type = match number % 31 {
        0 => OperationType::Refund,
        1 => OperationType::Adjustment,
        _ => OperationType::Deduction,
    };
    gathering.operation(&OperationFact {
        operation_type,
        status,
        waiting_for,
        created_at,
    });
}

fn attempts(gathering: &mut Gathering, number: u128, begin: Timestamp, is_outage: bool) {
    let operation = OperationId::new(Uuid::from_u128(number));
    let mut attempt = |seconds: i64, end| {
        let at = begin + SignedDuration::from_secs(seconds);
        gathering.attempt(&AttemptFact { operation, at, end });
    };
    if is_outage {
        attempt(1, AttemptEnd::ToBeRetried);
        attempt(61, AttemptEnd::ToBeRetried);
        attempt(7_800, AttemptEnd::Delivered);
    } else if number.is_multiple_of(97) {
        attempt(1, AttemptEnd::ToBeRetried);
        attempt(70, AttemptEnd::GivenUp);
    } else {
        attempt(1, AttemptEnd::Delivered);
    }
}

fn reviews(gathering: &mut Gathering, skus: &[&str], warehouse: &str) {
    let reasons = [
        ReviewReason::InsufficientStock,
        ReviewReason::InsufficientStock,
        ReviewReason::SkuMissing,
        ReviewReason::DeliveryFailed,
        ReviewReason::CancelledAfterShipment,
    ];
    for index in 0..45_i64 {
        let place = usize::try_from(index).unwrap();
        let details = json!({ "lines": [{
            "sku": skus[place % 3], "warehouse": warehouse, "required": 3 + index % 2, "available": 1,
            "short": 2 + index % 2, "known": true,
        }] });
        gathering.review(&ReviewFact {
            reason: reasons[place % reasons.len()],
            opened_at: at(index * 13_000 - 40_000),
            closed_at: (index % 6 != 0).then(|| at(index * 13_000 + index * 700)),
            by_person: index % 2 == 0,
            details: &details,
        });
    }
}
