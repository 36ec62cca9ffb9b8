//! Lists.

use saldo_store::query::Page;
use serde::Serialize;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct PageBody<'a, T> {
    /// The rows.
    pub items: Vec<T>,
    /// What to give as `cursor` for the next page; none after the last.
    #[schema(required)]
    pub next_cursor: Option<&'a str>,
}

/// A page with each row as it goes over the wire.
pub(crate) fn page<'a, R, T>(rows: &'a Page<R>, tell: impl Fn(&'a R) -> T) -> PageBody<'a, T> {
    PageBody {
        items: rows.items.iter().map(tell).collect(),
        next_cursor: rows.next_cursor.as_deref(),
    }
}
