//! Reading a body within its bounds.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::timeout;

use crate::limits::{BODY_BYTES_MAX, BODY_PAUSE_MAX, BODY_TIME_MAX, DROPPED_BYTES_MAX};
use crate::problem::Problem;

/// Reads a whole body.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    match timeout(BODY_TIME_MAX, read_slowly(headers, body)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new("body_timeout", "the body took too long").closing()),
    }
}

async fn read_slowly(headers: &HeaderMap, mut body: Body) -> Result<Bytes, Problem> {
    if let Err(problem) = check_type(headers) {
        return Err(refuse(problem, body, 0).await);
    }
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(refuse(too_large(), body, 0).await);
    }
    // Most bodies arrive in one piece, which is then used as it is.
    let Some(first) = next_piece(&mut body).await? else {
        return Ok(Bytes::new());
    };
    let mut whole = BytesMut::from(first);
    while let Some(piece) = next_piece(&mut body).await? {
        if whole.len() + piece.len() > BODY_BYTES_MAX {
            let read = whole.len() + piece.len();
            return Err(refuse(too_large(), body, read).await);
        }
        whole.extend_from_slice(&piece);
    }
    if whole.len() > BODY_BYTES_MAX {
        return Err(too_large());
    }
    Ok(whole.freeze())
}

/// The next piece of a body; none at its end.
pub(crate) async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = match timeout(BODY_PAUSE_MAX, body.frame()).await {
            Err(_) => return Err(Problem::new("body_timeout", "the body stood still for too long").closing()),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => {
                let detail = format!("the body could not be read to its end: {error}");
                return Err(Problem::new("bad_json", detail).closing());
            }
            Ok(Some(Ok(frame))) => frame,
        };
        // What is not data is a trailer, and means nothing here.
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

/// Only JSON is taken, and nothing compressed: a small body could then be a huge one.
pub(crate) fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(content_type) = headers.get(CONTENT_TYPE) {
        let essence = content_type
            .to_str()
            .unwrap_or("")
            .split(';')
            .next()
            .unwrap_or("")
            .trim();
        let known = ["application/json", "application/x-ndjson"];
        if !known.iter().any(|known| essence.eq_ignore_ascii_case(known)) {
            let detail = "send application/json (or application/x-ndjson for a batch)";
            return Err(Problem::new("unsupported_media_type", detail));
        }
    }
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => Err(Problem::new(
            "unsupported_media_type",
            "send the body without a content encoding",
        )),
        _ => Ok(()),
    }
}

/// Reads on and drops what it reads, within bounds, so that the sender gets to reading the answer.
async fn refuse(problem: Problem, mut body: Body, already_read: usize) -> Problem {
    if body.size_hint().lower() > DROPPED_BYTES_MAX as u64 {
        return problem.closing();
    }
    let mut read = already_read;
    while let Ok(Some(piece)) = next_piece(&mut body).await {
        read += piece.len();
        if read > DROPPED_BYTES_MAX {
            return problem.closing();
        }
    }
    problem
}

fn too_large() -> Problem {
    Problem::new(
        "body_too_large",
        format!("a body has at most {BODY_BYTES_MAX} bytes"),
    )
}
