//! The file of a form (`multipart/form-data`, RFC 7578).
//!
//! The form parser keeps what it has read until it knows what it is, and looks through it again with each piece. So
//! everything of a form that is not the file is bounded in front of it, and comes to it in small pieces.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest as _, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use futures_util::{Stream, StreamExt as _};

/// What a form may have around its file, in bytes: preamble, headers of parts, other fields, epilogue.
pub const AROUND: usize = 64 * 1024;

/// Headers of one part, in bytes.
const LARGEST_HEAD: usize = 8 * 1024;

/// Parts of a form.
const MOST_PARTS: usize = 32;

/// `Content-Type` with its boundary, which has 70 characters at most (RFC 2046, section 5.1.1).
const LONGEST_TYPE: usize = 256;

/// The parser gets no more at a time.
const PIECE: usize = 16 * 1024;

/// Why there is no file: a status and a sentence.
pub type Unfit = (StatusCode, String);

/// A form that is read as it comes.
pub struct Form {
    parts: Multipart,
    seen: usize,
    body: Metered,
}

/// The body of a form, metered. A handle: cloning is cheap.
#[derive(Clone)]
struct Metered(Arc<Mutex<Meter>>);

struct Meter {
    inner: BodyDataStream,
    rest: Bytes,
    /// Whether the parser has to look at what it has before it gets more.
    pause: bool,
    /// Bytes that were not the file's.
    around: usize,
    in_file: bool,
}

impl Metered {
    fn meter(&self) -> MutexGuard<'_, Meter> {
        // A poisoned meter still counts.
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
        // The parser takes what it can get before it looks at any of it.
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
    /// Begins to read.
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

    /// The next part. What was not read of the one before is passed over.
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

    /// Why a part broke off.
    pub fn reasons(&self) -> impl Fn(MultipartError) -> Unfit + use<> {
        let body = self.body.clone();
        move |error| body.unfit(&error)
    }

    /// Reads what follows the form.
    pub async fn end(mut self) -> Result<(), Unfit> {
        while let Some(piece) = self.body.next().await {
            if piece.is_err() {
                let text =
                    format!("a form has at most {AROUND} bytes besides its file, and has to come to its end");
                return Err((StatusCode::PAYLOAD_TOO_LARGE, text));
            }
        }
        Ok(())
    }
}

fn length(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).sum()
}
