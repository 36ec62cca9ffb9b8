//! Answers to what concerns one order.

use std::collections::BTreeMap;

use saldo_domain::decide::{Restored, SyncStatus};
use saldo_domain::ids::{OperationId, ReviewId};
use saldo_engine::{RollbackResult, SyncResult};
use serde::Serialize;
use utoipa::ToSchema;

use super::operation::OperationBody;
use super::words::{RemoteFlagWord, SyncStatusWord};
use crate::app::Names;

/// The answer to everything that concerns one order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SyncResult)]
pub struct SyncBody<'a> {
    /// Whether the orders service has confirmed, or nothing is owed.
    pub success: bool,
    /// How the order stands.
    #[schema(value_type = SyncStatusWord)]
    pub status: SyncStatus,
    /// Whether it was known and nothing changed.
    pub duplicate: bool,
    /// The operation that answers.
    #[schema(required)]
    pub operation: Option<OperationBody<'a>>,
    /// What is in the way.
    #[schema(required)]
    pub error: Option<&'a str>,
    /// The review that it waits for.
    #[schema(value_type = Option<Uuid>, required)]
    pub review_id: Option<ReviewId>,
}

impl<'a> SyncBody<'a> {
    pub(crate) fn new(result: &'a SyncResult, names: &'a Names) -> Self {
        Self {
            success: result.success,
            status: result.status,
            duplicate: result.duplicate,
            operation: result
                .operation
                .as_ref()
                .map(|operation| OperationBody::new(operation, names)),
            error: result.error.as_deref(),
            review_id: result.review_id,
        }
    }
}

/// The answer to a rollback.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RollbackResult)]
pub struct RollbackBody<'a> {
    /// Whether it was recorded; `remote_flag` tells the rest.
    pub success: bool,
    /// The operation that was undone.
    #[schema(value_type = Uuid)]
    pub operation_id: OperationId,
    /// The operation that undid it, where stock had moved.
    #[schema(value_type = Option<Uuid>, required)]
    pub refund_operation_id: Option<OperationId>,
    /// What went back.
    pub restored: Vec<RestoredBody<'a>>,
    /// What became of the service's flag.
    #[schema(value_type = RemoteFlagWord)]
    pub remote_flag: &'static str,
}

/// A quantity that went back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Restored)]
pub struct RestoredBody<'a> {
    /// The SKU.
    pub sku: &'a str,
    /// The warehouse.
    pub warehouse: &'a str,
    /// Units; below zero where undoing takes.
    pub quantity: i64,
}

impl<'a> RestoredBody<'a> {
    /// One row for each SKU and warehouse, so that a repeat answers as the first call did.
    fn rows(restored: &'a [Restored]) -> Vec<Self> {
        let mut sums: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for part in restored {
            *sums
                .entry((part.sku.as_str(), part.warehouse.as_str()))
                .or_default() += part.quantity;
        }
        sums.into_iter()
            .map(|((sku, warehouse), quantity)| Self {
                sku,
                warehouse,
                quantity,
            })
            .collect()
    }
}

impl<'a> RollbackBody<'a> {
    pub(crate) fn new(result: &'a RollbackResult) -> Self {
        Self {
            success: result.success,
            operation_id: result.operation_id,
            refund_operation_id: result.refund_operation_id,
            restored: RestoredBody::rows(&result.restored),
            remote_flag: result.remote_flag.as_str(),
        }
    }
}
