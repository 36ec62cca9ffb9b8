//! Operations.

use jiff::Timestamp;
use saldo_domain::ids::{AccountId, OperationId, ReviewId};
use saldo_domain::operation::{Operation, OperationLine, OperationStatus, OperationType, WaitingFor};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::{OperationStatusWord, OperationTypeWord, WaitingForWord};
use crate::app::Names;

/// One thing to do to stock and to tell the orders service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub struct OperationBody<'a> {
    /// Which operation.
    #[schema(value_type = Uuid)]
    pub id: OperationId,
    /// What it does.
    #[schema(value_type = OperationTypeWord)]
    pub operation_type: OperationType,
    /// Where it stands.
    #[schema(value_type = OperationStatusWord)]
    pub status: OperationStatus,
    /// The account; none for an adjustment.
    #[schema(value_type = Option<Uuid>, required)]
    pub token_id: Option<AccountId>,
    /// The account's name, where it is known.
    #[schema(required)]
    pub account_name: Option<&'a str>,
    /// The order; none for an adjustment.
    #[schema(required)]
    pub order_id: Option<&'a str>,
    /// What it moves.
    pub lines: Vec<OperationLineBody<'a>>,
    /// The SKU of the only line.
    #[schema(required)]
    pub sku: Option<&'a str>,
    /// The quantity of the only line.
    #[schema(required)]
    pub quantity: Option<i64>,
    /// The warehouse of the only line.
    #[schema(required)]
    pub warehouse: Option<&'a str>,
    /// Retries made, not counting the first attempt.
    pub retry_count: u32,
    /// Retries allowed.
    pub max_retries: u32,
    /// When it is tried next, where that is known.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub next_retry_at: Option<Timestamp>,
    /// What went wrong last.
    #[schema(required)]
    pub error_message: Option<&'a str>,
    /// What it waits for.
    #[schema(value_type = Option<WaitingForWord>, required)]
    pub waiting_for: Option<WaitingFor>,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// When its stock was moved.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub stock_applied_at: Option<Timestamp>,
    /// When it was completed.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub completed_at: Option<Timestamp>,
    /// The operation that undid it.
    #[schema(value_type = Option<Uuid>, required)]
    pub rolled_back_by: Option<OperationId>,
    /// The operation that it undoes.
    #[schema(value_type = Option<Uuid>, required)]
    pub rolls_back: Option<OperationId>,
    /// The review it waits for.
    #[schema(value_type = Option<Uuid>, required)]
    pub review_id: Option<ReviewId>,
}

/// What an operation moves, or would move.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperationLine)]
pub struct OperationLineBody<'a> {
    /// The order line; none for receipts, counts and transfers.
    #[schema(required)]
    pub line_item_id: Option<&'a str>,
    /// The offer, where it is known.
    #[schema(required)]
    pub offer_id: Option<&'a str>,
    /// The SKU; none while it is not known what the offer stands for.
    #[schema(required)]
    pub sku: Option<&'a str>,
    /// Units: taken by a deduction, brought back by a refund, signed for an adjustment.
    pub quantity: i64,
    /// The warehouse.
    pub warehouse: &'a str,
}

impl<'a> OperationLineBody<'a> {
    fn new(line: &'a OperationLine) -> Self {
        Self {
            line_item_id: line.line.as_ref().map(|line| line.as_str()),
            offer_id: line.offer.as_ref().map(|offer| offer.as_str()),
            sku: line.sku.as_ref().map(|sku| sku.as_str()),
            quantity: line.quantity,
            warehouse: line.warehouse.as_str(),
        }
    }
}

impl<'a> OperationBody<'a> {
    pub(crate) fn new(operation: &'a Operation, names: &'a Names) -> Self {
        let account = operation.order.as_ref().map(|order| order.account);
        let only = match operation.lines.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        Self {
            id: operation.id,
            operation_type: operation.operation_type,
            status: operation.status,
            token_id: account,
            account_name: account
                .and_then(|account| names.get(&account))
                .map(String::as_str),
            order_id: operation.order.as_ref().map(|order| order.order.as_str()),
            lines: operation.lines.iter().map(OperationLineBody::new).collect(),
            sku: only.and_then(|line| line.sku.as_ref()).map(|sku| sku.as_str()),
            quantity: only.map(|line| line.quantity),
            warehouse: only.map(|line| line.warehouse.as_str()),
            retry_count: operation.retry_count,
            max_retries: operation.max_retries,
            next_retry_at: operation.next_retry_at,
            error_message: operation.error_message.as_deref(),
            waiting_for: operation.waiting_for,
            created_at: operation.created_at,
            updated_at: operation.updated_at,
            stock_applied_at: operation.stock_applied_at,
            completed_at: operation.completed_at,
            rolled_back_by: operation.rolled_back_by,
            rolls_back: operation.rolls_back,
            review_id: operation.review,
        }
    }
}
