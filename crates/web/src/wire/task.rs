//! Scheduled tasks.

use jiff::Timestamp;
use saldo_engine::TaskStatus;
use serde::Serialize;
use utoipa::ToSchema;

use super::words::TaskOutcomeWord;

/// A scheduled task, and how it ran last.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskBody<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its schedule; none when it runs by hand only.
    #[schema(required)]
    pub schedule: Option<&'a str>,
    /// Whether it runs now.
    pub running: bool,
    /// When it last began.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub last_started_at: Option<Timestamp>,
    /// How long it took last; none before it ended once.
    #[schema(required)]
    pub last_duration_ms: Option<u64>,
    /// How it last ended; none before it ended once.
    #[schema(required)]
    pub last_outcome: Option<TaskOutcomeWord>,
    /// What it did last, or why it failed.
    #[schema(required)]
    pub last_detail: Option<&'a str>,
    /// When it is due next.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub next_run_at: Option<Timestamp>,
}

impl<'a> TaskBody<'a> {
    pub(crate) fn new(task: &'a TaskStatus) -> Self {
        let ended = task.last_started_at.zip(task.last_ended_at);
        // Of a run that goes on, the end is that of the one before.
        let took = ended.filter(|(started, ended)| ended >= started);
        Self {
            name: &task.name,
            schedule: task.schedule.as_deref(),
            running: task.running,
            last_started_at: task.last_started_at,
            last_duration_ms: took
                .and_then(|(started, ended)| u64::try_from(ended.duration_since(started).as_millis()).ok()),
            last_outcome: task.last_succeeded.map(|succeeded| {
                if succeeded {
                    TaskOutcomeWord::Succeeded
                } else {
                    TaskOutcomeWord::Failed
                }
            }),
            last_detail: task.last_detail.as_deref(),
            next_run_at: task.next_run_at,
        }
    }
}
