//! The body of an answer, which also tells when the call has ended.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use crate::calls::CallGuard;

enum Source {
    Full(Full<Bytes>),
    Pieces(BoxStream<'static, io::Result<Bytes>>),
}

/// A body that holds the guard of its call, so that the call ends when the last byte is handed over.
pub(crate) struct AnswerBody {
    source: Source,
    _guard: Option<CallGuard>,
}

impl AnswerBody {
    pub(crate) fn full(bytes: Bytes, guard: Option<CallGuard>) -> Self {
        Self {
            source: Source::Full(Full::new(bytes)),
            _guard: guard,
        }
    }

    pub(crate) fn pieces(pieces: BoxStream<'static, io::Result<Bytes>>, guard: Option<CallGuard>) -> Self {
        Self {
            source: Source::Pieces(pieces),
            _guard: guard,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.source {
            Source::Full(full) => Pin::new(full).poll_frame(context).map_err(|never| match never {}),
            Source::Pieces(pieces) => pieces.poll_next_unpin(context).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.source, Source::Full(full) if full.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(full) => full.size_hint(),
            Source::Pieces(_) => SizeHint::default(),
        }
    }
}
