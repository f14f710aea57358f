//! Starts slow responses early and keeps their connections alive.
//!
//! From protocol 2026-07-28 on, the HTTP status waits for the first message, and a call without a progress token has
//! none before its result. Many clients and proxies give up on a response that has not started within a minute. A
//! response that takes longer than a moment is therefore started as an event stream, with regular comments and the
//! result at its end.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::{LARGEST_BODY, PING};

/// How long to wait before the stream starts. Errors in a request are known sooner and keep their status.
const MOMENT: Duration = Duration::from_secs(1);

const COMMENT: Bytes = Bytes::from_static(b": waiting\n\n");
const EVENTS: &str = "text/event-stream";

/// Middleware: starts an event stream if the response takes longer than [`MOMENT`]. The request was read before.
pub async fn begin_in_time(request: Request, next: Next) -> Response {
    let mut answer = Box::pin(next.run(request));
    match tokio::time::timeout(MOMENT, &mut answer).await {
        Ok(response) => response,
        Err(_) => begun(answer),
    }
}

/// An event stream that ends with the response. Dropping it drops the pending response too.
fn begun(answer: impl Future<Output = Response> + Send + 'static) -> Response {
    let answered = CancellationToken::new();
    let ticks = stream::unfold(Duration::ZERO, |pause| async move {
        tokio::time::sleep(pause).await;
        Some((COMMENT, PING))
    });
    let comments = ticks.take_until(answered.clone().cancelled_owned());
    let events = stream::once(async move {
        let response = answer.await;
        answered.cancel();
        response
    });
    let all = stream::select(comments, events.flat_map(events_of)).map(Ok::<_, Infallible>);
    let mut response = Body::from_stream(all).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENTS));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A response as events: an event stream unchanged, or a JSON message as one event. Any other response gives no event;
/// the stream then ends without a result, which clients treat as a failure.
fn events_of(response: Response) -> BoxStream<'static, Bytes> {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is = |wanted: &str| kind.is_some_and(|kind| kind.starts_with(wanted));
    let (is_stream, is_message) = (is(EVENTS), is("application/json"));
    let body = response.into_body();
    if !is_stream && !is_message {
        return stream::empty().boxed();
    }
    if is_stream {
        return body
            .into_data_stream()
            .take_while(|part| std::future::ready(part.is_ok()))
            .filter_map(ok)
            .boxed();
    }
    stream::once(to_bytes(body, LARGEST_BODY))
        .filter_map(ok)
        .map(|body| [b"data: ", body.trim_ascii(), b"\n\n"].concat().into())
        .boxed()
}

async fn ok<E>(part: Result<Bytes, E>) -> Option<Bytes> {
    part.ok()
}
