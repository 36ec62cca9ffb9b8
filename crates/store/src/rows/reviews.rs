//! Reviews.

use saldo_domain::ids::{AccountId, OperationId, OrderId, OrderKey, ReviewId};
use saldo_domain::review::{Answer, Review, Subject};

use crate::cells::{
    Cells, id, json, moment, optional_id, optional_moment, optional_string, optional_text, string, text,
};

/// The columns of [`review`].
#[macro_export]
macro_rules! review_columns {
    () => {
        "id, reason, account, order_id, operation, details, opened_at, answered_at, answered_by, \
         resolution, note"
    };
}

/// A review, with its answer.
pub fn review<E>(row: &impl Cells<E>) -> Result<Review, E> {
    let account = optional_id(row, 2, AccountId::new)?;
    let order = optional_text(row, 3, OrderId::parse)?;
    let subject = match (account, order) {
        (Some(account), Some(order)) => Subject::Order(OrderKey { account, order }),
        (Some(account), None) => Subject::Account(account),
        (None, _) => Subject::Service,
    };
    let answer = match optional_moment(row, 7)? {
        Some(at) => Some(Answer {
            by: string(row, 8)?,
            resolution: optional_text(row, 9, str::parse)?,
            note: optional_string(row, 10)?,
            at,
        }),
        None => None,
    };
    Ok(Review {
        id: id(row, 0, ReviewId::new)?,
        reason: text(row, 1, str::parse)?,
        subject,
        operation: optional_id(row, 4, OperationId::new)?,
        details: json(row, 5)?,
        opened_at: moment(row, 6)?,
        answer,
    })
}
