//! From the rows of the original system to what Saldo is told: the stock as it is, and every order that was deducted.
//!
//! The original takes the stock of an order first, and writes a pending operation only when the orders service could
//! not be told at once. So whatever names an order (a sale, an operation of any status, a log entry) says that its
//! stock was taken there already.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use saldo_domain::form::parse_quantity;
use saldo_domain::ids::{AccountId, OrderId, OrderKey};
use saldo_domain::text::{Sku, Warehouse, one_line};
use serde_json::{Value, json};

use super::source;
use super::tables::{Record, Sink, Table};
use crate::commands::stock_import::lines::{self, Line};
use crate::commands::stock_import::sheet::{Cell, ROWS_MAX, Row, Sheet};

/// Orders that are kept in memory while the tables are read.
const ORDERS_MAX: usize = 2_000_000;
/// Problems that are kept; of more, only the number.
const PROBLEMS_KEPT_MAX: usize = 1_000;

const ORDER: &[&str] = &[
    "order_id",
    "allegro_order_id",
    "checkout_form_id",
    "order",
    "order_number",
];
const ACCOUNT: &[&str] = &["token_id", "account_id", "allegro_token_id"];
const SKU: &[&str] = &["sku", "product_sku", "item_sku", "article", "code", "external_id"];
const QUANTITY: &[&str] = &["quantity", "qty", "count", "amount", "units"];
const WAREHOUSE: &[&str] = &["warehouse", "warehouse_name", "location"];

/// How many rows were read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) stock: u64,
    pub(crate) sales: u64,
    pub(crate) operations: u64,
    pub(crate) logs: u64,
    /// Sales and adjustments that are for no order: nothing follows from them.
    pub(crate) without_order: u64,
}

impl Read {
    pub(crate) fn json(self) -> Value {
        json!({
            "stock": self.stock, "sales": self.sales, "operations": self.operations, "logs": self.logs,
            "without_order": self.without_order,
        })
    }
}

/// A flag that the original owes the orders service still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owed {
    /// The flag.
    pub(crate) flag: bool,
    /// The status of its operation there.
    pub(crate) status: String,
    /// Its last error.
    pub(crate) error: Option<String>,
}

/// One order that the original has deducted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OldOrder {
    pub(crate) key: OrderKey,
    /// What it took, as far as it tells.
    pub(crate) lines: BTreeMap<(Sku, Option<Warehouse>), i64>,
    /// Whether those are all lines: the sales tell all, an operation only the last.
    pub(crate) is_whole: bool,
    /// Whether its flag was confirmed; none when nothing says so.
    pub(crate) flag_confirmed: Option<bool>,
    /// The flag that it owes still.
    pub(crate) owed: Option<Owed>,
    /// The table that names it.
    pub(crate) source: &'static str,
}

impl OldOrder {
    /// Whether Saldo could send its flag: it must know all that was taken, each SKU once.
    pub(crate) fn can_be_handed_over(&self) -> bool {
        let mut skus: Vec<&Sku> = self.lines.keys().map(|(sku, _)| sku).collect();
        skus.dedup();
        self.is_whole
            && !self.lines.is_empty()
            && skus.len() == self.lines.len()
            && self.owed.as_ref().is_some_and(|owed| owed.flag)
    }

    /// As the API takes it.
    pub(crate) fn json(&self, hand_over: bool) -> Value {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|((sku, warehouse), quantity)| {
                let mut line = json!({ "sku": sku, "quantity": quantity });
                if let Some(warehouse) = warehouse {
                    line["warehouse"] = json!(warehouse);
                }
                line
            })
            .collect();
        let mut order = json!({
            "token_id": self.key.account, "order_id": self.key.order, "source": self.source,
        });
        if !lines.is_empty() {
            order["lines"] = json!(lines);
        }
        if let Some(confirmed) = self.flag_confirmed {
            order["flag_confirmed"] = json!(confirmed);
        }
        if hand_over && self.can_be_handed_over() {
            order["hand_over"] = json!(true);
        }
        order
    }
}

/// All that was read.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) read: Read,
    pub(crate) stock: Vec<Line>,
    /// By account and order.
    pub(crate) orders: Vec<OldOrder>,
    /// What is in the way: nothing is imported while there is any.
    pub(crate) problems: Vec<String>,
    /// What was left out, and is worth a look.
    pub(crate) warnings: Vec<String>,
    /// Problems and warnings beyond those kept.
    pub(crate) not_kept: u64,
}

/// Reads everything that was named.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn collect(
    paths: &[PathBuf],
    account: Option<AccountId>,
    warehouse: Option<&Warehouse>,
) -> anyhow::Result<Collected> {
    let mut collector = Collector {
        account,
        ..Collector::default()
    };
    source::read(paths, &mut collector)?;
    Ok(collector.finish(warehouse))
}

/// An order as a row names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Named {
    order: OrderId,
    account: Option<AccountId>,
}

/// What is known of an operation of the original.
#[derive(Debug, Default)]
struct Operation {
    named: Option<Named>,
    kind: String,
    status: String,
    error: Option<String>,
    /// The last log entry of it: when, and what.
    last: Option<(String, String)>,
}

#[derive(Debug, Default)]
struct Notes {
    sold: BTreeMap<(Sku, Option<Warehouse>), i64>,
    taken: BTreeMap<(Sku, Option<Warehouse>), i64>,
    has_sales: bool,
    source: &'static str,
}

#[derive(Default)]
struct Collector {
    account: Option<AccountId>,
    collected: Collected,
    stock: Sheet,
    stock_columns: Vec<String>,
    orders: HashMap<Named, Notes>,
    operations: HashMap<String, Operation>,
    accounts: HashMap<OrderId, AccountId>,
}

impl Sink for Collector {
    fn record(&mut self, table: Table, record: &Record<'_>) -> anyhow::Result<()> {
        match table {
            Table::Stock => self.stock(record),
            Table::Sale => {
                self.collected.read.sales += 1;
                self.sale(record);
                Ok(())
            }
            Table::PendingOperations => {
                self.collected.read.operations += 1;
                self.operation(record);
                Ok(())
            }
            Table::Logs => {
                self.collected.read.logs += 1;
                self.log(record);
                Ok(())
            }
            Table::Orders => {
                let order = record
                    .get(&["id", "order_id"])
                    .and_then(|id| OrderId::parse(id).ok());
                let account = record.get(ACCOUNT).and_then(|id| id.parse().ok());
                self.accounts.extend(order.zip(account));
                Ok(())
            }
        }?;
        anyhow::ensure!(
            self.orders.len().max(self.operations.len()) <= ORDERS_MAX,
            "there are more than {ORDERS_MAX} orders: import the tables in parts"
        );
        Ok(())
    }
}

impl Collector {
    fn problem(&mut self, table: Table, record: &Record<'_>, message: &str) {
        let problem = format!("{}, row {}: {message}", table.name(), record.number);
        if self.collected.problems.len() < PROBLEMS_KEPT_MAX {
            self.collected.problems.push(problem);
        } else {
            self.collected.not_kept += 1;
        }
    }

    fn warn(&mut self, table: Table, record: &Record<'_>, message: &str) {
        let warning = format!("{}, row {}: {message}", table.name(), record.number);
        if self.collected.warnings.len() < PROBLEMS_KEPT_MAX {
            self.collected.warnings.push(warning);
        } else {
            self.collected.not_kept += 1;
        }
    }

    /// A row of the stock is read as a row of a stock list is.
    fn stock(&mut self, record: &Record<'_>) -> anyhow::Result<()> {
        self.collected.read.stock += 1;
        anyhow::ensure!(
            self.stock.rows.len() < ROWS_MAX,
            "the stock has more than {ROWS_MAX} rows: import it with `saldo stock import`, in several files"
        );
        let cells = |values: &[Option<String>]| -> Vec<Cell> {
            let text = |value: &Option<String>| value.as_deref().map_or(Cell::Empty, Cell::text);
            values.iter().map(text).collect()
        };
        if self.stock_columns != record.columns {
            anyhow::ensure!(self.stock.rows.is_empty(), "the stock was named twice");
            record.columns.clone_into(&mut self.stock_columns);
            let heading: Vec<Option<String>> = record.columns.iter().cloned().map(Some).collect();
            self.stock.rows.push(Row {
                number: 0,
                cells: cells(&heading),
            });
        }
        self.stock.rows.push(Row {
            number: record.number,
            cells: cells(record.values),
        });
        Ok(())
    }

    fn sale(&mut self, record: &Record<'_>) {
        let Some(named) = self.named(Table::Sale, record) else {
            return;
        };
        let line = self.line(Table::Sale, record);
        let notes = self.orders.entry(named).or_default();
        notes.has_sales = true;
        notes.source = Table::Sale.name();
        if let Some((key, quantity)) = line {
            *notes.sold.entry(key).or_insert(0) += quantity;
        }
    }

    fn operation(&mut self, record: &Record<'_>) {
        let table = Table::PendingOperations;
        let kind = record
            .get(&["operation_type"])
            .unwrap_or("deduction")
            .to_lowercase();
        if kind == "adjustment" {
            self.collected.read.without_order += 1;
            return;
        }
        if !["deduction", "refund"].contains(&kind.as_str()) {
            let message = format!("{} is no operation_type known", one_line(&kind, 40));
            self.warn(table, record, &message);
        }
        let Some(named) = self.named(table, record) else {
            return;
        };
        let line = self.line(table, record);
        let notes = self.orders.entry(named.clone()).or_default();
        if notes.source.is_empty() {
            notes.source = table.name();
        }
        if let Some((key, quantity)) = line.filter(|_| kind == "deduction") {
            *notes.taken.entry(key).or_insert(0) += quantity;
        }
        let id = record.get(&["id"]).map_or_else(
            || format!("row {}", record.number),
            |id| id.replace('-', "").to_lowercase(),
        );
        let operation = self.operations.entry(id).or_default();
        operation.named = Some(named);
        operation.kind = kind;
        operation.status = record.get(&["status"]).unwrap_or("pending").to_lowercase();
        operation.error = record.get(&["error_message"]).map(|error| one_line(error, 300));
    }

    fn log(&mut self, record: &Record<'_>) {
        let Some(id) = record.get(&["operation_id"]) else {
            return;
        };
        let id = id.replace('-', "").to_lowercase();
        let action = record.get(&["action"]).unwrap_or_default().to_lowercase();
        let at = record.get(&["timestamp"]).unwrap_or_default().to_owned();
        // An operation that was cleaned up may still be told of by its log.
        let details: Value = record
            .get(&["details"])
            .and_then(|details| serde_json::from_str(details).ok())
            .unwrap_or_default();
        let order = details
            .get("order_id")
            .and_then(Value::as_str)
            .and_then(|id| OrderId::parse(id).ok());
        let account = details
            .get("token_id")
            .and_then(Value::as_str)
            .and_then(|id| id.parse().ok());
        let kind = details.get("operation_type").and_then(Value::as_str);
        let operation = self.operations.entry(id).or_default();
        if operation.last.as_ref().is_none_or(|(last, _)| *last <= at) {
            operation.last = Some((at, action));
        }
        if operation.kind.is_empty()
            && let Some(kind) = kind
        {
            operation.kind = kind.to_lowercase();
        }
        if operation.named.is_none() && operation.kind != "adjustment" {
            operation.named = order.map(|order| Named { order, account });
        }
    }

    /// The order of a row; none when it is for no order, or cannot be read.
    fn named(&mut self, table: Table, record: &Record<'_>) -> Option<Named> {
        let Some(text) = record.get(ORDER) else {
            self.collected.read.without_order += 1;
            return None;
        };
        let order = match OrderId::parse(text) {
            Ok(order) => order,
            Err(error) => {
                self.problem(table, record, &error.0);
                return None;
            }
        };
        let account = match record.get(ACCOUNT).map(str::parse) {
            None => None,
            Some(Ok(account)) => Some(account),
            Some(Err(_)) => {
                self.problem(table, record, "its token_id is no UUID");
                return None;
            }
        };
        Some(Named { order, account })
    }

    /// What a row took. That it cannot be read does not keep the order from being known.
    fn line(&mut self, table: Table, record: &Record<'_>) -> Option<((Sku, Option<Warehouse>), i64)> {
        let sku = Sku::parse(record.get(SKU).unwrap_or_default());
        let quantity = record.get(QUANTITY).unwrap_or_default();
        let quantity = quantity
            .parse::<f64>()
            .map_err(|_| "its quantity is missing, or no number".to_owned())
            .and_then(|quantity| parse_quantity(&json!(quantity)));
        let warehouse = record.get(WAREHOUSE).map(Warehouse::parse).transpose();
        let read = match (sku, quantity, warehouse) {
            (Ok(sku), Ok(quantity), Ok(warehouse)) => Ok(((sku, warehouse), quantity)),
            (Err(error), _, _) | (_, _, Err(error)) => Err(error.0),
            (_, Err(message), _) => Err(message),
        };
        match read {
            Ok(line) => Some(line),
            Err(message) => {
                let message = format!("{message}; its order is made known without it");
                self.warn(table, record, &message);
                None
            }
        }
    }

    fn finish(mut self, warehouse: Option<&Warehouse>) -> Collected {
        if !self.stock.rows.is_empty() {
            match lines::read(&self.stock, warehouse) {
                Ok(stock) => self.collected.stock = stock,
                Err(mistakes) => {
                    let told = mistakes.iter().map(|mistake| format!("stock, {mistake}"));
                    self.collected.problems.extend(told.take(PROBLEMS_KEPT_MAX));
                    let unkept = mistakes.len().saturating_sub(PROBLEMS_KEPT_MAX);
                    self.collected.not_kept += unkept as u64;
                }
            }
        }
        for operation in self.operations.values() {
            if let Some(named) = &operation.named {
                let notes = self.orders.entry(named.clone()).or_default();
                if notes.source.is_empty() {
                    notes.source = Table::Logs.name();
                }
            }
        }
        let mut flags: HashMap<Named, Vec<Operation>> = HashMap::new();
        for operation in std::mem::take(&mut self.operations).into_values() {
            if let Some(named) = operation.named.clone() {
                flags.entry(named).or_default().push(operation);
            }
        }
        let mut merged: BTreeMap<OrderKey, (Notes, Vec<Operation>)> = BTreeMap::new();
        let mut homeless: Vec<OrderId> = Vec::new();
        for (named, notes) in std::mem::take(&mut self.orders) {
            let operations = flags.remove(&named).unwrap_or_default();
            let account = named
                .account
                .or_else(|| self.accounts.get(&named.order).copied())
                .or(self.account);
            let Some(account) = account else {
                homeless.push(named.order);
                continue;
            };
            let key = OrderKey {
                account,
                order: named.order,
            };
            let (known, all) = merged.entry(key).or_default();
            known.join(notes);
            all.extend(operations);
        }
        self.tell_homeless(homeless);
        self.collected.orders = merged
            .into_iter()
            .map(|(key, (notes, operations))| old_order(key, notes, &operations))
            .collect();
        self.collected
    }

    fn tell_homeless(&mut self, mut homeless: Vec<OrderId>) {
        homeless.sort();
        if let Some(first) = homeless.first() {
            self.collected.problems.push(format!(
                "{} orders do not say their account, the first of them {first}: name it with --account TOKEN_ID, or \
                 bring the table allegro_orders along",
                homeless.len()
            ));
        }
    }
}

impl Notes {
    /// The same order, named once with its account and once without.
    fn join(&mut self, other: Self) {
        for (key, quantity) in other.sold {
            *self.sold.entry(key).or_insert(0) += quantity;
        }
        for (key, quantity) in other.taken {
            *self.taken.entry(key).or_insert(0) += quantity;
        }
        self.has_sales |= other.has_sales;
        if self.source.is_empty() || other.has_sales {
            self.source = other.source;
        }
    }
}

/// What became of an operation of the original.
#[derive(PartialEq, Eq)]
enum Became {
    Confirmed,
    Undone,
    Owed,
}

fn became(operation: &Operation) -> Became {
    match operation.last.as_ref().map(|(_, action)| action.as_str()) {
        Some("rolled_back") => Became::Undone,
        Some("completed") => Became::Confirmed,
        _ if operation.status == "completed" => Became::Confirmed,
        _ if operation.status == "rolled_back" => Became::Undone,
        _ => Became::Owed,
    }
}

fn old_order(key: OrderKey, notes: Notes, operations: &[Operation]) -> OldOrder {
    // A refund speaks for the order after its deduction does.
    let refund = operations.iter().find(|operation| operation.kind == "refund");
    let telling = refund.or_else(|| {
        let owes = operations
            .iter()
            .find(|operation| became(operation) == Became::Owed);
        owes.or_else(|| operations.first())
    });
    let was_undone = operations
        .iter()
        .any(|operation| became(operation) == Became::Undone);
    let flag = refund.is_none();
    let (flag_confirmed, owed) = match telling {
        _ if was_undone => (None, None),
        None => (None, None),
        Some(operation) if became(operation) == Became::Confirmed => (Some(true), None),
        Some(operation) => {
            let status = if operation.status.is_empty() {
                "unknown".to_owned()
            } else {
                one_line(&operation.status, 40)
            };
            let owed = Owed {
                flag,
                status,
                error: operation.error.clone(),
            };
            (Some(false), Some(owed))
        }
    };
    OldOrder {
        key,
        is_whole: notes.has_sales,
        lines: if notes.has_sales { notes.sold } else { notes.taken },
        flag_confirmed,
        owed,
        source: notes.source,
    }
}
