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
mod postgres;
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
    /// Everything on PostgreSQL.
    Postgres,
    /// Durable intake in the process, on PostgreSQL.
    PostgresIntake,
    /// Claim and complete on PostgreSQL, beside job queues.
    PostgresWork,
    /// Claims on PostgreSQL beside much history, and under an old snapshot.
    PostgresClaims,
    /// Deliveries of one and of three instances on PostgreSQL.
    PostgresInstances,
}

impl Name {
    /// Whether it is part of everything on PostgreSQL.
    const fn is_on_postgres(self) -> bool {
        matches!(
            self,
            Self::PostgresIntake | Self::PostgresWork | Self::PostgresClaims | Self::PostgresInstances
        )
    }
}

/// Measures Saldo beside what the machine can do at best.
#[derive(Parser)]
struct Arguments {
    /// Fewer rounds and smaller databases.
    #[arg(long)]
    quick: bool,
    /// So many rounds of each figure, instead of 5, or of 3 with --quick.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: Option<u16>,
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
    // As the program does.
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true)?;
    // The HTTP client wants one even where nothing is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let run = Run {
        rounds: usize::from(arguments.rounds.unwrap_or(if arguments.quick { 3 } else { 5 })),
        many: if arguments.quick { 100_000 } else { 1_000_000 },
    };
    let is_wanted = |name: Name| {
        arguments.only.is_empty()
            || arguments.only.contains(&name)
            || (name.is_on_postgres() && arguments.only.contains(&Name::Postgres))
    };
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
    if is_wanted(Name::PostgresIntake) {
        postgres::intake::run(&run).await?;
    }
    if is_wanted(Name::PostgresWork) {
        postgres::work::run(&run).await?;
    }
    if is_wanted(Name::PostgresClaims) {
        postgres::claims::run(&run).await?;
    }
    if is_wanted(Name::PostgresInstances) {
        postgres::instances::run(&run).await?;
    }
    Ok(())
}
