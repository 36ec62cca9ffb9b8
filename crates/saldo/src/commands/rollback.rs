//! `saldo rollback ID`

use clap::Args;
use serde_json::{Value, json};

use crate::commands::Context;
use crate::door::{Door, Question, segment};
use crate::exit::End;
use crate::output::{cell, facts, rows, table};

/// Undo an operation: its stock comes back, and the orders service is told.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo rollback 019a8f0e-7c1e-7000-8000-000000000001 --reason \"wrong parcel\""
)]
pub(crate) struct Arguments {
    /// The operation.
    id: String,
    /// Why, for the log.
    #[arg(long)]
    reason: String,
    /// Even when the goods were sent.
    #[arg(long)]
    force: bool,
}

/// Undoes it.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let door = Door::open_to_deliver(context).await?;
    let path = format!("/api/v1/stock-sync/rollback/{}", segment(&arguments.id));
    let body = json!({ "reason": arguments.reason, "force": arguments.force });
    let result = door.ask(Question::post(path, &body)).await?;
    context.output.show(&result, human)?;
    door.close().await?;
    Ok(End::Well)
}

fn human(result: &Value) -> String {
    let mut text = facts(&[
        ("operation", cell(result, "/operation_id")),
        ("undone by", cell(result, "/refund_operation_id")),
        ("flag of the orders service", cell(result, "/remote_flag")),
    ]);
    let restored = result
        .get("restored")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let paths = ["/sku", "/warehouse", "/quantity"];
    text.push_str(&table(
        &["RESTORED", "WAREHOUSE", "QUANTITY"],
        &rows(restored, &paths),
        "No stock had to move.\n",
    ));
    text
}
