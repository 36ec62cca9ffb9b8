//! Open reviews that are about an account or the whole service, and about no single order.

use saldo_domain::review::{Review, ReviewReason};
use saldo_store::{Store, StoreError};

/// Reviews that are read at once.
const READ_TOGETHER: usize = 500;

/// All of a reason, oldest first: at most one for each account, and one for the service.
pub(crate) async fn open(store: &dyn Store, reason: ReviewReason) -> Result<Vec<Review>, StoreError> {
    let mut reviews: Vec<Review> = Vec::new();
    loop {
        let after = reviews.last().map(|review| review.id);
        let page = store.open_wide_reviews(reason, after, READ_TOGETHER).await?;
        let is_last = page.len() < READ_TOGETHER;
        reviews.extend(page);
        if is_last {
            return Ok(reviews);
        }
    }
}
