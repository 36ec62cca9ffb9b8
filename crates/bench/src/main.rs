//! Measures Saldo beside what the machine can do at best: each figure in several short rounds, ours and the
//! other by turns, so that what slows the machine down slows down both.

mod claims;
mod clock;
mod copies;
mod cpu;
mod deliveries;
mod engine;
mod http;
mod intake;
mod ledger;
mod load;
mod orders;
mod peer;
mod process;
mod raw_loop;
mod reconciliation;
mod report;
mod spread;
mod stub;

use clap::Parser;

/// What is measured, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// Durable intake in the process.
    Intake,
    /// Intake over HTTP.
    Http,
    /// Deliveries to a stub.
    Deliveries,
    /// Claims beside little and much history.
    Claims,
    /// The program's memory, and its start.
    Process,
    /// Reconciliation of many orders against the simulator.
    Reconciliation,
}

/// Measures Saldo beside what the machine can do at best.
#[derive(Parser)]
struct Arguments {
    /// Fewer rounds and smaller databases: under two minutes.
    #[arg(long)]
    quick: bool,
    /// Measure only this; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<Name>,
}

/// How thoroughly to measure.
pub(crate) struct Run {
    /// Rounds of each figure.
    pub(crate) rounds: usize,
    /// Orders of a large database.
    pub(crate) many: usize,
}

/// The allocator of the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // The HTTP client wants one even where nothing is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let run = Run {
        rounds: if arguments.quick { 3 } else { 5 },
        many: if arguments.quick { 100_000 } else { 1_000_000 },
    };
    let is_wanted = |name: Name| arguments.only.is_empty() || arguments.only.contains(&name);
    report::print_head();
    if is_wanted(Name::Intake) {
        intake::run(&run).await?;
    }
    if is_wanted(Name::Http) {
        http::run(&run).await?;
    }
    if is_wanted(Name::Deliveries) {
        deliveries::run(&run).await?;
    }
    if is_wanted(Name::Claims) {
        claims::run(&run).await?;
    }
    if is_wanted(Name::Process) {
        process::run(&run).await?;
    }
    if is_wanted(Name::Reconciliation) {
        reconciliation::run(&run).await?;
    }
    Ok(())
}
