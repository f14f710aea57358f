//! Starts slow responses early and keeps their connections alive.
//!
//! From protocol 2026-07-28 on, the HTTP status waits for the first message, and a call without a progress token has
//! none before its result. Many clients and proxies give up on a response that has not started within a minute. A
//! response that takes longer than a moment is therefore started early, with the result at its end. Until then an event
//! stream has regular comments, and a JSON message begins with line breaks, which parsers skip.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::admission::LARGEST_BODY;
use super::format::{EVENTS, Format, JSON, is};

/// The interval of keepalive comments on an idle stream.
pub(super) const PING: Duration = Duration::from_secs(15);

/// How long to wait before the stream starts. Errors in a request are known sooner and keep their status.
const MOMENT: Duration = Duration::from_secs(1);

const COMMENT: Bytes = Bytes::from_static(b": waiting\n\n");
const LINE_BREAK: Bytes = Bytes::from_static(b"\n");

/// Starts the response if it takes longer than [`MOMENT`]. The request was read before.
pub async fn begin_in_time(
    answer: impl Future<Output = Response> + Send + 'static,
    format: Format,
) -> Response {
    let mut answer = Box::pin(answer);
    match tokio::time::timeout(MOMENT, &mut answer).await {
        Ok(response) => response,
        Err(_) => begun(answer, format),
    }
}

/// A started response that ends with the pending one. Dropping it drops the pending one too.
fn begun(answer: impl Future<Output = Response> + Send + 'static, format: Format) -> Response {
    let answered = CancellationToken::new();
    let sign = if format == Format::Message { LINE_BREAK } else { COMMENT };
    let ticks = stream::unfold((Duration::ZERO, sign), |(pause, sign)| async move {
        tokio::time::sleep(pause).await;
        Some((sign.clone(), (PING, sign)))
    });
    let signs = ticks.take_until(answered.clone().cancelled_owned());
    let content = stream::once(async move {
        let response = answer.await;
        answered.cancel();
        response
    });
    let content = content.flat_map(move |response| match format {
        Format::Message => data_of(response),
        Format::Events | Format::Either => events_of(response),
    });
    let all = stream::select(signs, content).map(Ok::<_, Infallible>);
    let mut response = Body::from_stream(all).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.kind()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The body of a response, piece by piece.
fn data_of(response: Response) -> BoxStream<'static, Bytes> {
    let pieces = response.into_body().into_data_stream();
    pieces.take_while(|part| std::future::ready(part.is_ok())).filter_map(ok).boxed()
}

/// A response as events: an event stream unchanged, or a JSON message as one event. Any other response gives no event;
/// the stream then ends without a result, which clients treat as a failure.
pub fn events_of(response: Response) -> BoxStream<'static, Bytes> {
    if is(&response, EVENTS) {
        return data_of(response);
    }
    if !is(&response, JSON) {
        return stream::empty().boxed();
    }
    stream::once(to_bytes(response.into_body(), LARGEST_BODY))
        .filter_map(ok)
        .map(|body| [b"data: ", body.trim_ascii(), b"\n\n"].concat().into())
        .boxed()
}

async fn ok<E>(part: Result<Bytes, E>) -> Option<Bytes> {
    part.ok()
}
