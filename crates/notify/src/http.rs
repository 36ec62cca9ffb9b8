//! One bounded HTTP exchange: a POST of JSON, never redirected, never repeated.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};

use crate::failure::{OptionsError, SendError};

/// How long one exchange may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// A connection that takes longer is not coming.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The most of an answer that is read: it only tells whether, and why not.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// A wait that is asked for is believed up to a day.
const RETRY_AFTER_SECONDS_MAX: u64 = 24 * 60 * 60;

/// An answer, read to its end or to the bound.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    pub(crate) retry_after_seconds: Option<u64>,
}

/// A client for one address.
pub(crate) struct Http {
    client: Client,
    url: Url,
}

impl Http {
    pub(crate) fn new(setting: &str, url: &str) -> Result<Self, OptionsError> {
        let url = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                OptionsError(format!(
                    "{setting} must be an address that begins with http:// or https://"
                ))
            })?;
        install_crypto_provider();
        let mut builder = Client::builder()
            .user_agent(concat!("saldo/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(0);
        if url.scheme() == "http" {
            // A test server or a neighbour: no certificates are needed, and no proxy stands in between.
            builder = builder.tls_certs_only([]).no_proxy();
        }
        let client = builder
            .build()
            .map_err(|error| OptionsError(format!("{setting}: {}", innermost(&error))))?;
        Ok(Self { client, url })
    }

    pub(crate) const fn url(&self) -> &Url {
        &self.url
    }

    /// Sends once. The address is never part of an error: a token may stand in it.
    pub(crate) async fn post(
        &self,
        url: Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, SendError> {
        let sent = self
            .client
            .post(url)
            .headers(headers)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body)
            .send()
            .await;
        let response = sent.map_err(|error| not_answered(&error))?;
        let status = response.status();
        let retry_after_seconds = retry_after(&response);
        let body = read(response).await;
        Ok(Answer {
            status,
            body,
            retry_after_seconds,
        })
    }
}

fn not_answered(error: &reqwest::Error) -> SendError {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection was lost before an answer"
    };
    SendError::passing(format!("{what}: {}", innermost(error)))
}

fn retry_after(response: &Response) -> Option<u64> {
    let seconds: u64 = response
        .headers()
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(seconds.min(RETRY_AFTER_SECONDS_MAX))
}

/// What can be read of the body: the status says the rest.
async fn read(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    body
}

/// The cause at the bottom: the layers above it only repeat the address.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if cause.is::<reqwest::Error>() {
        // Its words hold the address.
        return "the exchange failed".to_owned();
    }
    cause.to_string()
}

/// The clients are built without a provider of their own. Another part of the program may have been first.
pub(crate) fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let another_was_first = rustls::crypto::ring::default_provider()
            .install_default()
            .is_err();
        tracing::debug!(another_was_first, "cryptography for TLS installed");
    }
}
