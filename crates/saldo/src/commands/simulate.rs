//! `saldo simulate orders-service`

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use saldo_simulator::{Faults, Simulator, SimulatorOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::commands::Context;
use crate::exit::End;
use crate::output::cell;
use crate::signals::StopSignals;

/// Run the simulated orders service alone, for one's own tests.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo simulate orders-service --accounts 3 --orders 200")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The orders service with its endpoints, its quirks, and faults on demand.
    #[command(
        after_help = "Example:\n  saldo simulate orders-service --listen 127.0.0.1:8000 --faults faults.toml"
    )]
    OrdersService(OrdersService),
}

#[derive(Debug, Args)]
struct OrdersService {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Seller accounts.
    #[arg(long, default_value_t = 3)]
    accounts: u32,
    /// Orders of each account.
    #[arg(long, default_value_t = 200)]
    orders: u32,
    /// What goes wrong, and when: a TOML file, see docs/operations.md.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// What all made-up data follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The secret that callers sign their tokens with, in place of the simulator's own.
    #[arg(long, value_name = "SECRET")]
    jwt_secret: Option<String>,
    /// Whether reading one order by its id works; in the service as shipped it does not.
    #[arg(long)]
    mended: bool,
}

/// Runs it until it is told to stop.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let What::OrdersService(arguments) = arguments.what;
    let mut signals = StopSignals::new()?;
    let mut options = SimulatorOptions {
        accounts: arguments.accounts,
        orders_per_account: arguments.orders,
        seed: arguments.seed,
        mended: arguments.mended,
        ..SimulatorOptions::default()
    };
    if let Some(secret) = arguments.jwt_secret {
        options.jwt_secret = secret;
    }
    if let Some(file) = arguments.faults {
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        options.faults = Faults::from_toml(&text).with_context(|| file.display().to_string())?;
    }
    let secret = options.jwt_secret.clone();
    let user_id = options.user_id.clone();
    let listener = TcpListener::bind(arguments.listen).await.with_context(|| {
        format!(
            "the simulator cannot listen on {}; name a free address with --listen",
            arguments.listen
        )
    })?;
    let simulator = Simulator::start(options, listener)?;
    let started = json!({
        "base_url": simulator.base_url(),
        "jwt_secret": secret,
        "user_id": user_id,
        "token_ids": simulator.control().token_ids(),
    });
    context.output.show(&started, human)?;
    signals.next().await;
    simulator.stop_gracefully().await;
    Ok(End::Well)
}

fn human(started: &Value) -> String {
    let accounts: Vec<&str> = started["token_ids"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    format!(
        "The simulated orders service listens on {0}; Ctrl-C stops it.\nAccounts: {1}\nTo use it:\n  export \
         SALDO_ORDERS_SERVICE__BASE_URL={0}\n  export SALDO_ORDERS_SERVICE__JWT_SECRET={2}",
        cell(started, "/base_url"),
        accounts.join(" "),
        cell(started, "/jwt_secret"),
    )
}
