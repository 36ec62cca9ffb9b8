//! The control interface over HTTP, under `/_simulator/`. It needs no credentials and no fault touches it.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::Answer;
use crate::control::Control;
use crate::faults::Faults;
use crate::request::Request;
use crate::shared::Shared;
use crate::world::WorldError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MendedInput {
    mended: bool,
}

/// Answers a control call.
pub(crate) fn answer(shared: &Arc<Shared>, request: &Request) -> Answer {
    answered(&Control::of(shared), request).unwrap_or_else(|refused| refused)
}

fn answered(control: &Control, request: &Request) -> Result<Answer, Answer> {
    let path = request.path.strip_prefix("/_simulator/").unwrap_or_default();
    let answer = match (request.method.as_str(), path) {
        ("GET", "state") => {
            let token_id = request.query("token_id").map(token_id_of).transpose()?;
            Answer::ok(&control.state(token_id, request.query("forms") == Some("true")))
        }
        ("GET", "flags") => Answer::ok(&control.flags()),
        ("GET", "calls") => Answer::ok(&control.calls()),
        ("GET", "faults") => Answer::ok(&serde_json::to_value(control.faults()).unwrap_or_default()),
        ("PUT", "faults") => {
            let set = Faults::from_json(body_of(request)?).and_then(|faults| control.set_faults(faults));
            set.map_err(|error| refused(StatusCode::BAD_REQUEST, &error.to_string()))?;
            done()
        }
        ("DELETE", "faults") => {
            control.clear_faults();
            done()
        }
        ("POST", "orders") => {
            let order_id = control.put_order(body_of(request)?).map_err(refused_by_world)?;
            Answer::ok(&json!({"ok": true, "order_id": order_id}))
        }
        ("POST", "flags") => control
            .set_flag(body_of(request)?)
            .map(|()| done())
            .map_err(refused_by_world)?,
        ("POST", "accounts") => control
            .put_account(body_of(request)?)
            .map(|()| done())
            .map_err(refused_by_world)?,
        ("PUT", "mended") => {
            control.set_mended(body_of::<MendedInput>(request)?.mended);
            done()
        }
        _ => return removal(control, &request.method, path),
    };
    Ok(answer)
}

fn removal(control: &Control, method: &Method, path: &str) -> Result<Answer, Answer> {
    let parts: Vec<&str> = path.split('/').collect();
    let removed = match parts[..] {
        ["accounts", id] if method == Method::DELETE => control.remove_account(token_id_of(id)?),
        ["orders", id, order] if method == Method::DELETE => control.remove_order(token_id_of(id)?, order),
        _ => {
            return Err(refused(
                StatusCode::NOT_FOUND,
                "the simulator has no such control call",
            ));
        }
    };
    removed.map_err(refused_by_world)?;
    Ok(done())
}

fn done() -> Answer {
    Answer::ok(&json!({"ok": true}))
}

fn refused(status: StatusCode, text: &str) -> Answer {
    Answer::json(status, &json!({ "error": text }))
}

fn refused_by_world(error: WorldError) -> Answer {
    let status = match error {
        WorldError::UnknownAccount(_) | WorldError::UnknownOrder(_) => StatusCode::NOT_FOUND,
        WorldError::OrderWithoutId => StatusCode::BAD_REQUEST,
        WorldError::TooManyAccounts | WorldError::TooManyOrders | WorldError::FlagsFull(_) => {
            StatusCode::INSUFFICIENT_STORAGE
        }
    };
    refused(status, &error.to_string())
}

fn token_id_of(text: &str) -> Result<Uuid, Answer> {
    Uuid::parse_str(text).map_err(|error| refused(StatusCode::BAD_REQUEST, &error.to_string()))
}

fn body_of<T: DeserializeOwned>(request: &Request) -> Result<T, Answer> {
    let body: Result<Value, _> = serde_json::from_slice(&request.body);
    body.and_then(serde_json::from_value)
        .map_err(|error| refused(StatusCode::BAD_REQUEST, &error.to_string()))
}
