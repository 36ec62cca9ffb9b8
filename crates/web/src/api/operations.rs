//! Operations: lists, one, and its history.

use saldo_domain::ids::OrderId;
use saldo_domain::operation::OperationStatus;
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::query::{OperationFilter, PageRequest};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::Problems;
use crate::problem::Problem;
use crate::query::Parameters;
use crate::wire::words::{OperationStatusWord, WaitingForWord};
use crate::wire::{LogEntryBody, OperationBody, PageBody, page};

/// Which operations.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OperationsQuery {
    /// Of one order.
    #[param(min_length = 1, max_length = 128)]
    pub order_id: Option<String>,
    /// With a line of this SKU.
    #[param(min_length = 1, max_length = 200)]
    pub sku: Option<String>,
    /// With a line in this warehouse.
    #[param(min_length = 1, max_length = 100)]
    pub warehouse: Option<String>,
    /// Of one account.
    pub token_id: Option<Uuid>,
    /// In this status, or in one of several with commas between.
    #[param(inline)]
    pub status: Option<OperationStatusWord>,
    /// Waiting for this.
    #[param(inline)]
    pub waiting_for: Option<WaitingForWord>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
}

const PARAMETERS: [&str; 8] = [
    "order_id",
    "sku",
    "warehouse",
    "token_id",
    "status",
    "waiting_for",
    "cursor",
    "limit",
];

/// Lists operations that wait or are under way
///
/// Newest first. Without `status`: those that are pending or under delivery.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/pending", tag = "operations", params(OperationsQuery),
    responses((status = 200, description = "A page of operations.", body = PageBody<OperationBody>))
)]
pub(crate) async fn list_pending(app: App, call: Call) -> Result<Answer, Problem> {
    let (mut filter, request) = read(&call)?;
    if filter.statuses.is_empty() {
        filter.statuses = vec![OperationStatus::Pending, OperationStatus::Processing];
    }
    list(&app, &filter, request).await
}

/// Lists all operations
///
/// Newest first.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/operations", tag = "operations", params(OperationsQuery),
    responses((status = 200, description = "A page of operations.", body = PageBody<OperationBody>))
)]
pub(crate) async fn list_operations(app: App, call: Call) -> Result<Answer, Problem> {
    let (filter, request) = read(&call)?;
    list(&app, &filter, request).await
}

async fn list(app: &App, filter: &OperationFilter, request: PageRequest) -> Result<Answer, Problem> {
    let operations = app.service.store().operations(filter, request).await?;
    let names = app.names().await?;
    Answer::ok(&page(&operations, |operation| {
        OperationBody::new(operation, &names)
    }))
}

fn read(call: &Call) -> Result<(OperationFilter, PageRequest), Problem> {
    let problems = Problems::default();
    let parameters = Parameters::new(&call.uri, &PARAMETERS, &problems);
    let filter = OperationFilter {
        account: parameters.parsed("token_id", "a UUID"),
        order: parameters.checked("order_id", OrderId::parse),
        sku: parameters.checked("sku", Sku::parse),
        warehouse: parameters.checked("warehouse", Warehouse::parse),
        statuses: parameters.read("status", statuses).unwrap_or_default(),
        waiting_for: parameters.parsed("waiting_for", "delivery, stock, payment, account or review"),
    };
    let request = parameters.page();
    drop(parameters);
    problems.finish(Some((filter, request)))
}

fn statuses(text: &str) -> Result<Vec<OperationStatus>, String> {
    let known = "pending, processing, completed, failed or rolled_back";
    let read = |word: &str| word.trim().parse().map_err(|_| format!("must be {known}"));
    text.split(',').map(read).collect()
}

/// Tells one operation
#[utoipa::path(
    get, path = "/api/v1/stock-sync/operations/{operation_id}", tag = "operations",
    params(("operation_id" = Uuid, Path, description = "Which operation.")),
    responses(
        (status = 200, description = "The operation.", body = OperationBody, links(
            ("log" = (operation_id = "get_operation_log", parameters(("operation_id" = "$response.body#/id")))),
            ("retry" = (operation_id = "retry_operation", parameters(("operation_id" = "$response.body#/id")))),
            ("rollback" = (operation_id = "rollback_operation",
                parameters(("operation_id" = "$response.body#/id")))),
        )),
        (status = 404, description = "There is no such operation."),
    )
)]
pub(crate) async fn get_operation(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    let id = call.operation()?;
    let operation = app.service.store().operation(id).await?;
    let operation = operation.ok_or_else(|| unknown(id))?;
    let names = app.names().await?;
    Answer::ok(&OperationBody::new(&operation, &names))
}

/// Tells an operation's history
///
/// Oldest first.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/operations/{operation_id}/log", tag = "operations",
    params(
        ("operation_id" = Uuid, Path, description = "Which operation."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<u32>, Query, description = "Rows of a page.", minimum = 1, maximum = 500),
    ),
    responses(
        (status = 200, description = "A page of log entries.", body = PageBody<LogEntryBody>),
        (status = 404, description = "There is no such operation."),
    )
)]
pub(crate) async fn get_operation_log(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    let request = Parameters::new(&call.uri, &["cursor", "limit"], &problems).page();
    let request = problems.finish(Some(request))?;
    let id = call.operation()?;
    let first = request.after.is_none();
    let log = app.service.store().log(id, request).await?;
    if first && log.items.is_empty() && app.service.store().operation(id).await?.is_none() {
        return Err(unknown(id));
    }
    Answer::ok(&page(&log, LogEntryBody::new))
}

fn unknown(id: saldo_domain::ids::OperationId) -> Problem {
    Problem::new("operation_unknown", format!("there is no operation {id}"))
}
