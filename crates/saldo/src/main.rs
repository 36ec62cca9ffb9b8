//! The program `saldo`.

mod alerting;
mod cli;
mod commands;
mod components;
mod config;
mod copying;
mod demo;
mod door;
mod edge;
mod exit;
mod keys;
mod ledger;
mod logging;
mod no_orders_service;
mod notify;
mod original;
mod output;
mod report_post;
mod signals;
mod telemetry;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::commands::Context;

/// A quarter of the processor's time under load was allocation with the system's allocator; see
/// `docs/benchmarks.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let context = Context::new(cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::code(Err(error.into())),
    };
    let ended = runtime.block_on(commands::run(cli.command, &context));
    // A read of standard input that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    exit::code(ended)
}
