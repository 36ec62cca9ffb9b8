//! `POST /imports`: a stock list brought over, one line of it a line.
//!
//! It is booked whole or not at all, so it comes in one request, and is read as it arrives: as JSON in one piece it
//! would not fit the bound of a body.

use axum::body::Body;
use bytes::BytesMut;
use saldo_domain::decide::{Count, Difference, ImportOutcome, StockLine};
use saldo_domain::ids::OperationId;
use saldo_domain::limits::IMPORT_LINES_MAX;
use saldo_domain::stock::StockKey;
use saldo_domain::text::{Sku, Warehouse};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::answer::Answer;
use crate::app::App;
use crate::body::next_piece;
use crate::call::Call;
use crate::fields::{Problems, checked, counted, note};
use crate::limits::{IMPORT_BYTES_MAX, IMPORT_CHANGES_SHOWN_MAX, IMPORT_LINE_BYTES_MAX};
use crate::problem::Problem;
use crate::query::Parameters;
use crate::strict_json;

/// How to bring a list over.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Say what would change, and change nothing.
    pub dry_run: Option<bool>,
    /// Why, for the log; `import` when not given.
    #[param(min_length = 1, max_length = 2000)]
    pub reason: Option<String>,
}

/// One line of a stock list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ImportedLineRequest)]
pub struct ImportedLineRequest {
    /// The SKU.
    #[schema(min_length = 1, max_length = 200)]
    pub sku: String,
    /// The warehouse; the default one when not given.
    #[schema(min_length = 1, max_length = 100)]
    pub warehouse: Option<String>,
    /// Units that are there.
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub counted: i64,
}

/// What a stock list changed, or would change.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportResult)]
pub struct ImportBody {
    /// Whether this only says what would change.
    pub dry_run: bool,
    /// Lines of the list.
    pub lines: usize,
    /// Lines of SKUs that were never held there.
    pub new: usize,
    /// Lines that found more than was known.
    pub raised: usize,
    /// Lines that found less than was known.
    pub lowered: usize,
    /// Lines that agreed, and changed nothing.
    pub same: usize,
    /// The operations that booked it, of at most 1,000 lines each; none when all agreed.
    #[schema(value_type = Vec<Uuid>)]
    pub operation_ids: Vec<OperationId>,
    /// Of a dry run: the first 1,000 changes.
    pub changes: Vec<ImportChangeBody>,
}

/// One balance that would change.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportChange)]
pub struct ImportChangeBody {
    /// Which line, from 1; empty lines count.
    pub line: u64,
    /// The SKU.
    pub sku: String,
    /// The warehouse.
    pub warehouse: String,
    /// Units known; none when the SKU was never held there.
    #[schema(required)]
    pub known: Option<i64>,
    /// Units counted.
    pub counted: i64,
    /// `new`, `raised` or `lowered`.
    pub difference: &'static str,
}

/// Brings a stock list over
///
/// One counted SKU a line. Every balance of the list is set to its figure, in one transaction: all of them or, when
/// any line is wrong, none; the problem then names the lines, as in `/17/counted`. At most 100,000 lines, each SKU
/// once in a warehouse. The same list again changes nothing, so an `Idempotency-Key` is accepted and needs nothing
/// kept.
#[utoipa::path(
    post, path = "/api/v1/stock/imports", tag = "stock", params(ImportQuery),
    request_body(content = Option<String>, content_type = "application/x-ndjson",
        description = "One `ImportedLineRequest` a line."),
    responses((status = 200, description = "Booked, where anything differed.", body = ImportBody))
)]
pub(crate) async fn post_import(app: App, call: Call) -> Result<Answer, Problem> {
    let (dry_run, reason) = options(&call)?;
    let Ok(turn) = app.batches.clone().try_acquire_owned() else {
        return Err(Problem::new("too_many_batches", "other batches are under way").retry_later());
    };
    let caller = call.caller(false);
    let mut list = List::new(app.service.default_warehouse());
    list.read(call.stream).await?;
    let (lines, numbers) = list.finish()?;
    if dry_run {
        return preview(&app, &lines, &numbers).await;
    }
    let count = lines.len();
    let imported = app.service.import_stock(Count { lines, reason }, &caller).await?;
    // What remains may take long, and needs no room.
    drop(turn);
    app.service.try_what_waited_for(&imported).await;
    Answer::ok(&told(false, count, &imported, Vec::new()))
}

fn options(call: &Call) -> Result<(bool, String), Problem> {
    let problems = Problems::default();
    let parameters = Parameters::new(&call.uri, &["dry_run", "reason"], &problems);
    let dry_run = parameters.boolean("dry_run").unwrap_or(false);
    let reason = parameters.read("reason", |text| note(&Value::from(text)));
    drop(parameters);
    problems.finish(Some((dry_run, reason.unwrap_or_else(|| "import".to_owned()))))
}

async fn preview(app: &App, lines: &[StockLine], numbers: &[u64]) -> Result<Answer, Problem> {
    let compared = app.service.preview_import(lines).await?;
    let mut outcome = ImportOutcome::default();
    for line in &compared {
        outcome.note(line.difference);
    }
    let changes = compared
        .iter()
        .filter(|compared| compared.difference != Difference::Same)
        .take(IMPORT_CHANGES_SHOWN_MAX)
        .map(|compared| {
            let line = &lines[compared.line];
            ImportChangeBody {
                line: numbers[compared.line],
                sku: line.key.sku.as_str().to_owned(),
                warehouse: line.key.warehouse.as_str().to_owned(),
                known: compared.known,
                counted: line.quantity,
                difference: compared.difference.as_str(),
            }
        })
        .collect();
    Answer::ok(&told(true, lines.len(), &outcome, changes))
}

fn told(dry_run: bool, lines: usize, outcome: &ImportOutcome, changes: Vec<ImportChangeBody>) -> ImportBody {
    ImportBody {
        dry_run,
        lines,
        new: outcome.new,
        raised: outcome.raised,
        lowered: outcome.lowered,
        same: outcome.same,
        operation_ids: outcome.operations.clone(),
        changes,
    }
}

/// A list on its way in.
struct List {
    default: Warehouse,
    problems: Problems,
    lines: Vec<StockLine>,
    /// Where each of them stands.
    numbers: Vec<u64>,
    /// Where each SKU of a warehouse stood first.
    seen: std::collections::HashMap<StockKey, u64>,
    number: u64,
}

impl List {
    fn new(default: Warehouse) -> Self {
        Self {
            default,
            problems: Problems::default(),
            lines: Vec::new(),
            numbers: Vec::new(),
            seen: std::collections::HashMap::new(),
            number: 0,
        }
    }

    async fn read(&mut self, mut body: Body) -> Result<(), Problem> {
        let mut unread = BytesMut::new();
        let mut total = 0;
        while let Some(piece) = next_piece(&mut body).await? {
            total += piece.len();
            if total > IMPORT_BYTES_MAX {
                let detail = format!("a stock list has at most {IMPORT_BYTES_MAX} bytes; nothing was booked");
                return Err(Problem::new("body_too_large", detail).closing());
            }
            let mut searched = unread.len();
            unread.extend_from_slice(&piece);
            while let Some(end) = unread[searched..].iter().position(|byte| *byte == b'\n') {
                let line = unread.split_to(searched + end + 1);
                self.line(&line)?;
                searched = 0;
            }
            if unread.len() > IMPORT_LINE_BYTES_MAX {
                let detail = format!("a line has at most {IMPORT_LINE_BYTES_MAX} bytes; nothing was booked");
                return Err(Problem::new("body_too_large", detail).closing());
            }
        }
        self.line(&unread)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Problem> {
        self.number += 1;
        let text = line.trim_ascii();
        if text.is_empty() {
            return Ok(());
        }
        if self.lines.len() >= IMPORT_LINES_MAX || self.number > 2 * IMPORT_LINES_MAX as u64 {
            let detail = format!(
                "a stock list has at most {IMPORT_LINES_MAX} lines; nothing was booked: send it in several lists"
            );
            return Err(Problem::new("body_too_large", detail).closing());
        }
        let pointer = format!("/{}", self.number);
        let Ok(value) = strict_json::parse(text) else {
            self.problems.add(pointer, "is not JSON, or has a member twice");
            return Ok(());
        };
        let fields = self
            .problems
            .object(&value, pointer, &["sku", "warehouse", "counted"]);
        let sku = fields.required("sku", checked(Sku::parse));
        let warehouse = fields.optional("warehouse", checked(Warehouse::parse));
        let quantity = fields.required("counted", counted);
        let Some((sku, quantity)) = sku.zip(quantity) else {
            return Ok(());
        };
        let warehouse = warehouse.unwrap_or_else(|| self.default.clone());
        let key = StockKey { sku, warehouse };
        match self.seen.insert(key.clone(), self.number) {
            Some(first) => {
                let message = format!("{} in {} stands in line {first} already", key.sku, key.warehouse);
                fields.problem("sku", message);
            }
            None => {
                self.lines.push(StockLine { key, quantity });
                self.numbers.push(self.number);
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(Vec<StockLine>, Vec<u64>), Problem> {
        if self.lines.is_empty() && self.problems.is_empty() {
            self.problems.add("", "has no line");
        }
        self.problems.finish(Some((self.lines, self.numbers)))
    }
}
