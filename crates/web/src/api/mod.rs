//! The endpoints, one noun to a file. Each file holds what its requests look like, how they are read, and what is
//! asked of the service.

pub mod accounts;
pub mod adoptions;
pub mod alerts;
pub mod deductions;
pub mod discrepancies;
pub mod events;
pub mod health;
pub mod keys;
pub mod metrics;
pub mod mode;
pub mod operations;
pub mod order_state;
pub mod orders;
pub mod orders_batch;
pub mod reconcile;
pub mod refunds;
pub mod reports;
pub mod retry;
pub mod reviews;
pub mod reviews_resolve;
pub mod rollback;
pub mod shadow;
pub mod status;
pub mod stock;
pub mod tasks;
pub mod webhook;

use axum::http::StatusCode;
use saldo_domain::decide::SyncStatus;
use saldo_engine::SyncResult;
use saldo_store::query::Role;

use crate::answer::Answer;
use crate::app::App;
use crate::authentication::Access;
use crate::endpoint::{Route, delete, get, post, post_long, post_stream, put};
use crate::problem::Problem;
use crate::wire::SyncBody;

/// Every route. A route without an access cannot be written down, and a test asks each of them without a key.
pub(crate) fn routes() -> Vec<Route> {
    let viewer = Access::Role(Role::Viewer);
    let operator = Access::Role(Role::Operator);
    let admin = Access::Role(Role::Admin);
    vec![
        get("/healthz", Access::Everyone, health::healthz),
        get("/readyz", Access::Everyone, health::readyz),
        get("/metrics", Access::Everyone, metrics::get_metrics),
        get("/api/v1/stock-sync/status", viewer, status::get_status),
        get("/api/v1/stock-sync/pending", viewer, operations::list_pending),
        get(
            "/api/v1/stock-sync/operations",
            viewer,
            operations::list_operations,
        ),
        get(
            "/api/v1/stock-sync/operations/{operation_id}",
            viewer,
            operations::get_operation,
        ),
        get(
            "/api/v1/stock-sync/operations/{operation_id}/log",
            viewer,
            operations::get_operation_log,
        ),
        post("/api/v1/stock-sync/retry", operator, retry::retry_many),
        post(
            "/api/v1/stock-sync/retry/{operation_id}",
            operator,
            retry::retry_operation,
        ),
        post(
            "/api/v1/stock-sync/rollback/{operation_id}",
            operator,
            rollback::rollback_operation,
        ),
        post("/api/v1/stock-sync/orders", operator, orders::post_order),
        post_stream(
            "/api/v1/stock-sync/orders/batch",
            operator,
            orders_batch::post_orders_batch,
        ),
        get(
            "/api/v1/stock-sync/orders/{token_id}/{order_id}",
            viewer,
            order_state::get_order,
        ),
        post(
            "/api/v1/stock-sync/deductions",
            operator,
            deductions::post_deduction,
        ),
        post("/api/v1/stock-sync/refunds", operator, refunds::post_refund),
        post("/api/v1/stock-sync/webhook", operator, webhook::post_webhook),
        post(
            "/api/v1/stock-sync/adoptions",
            operator,
            adoptions::post_adoptions,
        ),
        get("/api/v1/stock-sync/reviews", viewer, reviews::list_reviews),
        get(
            "/api/v1/stock-sync/reviews/{review_id}",
            viewer,
            reviews::get_review,
        ),
        post(
            "/api/v1/stock-sync/reviews/resolve",
            operator,
            reviews_resolve::resolve_many,
        ),
        post(
            "/api/v1/stock-sync/reviews/{review_id}/resolve",
            operator,
            reviews_resolve::resolve_review,
        ),
        post_long("/api/v1/stock-sync/reconcile", operator, reconcile::reconcile),
        get(
            "/api/v1/stock-sync/reconciliations",
            viewer,
            reconcile::list_reconciliations,
        ),
        get(
            "/api/v1/stock-sync/reconciliations/{run_id}",
            viewer,
            reconcile::get_reconciliation,
        ),
        get(
            "/api/v1/stock-sync/discrepancies",
            viewer,
            discrepancies::list_discrepancies,
        ),
        get("/api/v1/stock-sync/mode", viewer, mode::get_mode),
        put("/api/v1/stock-sync/mode", admin, mode::put_mode),
        get("/api/v1/stock-sync/mode/history", viewer, mode::list_modes),
        get("/api/v1/stock-sync/shadow", viewer, shadow::get_shadow),
        post_long("/api/v1/stock-sync/tasks/{task}/run", operator, tasks::run_task),
        get("/api/v1/stock-sync/alerts", viewer, alerts::list_alerts),
        get("/api/v1/stock-sync/alerts/{alert_id}", viewer, alerts::get_alert),
        post(
            "/api/v1/stock-sync/alerts/{alert_id}/acknowledge",
            operator,
            alerts::acknowledge_alert,
        ),
        get("/api/v1/stock-sync/reports", viewer, reports::list_reports),
        post_long("/api/v1/stock-sync/reports", operator, reports::post_report),
        get(
            "/api/v1/stock-sync/reports/{report_id}",
            viewer,
            reports::get_report,
        ),
        get("/api/v1/stock-sync/events", viewer, events::get_events),
        get("/api/v1/stock-sync/accounts", viewer, accounts::list_accounts),
        post("/api/v1/stock-sync/accounts", admin, accounts::post_account),
        get("/api/v1/stock-sync/keys", admin, keys::list_keys),
        post("/api/v1/stock-sync/keys", admin, keys::post_key),
        delete("/api/v1/stock-sync/keys/{name}", admin, keys::delete_key),
        get("/api/v1/stock", viewer, stock::balances::list_balances),
        get("/api/v1/stock/{sku}", viewer, stock::balances::get_sku),
        get(
            "/api/v1/stock/{sku}/movements",
            viewer,
            stock::movements::list_movements,
        ),
        post("/api/v1/stock/receipts", operator, stock::receipts::post_receipt),
        post(
            "/api/v1/stock/adjustments",
            operator,
            stock::adjustments::post_adjustment,
        ),
        post_stream("/api/v1/stock/imports", operator, stock::imports::post_import),
        post(
            "/api/v1/stock/transfers",
            operator,
            stock::transfers::post_transfer,
        ),
        post("/api/v1/stock/validate", viewer, stock::validate::validate),
        get(
            "/api/v1/stock/mappings/{token_id}/{offer_id}",
            viewer,
            stock::mappings::get_mapping,
        ),
        put(
            "/api/v1/stock/mappings/{token_id}/{offer_id}",
            operator,
            stock::mappings::put_mapping,
        ),
    ]
}

/// 200 when nothing more is to be done, 202 when it is recorded and waits.
pub(crate) const fn sync_status(result: &SyncResult) -> StatusCode {
    match result.status {
        SyncStatus::Completed | SyncStatus::Skipped | SyncStatus::Merged | SyncStatus::RolledBack => {
            StatusCode::OK
        }
        SyncStatus::Pending | SyncStatus::Failed => StatusCode::ACCEPTED,
        // The engine refuses it with the code of the same name.
        SyncStatus::ModeOff => StatusCode::CONFLICT,
    }
}

/// How an order stands, with the status code that says so.
pub(crate) async fn sync_answer(app: &App, result: &SyncResult) -> Result<Answer, Problem> {
    let names = app.names().await.unwrap_or_default();
    Answer::json(sync_status(result), &SyncBody::new(result, &names))
}
