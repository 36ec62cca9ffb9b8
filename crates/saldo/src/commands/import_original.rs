//! `saldo import-original PATH…`

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use saldo_domain::ids::AccountId;
use saldo_domain::text::Warehouse;
use serde_json::{Value, json};

use crate::commands::stock_import::{agreed, count, send, told_preview};
use crate::commands::{Context, account_id};
use crate::door::{Door, Question};
use crate::exit::{End, Usage};
use crate::original::{Collected, OldOrder, collect};
use crate::output::{Output, cell, is_watched, line, list_at, note, table};

/// Orders sent together.
const ORDERS_TOGETHER: usize = 500;
/// Orders that are listed one by one for people; JSON lists all.
const ORDERS_LISTED: usize = 50;
/// Problems that are told one by one for people.
const PROBLEMS_TOLD: usize = 100;

/// Bring over what the original system knows, so that what it deducted is not deducted again.
///
/// Reads its tables stock, sale, pending_stock_operations and stock_synchronization_logs (and allegro_orders, where
/// orders do not name their account) from CSV files named as the tables are or a folder of them, from its SQLite file,
/// or from the text of a SQLite or PostgreSQL dump. Every order that it deducted becomes known here; balances are set to its
/// stock. Shows first what would happen, and asks on a terminal. May be run again at any time.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  saldo import-original original.db --account TOKEN_ID --dry-run\n  \
                        saldo import-original dump.sql\n  saldo import-original tables/ --skip-stock --yes"
)]
pub(crate) struct Arguments {
    /// CSV files or a folder of them, a SQLite file, or the text of a SQLite or PostgreSQL dump.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The account of orders that do not name one.
    #[arg(long, value_name = "TOKEN_ID", value_parser = account_id)]
    account: Option<uuid::Uuid>,
    /// The warehouse of stock that does not name one; the default warehouse otherwise.
    #[arg(long, value_parser = |text: &str| Warehouse::parse(text).map_err(|error| error.0))]
    warehouse: Option<Warehouse>,
    /// Have Saldo send the flags that the original still owes. Stop its own retries before.
    #[arg(long)]
    hand_over: bool,
    /// Leave balances as they are.
    #[arg(long)]
    skip_stock: bool,
    /// Say what would happen, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// Imports it; exit code 1 when something was in the way, or some order needs a look.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> anyhow::Result<End> {
    let progress = spinner("reading the tables");
    let paths = arguments.paths.clone();
    let account = arguments.account.map(AccountId::new);
    let warehouse = arguments.warehouse.clone();
    let collected = tokio::task::spawn_blocking(move || collect(&paths, account, warehouse.as_ref()))
        .await
        .map_err(|_| anyhow::anyhow!("the tables are damaged"))??;
    progress.finish_and_clear();
    if !collected.problems.is_empty() {
        show_problems(&collected, context.output)?;
        return Ok(End::Failed);
    }
    if collected.orders.is_empty() && collected.stock.is_empty() {
        return Err(Usage("there is neither an order nor stock in the tables".to_owned()).into());
    }
    if context.output == Output::Human {
        tell_some("left out", &collected.warnings);
    }
    let door = if arguments.dry_run {
        Door::open_to_look(context).await?
    } else {
        Door::open_or_make(context).await?
    };
    let import = Import {
        door: &door,
        arguments: &arguments,
        collected: &collected,
        output: context.output,
    };
    let ended = import.run().await;
    door.close().await?;
    ended
}

struct Import<'i> {
    door: &'i Door,
    arguments: &'i Arguments,
    collected: &'i Collected,
    output: Output,
}

/// What became of the orders.
#[derive(Default)]
struct Became {
    counts: BTreeMap<String, usize>,
    /// Orders for a person: token_id, order_id, outcome, detail.
    for_a_person: Vec<Value>,
    /// Flags that the original owes and that Saldo does not send.
    unconfirmed: Vec<Value>,
}

impl Import<'_> {
    async fn run(&self) -> anyhow::Result<End> {
        let preview = self.orders(true).await?;
        let stock = self.stock(true).await?;
        if self.arguments.dry_run {
            return self.show(&preview, stock.as_ref(), true);
        }
        if self.output == Output::Human && !self.arguments.yes {
            line(&told(self.collected, &preview, stock.as_ref(), true))?;
            if !agreed("Go on?")? {
                note("Nothing was changed.");
                return Ok(End::Failed);
            }
        }
        // First what keeps orders from being deducted again, and then the stock that they could be deducted from.
        let became = self.orders(false).await?;
        let stock = self.stock(false).await?;
        self.show(&became, stock.as_ref(), false)
    }

    async fn stock(&self, dry_run: bool) -> anyhow::Result<Option<Value>> {
        if self.arguments.skip_stock || self.collected.stock.is_empty() {
            return Ok(None);
        }
        let message = if dry_run {
            "comparing with the balances"
        } else {
            "booking the stock"
        };
        let lines = &self.collected.stock;
        send(
            self.door,
            lines,
            "import of the original's stock",
            dry_run,
            spinner(message),
        )
        .await
        .map(Some)
    }

    async fn orders(&self, dry_run: bool) -> anyhow::Result<Became> {
        let mut became = Became::default();
        let message = if dry_run { "comparing" } else { "making known" };
        let progress = bar(self.collected.orders.len(), message);
        for batch in self.collected.orders.chunks(ORDERS_TOGETHER) {
            let orders: Vec<Value> = batch
                .iter()
                .map(|order| order.json(self.arguments.hand_over))
                .collect();
            let body = json!({ "orders": orders, "dry_run": dry_run });
            let answer = self
                .door
                .ask(Question::post("/api/v1/stock-sync/adoptions", &body))
                .await?;
            for (order, item) in batch.iter().zip(list_at(&answer, "/items")) {
                became.note(order, item);
            }
            progress.inc(batch.len() as u64);
        }
        progress.finish_and_clear();
        Ok(became)
    }

    fn show(&self, became: &Became, stock: Option<&Value>, dry_run: bool) -> anyhow::Result<End> {
        let result = json!({
            "dry_run": dry_run,
            "read": self.collected.read.json(),
            "orders": became.counts,
            "for_a_person": became.for_a_person,
            "unconfirmed": became.unconfirmed,
            "stock": stock,
            "warnings": self.collected.warnings,
        });
        self.output
            .show(&result, |_| told(self.collected, became, stock, dry_run))?;
        Ok(End::well_if(became.for_a_person.is_empty()))
    }
}

impl Became {
    fn note(&mut self, order: &OldOrder, item: &Value) {
        let outcome = cell(item, "/outcome");
        if ["conflict", "refused"].contains(&outcome.as_str()) {
            self.for_a_person.push(item.clone());
        }
        if let Some(owed) = order.owed.as_ref().filter(|_| outcome != "handed_over") {
            self.unconfirmed.push(json!({
                "token_id": order.key.account, "order_id": order.key.order, "flag": owed.flag,
                "status": owed.status, "error": owed.error, "can_be_handed_over": order.can_be_handed_over(),
            }));
        }
        *self.counts.entry(outcome).or_insert(0) += 1;
    }

    fn count(&self, outcome: &str) -> usize {
        self.counts.get(outcome).copied().unwrap_or_default()
    }
}

fn told(collected: &Collected, became: &Became, stock: Option<&Value>, dry_run: bool) -> String {
    let read = collected.read;
    let mut text = format!(
        "Read: {} stock rows, {} sales, {} operations, {} log entries; {} of them are for no order.\n",
        read.stock, read.sales, read.operations, read.logs, read.without_order
    );
    let will = if dry_run { "to be made known" } else { "made known" };
    text.push_str(&format!(
        "Orders: {} {will}, {} handed over, {} known already, {} in conflict, {} refused.\n",
        became.count("adopted"),
        became.count("handed_over"),
        became.count("known"),
        became.count("conflict"),
        became.count("refused")
    ));
    match stock {
        Some(preview) if dry_run => text.push_str(&format!("Stock:\n{}\n", told_preview(preview))),
        Some(done) => text.push_str(&format!(
            "Stock: {} new, {} raised, {} lowered, {} the same.\n",
            count(done, "/new"),
            count(done, "/raised"),
            count(done, "/lowered"),
            count(done, "/same")
        )),
        None => text.push_str("Stock: left as it is.\n"),
    }
    push_rows(
        &mut text,
        "These orders need a look:",
        &["/order_id", "/token_id", "/outcome", "/detail"],
        &["ORDER", "ACCOUNT", "OUTCOME", "WHY"],
        &became.for_a_person,
    );
    push_rows(
        &mut text,
        "The orders service has not confirmed the flags of these; let the original send them before you switch it \
         off, or run this with --hand-over:",
        &[
            "/order_id",
            "/token_id",
            "/flag",
            "/status",
            "/can_be_handed_over",
        ],
        &["ORDER", "ACCOUNT", "FLAG", "STATUS THERE", "CAN BE HANDED OVER"],
        &became.unconfirmed,
    );
    text
}

fn push_rows(text: &mut String, heading: &str, paths: &[&str], headings: &[&str], items: &[Value]) {
    if items.is_empty() {
        return;
    }
    let shown = &items[..items.len().min(ORDERS_LISTED)];
    text.push_str(&format!("\n{}\n", crate::output::wrapped(heading, 0)));
    text.push_str(&table(headings, &crate::output::rows(shown, paths), ""));
    if items.len() > shown.len() {
        text.push_str(&format!(
            "… and {} more; --json lists all\n",
            items.len() - shown.len()
        ));
    }
}

fn tell_some(what: &str, messages: &[String]) {
    for message in messages.iter().take(PROBLEMS_TOLD) {
        note(message);
    }
    if messages.len() > PROBLEMS_TOLD {
        note(&format!("… and {} more {what}", messages.len() - PROBLEMS_TOLD));
    }
}

fn show_problems(collected: &Collected, output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        let result = json!({
            "problems": collected.problems, "warnings": collected.warnings, "not_listed": collected.not_kept,
        });
        return line(&serde_json::to_string_pretty(&result)?);
    }
    tell_some("problems", &collected.problems);
    note("Nothing was imported. Mend these rows, or leave them out, and run it again.");
    Ok(())
}

fn spinner(message: &'static str) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner();
    spinner.set_message(message);
    spinner.enable_steady_tick(std::time::Duration::from_millis(100));
    spinner
}

fn bar(count: usize, message: &'static str) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count as u64);
    bar.set_message(message);
    match ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} orders, {per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
