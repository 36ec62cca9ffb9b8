//! `GET /shadow`: what Saldo in shadow would have done, beside what the old way did.

use jiff::{SignedDuration, Timestamp};
use saldo_domain::rollout::Verdict;
use saldo_store::query::PageRequest;
use saldo_store::rollouts::{ShadowCounts, ShadowFilter};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::Problems;
use crate::problem::Problem;
use crate::query::Parameters;
use crate::wire::words::VerdictWord;
use crate::wire::{ShadowOrderBody, ShadowReportBody};

/// How far back the report looks when it is not told.
const DAYS_DEFAULT: u64 = 7;
/// How far back it looks at most.
const DAYS_MAX: u64 = 3_660;

/// Which orders in shadow.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ShadowQuery {
    /// Orders first heard of in so many days before now.
    #[param(minimum = 1, maximum = 3660, default = 7)]
    pub days: Option<u64>,
    /// Of one account.
    pub token_id: Option<Uuid>,
    /// Which orders to list; those that differ when it is not given.
    #[param(inline)]
    pub verdict: Option<VerdictWord>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
}

/// Tells what shadow has shown
///
/// In how many orders Saldo would have acted as the old way did, and which they are where it would not.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/shadow", tag = "rollout", params(ShadowQuery),
    responses((status = 200, description = "The report.", body = ShadowReportBody))
)]
pub(crate) async fn get_shadow(app: App, call: Call) -> Result<Answer, Problem> {
    let Asked {
        account,
        days,
        verdict,
        request,
    } = read(&call)?;
    let to = app.service.now();
    let from = days_before(to, days);
    let filter = ShadowFilter {
        account,
        from: Some(from),
        to: None,
        verdict: Some(verdict.unwrap_or(Verdict::Differs)),
    };
    let store = app.service.store();
    let counts = store.shadow_counts(&filter).await?;
    let orders = store.shadow_orders(&filter, request).await?;
    let ShadowCounts {
        same,
        differs,
        undecided,
    } = counts;
    Answer::ok(&ShadowReportBody {
        from,
        to,
        orders: same + differs + undecided,
        same,
        differs,
        undecided,
        summary: summary(days, counts),
        items: orders.items.iter().map(ShadowOrderBody::new).collect(),
        next_cursor: orders.next_cursor.as_deref(),
    })
}

struct Asked {
    account: Option<saldo_domain::ids::AccountId>,
    days: u64,
    verdict: Option<Verdict>,
    request: PageRequest,
}

fn read(call: &Call) -> Result<Asked, Problem> {
    let problems = Problems::default();
    let known = ["days", "token_id", "verdict", "cursor", "limit"];
    let parameters = Parameters::new(&call.uri, &known, &problems);
    let in_range = |text: &str| match text.parse() {
        Ok(days) if (1..=DAYS_MAX).contains(&days) => Ok(days),
        _ => Err(format!("must be a whole number from 1 to {DAYS_MAX}")),
    };
    let asked = Asked {
        account: parameters.parsed("token_id", "a UUID"),
        days: parameters.read("days", in_range).unwrap_or(DAYS_DEFAULT),
        verdict: parameters.parsed("verdict", "one of undecided, same, differs"),
        request: parameters.page(),
    };
    drop(parameters);
    problems.finish(Some(asked))
}

fn days_before(moment: Timestamp, days: u64) -> Timestamp {
    let hours = i64::try_from(days.saturating_mul(24)).unwrap_or(i64::MAX);
    moment
        .checked_sub(SignedDuration::from_hours(hours))
        .unwrap_or(Timestamp::MIN)
}

fn summary(days: u64, counts: ShadowCounts) -> String {
    let ShadowCounts {
        same,
        differs,
        undecided,
    } = counts;
    let period = if days == 1 {
        "1 day".to_owned()
    } else {
        format!("{days} days")
    };
    if same + differs + undecided == 0 {
        return format!("In {period} Saldo has seen no order in shadow.");
    }
    let decided = same + differs;
    let mut told = format!(
        "In {period} Saldo would have acted as the old way in {} of {} orders.",
        grouped(same),
        grouped(decided)
    );
    if undecided > 0 {
        told.push_str(&format!(
            " Of {} more it is too early to tell.",
            grouped(undecided)
        ));
    }
    told
}

/// A number with a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut told = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_what_is_decided() {
        let counts = |same, differs, undecided| ShadowCounts {
            same,
            differs,
            undecided,
        };
        assert_eq!(
            summary(7, counts(4_312, 3, 0)),
            "In 7 days Saldo would have acted as the old way in 4,312 of 4,315 orders."
        );
        assert_eq!(
            summary(1, counts(1, 0, 1_000_000)),
            "In 1 day Saldo would have acted as the old way in 1 of 1 orders. Of 1,000,000 more it is too early to \
             tell."
        );
        assert_eq!(
            summary(2, counts(0, 0, 0)),
            "In 2 days Saldo has seen no order in shadow."
        );
    }
}
