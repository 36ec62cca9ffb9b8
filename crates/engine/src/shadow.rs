//! Orders in shadow: what Saldo would have done, beside what the service shows was done (section 8).

use jiff::{SignedDuration, Timestamp};
use saldo_domain::ids::OrderKey;
use saldo_domain::order::{SkipReason, Standing};
use saldo_domain::rollout::{ShadowOrder, Verdict, Would};
use saldo_domain::view::OrderFile;
use saldo_store::StoreError;

use crate::engine::Core;
use crate::reading::{ReadError, Reader};

/// How long the old way may take for an order before its silence is an answer, in minutes.
const PATIENCE_MINUTES: i64 = 60;
/// Questions in a row that may fail before the others are left for later: each may take as long as a call may.
const FAILURES_MAX: u32 = 3;

/// Whether an order may be in shadow, so that it is worth asking.
pub(crate) fn may_be_in_shadow(file: &OrderFile) -> bool {
    matches!(
        file.order.standing,
        Standing::Skipped {
            reason: SkipReason::OldWay
        } | Standing::Cancelled { .. }
    ) && !file.order.touched
}

/// Compares orders in shadow with the flags that a list shows. A flag that decides is confirmed by the flags call.
/// What cannot be asked for now is compared when it is seen again.
pub(crate) async fn compare(
    core: &Core,
    reader: &Reader,
    seen: &[(OrderKey, bool)],
) -> Result<(), StoreError> {
    if seen.is_empty() {
        return Ok(());
    }
    let keys: Vec<OrderKey> = seen.iter().map(|(key, _)| key.clone()).collect();
    let shadows = core.store.shadow_orders_of(&keys).await?;
    let mut verdicts = Vec::new();
    let mut failures = 0;
    for (order, (key, listed)) in shadows.into_iter().zip(seen) {
        let Some(order) = order else { continue };
        if is_settled(&order, *listed) {
            continue;
        }
        let now = core.now();
        let hint = verdict(order.would, *listed, age(&order, now));
        let flag = if hint == Verdict::Undecided {
            *listed
        } else {
            match reader.read_flag(key).await {
                Ok(flag) => {
                    failures = 0;
                    flag
                }
                Err(ReadError::Shut | ReadError::Stopping) => break,
                Err(ReadError::Failed(error)) => {
                    tracing::debug!(order = %key, error = error.message, "an order in shadow is compared later");
                    failures += 1;
                    if failures >= FAILURES_MAX {
                        break;
                    }
                    continue;
                }
            }
        };
        let verdict = verdict(order.would, flag, age(&order, now));
        if verdict != order.verdict || order.remote_flag != Some(flag) {
            verdicts.push((key.clone(), flag, verdict));
        }
    }
    if verdicts.is_empty() {
        return Ok(());
    }
    core.store.put_verdicts(verdicts, core.now()).await
}

/// Whether a comparison was made that this sight cannot change.
fn is_settled(order: &ShadowOrder, listed: bool) -> bool {
    match order.verdict {
        Verdict::Undecided => false,
        Verdict::Same => order.remote_flag == Some(listed),
        // The old way may still come to the same.
        Verdict::Differs => order.remote_flag == Some(listed),
    }
}

fn age(order: &ShadowOrder, now: Timestamp) -> SignedDuration {
    now.duration_since(order.seen_at)
}

/// Whether the old way did what Saldo would have done. A flag that is set is an answer at once; one that is not, only
/// after a while.
fn verdict(would: Would, flag: bool, age: SignedDuration) -> Verdict {
    let would_deduct = would == Would::Deduct;
    let is_late = age >= SignedDuration::from_mins(PATIENCE_MINUTES);
    match (would_deduct, flag) {
        (true, true) => Verdict::Same,
        (false, true) => Verdict::Differs,
        (_, false) if !is_late => Verdict::Undecided,
        (true, false) => Verdict::Differs,
        (false, false) => Verdict::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_is_set_is_an_answer_at_once_and_one_that_is_not_only_after_a_while() {
        let (soon, late) = (SignedDuration::from_mins(59), SignedDuration::from_mins(60));
        for would in [Would::Deduct, Would::Wait, Would::Ask, Would::Nothing] {
            let would_deduct = would == Would::Deduct;
            let (set, unset) = if would_deduct {
                (Verdict::Same, Verdict::Differs)
            } else {
                (Verdict::Differs, Verdict::Same)
            };
            assert_eq!(verdict(would, true, soon), set, "{would}");
            assert_eq!(verdict(would, false, soon), Verdict::Undecided, "{would}");
            assert_eq!(verdict(would, false, late), unset, "{would}");
        }
    }
}
