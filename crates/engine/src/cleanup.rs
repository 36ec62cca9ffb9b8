//! The daily clean-up: what is past its retention goes, in small steps that keep nobody waiting.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use saldo_store::StoreError;
use saldo_store::housekeeping::{CleanedUp, Cutoffs, Place};

use crate::engine::Core;

/// Rows that are looked at in one transaction.
const STEP_ROWS: usize = 500;
/// The pause between two steps, in which others write.
const PAUSE: Duration = Duration::from_millis(50);
/// Steps of one clean-up: far above any day's rows. The rest goes the next day.
const STEPS_MAX: usize = 100_000;
/// How long answers under idempotency keys are kept, in days: longer than any client repeats a request.
const ANSWER_DAYS: i64 = 7;

/// Removes what is past its retention, and says how much.
pub(crate) async fn clean_up(core: &Core) -> Result<CleanedUp, StoreError> {
    let cutoffs = cutoffs(core);
    let mut sum = CleanedUp::default();
    let mut place = Some(Place::start());
    for _ in 0..STEPS_MAX {
        let Some(at) = place else { break };
        sum.add(core.store.clean_up(&cutoffs, &at, STEP_ROWS).await?);
        place = sum.next.clone();
        if core.stop.is_cancelled() {
            break;
        }
        if place.is_some() {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(sum)
}

fn cutoffs(core: &Core) -> Cutoffs {
    let now = core.now();
    let retention = core.settings.retention;
    let before = |days: i64| {
        let kept = SignedDuration::from_hours(days.clamp(0, 36_500) * 24);
        now.checked_sub(kept).unwrap_or(Timestamp::MIN)
    };
    Cutoffs {
        completed_before: before(retention.completed_days),
        failed_before: before(retention.failed_days),
        log_before: before(retention.log_days),
        answers_before: before(ANSWER_DAYS),
    }
}
