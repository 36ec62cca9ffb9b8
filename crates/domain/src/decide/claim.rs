//! Claiming a delivery: a lease, a fencing token, and the level as it is committed now.

use jiff::SignedDuration;
use serde_json::json;

use super::command::{ClaimOrders, ClaimRequest};
use crate::delivery::{Claim, Delivery, Doubts, Lease, Task};
use crate::draft::Draft;
use crate::ids::{LeaseToken, OrderKey};
use crate::operation::{Action, OperationStatus, WaitingFor};
use crate::order::Standing;
use crate::view::{ListKey, OrderFile, Stop};

/// Claims the deliveries asked for that are due.
pub(super) fn claim(draft: &mut Draft<'_>, request: &ClaimRequest) -> Result<Vec<Claim>, Stop> {
    let orders = match &request.orders {
        ClaimOrders::These(orders) => orders.clone(),
        ClaimOrders::Due(due) => {
            let list = ListKey::Due {
                request: due.clone(),
                stranded_after: stranded_after(draft),
            };
            draft.view.list(&list)?.to_vec()
        }
    };
    // Every file is asked for before any is worked on, so that one load serves the whole list.
    let missing: Vec<_> = orders
        .iter()
        .filter(|key| draft.view.order(key).is_err())
        .cloned()
        .map(crate::view::Key::Order)
        .collect();
    if !missing.is_empty() {
        return Err(Stop::Missing(missing));
    }
    let mut claims = Vec::with_capacity(orders.len());
    for key in orders {
        let Some(mut file) = draft.take(&key)? else {
            continue;
        };
        claims.extend(claim_one(draft, &mut file, &key)?);
        draft.put(file);
    }
    Ok(claims)
}

/// Later than any wait that begins now can end: what is due only then was stored before a clock was set back
/// (invariant 10).
fn stranded_after(draft: &Draft<'_>) -> jiff::Timestamp {
    let policy = draft.policy;
    let retry_seconds = i64::try_from(policy.retry.max_delay_seconds).unwrap_or(i64::MAX);
    let longest = retry_seconds
        .max(policy.lease_seconds)
        .max(policy.verify_after_seconds);
    draft
        .now
        .checked_add(SignedDuration::from_secs(longest))
        .unwrap_or(jiff::Timestamp::MAX)
}

fn claim_one(draft: &mut Draft<'_>, file: &mut OrderFile, key: &OrderKey) -> Result<Option<Claim>, Stop> {
    let Some(mut delivery) = file.delivery.take() else {
        return Ok(None);
    };
    if delivery.due_at > draft.now && delivery.due_at <= stranded_after(draft) {
        file.delivery = Some(delivery);
        return Ok(None);
    }
    if let Some(lease) = delivery.lease.take() {
        // The worker was never heard of again: what it was to send may have arrived, or may yet.
        delivery.doubts.remember(lease.flag, draft.now);
        super::settle::doubt_confirmed(file, lease.flag);
        return_to_pending(draft, file, "the lease of its delivery ended")?;
    }
    let flag = file.order.level();
    if nothing_to_send(file, &delivery) {
        complete_without_call(draft, file)?;
        return Ok(None);
    }
    let waiting = waiting_operations(file);
    if waiting == 0 && delivery.task == Task::Verify && was_given_up(file) {
        return Ok(None);
    }
    if waiting == 0
        && delivery.doubts.is_empty()
        && delivery.task == Task::Send
        && file.order.flag_confirmed == Some(flag)
    {
        return Ok(None);
    }
    let token = LeaseToken::new(draft.next_id());
    let until = draft.now + SignedDuration::from_secs(draft.policy.lease_seconds);
    begin_processing(draft, file)?;
    let claim = Claim {
        key: key.clone(),
        token,
        until,
        flag,
        task: delivery.task,
        read_back: delivery.doubts.of(!flag).is_some(),
        owed_since: delivery.owed_since,
        is_retry: file
            .operations
            .iter()
            .any(|operation| operation.next_retry_at.is_some()),
    };
    file.delivery = Some(Delivery {
        due_at: until,
        lease: Some(Lease { token, until, flag }),
        ..delivery
    });
    Ok(Some(claim))
}

/// What was sent in doubt before it was given up has arrived by now, or never will.
fn was_given_up(file: &OrderFile) -> bool {
    file.operations
        .iter()
        .any(|operation| operation.status == OperationStatus::Failed)
}

/// A merged form whose flag was never sent true owes nothing, and Saldo has no opinion on an order that it
/// never touched (invariant 6).
fn nothing_to_send(file: &OrderFile, delivery: &Delivery) -> bool {
    let merged = matches!(file.order.standing, Standing::Merged { .. })
        && file.order.flag_confirmed != Some(true)
        && delivery.doubts == Doubts::default();
    (merged && !file.order.level()) || !file.order.touched
}

fn complete_without_call(draft: &mut Draft<'_>, file: &mut OrderFile) -> Result<(), Stop> {
    for position in 0..file.operations.len() {
        let mut operation = file.operations[position].clone();
        if is_waiting(&operation) {
            draft.complete_at_once(&mut operation, "nothing is owed to the orders service")?;
            file.operations[position] = operation;
        }
    }
    Ok(())
}

pub(super) fn is_waiting(operation: &crate::operation::Operation) -> bool {
    operation.status == OperationStatus::Pending
        && matches!(
            operation.waiting_for,
            Some(WaitingFor::Delivery | WaitingFor::Account)
        )
}

fn waiting_operations(file: &OrderFile) -> usize {
    file.operations
        .iter()
        .filter(|operation| is_waiting(operation))
        .count()
}

fn begin_processing(draft: &mut Draft<'_>, file: &mut OrderFile) -> Result<(), Stop> {
    for operation in &mut file.operations {
        if is_waiting(operation) {
            draft.advance(
                operation,
                OperationStatus::Processing,
                Action::Claimed,
                json!({}),
                None,
            )?;
        }
    }
    Ok(())
}

/// Operations under delivery wait again; their retries are not touched.
pub(super) fn return_to_pending(draft: &mut Draft<'_>, file: &mut OrderFile, why: &str) -> Result<(), Stop> {
    for operation in &mut file.operations {
        if operation.status == OperationStatus::Processing {
            draft.advance(
                operation,
                OperationStatus::Pending,
                Action::Retry,
                json!({ "why": why }),
                None,
            )?;
        }
    }
    Ok(())
}
