//! Balances, movements, stock documents and mappings.

use jiff::Timestamp;
use saldo_domain::ids::{AccountId, OperationId};
use saldo_domain::stock::{Balance, Component};
use saldo_store::query::MovementRow;
use serde::Serialize;
use utoipa::ToSchema;

use super::operation::OperationBody;

/// The quantity on hand of a SKU in a warehouse.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Balance)]
pub struct BalanceBody<'a> {
    /// The SKU.
    pub sku: &'a str,
    /// The warehouse.
    pub warehouse: &'a str,
    /// Units on hand.
    pub quantity: i64,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl<'a> BalanceBody<'a> {
    pub(crate) fn new(balance: &'a Balance) -> Self {
        Self {
            sku: balance.key.sku.as_str(),
            warehouse: balance.key.warehouse.as_str(),
            quantity: balance.quantity,
            updated_at: balance.updated_at,
        }
    }
}

/// A SKU in all warehouses.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SkuStock)]
pub struct SkuBody<'a> {
    /// The SKU.
    pub sku: &'a str,
    /// Units on hand in all warehouses together.
    pub quantity: i64,
    /// By warehouse.
    pub items: Vec<BalanceBody<'a>>,
    /// Where further warehouses begin in `GET /api/v1/stock?sku=`; none after the last.
    #[schema(required)]
    pub next_cursor: Option<&'a str>,
}

/// An immutable ledger entry.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Movement)]
pub struct MovementBody<'a> {
    /// The SKU.
    pub sku: &'a str,
    /// The warehouse.
    pub warehouse: &'a str,
    /// Counts the movements of this SKU and warehouse, from 1.
    pub sequence: i64,
    /// Units: below zero takes, above zero brings.
    pub quantity: i64,
    /// The balance after it.
    pub balance_after: i64,
    /// The operation that caused it.
    #[schema(value_type = Uuid)]
    pub operation_id: OperationId,
    /// The account, where it was for an order.
    #[schema(value_type = Option<Uuid>, required)]
    pub token_id: Option<AccountId>,
    /// The order, where it was for one.
    #[schema(required)]
    pub order_id: Option<&'a str>,
    /// The order line, where it was for one.
    #[schema(required)]
    pub line_item_id: Option<&'a str>,
    /// Whether a balance below zero was explicitly allowed for it.
    pub negative_allowed: bool,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl<'a> MovementBody<'a> {
    pub(crate) fn new(row: &'a MovementRow) -> Self {
        let movement = &row.movement;
        Self {
            sku: movement.key.sku.as_str(),
            warehouse: movement.key.warehouse.as_str(),
            sequence: movement.sequence,
            quantity: movement.quantity,
            balance_after: movement.balance_after,
            operation_id: movement.operation,
            token_id: row.order.as_ref().map(|order| order.account),
            order_id: row.order.as_ref().map(|order| order.order.as_str()),
            line_item_id: movement.line.as_ref().map(|line| line.as_str()),
            negative_allowed: movement.negative_allowed,
            created_at: movement.at,
        }
    }
}

/// The answer to a receipt, a count or a transfer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DocumentResult)]
pub struct DocumentBody<'a> {
    /// Always true: a refused document is a problem instead.
    pub success: bool,
    /// The operation; none when nothing changed (a count that agreed).
    #[schema(value_type = Option<Uuid>, required)]
    pub operation_id: Option<OperationId>,
    /// The same, in full.
    #[schema(required)]
    pub operation: Option<OperationBody<'a>>,
}

/// Whether stock is enough for some lines.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Validation)]
pub struct ValidatedBody {
    /// Whether it is enough for all of them together.
    pub sufficient: bool,
    /// The lines, in their order.
    pub lines: Vec<ValidatedLineBody>,
}

/// Whether stock is enough for one line, after what the lines before it need.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ValidatedLine)]
pub struct ValidatedLineBody {
    /// The SKU.
    pub sku: String,
    /// The warehouse.
    pub warehouse: String,
    /// Units that the line needs.
    pub required: i64,
    /// Units that are there for it.
    pub available: i64,
    /// Units that are lacking.
    pub short: i64,
}

/// What an offer stands for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Mapping)]
pub struct MappingBody<'a> {
    /// The account.
    #[schema(value_type = Uuid)]
    pub token_id: AccountId,
    /// The offer.
    pub offer_id: &'a str,
    /// What one sold unit of it takes.
    pub components: Vec<ComponentBody<'a>>,
    /// When it was set.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Orders that were tried again because it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried_again: Option<u64>,
}

/// A SKU that a sold unit of an offer takes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Component)]
pub struct ComponentBody<'a> {
    /// The SKU.
    pub sku: &'a str,
    /// Units of it per sold unit.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub units: i64,
}

impl<'a> ComponentBody<'a> {
    pub(crate) fn new(component: &'a Component) -> Self {
        Self {
            sku: component.sku.as_str(),
            units: component.units,
        }
    }
}
