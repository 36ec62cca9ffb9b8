//! `GET /events`: what changes, as it changes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;

use axum::response::IntoResponse;
use axum::response::sse::{self, KeepAlive, Sse};
use futures::{Stream, StreamExt, stream};
use saldo_engine::Event;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio_util::sync::CancellationToken;

use crate::answer::Answer;
use crate::app::App;
use crate::call::Call;
use crate::fields::Problems;
use crate::limits::{EVENTS_TOGETHER_MAX, KEEP_ALIVE};
use crate::problem::Problem;
use crate::serve::Stopping;
use crate::wire::{AlertBody, OperationBody, ReviewBody, StatusBody};

/// Tells what changes
///
/// Server-sent events `operation`, `review`, `alert` and `status`, each with the thing as it stands now. The first is
/// `status`. Several changes of one thing may be told once, and one of them twice. `reset` says that changes were missed:
/// read the lists again, as after connecting anew.
#[utoipa::path(
    get, path = "/api/v1/stock-sync/events", tag = "status",
    responses(
        (status = 200, description = "Events, until either side ends it.", body = String,
            content_type = "text/event-stream"),
        (status = 503, description = "Too many listen already."),
    )
)]
pub(crate) async fn get_events(app: App, call: Call) -> Result<Answer, Problem> {
    let problems = Problems::default();
    call.no_query(&problems);
    problems.finish(Some(()))?;
    let Ok(place) = app.listeners.clone().try_acquire_owned() else {
        return Err(Problem::new("too_many_listeners", "all places to listen are taken").retry_later());
    };
    let stopping = call
        .extensions
        .get::<Stopping>()
        .map(|stopping| stopping.0.clone())
        .unwrap_or_default();
    // Subscribed to first: what changes while the state is read is told after it.
    let changes = app.service.subscribe();
    let ready = tell(&app, &Event::Status).await?.into_iter().collect();
    let listener = Listener {
        changes,
        app,
        ready,
        _place: place,
    };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Answer::Other(
        Sse::new(listener.events(stopping))
            .keep_alive(keep_alive)
            .into_response(),
    ))
}

/// One who listens.
struct Listener {
    app: App,
    changes: Receiver<Event>,
    /// What was read, and is to be told next.
    ready: VecDeque<sse::Event>,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn events(self, stopping: CancellationToken) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        let events = stream::unfold(self, |mut listener| async move {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        });
        events.take_until(stopped(stopping))
    }

    /// The next event; none when there will be no more.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            match self.changes.recv().await {
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => return Some(reset()),
                Ok(change) => self.read(change).await,
            }
        }
    }

    /// Reads what changed, together with what changed since.
    async fn read(&mut self, first: Event) {
        let mut changed = vec![first];
        while changed.len() < EVENTS_TOGETHER_MAX {
            match self.changes.try_recv() {
                Ok(change) if changed.contains(&change) => {}
                Ok(change) => changed.push(change),
                Err(TryRecvError::Lagged(_)) => {
                    self.ready.push_back(reset());
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        for change in changed {
            let event = tell(&self.app, &change).await.unwrap_or_else(|_| Some(reset()));
            self.ready.extend(event);
        }
    }
}

fn stopped(stopping: CancellationToken) -> impl Future<Output = ()> {
    stopping.cancelled_owned()
}

fn reset() -> sse::Event {
    sse::Event::default().event("reset").data("{}")
}

/// What changed, as it stands now; none when it is gone.
async fn tell(app: &App, change: &Event) -> Result<Option<sse::Event>, Problem> {
    let store = app.service.store();
    let (name, answer) = match change {
        Event::Operation { id } => {
            let Some(operation) = store.operation(*id).await? else {
                return Ok(None);
            };
            let names = app.names().await?;
            ("operation", Answer::ok(&OperationBody::new(&operation, &names))?)
        }
        Event::Review { id } => {
            let Some(review) = store.review(*id).await? else {
                return Ok(None);
            };
            ("review", Answer::ok(&ReviewBody::new(&review))?)
        }
        Event::Alert { id } => {
            let Some(alert) = store.alert(*id).await? else {
                return Ok(None);
            };
            ("alert", Answer::ok(&AlertBody::new(&alert, app.service.now()))?)
        }
        Event::Status => {
            let status = app.service.status().await?;
            (
                "status",
                Answer::ok(&StatusBody::new(&status, &app.options.version))?,
            )
        }
    };
    let Answer::Json(_, text) = answer else {
        return Ok(None);
    };
    Ok(Some(
        sse::Event::default()
            .event(name)
            .data(String::from_utf8_lossy(&text)),
    ))
}
