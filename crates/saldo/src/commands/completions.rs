//! `saldo completions SHELL`

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::End;

/// Print the completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo completions bash > /etc/bash_completion.d/saldo")]
pub(crate) struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints them.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<End> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "saldo", &mut script);
    crate::output::line(&String::from_utf8(script)?)?;
    Ok(End::Well)
}
