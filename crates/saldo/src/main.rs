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

/// A huge page is 2 MiB of memory however little of it is used: the program would hold twice as much.
#[cfg(target_os = "linux")]
fn use_small_pages() {
    // Where the system does not know of it, there are none.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

#[cfg(not(target_os = "linux"))]
const fn use_small_pages() {}

fn main() -> ExitCode {
    use_small_pages();
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
