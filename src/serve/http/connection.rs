//! One connection, with its time and memory limits.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, Connection};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_io_timeout::TimeoutWriter;

use super::connections::Place;

/// The longest wait for a client's headers, or for the next piece of a body.
pub const SLOWEST: Duration = Duration::from_secs(15);

/// The longest time in which a client may read nothing of its response. A media player that has read ahead pauses this long.
const UNREAD: Duration = Duration::from_secs(60);

/// The largest request line with headers. They are read before a token is checked.
const LARGEST_HEAD: usize = 64 * 1024;

/// A stream with a write timeout.
type TimedStream<S> = TokioIo<Pin<Box<TimeoutWriter<S>>>>;

/// The application, which gets the connection's place with each request.
pub struct Placed {
    app: TowerToHyperService<Router>,
    place: Option<Place>,
}

impl Service<Request<Incoming>> for Placed {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(place) = &self.place {
            request.extensions_mut().insert(place.clone());
        }
        self.app.call(request).boxed()
    }
}

/// Serves HTTP over a byte stream.
pub fn connection<S>(stream: S, app: Router, place: Option<Place>) -> Connection<TimedStream<S>, Placed>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(UNREAD));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(SLOWEST)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            Placed { app: TowerToHyperService::new(app), place },
        )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::{Body, Bytes};
    use axum::routing::{get, post};
    use futures_util::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{Instant, timeout};
    use tokio_util::task::TaskTracker;
    use tower_http::timeout::RequestBodyTimeoutLayer;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(24 * 3600);

    /// A client's end of a connection, and a tracker that completes when the connection ends.
    fn connect(app: Router) -> (DuplexStream, TaskTracker) {
        let (ours, theirs) = duplex(1024);
        let serving = TaskTracker::new();
        serving.spawn(async move {
            let _ = connection(theirs, app, None).await;
        });
        serving.close();
        (ours, serving)
    }

    fn app() -> Router {
        Router::new()
            .route("/", get(async || "ok"))
            .route("/body", post(async |body: Bytes| body.len().to_string()))
            .layer(RequestBodyTimeoutLayer::new(SLOWEST))
    }

    /// How long the connection took to end.
    async fn ended(serving: &TaskTracker) -> Duration {
        let start = Instant::now();
        timeout(PATIENCE, serving.wait()).await.expect("the connection ends");
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_is_closed() {
        let (_client, serving) = connect(app());
        assert!(ended(&serving).await <= 2 * SLOWEST);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed_after_its_answer() {
        let (mut client, serving) = connect(app());
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert!(client.read_u8().await.is_ok());
        assert!(ended(&serving).await <= 2 * SLOWEST);
    }

    #[tokio::test(start_paused = true)]
    async fn headers_that_arrive_a_letter_at_a_time_reach_a_time_limit() {
        let (mut client, serving) = connect(app());
        let drip = async {
            let mut sent = 0;
            while client.write_all(b"x").await.is_ok() {
                sent += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            sent
        };
        client_is_cut_off(drip, &serving).await;
    }

    async fn client_is_cut_off(drip: impl Future<Output = u32>, serving: &TaskTracker) {
        let (sent, took) = tokio::join!(drip, ended(serving));
        assert!(sent > 1, "its first requests were read");
        assert!(took <= 3 * SLOWEST, "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_ends_its_request() {
        let (mut client, serving) = connect(app());
        client
            .write_all(b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nfour")
            .await
            .unwrap();
        let took = ended(&serving).await;
        assert!(took >= SLOWEST && took <= 3 * SLOWEST, "{took:?}");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_read_is_abandoned_and_no_more_of_it_is_made() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let endless = async move || {
            Body::from_stream(stream::repeat_with(move || {
                counted.fetch_add(1, Ordering::Relaxed);
                Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1024]))
            }))
        };
        let (mut client, serving) = connect(Router::new().route("/", get(endless)));
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let took = ended(&serving).await;
        assert!(took >= UNREAD && took <= 2 * UNREAD, "{took:?}");
        let made = made.load(Ordering::Relaxed);
        assert!(made * 1024 <= 4 * LARGEST_HEAD, "{made} pieces were made that were not read");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_read_slowly_is_completed() {
        let body = async || Bytes::from(vec![b'x'; 20 * 1024]);
        let (mut client, _serving) = connect(Router::new().route("/", get(body)));
        let ask = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        client.write_all(ask).await.unwrap();
        let (mut read, mut piece) = (0, [0; 1024]);
        loop {
            tokio::time::sleep(UNREAD / 2).await;
            match client.read(&mut piece).await.unwrap() {
                0 => break,
                some => read += some,
            }
        }
        assert!(read > 20 * 1024, "{read}");
    }

    #[tokio::test(start_paused = true)]
    async fn headers_take_a_bounded_amount_of_memory() {
        let (mut client, serving) = connect(app());
        let flood = async {
            client.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
            let mut sent = 0;
            while client.write_all(&[b'x'; 1024]).await.is_ok() {
                sent += 1024;
            }
            sent
        };
        let (sent, _) = tokio::join!(flood, ended(&serving));
        assert!(sent <= 2 * LARGEST_HEAD, "{sent}");
    }
}
