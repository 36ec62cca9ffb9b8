//! Scheduled tasks: when they run, that none runs twice at once, and what became of them.

mod jobs;
mod plan;
mod schedule;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use saldo_domain::view::Refusal;
use saldo_store::StoreError;
use saldo_store::tasks::TaskState;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::alerts;
use crate::api::{Caller, Event, TaskStatus};
use crate::clock::until;
use crate::engine::Core;
use crate::leases::Held;
use crate::service::StockSynchronizationService;
use crate::trace::TRACE_TARGET;
pub(crate) use jobs::names;
use jobs::{Ended, JOBS, Job};

pub use schedule::Schedule;

/// How often the schedules are looked at, at the least: a clock that jumps is noticed within this time.
const LOOK_SECONDS: u64 = 30;

impl StockSynchronizationService {
    /// All scheduled tasks, by name.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn tasks(&self) -> Result<Vec<TaskStatus>, StoreError> {
        let states = states(self.core()).await?;
        let statuses = JOBS.iter().map(|job| self.status_of(job, states.get(job.name)));
        let alerts = states.get(alerts::TASK).map(alerts::status);
        Ok(alerts.into_iter().chain(statuses).collect())
    }

    /// Runs a task now, whenever it is due, and waits for its end. How it ended is in its status.
    ///
    /// # Errors
    /// When there is no such task, it runs already, or the store cannot be reached.
    pub async fn run_task(&self, name: &str, caller: &Caller) -> Result<TaskStatus, StoreError> {
        let Some(job) = jobs::named(name) else {
            let known: Vec<&str> = JOBS.iter().map(|job| job.name).collect();
            let detail = format!("there is no task {name:?}; there are {}", known.join(", "));
            return Err(Refusal::not_found("task_unknown", detail).into());
        };
        self.remember(caller).await?;
        let (service, caller) = (self.clone(), Caller::named(&caller.by));
        // A caller that goes away leaves it to run on.
        let run = self
            .core()
            .runs
            .spawn(async move { run(&service, job, None, &caller).await });
        match run.await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => {
                let detail = format!("the task {name} runs already; wait for its end");
                return Err(Refusal::conflict("task_running", detail).into());
            }
            Ok(Err(error)) => return Err(error),
            Err(error) => return Err(StoreError::Defect(format!("the task {name} was lost: {error}"))),
        }
        let states = states(self.core()).await?;
        Ok(self.status_of(job, states.get(name)))
    }

    fn status_of(&self, job: &Job, state: Option<&TaskState>) -> TaskStatus {
        let core = self.core();
        TaskStatus {
            name: job.name.to_owned(),
            schedule: schedule_of(core, job.name).map(ToString::to_string),
            running: core.running_tasks().contains(job.name),
            last_started_at: state.and_then(|state| state.last_started_at),
            last_ended_at: state.and_then(|state| state.last_ended_at),
            last_succeeded: state.and_then(|state| state.last_succeeded),
            last_detail: state.and_then(|state| state.last_detail.clone()),
            next_run_at: state.and_then(|state| state.next_run_at),
        }
    }
}

fn schedule_of<'a>(core: &'a Core, name: &str) -> Option<&'a Schedule> {
    let schedules = &core.settings.schedules;
    schedules
        .iter()
        .find(|(scheduled, _)| scheduled == name)
        .map(|(_, schedule)| schedule)
}

async fn states(core: &Core) -> Result<BTreeMap<String, TaskState>, StoreError> {
    let states = core.store.task_states().await?;
    Ok(states
        .into_iter()
        .map(|state| (state.name.clone(), state))
        .collect())
}

/// Runs what is due, until told to stop. What runs then is waited for by whoever stops the engine.
pub(crate) async fn watch(service: StockSynchronizationService, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = service.core().leading() => {}
        }
        let wait = match look(&service).await {
            Ok(next) => {
                let longest = Duration::from_secs(LOOK_SECONDS);
                // Two looks in one instant would find the same.
                let shortest = Duration::from_millis(10);
                next.map_or(longest, |next| {
                    until(service.now(), next).clamp(shortest, longest)
                })
            }
            Err(error) => {
                tracing::warn!(%error, "the scheduled tasks could not be looked at; trying again in a second");
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Starts what is due, and says when to look again.
async fn look(service: &StockSynchronizationService) -> Result<Option<Timestamp>, StoreError> {
    let core = service.core();
    let Some(lead) = core.leads_under() else {
        return Ok(None);
    };
    let states = states(core).await?;
    let mut earliest: Option<Timestamp> = None;
    for job in JOBS {
        let Some(schedule) = schedule_of(core, job.name) else {
            continue;
        };
        if core.running_tasks().contains(job.name) {
            continue;
        }
        let state = states.get(job.name);
        let plan = plan::plan(state, schedule, core.now());
        if let Some(due_at) = plan.due_at {
            let service = service.clone();
            core.runs.spawn(async move {
                if let Err(error) = run(&service, job, Some(due_at), &Caller::named("saldo")).await {
                    tracing::warn!(task = job.name, %error, "a scheduled task could not be begun");
                }
            });
            continue;
        }
        if state.and_then(|state| state.next_run_at) != Some(plan.next_run_at) {
            // It is kept, so that a run missed while nothing ran is known.
            let state = state.cloned().unwrap_or_else(|| never_ran(job.name));
            let planned = TaskState {
                next_run_at: Some(plan.next_run_at),
                ..state
            };
            core.store.put_task_state(&planned, &lead).await?;
        }
        earliest = Some(earliest.map_or(plan.next_run_at, |known| known.min(plan.next_run_at)));
    }
    Ok(earliest)
}

fn never_ran(name: &str) -> TaskState {
    TaskState {
        name: name.to_owned(),
        last_started_at: None,
        last_ended_at: None,
        last_succeeded: None,
        last_detail: None,
        last_due_at: None,
        next_run_at: None,
    }
}

/// Runs a task unless it runs already, here or elsewhere; says whether it ran.
async fn run(
    service: &StockSynchronizationService,
    job: &'static Job,
    due_at: Option<Timestamp>,
    caller: &Caller,
) -> Result<bool, StoreError> {
    let core = service.core();
    let Some(_running) = Running::begin(core, job.name) else {
        return Ok(false);
    };
    let Some(held) = Held::take(core, &format!("task {}", job.name)).await? else {
        return Ok(false);
    };
    // Another instance may have run it between the look and the lease.
    let mut state = states(core)
        .await?
        .remove(job.name)
        .unwrap_or_else(|| never_ran(job.name));
    if let (Some(due_at), Some(schedule)) = (due_at, schedule_of(core, job.name))
        && plan::plan(Some(&state), schedule, core.now()).due_at != Some(due_at)
    {
        held.release().await;
        return Ok(false);
    }
    let next = |now: Timestamp| schedule_of(core, job.name).map(|schedule| schedule.next_after(now));
    state.last_started_at = Some(core.now());
    state.last_due_at = due_at.or(state.last_due_at);
    state.next_run_at = next(core.now());
    core.store.put_task_state(&state, held.lease()).await?;
    let span = tracing::trace_span!(target: TRACE_TARGET, "task", task = job.name);
    let ended = tokio::select! {
        biased;
        () = held.lost().cancelled_owned() => Err("another instance took it over".to_owned()),
        ended = guarded(job, service, caller).instrument(span) => ended,
    };
    state.last_ended_at = Some(core.now());
    state.last_succeeded = Some(ended.is_ok());
    core.metrics.task_run(job.name, ended.is_ok());
    state.next_run_at = next(core.now());
    match ended {
        Ok(detail) => {
            tracing::info!(task = job.name, detail, "a task ended well");
            state.last_detail = Some(detail);
        }
        Err(detail) => {
            tracing::warn!(
                task = job.name,
                detail,
                "a task failed; it runs again at its time"
            );
            state.last_detail = Some(detail);
        }
    }
    // Where another instance took it over, what that one does is what is remembered.
    core.store.put_task_state(&state, held.lease()).await?;
    held.release().await;
    core.tell(Event::Status);
    Ok(true)
}

/// A task that panics has failed, and nothing else has.
async fn guarded(job: &Job, service: &StockSynchronizationService, caller: &Caller) -> Ended {
    let run = AssertUnwindSafe((job.run)(service.clone(), caller.clone())).catch_unwind();
    run.await
        .unwrap_or_else(|_| Err("it ended in a panic; please report it with the log".to_owned()))
}

/// Marks a task as running in this process, until it is dropped.
struct Running {
    core: Arc<Core>,
    name: &'static str,
}

impl Running {
    fn begin(core: &Arc<Core>, name: &'static str) -> Option<Self> {
        core.running_tasks().insert(name).then(|| Self {
            core: Arc::clone(core),
            name,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.core.running_tasks().remove(self.name);
    }
}
