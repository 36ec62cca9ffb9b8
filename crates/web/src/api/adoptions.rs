//! `POST /adoptions`: orders that were deducted before Saldo was there become known.

use saldo_domain::decide::{Adopt, AdoptedLine};
use saldo_domain::ids::{AccountId, OperationId, OrderId, OrderKey};
use saldo_domain::limits::LINES_MAX;
use saldo_domain::text::{Sku, Warehouse};
use saldo_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::{Fields, Problems, boolean, checked, note, quantity, uuid};
use crate::limits::ADOPTED_TOGETHER_MAX;
use crate::problem::Problem;

/// Orders that the old way has deducted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdoptionsRequest, example = json!({ "orders": [{
    "token_id": "6f652857-8798-5791-b345-f84d5a9ec333", "order_id": "29738e61-7f6a-11f1-ac45-09db60ede9d6",
    "lines": [{ "sku": "KUB-330-GRA", "quantity": 2 }], "flag_confirmed": true
}] }))]
pub struct AdoptionsRequest {
    /// The orders.
    #[schema(min_items = 1, max_items = 1000)]
    pub orders: Vec<AdoptionRequest>,
    /// Say what would become of them, and change nothing.
    pub dry_run: Option<bool>,
}

/// One order that the old way has deducted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdoptionRequest)]
pub struct AdoptionRequest {
    /// The account.
    #[schema(value_type = Uuid)]
    pub token_id: AccountId,
    /// The order.
    #[schema(min_length = 1, max_length = 128)]
    pub order_id: String,
    /// What the old way took, where that is known.
    #[schema(min_items = 1, max_items = 1000)]
    pub lines: Option<Vec<AdoptedLineRequest>>,
    /// Whether the orders service has confirmed its flag to the old way.
    pub flag_confirmed: Option<bool>,
    /// Whether Saldo is to send its flag instead of the old way. Needs its lines, each SKU once.
    pub hand_over: Option<bool>,
    /// Where it was read, for the log.
    #[schema(min_length = 1, max_length = 2000)]
    pub source: Option<String>,
}

/// What the old way took of one SKU.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AdoptedLineRequest)]
pub struct AdoptedLineRequest {
    /// The SKU.
    #[schema(min_length = 1, max_length = 200)]
    pub sku: String,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: i64,
    /// From where; the default warehouse when not given.
    #[schema(min_length = 1, max_length = 100)]
    pub warehouse: Option<String>,
}

/// What became of the orders.
#[derive(Serialize, ToSchema)]
#[schema(as = Adoptions)]
pub struct AdoptionsBody {
    /// Whether this only says what would become of them.
    pub dry_run: bool,
    /// One for each order, in order.
    pub items: Vec<AdoptionBody>,
}

/// What became of one order.
#[derive(Serialize, ToSchema)]
#[schema(as = Adoption)]
pub struct AdoptionBody {
    /// The account.
    #[schema(value_type = Uuid)]
    pub token_id: AccountId,
    /// The order.
    pub order_id: String,
    /// `adopted`: known from now on, nothing moves. `handed_over`: the same, and Saldo sends its flag. `known`: it was
    /// known already, nothing changed. `conflict`: Saldo has taken its stock itself, nothing changed. `refused`: see
    /// `detail`.
    pub outcome: &'static str,
    /// The operation that a repeat is answered with.
    #[schema(value_type = Option<Uuid>, required)]
    pub operation_id: Option<OperationId>,
    /// What is in the way.
    #[schema(required)]
    pub detail: Option<String>,
}

/// Makes orders known that were deducted before Saldo was there
///
/// They are never deducted again, whoever posts them, and Saldo does not touch their flags. Where the old way has not
/// told the orders service yet, `hand_over` has Saldo tell it: the stock is booked as it was before and taken once
/// more, so that balances stay as they are. The same again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/adoptions", tag = "orders",
    request_body = AdoptionsRequest,
    responses((status = 200, description = "What became of each.", body = AdoptionsBody))
)]
pub(crate) async fn post_adoptions(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    let (orders, dry_run) = read(&call.json()?, problems)?;
    let mut items = Vec::with_capacity(orders.len());
    if dry_run {
        for order in &orders {
            let (adoption, detail) = app.service.preview_adoption(order).await?;
            items.push(told(
                &order.key,
                adoption.as_str(),
                None,
                detail.map(str::to_owned),
            ));
        }
        return Answer::ok(&AdoptionsBody { dry_run, items });
    }
    let caller = call.caller(false);
    app.service.remember(&caller).await?;
    let keys: Vec<OrderKey> = orders.iter().map(|order| order.key.clone()).collect();
    let results = app.service.adopt_orders(orders, &caller).await;
    for (key, result) in keys.iter().zip(results) {
        items.push(match result {
            Ok(adopted) => told(key, adopted.adoption.as_str(), adopted.operation, adopted.detail),
            Err(StoreError::Refused(refusal)) => told(key, "refused", None, Some(refusal.detail)),
            // What was adopted before it stays so, and is known when this is asked again.
            Err(error) => return Err(error.into()),
        });
    }
    Answer::ok(&AdoptionsBody { dry_run, items })
}

fn told(
    key: &OrderKey,
    outcome: &'static str,
    operation_id: Option<OperationId>,
    detail: Option<String>,
) -> AdoptionBody {
    AdoptionBody {
        token_id: key.account,
        order_id: key.order.as_str().to_owned(),
        outcome,
        operation_id,
        detail,
    }
}

fn read(body: &Value, problems: Problems) -> Result<(Vec<Adopt>, bool), Problem> {
    let fields = problems.body(body, &["orders", "dry_run"]);
    let known = [
        "token_id",
        "order_id",
        "lines",
        "flag_confirmed",
        "hand_over",
        "source",
    ];
    let orders = fields.list("orders", ADOPTED_TOGETHER_MAX, &known, read_order);
    let dry_run = fields.optional("dry_run", boolean).unwrap_or(false);
    problems.finish(orders.map(|orders| (orders, dry_run)))
}

fn read_order(fields: &Fields<'_>) -> Option<Adopt> {
    let account = fields.required("token_id", uuid::<AccountId>);
    let order = fields.required("order_id", checked(OrderId::parse));
    let lines = match fields.get("lines") {
        None => Some(Vec::new()),
        Some(_) => fields.list("lines", LINES_MAX, &["sku", "quantity", "warehouse"], |line| {
            let sku = line.required("sku", checked(Sku::parse));
            let quantity = line.required("quantity", quantity);
            let warehouse = line.optional("warehouse", checked(Warehouse::parse));
            let (sku, quantity) = sku.zip(quantity)?;
            Some(AdoptedLine {
                sku,
                quantity,
                warehouse,
            })
        }),
    };
    let flag_confirmed = fields.optional("flag_confirmed", boolean);
    let hand_over = fields.optional("hand_over", boolean).unwrap_or(false);
    let source = fields.optional("source", note);
    let ((account, order), lines) = account.zip(order).zip(lines)?;
    Some(Adopt {
        key: OrderKey { account, order },
        lines,
        flag_confirmed,
        hand_over,
        source,
    })
}
