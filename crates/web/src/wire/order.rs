//! One order with everything that is kept of it.

use jiff::Timestamp;
use saldo_domain::ids::AccountId;
use saldo_domain::order::{Line, Order, Part, Standing};
use saldo_domain::view::OrderFile;
use serde::Serialize;
use utoipa::ToSchema;

use super::operation::OperationBody;
use super::review::ReviewBody;
use crate::app::Names;

/// One order with everything that is kept of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderBody<'a> {
    /// The account.
    #[schema(value_type = Uuid)]
    pub token_id: AccountId,
    /// The account's name, where it is known.
    #[schema(required)]
    pub account_name: Option<&'a str>,
    /// The order.
    pub order_id: &'a str,
    /// Where it stands: `awaits_payment`, `awaits_stock`, `awaits_review`, `applied`, `given_back`, `cancelled`,
    /// `skipped`, `merged` or `settled`.
    pub standing: &'static str,
    /// For a skipped order: why.
    #[schema(required)]
    pub skip_reason: Option<&'static str>,
    /// For a merged order: the form that answers for it.
    #[schema(required)]
    pub merged_into: Option<&'a str>,
    /// Where its lines are taken from.
    pub warehouse: &'a str,
    /// Whether any copy ever said that goods were sent.
    pub shipped: bool,
    /// Its lines with what is taken.
    pub lines: Vec<OrderLineBody<'a>>,
    /// The flag at the orders service.
    pub flag: FlagBody,
    /// Its operations, newest first, at most 500.
    pub operations: Vec<OperationBody<'a>>,
    /// Its reviews, closed ones too.
    pub reviews: Vec<ReviewBody<'a>>,
    /// When its first line was bought, where that is known.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub bought_at: Option<Timestamp>,
    /// When Saldo first heard of it.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When anything here last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// The flag at the orders service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Flag)]
pub struct FlagBody {
    /// What it should be: whether anything is taken.
    pub level: bool,
    /// What the service last confirmed to us; none when it never did.
    #[schema(required)]
    pub confirmed: Option<bool>,
    /// When that was.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub confirmed_at: Option<Timestamp>,
    /// Whether the service must still be told.
    pub owed: bool,
    /// When it is told next.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub due_at: Option<Timestamp>,
}

/// A line of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderLine)]
pub struct OrderLineBody<'a> {
    /// The line item; one that we made where none was given.
    pub line_item_id: &'a str,
    /// The offer, where it is known.
    #[schema(required)]
    pub offer_id: Option<&'a str>,
    /// The seller's own key of the offer.
    #[schema(required)]
    pub sku: Option<&'a str>,
    /// Sold units.
    pub quantity: i64,
    /// Net units taken.
    pub taken: i64,
    /// What was taken from where; empty while nothing was.
    pub parts: Vec<PartBody<'a>>,
}

/// What a line takes of one SKU.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Part)]
pub struct PartBody<'a> {
    /// The SKU.
    pub sku: &'a str,
    /// The warehouse.
    pub warehouse: &'a str,
    /// Units of it per sold unit.
    pub units: i64,
    /// Net units taken now.
    pub taken: i64,
}

impl<'a> OrderBody<'a> {
    pub(crate) fn new(file: &'a OrderFile, names: &'a Names) -> Self {
        let order = &file.order;
        Self {
            token_id: order.key.account,
            account_name: names.get(&order.key.account).map(String::as_str),
            order_id: order.key.order.as_str(),
            standing: standing(&order.standing),
            skip_reason: match &order.standing {
                Standing::Skipped { reason } => Some(reason.as_str()),
                _ => None,
            },
            merged_into: match &order.standing {
                Standing::Merged { into } => Some(into.as_str()),
                _ => None,
            },
            warehouse: order.warehouse.as_str(),
            shipped: order.shipped,
            lines: order.lines.iter().map(OrderLineBody::new).collect(),
            flag: FlagBody::new(order, file),
            operations: file
                .operations
                .iter()
                .map(|operation| OperationBody::new(operation, names))
                .collect(),
            reviews: file.reviews.iter().map(ReviewBody::new).collect(),
            bought_at: order.bought_at,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

const fn standing(standing: &Standing) -> &'static str {
    match standing {
        Standing::AwaitsPayment => "awaits_payment",
        Standing::AwaitsStock => "awaits_stock",
        Standing::AwaitsReview => "awaits_review",
        Standing::Applied => "applied",
        Standing::GivenBack => "given_back",
        Standing::Cancelled { .. } => "cancelled",
        Standing::Skipped { .. } => "skipped",
        Standing::Merged { .. } => "merged",
        Standing::Settled => "settled",
    }
}

impl FlagBody {
    fn new(order: &Order, file: &OrderFile) -> Self {
        Self {
            level: order.level(),
            confirmed: order.flag_confirmed,
            confirmed_at: order.flag_confirmed_at,
            owed: file.delivery.is_some(),
            due_at: file.delivery.as_ref().map(|delivery| delivery.due_at),
        }
    }
}

impl<'a> OrderLineBody<'a> {
    fn new(line: &'a Line) -> Self {
        Self {
            line_item_id: line.id.as_str(),
            offer_id: line.offer.as_ref().map(|offer| offer.as_str()),
            sku: line.external.as_ref().map(|sku| sku.as_str()),
            quantity: line.quantity,
            taken: line.taken(),
            parts: line.parts.iter().map(PartBody::new).collect(),
        }
    }
}

impl<'a> PartBody<'a> {
    fn new(part: &'a Part) -> Self {
        Self {
            sku: part.key.sku.as_str(),
            warehouse: part.key.warehouse.as_str(),
            units: part.units,
            taken: part.taken,
        }
    }
}
