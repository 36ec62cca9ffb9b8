//! `saldo ready`

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::commands::Context;
use crate::door::{Door, Question};
use crate::exit::End;

/// Whoever waits longer is not served, whatever the reason.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Tell whether a server takes requests, without a key: for health checks.
///
/// Asks /readyz of --server, otherwise of the address where this configuration listens. Exit code 1 says no.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo ready\n  saldo ready --server http://127.0.0.1:8081")]
pub(crate) struct Arguments {}

/// Asks; exit code 0 when the server is ready.
pub(crate) async fn run(_: Arguments, context: &Context) -> anyhow::Result<End> {
    let address = match &context.global.server {
        Some(address) => address.clone(),
        None => format!("http://{}", context.load()?.config.listen),
    };
    let door = Door::at(&address, None)?;
    let answer = tokio::time::timeout(ANSWER_TIME_MAX, door.ask(Question::get("/readyz")))
        .await
        .with_context(|| format!("{address} did not answer within {} s", ANSWER_TIME_MAX.as_secs()))??;
    context.output.show(&answer, |_| format!("{address} is ready"))?;
    Ok(End::Well)
}
