//! Running servers, and the circuits that they share.

use crate::cells::{Cells, flag, moment, number, optional_moment, optional_string, string, text};
use crate::circuits::{CircuitSubject, OpenCircuit, Prober};
use crate::instances::{AttemptCounts, Instance, ServerRole};

/// The columns of [`instance`].
#[macro_export]
macro_rules! instance_columns {
    () => {
        "id, name, version, role, started_at, heartbeat_at, deliveries, attempts, successes, retried, retried_ms, \
         aside_since"
    };
}

/// A running server.
pub fn instance<E>(row: &impl Cells<E>) -> Result<Instance, E> {
    Ok(Instance {
        id: string(row, 0)?,
        name: string(row, 1)?,
        version: string(row, 2)?,
        role: text(row, 3, ServerRole::parse)?,
        started_at: moment(row, 4)?,
        heartbeat_at: moment(row, 5)?,
        deliveries: number(row, 6)?,
        counts: AttemptCounts {
            attempts: number(row, 7)?,
            successes: number(row, 8)?,
            retried: number(row, 9)?,
            retried_ms: number(row, 10)?,
        },
        aside_since: optional_moment(row, 11)?,
    })
}

/// The columns of [`open_circuit`].
#[macro_export]
macro_rules! circuit_columns {
    () => {
        "subject, version, opened_at, wait_seconds, probe_due_at, prober, probe_until, is_unusable"
    };
}

/// An open circuit with its version.
pub fn open_circuit<E>(row: &impl Cells<E>) -> Result<(OpenCircuit, u64), E> {
    let prober = optional_string(row, 5)?.zip(optional_moment(row, 6)?);
    let circuit = OpenCircuit {
        subject: text(row, 0, CircuitSubject::parse)?,
        opened_at: moment(row, 2)?,
        wait_seconds: number(row, 3)?,
        probe_due_at: moment(row, 4)?,
        prober: prober.map(|(instance, until)| Prober { instance, until }),
        is_unusable: flag(row, 7)?,
    };
    Ok((circuit, number(row, 1)?))
}
