//! Everything that a store's read methods show.

use std::collections::BTreeSet;

use saldo_domain::ids::OrderKey;
use saldo_domain::review::ReviewReason;
use saldo_domain::stock::OfferKey;
use saldo_domain::text::Sku;

use super::forms::at;
use super::must;
use crate::contract::Store;
use crate::query::{BalanceFilter, OperationFilter, Page, PageRequest, ReviewFilter};

/// Walks through all pages of a list.
macro_rules! all_pages {
    ($limit:expr, |$page:ident| $call:expr) => {{
        let mut $page = PageRequest::first($limit);
        let mut items = Vec::new();
        loop {
            let Page {
                items: some,
                next_cursor,
            } = must!($call.await, "a page");
            assert!(some.len() <= $limit, "a page is longer than its limit");
            assert!(
                next_cursor.is_none() || some.len() == $limit,
                "a page is shorter than its limit"
            );
            items.extend(some);
            match next_cursor {
                Some(cursor) => {
                    $page = PageRequest {
                        after: Some(cursor),
                        limit: $limit,
                    }
                }
                None => break items,
            }
        }
    }};
}
pub(super) use all_pages;

/// A dump, one line a row.
pub(super) async fn dump(store: &dyn Store, orders: &[OrderKey], offers: &[OfferKey]) -> Vec<String> {
    let mut lines = Vec::new();
    let operations = all_pages!(7, |page| store
        .operations(&OperationFilter::default(), page.clone()));
    for operation in operations {
        assert_eq!(
            must!(store.operation(operation.id).await, "operation").as_ref(),
            Some(&operation)
        );
        let log = all_pages!(3, |page| store.log(operation.id, page.clone()));
        lines.push(format!("{operation:?}"));
        lines.extend(log.iter().map(|entry| format!("{entry:?}")));
    }
    let reviews = all_pages!(5, |page| store.reviews(&ReviewFilter::default(), page.clone()));
    for review in reviews {
        assert_eq!(
            must!(store.review(review.id).await, "review").as_ref(),
            Some(&review)
        );
        lines.push(format!("{review:?}"));
    }
    let balances = all_pages!(2, |page| store.balances(&BalanceFilter::default(), page.clone()));
    let skus: BTreeSet<Sku> = balances.iter().map(|balance| balance.key.sku.clone()).collect();
    lines.extend(balances.iter().map(|balance| format!("{balance:?}")));
    for sku in &skus {
        let movements = all_pages!(6, |page| store.movements(sku, page.clone()));
        lines.extend(movements.iter().map(|movement| format!("{movement:?}")));
    }
    for order in orders {
        lines.push(format!("{order}: {:?}", must!(store.order(order).await, "order")));
    }
    for offer in offers {
        lines.push(format!("{:?}", must!(store.mapping(offer).await, "mapping")));
    }
    lines.push(format!(
        "{:?}",
        must!(store.counts(at(100_000), at(5_000)).await, "counts")
    ));
    lines.push(format!("{:?}", must!(store.next_due(&[]).await, "next_due")));
    lines.push(format!(
        "{:?}",
        must!(store.waiting_with_stock(None, 100).await, "waiting_with_stock")
    ));
    for reason in ReviewReason::ALL {
        let open = store.open_wide_reviews(reason, None, 500).await;
        lines.push(format!("{:?}", must!(open, "open_wide_reviews")));
    }
    lines.extend(super::reports::figures(store).await);
    lines
}
