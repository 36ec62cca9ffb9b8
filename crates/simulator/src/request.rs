//! A request, read and decoded once.

use bytes::Bytes;
use hyper::Method;
use hyper::header::HeaderMap;
use percent_encoding::percent_decode_str;

/// A request, read and decoded once.
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The path as sent, for redirects.
    pub(crate) path_raw: String,
    /// The path with its percent signs decoded, for routing.
    pub(crate) path: String,
    pub(crate) query_raw: Option<String>,
    query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn new(parts: hyper::http::request::Parts, body: Bytes) -> Self {
        let path_raw = parts.uri.path().to_owned();
        let path = percent_decode_str(&path_raw).decode_utf8_lossy().into_owned();
        let query_raw = parts.uri.query().map(str::to_owned);
        let query = query_raw.as_deref().map(pairs).unwrap_or_default();
        Self {
            method: parts.method,
            path_raw,
            path,
            query_raw,
            query,
            headers: parts.headers,
            body,
        }
    }

    /// The value of a query parameter; the last one counts when it is repeated.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a repeated query parameter, in order.
    pub(crate) fn query_all(&self, name: &str) -> Vec<&str> {
        self.query
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        })
        .collect()
}

/// A plus sign in a query is a blank, which is how an unencoded time zone goes wrong.
fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}
