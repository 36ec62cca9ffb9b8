//! What the user can set about the connection to the orders service.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use reqwest::Url;

use crate::credentials::Credentials;

/// Tells the time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Beyond this a wait is a mistake: an hour.
const TIMEOUT_MS_MAX: u64 = 3_600_000;

/// How to reach the service.
#[derive(Clone)]
pub struct HttpOptions {
    /// Where the service lives, with or without the final `/api/v1`.
    pub base_url: String,
    /// How to prove who we are.
    pub credentials: Credentials,
    /// For one quick answer, body included: flags, health, one page of accounts.
    pub timeout_ms: u64,
    /// For one slow answer, body included: lists, searches, orders asked for at Allegro. The service itself waits
    /// 30 s for a database connection and then still answers, so this must be longer.
    pub list_timeout_ms: u64,
    /// A list that took longer shows flags that are probably wrong. Below the 30 s of the service's own wait.
    pub suspect_after_ms: u64,
    /// The most connections kept open while idle. The service answers one request at a time, so few are enough.
    pub idle_connections_max: usize,
}

impl HttpOptions {
    /// The defaults.
    #[must_use]
    pub fn new(base_url: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            base_url: base_url.into(),
            credentials,
            timeout_ms: 10_000,
            list_timeout_ms: 45_000,
            suspect_after_ms: 25_000,
            idle_connections_max: 8,
        }
    }

    pub(crate) fn check(&self) -> Result<Url, OptionsError> {
        for timeout_ms in [self.timeout_ms, self.list_timeout_ms] {
            if timeout_ms == 0 || timeout_ms > TIMEOUT_MS_MAX {
                return Err(OptionsError::Timeout {
                    given_ms: timeout_ms,
                    max_ms: TIMEOUT_MS_MAX,
                });
            }
        }
        checked_base(&self.base_url)
    }
}

impl fmt::Debug for HttpOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown_base =
            checked_base(&self.base_url).map_or_else(|_| "[not usable]".to_owned(), String::from);
        formatter
            .debug_struct("HttpOptions")
            .field("base_url", &shown_base)
            .field("credentials", &self.credentials)
            .field("timeout_ms", &self.timeout_ms)
            .field("list_timeout_ms", &self.list_timeout_ms)
            .field("suspect_after_ms", &self.suspect_after_ms)
            .field("idle_connections_max", &self.idle_connections_max)
            .finish()
    }
}

/// Why the options cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The address.
    #[error("the address of the orders service {0}")]
    BaseUrl(&'static str),
    /// The credentials.
    #[error("the credentials for the orders service are not usable: {0}")]
    Credentials(&'static str),
    /// A timeout.
    #[error("a timeout of {given_ms} ms is not within 1 to {max_ms} ms")]
    Timeout {
        /// What was given.
        given_ms: u64,
        /// The longest.
        max_ms: u64,
    },
    /// The HTTP client could not be set up, as when the system has no root certificates.
    #[error("the connection to the orders service could not be set up: {0}")]
    Client(String),
}

/// The service's root, without a final slash in its path. Health lives beside `/api/v1`, so that is left out.
fn checked_base(text: &str) -> Result<Url, OptionsError> {
    let mut url = Url::parse(text.trim()).map_err(|_| OptionsError::BaseUrl("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(OptionsError::BaseUrl("must start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(OptionsError::BaseUrl("must not hold a user or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(OptionsError::BaseUrl("must not hold a query or fragment"));
    }
    let path = url.path().trim_end_matches('/');
    let root = path.strip_suffix("/api/v1").unwrap_or(path).to_owned();
    url.set_path(&root);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::SecretText;

    #[test]
    fn the_address_is_brought_to_one_form() {
        let cases = [
            ("http://orders:8000", "http://orders:8000/"),
            ("http://orders:8000/api/v1/", "http://orders:8000/"),
            (" https://a.example/backup/api/v1", "https://a.example/backup"),
        ];
        for (given, expected) in cases {
            assert_eq!(checked_base(given).unwrap().as_str(), expected, "{given}");
        }
    }

    #[test]
    fn an_unusable_address_is_refused_and_not_printed() {
        for given in [
            "",
            "orders:8000",
            "ftp://a",
            "http://user:hush@a",
            "http://a?x=hush",
            "http://a#hush",
        ] {
            let error = checked_base(given).unwrap_err();
            let options = HttpOptions::new(given, Credentials::Token(SecretText::new("hush")));
            assert!(
                !format!("{error} {error:?} {options:?}").contains("hush"),
                "{given}"
            );
        }
    }

    #[test]
    fn timeouts_are_bounded() {
        let mut options = HttpOptions::new("http://a", Credentials::Token(SecretText::new("t")));
        assert!(options.check().is_ok());
        options.timeout_ms = 0;
        assert!(options.check().is_err());
        options.timeout_ms = u64::MAX;
        assert!(options.check().is_err());
    }
}
