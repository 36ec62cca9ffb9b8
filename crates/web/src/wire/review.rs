//! Reviews.

use jiff::Timestamp;
use saldo_domain::ids::{AccountId, OperationId, ReviewId};
use saldo_domain::review::{Resolution, Review, ReviewReason};
use serde::Serialize;
use utoipa::ToSchema;

use super::sync_result::SyncBody;
use super::words::{ResolutionWord, ReviewReasonWord, ReviewStatusWord};

/// One question for a person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Review)]
pub struct ReviewBody<'a> {
    /// Which review.
    #[schema(value_type = Uuid)]
    pub id: ReviewId,
    /// Why.
    #[schema(value_type = ReviewReasonWord)]
    pub reason: ReviewReason,
    /// Whether it waits for an answer.
    pub status: ReviewStatusWord,
    /// The account, where it is about one.
    #[schema(value_type = Option<Uuid>, required)]
    pub token_id: Option<AccountId>,
    /// The order, where it is about one.
    #[schema(required)]
    pub order_id: Option<&'a str>,
    /// The operation that waits for the answer.
    #[schema(value_type = Option<Uuid>, required)]
    pub operation_id: Option<OperationId>,
    /// Facts for the person: for stock, the lines with what is required, available and short.
    #[schema(value_type = Value)]
    pub details: &'a serde_json::Value,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When it was answered, or its cause was gone.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub resolved_at: Option<Timestamp>,
    /// The answer; none when the cause went away by itself.
    #[schema(value_type = Option<ResolutionWord>, required)]
    pub resolution: Option<Resolution>,
    /// Who answered: a key's name, or `saldo`.
    #[schema(required)]
    pub resolved_by: Option<&'a str>,
    /// What the person wrote.
    #[schema(required)]
    pub note: Option<&'a str>,
}

impl<'a> ReviewBody<'a> {
    pub(crate) fn new(review: &'a Review) -> Self {
        let answer = review.answer.as_ref();
        Self {
            id: review.id,
            reason: review.reason,
            status: if answer.is_none() {
                ReviewStatusWord::Open
            } else {
                ReviewStatusWord::Resolved
            },
            token_id: review.subject.account(),
            order_id: review.subject.order().map(|order| order.as_str()),
            operation_id: review.operation,
            details: &review.details,
            opened_at: review.opened_at,
            resolved_at: answer.map(|answer| answer.at),
            resolution: answer.and_then(|answer| answer.resolution),
            resolved_by: answer.map(|answer| answer.by.as_str()),
            note: answer.and_then(|answer| answer.note.as_deref()),
        }
    }
}

/// The review as it stands now, and what its answer led to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResolveResult)]
pub struct ResolveBody<'a> {
    /// The review.
    #[serde(flatten)]
    pub review: ReviewBody<'a>,
    /// How its order stands now, where it is about one.
    #[schema(required)]
    pub order: Option<SyncBody<'a>>,
    /// Further orders that were tried again because of it.
    pub tried_again: u64,
}
