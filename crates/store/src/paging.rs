//! Pages by key: a cursor names the last row of the page before, so rows that come or go elsewhere move nothing.

use saldo_domain::view::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::query::{PAGE_ROWS_MAX, Page, PageRequest};

impl PageRequest {
    /// The first page.
    #[must_use]
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }

    /// The position to begin after, once the request was checked.
    ///
    /// # Errors
    /// When the limit is out of range, or the cursor is none of ours.
    pub fn position<P: DeserializeOwned>(&self) -> Result<Option<P>, StoreError> {
        if self.limit == 0 || self.limit > PAGE_ROWS_MAX {
            return Err(
                Refusal::invalid("limit_invalid", format!("limit must be 1 to {PAGE_ROWS_MAX}")).into(),
            );
        }
        self.after.as_deref().map(position_of).transpose()
    }
}

fn position_of<P: DeserializeOwned>(cursor: &str) -> Result<P, StoreError> {
    let bytes: Option<Vec<u8>> = cursor.is_ascii().then_some(cursor.as_bytes()).and_then(|cursor| {
        cursor
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect()
    });
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| {
            let detail = "the cursor is not one of ours; begin again without one";
            Refusal::invalid("cursor_invalid", detail).into()
        })
}

/// A cursor to a position: safe in a URL, and opaque.
fn cursor_to<P: Serialize>(position: &P) -> Option<String> {
    let json = serde_json::to_vec(position).ok()?;
    Some(json.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl<T> Page<T> {
    /// A page from up to `limit + 1` rows: the row too many says that there is a next page.
    #[must_use]
    pub fn from_rows<P: Serialize>(mut rows: Vec<T>, limit: usize, position: impl Fn(&T) -> P) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = if more {
            rows.last().and_then(|last| cursor_to(&position(last)))
        } else {
            None
        };
        Self {
            items: rows,
            next_cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_position_it_was_made_of() {
        let page = Page::from_rows(
            vec![("ä b".to_owned(), 7_i64), ("c".to_owned(), 8)],
            1,
            Clone::clone,
        );
        let request = PageRequest {
            after: page.next_cursor,
            limit: 1,
        };
        assert_eq!(
            request.position::<(String, i64)>().unwrap(),
            Some(("ä b".to_owned(), 7))
        );
    }

    #[test]
    fn strange_cursors_and_limits_are_refused() {
        for after in ["zz", "7", "ä", "7b", "7bff"] {
            let request = PageRequest {
                after: Some(after.to_owned()),
                limit: 1,
            };
            assert!(
                matches!(request.position::<(String, i64)>(), Err(StoreError::Refused(_))),
                "{after}"
            );
        }
        for limit in [0, PAGE_ROWS_MAX + 1] {
            assert!(PageRequest::first(limit).position::<i64>().is_err());
        }
    }
}
