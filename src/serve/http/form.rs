//! Reads a file from a form (`multipart/form-data`, RFC 7578).
//!
//! The form parser buffers input until it can interpret it, and rescans the buffer with each piece. Everything in a
//! form except the file is therefore limited before it reaches the parser, and is passed on in small pieces.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest as _, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use futures_util::{Stream, StreamExt as _};

/// The most bytes in a form besides the file: preamble, part headers, other fields and epilogue.
pub const AROUND: usize = 64 * 1024;

/// The largest headers of one part, in bytes.
const LARGEST_HEAD: usize = 8 * 1024;

/// The most parts in a form.
const MOST_PARTS: usize = 32;

/// The longest `Content-Type`. Its boundary has at most 70 characters (RFC 2046, section 5.1.1).
const LONGEST_TYPE: usize = 256;

/// The most bytes that the parser gets at a time.
const PIECE: usize = 16 * 1024;

/// Why a form is refused: a status and a sentence.
pub type Unfit = (StatusCode, String);

/// A form that is read as a stream.
pub struct Form {
    parts: Multipart,
    seen: usize,
    body: Metered,
}

/// The body of a form with a meter. A handle: cloning is cheap.
#[derive(Clone)]
struct Metered(Arc<Mutex<Meter>>);

struct Meter {
    inner: BodyDataStream,
    rest: Bytes,
    /// Whether the parser must process its input before it gets more.
    pause: bool,
    /// Bytes outside the file.
    around: usize,
    in_file: bool,
}

impl Metered {
    fn meter(&self) -> MutexGuard<'_, Meter> {
        // The meter is valid even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unfit(&self, error: &MultipartError) -> Unfit {
        if self.meter().around > AROUND {
            let text = format!("a form has at most {AROUND} bytes besides its file");
            return (StatusCode::PAYLOAD_TOO_LARGE, text);
        }
        (error.status(), error.body_text())
    }
}

impl Stream for Metered {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut meter = self.meter();
        // The parser reads everything available before it parses. Pending after each piece makes it parse first.
        if std::mem::take(&mut meter.pause) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while meter.rest.is_empty() {
            match ready!(meter.inner.poll_next_unpin(cx)) {
                Some(Ok(piece)) => meter.rest = piece,
                other => return Poll::Ready(other),
            }
        }
        let length = meter.rest.len().min(PIECE);
        if !meter.in_file {
            meter.around = meter.around.saturating_add(length);
            if meter.around > AROUND {
                return Poll::Ready(Some(Err(axum::Error::new("too much around the file"))));
            }
        }
        meter.pause = true;
        Poll::Ready(Some(Ok(meter.rest.split_to(length))))
    }
}

impl Form {
    /// Starts to read a form.
    pub async fn of(request: Request) -> Result<Self, Unfit> {
        let kind = request.headers().get(header::CONTENT_TYPE).map_or(0, HeaderValue::len);
        if kind > LONGEST_TYPE {
            let text = format!("the Content-Type of a form has at most {LONGEST_TYPE} bytes");
            return Err((StatusCode::BAD_REQUEST, text));
        }
        let (parts, body) = request.into_parts();
        let inner = body.into_data_stream();
        let meter = Meter { inner, rest: Bytes::new(), pause: false, around: 0, in_file: false };
        let body = Metered(Arc::new(Mutex::new(meter)));
        let request = Request::from_parts(parts, Body::from_stream(body.clone()));
        let parts = Multipart::from_request(request, &()).await;
        let parts = parts.map_err(|refused| (StatusCode::BAD_REQUEST, refused.body_text()))?;
        Ok(Self { parts, seen: 0, body })
    }

    /// The next part. Skips the unread rest of the previous one.
    pub async fn part(&mut self) -> Result<Option<Field<'_>>, Unfit> {
        self.body.meter().in_file = false;
        let next = self.parts.next_field().await;
        let Some(field) = next.map_err(|error| self.body.unfit(&error))? else { return Ok(None) };
        self.seen = self.seen.saturating_add(1);
        if self.seen > MOST_PARTS {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, format!("a form has at most {MOST_PARTS} parts")));
        }
        if length(field.headers()) > LARGEST_HEAD {
            let text = format!("the headers of a part have at most {LARGEST_HEAD} bytes");
            return Err((StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        self.body.meter().in_file = field.file_name().is_some();
        Ok(Some(field))
    }

    /// Converts an error inside a part into a refusal.
    pub fn reasons(&self) -> impl Fn(MultipartError) -> Unfit + use<> {
        let body = self.body.clone();
        move |error| body.unfit(&error)
    }

    /// Reads the epilogue.
    pub async fn end(mut self) -> Result<(), Unfit> {
        while let Some(piece) = self.body.next().await {
            if piece.is_err() {
                let text =
                    format!("a form may have at most {AROUND} bytes besides its file, and must be complete");
                return Err((StatusCode::PAYLOAD_TOO_LARGE, text));
            }
        }
        Ok(())
    }
}

fn length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).sum()
}
