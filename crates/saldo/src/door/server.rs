//! The way through a running server.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::Url;

use super::{Answer, Question, Refused};

/// Longer than any answer takes: the server itself bounds its waits.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Longer than any run takes: what the server does goes on without us anyway.
const LONG_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of a server's API.
pub(crate) struct Server {
    client: reqwest::Client,
    base: String,
    key: Option<String>,
}

impl Server {
    /// Names a server; nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none.
    pub(crate) fn new(address: &str, key: Option<String>) -> anyhow::Result<Self> {
        let parsed = Url::parse(address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        if parsed.is_none() {
            bail!("the address of the server must begin with http:// or https://");
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Another thread may have been first, with the same provider.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .context("the connection to the server cannot be set up")?;
        Ok(Self {
            client,
            base: address.trim_end_matches('/').to_owned(),
            key,
        })
    }

    /// Whether the server answers, and takes the key.
    ///
    /// # Errors
    /// What is in the way.
    pub(crate) async fn check_reachable(&self) -> anyhow::Result<()> {
        let answer = self.ask(&Question::get("/api/v1/stock-sync/status")).await?;
        match answer.checked() {
            Err(error)
                if error
                    .downcast_ref::<Refused>()
                    .is_some_and(|refused| refused.status == 401) =>
            {
                match &self.key {
                    Some(_) => {
                        bail!("the server does not know that key: --key KEY or SALDO_KEY names another")
                    }
                    None => bail!("the server asks for a key: --key KEY or SALDO_KEY names it"),
                }
            }
            checked => checked.map(drop),
        }
    }

    /// Asks once.
    pub(super) async fn ask(&self, question: &Question) -> anyhow::Result<Answer> {
        let mut request = self.client.request(
            question.method.clone(),
            format!("{}{}", self.base, question.target()),
        );
        if question.is_long {
            request = request.timeout(LONG_TIMEOUT);
        }
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some((kind, body)) = &question.body {
            request = request.header("content-type", *kind).body(body.clone());
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("{} cannot be reached", self.base))?;
        let status = response.status().as_u16();
        let body = response
            .text()
            .await
            .with_context(|| format!("{} broke off its answer", self.base))?;
        Ok(Answer { status, body })
    }
}
