//! `saldo stock …`

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::commands::{Context, stock_import};
use crate::components::Component;
use crate::door::{Door, Question, segment};
use crate::exit::End;
use crate::output::{cell, items, list_at, listing, rows, table};

/// Look at stock, and change it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  saldo stock receive MUG 12\n  saldo stock list --below 3")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Chosen,
}

#[derive(Debug, Subcommand)]
enum Chosen {
    #[command(flatten)]
    Action(Action),
    /// Bring a stock list over from a CSV file or an XLSX workbook.
    Import(stock_import::Arguments),
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the balances.
    #[command(after_help = "Example:\n  saldo stock list --warehouse Ирина --below 3")]
    List {
        /// Of one SKU.
        #[arg(long)]
        sku: Option<String>,
        /// In one warehouse.
        #[arg(long)]
        warehouse: Option<String>,
        /// Below this many units.
        #[arg(long)]
        below: Option<i64>,
        /// At most so many.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        limit: u32,
    },
    /// Goods came in.
    #[command(after_help = "Example:\n  saldo stock receive MUG 12 --reference \"delivery note 7\"")]
    Receive {
        /// The SKU.
        sku: String,
        /// Units.
        quantity: i64,
        /// Where to; the default warehouse otherwise.
        #[arg(long)]
        warehouse: Option<String>,
        /// The delivery note, or the like.
        #[arg(long)]
        reference: Option<String>,
    },
    /// Goods were counted: the balance is set to the figure.
    #[command(after_help = "Example:\n  saldo stock count MUG 11 --reason \"yearly count\"")]
    Count {
        /// The SKU.
        sku: String,
        /// Units that are there.
        counted: i64,
        /// Where; the default warehouse otherwise.
        #[arg(long)]
        warehouse: Option<String>,
        /// Why, for the log.
        #[arg(long)]
        reason: String,
    },
    /// Goods went from one warehouse to another.
    #[command(after_help = "Example:\n  saldo stock transfer MUG 3 --from Ирина --to Shop")]
    Transfer {
        /// The SKU.
        sku: String,
        /// Units.
        quantity: i64,
        /// From where.
        #[arg(long)]
        from: String,
        /// To where.
        #[arg(long)]
        to: String,
    },
    /// List what moved a SKU, by warehouse, newest first.
    #[command(after_help = "Example:\n  saldo stock movements MUG --limit 20")]
    Movements {
        /// The SKU.
        sku: String,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Say what one unit of an offer takes from stock.
    #[command(after_help = "Example:\n  saldo stock map TOKEN_ID 15234567890 MUG=2 SPOON")]
    Map {
        /// The account.
        #[arg(value_name = "TOKEN_ID")]
        account: String,
        /// The offer.
        #[arg(value_name = "OFFER_ID")]
        offer: String,
        /// What it stands for.
        #[arg(required = true, value_name = "SKU[=UNITS]")]
        components: Vec<Component>,
    },
}

/// Does it.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let action = match arguments.action {
        Chosen::Import(arguments) => return stock_import::run(arguments, context).await,
        Chosen::Action(action) => action,
    };
    let door = match action {
        Action::List { .. } | Action::Movements { .. } => Door::open(context).await?,
        _ => Door::open_or_make(context).await?,
    };
    match action {
        list @ Action::List { limit, .. } => {
            let list = door.list(list.question(), limit as usize).await?;
            context.output.show(&list, |list| {
                let paths = ["/sku", "/warehouse", "/quantity", "/updated_at"];
                table(
                    &["SKU", "WAREHOUSE", "QUANTITY", "UPDATED (UTC)"],
                    &rows(items(list), &paths),
                    "No stock.",
                )
            })?;
        }
        list @ Action::Movements { limit, .. } => {
            let list = door.list(list.question(), limit as usize).await?;
            context.output.show(&list, movements)?;
        }
        change => {
            let result = door.ask(change.question()).await?;
            context
                .output
                .show(&result, |result| match cell(result, "/operation/id").as_str() {
                    "-" if result.get("components").is_some() => {
                        format!("Done. Orders tried again: {}.", cell(result, "/tried_again"))
                    }
                    "-" => "Done; no stock had to move.".to_owned(),
                    id => format!("Done, as operation {id}.{}", moved(result)),
                })?;
        }
    }
    door.close().await?;
    Ok(End::Well)
}

impl Action {
    /// The question to ask.
    fn question(self) -> Question {
        match self {
            Self::Receive {
                sku,
                quantity,
                warehouse,
                reference,
            } => {
                let line = line(&sku, "quantity", quantity, warehouse);
                let mut body = Map::from_iter([("lines".to_owned(), json!([line]))]);
                body.extend(reference.map(|reference| ("reference".to_owned(), json!(reference))));
                Question::post("/api/v1/stock/receipts", &Value::Object(body))
            }
            Self::Count {
                sku,
                counted,
                warehouse,
                reason,
            } => {
                let line = line(&sku, "counted", counted, warehouse);
                Question::post(
                    "/api/v1/stock/adjustments",
                    &json!({ "lines": [line], "reason": reason }),
                )
            }
            Self::Transfer {
                sku,
                quantity,
                from,
                to,
            } => Question::post(
                "/api/v1/stock/transfers",
                &json!({ "sku": sku, "from": from, "to": to, "quantity": quantity }),
            ),
            Self::Map {
                account,
                offer,
                components,
            } => Question::put(
                format!("/api/v1/stock/mappings/{}/{}", segment(&account), segment(&offer)),
                &json!({ "components": Component::json(&components) }),
            ),
            Self::List {
                sku,
                warehouse,
                below,
                ..
            } => Question::get("/api/v1/stock")
                .with("sku", sku)
                .with("warehouse", warehouse)
                .with("below", below),
            Self::Movements { sku, .. } => {
                Question::get(format!("/api/v1/stock/{}/movements", segment(&sku)))
            }
        }
    }
}

/// One line of a stock document; without a warehouse it is for the default one.
fn line(sku: &str, quantity: &str, units: i64, warehouse: Option<String>) -> Value {
    let mut line = Map::from_iter([
        ("sku".to_owned(), json!(sku)),
        (quantity.to_owned(), json!(units)),
    ]);
    line.extend(warehouse.map(|warehouse| ("warehouse".to_owned(), json!(warehouse))));
    Value::Object(line)
}

/// What an operation moved, a line each.
fn moved(result: &Value) -> String {
    let told = |line: &Value| {
        let of = |name: &str| cell(line, &format!("/{name}"));
        let quantity = line["quantity"].as_i64().unwrap_or_default();
        format!("\n  {} in {}: {quantity:+}", of("sku"), of("warehouse"))
    };
    list_at(result, "/operation/lines").iter().map(told).collect()
}

fn movements(list: &Value) -> String {
    let headings = ["WHEN (UTC)", "WAREHOUSE", "QUANTITY", "BALANCE"];
    let paths = ["/created_at", "/warehouse", "/quantity", "/balance_after"];
    let cause = |movement: &Value| match cell(movement, "/order_id").as_str() {
        "-" => vec![format!("operation {}", cell(movement, "/operation_id"))],
        order => vec![format!("order {order}")],
    };
    let causes: Vec<Vec<String>> = items(list).iter().map(cause).collect();
    listing(&headings, &rows(items(list), &paths), &causes, "Nothing moved.")
}
