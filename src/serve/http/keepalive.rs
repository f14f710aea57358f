//! The first byte of an answer that takes its time.
//!
//! In the protocol from 2026-07-28 on, the status of an answer waits for its first message, and a call without a
//! progress token has none before its result. Clients and proxies give up on an answer that has not begun after a
//! minute, and the call is lost to them. So an answer that is not there after a moment begins without it: as a stream
//! of events, with a comment now and then, and the answer at its end.

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

/// What is wrong with a request is known sooner, and keeps its status.
const MOMENT: Duration = Duration::from_secs(1);

const COMMENT: Bytes = Bytes::from_static(b": waiting\n\n");
const EVENTS: &str = "text/event-stream";

/// Answers at once with a stream of events if the answer itself takes longer than a moment. The request has been read
/// by then.
pub async fn begin_in_time(request: Request, next: Next) -> Response {
    let mut answer = Box::pin(next.run(request));
    match tokio::time::timeout(MOMENT, &mut answer).await {
        Ok(response) => response,
        Err(_) => begun(answer),
    }
}

/// A stream that ends with the answer. Whoever drops it drops the answer too.
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

/// An answer as events: as it is, or as the data of one. What is no message of the protocol is none; the stream ends
/// without an answer then, which clients know for a failure.
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
