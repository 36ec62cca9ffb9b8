//! Answers to reviews: what each resolution does for each reason.

use serde_json::json;

use super::command::{Resolve, ResolveOutcome, RollBack, TakeIn, Then};
use super::{apply, cancel, level, merge, outage, refund, retry_now, revise, roll_back, take_in};
use crate::delivery::Task;
use crate::draft::Draft;
use crate::form::OrderCopy;
use crate::ids::OrderKey;
use crate::operation::{Operation, OperationStatus, WaitingFor};
use crate::order::{Line, Standing};
use crate::review::{Resolution, Review, ReviewReason, Subject};
use crate::stock::{Mapping, OfferKey, check_components};
use crate::view::{OrderFile, Refusal, Stop};

/// Whether a resolution answers a reason. The table stands in `docs/reviews.md`, where a test compares it.
#[must_use]
pub const fn applies(reason: ReviewReason, resolution: Resolution) -> bool {
    use Resolution::{Accept, Cancel, Force, MapSku, Retry};
    match reason {
        ReviewReason::InsufficientStock | ReviewReason::SkuUnknown => true,
        ReviewReason::SkuMissing => matches!(resolution, Retry | Accept | Cancel | MapSku),
        ReviewReason::DeliveryFailed | ReviewReason::OtherAccount => {
            matches!(resolution, Retry | Accept | Cancel)
        }
        ReviewReason::GaveUp => matches!(resolution, Retry),
        ReviewReason::AccountUnusable => matches!(resolution, Retry | Accept),
        ReviewReason::RemoteOnly => matches!(resolution, Accept | Force | Cancel),
        ReviewReason::CancelledAfterShipment
        | ReviewReason::QuantityMismatch
        | ReviewReason::Returned
        | ReviewReason::CancelledAfterDeduction
        | ReviewReason::Reopened => matches!(resolution, Accept | Force),
        ReviewReason::MissedOrder => matches!(resolution, Accept | Force | Cancel),
        ReviewReason::MissingRemotely => matches!(resolution, Retry | Accept | Cancel),
        ReviewReason::Malformed => matches!(resolution, Retry | Accept),
        ReviewReason::StuckUnpaid => matches!(resolution, Accept | Force | Cancel),
    }
}

/// Answers a review.
pub(super) fn resolve(draft: &mut Draft<'_>, request: &Resolve) -> Result<ResolveOutcome, Stop> {
    let Some(review) = draft.view.review(&request.review)?.cloned() else {
        return Err(
            Refusal::not_found("review_unknown", format!("there is no review {}", request.review)).into(),
        );
    };
    if let Some(answer) = &review.answer {
        if answer.resolution == Some(request.resolution) || answer.resolution.is_none() {
            return Ok(ResolveOutcome {
                review: review.id,
                duplicate: true,
                order: None,
                // What was to follow the first answer may have been cut short: the same again goes on with it.
                then: answer.resolution.and_then(|given| follows(&review, given)),
            });
        }
        let detail = format!("review {} was resolved already", review.id);
        return Err(Refusal::conflict("already_resolved", detail).into());
    }
    if !applies(review.reason, request.resolution) {
        let fitting: Vec<_> = Resolution::ALL
            .into_iter()
            .filter(|other| applies(review.reason, *other))
            .map(Resolution::as_str)
            .collect();
        let detail = format!(
            "{} does not answer a review of {}; use one of {}",
            request.resolution,
            review.reason,
            fitting.join(", ")
        );
        return Err(Refusal::conflict("resolution_not_applicable", detail).into());
    }
    match &review.subject {
        Subject::Order(key) => resolve_order(draft, request, &review, &key.clone()),
        Subject::Account(_) | Subject::Service => Ok(resolve_wide(draft, request, review)),
    }
}

/// What is to follow an answer to a review that is about no single order.
fn follows(review: &Review, resolution: Resolution) -> Option<Then> {
    match (review.reason, &review.subject) {
        (ReviewReason::StuckUnpaid, _) if resolution == Resolution::Accept => None,
        (ReviewReason::StuckUnpaid, _) => Some(Then::EndUnpaid {
            review: review.id,
            deduct: resolution == Resolution::Force,
        }),
        (ReviewReason::GaveUp, _) => Some(Then::EndOutage(review.id)),
        (_, Subject::Account(account)) if resolution == Resolution::Retry => {
            Some(Then::ProbeAccount(*account))
        }
        _ => None,
    }
}

fn resolve_wide(draft: &mut Draft<'_>, request: &Resolve, review: Review) -> ResolveOutcome {
    let then = follows(&review, request.resolution);
    let id = review.id;
    if matches!(then, Some(Then::EndOutage(_))) {
        // Until all that failed under it is taken up again, it is what keeps that before a person.
        draft.promise_answer(review, request.resolution, request.note.as_deref());
    } else {
        draft.answer_widely(review, Some(request.resolution), request.note.as_deref());
    }
    ResolveOutcome {
        review: id,
        duplicate: false,
        order: None,
        then,
    }
}

fn resolve_order(
    draft: &mut Draft<'_>,
    request: &Resolve,
    review: &Review,
    key: &OrderKey,
) -> Result<ResolveOutcome, Stop> {
    let Some(mut file) = draft.take(key)? else {
        return Err(Stop::Defect(format!("review {} has no order {key}", review.id)));
    };
    let answer = draft.answer(Some(request.resolution), request.note.as_deref());
    // Trying again may find the cause still there: then the review stays open, and the answer is in the log.
    let stays_open = matches!(request.resolution, Resolution::Retry | Resolution::MapSku)
        && review.reason != ReviewReason::DeliveryFailed;
    if !stays_open {
        for open in file.reviews.iter_mut().filter(|open| open.id == review.id) {
            open.answer = Some(answer.clone());
        }
    }
    let mut then = None;
    if request.resolution == Resolution::Retry
        && matches!(
            review.reason,
            ReviewReason::Malformed | ReviewReason::MissingRemotely
        )
    {
        then = Some(Then::Fetch(key.clone()));
    }
    let order = match request.resolution {
        Resolution::Retry => retry(draft, file, review)?,
        Resolution::MapSku => {
            let offer = map_offer(draft, request, &file)?;
            then = Some(Then::TryOffer(offer));
            retry_now::fill_again(draft, &mut file, false)?;
            take_in::answer(draft, file, false)?
        }
        Resolution::Accept => accept(draft, file, review)?,
        Resolution::Force => force(draft, file, review)?,
        Resolution::Cancel => call_off(draft, file, review, request)?,
    };
    if stays_open {
        record_answer(draft, key, review, &answer)?;
    }
    Ok(ResolveOutcome {
        review: review.id,
        duplicate: false,
        order: Some(order),
        then,
    })
}

/// A review whose cause went away under the answer keeps that answer, and not "by itself".
fn record_answer(
    draft: &mut Draft<'_>,
    key: &OrderKey,
    review: &Review,
    answer: &crate::review::Answer,
) -> Result<(), Stop> {
    if let Some(mut file) = draft.take(key)? {
        for closed in file
            .reviews
            .iter_mut()
            .filter(|closed| closed.id == review.id && !closed.is_open())
        {
            closed.answer = Some(answer.clone());
        }
        draft.put(file);
    }
    Ok(())
}

fn retry(draft: &mut Draft<'_>, mut file: OrderFile, review: &Review) -> Result<super::OrderOutcome, Stop> {
    match review.reason {
        ReviewReason::DeliveryFailed => outage::revive_failed(draft, &mut file)?,
        ReviewReason::OtherAccount => return no_longer_foreign(draft, file, review),
        ReviewReason::Malformed | ReviewReason::MissingRemotely => {}
        _ => retry_now::fill_again(draft, &mut file, false)?,
    }
    take_in::answer(draft, file, false)
}

/// An order whose line another account held is taken in again, now that it may be free.
fn no_longer_foreign(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    review: &Review,
) -> Result<super::OrderOutcome, Stop> {
    let copy = stored_copy(review)?;
    let holders = merge::holders_of_copy(draft, &file.order.key, &copy)?;
    if let Some(other) = holders.first() {
        let detail = format!("a line of it is still held by order {other}");
        return Err(Refusal::conflict("line_held_elsewhere", detail).into());
    }
    draft.close(&mut file, &[ReviewReason::OtherAccount]);
    if !file.order.form_seen {
        return take_in::form_arrives(draft, &again(&file, copy, false), file);
    }
    let waits = |operation: &Operation| level::is_unapplied(operation) && operation.review == Some(review.id);
    let any_waits = file.operations.iter().any(waits);
    if file.order.level() && !any_waits {
        return merge::move_difference(draft, file, &copy, &holders);
    }
    if file.order.level() {
        revise::revise(draft, &mut file, &copy)?;
    } else {
        file.order.lines = take_in::copy_lines(&file.order.key, &copy).into();
    }
    if !file.order.level() && !take_in::is_ready(draft.policy, &copy) {
        return wait_for_payment(draft, file, waits);
    }
    retry_now::fill_those(draft, &mut file, false, waits)?;
    take_in::answer(draft, file, false)
}

/// Of an order that is not paid, nothing is taken yet.
fn wait_for_payment(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    which: impl Fn(&Operation) -> bool,
) -> Result<super::OrderOutcome, Stop> {
    file.order.standing = Standing::AwaitsPayment;
    for operation in file.operations.iter_mut().filter(|operation| which(operation)) {
        operation.review = None;
        draft.wait(operation, WaitingFor::Payment, None);
    }
    take_in::answer(draft, file, false)
}

/// A request to take a stored copy in again.
fn again(file: &OrderFile, copy: OrderCopy, force: bool) -> TakeIn {
    TakeIn {
        account: file.order.key.account,
        copy,
        warehouse: Some(file.order.warehouse.clone()),
        force,
        remote_flag: None,
    }
}

/// The world is right as it is: nothing moves.
fn accept(draft: &mut Draft<'_>, mut file: OrderFile, review: &Review) -> Result<super::OrderOutcome, Stop> {
    match review.reason {
        // The person says that the service holds the flag: it is read back before it is believed.
        ReviewReason::DeliveryFailed => {
            outage::revive_failed(draft, &mut file)?;
            if let Some(delivery) = &mut file.delivery {
                delivery.task = Task::Verify;
            }
        }
        ReviewReason::CancelledAfterShipment
        | ReviewReason::QuantityMismatch
        | ReviewReason::Returned
        | ReviewReason::Reopened
        | ReviewReason::CancelledAfterDeduction
        | ReviewReason::MissingRemotely => file.order.answered.push(review.reason),
        ReviewReason::Malformed => {
            if take_in::was_never_read(&file) {
                file.order.standing = Standing::Settled;
            }
            file.order.answered.push(ReviewReason::Malformed);
        }
        _ => {
            settle_without_stock(draft, &mut file)?;
            // Of an order that stays deducted, the same facts are not asked about again.
            file.order.answered.push(review.reason);
        }
    }
    take_in::answer(draft, file, false)
}

/// Calls off what has moved nothing, and settles the order for ever.
fn settle_without_stock(draft: &mut Draft<'_>, file: &mut OrderFile) -> Result<(), Stop> {
    cancel::call_off_waiting(draft, file, "a person settled it")?;
    apply::stop_waiting(draft, file);
    file.order.standing = if file.order.level() {
        Standing::Applied
    } else {
        Standing::Settled
    };
    level::tell(draft, file);
    Ok(())
}

/// Do it all the same.
fn force(draft: &mut Draft<'_>, mut file: OrderFile, review: &Review) -> Result<super::OrderOutcome, Stop> {
    match review.reason {
        ReviewReason::CancelledAfterShipment | ReviewReason::CancelledAfterDeduction => {
            let is_final = review
                .details
                .get("final")
                .and_then(serde_json::Value::as_bool)
                .unwrap_or(true);
            cancel::call_off_waiting(draft, &mut file, "the order was cancelled")?;
            apply::stop_waiting(draft, &mut file);
            file.order.standing = Standing::Cancelled { is_final };
            let why = if review.reason == ReviewReason::CancelledAfterShipment {
                "cancelled after it was sent; a person brought it back"
            } else {
                "cancelled after it was deducted; a person brought it back"
            };
            refund::give_back_all(draft, &mut file, why)?;
        }
        ReviewReason::Returned => {
            file.order.answered.push(ReviewReason::Returned);
            refund::give_back_all(draft, &mut file, "all items came back")?;
        }
        ReviewReason::QuantityMismatch => {
            let copy = stored_copy(review)?;
            let holders = merge::holders_of_copy(draft, &file.order.key, &copy)?;
            return merge::move_difference(draft, file, &copy, &holders);
        }
        ReviewReason::Reopened => {
            file.order.answered.push(ReviewReason::Reopened);
            let request = again(&file, stored_copy(review)?, true);
            return take_in::deduct_again(draft, &request, file);
        }
        _ => {
            let negative_allowed = !matches!(
                review.reason,
                ReviewReason::RemoteOnly | ReviewReason::MissedOrder
            );
            retry_now::fill_those(draft, &mut file, negative_allowed, |operation| {
                operation.waiting_for == Some(WaitingFor::Stock) || operation.review == Some(review.id)
            })?;
            if review.reason == ReviewReason::RemoteOnly && !file.order.level() {
                // It waits for its stock now; the flag that is set there is no news, and asks nothing again.
                file.order.answered.push(ReviewReason::RemoteOnly);
            }
        }
    }
    take_in::answer(draft, file, false)
}

/// Call the operation off, and restore what it had taken.
fn call_off(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    review: &Review,
    request: &Resolve,
) -> Result<super::OrderOutcome, Stop> {
    if review.reason == ReviewReason::MissingRemotely {
        cancel::call_off_waiting(draft, &mut file, "the orders service does not know it")?;
        apply::stop_waiting(draft, &mut file);
        refund::give_back_all(draft, &mut file, "the orders service does not know it")?;
        return take_in::answer(draft, file, false);
    }
    if review.reason != ReviewReason::DeliveryFailed {
        settle_without_stock(draft, &mut file)?;
        return take_in::answer(draft, file, false);
    }
    // The newest first: undoing a refund takes again what undoing its deduction then gives back.
    let failed: Vec<_> = file
        .operations
        .iter()
        .rev()
        .filter(|operation| operation.status == OperationStatus::Failed)
        .map(|operation| operation.id)
        .collect();
    let key = file.order.key.clone();
    draft.put(file);
    for operation in failed {
        let reason = request
            .note
            .clone()
            .unwrap_or_else(|| "called off in review".to_owned());
        roll_back::roll_back(
            draft,
            &RollBack {
                operation,
                reason,
                force: false,
            },
        )?;
    }
    let Some(file) = draft.take(&key)? else {
        return Err(Stop::Defect(format!("order {key} is gone")));
    };
    take_in::answer(draft, file, false)
}

fn stored_copy(review: &Review) -> Result<OrderCopy, Stop> {
    let copy = review.details.get("copy").cloned().unwrap_or_default();
    serde_json::from_value(copy).map_err(|_| {
        let detail = "the review does not hold the order's form: post the form again";
        Refusal::conflict("form_needed", detail).into()
    })
}

/// Sets what the offer of the review's line stands for.
fn map_offer(draft: &mut Draft<'_>, request: &Resolve, file: &OrderFile) -> Result<OfferKey, Stop> {
    check_components(&request.components).map_err(|detail| Refusal::invalid("bad_mapping", detail))?;
    let open: Vec<&Line> = file
        .order
        .lines
        .iter()
        .filter(|line| line.taken() == 0 && line.offer.is_some())
        .collect();
    let lacking = line_in_question(draft, file, &open)?;
    let Some(offer) = lacking.and_then(|line| line.offer.clone()) else {
        let detail = "no line of the order has an offer id to map; post its form with one";
        return Err(Refusal::conflict("no_offer_to_map", detail).into());
    };
    let key = OfferKey {
        account: file.order.key.account,
        offer,
    };
    draft.put_mapping(Mapping {
        key: key.clone(),
        components: request.components.clone(),
        updated_at: draft.now,
    });
    Ok(key)
}

/// The line that a mapping is asked for: the first that stands for nothing yet, or whose SKU is not there.
fn line_in_question<'l>(
    draft: &Draft<'_>,
    file: &OrderFile,
    open: &[&'l Line],
) -> Result<Option<&'l Line>, Stop> {
    let mut awaited = None;
    for line in open {
        match apply::components(draft, file.order.key.account, line)? {
            None => return Ok(Some(line)),
            Some(components) => {
                let is_awaited = components
                    .iter()
                    .any(|component| file.order.awaited.iter().any(|key| key.sku == component.sku));
                awaited = awaited.or(is_awaited.then_some(*line));
            }
        }
    }
    Ok(awaited.or(open.first().copied()))
}

/// Closes the open review of a reason and a subject that is no order, because its cause is gone.
pub(super) fn close_widely(
    draft: &mut Draft<'_>,
    reason: ReviewReason,
    subject: &Subject,
) -> Result<(), Stop> {
    if let Some(review) = draft.view.open_review(reason, subject)?.cloned() {
        draft.answer_widely(review, None, None);
    }
    Ok(())
}

/// Facts for a review of an order held by another one, with the form to try again by.
pub(super) fn held_elsewhere(other: &OrderKey, copy: &OrderCopy) -> serde_json::Value {
    json!({ "other_account": other.account, "other_order": other.order, "copy": copy })
}
