//! The two ways to the ledger: through a running server, or inside this process.
//!
//! Both answer the same HTTP questions, so every command is written once. Inside, the questions go to the
//! server's own router without a socket.

mod inside;
mod server;

use anyhow::Context as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::Value;

pub(crate) use inside::is_held;
use inside::{Inside, Missing, Tasks};
use server::Server;

use crate::commands::Context;

/// A way to the ledger.
pub(crate) enum Door {
    /// The database, opened by this process.
    Inside(Box<Inside>),
    /// A server that holds the database.
    Server(Server),
}

/// A question to the API.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<(&'static str, String)>,
    is_long: bool,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    body: String,
}

/// The API said no.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The problem document, where the answer was one.
    pub(crate) problem: Value,
    message: String,
}

impl Question {
    /// Reads something.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: Vec::new(),
            body: None,
            is_long: false,
        }
    }

    /// Changes something.
    pub(crate) fn post(path: impl Into<String>, body: &Value) -> Self {
        let body = Some(("application/json", body.to_string()));
        Self {
            method: Method::POST,
            path: path.into(),
            query: Vec::new(),
            body,
            is_long: false,
        }
    }

    /// Replaces something.
    pub(crate) fn put(path: impl Into<String>, body: &Value) -> Self {
        Self {
            method: Method::PUT,
            ..Self::post(path, body)
        }
    }

    /// Removes something.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::get(path)
        }
    }

    /// Changes many things, one a line.
    pub(crate) fn post_lines(path: impl Into<String>, lines: String) -> Self {
        let body = Some(("application/x-ndjson", lines));
        Self {
            method: Method::POST,
            path: path.into(),
            query: Vec::new(),
            body,
            is_long: false,
        }
    }

    /// Waits for the answer for as long as it takes.
    pub(crate) const fn taking_its_time(mut self) -> Self {
        self.is_long = true;
        self
    }

    /// Adds a parameter, where it is given.
    pub(crate) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// The path with its parameters.
    fn target(&self) -> String {
        let parameters: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| format!("{name}={}", segment(value)))
            .collect();
        if parameters.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, parameters.join("&"))
        }
    }
}

impl Answer {
    fn checked(self) -> anyhow::Result<String> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let problem = serde_json::from_str(&self.body).unwrap_or_default();
        let message = reason(self.status, &problem);
        Err(Refused {
            status: self.status,
            problem,
            message,
        }
        .into())
    }
}

impl Door {
    /// The way through the server at an address; nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none.
    pub(crate) fn at(address: &str, key: Option<String>) -> anyhow::Result<Self> {
        Ok(Self::Server(Server::new(address, key)?))
    }

    /// Opens the way that is there: the server that was named, the database, or the server that holds it. Inside,
    /// nothing is sent to the orders service.
    ///
    /// # Errors
    /// When there is none, no database either; the message says what to do.
    pub(crate) async fn open(context: &Context) -> anyhow::Result<Self> {
        Self::open_with(context, Tasks::None, Missing::Refuse).await
    }

    /// The same, for what a ledger may begin with: a database that is not there is made.
    pub(crate) async fn open_or_make(context: &Context) -> anyhow::Result<Self> {
        Self::open_with(context, Tasks::None, Missing::Make).await
    }

    /// The same, to see what would be done: where there is no database yet, none is made, and an empty ledger answers.
    pub(crate) async fn open_to_look(context: &Context) -> anyhow::Result<Self> {
        Self::open_with(context, Tasks::None, Missing::Pretend).await
    }

    /// Opens the way that is there; inside, what is due is delivered, too.
    pub(crate) async fn open_to_deliver(context: &Context) -> anyhow::Result<Self> {
        Self::open_with(context, Tasks::Deliver, Missing::Refuse).await
    }

    /// The same, for what a ledger may begin with: a database that is not there is made.
    pub(crate) async fn open_or_make_to_deliver(context: &Context) -> anyhow::Result<Self> {
        Self::open_with(context, Tasks::Deliver, Missing::Make).await
    }

    async fn open_with(context: &Context, tasks: Tasks, missing: Missing) -> anyhow::Result<Self> {
        if let Some(address) = &context.global.server {
            return Self::at(address, context.global.key.clone());
        }
        let loaded = context.load()?;
        if !is_held(&loaded.config)? {
            let inside = Inside::open(&loaded.config, tasks, missing).await?;
            return Ok(Self::Inside(Box::new(inside)));
        }
        let address = format!("http://{}", loaded.config.listen);
        let server = Server::new(&address, context.global.key.clone())?;
        server.check_reachable().await.with_context(|| {
            format!(
                "another process holds the database, so its server at {address} was asked (--server URL or \
                 SALDO_SERVER names another)"
            )
        })?;
        Ok(Self::Server(server))
    }

    /// Asks, and reads the answer as JSON.
    ///
    /// # Errors
    /// [`Refused`] when the API said no; otherwise what is in the way.
    pub(crate) async fn ask(&self, question: Question) -> anyhow::Result<Value> {
        let text = self.ask_for_text(question).await?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).context("the answer is not JSON; is that address a Saldo server?")
    }

    /// The same for an answer that has one JSON document a line.
    pub(crate) async fn ask_for_text(&self, question: Question) -> anyhow::Result<String> {
        let answer = match self {
            Self::Inside(inside) => inside.ask(&question).await?,
            Self::Server(server) => server.ask(&question).await?,
        };
        answer.checked()
    }

    /// Rows of a list, over as many pages as it takes, up to `limit`.
    pub(crate) async fn list(&self, question: Question, limit: usize) -> anyhow::Result<Value> {
        const PAGE_ROWS: usize = 500;
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let rows = PAGE_ROWS.min(limit - items.len()).max(1);
            let page = self
                .ask(
                    question
                        .clone()
                        .with("limit", Some(rows))
                        .with("cursor", cursor.take()),
                )
                .await?;
            items.extend(crate::output::items(&page).iter().cloned());
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() || items.len() >= limit {
                return Ok(serde_json::json!({ "items": items, "next_cursor": cursor }));
            }
        }
    }

    /// Tries once what is due for delivery. A server does so by itself.
    pub(crate) async fn deliver(&self) -> anyhow::Result<()> {
        match self {
            Self::Inside(inside) => inside.deliver().await,
            Self::Server(_) => Ok(()),
        }
    }

    /// Finishes what is under way.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Inside(inside) => inside.close().await,
            Self::Server(_) => Ok(()),
        }
    }
}

/// Text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// What a problem document says, in one text.
fn reason(status: u16, problem: &Value) -> String {
    let detail = ["detail", "title"]
        .iter()
        .find_map(|name| problem.get(name).and_then(Value::as_str));
    let mut reason = detail.map_or_else(|| format!("the server answered {status}"), str::to_owned);
    if let Some(code) = problem.get("code").and_then(Value::as_str) {
        reason.push_str(&format!(" ({code})"));
    }
    // The detail of a single mistake says it already.
    let errors = crate::output::list_at(problem, "/errors");
    for error in errors.iter().filter(|_| errors.len() > 1) {
        let pointer = error.get("pointer").and_then(Value::as_str).unwrap_or_default();
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
        reason.push_str(&format!("\n  {pointer}: {message}"));
    }
    if let Some(advice) = advice(status, problem) {
        reason.push_str(&format!("\n{advice}"));
    }
    reason
}

/// What to do about it on the command line, where the API can only say it in its own words.
fn advice(status: u16, problem: &Value) -> Option<&'static str> {
    match (status, problem.get("code").and_then(Value::as_str)) {
        (401, _) => {
            Some("Name a key of that server with --key KEY or SALDO_KEY; `saldo keys add` makes one there.")
        }
        (403, _) => {
            Some("Name a key with that role with --key KEY or SALDO_KEY; `saldo keys list` tells the roles.")
        }
        (_, Some("stock_not_counted")) => Some(
            "`saldo stock import FILE` or `saldo stock count` sets it right; --stock-is-right is your word that it is.",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_segments_are_safe_in_an_address() {
        let question = Question::get("/a")
            .with("sku", Some("ż&b=c"))
            .with("below", None::<i64>);
        assert_eq!(question.target(), "/a?sku=%C5%BC%26b%3Dc");
        assert_eq!(segment("../x"), "%2E%2E%2Fx");
    }

    #[test]
    fn a_problem_is_told_with_all_its_errors() {
        let errors =
            serde_json::json!([{ "pointer": "/a", "message": "m" }, { "pointer": "/b", "message": "n" }]);
        let problem =
            serde_json::json!({ "title": "t", "detail": "two things", "code": "bad", "errors": errors });
        assert_eq!(reason(422, &problem), "two things (bad)\n  /a: m\n  /b: n");
        let one = serde_json::json!({ "detail": "/a: m", "errors": [{ "pointer": "/a", "message": "m" }] });
        assert_eq!(reason(422, &one), "/a: m");
        assert_eq!(reason(502, &Value::Null), "the server answered 502");
        assert!(reason(401, &Value::Null).contains("SALDO_KEY"));
    }
}
