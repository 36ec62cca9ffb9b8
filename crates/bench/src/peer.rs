//! Another system, measured in turn with ours: a program of its own, because what it links cannot be linked beside what
//! we link.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::Context;

/// Names the program that works off jobs with riverqueue; `scripts/bench` sets it where it could be built.
const RIVERQUEUE: &str = "SALDO_BENCH_RIVERQUEUE";

/// A program that takes a count of jobs and prints how many of them it worked off a second.
pub(crate) struct Peer {
    program: OsString,
}

impl Peer {
    /// riverqueue, where it was built.
    pub(crate) fn riverqueue() -> Option<Self> {
        let program = std::env::var_os(RIVERQUEUE)?;
        Some(Self { program })
    }

    /// Runs it; says how many jobs a second.
    pub(crate) async fn jobs_per_second(&self, jobs: usize) -> anyhow::Result<f64> {
        let mut command = Command::new(&self.program);
        command.arg(jobs.to_string()).stderr(Stdio::inherit());
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
