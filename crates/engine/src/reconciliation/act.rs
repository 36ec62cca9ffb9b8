//! Doing what follows from comparisons, and keeping what was found.

use std::time::Duration;

use saldo_domain::decide::{Command, OrderOutcome, Outcome, Request};
use saldo_domain::discrepancy::{DiscrepancyResolution, Found, Run};
use saldo_store::StoreError;
use saldo_store::tasks::TaskLease;

use super::compare::Compared;
use crate::api::Event;
use crate::engine::Core;
use crate::service::StockSynchronizationService;

/// Tries to store a decision while the store is busy.
const TRIES_MAX: u32 = 5;

/// What was done.
#[derive(Default)]
pub(super) struct Tallied {
    pub(super) found: u64,
    pub(super) fixed: u64,
    pub(super) for_review: u64,
}

/// Does what follows, in order, and keeps what was found.
pub(super) async fn follow(
    service: &StockSynchronizationService,
    run: &Run,
    under: &TaskLease,
    compared: Vec<Compared>,
) -> Result<Tallied, StoreError> {
    let (core, by) = (service.core(), &run.by);
    let mut commands = Vec::new();
    let mut found = Vec::new();
    for one in compared {
        commands.extend(one.note.map(|command| (None, command)));
        for (one, command) in one.found {
            commands.extend(command.map(|command| (Some(found.len()), command)));
            found.push(one);
        }
    }
    let requests = commands
        .iter()
        .map(|(_, command)| request(core, by, command.clone()))
        .collect::<Vec<_>>();
    let mut outcomes = core.store.execute_all(requests).await;
    for ((position, command), outcome) in commands.into_iter().zip(&mut outcomes) {
        let outcome =
            again_while_busy(core, by, command, std::mem::replace(outcome, Ok(Outcome::Done))).await;
        let told = position.map(|position| &mut found[position]);
        take_notice(core, told, outcome)?;
    }
    core.wake.notify_one();
    if found.is_empty() {
        return Ok(Tallied::default());
    }
    let kept = core
        .store
        .record_discrepancies(run.id, found, core.now(), under)
        .await?;
    core.tell(Event::Status);
    let mut tallied = Tallied::default();
    for one in kept {
        let is_fixed = one.found.resolution == DiscrepancyResolution::AutoFixed;
        if one.times_seen == 1 || is_fixed {
            core.metrics.discrepancy(&one.found);
        }
        tallied.found += 1;
        tallied.fixed += u64::from(is_fixed);
        tallied.for_review += u64::from(one.found.resolution == DiscrepancyResolution::Review);
    }
    Ok(tallied)
}

fn request(core: &Core, by: &str, command: Command) -> Request {
    Request {
        by: by.to_owned(),
        ..core.request(command)
    }
}

async fn again_while_busy(
    core: &Core,
    by: &str,
    command: Command,
    mut outcome: Result<Outcome, StoreError>,
) -> Result<Outcome, StoreError> {
    for pause in 1..TRIES_MAX {
        // Every one of these is decided anew on what is stored by then: a repeat is harmless.
        if !matches!(
            outcome,
            Err(StoreError::Busy | StoreError::Unavailable(_) | StoreError::Unknown(_))
        ) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200 * u64::from(pause))).await;
        outcome = core.store.execute(request(core, by, command.clone())).await;
    }
    outcome
}

/// What became of a command says what became of its difference.
fn take_notice(
    core: &Core,
    found: Option<&mut Found>,
    outcome: Result<Outcome, StoreError>,
) -> Result<(), StoreError> {
    match outcome {
        Ok(Outcome::Order(outcome)) => {
            if let Some(id) = outcome.operation {
                core.tell(Event::Operation { id });
            }
            if let Some(id) = outcome.review {
                core.tell(Event::Review { id });
            }
            if let Some(found) = found {
                conclude(found, &outcome);
            }
            Ok(())
        }
        Ok(other) => Err(StoreError::Defect(format!("a fix was answered by {other:?}"))),
        Err(StoreError::Refused(refusal)) => {
            tracing::warn!(reason = %refusal, "a difference could not be put right");
            if let Some(found) = found {
                found.resolution = DiscrepancyResolution::Reported;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// A fix that met something in its way (too little stock, a SKU that is missing) has put the order before a person.
fn conclude(found: &mut Found, outcome: &OrderOutcome) {
    found.review = outcome.review;
    if found.resolution == DiscrepancyResolution::AutoFixed && outcome.review.is_some() {
        found.resolution = DiscrepancyResolution::Review;
    }
}
