//! The names that other programs rely on: fields, filters and words may be added to the description, never renamed.

use serde_json::Value;

use crate::documents::description_text;

/// Schemas, with the fields or words that each must have.
const SCHEMAS: [(&str, &str); 22] = [
    ("Problem", "type title status detail code errors"),
    ("InputError", "pointer message"),
    ("SyncResult", "success status duplicate operation error review_id"),
    (
        "SyncStatusWord",
        "completed pending failed skipped merged rolled_back",
    ),
    (
        "Operation",
        "id operation_type status token_id account_name order_id lines sku quantity warehouse retry_count max_retries \
         next_retry_at error_message waiting_for created_at updated_at stock_applied_at completed_at rolled_back_by \
         review_id",
    ),
    ("OperationLine", "line_item_id offer_id sku quantity warehouse"),
    ("OperationTypeWord", "deduction refund adjustment"),
    (
        "OperationStatusWord",
        "pending processing completed failed rolled_back",
    ),
    ("WaitingForWord", "delivery stock payment account review"),
    (
        "LogEntry",
        "id operation_id action status details timestamp execution_time_ms",
    ),
    (
        "ReconciliationResult",
        "run_id total_checked discrepancies_found auto_fixed requires_manual_review calls duration_ms discrepancies",
    ),
    ("Discrepancy", "id kind token_id order_id local remote resolution"),
    (
        "DiscrepancyKindWord",
        "not_delivered missed_order remote_only cancelled_after_deduction cancelled_after_shipment quantity_mismatch \
         missing_remotely",
    ),
    (
        "Review",
        "id reason status token_id order_id operation_id details opened_at resolved_at resolution resolved_by note",
    ),
    (
        "ReviewReasonWord",
        "insufficient_stock sku_missing sku_unknown delivery_failed gave_up account_unusable remote_only \
         cancelled_after_shipment quantity_mismatch missing_remotely",
    ),
    ("ResolutionWord", "retry accept force cancel map_sku"),
    (
        "RollbackResult",
        "success operation_id refund_operation_id restored remote_flag",
    ),
    ("RemoteFlagWord", "cleared pending unchanged"),
    (
        "Status",
        "status mode version uptime_seconds operations success_rate average_retry_seconds oldest_pending_seconds \
         discrepancies_open reviews_open orders_service last_reconciliation alerts",
    ),
    (
        "OperationCounts",
        "pending processing completed_today failed stale waiting_for_stock waiting_for_payment in_review",
    ),
    ("OrdersServiceState", "circuit live_orders latency_ms last_error"),
    ("Balance", "sku warehouse quantity updated_at"),
];

/// Calls, with the parameters or the fields of the body that each must take.
const CALLS: [(&str, &str, &str); 41] = [
    ("get", "/api/v1/stock-sync/status", ""),
    (
        "get",
        "/api/v1/stock-sync/pending",
        "order_id sku warehouse token_id status limit cursor",
    ),
    (
        "get",
        "/api/v1/stock-sync/operations",
        "order_id sku warehouse token_id status limit cursor",
    ),
    ("get", "/api/v1/stock-sync/operations/{operation_id}", ""),
    ("get", "/api/v1/stock-sync/operations/{operation_id}/log", ""),
    (
        "post",
        "/api/v1/stock-sync/reconcile",
        "token_id from to limit auto_fix Idempotency-Key",
    ),
    ("post", "/api/v1/stock-sync/retry/{operation_id}", "wait"),
    ("post", "/api/v1/stock-sync/retry", "status reason token_id ids"),
    (
        "post",
        "/api/v1/stock-sync/rollback/{operation_id}",
        "reason force",
    ),
    (
        "post",
        "/api/v1/stock-sync/orders",
        "token_id order warehouse wait Idempotency-Key",
    ),
    ("post", "/api/v1/stock-sync/orders/batch", ""),
    (
        "post",
        "/api/v1/stock-sync/deductions",
        "token_id order_id sku quantity warehouse line_item_id",
    ),
    (
        "post",
        "/api/v1/stock-sync/refunds",
        "token_id order_id lines reason",
    ),
    ("post", "/api/v1/stock-sync/webhook", "token_id order_id"),
    ("get", "/api/v1/stock-sync/orders/{token_id}/{order_id}", ""),
    ("get", "/api/v1/stock-sync/discrepancies", "run_id limit cursor"),
    ("get", "/api/v1/stock-sync/reconciliations", "limit cursor"),
    ("get", "/api/v1/stock-sync/reviews", "status limit cursor"),
    (
        "post",
        "/api/v1/stock-sync/reviews/{review_id}/resolve",
        "resolution note sku components",
    ),
    ("post", "/api/v1/stock-sync/reviews/resolve", "resolution note"),
    ("get", "/api/v1/stock-sync/alerts", "limit cursor"),
    ("post", "/api/v1/stock-sync/alerts/{alert_id}/acknowledge", ""),
    ("get", "/api/v1/stock-sync/reports", "limit cursor"),
    ("get", "/api/v1/stock-sync/reports/{report_id}", "format"),
    ("get", "/api/v1/stock-sync/events", ""),
    ("get", "/api/v1/stock-sync/mode", ""),
    ("put", "/api/v1/stock-sync/mode", "mode accounts percent"),
    ("get", "/api/v1/stock-sync/accounts", "limit cursor"),
    ("post", "/api/v1/stock-sync/accounts", "token_id name"),
    ("get", "/api/v1/stock", "sku warehouse below limit cursor"),
    ("get", "/api/v1/stock/{sku}", ""),
    ("get", "/api/v1/stock/{sku}/movements", "limit cursor"),
    ("post", "/api/v1/stock/receipts", "lines reference"),
    ("post", "/api/v1/stock/adjustments", "lines reason"),
    ("post", "/api/v1/stock/transfers", "sku from to quantity"),
    ("post", "/api/v1/stock/validate", "lines"),
    ("get", "/api/v1/stock/mappings/{token_id}/{offer_id}", ""),
    (
        "put",
        "/api/v1/stock/mappings/{token_id}/{offer_id}",
        "components",
    ),
    ("get", "/healthz", ""),
    ("get", "/readyz", ""),
    ("get", "/metrics", ""),
];

fn described() -> Value {
    serde_json::from_str(&description_text()).unwrap()
}

#[test]
fn every_field_and_word_that_others_rely_on_is_there() {
    let description = described();
    for (name, fields) in SCHEMAS {
        let schema = &description["components"]["schemas"][name];
        for field in fields.split_whitespace() {
            let is_word = schema["enum"]
                .as_array()
                .is_some_and(|words| words.iter().any(|word| word == field));
            assert!(
                is_word || schema["properties"][field].is_object(),
                "{name} lacks {field}"
            );
        }
    }
}

#[test]
fn every_call_that_others_rely_on_takes_what_it_took() {
    let description = described();
    for (method, path, names) in CALLS {
        let call = &description["paths"][path][method];
        assert!(call.is_object(), "{method} {path}");
        let parameters: Vec<&Value> = call["parameters"].as_array().into_iter().flatten().collect();
        let schema = "/requestBody/content/application~1json/schema";
        // A body that may be left out is one of two: this, or null.
        let body = call
            .pointer(&format!("{schema}/$ref"))
            .or_else(|| call.pointer(&format!("{schema}/oneOf/0/$ref")))
            .and_then(|reference| description.pointer(&reference.as_str()?[1..]));
        for name in names.split_whitespace() {
            let is_field = body.is_some_and(|body| body["properties"][name].is_object());
            let parameter = parameters.iter().find(|parameter| parameter["name"] == name);
            assert!(is_field || parameter.is_some(), "{method} {path} lacks {name}");
            if let Some(parameter) = parameter.filter(|_| name == "limit") {
                let schema = &parameter["schema"];
                assert_eq!(
                    (&schema["minimum"], &schema["maximum"]),
                    (&1.into(), &500.into()),
                    "{path}"
                );
            }
        }
    }
}
