//! What the rules and the store refuse, as the caller is told.

use axum::http::StatusCode;
use saldo_domain::view::{Refusal, RefusalKind};
use saldo_store::StoreError;

use super::{PROBLEM_CODES, Problem};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Defect(detail) => Self::internal(detail),
            StoreError::Corrupt(detail) => Self::internal(detail),
            StoreError::Busy => {
                Self::new("busy", "too many requests wait already; nothing was changed").retry_later()
            }
            StoreError::Closed => {
                Self::new("closing", "Saldo is stopping; nothing was changed").retry_later()
            }
            StoreError::Unavailable(detail) => {
                tracing::error!(%detail, "the database failed");
                Self::new("unavailable", "the database could not do it; nothing was changed").retry_later()
            }
            StoreError::Unknown(detail) => {
                tracing::error!(%detail, "the database did not say whether it stored a request");
                let told = "it is not known whether it was done; ask again, a repeat is harmless";
                Self::new("outcome_unknown", told).retry_later()
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let known = PROBLEM_CODES.iter().find(|known| known.code == refusal.code);
        let title = known.map_or("The request is refused", |known| known.title);
        Self::of(status, refusal.code, title, refusal.detail)
    }
}
