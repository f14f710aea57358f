//! Responses that hold a resource until they are sent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::permits::Reservation;

/// Makes a response keep `held` until it is sent or its connection ends, and count its large pieces in `memory`.
pub fn holding<T: Send + Unpin + 'static>(
    response: Response,
    held: T,
    memory: Option<Reservation>,
) -> Response {
    response.map(|inner| Body::new(Holding { inner, _held: held, memory }))
}

struct Holding<T> {
    inner: Body,
    _held: T,
    memory: Option<Reservation>,
}

impl<T: Unpin> HttpBody for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let (Some(Ok(frame)), Some(memory)) = (&frame, &self.memory)
            && let Some(piece) = frame.data_ref().filter(|piece| piece.len() > LARGE)
        {
            memory.count(piece.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Smaller pieces are not counted, because every request already counts for its buffers.
const LARGE: usize = 64 * 1024;
