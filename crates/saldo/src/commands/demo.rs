//! `saldo demo`: the whole of Saldo on an empty folder, ending with the proof.

use clap::Args;
use serde_json::json;

use crate::commands::Context;
use crate::demo::{Story, tell};
use crate::edge;
use crate::exit::End;

/// How much is shown.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo demo --orders 100 --seconds 4")]
pub(crate) struct Arguments {
    /// Over how many seconds the orders arrive.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many orders arrive.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    orders: u64,
    /// Do not open a browser. There is no dashboard yet, so none is opened either way.
    #[arg(long)]
    no_open: bool,
    /// Flip one flag at the orders service before the proof, to see the proof fail.
    #[arg(long, hide = true)]
    flip_flag: bool,
}

/// Tells the story; fails when both sides do not agree in the end.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let folder = std::env::temp_dir().join(format!("saldo-demo-{:016x}", edge::seed()));
    std::fs::create_dir(&folder)?;
    let story = Story {
        orders: usize::try_from(arguments.orders)?,
        seconds: arguments.seconds,
        output: context.output,
        flip_flag: arguments.flip_flag,
    };
    let told = tell(&story, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    let proof = told?;
    let result = json!({
        "orders": proof.orders,
        "deducted": proof.deducted,
        "given_back": proof.given_back,
        "differences": proof.differences,
        "agree": proof.holds(),
    });
    context.output.show(&result, |_| {
        if proof.holds() {
            format!("\nBoth sides agree on all {} orders.", proof.orders)
        } else {
            String::new()
        }
    })?;
    anyhow::ensure!(
        proof.holds(),
        "{} of {} orders do not agree between both sides",
        proof.differences.len(),
        proof.orders
    );
    Ok(End::Well)
}
