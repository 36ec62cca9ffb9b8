//! `POST /orders/batch`: taking many orders in, one a line.
//!
//! Lines are taken in while they arrive, in chunks that share a transaction. Their results wait until the batch was read
//! to its end: a proxy such as nginx sends nothing more of a batch once the answer has begun, and the rest of it would be
//! lost. Only where results need more room, or where the sender waits for some, the answer begins before.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use saldo_domain::decide::TakeIn;
use saldo_engine::{Caller, SyncResult};
use saldo_store::StoreError;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use utoipa::ToSchema;

use crate::answer::{Answer, with_headers};
use crate::api::{orders, sync_status};
use crate::app::App;
use crate::body::next_piece;
use crate::call::Call;
use crate::fields::Problems;
use crate::limits::{
    BATCH_ANSWER_WAIT, BATCH_BYTES_MAX, BATCH_CHUNK_BYTES, BATCH_CHUNK_LINES, BATCH_CHUNK_WAIT,
    BATCH_LINES_MAX, BATCH_RESULTS_KIB_MAX, BODY_BYTES_MAX,
};
use crate::problem::{Problem, ProblemBody};
use crate::strict_json;
use crate::wire::SyncBody;

/// What became of one line: either `result` or `problem`.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchLine)]
pub struct BatchLineBody<'a> {
    /// Which line, from 1; empty lines count, and have no result.
    pub line: u64,
    /// The HTTP status that the line would have had as a request of its own.
    pub status: u16,
    /// How its order stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<SyncBody<'a>>,
    /// Why it was not taken in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemBody>)]
    pub(crate) problem: Option<Problem>,
}

/// Takes many orders in
///
/// One object as `POST /orders` takes it a line; one result a line, in order. A bad line spoils no other: its result
/// has a `problem`. At most 100,000 lines of 4 MiB, 256 MiB in all; a line that passes a bound ends the batch with a
/// problem of status 413. Answers once its lines are on disk, and never waits for the orders service. Each order is its own key, so a
/// batch that broke off is simply sent again; an `Idempotency-Key` is accepted and needs nothing kept.
#[utoipa::path(
    post, path = "/api/v1/stock-sync/orders/batch", tag = "orders",
    params(("wait" = Option<bool>, Query, description = "Changes nothing: a batch never waits for deliveries.")),
    request_body(content = Option<String>, content_type = "application/x-ndjson",
        description = "One order request a line."),
    responses((status = 200, description = "One result a line.", body = BatchLineBody,
        content_type = "application/x-ndjson"))
)]
pub(crate) async fn post_orders_batch(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    // A batch never waits, so that `wait` says nothing new; it is read because single orders take it.
    call.wait(&problems);
    problems.finish(Some(()))?;
    let Ok(turn) = app.batches.clone().try_acquire_owned() else {
        return Err(Problem::new("too_many_batches", "other batches are under way").retry_later());
    };
    let caller = Caller {
        answer_key: None,
        ..call.caller(false)
    };
    let (results, sent) = mpsc::unbounded_channel();
    let (answer, begins) = oneshot::channel();
    let batch = Batch {
        app,
        caller,
        results,
        answer: Some(answer),
        room: Arc::new(Semaphore::new(BATCH_RESULTS_KIB_MAX as usize)),
        lines: 0,
        chunk: Vec::new(),
        chunk_bytes: 0,
    };
    tokio::spawn(async move {
        let _turn = turn;
        batch.run(call.stream).await;
    });
    // Whether it was dropped at the end or before makes no difference.
    let _ = begins.await;
    // The room of a result is free once it was handed on.
    let sent =
        UnboundedReceiverStream::new(sent).map(|(text, _room): Sent| Ok::<_, std::convert::Infallible>(text));
    let mut response = with_headers(
        StatusCode::OK,
        HeaderValue::from_static("application/x-ndjson"),
        Bytes::new(),
    );
    *response.body_mut() = Body::from_stream(sent);
    Ok(Answer::Other(response))
}

/// Results on their way, and the room that they take.
type Sent = (Bytes, OwnedSemaphorePermit);

/// The sender no longer listens: nothing is left to do for it.
struct Gone;

struct Batch {
    app: App,
    caller: Caller,
    results: mpsc::UnboundedSender<Sent>,
    /// While it is there, the answer has not begun.
    answer: Option<oneshot::Sender<()>>,
    room: Arc<Semaphore>,
    /// Lines seen.
    lines: u64,
    /// Lines that wait to be taken in, in order.
    chunk: Vec<(u64, Result<TakeIn, Problem>)>,
    chunk_bytes: usize,
}

impl Batch {
    async fn run(mut self, mut body: Body) {
        // Either way it is over: with everything told, or with nobody there to be told.
        if let Ok(Some(problem)) = self.read(&mut body).await {
            self.lines += 1;
            self.chunk.push((self.lines, Err(problem)));
            let _ = self.take_in().await;
        }
    }

    /// Reads lines to the end of the body, or to the problem that ends it before.
    async fn read(&mut self, body: &mut Body) -> Result<Option<Problem>, Gone> {
        let mut unread = BytesMut::new();
        let mut total = 0;
        loop {
            let piece = match self.next(body).await? {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(problem) => return Ok(Some(problem)),
            };
            total += piece.len();
            if total > BATCH_BYTES_MAX {
                let detail = format!(
                    "a batch has at most {BATCH_BYTES_MAX} bytes; this line and those after it were not read"
                );
                return Ok(Some(Problem::new("body_too_large", detail)));
            }
            let mut searched = unread.len();
            unread.extend_from_slice(&piece);
            while let Some(end) = unread[searched..].iter().position(|byte| *byte == b'\n') {
                let line = unread.split_to(searched + end + 1);
                if let Some(problem) = self.line(&line).await? {
                    return Ok(Some(problem));
                }
                searched = 0;
            }
            if unread.len() > BODY_BYTES_MAX {
                return Ok(Some(line_too_long()));
            }
        }
        let problem = self.line(&unread).await?;
        self.take_in().await?;
        Ok(problem)
    }

    /// The next piece of the body. While none comes, what was read so far is taken in.
    async fn next(&mut self, body: &mut Body) -> Result<Result<Option<Bytes>, Problem>, Gone> {
        if !self.chunk.is_empty() {
            match timeout(BATCH_CHUNK_WAIT, next_piece(body)).await {
                Ok(piece) => return Ok(piece),
                Err(_) => self.take_in().await?,
            }
        }
        if self.answer.is_some() {
            match timeout(BATCH_ANSWER_WAIT, next_piece(body)).await {
                Ok(piece) => return Ok(piece),
                Err(_) => self.answer = None,
            }
        }
        Ok(next_piece(body).await)
    }

    /// Reads one line. Answers with a problem that ends the batch.
    async fn line(&mut self, line: &[u8]) -> Result<Option<Problem>, Gone> {
        let text = line.trim_ascii();
        if text.len() > BODY_BYTES_MAX {
            return Ok(Some(line_too_long()));
        }
        if line.is_empty() {
            return Ok(None);
        }
        if self.lines >= BATCH_LINES_MAX {
            let detail = format!(
                "a batch has at most {BATCH_LINES_MAX} lines; send the others in a batch of their own"
            );
            return Ok(Some(Problem::new("body_too_large", detail)));
        }
        self.lines += 1;
        if text.is_empty() {
            return Ok(None);
        }
        let order = strict_json::parse(text).and_then(|body| orders::read(&body, Problems::default()));
        self.chunk.push((self.lines, order));
        self.chunk_bytes += text.len();
        if self.chunk.len() >= BATCH_CHUNK_LINES || self.chunk_bytes >= BATCH_CHUNK_BYTES {
            self.take_in().await?;
        }
        Ok(None)
    }

    /// Takes in what was read, and tells what became of it.
    async fn take_in(&mut self) -> Result<(), Gone> {
        self.chunk_bytes = 0;
        let mut good = Vec::with_capacity(self.chunk.len());
        let mut lines = Vec::with_capacity(self.chunk.len());
        for (line, read) in self.chunk.drain(..) {
            match read {
                Ok(order) => {
                    good.push(order);
                    lines.push((line, None));
                }
                Err(problem) => lines.push((line, Some(problem))),
            }
        }
        let results = if good.is_empty() {
            Vec::new()
        } else {
            self.app
                .service
                .process_orders_with_sync(good, &self.caller)
                .await
        };
        let text = self.told(lines, results).await;
        self.send(text).await
    }

    async fn told(
        &self,
        lines: Vec<(u64, Option<Problem>)>,
        results: Vec<Result<SyncResult, StoreError>>,
    ) -> Vec<u8> {
        let names = self.app.names().await.unwrap_or_default();
        let mut results = results.into_iter();
        let mut text = Vec::with_capacity(lines.len() * 768);
        for (line, problem) in lines {
            let result = match problem {
                Some(problem) => Err(problem),
                None => results
                    .next()
                    .unwrap_or(Err(StoreError::Closed))
                    .map_err(Problem::from),
            };
            let (status, result, problem) = match &result {
                Ok(result) => (sync_status(result), Some(SyncBody::new(result, &names)), None),
                Err(_) => (StatusCode::OK, None, result.err()),
            };
            let status = problem.as_ref().map_or(status, Problem::status).as_u16();
            let told = BatchLineBody {
                line,
                status,
                result,
                problem,
            };
            if let Err(error) = serde_json::to_writer(&mut text, &told) {
                tracing::error!(%error, "a result of a batch cannot be written");
            }
            text.push(b'\n');
        }
        text
    }

    async fn send(&mut self, text: Vec<u8>) -> Result<(), Gone> {
        if text.is_empty() {
            return Ok(());
        }
        let kibibytes = u32::try_from(text.len() / 1024 + 1)
            .unwrap_or(u32::MAX)
            .min(BATCH_RESULTS_KIB_MAX);
        let mut room = self.room.clone().try_acquire_many_owned(kibibytes).ok();
        if room.is_none() {
            self.answer = None;
            tokio::select! {
                acquired = self.room.clone().acquire_many_owned(kibibytes) => room = acquired.ok(),
                () = self.results.closed() => {}
            }
        }
        let room = room.ok_or(Gone)?;
        self.results.send((text.into(), room)).map_err(|_| Gone)
    }
}

fn line_too_long() -> Problem {
    let detail =
        format!("a line has at most {BODY_BYTES_MAX} bytes; this one and those after it were not taken in");
    Problem::new("body_too_large", detail)
}
