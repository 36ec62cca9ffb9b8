//! What every endpoint has in common: from a request to an answer, whatever happens on the way.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::Method;
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use bytes::Bytes;
use futures::FutureExt;

use crate::answer::Answer;
use crate::app::App;
use crate::authentication::{Access, Identity, authenticate};
use crate::body;
use crate::call::Call;
use crate::idempotency;
use crate::problem::Problem;

/// How a route takes its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// It has none; one that is sent is not read.
    NoBody,
    /// In full, within the bound of bodies.
    Body,
    /// In full, and what it asks for may take as long as it takes: it has bounds of its own.
    BodyAndTime,
    /// As it arrives: the endpoint reads it itself, and keeps its own bounds, also of time.
    Stream,
}

/// One method of one path.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) handler: MethodRouter<App>,
}

/// A route that reads.
pub(crate) fn get<H, F>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Fn(App, Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    route(
        Method::GET,
        MethodFilter::GET,
        path,
        access,
        Takes::NoBody,
        handler,
    )
}

/// A route that acts.
pub(crate) fn post<H, F>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Fn(App, Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    route(
        Method::POST,
        MethodFilter::POST,
        path,
        access,
        Takes::Body,
        handler,
    )
}

/// A route that acts for longer than a request should take, and goes on when the caller goes away.
pub(crate) fn post_long<H, F>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Fn(App, Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    route(
        Method::POST,
        MethodFilter::POST,
        path,
        access,
        Takes::BodyAndTime,
        handler,
    )
}

/// A route that acts on a body of any length.
pub(crate) fn post_stream<H, F>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Fn(App, Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    route(
        Method::POST,
        MethodFilter::POST,
        path,
        access,
        Takes::Stream,
        handler,
    )
}

/// A route that replaces.
pub(crate) fn put<H, F>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Fn(App, Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    route(Method::PUT, MethodFilter::PUT, path, access, Takes::Body, handler)
}

/// A route that removes.
pub(crate) fn delete<H, F>(path: &'static str, access: Access, handler: H) -> Route
where
    H: Fn(App, Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    route(
        Method::DELETE,
        MethodFilter::DELETE,
        path,
        access,
        Takes::NoBody,
        handler,
    )
}

fn route<H, F>(
    method: Method,
    filter: MethodFilter,
    path: &'static str,
    access: Access,
    takes: Takes,
    handler: H,
) -> Route
where
    H: Fn(App, Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    let run = move |State(app): State<App>, request: Request| {
        let handler = handler.clone();
        async move {
            let service = app.service.clone();
            let answer = AssertUnwindSafe(answer(app, request, access, takes, handler))
                .catch_unwind()
                .await;
            let response = match answer {
                Ok(Ok(answer)) => answer.into_response(),
                Ok(Err(problem)) => problem.into_response(),
                Err(panic) => panicked(panic.as_ref()),
            };
            service.count_http_request(path, response.status().as_u16());
            response
        }
    };
    Route {
        method,
        path,
        access,
        handler: on(filter, run),
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Problem::internal(format!("a request panicked: {}", text.unwrap_or("no message"))).into_response()
}

async fn answer<H, F>(
    app: App,
    request: Request,
    access: Access,
    takes: Takes,
    handler: H,
) -> Result<Answer, Problem>
where
    H: Fn(App, Call) -> F,
    F: Future<Output = Result<Answer, Problem>>,
{
    let (mut parts, body) = request.into_parts();
    let identity = match access {
        Access::Everyone => Identity::nobody(),
        Access::Role(role) => authenticate(&app, &parts.headers, role).await?,
    };
    let mut call = Call {
        path: path_of(&mut parts).await?,
        uri: parts.uri,
        extensions: parts.extensions,
        accept: parts.headers.get(ACCEPT).cloned(),
        body: Bytes::new(),
        stream: axum::body::Body::empty(),
        identity,
        answer_key: None,
    };
    match takes {
        Takes::NoBody => {}
        Takes::Stream => {
            idempotency::given_key(&parts.headers)?;
            body::check_type(&parts.headers)?;
            call.stream = body;
        }
        Takes::Body | Takes::BodyAndTime => {
            let key = idempotency::given_key(&parts.headers)?;
            call.body = body::read(&parts.headers, body).await?;
            if let Some(key) = key.filter(|_| parts.method == Method::POST) {
                let key = idempotency::answer_key(key, &call.identity, &parts.method, &call.uri, &call.body);
                return once(&app, call, key, takes, handler).await;
            }
        }
    }
    in_time(&app, call, takes, handler).await
}

/// Answers under an idempotency key.
async fn once<H, F>(
    app: &App,
    mut call: Call,
    key: saldo_domain::decide::AnswerKey,
    takes: Takes,
    handler: H,
) -> Result<Answer, Problem>
where
    H: Fn(App, Call) -> F,
    F: Future<Output = Result<Answer, Problem>>,
{
    if let Some(kept) = idempotency::kept_answer(app, &key).await? {
        return Ok(kept);
    }
    call.answer_key = Some(key.clone());
    let answer = in_time(app, call, takes, handler).await?;
    if let Answer::Json(status, body) = answer {
        idempotency::keep(app, &key, status, &body).await;
        return Ok(Answer::Json(status, body));
    }
    Ok(answer)
}

async fn in_time<H, F>(app: &App, call: Call, takes: Takes, handler: H) -> Result<Answer, Problem>
where
    H: Fn(App, Call) -> F,
    F: Future<Output = Result<Answer, Problem>>,
{
    let answer = handler(app.clone(), call);
    if matches!(takes, Takes::BodyAndTime | Takes::Stream) {
        return answer.await;
    }
    match tokio::time::timeout(app.options.request_timeout, answer).await {
        Ok(answer) => answer,
        Err(_) => {
            let detail = "it is not known whether it was done; ask again, a repeat is harmless";
            Err(Problem::new("timed_out", detail).retry_later())
        }
    }
}

async fn path_of(parts: &mut Parts) -> Result<Vec<(String, String)>, Problem> {
    match RawPathParams::from_request_parts(parts, &()).await {
        Ok(path) => Ok(path
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()),
        // What is not UTF-8 names nothing.
        Err(_) => Err(Problem::no_such_path(parts.uri.path())),
    }
}

impl Identity {
    /// Whoever calls what everyone may call.
    pub(crate) fn nobody() -> Self {
        Self::new(Arc::from("nobody"), saldo_store::query::Role::Viewer)
    }
}
