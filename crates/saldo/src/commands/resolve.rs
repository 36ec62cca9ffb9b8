//! `saldo resolve ID RESOLUTION`

use clap::Args;
use clap::builder::PossibleValuesParser;
use saldo_domain::review::Resolution;
use serde_json::{Map, Value, json};

use crate::commands::{Context, sync_result};
use crate::components::Component;
use crate::door::{Door, Question, segment};
use crate::exit::{End, Usage};
use crate::output::{cell, facts};

/// Answer a review. Which answers fit which reason stands in docs/reviews.md.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo resolve 019a8f0e-7c1e-7000-8000-000000000002 retry\n  \
                        saldo resolve 019a8f0e-7c1e-7000-8000-000000000002 map_sku --component MUG=2"
)]
pub(crate) struct Arguments {
    /// The review.
    id: String,
    /// The answer.
    #[arg(value_parser = PossibleValuesParser::new(Resolution::ALL.map(Resolution::as_str)))]
    resolution: String,
    /// Why, for those who read it later.
    #[arg(long)]
    note: Option<String>,
    /// With map_sku: what one unit of the offer takes from stock; once for each SKU.
    #[arg(long = "component", value_name = "SKU[=UNITS]")]
    components: Vec<Component>,
}

/// Answers it.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let maps = arguments.resolution == Resolution::MapSku.as_str();
    if maps == arguments.components.is_empty() {
        let usage = "map_sku needs --component SKU=UNITS, and no other answer takes it";
        return Err(Usage(usage.to_owned()).into());
    }
    let mut body = Map::from_iter([("resolution".to_owned(), json!(arguments.resolution))]);
    body.extend(arguments.note.map(|note| ("note".to_owned(), json!(note))));
    if maps {
        body.insert("components".to_owned(), Component::json(&arguments.components));
    }
    let door = Door::open_to_deliver(context).await?;
    let path = format!("/api/v1/stock-sync/reviews/{}/resolve", segment(&arguments.id));
    let result = door.ask(Question::post(path, &Value::Object(body))).await?;
    context.output.show(&result, human)?;
    door.close().await?;
    Ok(End::Well)
}

fn human(result: &Value) -> String {
    let mut text = facts(&[
        ("review", cell(result, "/id")),
        ("reason", cell(result, "/reason")),
        ("status", cell(result, "/status")),
        ("answer", cell(result, "/resolution")),
        ("others tried again", cell(result, "/tried_again")),
    ]);
    if let Some(order) = result.get("order").filter(|order| !order.is_null()) {
        text.push_str(&sync_result::human(order));
    }
    text
}
