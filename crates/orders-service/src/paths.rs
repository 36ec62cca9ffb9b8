//! The service's paths, to the slash: a slash too many or too few is answered with a redirect, which is not followed.

use jiff::fmt::temporal::DateTimePrinter;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use saldo_domain::ids::{AccountId, OrderId};

use crate::contract::PageQuery;
use crate::order_rows::ORDERS_PER_SEARCH;
use crate::token_list::ACCOUNTS_PER_PAGE;

/// Everything but RFC 3986's unreserved characters. An id of dots only would climb the path, but cannot be an
/// [`OrderId`].
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Python keeps microseconds.
const TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

pub(crate) struct Paths {
    base: Url,
    /// The base's path without a final slash.
    root: String,
}

impl Paths {
    pub(crate) fn new(base: Url) -> Self {
        let root = base.path().trim_end_matches('/').to_owned();
        Self { base, root }
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    pub(crate) fn health(&self) -> Url {
        self.url("/health", None)
    }

    pub(crate) fn accounts(&self, page: u64) -> Url {
        let query = format!("page={page}&per_page={ACCOUNTS_PER_PAGE}&active_only=false");
        self.url("/api/v1/tokens/", Some(&query))
    }

    pub(crate) fn stock_status(&self, account: AccountId, order: &OrderId) -> Url {
        self.order(account, order, "/stock-status")
    }

    pub(crate) fn technical_flags(&self, account: AccountId, order: &OrderId) -> Url {
        self.order(account, order, "/technical-flags")
    }

    pub(crate) fn single_order(&self, account: AccountId, order: &OrderId) -> Url {
        self.order(account, order, "")
    }

    pub(crate) fn search(&self, account: AccountId, order: &OrderId) -> Url {
        let words = utf8_percent_encode(order.as_str(), ENCODED);
        let query = format!("token_id={account}&query={words}&limit={ORDERS_PER_SEARCH}");
        self.url("/api/v1/orders/search", Some(&query))
    }

    /// Times go out aware, with `Z`: the service reads naive ones in its database's zone.
    pub(crate) fn list(&self, account: AccountId, query: PageQuery) -> Url {
        let PageQuery {
            offset,
            rows,
            from,
            to,
        } = query;
        let mut words = format!("token_id={account}&limit={rows}&offset={offset}");
        for (name, time) in [("from_date", from), ("to_date", to)] {
            if let Some(time) = time {
                let text = TIME.timestamp_to_string(&time);
                words.push_str(&format!("&{name}={}", utf8_percent_encode(&text, ENCODED)));
            }
        }
        self.url("/api/v1/orders/", Some(&words))
    }

    fn order(&self, account: AccountId, order: &OrderId, action: &str) -> Url {
        let id = utf8_percent_encode(order.as_str(), ENCODED);
        self.url(
            &format!("/api/v1/orders/{id}{action}"),
            Some(&format!("token_id={account}")),
        )
    }

    fn url(&self, path: &str, query: Option<&str>) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.root));
        url.set_query(query);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> (Paths, AccountId, OrderId) {
        let account = "6f652857-8798-5791-b345-f84d5a9ec333".parse().unwrap();
        let paths = Paths::new(Url::parse("http://orders/backup").unwrap());
        (paths, account, OrderId::parse("a.b:c@d").unwrap())
    }

    #[test]
    fn paths_are_exact() {
        let (paths, account, order) = parts();
        let token = "token_id=6f652857-8798-5791-b345-f84d5a9ec333";
        let id = "a.b%3Ac%40d";
        let cases = [
            (paths.health(), "/health".to_owned()),
            (
                paths.accounts(2),
                "/api/v1/tokens/?page=2&per_page=100&active_only=false".to_owned(),
            ),
            (
                paths.stock_status(account, &order),
                format!("/api/v1/orders/{id}/stock-status?{token}"),
            ),
            (
                paths.technical_flags(account, &order),
                format!("/api/v1/orders/{id}/technical-flags?{token}"),
            ),
            (
                paths.single_order(account, &order),
                format!("/api/v1/orders/{id}?{token}"),
            ),
            (
                paths.search(account, &order),
                format!("/api/v1/orders/search?{token}&query={id}&limit=1000"),
            ),
            (
                paths.list(account, PageQuery::at(200)),
                format!("/api/v1/orders/?{token}&limit=100&offset=200"),
            ),
            (
                paths.list(
                    account,
                    PageQuery {
                        rows: 25,
                        ..PageQuery::at(50)
                    },
                ),
                format!("/api/v1/orders/?{token}&limit=25&offset=50"),
            ),
        ];
        for (url, expected) in cases {
            assert_eq!(url.as_str(), format!("http://orders/backup{expected}"));
        }
    }

    #[test]
    fn times_are_aware_and_in_microseconds() {
        let (paths, account, _) = parts();
        let from = "2025-07-20T02:46:07.9612345+02:00".parse().unwrap();
        let query = PageQuery {
            from: Some(from),
            ..PageQuery::at(0)
        };
        let url = paths.list(account, query);
        assert!(
            url.as_str()
                .ends_with("&from_date=2025-07-20T00%3A46%3A07.961234Z"),
            "{url}"
        );
    }
}
