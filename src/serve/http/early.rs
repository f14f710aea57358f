//! The first byte of an answer that takes its time.
//!
//! In the protocol from 2026-07-28 on, the status of an answer waits for its first message, and a call without a
//! progress token has none before its result. Clients and proxies give up on an answer that has not begun after a
//! minute, and the call is lost to them. So an answer that is not there after a moment begins without it: as a stream
//! of events, with a comment now and then, and the answer at its end.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{LARGEST_BODY, PING};

/// What is wrong with a request is known sooner, and keeps its status.
const MOMENT: Duration = Duration::from_secs(1);

/// A body that is not here by then never will be, however regularly another piece of it comes.
const WHOLE: Duration = Duration::from_secs(300);

const COMMENT: Bytes = Bytes::from_static(b": waiting\n\n");
const EVENTS: &str = "text/event-stream";

/// Answers at once with a stream of events if the answer itself takes longer than a moment.
pub async fn begin_in_time(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (whole, read) = oneshot::channel();
    let end = stream::once(async move {
        let _ = whole.send(());
        Ok(Bytes::new())
    });
    let body = Body::from_stream(body.into_data_stream().chain(end));
    // Until the request is here there is nothing to answer, and whoever sends it slowly is told so by a status.
    let moment = async {
        match tokio::time::timeout(WHOLE, read).await {
            Ok(Ok(())) => tokio::time::sleep(MOMENT).await,
            Ok(Err(_)) => pending().await,
            Err(_) => return false,
        }
        true
    };
    let mut answer = Box::pin(next.run(Request::from_parts(parts, body)));
    tokio::select! {
        biased;
        response = &mut answer => response,
        read = moment => if read { begun(answer) } else { late() },
    }
}

/// What a client is told that takes for ever to say what it wants.
pub fn late() -> Response {
    let text = format!("The request was not here after {} s.\n", WHOLE.as_secs());
    (StatusCode::REQUEST_TIMEOUT, text).into_response()
}

/// The whole of a body, or why not.
pub async fn whole(body: Body) -> Result<Bytes, Response> {
    let read = tokio::time::timeout(WHOLE, to_bytes(body, LARGEST_BODY)).await;
    let too_large = || format!("A message has at most {LARGEST_BODY} bytes.\n");
    read.map_err(|_| late())?.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, too_large()).into_response())
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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::serve::http::connection::connection;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_regularly_is_given_up_all_the_same() {
        let app = Router::new().route("/", post(async |_: Bytes| "all")).layer(from_fn(begin_in_time));
        let (ours, theirs) = tokio::io::duplex(1024);
        let serving = TaskTracker::new();
        serving.spawn(async move { connection(theirs, app).await.is_ok() });
        let (mut read, mut write) = tokio::io::split(ours);
        let drip = async {
            write.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 16000000\r\n\r\n").await.unwrap();
            for sent in 0_u64.. {
                if sent > 2 * WHOLE.as_secs() || write.write_all(b"x").await.is_err() {
                    return sent;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            0
        };
        let mut answer = [0; 12];
        let (sent, _) = tokio::join!(drip, read.read_exact(&mut answer));
        assert_eq!(&answer, b"HTTP/1.1 408");
        assert!(sent <= WHOLE.as_secs() + 5, "{sent}");
    }
}
