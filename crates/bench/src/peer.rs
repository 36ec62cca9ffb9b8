//! Another system, measured in turn with ours: a program of its own, because what it links cannot be linked beside what
//! we link.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::Context;

/// Names the program that works off jobs with riverqueue; `scripts/bench` sets it where it could be built.
const RIVERQUEUE: &str = "SALDO_BENCH_RIVERQUEUE";
/// The same for `graphile_worker`.
const GRAPHILE_WORKER: &str = "SALDO_BENCH_GRAPHILE_WORKER";

/// A program that takes a count of jobs, and perhaps the address of an empty database, and prints how many of the jobs
/// it worked off a second. It ends by itself when the jobs do not.
pub(crate) struct Peer {
    program: OsString,
}

impl Peer {
    /// riverqueue, where it was built.
    pub(crate) fn riverqueue() -> Option<Self> {
        Self::named(RIVERQUEUE)
    }

    /// `graphile_worker`, where it was built.
    pub(crate) fn graphile_worker() -> Option<Self> {
        Self::named(GRAPHILE_WORKER)
    }

    fn named(variable: &str) -> Option<Self> {
        let program = std::env::var_os(variable).filter(|program| !program.is_empty())?;
        Some(Self { program })
    }

    /// Runs it; says how many jobs a second.
    pub(crate) async fn jobs_per_second(&self, jobs: usize, database: Option<&str>) -> anyhow::Result<f64> {
        let mut command = Command::new(&self.program);
        command
            .arg(jobs.to_string())
            .args(database)
            .stderr(Stdio::inherit());
        let output = tokio::task::spawn_blocking(move || command.output()).await?;
        let output = output.with_context(|| format!("{} could not be run", self.program.display()))?;
        anyhow::ensure!(
            output.status.success(),
            "{} ended with {}",
            self.program.display(),
            output.status
        );
        let printed = String::from_utf8(output.stdout)?;
        printed
            .trim()
            .parse()
            .with_context(|| format!("{} printed {printed:?}", self.program.display()))
    }
}
