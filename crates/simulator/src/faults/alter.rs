//! What a fault does to an answer.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use hyper::StatusCode;
use hyper::header::{LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Fault, Plan};
use crate::answer::{Answer, HTML, JSON};
use crate::limits::ENDLESS_BODY_BYTES_MAX;
use crate::routes::Endpoint;

const OTHER_ORDER_ID: &str = "00000000-0000-4000-8000-00000000dead";

/// The answer that stands in for the call, for faults that strike before the effect.
pub(crate) fn refusal(plan: &Plan, endpoint: Endpoint, token_id: Option<Uuid>) -> Option<Answer> {
    let answer = match plan.fault.as_ref()? {
        Fault::InternalError => Answer::unhandled(),
        Fault::BadGateway => page(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
        Fault::Unavailable => page(
            StatusCode::SERVICE_UNAVAILABLE,
            "503 Service Temporarily Unavailable",
        ),
        Fault::Unauthorized => Answer::detail(StatusCode::UNAUTHORIZED, "Invalid authentication credentials")
            .with_header(WWW_AUTHENTICATE, "Bearer"),
        Fault::Forbidden => Answer::detail(StatusCode::FORBIDDEN, "Not authenticated"),
        Fault::NotFound => Answer::detail(
            StatusCode::NOT_FOUND,
            &format!(
                "Токен {} не найден или не принадлежит пользователю",
                token_id.unwrap_or_default()
            ),
        ),
        Fault::TooManyRequests { retry_after_s } => {
            Answer::detail(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests")
                .with_header(RETRY_AFTER, &retry_after_s.to_string())
        }
        Fault::Redirect { location } => {
            Answer::empty(StatusCode::TEMPORARY_REDIRECT).with_header(LOCATION, location)
        }
        Fault::SuccessFalse => success_false(endpoint),
        _ => return None,
    };
    Some(answer)
}

fn page(status: StatusCode, title: &str) -> Answer {
    let text = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    Answer::new(status, HTML, text)
}

fn success_false(endpoint: Endpoint) -> Answer {
    let error = "(psycopg2.OperationalError) server closed the connection unexpectedly";
    let body = match endpoint {
        Endpoint::OrdersList | Endpoint::OrdersSearch => json!({
            "success": false, "error": error, "orders": [], "pagination": {"total": 0, "limit": 50, "offset": 0},
        }),
        Endpoint::OrderById => json!({"success": false, "order": null, "error": error}),
        _ => json!({"success": false, "error": error}),
    };
    Answer::ok(&body)
}

/// The answer as a fault changes it after the effect.
pub(crate) fn altered(answer: Answer, fault: Option<&Fault>) -> Answer {
    match fault {
        Some(Fault::GarbageBody) => Answer {
            body: Bytes::from_static(b"\x00\xff<not json"),
            ..answer
        },
        Some(Fault::TruncatedBody) => Answer {
            body: answer.body.slice(..answer.body.len() / 2),
            ..answer
        },
        Some(Fault::WrongOrderId) => rewritten(answer, &|key, value| {
            let names_order = matches!(key, "order_id" | "allegro_order_id");
            if names_order {
                *value = Value::from(OTHER_ORDER_ID);
            } else if let ("order", Some(id)) = (key, value.get_mut("id")) {
                *id = Value::from(OTHER_ORDER_ID);
            }
        }),
        Some(Fault::WrongFlag) => rewritten(answer, &|key, value| {
            if let ("is_stock_updated", Value::Bool(flag)) = (key, value) {
                *flag = !*flag;
            }
        }),
        _ => answer,
    }
}

fn rewritten(answer: Answer, change: &dyn Fn(&str, &mut Value)) -> Answer {
    let is_json = answer.content_type == Some(JSON);
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(mut body) if is_json => {
            walk(&mut body, change);
            Answer {
                body: body.to_string().into(),
                ..answer
            }
        }
        _ => answer,
    }
}

/// The depth is bounded, because the JSON parser bounds it.
fn walk(value: &mut Value, change: &dyn Fn(&str, &mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
        Value::Object(object) => {
            for (key, item) in object.iter_mut() {
                walk(item, change);
                change(key, item);
            }
        }
        _ => {}
    }
}

/// The body in pieces, for faults in how it arrives. None means: in one piece, as usual.
pub(crate) fn body_of(body: &Bytes, fault: Option<&Fault>) -> Option<BoxStream<'static, io::Result<Bytes>>> {
    match fault? {
        Fault::SlowBody { chunk_bytes, wait_ms } => {
            let wait = Duration::from_millis(*wait_ms);
            let size = (*chunk_bytes).max(1);
            let pieces = stream::unfold(body.clone(), move |mut rest| async move {
                if rest.is_empty() {
                    return None;
                }
                tokio::time::sleep(wait).await;
                let piece = rest.split_to(size.min(rest.len()));
                Some((Ok(piece), rest))
            });
            Some(pieces.boxed())
        }
        Fault::EndlessBody => {
            let piece = Bytes::from_static(&[b'x'; 64 * 1024]);
            let pieces_max = ENDLESS_BODY_BYTES_MAX / piece.len() as u64;
            let count = usize::try_from(pieces_max).unwrap_or(usize::MAX);
            let opening = stream::once(async { Ok(Bytes::from_static(b"{\"orders\":[\"")) });
            Some(
                opening
                    .chain(stream::repeat_with(move || Ok(piece.clone())).take(count))
                    .boxed(),
            )
        }
        Fault::AnswerCut => {
            let half = body.slice(..body.len() / 2);
            let cut = io::Error::new(io::ErrorKind::ConnectionReset, "the answer is cut on purpose");
            // Without the pause, the head and the half would be dropped together with the connection.
            let ending = async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Err(cut)
            };
            Some(stream::iter([Ok(half)]).chain(stream::once(ending)).boxed())
        }
        _ => None,
    }
}
