//! Scheduled tasks, and who may run them.

use crate::cells::{Cells, moment, number, optional_moment, optional_string, string};
use crate::tasks::{TaskLease, TaskState};

/// The columns of [`task_state`].
#[macro_export]
macro_rules! task_state_columns {
    () => {
        "name, last_started_at, last_ended_at, last_succeeded, last_detail, last_due_at, next_run_at"
    };
}

/// What is remembered of a task.
pub fn task_state<E>(row: &impl Cells<E>) -> Result<TaskState, E> {
    Ok(TaskState {
        name: string(row, 0)?,
        last_started_at: optional_moment(row, 1)?,
        last_ended_at: optional_moment(row, 2)?,
        last_succeeded: row.flag(3)?,
        last_detail: optional_string(row, 4)?,
        last_due_at: optional_moment(row, 5)?,
        next_run_at: optional_moment(row, 6)?,
    })
}

/// The columns of [`task_lease`].
#[macro_export]
macro_rules! task_lease_columns {
    () => {
        "name, holder, term, until"
    };
}

/// The right to run a task, and whose it is.
pub fn task_lease<E>(row: &impl Cells<E>) -> Result<TaskLease, E> {
    Ok(TaskLease {
        name: string(row, 0)?,
        holder: string(row, 1)?,
        term: number(row, 2)?,
        until: moment(row, 3)?,
    })
}
