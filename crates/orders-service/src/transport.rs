//! One HTTP exchange: bounded in time and size, never redirected, never repeated.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, Response, StatusCode, Url};
use tokio::time::{Instant, timeout_at};

use crate::credentials::Bearer;
use crate::error::ErrorClass;
use crate::failure::Failure;
use crate::options::{HttpOptions, Now, OptionsError};
use crate::retry_after;

/// For answers of a few hundred bytes, and for every answer that is an error.
pub(crate) const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;
/// For lists: 100 orders are about 271 kB, a search may answer 1,000.
pub(crate) const LIST_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The service's server closes an idle connection after 5.0 s; ours goes first, so that no request meets the close.
const IDLE: Duration = Duration::from_secs(4);
/// A connection that takes longer is not coming.
const CONNECT_MS_MAX: u64 = 5_000;

/// What a call may do at the other side: it decides what a lost answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Writes,
}

impl Effect {
    /// The class of a failure that came after the request was sent.
    pub(crate) fn class_after_sending(self) -> ErrorClass {
        match self {
            Self::Reads => ErrorClass::Transient,
            Self::Writes => ErrorClass::Unknown,
        }
    }
}

/// One request.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// JSON, known beforehand.
    pub(crate) body: Option<&'static [u8]>,
    pub(crate) effect: Effect,
    /// Whether the token goes along.
    pub(crate) authorized: bool,
    pub(crate) body_bytes_max: usize,
    pub(crate) timeout_ms: u64,
}

/// One answer, read to its end.
pub(crate) struct Answer {
    pub(crate) effect: Effect,
    pub(crate) status: StatusCode,
    /// Empty when the status is an error and the body could not be read: the status says enough.
    pub(crate) body: Bytes,
    pub(crate) retry_after_seconds: Option<u64>,
    pub(crate) took_ms: u64,
}

pub(crate) struct Transport {
    client: Client,
    bearer: Bearer,
    now: Now,
}

impl Transport {
    pub(crate) fn new(
        options: &HttpOptions,
        base: &Url,
        bearer: Bearer,
        now: Now,
    ) -> Result<Self, OptionsError> {
        install_crypto_provider();
        let connect_ms = (options.timeout_ms / 2).clamp(1, CONNECT_MS_MAX);
        let mut builder = Client::builder()
            .user_agent(concat!("saldo/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy()
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_millis(connect_ms))
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(options.idle_connections_max);
        if base.scheme() == "http" {
            // No certificates are needed, and a system may have none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder
            .build()
            .map_err(|error| OptionsError::Client(innermost(&error)))?;
        Ok(Self { client, bearer, now })
    }

    pub(crate) fn bearer(&self) -> &Bearer {
        &self.bearer
    }

    /// Sends the request once and reads the answer, whatever its status.
    ///
    /// A request that met a pooled connection already closed, and of which nothing was written, is sent anew by the
    /// connection pool itself. Nothing else is repeated here.
    pub(crate) async fn exchange(&self, call: Call) -> Result<Answer, Failure> {
        let started = Instant::now();
        let deadline = started + Duration::from_millis(call.timeout_ms);
        let (effect, timeout_ms, body_bytes_max) = (call.effect, call.timeout_ms, call.body_bytes_max);
        let request = self.request(call)?;

        let response = match timeout_at(deadline, self.client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(not_answered(effect, &error)),
            Err(_) => return Err(too_slow(effect, timeout_ms)),
        };
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            self.bearer.forget();
        }
        let retry_after_seconds = self.retry_after_seconds(&response);
        let bytes_max = if status.is_success() {
            body_bytes_max
        } else {
            SMALL_BODY_BYTES_MAX
        };
        let body = match timeout_at(deadline, read_body(response, effect, bytes_max)).await {
            Ok(Ok(body)) => body,
            _ if !status.is_success() => Bytes::new(),
            Ok(Err(failure)) => return Err(failure.with_status(status)),
            Err(_) => return Err(too_slow(effect, timeout_ms).with_status(status)),
        };
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Answer {
            effect,
            status,
            body,
            retry_after_seconds,
            took_ms,
        })
    }

    fn request(&self, call: Call) -> Result<Request, Failure> {
        let mut request = Request::new(call.method, call.url);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if call.authorized {
            headers.insert(AUTHORIZATION, self.bearer.header((self.now)())?);
        }
        if let Some(body) = call.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.into());
        }
        Ok(request)
    }

    fn retry_after_seconds(&self, response: &Response) -> Option<u64> {
        let header = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
        retry_after::seconds(header, (self.now)())
    }
}

/// Reads the body chunk by chunk. The announced length is not believed, in either direction.
async fn read_body(mut response: Response, effect: Effect, bytes_max: usize) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > bytes_max => {
                let words = format!("the answer is larger than {bytes_max} bytes");
                return Err(Failure::new(effect.class_after_sending(), words));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body.freeze()),
            Err(error) => {
                let words = format!("the answer broke off: {}", innermost(&error));
                return Err(Failure::new(effect.class_after_sending(), words));
            }
        }
    }
}

/// Only a failure to connect proves that nothing was sent.
fn not_answered(effect: Effect, error: &reqwest::Error) -> Failure {
    if error.is_connect() {
        let words = format!("the orders service could not be reached: {}", innermost(error));
        return Failure::new(ErrorClass::Transient, words);
    }
    let words = format!("the connection was lost before an answer: {}", innermost(error));
    Failure::new(effect.class_after_sending(), words)
}

pub(crate) fn too_slow(effect: Effect, timeout_ms: u64) -> Failure {
    Failure::new(
        effect.class_after_sending(),
        format!("no whole answer within {timeout_ms} ms"),
    )
}

/// The cause at the bottom: the layers above it only repeat the URL.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The HTTP client is built without a provider of its own. Another part of the program may have been first.
fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let another_was_first = rustls::crypto::ring::default_provider()
            .install_default()
            .is_err();
        tracing::debug!(another_was_first, "cryptography for TLS installed");
    }
}
