//! The API's description.

mod patterns;

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, Object, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema,
    SchemaFormat, Type,
};
use utoipa::{Modify, OpenApi};

use crate::api;
use crate::authentication::{Access, word};
use crate::problem::{InputError, PROBLEM_CODES, ProblemBody};

/// The API's description.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Saldo",
        description = "Keeps a seller's own stock and the orders service that fronts Allegro in balance. Errors are \
            RFC 9457 problems; their codes are listed at /docs/problems.",
    ),
    tags(
        (name = "orders", description = "Taking orders in, and giving their stock back"),
        (name = "operations", description = "What was done, what waits, and undoing it"),
        (name = "reviews", description = "Questions for a person"),
        (name = "alerts", description = "What someone must hear about"),
        (name = "reconciliation", description = "Comparing the ledger with the orders service"),
        (name = "rollout", description = "Switching Saldo on step by step, and off again"),
        (name = "reports", description = "What happened in a week, or in any period"),
        (name = "stock", description = "Balances, movements, documents and mappings"),
        (name = "accounts", description = "Allegro seller accounts"),
        (name = "keys", description = "Who may ask"),
        (name = "status", description = "How Saldo is"),
    ),
    paths(
        api::health::healthz,
        api::health::readyz,
        api::metrics::get_metrics,
        api::status::get_status,
        api::operations::list_pending,
        api::operations::list_operations,
        api::operations::get_operation,
        api::operations::get_operation_log,
        api::retry::retry_many,
        api::retry::retry_operation,
        api::rollback::rollback_operation,
        api::orders::post_order,
        api::orders_batch::post_orders_batch,
        api::order_state::get_order,
        api::deductions::post_deduction,
        api::refunds::post_refund,
        api::webhook::post_webhook,
        api::adoptions::post_adoptions,
        api::reviews::list_reviews,
        api::reviews::get_review,
        api::reviews_resolve::resolve_many,
        api::reviews_resolve::resolve_review,
        api::reconcile::reconcile,
        api::reconcile::list_reconciliations,
        api::reconcile::get_reconciliation,
        api::discrepancies::list_discrepancies,
        api::mode::get_mode,
        api::mode::put_mode,
        api::mode::list_modes,
        api::shadow::get_shadow,
        api::tasks::run_task,
        api::alerts::list_alerts,
        api::alerts::get_alert,
        api::alerts::acknowledge_alert,
        api::reports::list_reports,
        api::reports::post_report,
        api::reports::get_report,
        api::events::get_events,
        api::accounts::list_accounts,
        api::accounts::post_account,
        api::keys::list_keys,
        api::keys::post_key,
        api::keys::delete_key,
        api::stock::balances::list_balances,
        api::stock::balances::get_sku,
        api::stock::movements::list_movements,
        api::stock::receipts::post_receipt,
        api::stock::adjustments::post_adjustment,
        api::stock::imports::post_import,
        api::stock::transfers::post_transfer,
        api::stock::validate::validate,
        api::stock::mappings::get_mapping,
        api::stock::mappings::put_mapping,
    ),
    components(schemas(ProblemBody, InputError)),
    modifiers(&WhatAllHaveInCommon)
)]
struct Description;

/// Adds what holds for many endpoints: keys, idempotency keys, and the problems that any of them can answer.
struct WhatAllHaveInCommon;

impl Modify for WhatAllHaveInCommon {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A key from `saldo keys`. Not needed while there are no keys and the server listens on \
                loopback only.",
            ))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
        for (name, schema) in &mut components.schemas {
            if let (true, RefOr::T(Schema::Object(object))) = (name.ends_with("Request"), schema) {
                patterns::describe(object);
            }
        }
        for route in api::routes() {
            let Some(path) = openapi.paths.paths.get_mut(route.path) else {
                continue;
            };
            let acts = matches!(route.method.as_str(), "POST" | "PUT");
            let operation = match route.method.as_str() {
                "GET" => path.get.as_mut(),
                "POST" => path.post.as_mut(),
                "PUT" => path.put.as_mut(),
                "DELETE" => path.delete.as_mut(),
                _ => None,
            };
            let Some(operation) = operation else { continue };
            if let Access::Role(role) = route.access {
                describe_access(operation, word(role));
            }
            if acts {
                describe_body(operation, route.method == "POST");
            }
            patterns::describe_parameters(operation);
            describe_problems(operation, &route.access, acts);
        }
    }
}

fn describe_access(operation: &mut Operation, role: &str) {
    let requirement = utoipa::openapi::security::SecurityRequirement::new("key", Vec::<String>::new());
    operation.security = Some(vec![requirement]);
    let description = operation.description.take().unwrap_or_default();
    operation.description = Some(
        format!("{description}\n\nNeeds the role `{role}`.")
            .trim()
            .to_owned(),
    );
}

fn describe_body(operation: &mut Operation, idempotent_by_key: bool) {
    if !idempotent_by_key {
        return;
    }
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some("^[!-~]+$"))
        .build();
    let parameter = utoipa::openapi::path::ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(utoipa::openapi::path::ParameterIn::Header)
        .required(utoipa::openapi::Required::False)
        .description(Some(
            "The same key and body give the same answer; another body is 409.",
        ))
        .schema(Some(schema))
        .build();
    operation
        .parameters
        .get_or_insert_default()
        .push(parameter.into());
}

/// Every status that an endpoint can answer is documented, with what it means here or in general.
fn describe_problems(operation: &mut Operation, access: &Access, acts: bool) {
    let responses = &mut operation.responses.responses;
    for response in responses
        .iter_mut()
        .filter(|(status, _)| status.starts_with(['4', '5']))
    {
        if let RefOr::T(response) = response.1 {
            response.content = problem(String::new()).content;
        }
    }
    let mut general = vec![500, 503];
    if *access != Access::Everyone {
        general.extend([401, 403, 422]);
    }
    if acts {
        general.extend([400, 408, 409, 413, 415]);
    }
    for status in general {
        let codes = PROBLEM_CODES
            .iter()
            .filter(|known| known.status == status)
            .map(|known| known.code);
        let codes = codes.collect::<Vec<_>>().join("`, `");
        let described = responses.entry(status.to_string());
        described
            .or_insert_with(|| RefOr::T(with_headers(status, problem(format!("A problem: `{codes}`.")))));
    }
}

fn problem(description: String) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
}

fn with_headers(status: u16, mut response: Response) -> Response {
    let text = || Object::with_type(Type::String);
    let (name, schema) = match status {
        401 => ("WWW-Authenticate", text()),
        503 => {
            let seconds =
                ObjectBuilder::new()
                    .schema_type(Type::Integer)
                    .format(Some(SchemaFormat::KnownFormat(
                        utoipa::openapi::KnownFormat::Int32,
                    )));
            ("Retry-After", seconds.build())
        }
        _ => return response,
    };
    response.headers.insert(
        name.to_owned(),
        HeaderBuilder::new().schema(Some(schema)).build().into(),
    );
    response
}
