//! Orders that are not Saldo's to deal with: its mode, or where it begins, leaves them to the old way (section 8).
//!
//! What would have been done in shadow is found by running the same rules on a draft that is thrown away, so that
//! shadow cannot drift from what Saldo does when it is on.

use serde_json::{Value, json};

use super::command::{Deduct, OrderOutcome, SyncStatus, TakeIn};
use super::take_in::{self, Begin};
use super::{deduct, merge};
use crate::draft::Draft;
use crate::form::{FormStatus, OrderCopy, Source};
use crate::ids::OrderKey;
use crate::order::{Order, SkipReason, Standing};
use crate::review::{Review, ReviewReason};
use crate::rollout::{Acting, Rollout, ShadowOrder, Verdict, Would};
use crate::view::{OrderFile, Stop};

/// Why an order is left to the old way now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// It was bought before Saldo was to begin.
    BeforeStart,
    /// Saldo is off.
    Off,
    /// Saldo only watches.
    Shadow,
}

impl Left {
    const fn reason(self) -> SkipReason {
        match self {
            Self::BeforeStart => SkipReason::BeforeStart,
            Self::Off | Self::Shadow => SkipReason::OldWay,
        }
    }
}

/// Whether an order was left to the old way.
#[must_use]
pub const fn is_left(order: &Order) -> bool {
    matches!(
        order.standing,
        Standing::Skipped {
            reason: SkipReason::OldWay | SkipReason::BeforeStart
        }
    )
}

/// Whether an order that nothing is known of is left to the old way, and why. A form that shares a line with an order
/// that Saldo deals with is Saldo's as well.
pub(super) fn leaves(
    draft: &Draft<'_>,
    key: &OrderKey,
    copy: Option<&OrderCopy>,
) -> Result<Option<Left>, Stop> {
    if draft.is_rehearsal() {
        return Ok(None);
    }
    let rollout = Rollout::in_force(draft.view.rollout()?, draft.policy);
    let begins_at = rollout.begins_at(key, draft.policy.start_from);
    let is_before = copy.is_some_and(|copy| {
        let bought_before = copy
            .bought_at
            .zip(begins_at)
            .is_some_and(|(bought, begin)| bought < begin);
        copy.source != Source::Posted && bought_before
    });
    let left = match rollout.acting(key) {
        _ if is_before => Left::BeforeStart,
        Acting::On => return Ok(None),
        Acting::Off => Left::Off,
        Acting::Shadow => Left::Shadow,
    };
    match copy {
        Some(copy) if shares_a_line_of_ours(draft, key, copy)? => Ok(None),
        _ => Ok(Some(left)),
    }
}

fn shares_a_line_of_ours(draft: &Draft<'_>, key: &OrderKey, copy: &OrderCopy) -> Result<bool, Stop> {
    for holder in merge::holders_of_copy(draft, key, copy)? {
        if holder.account != key.account {
            continue;
        }
        if let Some(file) = draft.view.order(&holder)?
            && !matches!(file.order.standing, Standing::Skipped { .. } | Standing::Settled)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Records an order of which the first copy came, and leaves it to the old way.
pub(super) fn leave(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    mut file: OrderFile,
    left: Left,
) -> Result<OrderOutcome, Stop> {
    take_in::leave_held_lines(draft, &mut file)?;
    file.order.standing = if request.copy.status == FormStatus::Cancelled {
        // Final for whoever deals with it: not even by force is it deducted later.
        Standing::Cancelled { is_final: true }
    } else {
        Standing::Skipped {
            reason: left.reason(),
        }
    };
    if left == Left::Shadow {
        watch_copy(draft, request, &file.order)?;
    }
    let is_posted = request.copy.source == Source::Posted;
    Ok(answer(draft, file, Some(left), is_posted, false))
}

/// Records an order that cannot be read, and leaves it to the old way.
pub(super) fn leave_unread(
    draft: &mut Draft<'_>,
    key: &OrderKey,
    left: Left,
    detail: &str,
) -> Result<OrderOutcome, Stop> {
    let warehouse = draft.policy.default_warehouse.clone();
    let mut file = OrderFile::of(Order::first_heard_of(key.clone(), warehouse, draft.now));
    file.order.standing = Standing::Skipped {
        reason: left.reason(),
    };
    if left == Left::Shadow {
        let details = json!({ "review": ReviewReason::Malformed, "why": detail });
        watch(draft, &file.order, Would::Ask, details)?;
    }
    Ok(answer(draft, file, Some(left), false, false))
}

/// A copy of an order that was left to the old way before: it stays there, unless a person hands it over.
pub(super) fn later_copy(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    mut file: OrderFile,
    begin: Begin,
) -> Result<OrderOutcome, Stop> {
    let copy = &request.copy;
    if request.force {
        file.order.first_operation = None;
        file.order
            .answered
            .retain(|reason| *reason != ReviewReason::RemoteOnly);
        return take_in::first_copy(draft, request, file, begin);
    }
    let is_news = take_in::is_newer(&file.order, copy);
    take_in::note_facts(&mut file.order, copy);
    let left = how_left(draft, &file.order)?;
    if copy.status == FormStatus::Cancelled {
        file.order.standing = Standing::Cancelled { is_final: true };
    }
    let tells_more = is_news || take_in::is_cancelled(copy) || take_in::is_ready(draft.policy, copy);
    if left == Some(Left::Shadow) && tells_more {
        watch_copy(draft, request, &file.order)?;
    }
    let is_posted = copy.source == Source::Posted;
    Ok(answer(draft, file, left, is_posted, true))
}

/// Why an order of the old way is left to it now as well; none when it only was before.
fn how_left(draft: &Draft<'_>, order: &Order) -> Result<Option<Left>, Stop> {
    let rollout = Rollout::in_force(draft.view.rollout()?, draft.policy);
    Ok(match (&order.standing, rollout.acting(&order.key)) {
        (_, Acting::Off) => Some(Left::Off),
        // What was brought over as already deducted is not watched.
        (
            Standing::Skipped {
                reason: SkipReason::OldWay,
            },
            Acting::Shadow,
        ) if !order.answered.contains(&ReviewReason::RemoteOnly) => Some(Left::Shadow),
        _ => None,
    })
}

/// A single line, as far as the mode lets Saldo take it.
pub(super) fn deduct(draft: &mut Draft<'_>, request: &Deduct) -> Result<OrderOutcome, Stop> {
    let (mut file, is_known) = match draft.take(&request.key)? {
        Some(file) if is_left(&file.order) => (file, true),
        Some(file) => {
            draft.put(file);
            return deduct::deduct(draft, request);
        }
        None if leaves(draft, &request.key, None)?.is_none() => return deduct::deduct(draft, request),
        None => {
            let warehouse = super::apply::warehouse_or_default(draft, request.warehouse.as_ref());
            let order = Order::first_heard_of(request.key.clone(), warehouse, draft.now);
            (OrderFile::of(order), false)
        }
    };
    if !is_known {
        file.order.standing = Standing::Skipped {
            reason: SkipReason::OldWay,
        };
    }
    let left = how_left(draft, &file.order)?;
    if left == Some(Left::Shadow) {
        let rehearsed = rehearse(draft, &request.key, |draft| deduct::deduct(draft, request))?;
        let details = with_earlier_lines(draft, request, rehearsed.details)?;
        watch(draft, &file.order, rehearsed.would, details)?;
    }
    Ok(answer(draft, file, left, true, is_known))
}

/// Lines come one by one: what was recorded of the others stays.
fn with_earlier_lines(draft: &Draft<'_>, request: &Deduct, mut details: Value) -> Result<Value, Stop> {
    let earlier = draft.view.shadow(&request.key)?;
    let lines = earlier.and_then(|shadow| shadow.details.get("lines")?.as_array());
    if let (Some(earlier), Some(now)) = (lines, details.get_mut("lines").and_then(Value::as_array_mut)) {
        let added = std::mem::take(now);
        now.extend(earlier.iter().filter(|line| !added.contains(line)).cloned());
        now.extend(added);
    }
    Ok(details)
}

/// How an order of the old way stands, as the caller is told. Puts the file back.
fn answer(
    draft: &mut Draft<'_>,
    file: OrderFile,
    left: Option<Left>,
    is_asked_for: bool,
    duplicate: bool,
) -> OrderOutcome {
    let (status, reason) = match (left, &file.order.standing) {
        // Whoever posts an order counts on its deduction, and must hear that there is none.
        (Some(Left::Off), _) if is_asked_for => (SyncStatus::ModeOff, "mode_off"),
        (_, Standing::Cancelled { .. }) => (SyncStatus::Skipped, "cancelled"),
        (Some(Left::Shadow), _) => (SyncStatus::Skipped, "shadow"),
        (_, Standing::Skipped { reason }) => (SyncStatus::Skipped, reason.as_str()),
        _ => (SyncStatus::Skipped, SkipReason::OldWay.as_str()),
    };
    let mut outcome = take_in::conclude(draft, file, status, Some(reason));
    outcome.duplicate = duplicate;
    outcome
}

/// What the rules would have done.
struct Rehearsed {
    would: Would,
    details: Value,
    /// Other orders in shadow that would have gone into this one.
    merged: Vec<OrderKey>,
}

/// Records what would be done with a copy of an order in shadow.
fn watch_copy(draft: &mut Draft<'_>, request: &TakeIn, order: &Order) -> Result<(), Stop> {
    let alone = TakeIn {
        // The flag is the old way's doing, which shadow is compared with, and no reason to act otherwise.
        remote_flag: Some(false),
        ..request.clone()
    };
    let key = take_in::key_of(request);
    let rehearsed = rehearse(draft, &key, |draft| take_in::rehearse(draft, &alone))?;
    for merged in rehearsed.merged {
        if let Some(other) = draft.view.order(&merged)? {
            let details = json!({ "why": format!("merged into {}", key.order) });
            watch(draft, &other.order, Would::Nothing, details)?;
        }
    }
    watch(draft, order, rehearsed.would, rehearsed.details)
}

/// Records what would be done, where that is not what is recorded already.
fn watch(draft: &mut Draft<'_>, order: &Order, would: Would, details: Value) -> Result<(), Stop> {
    let known = draft.view.shadow(&order.key)?;
    if known.is_none_or(|shadow| shadow.would != would || shadow.details != details) {
        draft.put_shadow(ShadowOrder {
            key: order.key.clone(),
            seen_at: order.created_at,
            would,
            details,
            remote_flag: None,
            compared_at: None,
            verdict: Verdict::Undecided,
        });
    }
    Ok(())
}

fn rehearse(
    draft: &mut Draft<'_>,
    key: &OrderKey,
    act: impl FnOnce(&mut Draft<'_>) -> Result<OrderOutcome, Stop>,
) -> Result<Rehearsed, Stop> {
    let view = draft.view;
    let mut rehearsal = draft.rehearsal();
    let outcome = match act(&mut rehearsal) {
        Ok(outcome) => outcome,
        Err(Stop::Refused(refusal)) => {
            return Ok(Rehearsed {
                would: Would::Ask,
                details: json!({ "refused": refusal.code, "why": refusal.detail }),
                merged: Vec::new(),
            });
        }
        Err(stop) => return Err(stop),
    };
    let changes = rehearsal.finish()?;
    let mut merged = Vec::new();
    let mut own = None;
    for change in &changes.files {
        let file = &change.after;
        if file.order.key == *key {
            own = Some(file);
        } else if matches!(file.order.standing, Standing::Merged { .. })
            && view
                .order(&file.order.key)?
                .is_some_and(|before| is_left(&before.order))
        {
            merged.push(file.order.key.clone());
        }
    }
    let (would, details) = own.map_or((Would::Nothing, json!({})), |file| told(file, &outcome));
    Ok(Rehearsed {
        would,
        details,
        merged,
    })
}

/// What became of an order in a rehearsal, for people.
fn told(file: &OrderFile, outcome: &OrderOutcome) -> (Would, Value) {
    let would = match file.order.standing {
        Standing::Applied => Would::Deduct,
        Standing::AwaitsPayment => Would::Wait,
        Standing::AwaitsStock | Standing::AwaitsReview => Would::Ask,
        _ => Would::Nothing,
    };
    let mut details = json!({});
    if would == Would::Nothing {
        details["why"] = json!(outcome.error);
        return (would, details);
    }
    let lines: Vec<Value> = file
        .operations
        .iter()
        .flat_map(|operation| &operation.lines)
        .map(|line| json!({ "sku": line.sku, "quantity": line.quantity, "warehouse": line.warehouse }))
        .collect();
    details["lines"] = json!(lines);
    if would == Would::Ask {
        details["review"] = json!(file.reviews.iter().find(|review| review.is_open()).map(reason_of));
        details["why"] = json!(outcome.error);
    }
    (would, details)
}

const fn reason_of(review: &Review) -> ReviewReason {
    review.reason
}
