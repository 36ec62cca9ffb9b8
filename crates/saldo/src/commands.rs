//! The commands, one a file.

pub(crate) mod accounts;
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod discrepancies;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod import_original;
pub(crate) mod init;
pub(crate) mod keys;
pub(crate) mod mode;
pub(crate) mod pending;
pub(crate) mod process;
pub(crate) mod ready;
pub(crate) mod reconcile;
pub(crate) mod report;
pub(crate) mod resolve;
pub(crate) mod retry;
pub(crate) mod reviews;
pub(crate) mod rollback;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod stock;
pub(crate) mod stock_import;
pub(crate) mod sync_result;
pub(crate) mod tasks;

use crate::cli::{Command, Global};
use crate::config::{self, Loaded, Overrides};
use crate::exit::End;
use crate::output::Output;

/// What a command works with.
pub(crate) struct Context {
    /// What every command understands.
    pub(crate) global: Global,
    /// How results are shown.
    pub(crate) output: Output,
}

impl Context {
    /// Prepares for a command.
    pub(crate) fn new(global: Global) -> Self {
        let output = if global.json { Output::Json } else { Output::Human };
        Self { global, output }
    }

    /// What the flags say about the configuration.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            file: self.global.config.clone(),
            database: self.global.database.clone(),
            ..Overrides::default()
        }
    }

    /// The configuration.
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        config::load(&self.overrides())
    }
}

/// Reads an account's id, and says where to find one.
pub(crate) fn account_id(text: &str) -> Result<uuid::Uuid, String> {
    text.parse().map_err(|_| {
        "an account is named by a UUID, its token_id; `saldo accounts list` names those known".to_owned()
    })
}

/// Runs one command.
pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<End> {
    match command {
        Command::Demo(arguments) => demo::run(arguments, context).await,
        Command::Serve(arguments) => serve::run(arguments, context).await,
        Command::Init(arguments) => init::run(arguments, context).await,
        Command::Process(arguments) => process::run(arguments, context).await,
        Command::Status(arguments) => status::run(arguments, context).await,
        Command::Ready(arguments) => ready::run(arguments, context).await,
        Command::Pending(arguments) => pending::run(arguments, context).await,
        Command::Show(arguments) => show::run(arguments, context).await,
        Command::Retry(arguments) => retry::run(arguments, context).await,
        Command::Rollback(arguments) => rollback::run(arguments, context).await,
        Command::Reconcile(arguments) => reconcile::run(arguments, context).await,
        Command::Discrepancies(arguments) => discrepancies::run(arguments, context).await,
        Command::Reviews(arguments) => reviews::run(arguments, context).await,
        Command::Resolve(arguments) => resolve::run(arguments, context).await,
        Command::Report(arguments) => report::run(arguments, context).await,
        Command::Mode(arguments) => mode::run(arguments, context).await,
        Command::Tasks(arguments) => tasks::run(arguments, context).await,
        Command::Stock(arguments) => stock::run(arguments, context).await,
        Command::ImportOriginal(arguments) => import_original::run(arguments, context).await,
        Command::Keys(arguments) => keys::run(arguments, context).await,
        Command::Accounts(arguments) => accounts::run(arguments, context).await,
        Command::Backup(arguments) => backup::run(arguments, context).await,
        Command::Export(arguments) => export::run(arguments, context).await,
        Command::Import(arguments) => import::run(arguments, context).await,
        Command::Doctor(arguments) => doctor::run(arguments, context).await,
        Command::Simulate(arguments) => simulate::run(arguments, context).await,
        Command::Completions(arguments) => completions::run(arguments),
    }
}
