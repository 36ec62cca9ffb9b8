//! Taking in a copy of an order: the table of section 4.

use serde_json::json;

use super::apply::{self, fill};
use super::command::{OrderOutcome, SyncStatus, TakeIn};
use super::{cancel, level, merge, old_way, revise};
use crate::draft::Draft;
use crate::form::{CopyLine, FormStatus, OrderCopy, Source};
use crate::ids::{LineItemId, OrderId, OrderKey};
use crate::operation::{OperationStatus, OperationType, WaitingFor};
use crate::order::{Line, Order, SkipReason, Standing};
use crate::policy::Policy;
use crate::review::ReviewReason;
use crate::stock::{OfferKey, StockKey};
use crate::view::{Key, OrderFile, Refusal, Stop};

/// Rows that taking in a copy looks at for certain.
pub(super) fn first_keys(request: &TakeIn, policy: &Policy) -> Vec<Key> {
    let key = OrderKey {
        account: request.account,
        order: request.copy.order.clone(),
    };
    let warehouse = request.warehouse.as_ref().unwrap_or(&policy.default_warehouse);
    let mut keys = vec![Key::Rollout, Key::Order(key)];
    for line in &request.copy.lines {
        keys.extend(line.id.iter().cloned().map(Key::Line));
        if let Some(offer) = &line.offer {
            keys.push(Key::Mapping(OfferKey {
                account: request.account,
                offer: offer.clone(),
            }));
        }
        if let Some(sku) = &line.external {
            keys.push(Key::Balance(StockKey {
                sku: sku.clone(),
                warehouse: warehouse.clone(),
            }));
        }
    }
    keys
}

/// How the deduction of an order begins that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// By taking its stock.
    Taking,
    /// By asking a person.
    Asking,
}

/// Takes in a copy.
pub(super) fn take_in(draft: &mut Draft<'_>, request: &TakeIn) -> Result<OrderOutcome, Stop> {
    take_in_as(draft, request, Begin::Taking)
}

/// Takes in a copy; how its deduction begins, when it is the first one of an order, the caller says.
pub(super) fn take_in_as(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    begin: Begin,
) -> Result<OrderOutcome, Stop> {
    let key = key_of(request);
    match draft.take(&key)? {
        Some(file) if old_way::is_left(&file.order) => old_way::later_copy(draft, request, file, begin),
        Some(file) if !was_never_read(&file) => known(draft, request, file),
        Some(unread) => first_copy(draft, request, unread, begin),
        None => {
            let file = new_file(draft, request, key);
            first_copy(draft, request, file, begin)
        }
    }
}

/// The order that a copy is of.
pub(super) fn key_of(request: &TakeIn) -> OrderKey {
    OrderKey {
        account: request.account,
        order: request.copy.order.clone(),
    }
}

/// Whether of an order no copy could be read yet: nothing is known of it but that it is there.
pub(crate) fn was_never_read(file: &OrderFile) -> bool {
    file.order.standing == Standing::AwaitsReview
        && !file.order.form_seen
        && file.order.lines.is_empty()
        && file.order.first_operation.is_none()
}

/// The first copy of an order that can be dealt with: nothing but its name is kept of what was known before.
pub(super) fn first_copy(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    mut file: OrderFile,
    begin: Begin,
) -> Result<OrderOutcome, Stop> {
    file.order.lines = copy_lines(&file.order.key, &request.copy).into();
    file.order.form_seen = true;
    file.order.standing = Standing::AwaitsStock;
    note_facts(&mut file.order, &request.copy);
    draft.close(&mut file, &[ReviewReason::Malformed]);
    if !request.force
        && let Some(left) = old_way::leaves(draft, &file.order.key, Some(&request.copy))?
    {
        return old_way::leave(draft, request, file, left);
    }
    first_sight(draft, request, file, begin)
}

/// What would be done with a copy of an order that nothing is known of.
pub(super) fn rehearse(draft: &mut Draft<'_>, request: &TakeIn) -> Result<OrderOutcome, Stop> {
    let file = new_file(draft, request, key_of(request));
    first_copy(draft, request, file, Begin::Taking)
}

fn first_sight(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    mut file: OrderFile,
    begin: Begin,
) -> Result<OrderOutcome, Stop> {
    let copy = &request.copy;
    if is_cancelled(copy) || copy.fulfilled_by_allegro {
        leave_held_lines(draft, &mut file)?;
    }
    if is_cancelled(copy) {
        file.order.standing = Standing::Cancelled {
            is_final: copy.status == FormStatus::Cancelled,
        };
        return Ok(conclude(draft, file, SyncStatus::Skipped, Some("cancelled")));
    }
    if copy.fulfilled_by_allegro {
        let reason = SkipReason::FulfilledByAllegro;
        file.order.standing = Standing::Skipped { reason };
        return Ok(conclude(draft, file, SyncStatus::Skipped, Some(reason.as_str())));
    }
    let holders = merge::holders(draft, &file)?;
    if let Some(winner) = merge::winner_over(draft, &file, &holders)? {
        return merge::close_newcomer(draft, file, &winner);
    }
    begin_deduction(draft, request, file, &holders, begin)
}

/// Begins the deduction of an order that is ours to deduct.
fn begin_deduction(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    mut file: OrderFile,
    holders: &[OrderKey],
    begin: Begin,
) -> Result<OrderOutcome, Stop> {
    let lines: Vec<usize> = (0..file.order.lines.len()).collect();
    let planned = apply::planned_lines(&file, &lines);
    let mut operation = draft.new_operation(
        OperationType::Deduction,
        Some(&file.order.key),
        planned,
        json!({ "source": request.copy.source }),
    );
    file.order.first_operation.get_or_insert(operation.id);
    let foreign: Vec<&OrderKey> = holders
        .iter()
        .filter(|holder| holder.account != file.order.key.account)
        .collect();
    if let Some(other) = foreign.first() {
        let details = super::resolve::held_elsewhere(other, &request.copy);
        let error = format!("a line of it is held by order {other}");
        leave_held_lines(draft, &mut file)?;
        wait_for_person(
            draft,
            &mut file,
            &mut operation,
            ReviewReason::OtherAccount,
            details,
            &error,
        );
        file.operations.push(operation);
        return answer(draft, file, false);
    }
    let settled_elsewhere = merge::settled_elsewhere(draft, holders)?;
    let moved = merge::absorb(draft, &mut file, holders)?;
    let lacking: Vec<usize> = lines.into_iter().filter(|line| !moved.contains(line)).collect();
    if request.remote_flag == Some(true) || settled_elsewhere {
        apply::plan(draft, &file, &mut operation, &lacking)?;
        ask_whether_deducted(draft, &mut file, &mut operation);
    } else if !is_ready(draft.policy, &request.copy) {
        apply::plan(draft, &file, &mut operation, &lacking)?;
        file.order.standing = Standing::AwaitsPayment;
        draft.wait(&mut operation, WaitingFor::Payment, None);
    } else if begin == Begin::Asking {
        apply::plan(draft, &file, &mut operation, &lacking)?;
        ask_whether_missed(draft, &mut file, &mut operation);
    } else if is_confirmed(request) {
        fill(draft, &mut file, &mut operation, &lacking, false)?;
    } else {
        let detail = format!(
            "the flag of order {} was not confirmed: ask for it first",
            file.order.key
        );
        return Err(Refusal::conflict("flag_unconfirmed", detail).into());
    }
    file.operations.push(operation);
    answer(draft, file, false)
}

/// Whether an order may be deducted on the word of a copy: one that was pulled may have been deducted elsewhere, which
/// the flags call tells, and no list.
fn is_confirmed(request: &TakeIn) -> bool {
    request.copy.source == Source::Posted || request.force || request.remote_flag.is_some()
}

/// An order was ready for long without being deducted here: only a person can have it deducted now.
pub(super) fn ask_whether_missed(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut crate::operation::Operation,
) {
    let error = "it was ready for long and nobody deducted it here: was it dealt with otherwise?";
    let details = json!({ "bought_at": file.order.bought_at });
    wait_for_person(draft, file, operation, ReviewReason::MissedOrder, details, error);
}

/// The service, or a person, says that an order was deducted elsewhere: only a person can have it deducted here.
fn ask_whether_deducted(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut crate::operation::Operation,
) {
    let error = "it counts as deducted elsewhere already, but nothing was deducted here";
    wait_for_person(draft, file, operation, ReviewReason::RemoteOnly, json!({}), error);
}

/// Leaves lines that another order holds to it: a file's own row must not take them over.
pub(super) fn leave_held_lines(draft: &Draft<'_>, file: &mut OrderFile) -> Result<(), Stop> {
    let mut held: Vec<LineItemId> = Vec::new();
    for line in &file.order.lines {
        if draft
            .view
            .line(&line.id)?
            .is_some_and(|holder| *holder != file.order.key)
        {
            held.push(line.id.clone());
        }
    }
    file.order.lines.retain(|line| !held.contains(&line.id));
    Ok(())
}

/// Puts an operation before a person.
pub(super) fn wait_for_person(
    draft: &mut Draft<'_>,
    file: &mut OrderFile,
    operation: &mut crate::operation::Operation,
    reason: ReviewReason,
    details: serde_json::Value,
    error: &str,
) {
    let review = draft.ask(file, reason, Some(operation.id), details);
    operation.review = Some(review);
    file.order.standing = Standing::AwaitsReview;
    draft.wait(operation, WaitingFor::Review, Some(error));
}

fn known(draft: &mut Draft<'_>, request: &TakeIn, mut file: OrderFile) -> Result<OrderOutcome, Stop> {
    let copy = &request.copy;
    let is_news = is_newer(&file.order, copy);
    // It is there after all, and can be read.
    draft.close(
        &mut file,
        &[ReviewReason::MissingRemotely, ReviewReason::Malformed],
    );
    if let Standing::Merged { .. } = file.order.standing {
        return answer(draft, file, true);
    }
    note_facts(&mut file.order, copy);
    if is_cancelled(copy) && !is_old_cancellation(&file.order, copy, is_news) {
        return cancel::cancel(draft, file, copy);
    }
    if waits_to_be_deducted(&file) {
        if copy.fulfilled_by_allegro {
            return skip_late(draft, file);
        }
        let is_answered = file.order.answered.contains(&ReviewReason::RemoteOnly);
        if request.remote_flag == Some(true) && !file.order.touched && !is_answered {
            return deducted_elsewhere(draft, file);
        }
        if !is_confirmed(request) && !file.order.touched {
            return answer(draft, file, true);
        }
    }
    if copy.returned && file.order.taken() > 0 && !file.order.answered.contains(&ReviewReason::Returned) {
        let details = json!({ "taken": file.order.taken() });
        draft.ask(&mut file, ReviewReason::Returned, None, details);
    }
    match &file.order.standing {
        Standing::Cancelled { is_final: false } if is_news => cancel::reopened(draft, file, copy),
        Standing::GivenBack | Standing::Settled if request.force => deduct_again(draft, request, file),
        Standing::Cancelled { .. }
        | Standing::GivenBack
        | Standing::Settled
        | Standing::Skipped { .. }
        | Standing::Merged { .. } => answer(draft, file, true),
        Standing::AwaitsPayment => paid(draft, request, file, is_news),
        Standing::AwaitsStock => try_again_with(draft, request, file, is_news),
        Standing::AwaitsReview => reviewed(draft, request, file, is_news),
        Standing::Applied => compare(draft, request, file, is_news),
    }
}

/// A copy of an order that is before a person.
fn reviewed(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    mut file: OrderFile,
    is_news: bool,
) -> Result<OrderOutcome, Stop> {
    let copy = &request.copy;
    if file.open_review(ReviewReason::MissedOrder).is_some()
        && copy.source == Source::Posted
        && is_ready(draft.policy, copy)
    {
        // Whoever posts it wants it deducted: that answers the question.
        draft.close(&mut file, &[ReviewReason::MissedOrder]);
        return try_again_with(draft, request, file, is_news);
    }
    if file.open_review(ReviewReason::SkuMissing).is_some() {
        return try_again_with(draft, request, file, is_news);
    }
    answer(draft, file, true)
}

/// A seller's cancellation that was seen before a person had the order deducted again is no news.
pub(crate) fn is_old_cancellation(order: &Order, copy: &OrderCopy, is_news: bool) -> bool {
    copy.status != FormStatus::Cancelled
        && !is_news
        && order.answered.contains(&ReviewReason::Reopened)
        && !matches!(order.standing, Standing::Cancelled { .. })
}

/// Whether an order waits for what comes by itself, with nothing taken yet.
fn waits_to_be_deducted(file: &OrderFile) -> bool {
    !file.order.level()
        && level::unapplied(file).is_some()
        && (matches!(
            file.order.standing,
            Standing::AwaitsPayment | Standing::AwaitsStock
        ) || file.open_review(ReviewReason::SkuMissing).is_some()
            || file.open_review(ReviewReason::MissedOrder).is_some())
}

/// A later copy says that the goods are Allegro's: nothing of it waits any more.
fn skip_late(draft: &mut Draft<'_>, mut file: OrderFile) -> Result<OrderOutcome, Stop> {
    cancel::call_off_waiting(draft, &mut file, "the goods are sent from Allegro's warehouse")?;
    apply::stop_waiting(draft, &mut file);
    file.order.standing = Standing::Skipped {
        reason: SkipReason::FulfilledByAllegro,
    };
    level::tell(draft, &mut file);
    answer(draft, file, false)
}

/// The service holds the flag of an order that waits here: somebody else has deducted it meanwhile.
fn deducted_elsewhere(draft: &mut Draft<'_>, mut file: OrderFile) -> Result<OrderOutcome, Stop> {
    let waiting = level::unapplied(&file).and_then(|id| level::take_operation(&mut file, id));
    if let Some((position, mut operation)) = waiting {
        apply::stop_waiting(draft, &mut file);
        draft.close(&mut file, &[ReviewReason::MissedOrder]);
        ask_whether_deducted(draft, &mut file, &mut operation);
        file.operations
            .insert(position.min(file.operations.len()), operation);
    }
    answer(draft, file, false)
}

/// An order that waited for payment, seen again.
fn paid(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    mut file: OrderFile,
    is_news: bool,
) -> Result<OrderOutcome, Stop> {
    if is_ready(draft.policy, &request.copy) {
        return try_again_with(draft, request, file, is_news);
    }
    if may_change_lines(&request.copy, is_news) {
        revise::revise(draft, &mut file, &request.copy)?;
    }
    answer(draft, file, true)
}

/// Tries an order again that has taken nothing yet, with the lines of a newer copy where there is one.
fn try_again_with(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    mut file: OrderFile,
    is_news: bool,
) -> Result<OrderOutcome, Stop> {
    if !file.order.form_seen {
        return form_arrives(draft, request, file);
    }
    if may_change_lines(&request.copy, is_news) && (!file.order.shipped || !file.order.level()) {
        revise::revise(draft, &mut file, &request.copy)?;
    }
    let asked: Vec<_> = file
        .reviews
        .iter()
        .filter(|review| review.is_open() && !apply::STOCK_REASONS.contains(&review.reason))
        .map(|review| review.id)
        .collect();
    super::retry_now::fill_those(draft, &mut file, false, |operation| {
        operation.review.is_none_or(|review| !asked.contains(&review))
    })?;
    let duplicate = file.order.standing == Standing::AwaitsStock;
    answer(draft, file, duplicate)
}

/// A copy of an order whose stock was taken.
fn compare(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    mut file: OrderFile,
    is_news: bool,
) -> Result<OrderOutcome, Stop> {
    let copy = &request.copy;
    if !file.order.form_seen {
        return form_arrives(draft, request, file);
    }
    if !is_ready(draft.policy, copy) {
        // An unpaid copy of a paid order is an old one, whenever it was posted.
        return answer(draft, file, true);
    }
    if !lines_differ(&file.order, copy) {
        draft.close(&mut file, &[ReviewReason::QuantityMismatch]);
        return answer(draft, file, true);
    }
    let believable = matches!(copy.source, Source::Posted | Source::Live);
    if believable && !is_news {
        return answer(draft, file, true);
    }
    if believable && !file.order.shipped {
        draft.close(&mut file, &[ReviewReason::QuantityMismatch]);
        let holders = merge::holders_of_copy(draft, &file.order.key, copy)?;
        return merge::move_difference(draft, file, copy, &holders);
    }
    ask_about_difference(draft, file, copy, is_news)
}

/// A copy of a deducted order has other lines, and may not be believed by itself.
pub(super) fn ask_about_difference(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    copy: &OrderCopy,
    is_news: bool,
) -> Result<OrderOutcome, Stop> {
    if file.order.answered.contains(&ReviewReason::QuantityMismatch) && !is_news {
        return answer(draft, file, true);
    }
    let details = json!({ "copy": copy, "shipped": file.order.shipped });
    let review = draft.ask(&mut file, ReviewReason::QuantityMismatch, None, details);
    let mut outcome = answer(draft, file, true)?;
    outcome.review = Some(review);
    Ok(outcome)
}

/// The form of an order of which only single lines were known: made-up lines become its lines.
pub(super) fn form_arrives(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    mut file: OrderFile,
) -> Result<OrderOutcome, Stop> {
    let holders = merge::holders_of_copy(draft, &file.order.key, &request.copy)?;
    if let Some(foreign) = merge::foreign(&file.order.key, &holders) {
        return merge::ask_about_foreign(draft, file, &request.copy, foreign);
    }
    if let Some(winner) = merge::winner_over_copy(draft, &file, &request.copy, &holders)? {
        // The merged form has taken what the single lines took: that comes back.
        cancel::call_off_waiting(draft, &mut file, "merged into another form")?;
        apply::stop_waiting(draft, &mut file);
        if file.order.level() {
            super::refund::give_back_all(draft, &mut file, "merged into another form")?;
        }
        return merge::close_newcomer(draft, file, &winner);
    }
    let waiting: Vec<_> = file
        .operations
        .iter()
        .filter(|operation| {
            operation.status == OperationStatus::Pending && operation.stock_applied_at.is_none()
        })
        .map(|operation| operation.id)
        .collect();
    let single_lines = std::mem::replace(
        &mut file.order.lines,
        copy_lines(&file.order.key, &request.copy).into(),
    );
    file.order.form_seen = true;
    let planned = apply::planned_lines(&file, &(0..file.order.lines.len()).collect::<Vec<_>>());
    let mut operation = draft.new_operation(
        OperationType::Deduction,
        Some(&file.order.key),
        planned,
        json!({ "source": request.copy.source, "after": "single lines" }),
    );
    for id in waiting {
        if let Some((position, mut single)) = level::take_operation(&mut file, id) {
            draft.roll_back(&mut single, json!({ "covered_by": operation.id }))?;
            single.rolled_back_by = Some(operation.id);
            file.operations.insert(position, single);
        }
    }
    let moved = merge::absorb(draft, &mut file, &holders)?;
    merge::match_single_lines(draft, &mut file, &operation, single_lines, &moved)?;
    file.order.first_operation = Some(operation.id);
    apply::stop_waiting(draft, &mut file);
    let lacking: Vec<usize> = (0..file.order.lines.len())
        .filter(|line| !moved.contains(line))
        .collect();
    if is_ready(draft.policy, &request.copy) {
        fill(draft, &mut file, &mut operation, &lacking, false)?;
    } else {
        apply::plan(draft, &file, &mut operation, &lacking)?;
        file.order.standing = Standing::AwaitsPayment;
        draft.wait(&mut operation, WaitingFor::Payment, None);
    }
    file.operations.push(operation);
    answer(draft, file, false)
}

/// A person's word: deduct an order again that was given back.
pub(super) fn deduct_again(
    draft: &mut Draft<'_>,
    request: &TakeIn,
    mut file: OrderFile,
) -> Result<OrderOutcome, Stop> {
    let copy = &request.copy;
    let holders = merge::holders_of_copy(draft, &file.order.key, copy)?;
    if let Some(other) = holders.first() {
        return Err(Refusal::conflict(
            "line_held_elsewhere",
            format!("a line of order {} is held by order {other}", file.order.key),
        )
        .into());
    }
    if file.order.level() {
        // Its refund was undone by force: only the difference is left to take.
        file.order.standing = Standing::Applied;
        return merge::move_difference(draft, file, copy, &holders);
    }
    let lines_before = std::mem::replace(&mut file.order.lines, copy_lines(&file.order.key, copy).into());
    file.order.form_seen = true;
    let lines: Vec<usize> = (0..file.order.lines.len()).collect();
    for gone in lines_before {
        // A line that went away stays, with nothing taken: it is what makes a repeat of the old copy harmless.
        if !gone.parts.is_empty() && file.order.lines.iter().all(|line| line.id != gone.id) {
            file.order.lines.push(Line { quantity: 0, ..gone });
        }
    }
    let planned = apply::planned_lines(&file, &lines);
    let mut operation = draft.new_operation(
        OperationType::Deduction,
        Some(&file.order.key),
        planned,
        json!({ "forced_by": draft.by }),
    );
    file.order.first_operation = Some(operation.id);
    file.order.standing = Standing::AwaitsStock;
    fill(draft, &mut file, &mut operation, &lines, false)?;
    file.operations.push(operation);
    answer(draft, file, false)
}

fn new_file(draft: &Draft<'_>, request: &TakeIn, key: OrderKey) -> OrderFile {
    let warehouse = apply::warehouse_or_default(draft, request.warehouse.as_ref());
    OrderFile::of(Order::first_heard_of(key, warehouse, draft.now))
}

/// The lines of a copy, nothing of them taken.
pub(super) fn copy_lines(key: &OrderKey, copy: &OrderCopy) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::with_capacity(copy.lines.len());
    for line in &copy.lines {
        let id = line_id(key, line, lines.len());
        match lines.iter_mut().find(|other| other.id == id) {
            Some(same) => same.quantity += line.quantity,
            None => lines.push(Line {
                made_up: line.id.is_none(),
                offer: line.offer.clone(),
                external: line.external.clone(),
                quantity: line.quantity,
                parts: Vec::new(),
                id,
            }),
        }
    }
    lines
}

/// A line's id, or one made from what it sells, or from its place when even that is missing.
pub(super) fn line_id(key: &OrderKey, line: &CopyLine, position: usize) -> LineItemId {
    match (&line.id, &line.external, &line.offer) {
        (Some(id), _, _) => id.clone(),
        (None, Some(sku), _) => LineItemId::made_up(key, sku),
        (None, None, Some(offer)) => LineItemId::made_up_for(key, &format!("offer {offer}")),
        (None, None, None) => LineItemId::made_up_for(key, &format!("line {position}")),
    }
}

/// What any copy tells, whatever else is decided about it.
pub(super) fn note_facts(order: &mut Order, copy: &OrderCopy) {
    order.shipped |= copy.shipped;
    if let Some(revision) = &copy.revision {
        order.remember_revision(revision);
    }
    if copy.updated_at > order.copy_updated_at {
        order.copy_updated_at = copy.updated_at;
    }
    order.bought_at = order.bought_at.or(copy.bought_at);
}

/// Section 4, "Newer": a revision seen before is never newer; another copy is when its `updatedAt` is later,
/// or when it was posted and its revision is unseen.
pub(crate) fn is_newer(order: &Order, copy: &OrderCopy) -> bool {
    let revision_seen = copy
        .revision
        .as_ref()
        .map(|revision| order.revisions.contains(revision));
    match revision_seen {
        Some(true) => false,
        Some(false) if copy.source == Source::Posted => true,
        _ => match (copy.updated_at, order.copy_updated_at) {
            (Some(theirs), Some(ours)) => theirs > ours,
            (Some(_), None) => true,
            // A form without revision and time, posted: its lines are all there is to go by.
            (None, _) => {
                copy.source == Source::Posted && copy.revision.is_none() && order.revisions.is_empty()
            }
        },
    }
}

fn may_change_lines(copy: &OrderCopy, is_news: bool) -> bool {
    is_news && matches!(copy.source, Source::Posted | Source::Live)
}

pub(crate) fn is_cancelled(copy: &OrderCopy) -> bool {
    copy.status == FormStatus::Cancelled || copy.fulfillment_cancelled
}

pub(super) fn is_ready(policy: &Policy, copy: &OrderCopy) -> bool {
    copy.status == FormStatus::Ready || policy.deduct_when_bought
}

/// Whether a copy has other lines or quantities than are kept.
pub(crate) fn lines_differ(order: &Order, copy: &OrderCopy) -> bool {
    let theirs = copy_lines(&order.key, copy);
    // A line that went away stays with a quantity of nothing.
    let kept = order.lines.iter().filter(|line| line.quantity > 0).count();
    theirs.len() != kept
        || theirs.iter().any(|line| {
            order
                .lines
                .iter()
                .all(|ours| ours.id != line.id || ours.quantity != line.quantity)
        })
}

/// How an order stands, as the caller is told. Puts the file back.
pub(super) fn answer(draft: &mut Draft<'_>, file: OrderFile, duplicate: bool) -> Result<OrderOutcome, Stop> {
    let (status, reason) = match &file.order.standing {
        Standing::Merged { into } => {
            let into = into.clone();
            return answer_for_merged(draft, file, &into, duplicate);
        }
        Standing::Cancelled { .. } => (SyncStatus::Skipped, Some("cancelled")),
        Standing::Skipped { reason } => (SyncStatus::Skipped, Some(reason.as_str())),
        Standing::Settled => (SyncStatus::Skipped, Some("settled by a person")),
        _ => (first_status(draft, &file)?, None),
    };
    let mut outcome = conclude(draft, file, status, reason);
    outcome.duplicate = duplicate;
    Ok(outcome)
}

fn answer_for_merged(
    draft: &mut Draft<'_>,
    file: OrderFile,
    into: &OrderId,
    duplicate: bool,
) -> Result<OrderOutcome, Stop> {
    let account = file.order.key.account;
    let mut operation = None;
    let mut next = Some(into.clone());
    // The merged form may have gone into a larger one itself, which has more lines: the chain ends.
    while let Some(order) = next.take() {
        if let Some(winner) = draft.take(&OrderKey { account, order })? {
            operation = winner.order.first_operation;
            if let Standing::Merged { into } = &winner.order.standing {
                next = Some(into.clone()).filter(|into| *into != file.order.key.order);
            }
            draft.put(winner);
        }
    }
    let mut outcome = conclude(draft, file, SyncStatus::Merged, Some("merged into another form"));
    outcome.operation = operation;
    outcome.duplicate = duplicate;
    Ok(outcome)
}

/// The status of the operation that a repeat is answered with.
fn first_status(draft: &Draft<'_>, file: &OrderFile) -> Result<SyncStatus, Stop> {
    let Some(id) = file.order.first_operation else {
        return Ok(match file.order.standing {
            // An order that could not be read has no operation, and still waits for a person.
            Standing::AwaitsReview => SyncStatus::Pending,
            // Of the others it was finished, and cleaned up.
            Standing::GivenBack => SyncStatus::RolledBack,
            _ => SyncStatus::Completed,
        });
    };
    let status = match file.operation(id) {
        Some(operation) => operation.status,
        None => draft
            .view
            .operation(&id)?
            .map_or(OperationStatus::Completed, |operation| operation.status),
    };
    Ok(match status {
        OperationStatus::Pending | OperationStatus::Processing => SyncStatus::Pending,
        OperationStatus::Completed => SyncStatus::Completed,
        OperationStatus::Failed => SyncStatus::Failed,
        OperationStatus::RolledBack => SyncStatus::RolledBack,
    })
}

/// Puts a file back and tells how its order stands.
pub(super) fn conclude(
    draft: &mut Draft<'_>,
    mut file: OrderFile,
    status: SyncStatus,
    reason: Option<&str>,
) -> OrderOutcome {
    level::keep_held_in_step(draft, &mut file);
    let operation = file.order.first_operation;
    let first = operation.and_then(|id| file.operation(id));
    let due = file
        .delivery
        .as_ref()
        .is_some_and(|delivery| delivery.lease.is_none() && delivery.due_at <= draft.now);
    let outcome = OrderOutcome {
        key: file.order.key.clone(),
        status,
        duplicate: false,
        operation,
        error: reason
            .map(ToOwned::to_owned)
            .or_else(|| first.and_then(|operation| operation.error_message.clone())),
        review: first.and_then(|operation| operation.review).or_else(|| {
            file.reviews
                .iter()
                .rev()
                .find(|review| review.is_open())
                .map(|review| review.id)
        }),
        deliver: due.then(|| file.order.key.clone()),
        image: first.cloned().map(Box::new),
    };
    draft.put(file);
    outcome
}
