//! The way of one call: faults before, the endpoint, faults after.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, SERVER};
use hyper::{Method, Response, StatusCode};
use uuid::Uuid;

use crate::answer::{Answer, TEXT};
use crate::body::AnswerBody;
use crate::calls::CallGuard;
use crate::control_http;
use crate::endpoints::{self, Call};
use crate::faults::{DatabaseState, Fault, Leak, Plan, altered, body_of, refusal};
use crate::flags::EndedAtUs;
use crate::limits::FROZEN_POLL_MS;
use crate::request::Request;
use crate::routes::{Endpoint, Route, route};
use crate::shared::Shared;

/// The connection is closed without an answer, on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer, on purpose")]
pub(crate) struct Hangup;

/// Answers a request, or hangs up.
pub(crate) async fn handle(shared: Arc<Shared>, request: Request) -> Result<Response<AnswerBody>, Hangup> {
    if request.path.starts_with("/_simulator/") {
        return Ok(response(control_http::answer(&shared, &request), None, None));
    }
    let has_origin = request.headers.contains_key("origin");
    if has_origin && request.method == Method::OPTIONS {
        return Ok(response(preflight(&request), None, None));
    }
    let route = match route(&request) {
        Ok(route) => route,
        Err(answer) => return Ok(response(answer, None, None)),
    };
    shared.calls.count(route.endpoint);
    let token_text = match route.endpoint {
        Endpoint::TokenById => Some(route.argument.as_str()),
        Endpoint::OffersByExternalId | Endpoint::OffersUpdateStock => request.query("token_ids"),
        _ => request.query("token_id"),
    };
    let token_id = token_text.and_then(|text| Uuid::parse_str(text).ok());
    let guard = (route.endpoint == Endpoint::StockStatus).then(|| {
        shared
            .calls
            .begin_patch(token_id.unwrap_or_default(), &route.argument, &shared.clock)
    });
    let received_at = shared.clock.now();
    let plan = shared
        .faults
        .plan(route.endpoint, token_id, &route.argument, received_at);
    let work = Work {
        ended_at_us: guard
            .as_ref()
            .map(|guard| guard.ended_at_us.clone())
            .unwrap_or_default(),
        shared: shared.clone(),
        request,
        route,
        token_id,
        received_at,
        plan: plan.clone(),
    };
    let may_wait = plan.wait_before_ms > 0 || shared.faults.database(received_at) == DatabaseState::Frozen;
    let mut answer = if may_wait {
        // The service goes on with a call whose caller has given up; a task of its own does the same.
        tokio::spawn(work.done()).await.map_err(|_| Hangup)??
    } else {
        work.done().await?
    };
    if plan.wait_after_ms > 0 {
        tokio::time::sleep(Duration::from_millis(plan.wait_after_ms)).await;
    }
    if has_origin {
        answer = with_origin(answer);
    }
    Ok(response(
        altered(answer, plan.fault.as_ref()),
        plan.fault.as_ref(),
        guard,
    ))
}

/// A call on its way to its effect.
struct Work {
    shared: Arc<Shared>,
    request: Request,
    route: Route,
    token_id: Option<Uuid>,
    received_at: jiff::Timestamp,
    plan: Plan,
    ended_at_us: EndedAtUs,
}

impl Work {
    async fn done(self) -> Result<Answer, Hangup> {
        let Self {
            shared, route, plan, ..
        } = &self;
        if plan.wait_before_ms > 0 {
            tokio::time::sleep(Duration::from_millis(plan.wait_before_ms)).await;
        }
        if matches!(plan.fault, Some(Fault::ConnectionClosed)) {
            return Err(Hangup);
        }
        let refused = refusal(plan, route.endpoint, self.token_id);
        if let (Some(answer), false) = (&refused, plan.is_applied) {
            return Ok(answer.clone());
        }
        while shared.faults.database(shared.clock.now()) == DatabaseState::Frozen {
            tokio::time::sleep(Duration::from_millis(FROZEN_POLL_MS)).await;
        }
        let leak = self.leak().await;
        let answer = self.effect(leak);
        if matches!(plan.fault, Some(Fault::AnswerLost)) {
            return Err(Hangup);
        }
        Ok(refused.unwrap_or(answer))
    }

    /// While one call hangs for want of a connection, every other one waits behind it.
    async fn leak(&self) -> Leak {
        if !self.shared.faults.is_leaking() {
            return Leak::None;
        }
        let _thread = self.shared.thread.lock().await;
        let leak = self.shared.faults.leak(self.route.endpoint);
        if let Leak::WrongFlags { hang_ms } | Leak::Failing { hang_ms } = leak {
            tokio::time::sleep(Duration::from_millis(hang_ms)).await;
        }
        leak
    }

    fn effect(&self, leak: Leak) -> Answer {
        let Self { shared, route, .. } = self;
        let now = shared.clock.now();
        let is_list = route.endpoint.leaks_connection();
        let is_failing = match leak {
            Leak::None => false,
            Leak::WrongFlags { .. } => !is_list,
            Leak::Failing { .. } => true,
        };
        let reads_wrong_flags = matches!(leak, Leak::WrongFlags { .. });
        let call = Call {
            shared,
            request: &self.request,
            argument: &route.argument,
            received_at: self.received_at,
            now,
            is_database_down: is_failing || shared.faults.database(now) == DatabaseState::Down,
            are_flags_unreadable: is_list && (reads_wrong_flags || shared.faults.lists_say_false()),
            slipped_rows: self.plan.slipped_rows,
            allegro: self.plan.allegro,
            ended_at_us: self.ended_at_us.clone(),
        };
        let answer = endpoints::answer(route.endpoint, &call);
        if self.plan.flips_flag {
            self.flip_flag(now);
        }
        answer
    }

    fn flip_flag(&self, now: jiff::Timestamp) {
        let mut world = self.shared.world();
        let account = self
            .token_id
            .and_then(|token_id| world.accounts.get_mut(&token_id));
        if let Some(Ok(row)) = account.map(|account| account.flags.touch(&self.route.argument, now)) {
            row.is_stock_updated = !row.is_stock_updated;
        }
    }
}

fn preflight(request: &Request) -> Answer {
    let origin = request.header("origin").unwrap_or("*");
    let header = hyper::header::HeaderName::from_static;
    Answer::new(StatusCode::OK, TEXT, "OK")
        .with_header(header("vary"), "Origin")
        .with_header(
            header("access-control-allow-methods"),
            "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
        )
        .with_header(header("access-control-max-age"), "600")
        .with_header(header("access-control-allow-credentials"), "true")
        .with_header(header("access-control-allow-origin"), origin)
}

fn with_origin(answer: Answer) -> Answer {
    let header = hyper::header::HeaderName::from_static;
    answer
        .with_header(header("access-control-allow-origin"), "*")
        .with_header(header("access-control-allow-credentials"), "true")
}

pub(crate) fn response(
    answer: Answer,
    fault: Option<&Fault>,
    guard: Option<CallGuard>,
) -> Response<AnswerBody> {
    let length = answer.body.len();
    let body = match body_of(&answer.body, fault) {
        Some(pieces) => AnswerBody::pieces(pieces, guard),
        None => AnswerBody::full(answer.body, guard),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("uvicorn"));
    if let Some(content_type) = answer.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if !matches!(fault, Some(Fault::EndlessBody)) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.extend(answer.headers);
    response
}
