//! The command line: what can be said, and its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands;

/// Where the help lists what every command understands, below the command's own options.
const EVERYWHERE: &str = "Options of every command";

/// Keeps a seller's warehouse stock and the orders service in balance.
#[derive(Debug, Parser)]
#[command(
    name = "saldo",
    version,
    arg_required_else_help = true,
    propagate_version = true,
    max_term_width = 100
)]
#[command(after_help = "Example:\n  saldo init\n  saldo serve")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The configuration; otherwise ./saldo.toml, ~/.config/saldo/saldo.toml or /etc/saldo/saldo.toml.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE", env = "SALDO_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The database, instead of the configured one, such as sqlite://saldo.db or postgresql://saldo@localhost/saldo
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// Print JSON, for machines.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// Ask a running server instead of opening the database, such as http://127.0.0.1:8080
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "URL", env = "SALDO_SERVER")]
    pub(crate) server: Option<String>,
    /// The API key for the server.
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        value_name = "KEY",
        env = "SALDO_KEY",
        hide_env_values = true
    )]
    pub(crate) key: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub(crate) enum Command {
    /// Show everything at work on an empty folder, and prove that both sides agree in the end.
    Demo(commands::demo::Arguments),
    /// Run the service: API, workers, scheduled tasks.
    Serve(commands::serve::Arguments),
    /// Write a commented saldo.toml, make the database, print the first admin key.
    Init(commands::init::Arguments),
    /// Take in checkout forms from files or standard input.
    Process(commands::process::Arguments),
    /// Show the overall state.
    Status(commands::status::Arguments),
    /// Tell whether a server takes requests, without a key: for health checks.
    Ready(commands::ready::Arguments),
    /// List the operations that wait or are under way.
    Pending(commands::pending::Arguments),
    /// Show one operation with its history, or one order.
    Show(commands::show::Arguments),
    /// Try an operation again now, or all that have failed.
    Retry(commands::retry::Arguments),
    /// Undo an operation: its stock comes back, and the orders service is told.
    Rollback(commands::rollback::Arguments),
    /// Compare the ledger with the orders service, and put right what is safe to put right.
    Reconcile(commands::reconcile::Arguments),
    /// List what reconciliation found: where the ledger and the orders service differ.
    Discrepancies(commands::discrepancies::Arguments),
    /// List the questions that wait for a person.
    Reviews(commands::reviews::Arguments),
    /// Answer a review.
    Resolve(commands::resolve::Arguments),
    /// Make a report of a week, or of any period.
    Report(commands::report::Arguments),
    /// Show how far Saldo is switched on, and switch it: off, shadow, partial, on.
    Mode(commands::mode::Arguments),
    /// List the scheduled tasks, or run one now.
    Tasks(commands::tasks::Arguments),
    /// Look at stock, and change it.
    Stock(commands::stock::Arguments),
    /// Bring over what the original system knows, so that what it deducted is not deducted again.
    ImportOriginal(commands::import_original::Arguments),
    /// Make, list and revoke API keys.
    Keys(commands::keys::Arguments),
    /// List the accounts, or add one by hand.
    Accounts(commands::accounts::Arguments),
    /// Copy an SQLite database to a file, also while a server runs.
    Backup(commands::backup::Arguments),
    /// Copy a whole database to a file that a database of either kind takes.
    Export(commands::export::Arguments),
    /// Take such a copy into an empty database, and compare both sides.
    Import(commands::import::Arguments),
    /// Check configuration, database, clock and orders service, and say how to mend what is wrong.
    Doctor(commands::doctor::Arguments),
    /// Run the simulated orders service alone, for one's own tests.
    Simulate(commands::simulate::Arguments),
    /// Print the completions for a shell.
    Completions(commands::completions::Arguments),
}
